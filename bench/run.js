// bench/run.js: runs every workload against every server, several times in
// turn, and prints machine, versions and a table. See bench/README.md.
'use strict';

const { execFileSync, fork, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { parseArgs } = require('node:util');

const report = require('./report');
const verify = require('./verify');
const { WORKLOADS, giveTokens, publish, waitForCount } = require('./workloads');

const ROOT = path.join(__dirname, '..');
const HOST = '127.0.0.1';
const BACKLOG = 4096;
const BASELINE = 'express';
const VERIFY = 'verify'; // a part of its own: no servers
const COMMAND_TIMEOUT_MS = 180_000;
const LOADGEN_MAX_SECONDS = 600;

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
    command(command, args = {}) {
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

// One server from its start to its end: all of `workloads` once.
async function runServer(name, { clients, workloads }) {
  const server = startServer(name);
  let load = null;
  try {
    const about = await server.command('start', { host: HOST, backlog: BACKLOG });
    load = startLoad(about);
    const ctx = { server, load, clients, about, next: 1 };
    await warm(ctx);
    ctx.baseline = await server.command('heap');

    const result = { title: about.title };
    let isConnected = false;
    for (const workload of workloads) {
      if (workload.isConnected && !isConnected) await load.command(`connect ${clients}`);
      result[workload.name] = await workload.run(ctx);
      isConnected ||= workload.isConnected || workload.name === 'connect';
      if (isConnected) await waitForCount(server, clients);
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

// Neither compiled code nor pools of either side belong to a figure.
async function warm(ctx) {
  const { server, load, clients, about } = ctx;
  if (about.hasTokens) await giveTokens(ctx, 1);
  await load.command(`connect ${Math.min(clients, 300)}`);
  await publish(ctx, { count: 100, spacing: 0 });
  await load.command('close');
  await load.command('connect 20');
  await publish(ctx, { count: 100, spacing: 5 });
  await publish(ctx, { count: 4000, spacing: 'turn' });
  await load.command('close');
  await waitForCount(server, 0);
}

// One round of one server: a pair of processes for itself, and one for each
// variant of it that there is.
async function runRound(name, { clients, workloads }) {
  const result = {};
  for (const variant of new Set(workloads.map((workload) => workload.variant))) {
    const file = variant ? `${name}-${variant}` : name;
    if (!hasServer(file)) continue;
    const own = workloads.filter((workload) => workload.variant === variant);
    const { title, ...figures } = await runServer(file, { clients, workloads: own });
    result.title ??= title;
    Object.assign(result, figures);
  }
  return result;
}

function hasServer(name) {
  return fs.existsSync(path.join(__dirname, 'servers', `${name}.js`));
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

// ---- all of it -------------------------------------------------------------------

function readOptions() {
  const { values: options } = parseArgs({
    options: {
      quick: { type: 'boolean', default: process.env.QUICK === '1' },
      clients: { type: 'string' },
      runs: { type: 'string' },
      servers: { type: 'string', default: `native,${BASELINE}` },
      workloads: { type: 'string' },
      out: { type: 'string' },
    },
  });
  const clients = Number(options.clients ?? (options.quick ? 1000 : 5000));
  const runs = Number(options.runs ?? (options.quick ? 1 : 3));
  const servers = options.servers.split(',');
  const known = [...WORKLOADS.map(({ name }) => name), VERIFY];
  const chosen = options.workloads?.split(',') ?? known;
  if (!Number.isInteger(clients) || clients < 1 || clients > 19_000) throw new Error('--clients: 1 to 19000');
  if (!Number.isInteger(runs) || runs < 1 || runs > 100) throw new Error('--runs: 1 to 100');
  for (const name of servers) {
    if (!hasServer(name)) throw new Error(`--servers: no ${name}`);
  }
  for (const name of chosen) {
    if (!known.includes(name)) throw new Error(`--workloads: no ${name}; there are ${known.join(',')}`);
  }
  return {
    clients, runs, servers, quick: options.quick, out: options.out,
    workloads: WORKLOADS.filter(({ name }) => chosen.includes(name)),
    withVerify: chosen.includes(VERIFY),
  };
}

// For each server one result a round.
async function runServers({ clients, runs, servers, workloads }) {
  const results = Object.fromEntries(servers.map((name) => [name, []]));
  for (let round = 0; round < runs && workloads.length > 0; round++) {
    // In turn, and each is the first of a round as often as the others.
    const order = servers.map((_, i) => servers[(i + round) % servers.length]);
    for (const name of order) {
      process.stderr.write(`round ${round + 1} of ${runs}: ${name}\n`);
      results[name].push(await runRound(name, { clients, workloads }));
    }
  }
  return results;
}

function text(result, workloads) {
  const { settings, runs } = result;
  const comparisons = Object.keys(runs)
    .filter((name) => name !== BASELINE && runs[BASELINE])
    .map((name) => [name, BASELINE, `${name}, times better`]);
  const parts = [report.heading(result)];
  if (workloads.length > 0) {
    parts.push(
      `${report.format(settings.clients, 0)} subscribers on loopback; ${report.rounds(settings.runs)}\n` +
        Object.entries(runs).map(([name, [first]]) => `${name}: ${first.title}`).join('\n'),
      report.table({ runs, workloads, comparisons }),
    );
  }
  if (result.verify) parts.push(verify.text(result.verify));
  return `${parts.join('\n\n')}\n`;
}

async function main() {
  const options = readOptions();
  const { clients, runs, servers, workloads } = options;
  compileLoadgen();
  if (servers.includes('native') || options.withVerify) report.refuseSlowBuild();

  const watched = report.watchMachine();
  const results = await runServers(options);
  const verification = options.withVerify ? await verify.run(options) : undefined;

  const result = {
    machine: report.machine(),
    settings: { clients, runs, backlog: BACKLOG },
    ...watched(),
    runs: results,
    verify: verification,
  };
  const readable = text(result, workloads);
  process.stdout.write(`\n${readable}`);

  const targets = [path.join(__dirname, 'results', 'latest.json')];
  if (options.out) targets.push(path.resolve(options.out));
  for (const target of targets) {
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, `${JSON.stringify(result, null, 2)}\n`);
    fs.writeFileSync(`${target.replace(/\.json$/, '')}.txt`, readable);
  }
}

main().catch((error) => {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
});
