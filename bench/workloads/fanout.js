// bench/workloads/fanout.js: one event to N subscribers, bursts of 100, and events of 100 KB.
'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { median } = require('../figures');
const { medians, publish } = require('./tools');

const BIG_BYTES = 100 * 1024;
const BIG_EVENTS = 4;
const BURST = 100;
const SLOW_BURST = 20;
const SLOW_BURST_MS = 4000; // when a burst of 100 is expected to take longer than this
const MIN_SPACING_MS = 20;

/** How many events are measured at a size: few where each is long. */
function eventsAt(clients) {
  if (clients <= 200) return 40;
  if (clients <= 2000) return 25;
  if (clients <= 8000) return 12;
  return 6;
}

/** So far apart that the one before is with everybody: what the first one took tells. */
async function spacingFor(ctx, options = {}) {
  const { load } = await publish(ctx, { count: 1, spacing: 0, ...options });
  return Math.max(MIN_SPACING_MS, Math.ceil(load.fanoutMs.p50 * 1.5 + 15));
}

/** What a publish takes of a loop that is awake: the call, and all of the turn that it is made in. */
async function loopTime(ctx, events) {
  if (ctx.about.isExternal) return {};
  const { called, turned, emptyTurns } = await publish(ctx, { ...events, isAwake: true });
  return { callUs: median(called), turnUs: Math.max(0, median(turned) - median(emptyTurns)) };
}

/**
 * The same events with nothing published say what the timers, the clock and the
 * control channel take.
 */
async function netOfDry(ctx, events, wet) {
  const dry = ctx.about.isExternal ? { processCpuUs: 0 } : (await publish(ctx, { ...events, instead: 'nothing' })).window;
  return (key) => (wet.window[key] - dry[key]) / events.count;
}

/** (a) One event at a time. */
async function single(ctx, clients) {
  const spacing = await spacingFor(ctx);
  const events = { count: eventsAt(clients), spacing };
  const awake = await loopTime(ctx, { ...events, count: Math.ceil(events.count / 2) });
  const wet = await publish(ctx, events);
  const net = await netOfDry(ctx, events, wet);
  const processCpuUs = net('processCpuUs');
  const { fanoutMs, latencyUs, cpuMs } = wet.load;
  return {
    perSecond: clients / (fanoutMs.p50 / 1e3),
    fanoutMs: fanoutMs.p50,
    p50Ms: latencyUs.p50 / 1e3,
    p99Ms: latencyUs.p99 / 1e3,
    maxMs: latencyUs.max / 1e3,
    ...awake,
    coldCallUs: ctx.about.isExternal ? undefined : median(wet.called),
    mainCpuUs: net('mainCpuUs'),
    activeUs: net('activeUs'),
    processCpuUs,
    cpuPerDeliveryUs: processCpuUs / clients,
    loadCpuPerDeliveryUs: (cpuMs * 1e3) / (events.count * clients),
  };
}

/** The least that JavaScript has to do for an event, after a pause: what a cold call is to be compared with. */
async function coldEncode(ctx, clients) {
  if (ctx.about.isExternal) return {};
  const { called } = await publish(ctx, { count: eventsAt(clients), spacing: 100, instead: 'encode' });
  return { encodeUs: median(called) };
}

/**
 * (b) As fast as they go. Node joins what is written to one response in one tick
 * into one writev, so one tick and one event a turn are not the same.
 */
async function burst(ctx, { clients, spacing, singleMs }) {
  const count = singleMs * BURST > SLOW_BURST_MS ? SLOW_BURST : BURST;
  const repeats = singleMs * count > 1000 ? 1 : 3;
  const bursts = [];
  for (let i = 0; i < repeats; i++) {
    const { called, window, load } = await publish(ctx, { count, spacing });
    bursts.push({
      perSecond: load.perSecond,
      spanMs: load.spanMs,
      count,
      callUs: called.length > 0 ? median(called) : undefined,
      mainCpuUs: window.mainCpuUs / count,
      cpuPerDeliveryUs: window.processCpuUs / (count * clients),
      p99Ms: load.latencyUs.p99 / 1e3,
      loadCpuShare: load.cpuMs / load.spanMs,
    });
    await sleep(50);
  }
  return medians(bursts);
}

/** (e) Events of 100 KB. */
async function big(ctx, clients) {
  const size = { pad: BIG_BYTES };
  const spacing = await spacingFor(ctx, size);
  const { load, window } = await publish(ctx, { ...size, count: BIG_EVENTS, spacing });
  if (load.bytes < clients * BIG_EVENTS * BIG_BYTES) throw new Error(`only ${load.bytes} bytes came`);
  return {
    perSecond: clients / (load.fanoutMs.p50 / 1e3),
    megabytesPerSecond: (clients * BIG_BYTES) / (load.fanoutMs.p50 / 1e3) / 1e6,
    p99Ms: load.latencyUs.p99 / 1e3,
    cpuPerDeliveryUs: window.processCpuUs / (BIG_EVENTS * clients),
  };
}

module.exports = { single, coldEncode, burst, big };
