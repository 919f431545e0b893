'use strict';

// bare-http.js - a subscription and a publisher on Node's own HTTP server, without a framework.

const { createServer } = require('node:http');
const { json } = require('node:stream/consumers');
const { createSseServer } = require('native-sse');

const sse = createSseServer(); // JWKS_URL, JWT_ISSUER and JWT_AUDIENCE

async function publish(req, res) {
  const id = await sse.publish('orders', { type: 'order', data: await json(req) });
  res.writeHead(201, { 'Content-Type': 'application/json' }).end(JSON.stringify({ id }));
}

const server = createServer((req, res) => {
  const [path] = req.url.split('?');
  // `handler` answers everything itself: the stream, a HEAD, 405, 401 and so on.
  if (path === '/events') sse.handler(req, res);
  else if (path === '/orders' && req.method === 'POST') publish(req, res).catch(() => res.writeHead(400).end());
  else res.writeHead(404).end();
});

server.listen(process.env.PORT ?? 3000, () => console.log(`listening on port ${server.address().port}`));

process.once('SIGTERM', async () => {
  server.close();
  await sse.stop();
});
