'use strict';

// redis-server.js - a real redis-server of a test's own: on a free port, in a folder of its own, killed and started again
// as the test says.

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const { waitFor } = require('../helpers/wait');

/** @returns {string | null} the first that there is: Valkey speaks the same */
function findRedis() {
  const found = ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0);
  return found ?? null;
}

/** @returns {Promise<number>} a port that nobody listens on */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

let servers = [];

class RedisServer {
  /** @param {{ appendonly?: boolean, args?: string[], env?: object }} how */
  constructor({ appendonly = false, args = [], env = {} }) {
    this._how = { appendonly, args, env };
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-redis-'));
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start() {
    this.port ??= await freePort();
    const { appendonly, args, env } = this._how;
    const given = ['--port', this.port, '--bind', '127.0.0.1', '--dir', this.folder, '--save', '', '--appendonly', appendonly ? 'yes' : 'no', ...args];
    this.output = '';
    this.process = spawn(findRedis(), given.map(String), { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.process.stdout.on('data', (text) => {
      this.output += text;
    });
    this.process.on('close', () => {
      this.process = undefined;
    });
    await waitFor(() => {
      if (this.process === undefined) throw new Error(`redis-server has ended: ${this.output}`);
      return /Ready to accept connections/.test(this.output);
    }, () => `redis-server to start: ${this.output}`);
  }

  /** As a crash does: nothing is saved that was not saved already. */
  async kill() {
    this.process?.kill('SIGKILL');
    await waitFor(() => this.process === undefined, 'redis-server to end');
  }

  async end() {
    await this.kill();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** @param {object} [how] see RedisServer */
async function startRedis(how = {}) {
  const server = new RedisServer(how);
  servers.push(server);
  await server.start();
  return server;
}

/** For afterEach. */
async function endRedis() {
  const ended = servers;
  servers = [];
  await Promise.all(ended.map((server) => server.end()));
}

module.exports = { findRedis, freePort, startRedis, endRedis };
