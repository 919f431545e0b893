'use strict';

// many-channels.js - a program that publishes once to each of many channels, and then lets them expire; prints how
// much its resident set has grown by then (MiB), and how much of that is left. The count is its argument:
//
//   node --expose-gc test/js/helpers/many-channels.js 1000000

const { setTimeout } = require('node:timers/promises');

const { createSseServer } = require('../../..');

const count = Number(process.argv[2]);
/** Longer than the publishing takes. */
const ttl = Math.max(1500, count / 40);
const MIB = 1024 * 1024;

function resident() {
  globalThis.gc();
  return process.memoryUsage().rss / MIB;
}

async function round(sse, name, n) {
  for (let i = 0; i < n; i++) {
    sse.publish(`${name}:${i}`, { type: 't', data: 'x'.repeat(400) });
    if (i % 1000 === 0) await new Promise(setImmediate);
  }
}

async function main() {
  const sse = createSseServer({ history: { ttl }, hooks: { authenticateSubscriber: () => ({ sub: 'a' }) } });
  // What is made once, for good: code, and the heap of JavaScript as large as this takes.
  const warm = createSseServer({ history: { size: 0 }, hooks: { authenticateSubscriber: () => ({ sub: 'a' }) } });
  for (let i = 0; i < 5; i++) await round(warm, 'warm', Math.min(count, 20_000));
  await warm.stop();
  const before = resident();
  await round(sse, 'once', count);
  const grown = resident() - before;
  const end = Date.now() + 60_000;
  while (resident() - before > grown / 10 && Date.now() < end) await setTimeout(50);
  console.log(JSON.stringify({ count, before: Math.round(before), grown: Math.round(grown), left: Math.round(resident() - before) }));
  await sse.stop();
}

main();
