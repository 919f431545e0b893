'use strict';

// node-process.js - one node of a backplane: a server in a process of its own, told by messages what to publish.
// Started by nodes.js with fork(), or by a primary of node:cluster.

const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');

const { clusterBackplane, createSseServer, redisBackplane } = require('../../..');

const given = JSON.parse(process.env.SSE_TEST_NODE);
const say = (message) => process.send({ node: message });

function backplaneOf({ kind, redis, ...options }) {
  if (kind === 'cluster') return clusterBackplane(options);
  const { url, library = 'url' } = redis;
  if (library === 'redis') return redisBackplane({ ...options, client: require('redis').createClient({ url }) });
  if (library === 'ioredis') return redisBackplane({ ...options, client: new (require('ioredis'))(url, { lazyConnect: true }) });
  return redisBackplane({ ...options, url });
}

const sse = createSseServer({
  ...given.server,
  backplane: backplaneOf(given.backplane),
  hooks: { authenticateSubscriber: (token) => ({ sub: token }) },
});
sse.on('error', (error) => say({ error: `${error.code}: ${error.message}` }));

/** Publishes until the backplane has it: under one key, so that it is there once. */
async function insist({ channel, n }) {
  for (;;) {
    try {
      const id = await sse.publish(channel, { type: 'e', data: { n } }, { idempotencyKey: `n${n}` });
      say({ published: { n, id } });
      return;
    } catch (error) {
      say({ refused: { n, code: error.code } });
      await sleep(20);
    }
  }
}

const commands = {
  /** As one publisher: one after the other. */
  async publish({ events, pause = 0 }) {
    for (const event of events) {
      await insist(event);
      if (pause > 0) await sleep(pause);
    }
    say({ done: true });
  },
  async call({ name, args, number }) {
    try {
      say({ answer: { number, value: await sse[name](...args) } });
    } catch (error) {
      say({ answer: { number, error: { code: error.code, message: error.message, maybePublished: error.maybePublished } } });
    }
  },
  async stop() {
    await sse.stop();
    server.close();
    process.disconnect();
  },
};

process.on('message', ({ command, ...rest }) => commands[command]?.(rest));

const { router } = sse;
const server = http.createServer((req, res) => router(req, res, () => res.writeHead(404).end()));
server.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () => say({ port: server.address().port }));
