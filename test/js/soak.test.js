'use strict';

// soak.test.js - the churn of test/soak/churn.js in a few seconds: it passes, and it notices what is planted. Its
// memory is not judged here: that takes minutes.

const assert = require('node:assert/strict');

const { makeRandom } = require('./helpers/seeded-random');
const { Expectation } = require('../soak/churn/expectation');
const { run } = require('../soak/churn/run');
const { lowest, slopeOf, judge } = require('../soak/churn/slope');

/** 60 subscribers, half of whom leave in a second. */
const SHORT = {
  connections: 60, churn: 30, rate: 200, channels: 12, bulkChannels: 2, bulkEvery: 20, bulkSubscribersEvery: 10, ramp: 400,
  absence: 300, longAbsence: 1500, slowEvery: 150, shortPause: 300, longPause: 400, sampleEvery: 100, seed: 9,
};

const MINUTE = 60_000;

/** Samples of every 10 s for so many minutes. */
function series(minutes, valueAt) {
  return Array.from({ length: minutes * 6 }, (_, i) => ({ at: i * 10_000, value: valueAt(i / 360) }));
}

describe('the churn', function () {
  this.timeout(2 * MINUTE);

  it('finds nothing wrong, and leaves nothing', async () => {
    const { faults, counts, growth } = await run({ ...SHORT, ms: 4000 });
    assert.deepEqual(faults, []);
    assert.equal(growth, null);
    // Else it would prove little.
    for (const name of ['opened', 'resumed', 'resets', 'pauses', 'events']) assert.ok(counts[name] > 0, JSON.stringify(counts));
  });

  for (const [plant, pattern] of [['loss', /missed: /], ['double', /doubled: /], ['descriptor', /left open: /]]) {
    it(`notices a ${plant} that is planted`, async () => {
      const { faults } = await run({ ...SHORT, ms: plant === 'descriptor' ? 500 : 20_000, patience: plant === 'descriptor' ? 1000 : 10_000, plant });
      assert.match(faults.join('\n'), pattern);
    });
  }
});

describe('what a subscriber must receive', () => {
  const event = (n, before, id, channel = 'a') => ({ channel, n, before, id });
  const fresh = (id) => {
    const expectation = new Expectation();
    assert.equal(expectation.greeted({ sent: null, recovered: true, id }), null);
    return expectation;
  };

  it('is every event from where it starts, on and on', () => {
    const expectation = fresh(10);
    assert.equal(expectation.received(event(4, 9, 11)), null);
    assert.equal(expectation.received(event(1, 0, 12, 'b')), null);
    assert.equal(expectation.greeted({ sent: 12, recovered: true, id: null }), null);
    assert.equal(expectation.received(event(5, 11, 13)), null);
    assert.equal(expectation.position('a'), 5);
    assert.equal(expectation.lastEventId, 13);
  });

  it('is not one that skips its first', () => {
    assert.match(fresh(10).received(event(5, 11, 12)), /^missed/);
  });

  it('is not one that skips another, live or over a return', () => {
    const expectation = fresh(10);
    expectation.received(event(4, 9, 11));
    assert.match(expectation.received(event(6, 12, 13)), /^missed/);
    expectation.greeted({ sent: 13, recovered: true, id: 20 });
    assert.match(expectation.received(event(8, 15, 21)), /^missed/);
  });

  it('is none twice', () => {
    const expectation = fresh(10);
    expectation.received(event(4, 9, 11));
    assert.match(expectation.received(event(4, 9, 11)), /^doubled/);
    assert.match(expectation.received(event(4, 9, 12)), /^doubled/);
    expectation.greeted({ sent: 12, recovered: false, id: null });
    assert.match(expectation.received(event(4, 9, 13)), /^doubled/);
  });

  it('may have a hole where it was told so', () => {
    const expectation = fresh(10);
    expectation.received(event(4, 9, 11));
    assert.equal(expectation.greeted({ sent: 11, recovered: false, id: null }), null);
    assert.equal(expectation.received(event(40, 90, 91)), null);
    assert.match(expectation.received(event(42, 93, 94)), /^missed/);
  });
});

describe('whether a process grows', () => {
  it('is the slope of a line, found where it is known', () => {
    const { perHour, error } = slopeOf(series(15, (hours) => 60 + 3 * hours));
    assert.ok(Math.abs(perHour - 3) < 1e-9 && error < 1e-6);
  });

  it('can be told after 15 minutes of what a server is like', () => {
    const random = makeRandom(5);
    const noise = () => (random.below(1000) / 1000 - 0.5) * 0.4;
    assert.equal(judge(series(15, () => 60 + noise()), 1).verdict, 'flat');
    assert.equal(judge(series(15, (hours) => 60 + 2 * hours + noise()), 1).verdict, 'growing');
  });

  it('is left open where the noise is as large', () => {
    const random = makeRandom(6);
    const noise = () => (random.below(1000) / 1000 - 0.5) * 20;
    assert.equal(judge(series(15, (hours) => 60 + 1 * hours + noise()), 1).verdict, 'undecided');
  });

  it('is surer of noise than of a slow wave', () => {
    const wave = slopeOf(series(15, (hours) => 60 + Math.sin(hours * 60)));
    const random = makeRandom(7);
    const noise = slopeOf(series(15, () => 60 + (random.below(1000) / 500 - 1)));
    assert.ok(wave.error > noise.error);
  });

  it('is judged by the lowest of each few samples', () => {
    const samples = [5, 3, 4, 9, 9, 2].map((value, at) => ({ at, value }));
    assert.deepEqual(lowest(samples, 3), [{ at: 1, value: 3 }, { at: 5, value: 2 }]);
  });
});
