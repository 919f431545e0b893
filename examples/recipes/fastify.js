'use strict';

// fastify.js - a subscription and a publisher in a Fastify app.

const fastify = require('fastify');
const { createSseServer } = require('native-sse');

const sse = createSseServer(); // JWKS_URL, JWT_ISSUER and JWT_AUDIENCE
const app = fastify();

// Hooks and plugins, such as @fastify/cors, work as for any route.
app.addHook('onRequest', (request, reply, done) => {
  reply.header('Access-Control-Allow-Origin', 'https://app.example.com');
  done();
});

app.get('/events', (request, reply) => {
  // What Fastify has gathered for the head is not on the raw response yet.
  for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value);
  reply.hijack(); // from here on the answer is not Fastify's
  sse.handler(request.raw, reply.raw);
});

app.post('/orders', async (request, reply) => {
  const id = await sse.publish('orders', { type: 'order', data: request.body });
  return reply.code(201).send({ id });
});

// Before the server closes: it would wait for streams that go through Node.
app.addHook('preClose', () => sse.stop());

app.listen({ port: Number(process.env.PORT ?? 3000) }).then(() => {
  console.log(`listening on port ${app.server.address().port}`);
});

process.once('SIGTERM', () => app.close());
