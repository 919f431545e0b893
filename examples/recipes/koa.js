'use strict';

// koa.js - a subscription and a publisher in a Koa app.

const { json } = require('node:stream/consumers');
const Koa = require('koa');
const { createSseServer } = require('native-sse');

const sse = createSseServer(); // JWKS_URL, JWT_ISSUER and JWT_AUDIENCE
const app = new Koa();

// What is set before goes into the head of the stream.
app.use((ctx, next) => {
  ctx.set('Access-Control-Allow-Origin', 'https://app.example.com');
  return next();
});

app.use((ctx, next) => {
  if (ctx.path !== '/events') return next();
  ctx.respond = false; // from here on the answer is not Koa's
  sse.handler(ctx.req, ctx.res);
  return undefined;
});

app.use(async (ctx) => {
  if (ctx.path !== '/orders' || ctx.method !== 'POST') return;
  const id = await sse.publish('orders', { type: 'order', data: await json(ctx.req) });
  ctx.status = 201;
  ctx.body = { id };
});

const server = app.listen(process.env.PORT ?? 3000, () => console.log(`listening on port ${server.address().port}`));

process.once('SIGTERM', async () => {
  server.close();
  await sse.stop();
});
