// bench/run.js: runs every workload against every server, several times in
// turn, and prints machine, versions and a table. See bench/README.md.
'use strict';

const { execFileSync, fork, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { setTimeout: sleep } = require('node:timers/promises');
const { parseArgs } = require('node:util');

const ROOT = path.join(__dirname, '..');
const HOST = '127.0.0.1';
const BACKLOG = 4096;
const BASELINE = 'express';
const PAD = 'x'.repeat(64);
const EVENT_TIMEOUT_MS = 120_000;
const COMMAND_TIMEOUT_MS = 180_000;
const LOADGEN_MAX_SECONDS = 600;

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// ---- the workloads ---------------------------------------------------------
// One entry each: `run` gets the pair of server and load generator and returns
// one number for each of its metrics (undefined where a server has none).
// `better` tells which way the ratio goes; a `goal` is printed, never enforced.

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
      await server.command('measure', {});
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
      const watched = await publish(ctx, { ...events, count: 5, withDelay: true });
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
];

// 100 events as fast as they go: Node joins what is written to one response in
// one tick into one writev, so the two ways of going fast are not the same.
function burst({ name, label, spacing, repeat, goal }) {
  return {
    name,
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
async function publish(ctx, { count, spacing, instead = null, withDelay = false }) {
  const { server, load } = ctx;
  let arrived = null;
  if (!instead) {
    await load.command(`expect ${ctx.next} ${count} ${EVENT_TIMEOUT_MS}`);
    arrived = load.answer();
  }
  await server.command('measure', { withDelay });
  const published = await server.command('publish', { first: ctx.next, count, spacing, pad: PAD, instead });
  if (!instead) ctx.next += count;
  const result = await arrived;
  const window = await server.command('measured');
  return { ...published, window, load: result };
}

// ---- the processes -----------------------------------------------------------

function within(promise, ms, what) {
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function startServer(name) {
  const child = fork(path.join(__dirname, 'control.js'), [name], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const waiting = new Map();
  let last = 0;
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(`${name}: ${error}`));
    else resolve(result);
  });
  const exited = new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      for (const { reject } of waiting.values()) {
        reject(new Error(`${name}: ended with ${signal ?? `code ${code}`}`));
      }
      waiting.clear();
      resolve(code);
    });
  });
  return {
    command(command, args) {
      const answer = new Promise((resolve, reject) => {
        waiting.set(++last, { resolve, reject });
        child.send({ id: last, command, ...args }, (error) => error && reject(error));
      });
      return within(answer, COMMAND_TIMEOUT_MS, `${name} ${command}`);
    },
    exited,
    kill: () => child.kill('SIGKILL'),
  };
}

function startLoad({ port, path: target, ready }) {
  const child = spawn(loadgenPath(), [
    '--host', HOST, '--port', String(port), '--path', target, '--ready', ready,
    '--max-seconds', String(LOADGEN_MAX_SECONDS),
  ], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = [];
  const waiting = [];
  let ended = null;
  readline.createInterface({ input: child.stdout }).on('line', (line) => {
    const answer = JSON.parse(line);
    if (waiting.length > 0) waiting.shift().resolve(answer);
    else lines.push(answer);
  });
  child.stdin.on('error', () => {});
  const exited = new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      ended = new Error(`load generator: ended with ${signal ?? `code ${code}`}`);
      for (const { reject } of waiting.splice(0)) reject(ended);
      resolve(code);
    });
  });
  const load = {
    answer() {
      if (lines.length > 0) return Promise.resolve(lines.shift()).then(check);
      if (ended) return Promise.reject(ended);
      const line = new Promise((resolve, reject) => waiting.push({ resolve, reject }));
      const answer = within(line, COMMAND_TIMEOUT_MS, 'load generator').then(check);
      answer.catch(() => {}); // it is awaited later
      return answer;
    },
    command(line) {
      child.stdin.write(`${line}\n`);
      return load.answer();
    },
    exited,
    kill: () => child.kill('SIGKILL'),
  };
  return load;
}

// Every subscriber gets every event exactly once and in order, or nothing counts.
function check(answer) {
  if (answer.ok === false || answer.late === true) {
    throw new Error(`wrong delivery: ${JSON.stringify(answer)}`);
  }
  return answer;
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

// One server from its start to its end: all the workloads once.
async function runServer(name, { clients, workloads }) {
  const server = startServer(name);
  let load = null;
  try {
    const about = await server.command('start', { host: HOST, backlog: BACKLOG });
    load = startLoad(about);
    const ctx = { server, load, clients, next: 1 };

    // Warm: neither compiled code nor pools of either side belong to a figure.
    await load.command(`connect ${Math.min(clients, 300)}`);
    await publish(ctx, { count: 100, spacing: 0 });
    await load.command('close');
    await load.command('connect 20');
    await publish(ctx, { count: 100, spacing: 5 });
    await publish(ctx, { count: 4000, spacing: 'turn' });
    await load.command('close');
    await waitForCount(server, 0);
    ctx.baseline = await server.command('heap');

    const result = { title: about.title };
    for (const workload of workloads) {
      result[workload.name] = await workload.run(ctx);
      if (workload.name === 'connect') await waitForCount(server, clients);
    }

    await load.command('idle 200');
    await load.command('close');
    await waitForCount(server, 0);
    await server.command('stop');
    load.command('quit').catch(() => {});
    const codes = await within(Promise.all([server.exited, load.exited]), 10_000, 'the end');
    if (codes.some((code) => code !== 0)) throw new Error(`exit codes ${codes.join(' and ')}`);
    return result;
  } finally {
    server.kill();
    load?.kill();
  }
}

// ---- before the run ------------------------------------------------------------

function loadgenPath() {
  return path.join(ROOT, 'build', 'bench', 'loadgen');
}

function compileLoadgen() {
  const source = path.join(__dirname, 'loadgen.c');
  const target = loadgenPath();
  const built = fs.statSync(target, { throwIfNoEntry: false });
  if (built && built.mtimeMs >= fs.statSync(source).mtimeMs) return;
  fs.mkdirSync(path.dirname(target), { recursive: true });
  execFileSync(process.env.CC || 'cc', ['-std=c11', '-O2', '-Wall', '-Wextra', '-Wconversion', '-o', target, source],
    { stdio: 'inherit' });
}

// Figures of a debug or sanitizer build would be worth nothing.
function refuseSlowBuild() {
  const { buildInfo } = require('../lib/binding');
  const file = Object.keys(require.cache).find((name) => name.endsWith('.node'));
  const bytes = fs.readFileSync(file);
  const sanitized = ['__asan_init', '__tsan_init', '__ubsan_handle'].some((symbol) => bytes.includes(symbol));
  if (sanitized || buildInfo?.sanitized) throw new Error('the addon is built with a sanitizer: build it without');
  if (file.includes(`${path.sep}Debug${path.sep}`)) throw new Error('the addon is a debug build: build it for release');
}

function git(...args) {
  try {
    return execFileSync('git', ['--no-optional-locks', ...args], { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

function machine() {
  const cpus = os.cpus();
  const commit = git('rev-parse', '--short', 'HEAD');
  const changed = commit && git('status', '--porcelain', '--untracked-files=no') !== '';
  return {
    cpu: cpus[0]?.model.trim(),
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    commit: commit ? `${commit}${changed ? ' with local changes' : ''}` : 'none',
    date: new Date().toISOString(),
  };
}

// Time that the host took away from this machine: it spoils figures.
function stolen() {
  try {
    const fields = fs.readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number);
    return { steal: fields[7], all: fields.slice(0, 8).reduce((sum, n) => sum + n, 0) };
  } catch {
    return { steal: 0, all: 0 };
  }
}

// ---- the report ------------------------------------------------------------------

function format(value, digits) {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function spread(values, digits) {
  const known = values.filter((value) => Number.isFinite(value));
  if (known.length === 0) return '-';
  const middle = format(median(known), digits);
  if (known.length === 1) return middle;
  return `${middle} (${format(Math.min(...known), digits)} to ${format(Math.max(...known), digits)})`;
}

// How many times better than the baseline in the same round.
function ratios(runs, baselineRuns, workload, metric) {
  if (!metric.better) return [];
  return runs.map((run, i) => {
    const own = run[workload.name][metric.key];
    const other = baselineRuns[i][workload.name][metric.key];
    if (!(own > 0 && other > 0)) return NaN;
    return metric.better === 'higher' ? own / other : other / own;
  });
}

function ratioText(values) {
  const known = values.filter((value) => Number.isFinite(value));
  if (known.length === 0) return '-';
  return spread(known, median(known) < 10 ? 2 : 0);
}

function table(report, workloads) {
  const names = Object.keys(report.runs);
  const others = names.filter((name) => name !== BASELINE && report.runs[BASELINE]);
  const rows = [['', 'goal', ...names, ...others.map((name) => `${name}, times better`)]];
  for (const workload of workloads) {
    for (const metric of workload.metrics) {
      const cell = (name) => spread(report.runs[name].map((run) => run[workload.name][metric.key]), metric.digits);
      rows.push([
        metric.label, metric.goal ?? '', ...names.map(cell),
        ...others.map((name) => ratioText(ratios(report.runs[name], report.runs[BASELINE], workload, metric))),
      ]);
    }
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row
    .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
    .join('  ').trimEnd()).join('\n');
}

function text(report, workloads) {
  const { machine: m, settings } = report;
  return [
    `${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.kernel}`,
    `Node ${m.node}, commit ${m.commit}, ${m.date}`,
    `${format(settings.clients, 0)} subscribers on loopback; ${settings.runs} interleaved ` +
      `${settings.runs === 1 ? 'run' : 'runs, median (min to max)'}; ` +
      `load average ${report.loadAverage.join(' to ')}, ${report.stealPercent} % of the CPU time stolen by the host`,
    ...Object.entries(report.runs).map(([name, runs]) => `${name}: ${runs[0].title}`),
    '',
    table(report, workloads),
    '',
  ].join('\n');
}

async function main() {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: process.env.QUICK === '1' },
      clients: { type: 'string' },
      runs: { type: 'string' },
      servers: { type: 'string', default: `native,${BASELINE}` },
      out: { type: 'string' },
    },
  });
  const clients = Number(options.clients ?? (options.quick ? 1000 : 5000));
  const rounds = Number(options.runs ?? (options.quick ? 1 : 3));
  const names = options.servers.split(',');
  if (!Number.isInteger(clients) || clients < 1 || clients > 19_000) throw new Error('--clients: 1 to 19000');
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error('--runs: 1 to 100');
  for (const name of names) {
    if (!fs.existsSync(path.join(__dirname, 'servers', `${name}.js`))) throw new Error(`--servers: no ${name}`);
  }

  compileLoadgen();
  if (names.includes('native')) refuseSlowBuild();

  const loadBefore = os.loadavg()[0].toFixed(2);
  const stolenBefore = stolen();
  const runs = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // In turn, and each is the first of a round as often as the others.
    const order = names.map((_, i) => names[(i + round) % names.length]);
    for (const name of order) {
      process.stderr.write(`round ${round + 1} of ${rounds}: ${name}\n`);
      runs[name].push(await runServer(name, { clients, workloads: WORKLOADS }));
    }
  }
  const stolenAfter = stolen();

  const report = {
    machine: machine(),
    settings: { clients, runs: rounds, backlog: BACKLOG },
    loadAverage: [loadBefore, os.loadavg()[0].toFixed(2)],
    stealPercent: ((100 * (stolenAfter.steal - stolenBefore.steal)) /
      Math.max(1, stolenAfter.all - stolenBefore.all)).toFixed(1),
    runs,
  };
  const readable = text(report, WORKLOADS);
  process.stdout.write(`\n${readable}`);

  const targets = [path.join(__dirname, 'results', 'latest.json')];
  if (options.out) targets.push(path.resolve(options.out));
  for (const target of targets) {
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, `${JSON.stringify(report, null, 2)}\n`);
    fs.writeFileSync(`${target.replace(/\.json$/, '')}.txt`, readable);
  }
}

main().catch((error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
});
