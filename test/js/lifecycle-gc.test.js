'use strict';

// lifecycle-gc.test.js - a server that nobody references any more: without clients it is collected, with its
// threads; those that it still has are served, or end.

const http = require('node:http');

const { createSseServer } = require('../..');
const { TRANSPORTS, cleanUp, listen } = require('./helpers/app');
const { start, endPrograms, subscribe, inEachState, allClosed, leave } = require('./helpers/program');
const { resources, backAt } = require('./helpers/resources');
const { waitFor } = require('./helpers/wait');

afterEach(endPrograms);
afterEach(cleanUp);

/** Waits until something more has come, or the connection has ended. */
async function isServedOrOver(client, count) {
  const before = count(client);
  if (client.isClosed) return;
  await client.until(() => client.isClosed || count(client) > before);
}

/** What each state's clients see after their server was dropped. */
const AFTERWARDS = {
  async connecting(program, { waiting }) {
    program.tell('admit');
    await waiting.until(() => waiting.isClosed || waiting.events.length > 0);
  },
  connected: (program, { readers }) => isServedOrOver(readers[0], ({ heartbeats }) => heartbeats),
  async streaming(program, { readers }) {
    for (const client of readers) await isServedOrOver(client, ({ published }) => published.length);
    program.tell('quiet');
  },
  draining: (program, clients) => allClosed(clients),
};

describe('a server that is dropped is collected', () => {
  inEachState(async ({ state, transport, enter }) => {
    const program = start({ transport });
    const clients = await enter(program, 500);
    program.tell('drop');
    await program.says('dropped');
    await AFTERWARDS[state]?.(program, clients);
    leave(clients);
    await allClosed(clients);
    program.tell('quiet');
    program.tell('collect');
    await program.says('collected');
    program.tell('return');
    await program.ends(0, null);
  });
});

describe('servers that are dropped', () => {
  const ROUNDS = 200;

  let uncollected = 0;
  const registry = new FinalizationRegistry(() => {
    uncollected -= 1;
  });

  async function allCollected() {
    await waitFor(() => {
      globalThis.gc();
      return uncollected === 0;
    }, () => `${uncollected} objects to be collected`);
  }

  /** Of every four servers one has nobody, one clients that it knows to have left, two clients that leave as it goes. */
  async function round(number) {
    const sse = createSseServer({
      transport: TRANSPORTS[number % TRANSPORTS.length],
      threads: 2,
      hooks: { authenticateSubscriber: (token) => ({ sub: token }) },
    });
    uncollected += 2;
    registry.register(sse);
    registry.register(sse.clients); // goes when the hub goes
    const kind = Math.floor(number / TRANSPORTS.length) % 4;
    if (kind === 0) return;
    const server = http.createServer(sse.handler);
    await listen(server, { port: 0, host: '127.0.0.1' });
    const clients = [subscribe(server.address().port), subscribe(server.address().port)];
    await Promise.all(clients.map((client) => client.connected()));
    sse.publish('a', { type: 't', data: number });
    if (kind !== 2) await Promise.all(clients.map((client) => client.data(1)));
    leave({ readers: clients });
    if (kind === 1) await waitFor(() => sse.clients.size === 0);
    server.close();
  }

  it(`leave nothing when there were ${ROUNDS} of them`, async () => {
    for (let i = 0; i < 8; i++) await round(i); // what the first ones leave is Node's
    await cleanUp();
    await allCollected();
    const before = resources();
    for (let i = 0; i < ROUNDS; i++) await round(i);
    await allCollected();
    await cleanUp();
    await backAt(before);
  });
});
