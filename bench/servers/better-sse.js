// bench/servers/better-sse.js: a peer, better-sse behind Express: its sessions, channels and batches.
'use strict';

const http = require('node:http');
const { createChannel, createSession } = require('better-sse');
const express = require('express');
const { listen } = require('./lib/listen');

const VERSION = require('../../node_modules/better-sse/package.json').version;
const HISTORY = 100;

module.exports = {
  title: `better-sse ${VERSION}, express ${require('express/package.json').version}`,
  path: '/sse',
  ready: 'connected',
  replays: true,

  // It has no history; a session knows its last id and can send a batch, which is
  // what its documentation has for this.
  async start({ host, backlog, heartbeat }) {
    const channels = new Map();
    let lastId = 0;
    let count = 0;
    const channelOf = (name) => {
      if (!channels.has(name)) channels.set(name, { channel: createChannel(), history: [] });
      return channels.get(name);
    };

    const app = express();
    app.get('/sse', async (req, res) => {
      const session = await createSession(req, res, { keepAlive: heartbeat || null, retry: null });
      count += 1;
      session.once('disconnected', () => { count -= 1; });
      const after = Number(session.lastId);
      session.push({}, 'connected', '');
      for (const name of [].concat(req.query.channel)) {
        const { channel, history } = channelOf(name);
        if (after > 0) {
          await session.batch((buffer) => {
            for (const { id, type, data } of history) if (id > after) buffer.push(data, type, String(id));
          });
        }
        channel.register(session);
      }
    });

    const server = http.createServer(app);
    return {
      port: await listen(server, { host, backlog }),
      publish(name, type, data) {
        const id = ++lastId;
        const { channel, history } = channelOf(name);
        history.push({ id, type, data });
        if (history.length > HISTORY) history.shift();
        channel.broadcast(data, type, { eventId: String(id) });
      },
      count: () => count,
      async stop() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};
