'use strict';

// child.js - a program with a server, driven by lines: on stdin in a process of its own, as messages in a
// worker thread. It holds its input and its HTTP server until it is told `return`; from then on only what
// belongs to the server and its clients may keep it alive.

const http = require('node:http');
const { createInterface } = require('node:readline');
const { isMainThread, parentPort } = require('node:worker_threads');

const { createSseServer } = require('../../..');
const { resources, backAt } = require('./resources');
const { gate, turn, waitFor } = require('./wait');

const MIB = 1024 * 1024;

const [transport] = process.argv.slice(2);
const input = isMainThread ? process.stdin : parentPort;
const say = isMainThread ? (text) => process.stdout.write(`${text}\n`) : (text) => parentPort.postMessage(text);

let sse;
let server;
let publisher;
/** What subscribers whose token is `waiting` wait for. */
const door = gate();

/** How many of the objects that were dropped are still there. */
let uncollected = 0;
const registry = new FinalizationRegistry(() => {
  uncollected -= 1;
});

function watch(...objects) {
  for (const object of objects) registry.register(object);
  uncollected += objects.length;
}

function authenticateSubscriber(token) {
  if (token !== 'waiting') return { sub: token };
  say('asked');
  return door.opened.then(() => ({ sub: token }));
}

/** Lets go of all that would keep a program without a server alive. */
function letGo() {
  server?.close(() => say('closed'));
  input.unref();
}

const commands = {
  create() {
    sse = createSseServer({
      transport,
      heartbeatInterval: 100,
      hookTimeout: 600_000,
      maxQueuedBytes: 64 * MIB,
      hooks: { authenticateSubscriber, onDisconnect: (client, reason) => say(`disconnected ${reason}`) },
    });
    // The Map of clients knows the hub and is known by it, so it goes when the hub goes.
    watch(sse, sse.clients);
    server = http.createServer(sse.handler);
    server.listen(0, '127.0.0.1', () => say(`listening ${server.address().port}`));
  },
  ping: (text) => say(`pong ${text}`),
  admit: () => door.open(),
  async publish(text) {
    globalThis.gc();
    say(`published ${await sse.publish('a', { type: 't', data: text })}`);
  },
  /** More than the system buffers for a client that does not read. */
  async flood() {
    const data = 'x'.repeat(MIB - 100);
    for (let i = 0; i < 16; i++) await sse.publish('flood', { type: 't', data });
    say('flooded');
  },
  /** Publishes until the end, and keeps of the server no more than that takes. */
  stream() {
    const { publish } = sse;
    let n = 0;
    publisher = setInterval(() => {
      for (let i = 0; i < 5; i++) publish('a', { type: 't', data: (n += 1) });
    }, 1);
    publisher.unref();
  },
  quiet() {
    clearInterval(publisher);
    publisher = undefined;
  },
  stop(drainMs) {
    sse.stop(drainMs === '' ? undefined : { drainMs: Number(drainMs) }).then(() => say('stopped'));
    say('stopping');
  },

  // The ends.
  return: letGo,
  exit: () => process.exit(7),
  throw() {
    setImmediate(() => {
      throw new Error('an error of the app');
    });
  },
  handle() {
    process.once('SIGTERM', async () => {
      letGo();
      await sse?.stop();
      say('stopped');
    });
    say('handling');
  },
  async drop() {
    server?.close();
    sse = server = undefined;
    for (let i = 0; i < 10; i++) {
      globalThis.gc();
      await turn();
    }
    say('dropped');
  },
  async collect() {
    await waitFor(() => {
      globalThis.gc();
      return uncollected === 0;
    }, 'the server to be collected');
    await backAt(before);
    say('collected');
  },
};

function obey(line) {
  const [name, ...rest] = line.split(' ');
  commands[name](rest.join(' '));
}

if (isMainThread) createInterface({ input }).on('line', obey);
else input.on('message', obey);
const before = resources();
