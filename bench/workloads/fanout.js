// bench/workloads/fanout.js: one event to N subscribers, bursts of 100, and events of 100 KB.
'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { median } = require('../figures');
const { medians, publish } = require('./tools');

const BIG_BYTES = 100 * 1024;
/** What each server remembers. */
const HISTORY = 100;
const BIG_EVENTS = 4;
const BURST = 100;
const BURSTS = 5; // where one takes less than a second
const SMALL_BURST = 20;
const SLOW_BURST_MS = 1000; // of the small one
const MIN_SPACING_MS = 20;
const SINGLE_MS = 1200; // about as long as the events of (a) take at each size
const LOOP_MS = 800; // and those that are one a turn

const clamp = (value, low, high) => Math.max(low, Math.min(high, Math.round(value)));

/** So far apart that the one before is with everybody: what the first one took tells. */
async function spacingFor(ctx, options = {}) {
  const { load } = await publish(ctx, { count: 1, spacing: 0, ...options });
  return Math.max(MIN_SPACING_MS, Math.ceil(load.fanoutMs.p50 * 1.5 + 15));
}

/**
 * The same events with nothing published say what the timers, the clock and the
 * control channel take.
 * @returns {(key: string) => number | undefined} a figure of the window, for each event
 */
async function netOfDry(ctx, events, wet) {
  const dry = ctx.about.isExternal ? { processCpuUs: 0 } : (await publish(ctx, { ...events, instead: 'nothing' })).window;
  return (key) => (wet.window[key] - dry[key]) / events.count;
}

/**
 * What a publish takes of the event loop: CPU of the main thread over events that come one a turn, so with
 * everything that is put off to the end of the tick, over the same turns without them.
 */
async function loopTime(ctx) {
  if (ctx.about.isExternal) return {};
  const probe = await publish(ctx, { count: 10, spacing: 'turn' });
  const events = { count: clamp(LOOP_MS / (probe.load.spanMs / 10), 10, 300), spacing: 'turn' };
  const wet = await publish(ctx, events);
  const net = await netOfDry(ctx, events, wet);
  return { loopUs: Math.max(0, net('mainCpuUs')), callUs: median(wet.called) };
}

/** The same with a pause of 2 ms: long enough for a fan-out to few, too short for the caches to be lost. */
async function shortPause(ctx, clients) {
  if (ctx.about.isExternal || clients > 200) return {};
  const events = { count: 250, spacing: 2 };
  const wet = await publish(ctx, events);
  const net = await netOfDry(ctx, events, wet);
  return { pausedCallUs: median(wet.called), pausedCpuUs: net('mainCpuUs') };
}

/** (a) One event at a time. */
async function single(ctx, clients) {
  const spacing = await spacingFor(ctx);
  const events = { count: clamp(SINGLE_MS / spacing, 5, 40), spacing };
  const wet = await publish(ctx, events);
  const net = await netOfDry(ctx, events, wet);
  const processCpuUs = net('processCpuUs');
  const { fanoutMs, latencyUs, cpuMs } = wet.load;
  return {
    events: events.count,
    perSecond: clients / (fanoutMs.p50 / 1e3),
    fanoutMs: fanoutMs.p50,
    p50Ms: latencyUs.p50 / 1e3,
    p99Ms: latencyUs.p99 / 1e3,
    maxMs: latencyUs.max / 1e3,
    ...(await loopTime(ctx)),
    ...(await shortPause(ctx, clients)),
    coldCallUs: ctx.about.isExternal ? undefined : median(wet.called),
    coldCpuUs: net('mainCpuUs'),
    coldActiveUs: net('activeUs'),
    processCpuUs,
    cpuPerDeliveryUs: processCpuUs / clients,
    loadCpuPerDeliveryUs: (cpuMs * 1e3) / (events.count * clients),
  };
}

/** The least that JavaScript has to do for an event, after a pause: what a cold call is to be compared with. */
async function coldEncode(ctx) {
  if (ctx.about.isExternal) return {};
  const { called } = await publish(ctx, { count: 15, spacing: 50, instead: 'encode' });
  return { encodeUs: median(called) };
}

async function oneBurst(ctx, { clients, count, spacing }) {
  const { called, window, load } = await publish(ctx, { count, spacing });
  await sleep(50);
  return {
    perSecond: load.perSecond,
    spanMs: load.spanMs,
    count,
    callUs: called.length > 0 ? median(called) : undefined,
    mainCpuUs: window.mainCpuUs / count,
    cpuPerDeliveryUs: window.processCpuUs / (count * clients),
    p99Ms: load.latencyUs.p99 / 1e3,
    loadCpuShare: load.cpuMs / load.spanMs,
  };
}

/**
 * (b) As fast as they go. Node joins what is written to one response in one tick
 * into one writev, so one tick and one event a turn are not the same. Who takes
 * too long for 100 is measured with 20, which `count` says.
 */
async function burst(ctx, { clients, spacing }) {
  const small = await oneBurst(ctx, { clients, count: SMALL_BURST, spacing });
  if (small.spanMs > SLOW_BURST_MS) return small;
  const bursts = [await oneBurst(ctx, { clients, count: BURST, spacing })];
  while (bursts.length < BURSTS && bursts[0].spanMs < 1000) bursts.push(await oneBurst(ctx, { clients, count: BURST, spacing }));
  return medians(bursts);
}

/** (e) Events of 100 KB. */
async function big(ctx, clients) {
  const size = { pad: BIG_BYTES };
  const spacing = await spacingFor(ctx, size);
  const { load, window } = await publish(ctx, { ...size, count: BIG_EVENTS, spacing });
  if (load.bytes < clients * BIG_EVENTS * BIG_BYTES) throw new Error(`only ${load.bytes} bytes came`);
  // A history of megabytes would be counted as the memory of the connections that come next.
  await publish(ctx, { count: HISTORY, spacing: 0 });
  return {
    perSecond: clients / (load.fanoutMs.p50 / 1e3),
    megabytesPerSecond: (clients * BIG_BYTES) / (load.fanoutMs.p50 / 1e3) / 1e6,
    p99Ms: load.latencyUs.p99 / 1e3,
    cpuPerDeliveryUs: window.processCpuUs / (BIG_EVENTS * clients),
  };
}

module.exports = { single, coldEncode, burst, big };
