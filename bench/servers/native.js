// bench/servers/native.js: native-sse behind Express, sockets handed over to the core.
'use strict';

const http = require('node:http');
const express = require('express');
const { createSseServer } = require('../..');
const { listen } = require('./lib/listen');

const VERSIONS = `native-sse ${require('../../package.json').version}, express ${require('express/package.json').version}`;

/** @param {'socket' | 'stream'} transport 'socket': a 500 where a connection cannot be handed over */
function define(transport) {
  return {
    title: `${VERSIONS}, transport ${transport}`,
    path: '/sse',
    ready: 'connected',
    replays: true,

    async start({ host, backlog, heartbeat }) {
      const sse = createSseServer({
        transport,
        heartbeatInterval: heartbeat,
        requireToken: false,
        hooks: { authenticateSubscriber: () => ({ sub: 'bench' }) },
      });
      const app = express();
      app.use('/sse', sse.router);
      const server = http.createServer(app);
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
}

module.exports = { ...define('socket'), define };
