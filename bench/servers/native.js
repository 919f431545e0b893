// bench/servers/native.js: native-sse behind Express, sockets handed over to the core.
'use strict';

const http = require('node:http');
const express = require('express');
const { createSseServer } = require('../..');

module.exports = {
  title: `native-sse ${require('../../package.json').version}, express ${require('express/package.json').version}`,
  path: '/sse?channel=bench',
  ready: 'connected',
  replays: true,

  async start({ host, backlog }) {
    const sse = createSseServer({
      transport: 'socket', // a 500 where a connection cannot be handed over
      requireToken: false,
      hooks: { authenticateSubscriber: () => ({ sub: 'bench' }) },
    });

    const app = express();
    app.use('/sse', sse.router);

    const server = http.createServer(app);
    await new Promise((resolve, reject) => {
      server.on('error', reject);
      server.listen({ host, port: 0, backlog }, resolve);
    });

    return {
      port: server.address().port,
      publish: (type, data) => sse.publish('bench', { type, data }),
      count: () => sse.clients.size,
      async stop() {
        await sse.stop();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};
