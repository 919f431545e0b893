// bench/processes.js: the processes that run.js speaks to: one around each server (control.js), and the load generator.
'use strict';

const { fork, spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const { pathOf } = require('./build');

const HOST = '127.0.0.1';
const BACKLOG = 4096;
const COMMAND_TIMEOUT_MS = 60_000;
const LOADGEN_MAX_SECONDS = 900;

function within(promise, ms, what) {
  let timer;
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The names that --servers takes. */
function knownServers() {
  return fs.readdirSync(path.join(__dirname, 'servers'))
    .filter((name) => name.endsWith('.js')).map((name) => path.basename(name, '.js'));
}

/** @returns {string | null} why a server cannot run here */
function whyMissing(name) {
  try {
    return require(path.join(__dirname, 'servers', `${name}.js`)).missing?.() ?? null;
  } catch (error) {
    return error.message.split('\n')[0];
  }
}

function startServer(name) {
  const child = fork(path.join(__dirname, 'control.js'), [name], {
    execArgv: ['--expose-gc', ...(process.env.BENCH_NODE_FLAGS?.split(' ') ?? [])],
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

// Every subscriber gets every event exactly once and in order, or nothing counts.
function check(answer) {
  if (answer.ok === false || answer.late === true) {
    throw new Error(`wrong delivery: ${JSON.stringify(answer)}`);
  }
  return answer;
}

function startLoad({ port, path: target, ready, ids }) {
  const child = spawn(pathOf('loadgen'), [
    '--host', HOST, '--port', String(port), '--path', target, '--ready', ready, '--ids', ids,
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

/**
 * A server and a load generator for it, until `use` is done.
 * @param {string} name
 * @param {{ heartbeat?: number }} options ms, 0 for none
 * @param {(ctx: object) => Promise<T>} use
 * @returns {Promise<T>}
 * @template T
 */
async function withServer(name, { heartbeat = 0 }, use) {
  const server = startServer(name);
  let load = null;
  try {
    const about = await server.command('start', { host: HOST, backlog: BACKLOG, heartbeat });
    load = startLoad(about);
    // `next`: the number of the next event. `spread`: as loadgen.h has it.
    const ctx = { name, server, load, about, next: 1, spread: { base: 0, k: 1, stride: 1 } };
    const result = await use(ctx);
    await load.command('idle 100');
    await load.command('close');
    await server.command('stop');
    load.command('quit').catch(() => {});
    const codes = await within(Promise.all([server.exited, load.exited]), 20_000, 'the end');
    if (codes.some((code) => code !== 0)) throw new Error(`${name} and its load ended with ${codes}`);
    return result;
  } finally {
    server.kill();
    load?.kill();
  }
}

module.exports = { BACKLOG, knownServers, whyMissing, withServer };
