'use strict';

// fuzz-request.test.js - test/fuzz/request.js for a moment, from a fixed seed, and over the requests that it has
// once failed with. `make fuzz` runs it for long.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const { run, replay } = require('../fuzz/request');

const CORPUS = path.join(__dirname, '../fuzz/corpus/request');

describe('what is read of a subscribe request', function () {
  this.timeout(60_000);

  it('is what the rules say, for 10,000 odd requests', () => {
    assert.equal(run({ seed: 9, count: 10_000 }), 10_000);
  });

  for (const name of fs.readdirSync(CORPUS)) {
    it(`is what the rules say for ${name}`, () => replay(path.join(CORPUS, name)));
  }
});
