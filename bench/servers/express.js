// bench/servers/express.js: the peer, plain Express with a res.write loop.
'use strict';

const http = require('node:http');
const express = require('express');

module.exports = {
  title: `express ${require('express/package.json').version}, res.write loop`,
  path: '/sse',
  ready: 'connected',

  // As one would write it with care: the frame is encoded once for everybody.
  async start({ host, backlog }) {
    const clients = new Set();
    let lastId = 0;

    const app = express();
    app.get('/sse', (req, res) => {
      res.writeHead(200, {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-store, no-transform',
        'X-Accel-Buffering': 'no',
      });
      res.write('event: connected\ndata: {}\n\n');
      clients.add(res);
      res.on('close', () => clients.delete(res));
    });

    const server = http.createServer(app);
    await new Promise((resolve, reject) => {
      server.on('error', reject);
      server.listen({ host, port: 0, backlog }, resolve);
    });

    return {
      port: server.address().port,
      publish(type, data) {
        const frame = Buffer.from(`id: ${++lastId}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
        for (const res of clients) res.write(frame);
        return undefined;
      },
      count: () => clients.size,
      async stop() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};
