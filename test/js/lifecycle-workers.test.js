'use strict';

// lifecycle-workers.test.js - a server in a worker thread that is terminated or ends otherwise, whatever it is
// doing then: nothing of it stays, and the process goes on.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const { TRANSPORTS, cleanUp } = require('./helpers/app');
const { STATES, start, endPrograms, subscribe, inEachState, allClosed, leave } = require('./helpers/program');
const { resources, backAt } = require('./helpers/resources');

const CHILD = path.join(__dirname, 'helpers/child.js');

afterEach(endPrograms);
afterEach(cleanUp);

/** The process has gone on, has seen the worker end with this code, and ends by itself. */
async function assertGoesOn(program, code) {
  assert.equal(await program.says('left'), String(code));
  await program.ends(0, null);
}

describe('a worker with a server is terminated, and the process goes on', () => {
  inEachState(async ({ transport, enter }) => {
    const program = start({ transport, inWorker: true });
    const clients = await enter(program, 60_000);
    program.tell('terminate');
    await assertGoesOn(program, 1);
    await allClosed(clients);
  });
});

for (const transport of TRANSPORTS) {
  describe(`a worker with a server that is streaming ends, and the process goes on (${transport})`, () => {
    let program;
    let clients;

    beforeEach(async () => {
      program = start({ transport, inWorker: true });
      clients = await STATES.streaming(program);
    });

    it('by itself, when it lets everything go and its clients leave', async () => {
      program.tell('return');
      leave(clients);
      await assertGoesOn(program, 0);
    });

    it('on process.exit()', async () => {
      program.tell('exit');
      await assertGoesOn(program, 7);
      await allClosed(clients);
    });

    it('on an error that nobody catches', async () => {
      program.tell('throw');
      assert.equal(await program.says('error'), 'an error of the app');
      await assertGoesOn(program, 1);
      await allClosed(clients);
    });
  });
}

describe('workers with servers', () => {
  const ROUNDS = 200;
  /** More at once than there are processors: they end in each other's way. */
  const AT_ONCE = 4;

  /** What a worker is doing when it is terminated; the last two are whatever came of it by then. */
  const MOMENTS = [
    (worker, clients) => Promise.all(clients.map((client) => client.data(1))),
    (worker, clients) => clients[0].data(100),
    (worker, clients) => clients[0].head(),
    () => undefined,
  ];

  async function round(number) {
    const transport = TRANSPORTS[number % TRANSPORTS.length];
    const worker = new Worker(CHILD, { argv: [transport], stderr: true });
    let stderr = '';
    worker.stderr.on('data', (text) => {
      stderr += text;
    });
    worker.postMessage('create');
    const [line] = await once(worker, 'message');
    worker.postMessage('stream');
    const clients = Array.from({ length: 4 }, () => subscribe(Number(line.split(' ')[1])));
    await MOMENTS[Math.floor(number / TRANSPORTS.length) % MOMENTS.length](worker, clients);
    await worker.terminate();
    await Promise.all(clients.map((client) => client.closed()));
    assert.equal(stderr, '');
  }

  it(`leave nothing when ${ROUNDS} of them have been terminated with live clients`, async function () {
    this.timeout(150_000); // 10 s of work, when others leave it the processors
    for (let i = 0; i < AT_ONCE; i++) await round(i); // what the first ones leave is Node's
    const before = resources();
    let next = 0;
    const lane = async () => {
      while (next < ROUNDS) await round(next++);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await backAt(before);
  });
});
