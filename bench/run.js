// bench/run.js: runs every workload against every server, several times in
// turn, and writes figures, table and pictures. See bench/README.md.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { compileAll } = require('./build');
const { knownServers, whyMissing, BACKLOG } = require('./processes');
const machine = require('./machine');
const { writePictures } = require('./pictures');
const report = require('./report');
const { PEERS, CONNECTS, GROWTH, mainStage, connectStage, growthStage, idleStage } = require('./stages');
const verify = require('./verify');

const WORKLOADS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'growth', 'verify'];
const MAIN = ['a', 'b', 'c', 'd', 'e', 'f', 'h'];
const RESULTS = path.join(__dirname, 'results');

const FULL = {
  runs: 5,
  sizes: {
    all: [100, 1000, 5000, 18_000], main: 5000, big: 1000, storm: 1000, connects: 2000,
    channels: { channels: 1000, perChannel: 10, clients: 18_000 },
    growth: [100, 1000, 10_000, 100_000],
  },
  idle: { clients: 2000, heartbeat: 5000, ms: 12_500, windows: 5 },
};

const QUICK = {
  runs: 1,
  sizes: {
    all: [100, 1000], main: 1000, big: 100, storm: 100, connects: 500,
    channels: { channels: 100, perChannel: 10, clients: 2000 },
    growth: [100, 1000, 10_000],
  },
  idle: { clients: 500, heartbeat: 2000, ms: 4000, windows: 3 },
};

function readOptions() {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: process.env.QUICK === '1' },
      clients: { type: 'string' },
      runs: { type: 'string' },
      servers: { type: 'string' },
      workloads: { type: 'string' },
      out: { type: 'string' },
      pictures: { type: 'boolean', default: false },
    },
  });
  const settings = structuredClone(options.quick ? QUICK : FULL);
  settings.runs = Number(options.runs ?? settings.runs);
  if (!Number.isInteger(settings.runs) || settings.runs < 1 || settings.runs > 100) throw new Error('--runs: 1 to 100');
  if (options.clients) useClients(settings, options.clients.split(',').map(Number));
  const workloads = options.workloads?.split(',') ?? WORKLOADS;
  const unknown = workloads.find((name) => !WORKLOADS.includes(name));
  if (unknown) throw new Error(`--workloads: no ${unknown}; there are ${WORKLOADS.join(',')}`);
  const asked = options.servers?.split(',');
  const stranger = asked?.find((name) => !knownServers().includes(name));
  if (stranger) throw new Error(`--servers: no ${stranger}; there are ${knownServers().join(',')}`);
  return { settings, workloads, asked, out: options.out, pictures: options.pictures && !options.quick };
}

/** Other sizes for (a); (b), (e) and (h) are at the largest of them up to their own. */
function useClients(settings, clients) {
  if (clients.some((n, i) => !Number.isInteger(n) || n < 1 || n > 19_000 || n <= (clients[i - 1] ?? 0))) {
    throw new Error('--clients: ascending numbers from 1 to 19000, like 1000,5000');
  }
  const { sizes } = settings;
  const upTo = (limit) => clients.filter((n) => n <= limit).at(-1) ?? clients[0];
  sizes.all = clients;
  for (const key of ['main', 'big', 'storm']) sizes[key] = upTo(sizes[key]);
}

/** Who can run here; the others are left out by name. */
function present(names, asked, left) {
  return names.filter((name) => {
    if (asked && !asked.includes(name)) return false;
    const reason = whyMissing(name);
    if (reason === null) return true;
    if (!left.some((each) => each.name === name)) left.push({ name, reason });
    return false;
  });
}

/** Each server once a round; they take turns, and each is the first of a round as often as the others. */
async function inRounds(what, servers, settings, runOne) {
  const results = Object.fromEntries(servers.map((name) => [name, []]));
  for (let round = 0; round < settings.runs; round++) {
    for (const name of servers.map((_, i) => servers[(i + round) % servers.length])) {
      const start = Date.now();
      process.stderr.write(`${what}, round ${round + 1} of ${settings.runs}: ${name}`);
      results[name].push(await runOne(name));
      process.stderr.write(`, ${((Date.now() - start) / 1e3).toFixed(1)} s\n`);
    }
  }
  return results;
}

/** Puts results of a stage under `stage:server`'s rounds. */
function collect(runs, titles, results) {
  for (const [name, rounds] of Object.entries(results)) {
    runs[name] ??= [];
    for (const [i, { title, figures }] of rounds.entries()) {
      titles[name] = title;
      runs[name][i] = { ...runs[name][i], ...figures };
    }
  }
}

async function runAll({ settings, workloads, asked }, left) {
  const runs = {};
  const titles = {};
  const has = (name) => workloads.includes(name);
  if (MAIN.some(has)) {
    const servers = present(PEERS, asked, left);
    collect(runs, titles, await inRounds('(a) to (h)', servers, settings, (name) => mainStage(name, settings, has)));
  }
  if (has('g')) {
    const servers = present(CONNECTS, asked, left);
    collect(runs, titles, await inRounds('(g)', servers, settings, (name) => connectStage(name, settings)));
  }
  if (has('growth')) {
    const servers = present(GROWTH, asked, left);
    collect(runs, titles, await inRounds('channels', servers, settings, (name) => growthStage(name, settings)));
  }
  if (has('f')) {
    process.stderr.write(`(f): all servers at once, ${settings.idle.windows} times ${settings.idle.ms} ms\n`);
    collect(runs, titles, await idleStage(present(PEERS, asked, left), settings));
  }
  return { runs, titles };
}

function write(result, text, out) {
  const targets = [path.join(RESULTS, 'latest.json')];
  if (out) targets.push(path.resolve(out));
  for (const target of targets) {
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, `${JSON.stringify(result, null, 1)}\n`);
    fs.writeFileSync(`${target.replace(/\.json$/, '')}.txt`, text);
  }
}

async function main() {
  const options = readOptions();
  compileAll();
  machine.refuseSlowBuild();
  const watched = machine.watch();
  const start = Date.now();
  const left = [];
  const { runs, titles } = await runAll(options, left);
  for (const { name, reason } of left) process.stderr.write(`\nbench: ${name} is LEFT OUT: ${reason}\n`);
  const { settings, workloads } = options;
  const result = {
    machine: machine.describe(),
    settings: { ...settings, backlog: BACKLOG, workloads },
    ...watched(),
    minutes: (Date.now() - start) / 60_000,
    leftOut: left,
    titles,
    runs,
    verify: workloads.includes('verify') ? await verify.run({ quick: settings.runs < 5 }) : undefined,
  };
  const text = report.text(result);
  process.stdout.write(`\n${text}`);
  write(result, text, options.out);
  if (options.pictures) writePictures(result, path.join(__dirname, '..', 'docs', 'images'));
}

if (require.main === module) {
  main().catch((error) => {
    process.stderr.write(`bench: ${error.stack}\n`);
    process.exitCode = 1;
  });
}

module.exports = { FULL, QUICK, present, runAll };
