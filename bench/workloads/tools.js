// bench/workloads/tools.js: what the workloads share. `ctx` is what withServer in bench/processes.js makes.
'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { median } = require('../figures');

const PAD = 64;
const EVENT_TIMEOUT_MS = 40_000;
const COUNT_TRIES = 200;

/**
 * Publishes events and waits until every subscriber has those that are its own.
 * @param {object} ctx
 * @param {{ count: number, spacing: number | 'turn', pad?: number, instead?: string, delayResolution?: number }} plan as bench/control.js has it
 * @returns {Promise<object>} what control.js answers, with `window` and, unless `instead`, `load`
 */
async function publish(ctx, { count, spacing, pad = PAD, instead = null, delayResolution = 0 }) {
  const { server, load, spread } = ctx;
  let arrived = null;
  if (!instead) {
    await load.command(`expect ${ctx.next} ${count} ${EVENT_TIMEOUT_MS}`);
    arrived = load.answer();
  }
  await server.command('measure', { delayResolution });
  const published = await server.command('publish', { first: ctx.next, count, spacing, pad, instead, spread });
  if (!instead) ctx.next += count;
  const result = await arrived;
  const window = await server.command('measured');
  return { ...published, window, load: result };
}

/** Publishes while nobody is there. */
async function publishToNobody(ctx, count) {
  await ctx.server.command('publish', { first: ctx.next, count, spacing: 1, pad: PAD, spread: ctx.spread });
  ctx.next += count;
}

/** Who comes from now on subscribes to other channels: see bench/loadgen/loadgen.h. */
async function setSpread(ctx, { base = 0, k = 1, per = 1, stride = 1 }) {
  ctx.spread = { base, k, stride };
  await ctx.load.command(`spread ${base} ${k} ${per} ${stride}`);
}

async function waitForCount({ server }, want) {
  let count;
  for (let i = 0; i < COUNT_TRIES; i++) {
    count = await server.command('count');
    if (count === want) return;
    await sleep(50);
  }
  throw new Error(`the server counts ${count} subscribers, and there are ${want}`);
}

async function connect(ctx, clients) {
  const result = await ctx.load.command(`connect ${clients}`);
  await waitForCount(ctx, clients);
  return result;
}

async function disconnectAll(ctx) {
  await ctx.load.command('close');
  await waitForCount(ctx, 0);
}

/** From now on the subscribers take turns with so many new tokens. */
async function giveTokens({ server, load }, count) {
  const tokens = await server.command('tokens', { count });
  for (const [i, token] of tokens.entries()) await load.command(`token ${i} ${token}`);
}

/** Neither compiled code nor pools of either side belong to a figure. */
async function warm(ctx) {
  if (ctx.about.hasTokens) await giveTokens(ctx, 1);
  if (ctx.about.hasEvents) {
    await connect(ctx, 300);
    await publish(ctx, { count: 100, spacing: 0 });
    await disconnectAll(ctx);
    await connect(ctx, 20);
    await publish(ctx, { count: 50, spacing: 5 });
    await publish(ctx, { count: 2000, spacing: 'turn' });
    await disconnectAll(ctx);
  }
  await connect(ctx, 1000);
  await disconnectAll(ctx);
}

/** For each key of equal objects the median. */
function medians(objects) {
  return Object.fromEntries(Object.keys(objects[0]).map((key) => [key, median(objects.map((each) => each[key]))]));
}

module.exports = {
  EVENT_TIMEOUT_MS, connect, disconnectAll, giveTokens, medians, publish, publishToNobody, setSpread, waitForCount, warm,
};
