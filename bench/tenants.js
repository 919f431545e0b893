// bench/tenants.js: what broadcastToTenant costs a tenant of 100 among ever more connections, as a table.
// The cost must follow the size of the tenant, not that of the whole. The connections are mocks, so that what is
// measured is the manager and the core, not the kernel; `node bench/tenants.js`.
'use strict';

const os = require('node:os');

const { SseManager } = require('..');

const MEMBERS = 100;
const TOTALS = [500, 5_000, 20_000];
const ROUNDS = 5;
const BROADCASTS = 500;
const WARM_UP = 200;
const DATA = { text: 'x'.repeat(100) };

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** @param {{ writes: number }} counter of all */
function mockResponse(counter) {
  return {
    setHeader() {},
    write() {
      counter.writes += 1;
      return true;
    },
    end() {},
    on() {},
  };
}

/** The whole is the tenant and others of the same size; every connection has the topic `global`, too. */
function fill(manager, total, counter) {
  for (let i = 0; i < total; i++) {
    manager.addConnection(mockResponse(counter), ['global'], { tenantId: `t${Math.floor(i / MEMBERS)}` });
  }
}

/** @returns {number} µs for each broadcast */
function time(counter, expected, broadcast) {
  counter.writes = 0;
  const start = process.hrtime.bigint();
  for (let i = 0; i < BROADCASTS; i++) broadcast();
  const us = Number(process.hrtime.bigint() - start) / 1e3;
  if (counter.writes !== expected * BROADCASTS) {
    throw new Error(`${counter.writes} writes instead of ${expected * BROADCASTS}`);
  }
  return us / BROADCASTS;
}

/** A loop over all connections that looks at the tenant of each, for comparison. */
function makeLoop(total, counter) {
  const connections = Array.from({ length: total }, (_, i) => ({ tenantId: `t${Math.floor(i / MEMBERS)}`, res: mockResponse(counter) }));
  return () => {
    const frame = Buffer.from(`event: t\ndata: ${JSON.stringify(DATA)}\n\n`);
    for (const { tenantId, res } of connections) if (tenantId === 't1') res.write(frame);
  };
}

async function measure(total) {
  const counter = { writes: 0 };
  const manager = new SseManager({ frames: 'named', transport: 'stream', heartbeatIntervalMs: 0 });
  fill(manager, total, counter);
  const toTenant = () => manager.broadcastToTenant('t1', { type: 't', data: DATA });
  const toNobody = () => manager.broadcastToTenant('nobody', { type: 't', data: DATA });
  const loop = makeLoop(total, counter);
  for (let i = 0; i < WARM_UP; i++) {
    toTenant();
    toNobody();
    loop();
  }
  const rounds = Array.from({ length: ROUNDS }, () => ({
    tenant: time(counter, MEMBERS, toTenant), nobody: time(counter, 0, toNobody), loop: time(counter, MEMBERS, loop),
  }));
  await manager.stop();
  return Object.fromEntries(['tenant', 'nobody', 'loop'].map((name) => [name, median(rounds.map((round) => round[name]))]));
}

async function main() {
  console.log(`${os.cpus()[0]?.model}, ${os.cpus().length} cores, Node ${process.version}`);
  console.log(`µs for each event, median of ${ROUNDS} rounds of ${BROADCASTS}\n`);
  const columns = ['connections', `to a tenant of ${MEMBERS}`, 'to a tenant of 0', 'loop over all, for comparison'];
  console.log(columns.join(' | '));
  console.log(columns.map((name) => '-'.repeat(name.length)).join('-|-'));
  for (const total of TOTALS) {
    const { tenant, nobody, loop } = await measure(total);
    const cells = [total.toLocaleString('en'), ...[tenant, nobody, loop].map((us) => us.toFixed(1))];
    console.log(cells.map((cell, i) => cell.padStart(columns[i].length)).join(' | '));
  }
}

main();
