// bench/workloads/channels.js: many channels with few subscribers each.
'use strict';

const { median } = require('../figures');
const { connect, medians, publish, setSpread } = require('./tools');

const FEW = 100; // subscribers with a channel each: what (d) is compared with
const FEW_EVENTS = 100;
const REPEATS = 3;
const WARMING = 5000; // events before those of `growth`

/** One event for each of so many channels in one tick, several times. */
async function sweep(ctx, { events, deliveries, repeats = REPEATS }) {
  const sweeps = [];
  for (let i = 0; i < repeats; i++) {
    const { called, window, load } = await publish(ctx, { count: events, spacing: 0 });
    sweeps.push({
      perSecond: load.perSecond,
      callUs: called.length > 0 ? median(called) : undefined,
      usPerDelivery: (load.spanMs * 1e3) / deliveries,
      cpuPerDeliveryUs: window.processCpuUs / deliveries,
      mainCpuPerDeliveryUs: window.mainCpuUs === undefined ? undefined : window.mainCpuUs / deliveries,
    });
  }
  return medians(sweeps);
}

/** Events for one subscriber each, a pause between them. */
async function solo(ctx) {
  const { load, window, called } = await publish(ctx, { count: 20, spacing: 20 });
  return {
    p50Ms: load.latencyUs.p50 / 1e3,
    p99Ms: load.latencyUs.p99 / 1e3,
    coldCallUs: called.length > 0 ? median(called) : undefined,
    spacedCpuUs: window.processCpuUs / 20,
  };
}

async function alone(ctx) {
  const swept = await sweep(ctx, { events: FEW_EVENTS, deliveries: FEW_EVENTS, repeats: 7 });
  return { ...swept, ...(await solo(ctx)) };
}

/**
 * (d) among 100 connections, (c), and (d) among all.
 * @param {object} ctx
 * @param {{ channels: number, perChannel: number, clients: number }} sizes
 */
async function channels(ctx, { channels: count, perChannel, clients }) {
  await setSpread(ctx, { base: 0, k: FEW });
  await connect(ctx, FEW);
  const amongFew = await alone(ctx);
  await setSpread(ctx, { base: FEW, k: count });
  await connect(ctx, FEW + count * perChannel);
  const many = await sweep(ctx, { events: count, deliveries: count * perChannel });
  const rest = clients - FEW - count * perChannel;
  await setSpread(ctx, { base: FEW + count, k: rest });
  await connect(ctx, clients);
  const amongAll = await alone(ctx);
  return { many, amongFew, amongAll };
}

/** What a publish costs among more and more channels, each with a history and one subscriber. */
async function growth(ctx, { channels: count, perClient }) {
  await setSpread(ctx, { base: 0, k: count, per: perClient, stride: 7919 });
  await connect(ctx, Math.ceil(count / perClient));
  // Each channel has its history, and all code is compiled, before anything is measured.
  for (let left = Math.max(count, WARMING); left > 0; left -= 10_000) {
    await publish(ctx, { count: Math.min(left, 10_000), spacing: 'turn' });
  }
  const events = 2000;
  const { called, window, load } = await publish(ctx, { count: events, spacing: 'turn' });
  const dry = await publish(ctx, { count: events, spacing: 'turn', instead: 'nothing' });
  return {
    callUs: median(called),
    mainCpuUs: (window.mainCpuUs - dry.window.mainCpuUs) / events,
    processCpuUs: (window.processCpuUs - dry.window.processCpuUs) / events,
    p50Ms: load.latencyUs.p50 / 1e3,
  };
}

module.exports = { channels, growth };
