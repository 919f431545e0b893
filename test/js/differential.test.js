'use strict';

// differential.test.js - `jose` as the oracle: a fixed run over 5,000 odd tokens.
// test/soak/tokens.js does the same at length, from a new seed each time.

const assert = require('node:assert');
const { compare } = require('./helpers/differential');

describe('differential', () => {
  it('accepts no odd token that jose rejects, and reads the same claims', async function () {
    this.timeout(60_000);
    const counts = await compare({ seed: 20240229, count: 5000 });
    assert.strictEqual(counts.tried, 5000);
    // Without good tokens among them it would prove nothing.
    assert.ok(counts.both > 1000, JSON.stringify(counts));
    assert.ok(counts.stricter > 100 && counts.neither > 1000, JSON.stringify(counts));
    for (const kind of ['good', 'claims', 'header', 'json']) {
      assert.ok(counts.kinds[kind] > 10, `${kind}: ${JSON.stringify(counts)}`);
    }
    assert.strictEqual(counts.kinds.foreign, undefined);
    assert.strictEqual(counts.kinds.bits, undefined);
  });
});
