// tools/mocha-reporter.js - mocha's Spec reporter that also writes each result as
// a line of JSON to the file named by SSE_RESULTS, at once: a process that dies
// half-way has still told what had passed.
'use strict';

const fs = require('node:fs');
const { reporters } = require('mocha');

class CountingSpec extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const file = process.env.SSE_RESULTS;
    if (!file) return;
    const tell = (result, test) => fs.appendFileSync(file, JSON.stringify({ result, name: test?.fullTitle() }) + '\n');
    runner.on('pass', (test) => tell('passed', test));
    runner.on('fail', (test) => tell('failed', test));
    runner.on('pending', (test) => tell('skipped', test));
    runner.on('end', () => tell('end'));
  }
}

module.exports = CountingSpec;
