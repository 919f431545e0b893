'use strict';

// chaos.test.js - subscribers that come, stall, vanish and come back, while servers restart and clocks are
// stepped: nobody misses an event without being told, and nothing is left at the end. `make soak` does the
// same for long, with other seeds.

const assert = require('node:assert/strict');

const { findFaketime } = require('./chaos/clock');
const { playSeed } = require('./chaos/run');
const { ServerProcess } = require('./chaos/server');
const { LINES, HISTORIES } = require('./chaos/settings');

const MOVES = 150;

/** Every history, over each wire in turn; a failing seed of a soak can be put here as { seed }. */
const RUNS = HISTORIES.map((_, i) => ({ seed: 101 + i, fixed: { history: i, line: i % LINES.length, hasClock: i % 2 === 1 - (i >> 2) } }));

function nameOf({ seed, fixed: { line, history, hasClock } }) {
  const { wire, transport } = LINES[line];
  return `holds for seed ${seed}: ${wire}, ${transport}, ${JSON.stringify(HISTORIES[history])}${hasClock ? ', a clock that steps' : ''}`;
}

describe('chaos', () => {
  const met = { lost: 0, told: 0, replayed: 0, reasons: {}, closing: {} };
  let runs = 0;
  let server;

  afterEach(() => server?.end());

  for (const run of RUNS) {
    it(nameOf(run), async function () {
      this.timeout(60_000);
      server = undefined;
      if (run.fixed.hasClock && findFaketime() === null) this.skip();
      server = new ServerProcess(run.fixed);
      const result = await playSeed({ ...run, moves: MOVES, server });
      runs += 1;
      for (const name of ['lost', 'told', 'replayed']) met[name] += result.met[name];
      for (const name of ['reasons', 'closing']) Object.assign(met[name], result.met[name]);
    });
  }

  it('has met what it is about', function () {
    if (runs < RUNS.length) this.skip();
    assert.ok(met.lost > 0 && met.told > 0 && met.replayed > 0, JSON.stringify(met));
    for (const reason of ['client', 'reset', 'server', 'shutdown', 'slow_reader']) assert.ok(met.reasons[reason] > 0, `${reason} ${JSON.stringify(met)}`);
    assert.ok(met.closing.shutdown > 0, JSON.stringify(met));
  });
});
