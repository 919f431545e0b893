// bench/history.js: what a publish costs with history.file, as a table: without a file, with one by default, and with
// `sync: 'always'`. Nobody is connected, so that what is measured is the call, and the writer behind it;
// `node bench/history.js [FOLDER]` (by default the system's folder for temporary files).
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { createSseServer } = require('..');

const ROUNDS = 5;
const WARM_UP = 2_000;
const CALLS = 20_000;
/** As many are published in one turn; then those that wait are waited for. */
const BATCH = 100;
const CHANNELS = 100;
const DATA = { text: 'x'.repeat(100) };

const CASES = [
  ['no file', undefined],
  ['sync: 1000', 1000],
  ['sync: \'always\'', 'always'],
];

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

const turn = () => new Promise(setImmediate);

/** @returns {Promise<{ call: number, rate: number }>} microseconds of a call, events a second until all are resolved */
async function publishMany(sse, count) {
  let inCalls = 0n;
  const begin = process.hrtime.bigint();
  for (let i = 0; i < count; i += BATCH) {
    const promises = [];
    const start = process.hrtime.bigint();
    for (let n = 0; n < BATCH; n++) promises.push(sse.publish(`channel:${(i + n) % CHANNELS}`, { type: 't', data: DATA }));
    inCalls += process.hrtime.bigint() - start;
    await Promise.all(promises);
    await turn();
  }
  const all = Number(process.hrtime.bigint() - begin);
  return { call: Number(inCalls) / count / 1e3, rate: (count / all) * 1e9 };
}

async function round(folder, sync) {
  const file = path.join(folder, 'history');
  for (const part of ['', '-wal', '-mark']) fs.rmSync(`${file}${part}`, { force: true });
  const sse = createSseServer({
    history: sync === undefined ? {} : { file, sync },
    hooks: { authenticateSubscriber: () => ({ sub: 'a' }) },
  });
  sse.on('error', (error) => {
    throw error;
  });
  await publishMany(sse, WARM_UP);
  const result = await publishMany(sse, CALLS);
  // Until everything is in the file: what the writer has not taken yet is a part of the cost.
  const start = process.hrtime.bigint();
  await sse.stop();
  return { ...result, stop: Number(process.hrtime.bigint() - start) / 1e6 };
}

/** One event at a time: how long until its promise resolves. */
async function latency(folder, sync) {
  const file = path.join(folder, 'history');
  const sse = createSseServer({
    history: sync === undefined ? {} : { file, sync },
    hooks: { authenticateSubscriber: () => ({ sub: 'a' }) },
  });
  const times = [];
  for (let i = 0; i < 200; i++) {
    const start = process.hrtime.bigint();
    await sse.publish('one', { type: 't', data: DATA });
    times.push(Number(process.hrtime.bigint() - start) / 1e3);
    await turn();
  }
  await sse.stop();
  return median(times);
}

async function main() {
  const folder = fs.mkdtempSync(path.join(process.argv[2] ?? os.tmpdir(), 'native-sse-bench-'));
  try {
    console.log(`${os.cpus()[0].model}, ${os.cpus().length} cores, Node ${process.versions.node}; ${CHANNELS} channels, ${folder}`);
    console.log('| | publish, us a call | resolved, events/s | one alone resolves in, us | stop(), ms |');
    console.log('|---|---|---|---|---|');
    for (const [name, sync] of CASES) {
      const rounds = [];
      for (let i = 0; i < ROUNDS; i++) rounds.push(await round(folder, sync));
      const of = (what) => median(rounds.map((result) => result[what]));
      const alone = await latency(folder, sync);
      console.log(`| ${name} | ${of('call').toFixed(2)} | ${Math.round(of('rate'))} | ${alone.toFixed(0)} | ${of('stop').toFixed(1)} |`);
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main();
