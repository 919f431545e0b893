// bench/workloads/connects.js: what a connect costs, and a storm of reconnects with a replay.
'use strict';

const { connect, disconnectAll, giveTokens, publish, publishToNobody, waitForCount, EVENT_TIMEOUT_MS } = require('./tools');

const REPLAYED = 100;
/** What a storm runs through is compiled by then. */
const UNCOUNTED_STORMS = 3;

/** From `from` subscribers to `to`. */
async function connects(ctx, from, to) {
  await ctx.server.command('measure');
  const { perSecond, latencyUs } = await connect(ctx, to);
  const window = await ctx.server.command('measured');
  const each = (value) => (value === undefined ? undefined : value / (to - from));
  return {
    perSecond,
    p99Ms: latencyUs.p99 / 1e3,
    mainCpuUs: each(window.mainCpuUs),
    processCpuUs: each(window.processCpuUs),
  };
}

/** (g) A connect, and a connect with the leaving: Express lets go of its objects only then. */
async function connectsAndLeaves(ctx, clients) {
  const first = await connects(ctx, 0, clients);
  await ctx.server.command('measure');
  await disconnectAll(ctx);
  const leaving = await ctx.server.command('measured');
  return { ...first, withLeaveMainCpuUs: first.mainCpuUs + leaving.mainCpuUs / clients };
}

/** (g) With tokens that were never seen, and then with the same ones again. */
async function authenticated(ctx, clients) {
  if (!ctx.about.hasTokens) {
    await connectsAndLeaves(ctx, clients);
    return { plain: await connectsAndLeaves(ctx, clients) };
  }
  await giveTokens(ctx, clients);
  const before = await ctx.server.command('signatureChecks');
  const cold = await connectsAndLeaves(ctx, clients);
  const checked = (await ctx.server.command('signatureChecks')) - before;
  const warm = await connectsAndLeaves(ctx, clients);
  const again = (await ctx.server.command('signatureChecks')) - before - checked;
  if (checked !== clients || again !== 0) throw new Error(`${checked} and ${again} signatures were checked`);
  return { cold, warm };
}

async function oneStorm(ctx, clients) {
  await publish(ctx, { count: 10, spacing: 5 }); // everybody has an id to come back with
  await ctx.load.command('cut');
  await waitForCount(ctx, 0);
  await publishToNobody(ctx, REPLAYED);
  await ctx.server.command('measure', { delayResolution: 1 });
  const result = await ctx.load.command(`storm ${clients} ${ctx.next - REPLAYED} ${REPLAYED} ${EVENT_TIMEOUT_MS}`);
  const window = await ctx.server.command('measured');
  if (result.served !== clients || result.replayed !== clients * REPLAYED) {
    throw new Error(`wrong storm: ${JSON.stringify(result)}`);
  }
  await waitForCount(ctx, clients);
  const each = (value) => (value === undefined ? undefined : value / clients);
  return {
    perSecond: clients / result.seconds,
    eventsPerSecond: (clients * REPLAYED) / result.seconds,
    seconds: result.seconds,
    p50Ms: result.latencyUs.p50 / 1e3,
    delayMaxMs: window.delayMaxUs === undefined ? undefined : window.delayMaxUs / 1e3,
    mainCpuUs: each(window.mainCpuUs),
    processCpuUs: each(window.processCpuUs),
    retried: result.retried,
  };
}

/** (h) Everybody is cut, 100 events are published meanwhile, and all come back at once for them. */
async function storm(ctx, clients) {
  for (let i = 0; i < UNCOUNTED_STORMS; i++) await oneStorm(ctx, clients);
  return oneStorm(ctx, clients);
}

module.exports = { connects, authenticated, storm };
