// bench/servers/fastify-sse.js: a peer, Fastify with @fastify/sse: its sends and its replay.
'use strict';

const { Channels } = require('./lib/history');

const versionOf = (name) => require(`../../node_modules/${name}/package.json`).version;

module.exports = {
  title: `@fastify/sse ${versionOf('@fastify/sse')}, fastify ${versionOf('fastify')}`,
  path: '/sse',
  ready: 'connected',
  replays: true,

  async start({ host, backlog, heartbeat }) {
    const fastify = require('fastify')();
    await fastify.register(require('@fastify/sse'), { heartbeatInterval: heartbeat });
    const channels = new Channels();
    let lastId = 0;

    fastify.get('/sse', { sse: 'only' }, async (request, reply) => {
      const { sse } = reply;
      const names = request.query.channel;
      sse.keepAlive();
      await sse.send({ event: 'connected', data: {} });
      await sse.replay(async (lastEventId) => {
        for (const event of channels.get([].concat(names)[0]).since(lastEventId)) await sse.send(event);
      });
      channels.join(names, sse);
      sse.onClose(() => channels.leave(names, sse));
    });

    await fastify.listen({ host, port: 0, backlog });
    return {
      port: fastify.server.address().port,
      publish(channel, type, data) {
        const id = ++lastId;
        const event = { id, event: type, data };
        const to = channels.get(channel);
        to.remember(id, event);
        for (const sse of to.subscribers) sse.send(event).catch(() => {}); // one that has just left
      },
      count: () => channels.size,
      async stop() {
        fastify.server.closeAllConnections();
        await fastify.close();
      },
    };
  },
};
