'use strict';

// lifecycle.test.js - what a program is doing when its end comes, by how it ends: it returns, exits, throws, or
// is sent SIGTERM. The end of a worker is in lifecycle-workers.test.js, of a server in lifecycle-gc.test.js.

const assert = require('node:assert/strict');

const { cleanUp } = require('./helpers/app');
const { start, endPrograms, inEachState, allClosed, leave } = require('./helpers/program');

/** Longer than any test, where the end must come before the drain's own. */
const LONG = 60_000;

/** The error, its stack and Node's line after them, and nothing else. */
const UNCAUGHT = /^\S+child\.js:\d+\n.*\n *\^\n\nError: an error of the app\n(?: {4}at .*\n)+\nNode\.js v\S+\n$/;

afterEach(endPrograms);
afterEach(cleanUp);

/** Nothing but its connections can have kept alive a program that answers again and again. */
async function assertStays(program) {
  for (let i = 1; i <= 3; i++) {
    program.tell(`ping ${i}`);
    await program.says(`pong ${i}`);
  }
}

function assertToldClosing({ readers = [] }) {
  for (const client of readers) {
    assert.equal(client.events.at(-1).type, 'closing');
    assert.equal(client.error, null);
    assert.ok(client.parser.isBetweenBlocks);
  }
}

describe('a program that lets everything go ends by itself', () => {
  inEachState(async ({ state, transport, enter }) => {
    const program = start({ transport });
    const clients = await enter(program, 500);
    program.tell('return');
    if (['connecting', 'connected', 'streaming'].includes(state)) {
      await assertStays(program);
      leave(clients);
    }
    await program.ends(0, null);
    await allClosed(clients);
    const { readers = [] } = clients;
    const isTold = program.lines.filter((line) => line.startsWith('disconnected')).length;
    if (state !== 'stopped') assert.ok(isTold >= readers.length, 'onDisconnect was called before the end');
    if (state === 'draining') assertToldClosing(clients);
  });
});

describe('a program ends on process.exit()', () => {
  inEachState(async ({ transport, enter }) => {
    const program = start({ transport });
    const clients = await enter(program, LONG);
    program.tell('exit');
    await program.ends(7, null);
    await allClosed(clients);
  });
});

describe('a program ends on an error that nobody catches', () => {
  inEachState(async ({ transport, enter }) => {
    const program = start({ transport });
    const clients = await enter(program, LONG);
    program.tell('throw');
    await program.ends(1, null, UNCAUGHT);
    await allClosed(clients);
  });
});

describe('a program ends on SIGTERM', () => {
  inEachState(async ({ transport, enter }) => {
    const program = start({ transport });
    const clients = await enter(program, LONG);
    program.process.kill('SIGTERM');
    await program.ends(null, 'SIGTERM');
    await allClosed(clients);
  });
});

describe('a program ends by itself when its handler of SIGTERM stops the server', () => {
  inEachState(async ({ state, transport, enter }) => {
    const program = start({ transport });
    const clients = await enter(program, LONG);
    program.tell('handle');
    await program.says('handling');
    program.process.kill('SIGTERM');
    if (state === 'connecting') {
      await program.says('stopped');
      program.tell('admit');
      assert.equal((await clients.waiting.head()).status, 503);
      assert.match(clients.waiting.body, /ERR_SSE_STOPPING/);
    }
    await program.ends(0, null);
    await allClosed(clients);
    assertToldClosing(clients);
  });
});
