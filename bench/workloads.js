// bench/workloads.js: the table of what is measured, and how.
'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { median } = require('./report');

const PAD = 'x'.repeat(64);
const EVENT_TIMEOUT_MS = 120_000;
const STORMS = 2;
const AWAY_EVENTS = 20;
const TOKENS = 100;

// One entry each: `run` gets the pair of server and load generator and returns
// one number for each of its metrics (undefined where a server has none).
// `better` tells which way the ratio goes; a `goal` is printed, never enforced.
// `isConnected`: all the subscribers are there before it. `variant`: it is run
// against servers/NAME-VARIANT.js, and not at all where there is no such server.

const WORKLOADS = [
  {
    name: 'connect',
    metrics: [
      { key: 'perSecond', label: 'subscriptions opened / s', better: 'higher', digits: 0 },
      { key: 'p99Ms', label: '  p99 until "connected", ms', better: 'lower', digits: 1 },
      { key: 'mainCpuUs', label: '  CPU of the main thread / subscription, µs', better: 'lower', digits: 0 },
      { key: 'processCpuUs', label: '  CPU of all threads / subscription, µs', better: 'lower', digits: 0 },
    ],
    async run({ server, load, clients }) {
      await server.command('measure');
      const result = await load.command(`connect ${clients}`);
      const window = await server.command('measured');
      return {
        perSecond: result.perSecond,
        p99Ms: result.latencyUs.p99 / 1e3,
        mainCpuUs: window.mainCpuUs / clients,
        processCpuUs: window.processCpuUs / clients,
      };
    },
  },
  {
    name: 'idle',
    isConnected: true,
    metrics: [
      { key: 'heapBytes', label: 'JS heap / idle connection, bytes', better: 'lower', digits: 0, goal: '< 1024' },
      { key: 'externalBytes', label: '  external memory, bytes', better: 'lower', digits: 0 },
      { key: 'rssBytes', label: '  resident set, bytes', better: 'lower', digits: 0 },
    ],
    async run({ server, load, clients, baseline }) {
      await load.command('idle 1000');
      const heap = await server.command('heap');
      return {
        heapBytes: (heap.heapUsed - baseline.heapUsed) / clients,
        externalBytes: (heap.external - baseline.external) / clients,
        rssBytes: (heap.rss - baseline.rss) / clients,
      };
    },
  },
  {
    name: 'single',
    isConnected: true,
    metrics: [
      { key: 'callUs', label: 'publish call, median, µs', better: 'lower', digits: 1, goal: '< 50' },
      { key: 'callMaxUs', label: '  publish call, max, µs', better: 'lower', digits: 1 },
      { key: 'encodeUs', label: '  JSON.stringify and Buffer.from alone, median, µs', better: null, digits: 1 },
      { key: 'settledUs', label: '  until its promise settles, median, µs', better: 'lower', digits: 1 },
      { key: 'activeUs', label: 'event loop busy / publish (ELU), µs', better: 'lower', digits: 0 },
      { key: 'mainWaitUs', label: '  main thread waits for a core / publish, µs', better: null, digits: 0 },
      { key: 'mainCpuUs', label: '  CPU of the main thread / publish, µs', better: 'lower', digits: 0 },
      { key: 'processCpuUs', label: '  CPU of all threads / publish, µs', better: 'lower', digits: 0 },
      { key: 'delayMaxMs', label: '  longest delay of the event loop, ms', better: 'lower', digits: 1 },
      { key: 'perSecond', label: 'single event, deliveries / s', better: 'higher', digits: 0 },
      { key: 'p50Ms', label: '  latency p50, ms', better: 'lower', digits: 1 },
      { key: 'p99Ms', label: '  latency p99, ms', better: 'lower', digits: 1 },
      { key: 'maxMs', label: '  latency max, ms', better: 'lower', digits: 1 },
    ],
    async run(ctx) {
      const { clients } = ctx;
      // Time enough for the slowest peer to be done before the next event.
      const events = { count: 20, spacing: Math.max(100, Math.ceil(clients * 0.06)) };
      // What the timers, the clock and the control channel cost is taken off.
      const dry = await publish(ctx, { ...events, instead: 'nothing' });
      const encode = await publish(ctx, { ...events, instead: 'encode' });
      const wet = await publish(ctx, events);
      const watched = await publish(ctx, { ...events, count: 5, delayResolution: 10 });
      const net = (key) => (wet.window[key] - dry.window[key]) / events.count;
      return {
        callUs: median(wet.called),
        callMaxUs: Math.max(...wet.called),
        encodeUs: median(encode.called),
        settledUs: wet.settled ? median(wet.settled) : undefined,
        activeUs: net('activeUs'),
        mainWaitUs: net('mainWaitUs'),
        mainCpuUs: net('mainCpuUs'),
        processCpuUs: net('processCpuUs'),
        delayMaxMs: watched.window.delayMaxUs / 1e3,
        perSecond: clients / (wet.load.fanoutMs.p50 / 1e3),
        p50Ms: wet.load.latencyUs.p50 / 1e3,
        p99Ms: wet.load.latencyUs.p99 / 1e3,
        maxMs: wet.load.latencyUs.max / 1e3,
      };
    },
  },
  burst({ name: 'burst', label: 'burst of 100 in one tick', spacing: 0, repeat: 3, goal: '20 times' }),
  burst({ name: 'turns', label: 'burst of 100, one each turn of the loop', spacing: 'turn', repeat: 1 }),
  {
    name: 'storm',
    isConnected: true,
    metrics: [
      { key: 'delayMaxMs', label: 'reconnect storm, longest delay of the event loop, ms', better: 'lower', digits: 0, goal: '<= 1.25 x express' },
      { key: 'mainWaitMs', label: '  main thread waits for a core meanwhile, ms', better: null, digits: 0 },
      { key: 'seconds', label: '  until all are served, s', better: 'lower', digits: 2 },
      { key: 'p50Ms', label: '  p50 until "connected", ms', better: 'lower', digits: 0 },
      { key: 'mainCpuUs', label: '  CPU of the main thread / reconnect, µs', better: 'lower', digits: 0 },
      { key: 'processCpuUs', label: '  CPU of all threads / reconnect, µs', better: 'lower', digits: 0 },
      { key: 'replayed', label: '  events replayed / reconnect', better: null, digits: 0 },
      { key: 'retried', label: '  connects that the kernel had to repeat', better: null, digits: 0 },
    ],
    async run(ctx) {
      const storms = [];
      for (let i = 0; i < STORMS; i++) {
        await publish(ctx, { count: 10, spacing: 5 }); // everybody has an id to come back with
        await cut(ctx);
        const missed = await publishToNobody(ctx);
        storms.push(await storm(ctx, ctx.about.replays ? missed : 0));
      }
      return overStorms(storms);
    },
  },
  {
    name: 'tokens',
    variant: 'jwks',
    metrics: [
      { key: 'signatureChecks', label: `storms with ${TOKENS} tokens, signature checks`, better: null, digits: 0, goal: `<= ${TOKENS}` },
      { key: 'delayMaxMs', label: '  longest delay of the event loop, ms', better: null, digits: 0 },
      { key: 'seconds', label: '  until all are served, s', better: null, digits: 2 },
      { key: 'mainCpuUs', label: '  CPU of the main thread / connect, µs', better: null, digits: 0 },
      { key: 'processCpuUs', label: '  CPU of all threads / connect, µs', better: null, digits: 0 },
    ],
    async run(ctx) {
      const { server, load } = ctx;
      await giveTokens(ctx, TOKENS);
      const before = await server.command('signatureChecks');
      const storms = [];
      for (let i = 0; i < STORMS; i++) {
        storms.push(await storm(ctx, 0));
        await load.command('close');
        await waitForCount(server, 0);
      }
      const signatureChecks = (await server.command('signatureChecks')) - before;
      return { signatureChecks, ...overStorms(storms) };
    },
  },
];

// 100 events as fast as they go: Node joins what is written to one response in
// one tick into one writev, so the two ways of going fast are not the same.
function burst({ name, label, spacing, repeat, goal }) {
  return {
    name,
    isConnected: true,
    metrics: [
      { key: 'perSecond', label: `${label}, deliveries / s`, better: 'higher', digits: 0, goal },
      { key: 'callUs', label: '  publish call, median, µs', better: 'lower', digits: 1, goal: '< 50' },
      { key: 'activeUs', label: '  event loop busy / publish (ELU), µs', better: 'lower', digits: 1, goal: '< 50' },
      { key: 'processCpuUs', label: '  CPU of all threads / publish, µs', better: 'lower', digits: 1 },
      { key: 'p99Ms', label: '  latency p99, ms', better: 'lower', digits: 1 },
      { key: 'loadCpuShare', label: '  load generator busy, share of the time', better: null, digits: 2 },
    ],
    async run(ctx) {
      const bursts = [];
      for (let i = 0; i < repeat; i++) {
        const { called, window, load } = await publish(ctx, { count: 100, spacing });
        bursts.push({
          perSecond: load.perSecond,
          callUs: median(called),
          activeUs: window.activeUs / 100,
          processCpuUs: window.processCpuUs / 100,
          p99Ms: load.latencyUs.p99 / 1e3,
          loadCpuShare: load.cpuMs / load.spanMs,
        });
        await sleep(200);
      }
      return Object.fromEntries(Object.keys(bursts[0]).map((key) => [key, median(bursts.map((b) => b[key]))]));
    },
  };
}

// Publishes events and waits until every subscriber has them all.
async function publish(ctx, { count, spacing, instead = null, delayResolution = 0 }) {
  const { server, load } = ctx;
  let arrived = null;
  if (!instead) {
    await load.command(`expect ${ctx.next} ${count} ${EVENT_TIMEOUT_MS}`);
    arrived = load.answer();
  }
  await server.command('measure', { delayResolution });
  const published = await server.command('publish', { first: ctx.next, count, spacing, pad: PAD, instead });
  if (!instead) ctx.next += count;
  const result = await arrived;
  const window = await server.command('measured');
  return { ...published, window, load: result };
}


// ---- storms --------------------------------------------------------------------

async function cut({ server, load }) {
  await load.command('cut');
  await waitForCount(server, 0);
}

// What is published while they are away; less than a history holds.
async function publishToNobody(ctx) {
  await ctx.server.command('publish', { first: ctx.next, count: AWAY_EVENTS, spacing: 1, pad: PAD });
  ctx.next += AWAY_EVENTS;
  return AWAY_EVENTS;
}

// Everybody comes (back) at once, and has the last `replayed` events when served.
async function storm(ctx, replayed) {
  const { server, load, clients } = ctx;
  await server.command('measure', { delayResolution: 1 });
  const result = await load.command(`storm ${clients} ${ctx.next - replayed} ${replayed} ${EVENT_TIMEOUT_MS}`);
  const window = await server.command('measured');
  if (result.served !== clients || result.replayed !== clients * replayed) {
    throw new Error(`wrong storm: ${JSON.stringify(result)}`);
  }
  await waitForCount(server, clients);
  return { clients, result, window };
}

function overStorms(storms) {
  const each = (value) => storms.map(({ clients, result, window }) => value(result, window) / clients);
  const sum = (value) => storms.reduce((total, { result, window }) => total + value(result, window), 0);
  return {
    delayMaxMs: Math.max(...storms.map(({ window }) => window.delayMaxUs)) / 1e3,
    mainWaitMs: Math.max(...storms.map(({ window }) => window.mainWaitUs)) / 1e3,
    seconds: median(storms.map(({ result }) => result.seconds)),
    p50Ms: median(storms.map(({ result }) => result.latencyUs.p50)) / 1e3,
    mainCpuUs: median(each((result, window) => window.mainCpuUs)),
    processCpuUs: median(each((result, window) => window.processCpuUs)),
    replayed: median(each((result) => result.replayed)),
    retried: sum((result) => result.retried),
  };
}

// From now on the subscribers take turns with so many new tokens.
async function giveTokens({ server, load }, count) {
  const tokens = await server.command('tokens', { count });
  for (const [i, token] of tokens.entries()) await load.command(`token ${i} ${token}`);
}

async function waitForCount(server, want) {
  let count;
  for (let i = 0; i < 100; i++) {
    count = await server.command('count');
    if (count === want) return;
    await sleep(100);
  }
  throw new Error(`the server counts ${count} subscribers, and there are ${want}`);
}

module.exports = { WORKLOADS, publish, giveTokens, waitForCount };
