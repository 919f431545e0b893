'use strict';

// server-process.js - the server of a run, in a process of its own: its descriptors and its memory can be
// counted, and its wall clock can be stepped. Driven by messages; each is answered once, in order.

const { randomInt } = require('node:crypto');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');
const { setTimeout: sleep } = require('node:timers/promises');

const { createSseServer } = require('../../..');
const { makeCertificate } = require('../settings/helpers/certificate');
const { payloadOf } = require('./payload');

const pem = makeCertificate();
const MAKERS = {
  http1: (handler) => http.createServer(handler),
  tls: (handler) => https.createServer(pem, handler),
  http2: (handler) => http2.createSecureServer({ ...pem, allowHTTP1: true }, handler),
};

/**
 * Below those that systems give to whoever asks for any: while the server is away, its port must not become
 * the local one of a connection, which could then even be one to itself.
 */
const PORTS = [20_000, 32_000];

const micros = () => Number(process.hrtime.bigint()) / 1000;

/** One server from its start to its stop, and what it said of its clients. */
class Life {
  constructor(number, options) {
    this.number = number;
    this.problems = [];
    this._lastId = 0;
    /** Client id -> what the oracle must know of its connection. */
    this.clients = new Map();
    /** Subscriber -> the id of its newest client. */
    this.current = new Map();
    this._reserved = new WeakMap();
    this.wall = [Date.now()];
    this.startedAt = micros();
    this.sse = createSseServer({ ...options, hooks: this._hooks() });
    this.birth = this.sse.cursor();
    this.wall.push(Date.now());
    this.sse.on('error', (error) => this.problems.push(`error: ${error.stack}`));
  }

  _hooks() {
    return {
      authenticateSubscriber: async (token, req) => {
        const wait = Number(new URL(req.url, 'http://x').searchParams.get('wait'));
        if (wait > 0) await sleep(wait);
        return { sub: token };
      },
      onConnect: (client, req) => this._connected(client, req),
      onDisconnect: (client, reason) => this._disconnected(client, reason),
    };
  }

  handle(req, res) {
    // The cursor that the server reads now, with the slot it reserves.
    this._reserved.set(req, this.sse.cursor());
    this.sse.handler(req, res);
  }

  _connected({ id, userId, channels }, req) {
    if (this.clients.has(id)) this.problems.push(`onConnect twice for ${id}`);
    const sid = new URL(req.url, 'http://x').searchParams.get('sid');
    this.clients.set(id, {
      id, sid, userId, channels, life: this.number,
      // The cursor when the slot was reserved, and when the client was attached.
      reserved: this._reserved.get(req), attached: this.sse.cursor(),
      reason: null, detached: null, comments: [],
    });
    this.current.set(sid, id);
  }

  _disconnected({ id }, reason) {
    const client = this.clients.get(id);
    if (!client) this.problems.push(`onDisconnect before onConnect for ${id}`);
    else if (client.reason !== null) this.problems.push(`onDisconnect twice for ${id}: ${client.reason}, ${reason}`);
    else client.reason = reason;
  }

  clientOf(sid) {
    return this.clients.get(this.current.get(sid));
  }

  /** @returns {Promise<number | null>} the id, null when the server did not take it */
  async publish(event) {
    const [scope, name] = [event.key[0], event.key.slice(2)];
    const what = { type: 't', data: payloadOf(event) };
    try {
      const id = await (scope === 'u' ? this.sse.publishToUser(name, what) : this.sse.publish(name, what));
      if (id <= this._lastId) this.problems.push(`publish gave ${id} after ${this._lastId}`);
      this._lastId = id;
      return id;
    } catch (error) {
      if (error.code !== 'ERR_SSE_STOPPED') throw error;
      return null;
    }
  }

  /** What is left to say once it has stopped. */
  report() {
    const { number, birth, startedAt, wall, stopCursor = null, problems } = this;
    return { number, birth, startedAt, wall, stopCursor, problems, stats: this.sse.stats(), clients: [...this.clients.values()] };
  }
}

let settings;
let server;
const sockets = new Set();
let port = 0;
let life;
let pastLives = [];

/** Listens, again where it did before. */
async function listen() {
  server = MAKERS[settings.wire]((req, res) => life.handle(req, res));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  while (!server.listening) {
    const wanted = port === 0 ? randomInt(...PORTS) : port;
    server.listen(wanted, '127.0.0.1');
    await once(server, 'listening').catch((error) => {
      if (error.code !== 'EADDRINUSE' || port !== 0) throw error;
    });
  }
  ({ port } = server.address());
}

async function closeServer() {
  const closed = once(server, 'close');
  server.close();
  // Not closeAllConnections: HTTP/2 has none, and it knows no connection that is being shut down.
  for (const socket of sockets) socket.destroy();
  await closed;
}

async function stopLife(drainMs) {
  life.stopCursor = life.sse.cursor();
  await life.sse.stop({ drainMs });
}

/** A restart begins when the one before is done. */
let restarting = Promise.resolve();

async function restart({ drainMs, isWhole }) {
  await stopLife(drainMs);
  if (isWhole) await closeServer();
  pastLives.push(life.report());
  life = new Life(life.number + 1, settings.options);
  if (isWhole) await listen();
}

/** 0 where there is no /proc. */
const count = (folder) => (fs.existsSync(folder) ? fs.readdirSync(folder).length : 0);

const commands = {
  async start(given) {
    settings = given;
    pastLives = [];
    port = 0;
    life = new Life(1, settings.options);
    await listen();
    return { port };
  },

  /** Everything in one tick; each id with the life that gave it. */
  async publish(events) {
    const { number } = life;
    return { life: number, ids: await Promise.all(events.map((event) => life.publish(event))) };
  },

  /** Publishes one big event after the other until the server ends this subscriber's client. */
  async choke({ sid, key, size, firstN, most }) {
    const own = life;
    const client = own.clientOf(sid);
    const ids = [];
    while (ids.length < most && client && client.reason === null) {
      ids.push(await own.publish({ n: firstN + ids.length, key, size }));
      await sleep(5);
    }
    return { life: own.number, ids };
  },

  disconnect({ sid }) {
    const client = life.clientOf(sid);
    if (!client || !life.sse.disconnect(client.id)) return false;
    client.detached ??= life.sse.cursor();
    return true;
  },

  disconnectUser({ user }) {
    const { sse, clients } = life;
    for (const id of sse.clients.keys()) {
      const client = clients.get(id);
      if (client.userId === user) client.detached ??= sse.cursor();
    }
    return sse.disconnectUser(user, 'chaos');
  },

  comment({ sid, text }) {
    const client = life.clientOf(sid);
    const view = client && life.sse.clients.get(client.id);
    if (!view) return false;
    client.comments.push(text);
    view.res.write(`: ${text}\n`);
    return true;
  },

  clock(offsetSeconds) {
    const file = process.env.FAKETIME_TIMESTAMP_FILE;
    // Renamed into place: whoever reads the time meanwhile must not see half a file.
    fs.writeFileSync(`${file}.new`, `${offsetSeconds >= 0 ? '+' : ''}${offsetSeconds}\n`);
    fs.renameSync(`${file}.new`, file);
    return Date.now();
  },

  restart(how) {
    restarting = restarting.then(() => restart(how));
    return restarting;
  },

  cursor: () => life.sse.cursor(),
  lives: () => [...pastLives, life.report()],

  async stop() {
    await stopLife(0);
    const lives = [...pastLives, life.report()];
    pastLives = [];
    life = undefined;
    await closeServer();
    server = undefined;
    return lives;
  },

  /** What must come back to where it was. */
  usage() {
    // Twice: what a finalizer lets go is garbage of the second.
    for (let i = 0; i < 2; i++) globalThis.gc();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { descriptors: count('/proc/self/fd'), threads: count('/proc/self/task'), rss, heap: heapUsed + external };
  },

  clients: () => ({ size: life.sse.clients.size, ...life.sse.stats().clients }),
};

/** After a failure nobody may be there to hear it. */
const say = (answer) => process.send(answer, () => {});

process.on('message', async ({ number, name, argument }) => {
  try {
    say({ number, value: await commands[name](argument) });
  } catch (error) {
    say({ number, error: error.stack });
  }
});
process.on('disconnect', () => process.exit());
