// bench/servers/native-handler.js: native-sse without Express and without tokens: server.handler alone.
'use strict';

const http = require('node:http');
const { createSseServer } = require('../..');
const { listen } = require('./lib/listen');

module.exports = {
  title: `native-sse ${require('../../package.json').version}, server.handler on node:http`,
  path: '/sse',
  ready: 'connected',

  async start({ host, backlog, heartbeat }) {
    const sse = createSseServer({
      transport: 'socket',
      heartbeatInterval: heartbeat,
      requireToken: false,
      hooks: { authenticateSubscriber: () => ({ sub: 'bench' }) },
    });
    const server = http.createServer(sse.handler);
    return {
      port: await listen(server, { host, backlog }),
      publish: (channel, type, data) => sse.publish(channel, { type, data }),
      count: () => sse.clients.size,
      async stop() {
        await sse.stop();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};
