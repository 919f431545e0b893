// bench/stages.js: which workload runs against which server, in what order. A stage starts each of its servers once
// a round, and puts as many workloads as it can on that start.
'use strict';

const { withServer } = require('./processes');
const { channels, growth } = require('./workloads/channels');
const { authenticated, connects, storm } = require('./workloads/connects');
const { big, burst, coldEncode, single } = require('./workloads/fanout');
const { beginIdle, idleWindow, memory } = require('./workloads/idle');
const { connect, disconnectAll, warm } = require('./workloads/tools');

/** Who is compared in (a) to (f) and (h); the first is the subject, `floor` the bound. */
const PEERS = ['native', 'native-stream', 'express', 'better-sse', 'fastify-sse', 'nchan', 'floor'];

/** (g): what a connect costs, and what it is compared with. */
const CONNECTS = ['native-jwks', 'bare-express', 'native-handler', 'bare-http'];

/** The publish over ever more channels: the subject, and a loop over a Map for comparison. */
const GROWTH = ['native', 'express'];

/** Figures under keys like `a.5000.perSecond`. */
function record(result, prefix, figures) {
  for (const [key, value] of Object.entries(figures)) {
    if (value !== null && typeof value === 'object') record(result, `${prefix}.${key}`, value);
    else if (Number.isFinite(value)) result[`${prefix}.${key}`] = value;
  }
}

// ---- (a), (b), (e), (h) and the memory of (f), among ever more subscribers ------------------

async function atSize(ctx, result, { clients, before, settings, has }) {
  const { sizes } = settings;
  // Fewer are lost in what comes and goes anyway.
  if (has('f') && clients >= 1000) record(result, `f.${clients}`, await memory(ctx, clients, before));
  if (has('a')) record(result, `a.${clients}`, await single(ctx, clients));
  if (has('a') && clients === sizes.main) record(result, `a.${clients}`, await coldEncode(ctx));
  if (has('b') && clients === sizes.main) {
    record(result, 'b.tick', await burst(ctx, { clients, spacing: 0 }));
    record(result, 'b.turn', await burst(ctx, { clients, spacing: 'turn' }));
  }
  if (has('e') && clients === sizes.big) record(result, 'e', await big(ctx, clients));
  if (has('h') && clients === sizes.storm && ctx.about.replays) record(result, 'h', await storm(ctx, clients));
}

async function mainStage(name, settings, has) {
  return withServer(name, {}, async (ctx) => {
    const result = {};
    const { sizes } = settings;
    await warm(ctx);
    const before = await ctx.server.command('memory');
    let connected = 0;
    const wanted = sizes.all.filter((clients) => has('a') || has('f') || clients <= sizes.main);
    for (const clients of ['a', 'b', 'e', 'f', 'h'].some(has) ? wanted : []) {
      const figures = await connects(ctx, connected, clients);
      if (clients === sizes.main) record(result, 'connect', figures);
      await atSize(ctx, result, { clients, before, settings, has });
      connected = clients;
    }
    if (connected > 0) await disconnectAll(ctx);
    if (has('c') || has('d')) {
      const { many, amongFew, amongAll } = await channels(ctx, sizes.channels);
      record(result, 'c', many);
      record(result, 'd.few', amongFew);
      record(result, 'd.all', amongAll);
    }
    return { title: ctx.about.title, figures: result };
  });
}

// ---- (g) -------------------------------------------------------------------------------------

async function connectStage(name, settings) {
  return withServer(name, {}, async (ctx) => {
    const result = {};
    await warm(ctx);
    record(result, 'g', await authenticated(ctx, settings.sizes.connects));
    return { title: ctx.about.title, figures: result };
  });
}

// ---- more and more channels --------------------------------------------------------------------

async function growthStage(name, settings) {
  const result = {};
  let title;
  for (const count of settings.sizes.growth) {
    await withServer(name, {}, async (ctx) => {
      await warm(ctx);
      record(result, `growth.${count}`, await growth(ctx, { channels: count, perClient: 50 }));
      title = ctx.about.title;
    });
  }
  return { title, figures: result };
}

// ---- (f), the CPU ------------------------------------------------------------------------------

/**
 * All servers at once, since CPU time is counted for each process: their windows are
 * as simultaneous as they can be, and a minute is a minute for all of them together.
 * @returns {Promise<Record<string, { title: string, figures: object }[]>>} for each server one result a window
 */
async function idleStage(servers, settings) {
  const { clients, heartbeat, ms, windows } = settings.idle;
  const results = Object.fromEntries(servers.map((name) => [name, []]));
  let ready = 0;
  let begin;
  const allReady = new Promise((resolve) => { begin = resolve; });
  await Promise.all(servers.map((name) => withServer(name, { heartbeat }, async (ctx) => {
    await connect(ctx, 100);
    await beginIdle(ctx, { clients, heartbeat });
    ready += 1;
    if (ready === servers.length) begin();
    while (ready < servers.length) await Promise.race([allReady, ctx.load.command('idle 100')]);
    for (let i = 0; i < windows; i++) {
      const figures = {};
      record(figures, 'idle', await idleWindow(ctx, { clients, heartbeat, ms }));
      results[name].push({ title: ctx.about.title, figures });
    }
  })));
  return results;
}

module.exports = { PEERS, CONNECTS, GROWTH, mainStage, connectStage, growthStage, idleStage };
