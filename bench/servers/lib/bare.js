// bench/servers/lib/bare.js: what answers a subscriber with the bytes that native-sse answers with, and does
// nothing else: no token, no list of clients, no event ever.
'use strict';

const http = require('node:http');
const { promisify } = require('node:util');
const { listen } = require('./listen');

const HEAD = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
  Connection: 'close',
};
const CONNECTED = {
  clientId: '00000000-0000-4000-8000-000000000000', userId: 'user-1', channels: ['c0'], recovered: true, lastEventId: null,
};

/** As the head and the first event of native-sse. */
function answer(req, res) {
  res.writeHead(200, HEAD);
  res.write(`: ok\nid: ${Date.now()}000\nevent: connected\ndata: ${JSON.stringify(CONNECTED)}\n\n`);
}

/** @param {(answer: Function) => Function} listenerOf makes the listener of requests */
function define(title, listenerOf) {
  return {
    title,
    path: '/sse',
    ready: 'connected',
    hasEvents: false,
    async start({ host, backlog }) {
      const server = http.createServer(listenerOf(answer));
      return {
        port: await listen(server, { host, backlog }),
        publish() {},
        count: promisify(server.getConnections).bind(server),
        async stop() {
          server.closeAllConnections();
          await new Promise((resolve) => server.close(resolve));
        },
      };
    },
  };
}

module.exports = { define };
