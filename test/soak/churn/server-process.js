'use strict';

// server-process.js - the server side of a churn, in a process of its own: one server for each transport, and who
// publishes to them. Driven by messages { number, name, argument }; each is answered once.

const fs = require('node:fs');
const http = require('node:http');

const { createSseServer } = require('../../..');
const { makeRandom } = require('../../js/helpers/seeded-random');

const TICK_MS = 20;
const BULK_BYTES = 64 * 1024;

/** One server of one transport, with the numbers of its channels. */
class Side {
  constructor(transport, { channels, maxClients }) {
    this.transport = transport;
    this.reasons = {};
    this.numbers = new Map();
    this.ids = new Map();
    this.channels = channels;
    this.sse = createSseServer({
      transport,
      maxClients,
      maxQueuedBytes: 256 * 1024,
      heartbeatInterval: 5000,
      hooks: {
        authenticateSubscriber: (token) => ({ sub: token }),
        onDisconnect: (client, reason) => {
          this.reasons[reason] = (this.reasons[reason] ?? 0) + 1;
        },
      },
    });
    this.server = http.createServer(this.sse.handler);
  }

  async listen() {
    await new Promise((resolve) => this.server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, resolve));
    return this.server.address().port;
  }

  /** @param {{ isSkipped?: boolean, again?: boolean }} [fault] one that is planted: not published, or under an old number */
  publish(channel, size, { isSkipped = false, again = false } = {}) {
    const n = (this.numbers.get(channel) ?? 0) + (again ? 0 : 1);
    this.numbers.set(channel, n);
    if (isSkipped) return;
    this.sse.publish(channel, { type: 'e', data: { c: channel, n, b: this.ids.get(channel) ?? 0, pad: 'x'.repeat(size) } });
    this.ids.set(channel, this.sse.cursor()); // the id that was given just now
  }
}

const sides = [];
let timer;
let plan;
let random;
let published = 0;

function publishOne() {
  const side = sides[published % sides.length];
  published += 1;
  const isBulk = published % plan.bulkEvery < sides.length;
  const channel = isBulk ? `bulk${random.below(plan.bulkChannels)}` : `c${random.below(plan.channels)}`;
  const isFault = published > 2 * plan.rate && published % 97 === 0;
  side.publish(channel, isBulk ? BULK_BYTES : random.below(300), { isSkipped: isFault && plan.plant === 'loss', again: isFault && plan.plant === 'double' });
}

const collect = () => {
  globalThis.gc();
  globalThis.gc();
};

const commands = {
  async start(given) {
    plan = given;
    random = makeRandom(plan.seed);
    for (const transport of ['socket', 'stream']) sides.push(new Side(transport, plan));
    return Promise.all(sides.map(async (side) => ({ transport: side.transport, port: await side.listen() })));
  },
  /** From here on so many events a second, also where a tick comes late. */
  publish() {
    const started = Date.now();
    timer = setInterval(() => {
      const due = ((Date.now() - started) / 1000) * plan.rate;
      for (let i = 0; published < due && i < plan.rate; i++) publishOne();
    }, TICK_MS);
  },
  /** One last event of each channel: who has it has missed nothing before it. */
  finish() {
    clearInterval(timer);
    const names = [...Array.from({ length: plan.channels }, (_, i) => `c${i}`), ...Array.from({ length: plan.bulkChannels }, (_, i) => `bulk${i}`)];
    for (const side of sides) for (const name of names) side.publish(name, 0);
    return Object.fromEntries(sides.map(({ transport, numbers }) => [transport, Object.fromEntries(numbers)]));
  },
  sample() {
    collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heapUsed, external, published };
  },
  left() {
    const clients = sides.map(({ sse }) => sse.clients.size);
    const stats = sides.map(({ sse }) => sse.stats().clients);
    return { descriptors: fs.readdirSync('/proc/self/fd').length, threads: fs.readdirSync('/proc/self/task').length, clients, stats };
  },
  plant() {
    if (plan.plant === 'descriptor') fs.openSync('/dev/null');
  },
  reasons: () => Object.fromEntries(sides.map(({ transport, reasons }) => [transport, reasons])),
};

process.on('message', async ({ number, name, argument }) => {
  try {
    process.send({ number, value: await commands[name](argument) });
  } catch (error) {
    process.send({ number, error: error.stack });
  }
});
process.on('disconnect', () => process.exit());
