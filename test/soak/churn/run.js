'use strict';

// run.js - a churn from its plan to its verdict: a process that serves, a process of subscribers, and what is
// held against the server at the end.

const { fork } = require('node:child_process');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { lowest, judge } = require('./slope');

const MIB = 2 ** 20;
const LIMIT_MIB_PER_HOUR = 1;
/** Samples of which the lowest is one point of the line. */
const BUCKET = 5;
/** Below so many points there is nothing to be said of growth. */
const LEAST_POINTS = 20;

/** glibc keeps what was freed; with these what is free goes back, and memory can be compared (test/js/chaos/server.js). */
const MALLOC = { MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_ARENA_MAX: '2' };
const NODE = ['--expose-gc', '--max-semi-space-size=2'];

/** What a whole soak does; 2,000 connections, 50 of which leave and 500 events a second. */
const FULL = {
  connections: 2000, churn: 50, rate: 500, channels: 100, bulkChannels: 4, bulkEvery: 50, bulkSubscribersEvery: 40,
  ramp: 100, absence: 3000, longAbsence: 90_000, slowEvery: 2000, shortPause: 3000, longPause: 25_000, sampleEvery: 2000,
  patience: 10_000,
};

/** A process that answers messages. */
class Worker {
  constructor(file, env = {}) {
    this._waiting = new Map();
    this._last = 0;
    this._process = fork(path.join(__dirname, file), { execArgv: NODE, env: { ...process.env, ...env } });
    this._process.on('message', ({ number, value, error }) => {
      const { resolve, reject } = this._waiting.get(number);
      this._waiting.delete(number);
      if (error === undefined) resolve(value);
      else reject(new Error(`in ${file}: ${error}`));
    });
    this._ended = new Promise((resolve) => {
      this._process.on('exit', (code, signal) => {
        for (const { reject } of this._waiting.values()) reject(new Error(`${file} ended: ${signal ?? code}`));
        resolve();
      });
    });
  }

  ask(name, argument) {
    return new Promise((resolve, reject) => {
      const number = ++this._last;
      this._waiting.set(number, { resolve, reject });
      this._process.send({ number, name, argument });
    });
  }

  async end() {
    if (this._process.connected) this._process.disconnect();
    await this._ended;
  }
}

const mebibytes = (bytes) => `${(bytes / MIB).toFixed(2)} MiB`;

/** Samples until the time is up, or a subscriber has found something. */
async function watch({ server, clients, plan, started, onProgress }) {
  const samples = [];
  for (let i = 0; Date.now() < started + plan.ms; i++) {
    await sleep(plan.sampleEvery);
    const { rss, heapUsed, published } = await server.ask('sample');
    samples.push({ at: Date.now() - started, value: rss });
    const { faults, counts, open } = await clients.ask('progress');
    if (i % 30 === 0) onProgress?.(`${Math.round((Date.now() - started) / 1000)} s: ${open} connected, ${published} published, ${counts.events} received, rss ${mebibytes(rss)}, heap ${mebibytes(heapUsed)}, ${faults} faults`);
    if (faults > 0) break;
  }
  return samples;
}

/** Waits until the server has closed what was left. @returns {Promise<object>} what is still open */
async function drained(server, before, patience) {
  let left;
  for (let i = 0; i * 50 < patience; i++) {
    left = await server.ask('left');
    const hasClients = left.clients.some((n) => n > 0) || left.stats.some(({ socket, stream }) => socket + stream > 0);
    if (!hasClients && left.descriptors <= before.descriptors) return { left, isBack: true };
    await sleep(50);
  }
  return { left, isBack: false };
}

async function play({ server, clients, plan, onProgress }) {
  const faults = [];
  const sides = await server.ask('start', plan);
  await clients.ask('start', { ...plan, sides });
  if (!(await clients.ask('touch'))) faults.push('the first subscribers were not let in');
  await clients.ask('close');
  await sleep(200);
  const before = await server.ask('left');
  await server.ask('publish');
  if (!(await clients.ask('open'))) faults.push('not everybody was let in');
  await clients.ask('churn');
  await server.ask('plant');
  const samples = await watch({ server, clients, plan, started: Date.now(), onProgress });
  if (!(await clients.ask('settle'))) faults.push('not everybody has come back');
  const lack = await clients.ask('complete', await server.ask('finish'));
  if (lack !== null) faults.push(`missed at the end: ${lack}`);
  const { problems, counts } = await clients.ask('progress');
  faults.push(...problems);
  await clients.ask('close');
  const { left, isBack } = await drained(server, before, plan.patience);
  if (!isBack) faults.push(`left open: ${JSON.stringify(left)}, before: ${JSON.stringify(before)}`);
  const filled = await clients.ask('fill', { places: plan.maxClients });
  if (filled.letIn !== filled.wanted) faults.push(`of ${filled.wanted} places ${filled.letIn} could be taken again`);
  return { faults, counts, samples, before, left, reasons: await server.ask('reasons') };
}

/** What is left of the samples when the server has its size: after a quarter of the run, at most 5 minutes. */
function growthOf(samples, ms) {
  const warm = Math.min(ms / 4, 300_000);
  const points = lowest(samples.filter(({ at }) => at > warm), BUCKET).map(({ at, value }) => ({ at, value: value / MIB }));
  return points.length < LEAST_POINTS ? null : { points: points.length, ...judge(points, LIMIT_MIB_PER_HOUR) };
}

/**
 * @param {object} given parts of a plan: FULL's, `ms`, `seed`; `plant`: a fault to make, 'loss', 'double' or 'descriptor'
 * @param {(line: string) => void} [onProgress]
 * @returns {Promise<{ faults: string[], counts: object, growth: object | null, samples: object[], before: object, left: object, reasons: object }>}
 *   `faults`: all that is wrong; `growth`: null when the run was too short to tell
 */
async function run(given, onProgress) {
  const plan = { ...FULL, plant: null, ...given };
  plan.maxClients = Math.ceil(plan.connections / 2) + 20;
  const server = new Worker('server-process.js', MALLOC);
  const clients = new Worker('clients-process.js');
  try {
    const result = await play({ server, clients, plan, onProgress });
    const growth = growthOf(result.samples, plan.ms);
    if (growth?.verdict === 'growing') result.faults.push(`grows by ${growth.perHour.toFixed(2)} MiB an hour`);
    return { ...result, growth };
  } finally {
    await Promise.all([clients.end(), server.end()]);
  }
}

module.exports = { run, FULL, LIMIT_MIB_PER_HOUR };
