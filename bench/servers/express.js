// bench/servers/express.js: a peer, plain Express with a res.write loop.
'use strict';

const http = require('node:http');
const express = require('express');
const { Channels } = require('./lib/history');
const { listen } = require('./lib/listen');

module.exports = {
  title: `express ${require('express/package.json').version}, res.write loop`,
  path: '/sse',
  ready: 'connected',
  replays: true,

  // As one would write it with care: a frame is encoded once for everybody, what
  // was missed is one write, and one timer is the heartbeat of all.
  async start({ host, backlog, heartbeat }) {
    const channels = new Channels();
    let lastId = 0;

    const app = express();
    app.get('/sse', (req, res) => {
      res.writeHead(200, {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-store, no-transform',
        'X-Accel-Buffering': 'no',
      });
      res.write('event: connected\ndata: {}\n\n');
      const names = req.query.channel;
      const lastEventId = req.get('Last-Event-ID');
      if (lastEventId) {
        const missed = channels.get([].concat(names)[0]).since(lastEventId);
        if (missed.length > 0) res.write(Buffer.concat(missed));
      }
      channels.join(names, res);
      res.on('close', () => channels.leave(names, res));
    });

    const server = http.createServer(app);
    const port = await listen(server, { host, backlog });
    const beat = Buffer.from(': heartbeat\n');
    const timer = heartbeat > 0 && setInterval(() => {
      for (const res of channels.everybody()) res.write(beat);
    }, heartbeat);

    return {
      port,
      publish(channel, type, data) {
        const id = ++lastId;
        const frame = Buffer.from(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
        const to = channels.get(channel);
        to.remember(id, frame);
        for (const res of to.subscribers) res.write(frame);
      },
      count: () => channels.size,
      async stop() {
        clearInterval(timer);
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};
