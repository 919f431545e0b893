// bench/workloads/idle.js: what connections cost on which nothing happens.
'use strict';

const { setTimeout: sleep } = require('node:timers/promises');

const { connect } = require('./tools');

/** Bytes for each connection, over what there was before them. */
async function memory(ctx, clients, before) {
  await ctx.load.command('idle 300');
  const after = await ctx.server.command('memory');
  const each = (key) => {
    const value = (after[key] - before[key]) / clients;
    return Number.isFinite(value) ? value : undefined;
  };
  const heapBytes = each('heapUsed');
  const mallocBytes = each('malloc');
  return {
    heapBytes,
    mallocBytes,
    ownBytes: mallocBytes === undefined ? undefined : heapBytes + mallocBytes,
    rssBytes: each('rss'),
    kernelBytes: each('kernel'),
  };
}

/** Everybody is there, and has had one heartbeat. */
async function beginIdle(ctx, { clients, heartbeat }) {
  await connect(ctx, clients);
  await ctx.load.command(`idle ${heartbeat + 500}`);
}

/** CPU of the server while nothing but heartbeats happens. */
async function idleWindow(ctx, { clients, heartbeat, ms }) {
  await ctx.server.command('measure');
  const start = performance.now();
  const [{ newComments }] = await Promise.all([ctx.load.command(`idle ${ms}`), sleep(ms)]);
  const window = await ctx.server.command('measured');
  const wallUs = (performance.now() - start) * 1e3;
  const cpuPercent = (100 * window.processCpuUs) / wallUs;
  return {
    cpuPercent,
    mainCpuPercent: window.mainCpuUs === undefined ? undefined : (100 * window.mainCpuUs) / wallUs,
    cpuPerHeartbeatUs: window.processCpuUs / newComments,
    // 1 where everybody got what was due.
    heartbeatShare: newComments / ((clients * ms) / heartbeat),
  };
}

module.exports = { memory, beginIdle, idleWindow };
