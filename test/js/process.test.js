'use strict';

// process.test.js - what a server means for the life of its process: child processes, worker threads, two
// copies of the package.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { Worker } = require('node:worker_threads');

const { TRANSPORTS, cleanUp, adopt, listen } = require('./helpers/app');
const { connect } = require('./helpers/client');
const { waitFor } = require('./helpers/wait');

const ROOT = path.join(__dirname, '../..');
const CHILD = path.join(__dirname, 'helpers/child.js');
const WORKER = path.join(__dirname, 'helpers/worker.js');

/** The server of helpers/child.js and what it says. */
class Child {
  constructor(...args) {
    this.process = spawn(process.execPath, ['--expose-gc', CHILD, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.lines = [];
    this.stderr = '';
    createInterface({ input: this.process.stdout }).on('line', (line) => this.lines.push(line));
    this.process.stderr.on('data', (text) => {
      this.stderr += text;
    });
    this.process.stdin.on('error', () => {});
    this.exit = once(this.process, 'exit');
    this.exit.then(() => {
      this.isOver = true;
    });
  }

  tell(command) {
    this.process.stdin.write(`${command}\n`);
  }

  /** Waits for a line that begins with `start` and answers the rest of it. */
  async says(start) {
    const line = await waitFor(() => {
      const found = this.lines.find((text) => text.startsWith(start));
      if (!found && this.isOver) throw new Error(`it ended without saying ${start}: ${this.lines.join(' | ')} ${this.stderr}`);
      return found;
    }, `the child to say ${start}`);
    return line.slice(start.length + 1);
  }

  async open() {
    this.port ??= Number(await this.says('listening'));
    const client = adopt(connect({ port: this.port, path: '/sse?channel=a', headers: { Authorization: 'Bearer alice' } }));
    await client.connected();
    return client;
  }

  end() {
    if (!this.isOver) this.process.kill('SIGKILL');
  }
}

let children = [];

function start(...args) {
  const child = new Child(...args);
  children.push(child);
  return child;
}

afterEach(async () => {
  const ended = children;
  children = [];
  for (const child of ended) child.end();
  await Promise.all(ended.map(({ exit }) => exit));
});

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`a process with a server (${transport})`, () => {
    it('stays up for its clients and ends by itself after stop()', async () => {
      const child = start(transport, 'listen');
      const clients = [await child.open(), await child.open()];
      child.tell('close');
      if (transport === 'socket') await child.says('closed');
      for (let i = 1; i <= 10; i++) {
        child.tell(`publish ${i}`);
        for (const client of clients) assert.equal((await client.data(i)).at(-1), String(i));
      }
      child.tell('stop');
      assert.deepEqual(await child.exit, [0, null]);
      for (const client of clients) {
        await client.closed();
        assert.equal(client.events.at(-1).type, 'closing');
      }
      assert.deepEqual(child.lines.filter((line) => /^(disconnected|stopped)/.test(line)),
        ['disconnected shutdown', 'disconnected shutdown', 'stopped']);
      assert.equal(child.stderr, '');
    });

    it('ends by itself once its last client has gone', async () => {
      const child = start(transport, 'listen');
      const client = await child.open();
      child.tell('close');
      if (transport === 'socket') await child.says('closed');
      client.end();
      assert.deepEqual(await child.exit, [0, null]);
      assert.ok(child.lines.includes('disconnected client'), 'the hook was called before the end');
    });

    it('ends by itself when nobody has come', async () => {
      assert.deepEqual(await start(transport).exit, [0, null]);
    });

    it('ends with its clients on process.exit()', async () => {
      const child = start(transport, 'listen');
      const client = await child.open();
      child.tell('exit');
      assert.deepEqual(await child.exit, [7, null]);
      await client.closed();
    });

    it('ends with its clients on an uncaught exception', async () => {
      const child = start(transport, 'listen');
      const client = await child.open();
      child.tell('throw');
      assert.deepEqual(await child.exit, [1, null]);
      assert.match(child.stderr, /an error of the app/);
      await client.closed();
    });
  });

  describe(`a worker thread with a server (${transport})`, () => {
    const startWorker = async () => {
      const worker = new Worker(WORKER, { workerData: { transport } });
      const [{ port }] = await once(worker, 'message');
      const open = async () => {
        const client = adopt(connect({ port, path: '/?channel=a', headers: { Authorization: 'Bearer alice' } }));
        await client.connected();
        return client;
      };
      return { worker, open };
    };

    it('serves, beside others', async () => {
      const servers = await Promise.all([startWorker(), startWorker(), startWorker()]);
      const clients = await Promise.all(servers.map(({ open }) => open()));
      servers.forEach(({ worker }, i) => worker.postMessage(i));
      for (const [i, client] of clients.entries()) assert.deepEqual(await client.data(1), [i]);
      const exits = servers.map(({ worker }) => once(worker, 'exit'));
      for (const { worker } of servers) worker.postMessage('stop');
      assert.deepEqual(await Promise.all(exits), [[0], [0], [0]]);
      for (const client of clients) {
        await client.closed();
        assert.equal(client.events.at(-1).type, 'closing');
      }
    });

    it('may be terminated with live clients, again and again', async () => {
      for (let round = 0; round < 5; round++) {
        const { worker, open } = await startWorker();
        const clients = await Promise.all([open(), open(), open()]);
        for (let i = 0; i < 100; i++) worker.postMessage(i);
        if (round % 2) await clients[0].data(1);
        await worker.terminate();
        for (const client of clients) await client.closed();
      }
    });

    it('may be terminated before anybody has come', async () => {
      const { worker } = await startWorker();
      await worker.terminate();
    });
  });
}

describe('two copies of the package in one process', () => {
  it('both serve, and each has its own clients', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-copy-'));
    const servers = [];
    try {
      for (const name of ['index.js', 'package.json', 'lib', 'build/Release/native_sse.node']) {
        fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
        fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
      }
      const packages = [require(ROOT), require(folder)];
      assert.notEqual(packages[0].createSseServer, packages[1].createSseServer);
      for (const { createSseServer } of packages) {
        const sse = createSseServer({ transport: 'socket', hooks: { authenticateSubscriber: () => ({ sub: 'alice' }) } });
        const server = http.createServer(sse.handler);
        servers.push({ sse, server });
        await listen(server, { port: 0, host: '127.0.0.1' });
      }
      const clients = [];
      for (const { server } of servers) {
        const client = adopt(connect({ port: server.address().port, path: '/?channel=a', headers: { Authorization: 'Bearer x' } }));
        await client.connected();
        clients.push(client);
      }
      for (const [i, { sse }] of servers.entries()) {
        await sse.publish('a', { type: 't', data: i });
        assert.equal(sse.clients.size, 1);
      }
      for (const [i, client] of clients.entries()) {
        assert.deepEqual(await client.data(1), [i]);
      }
    } finally {
      for (const { sse, server } of servers) {
        await sse.stop();
        server.close();
      }
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe('require and import', () => {
  it('give the same functions', async () => {
    const required = require('../..');
    const imported = await import('../../index.mjs');
    assert.equal(imported.createSseServer, required.createSseServer);
    assert.equal(imported.createJwksAuthenticator, required.createJwksAuthenticator);
    assert.equal(imported.default, required);
  });
});
