'use strict';

// process.test.js - servers in processes and worker threads of their own, and two copies of the package in one.
// How they end is in the lifecycle tests.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const { TRANSPORTS, cleanUp, listen } = require('./helpers/app');
const { start, endPrograms, subscribe } = require('./helpers/program');
const { waitFor } = require('./helpers/wait');

const ROOT = path.join(__dirname, '../..');
const CHILD = path.join(__dirname, 'helpers/child.js');

afterEach(endPrograms);
afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`a process with a server (${transport})`, () => {
    it('stays up for its clients, whatever is collected, and ends by itself after stop()', async () => {
      const program = start({ transport });
      await program.create();
      const clients = [await program.open(), await program.open()];
      program.tell('return');
      if (transport === 'socket') await program.says('closed');
      for (let i = 1; i <= 10; i++) {
        program.tell(`publish ${i}`);
        for (const client of clients) assert.equal((await client.data(i)).at(-1), String(i));
      }
      program.tell('stop');
      await program.ends(0, null);
      for (const client of clients) {
        await client.closed();
        assert.equal(client.events.at(-1).type, 'closing');
      }
      assert.deepEqual(program.lines.filter((line) => /^(disconnected|stopped)/.test(line)),
        ['disconnected shutdown', 'disconnected shutdown', 'stopped']);
    });
  });

  describe(`worker threads with servers (${transport})`, () => {
    it('serve beside each other', async () => {
      const workers = Array.from({ length: 3 }, () => new Worker(CHILD, { argv: [transport] }));
      const exits = workers.map((worker) => once(worker, 'exit'));
      for (const worker of workers) worker.postMessage('create');
      const ports = await Promise.all(workers.map(async (worker) => Number((await once(worker, 'message'))[0].split(' ')[1])));
      const clients = ports.map((port) => subscribe(port));
      for (const client of clients) await client.connected();
      workers.forEach((worker, i) => worker.postMessage(`publish ${i}`));
      for (const [i, client] of clients.entries()) assert.deepEqual(await client.data(1), [String(i)]);
      for (const worker of workers) {
        worker.postMessage('stop');
        worker.postMessage('return');
      }
      assert.deepEqual(await Promise.all(exits), [[0], [0], [0]]);
      for (const client of clients) {
        await client.closed();
        assert.equal(client.events.at(-1).type, 'closing');
      }
    });
  });
}

describe('two copies of the package in one process', () => {
  const ADDON = process.env.NATIVE_SSE_BINDING || path.join(ROOT, 'build/Release/native_sse.node');
  const before = process.env.NATIVE_SSE_BINDING;
  let folder;
  let servers;

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-copy-'));
    servers = [];
  });

  afterEach(async () => {
    if (before === undefined) delete process.env.NATIVE_SSE_BINDING;
    else process.env.NATIVE_SSE_BINDING = before;
    for (const { sse, server } of servers) {
      await sse.stop();
      server.close();
    }
    fs.rmSync(folder, { recursive: true });
  });

  function requireCopy() {
    for (const name of ['index.js', 'package.json', 'lib']) fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
    fs.mkdirSync(path.join(folder, 'build/Release'), { recursive: true });
    fs.copyFileSync(ADDON, path.join(folder, 'build/Release/native_sse.node'));
    return require(folder);
  }

  async function assertBothServe(packages) {
    assert.notEqual(packages[0].createSseServer, packages[1].createSseServer);
    const left = [];
    for (const [i, { createSseServer }] of packages.entries()) {
      const hooks = { authenticateSubscriber: () => ({ sub: 'alice' }), onDisconnect: () => left.push(i) };
      const sse = createSseServer({ transport: 'socket', hooks });
      const server = http.createServer(sse.handler);
      servers.push({ sse, server });
      await listen(server, { port: 0, host: '127.0.0.1' });
    }
    const clients = servers.map(({ server }) => subscribe(server.address().port));
    for (const client of clients) await client.connected();
    for (const [i, { sse }] of servers.entries()) {
      await sse.publish('a', { type: 't', data: i });
      assert.equal(sse.clients.size, 1);
    }
    for (const [i, client] of clients.entries()) assert.deepEqual(await client.data(1), [i]);
    // Each hears of its own client's end.
    for (const [i, client] of clients.entries()) {
      client.end();
      await waitFor(() => left.includes(i), `the client of server ${i} to be told of`);
    }
  }

  it('both serve, and each has its own clients', async () => {
    delete process.env.NATIVE_SSE_BINDING;
    await assertBothServe([require(ROOT), requireCopy()]);
  });

  it('both serve when NATIVE_SSE_BINDING gives them one addon', async () => {
    process.env.NATIVE_SSE_BINDING = ADDON;
    await assertBothServe([require(ROOT), requireCopy()]);
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
