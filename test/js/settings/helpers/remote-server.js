'use strict';

// remote-server.js - the server of a test in a process of its own; see remote.js.

const fs = require('node:fs');

const { startServer } = require('../../helpers/app');
const { answer } = require('./remote');
const { SETTINGS } = require('./secure');

let app;
/** What onDisconnect was told, in its order. */
const endings = [];

function isSocket(fd) {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
  } catch {
    return false; // that of the look at the folder
  }
}

const payload = (bytes) => ({ type: 'burst', data: 'x'.repeat(bytes) });

answer({
  /** @param {{ setting?: string, host?: string, options?: object }} what `setting` is one of secure.js */
  async start({ setting, host = '127.0.0.1', options = {} }) {
    const hooks = { onDisconnect: ({ userId }, reason) => endings.push({ userId, reason }) };
    const create = SETTINGS[setting]?.create;
    app = await startServer({ ...options, hooks }, { where: { port: 0, host }, ...(create && { create }) });
    return app.address;
  },

  /** Publishes `count` events in one tick, then keeps the event loop busy for `blockMs`. */
  async publish(channel, { bytes = 1, count = 1, blockMs = 0 } = {}) {
    const event = payload(bytes);
    const published = Array.from({ length: count }, () => app.sse.publish(channel, event));
    for (const end = Date.now() + blockMs; Date.now() < end;) continue;
    return Promise.all(published);
  },

  disconnect: (clientId) => app.sse.disconnect(clientId),
  endings: () => endings,
  clients: () => app.sse.clients.size,
  closed: () => app.sse.stats().closed,

  /** Open sockets, of listening and of this process's own too. */
  sockets: () => fs.readdirSync('/proc/self/fd').filter(isSocket).length,

  /** Resident memory without what the collector can free, in bytes. */
  rss() {
    globalThis.gc();
    return process.memoryUsage.rss();
  },
});
