'use strict';

// pace.test.js - many requests at once: so many in a turn of the event loop, in order, and none left behind.

const assert = require('node:assert/strict');

const { Pace, PER_TURN } = require('../../lib/pace');
const { startServer, cleanUp } = require('./helpers/app');
const { waitFor } = require('./helpers/wait');

afterEach(cleanUp);

describe('the pace of requests', () => {
  /** Enters `count` times at once; answers in which turn each went on. */
  async function enterAll(pace, count) {
    let turn = 0;
    let isOver = false;
    const next = () => {
      turn += 1;
      if (!isOver) setImmediate(next);
    };
    setImmediate(next);
    const turns = await Promise.all(Array.from({ length: count }, async () => {
      await pace.enter();
      return turn;
    }));
    isOver = true;
    return turns;
  }

  it('lets a few go on at once', async () => {
    const pace = new Pace();
    for (let i = 0; i < PER_TURN; i++) assert.equal(pace.enter(), undefined);
    assert.ok(pace.enter() instanceof Promise);
  });

  it('lets no more than so many go on in a turn, in order', async () => {
    const turns = await enterAll(new Pace(), 10 * PER_TURN);
    assert.deepEqual(turns, [...turns].sort((a, b) => a - b));
    for (let turn = 0; turn <= turns.at(-1); turn++) {
      assert.ok(turns.filter((each) => each === turn).length <= PER_TURN, `too many in turn ${turn}`);
    }
    assert.ok(turns.at(-1) >= 9);
  });

  it('lets the next ones go on at once when all have gone', async () => {
    const pace = new Pace();
    await enterAll(pace, 3 * PER_TURN);
    await waitFor(() => pace.enter() === undefined);
  });

  it('serves a storm, and frees the slots of those who leave while they wait', async () => {
    const count = 6 * PER_TURN;
    const app = await startServer({ maxClients: count });
    const first = Array.from({ length: count }, () => app.send({ channels: ['a'] }));
    for (const [i, client] of first.entries()) if (i % 2) client.reset();
    for (const [i, client] of first.entries()) if (i % 2 === 0) await client.connected();
    await app.hasClients(count / 2);
    const second = Array.from({ length: count / 2 }, () => app.send({ channels: ['a'] }));
    for (const client of second) await client.connected();
    assert.equal((await app.request()).status, 503);
  });
});
