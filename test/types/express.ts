// express.ts - beside @types/express, which the types themselves do not need.

import express, { type Request, type Response } from 'express';
import { createSseServer } from 'native-sse';

const sse = createSseServer({
  requireToken: false,
  hooks: {
    // A hook may say that it is called with Express's request.
    authenticateSubscriber: (token, req: Request) => ({ sub: token ?? String(req.ip), admin: false }),
    authorizeChannel: (user, channel, req: Request) => user.admin || req.path === channel,
    onConnect: (client, req: Request) => console.log(client.id, req.ip),
  },
});

const app = express();
app.use('/sse', sse.router);
app.use(sse.router);
app.get('/events', sse.handler);
app.get('/other', (req: Request, res: Response) => sse.handler(req, res));
app.post('/publish', async (req, res) => {
  res.json({ id: await sse.publish('news', { type: 'update', data: req.body }) });
});

const nested = express.Router();
nested.use('/sse', express.json(), sse.router);
app.use(nested);
// @ts-expect-error - a router is no path
app.use(sse.router, '/sse');
