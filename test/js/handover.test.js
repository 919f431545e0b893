'use strict';

// handover.test.js - when a connection goes to the core and when it must not, what the app's own objects
// see of it, and what happens on the wire afterwards.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { EventEmitter, once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');

const { startServer, cleanUp } = require('./helpers/app');
const { requestText } = require('./helpers/client');
const { EventStreamParser } = require('./helpers/event-stream');
const { turn, waitFor } = require('./helpers/wait');

const countOf = (app) => app.sse.stats().clients;

/** A reader of events that comes by another client than ours. */
function readEvents(stream) {
  const events = [];
  const parser = new EventStreamParser((item) => item.kind === 'event' && events.push(item));
  stream.on('data', (bytes) => parser.push(bytes));
  return events;
}

afterEach(cleanUp);

describe('handover: when', () => {
  it('is done for plain HTTP/1.1 by default', async () => {
    const app = await startServer();
    const client = await app.open({ channels: ['a'] });
    assert.deepEqual(countOf(app), { socket: 1, stream: 0 });
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await client.data(1), [1]);
  });

  it('is done on IPv6', async function test() {
    const isThere = Object.values(os.networkInterfaces()).flat().some(({ address }) => address === '::1');
    if (!isThere) return this.skip();
    const app = await startServer({}, { where: { port: 0, host: '::1' } });
    const request = http.get({ host: '::1', ...app.address, path: '/sse', headers: { Authorization: 'Bearer alice' } });
    const [response] = await once(request, 'response');
    const events = readEvents(response);
    await waitFor(() => events.length === 1);
    assert.deepEqual(countOf(app), { socket: 1, stream: 0 });
    request.on('error', () => {});
    request.destroy();
  });

  it('is done on a Unix-domain socket', async function test() {
    if (process.platform === 'win32') return this.skip();
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-'));
    try {
      const app = await startServer({ transport: 'socket' }, { where: { path: path.join(folder, 'socket') } });
      const client = await app.open({ channels: ['a'] });
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await client.data(1), [1]);
      client.end();
      await app.hasClients(0);
      assert.equal(app.sse.stats().closed.client, 1);
    } finally {
      await cleanUp();
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('is done on a connection that has served other requests before', async () => {
    const app = await startServer({ transport: 'socket' });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const get = async (where) => {
      const request = http.get({ agent, ...app.address, path: where, headers: { Authorization: 'Bearer alice' } });
      const [response] = await once(request, 'response');
      return { request, response, port: request.socket.localPort };
    };
    try {
      const ports = [];
      for (let i = 0; i < 3; i++) {
        const { response, port } = await get('/sse/health');
        response.resume();
        await once(response, 'end');
        await turn();
        ports.push(port);
      }
      const { request, response, port } = await get('/sse?channel=a');
      assert.deepEqual(ports, [port, port, port]);
      const events = readEvents(response);
      await app.sse.publish('a', { type: 't', data: 1 });
      await waitFor(() => events.length === 2);
      assert.equal(response.headers.connection, 'close');
      response.on('error', () => {});
      request.destroy();
      await app.hasClients(0);
    } finally {
      agent.destroy();
    }
  });

  const rewriters = {
    'prepends to each chunk': (res, write) => (chunk, ...rest) => write.call(res, `: rewritten\n${chunk}`, ...rest),
    'changes letters and no length': (res, write) => (chunk, ...rest) => write.call(res, String(chunk).toUpperCase(), ...rest),
    'changes letters and length': (res, write) => (chunk, ...rest) => write.call(res, `: REWRITTEN\n${String(chunk).toUpperCase()}`, ...rest),
    'holds each chunk back for a tick': (res, write) => (chunk, ...rest) => {
      process.nextTick(() => write.call(res, chunk, ...rest));
      return true;
    },
    'gathers two chunks': (res, write) => {
      let held = '';
      return (chunk, ...rest) => {
        held += chunk;
        if (held.length < 8) return true;
        const out = held;
        held = '';
        return write.call(res, out, ...rest);
      };
    },
  };
  for (const [name, rewriter] of Object.entries(rewriters)) {
    it(`is not done for a response whose write ${name}`, async () => {
      const use = (req, res, next) => {
        res.write = rewriter(res, res.write);
        next();
      };
      const app = await startServer({}, { use: [use] });
      const client = app.send({ channels: ['a'] });
      await app.hasClients(1);
      assert.deepEqual(countOf(app), { socket: 0, stream: 1 });
      await app.sse.publish('a', { type: 't', data: 'hello' });
      await client.until(() => /hello/i.test(client.body));
      assert.equal((await client.head()).headers['transfer-encoding'], undefined);
      if (name.includes('letters')) assert.match(client.body, /DATA: "HELLO"/);
      client.close();
      await app.hasClients(0);
    });
  }

  it('is not done where somebody else writes to the socket', async () => {
    const seen = [];
    const use = (req, res, next) => {
      const { write } = req.socket;
      req.socket.write = function spy(chunk, ...rest) {
        seen.push(String(chunk));
        return write.call(this, chunk, ...rest);
      };
      next();
    };
    const app = await startServer({}, { use: [use] });
    const client = await app.open({ channels: ['a'] });
    assert.deepEqual(countOf(app), { socket: 0, stream: 1 });
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await client.data(1), [1]);
    assert.match(seen.join(''), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n: ok\n[^]*data: 1\n\n$/);
  });

  it('is not done when no descriptor is left, and nothing is lost then', async () => {
    const taken = [];
    const takeAll = () => {
      try {
        for (;;) taken.push(fs.openSync('/dev/null'));
      } catch (error) {
        assert.equal(error.code, 'EMFILE');
      }
    };
    const giveBack = () => taken.splice(0).forEach((fd) => fs.closeSync(fd));
    try {
      const authorizeChannel = () => takeAll() === undefined;
      const app = await startServer({ hooks: { authorizeChannel, onConnect: giveBack } });
      const client = await app.open({ channels: ['a'] });
      assert.deepEqual(countOf(app), { socket: 0, stream: 1 });
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await client.data(1), [1]);
      assert.match(client.body, /^: ok\nid: \d+\nevent: connected\n/);
      assert.equal((await client.head()).status, 200);
    } finally {
      giveBack();
    }
  });

  it('keeps the bytes of a head that are no ASCII as Node writes them', async () => {
    const heads = [];
    for (const transport of ['socket', 'stream']) {
      const use = (req, res, next) => {
        res.sendDate = false;
        res.setHeader('X-Name', 'J\u00fcrgen');
        next();
      };
      const app = await startServer({ transport }, { use: [use] });
      const client = await app.open({ channels: ['a'] });
      heads.push((await client.head()).headers);
    }
    assert.ok(heads[0]['x-name'] !== undefined);
    assert.deepEqual(heads[0], heads[1]);
  });

  it('is done behind middleware that honours no-transform, as compression does', async () => {
    const compress = (req, res, next) => {
      const { write, end, on } = res;
      res.flush = () => {};
      res.write = (...args) => {
        if (!res._header) res.writeHead(res.statusCode);
        assert.match(res.getHeader('Cache-Control'), /no-transform/);
        return write.apply(res, args);
      };
      res.end = (...args) => end.apply(res, args);
      res.on = (...args) => on.apply(res, args);
      next();
    };
    const app = await startServer({ transport: 'socket' }, { use: [compress] });
    const client = await app.open({ channels: ['a'] });
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await client.data(1), [1]);
  });

  it('is not done for HTTP/2, which has a descriptor too', async () => {
    const app = await startServer({}, { create: (sse) => http2.createServer(sse.handler) });
    const session = http2.connect(`http://127.0.0.1:${app.address.port}`);
    try {
      const stream = session.request({ ':path': '/?channel=a', authorization: 'Bearer alice' });
      const [headers] = await once(stream, 'response');
      assert.equal(headers[':status'], 200);
      assert.equal(headers['content-type'], 'text/event-stream');
      assert.equal(headers['cache-control'], 'no-store, no-transform');
      for (const name of ['connection', 'transfer-encoding', 'keep-alive']) assert.equal(headers[name], undefined);
      const events = readEvents(stream);
      await app.sse.publish('a', { type: 't', data: 1 });
      await waitFor(() => events.length === 2);
      assert.deepEqual(countOf(app), { socket: 0, stream: 1 });
      stream.close();
      await app.hasClients(0);
      const head = session.request({ ':path': '/', ':method': 'HEAD', authorization: 'Bearer alice' });
      assert.equal((await once(head, 'response'))[0][':status'], 200);
      const two = session.request({ ':path': '/?token=a&token=b' });
      assert.equal((await once(two, 'response'))[0][':status'], 401);
    } finally {
      session.destroy();
    }
  });

  it('is not done for TLS, which has a descriptor too', async () => {
    // A pre-shared key needs no certificate.
    const tls = { ciphers: 'PSK', maxVersion: 'TLSv1.2', minVersion: 'TLSv1.2' };
    const psk = Buffer.alloc(32, 7);
    const create = (sse, handler) => https.createServer({ ...tls, pskCallback: () => psk }, handler);
    const app = await startServer({}, { create });
    const request = https.get({
      ...tls, host: '127.0.0.1', ...app.address, path: '/sse?channel=a', headers: { Authorization: 'Bearer alice' },
      pskCallback: () => ({ psk, identity: 'test' }), checkServerIdentity: () => undefined, agent: false,
    });
    const [response] = await once(request, 'response');
    const events = readEvents(response);
    await app.sse.publish('a', { type: 't', data: 1 });
    await waitFor(() => events.length === 2);
    assert.deepEqual(countOf(app), { socket: 0, stream: 1 });
    response.on('error', () => {});
    request.destroy();
    await app.hasClients(0);
  });

  it('is not done for a mock response in a unit test', async () => {
    const app = await startServer();
    const req = { method: 'GET', url: '/?channel=a', headers: { authorization: 'Bearer alice' }, rawHeaders: ['Authorization', 'Bearer alice'] };
    let text = '';
    const res = Object.assign(new EventEmitter(), {
      headers: {},
      setHeader(name, value) {
        this.headers[name.toLowerCase()] = value;
      },
      write(chunk) {
        text += chunk;
        return true;
      },
      end() {
        this.writableEnded = true;
      },
    });
    app.sse.handler(req, res);
    await app.hasClients(1);
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.equal(res.headers['content-type'], 'text/event-stream');
    assert.match(text, /event: connected\n[^]*event: t\ndata: 1\n\n$/);
    res.emit('close');
    await app.hasClients(0);
  });

  it('needs no Express', async () => {
    const app = await startServer({ transport: 'socket' }, { create: (sse) => http.createServer(sse.handler) });
    const client = await app.open({ path: '/', channels: ['a'] });
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await client.data(1), [1]);
  });
});

describe('handover: what middleware sees', () => {
  async function watch(send) {
    const seen = [];
    const use = (req, res, next) => {
      for (const name of ['aborted', 'error', 'close']) req.on(name, () => seen.push(`req ${name}`));
      for (const name of ['finish', 'error', 'close']) res.on(name, () => seen.push(`res ${name}`));
      res.on('close', () => seen.push({ status: res.statusCode, isFinished: res.writableFinished, isAborted: req.aborted }));
      next();
    };
    const app = await startServer({ transport: 'socket' }, { use: [use] });
    const client = await send(app);
    await waitFor(() => seen.includes('res close'));
    await turn();
    return { app, client, seen };
  }

  for (const [name, what] of Object.entries({
    'a GET': { channels: ['a'] },
    'a GET with a body': { raw: `GET /sse?channel=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nContent-Length: 3\r\n\r\nabc` },
    'a GET with a chunked body': { raw: 'GET /sse?channel=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n' },
  })) {
    it(`is a finished 200 for ${name}: finish, then close, and nothing else`, async () => {
      const { app, client, seen } = await watch((server) => server.open(what));
      assert.deepEqual(seen.filter((item) => typeof item === 'string' && item.startsWith('res')), ['res finish', 'res close']);
      assert.deepEqual(seen.find((item) => typeof item === 'object'), { status: 200, isFinished: true, isAborted: false });
      assert.ok(!seen.includes('req aborted') && !seen.includes('req error'), JSON.stringify(seen));
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await client.data(1), [1]);
      const before = seen.length;
      client.reset();
      await app.hasClients(0);
      await turn();
      assert.equal(seen.length, before, 'nothing more when the client goes');
    });
  }

  it('is that the connection has left the HTTP server', async () => {
    const app = await startServer({ transport: 'socket' });
    await app.open();
    const connections = () => new Promise((resolve) => {
      app.server.getConnections((error, count) => resolve(count));
    });
    await waitFor(async () => (await connections()) === 0);
    app.server.closeAllConnections();
    app.server.closeIdleConnections();
    assert.equal(app.sse.clients.size, 1);
  });

  it('is no timeout of the HTTP server', async () => {
    const hang = (req, res, next) => (req.url === '/hang' ? req.socket.setTimeout(20) : next());
    const onConnect = (client, req) => req.socket.setTimeout(20);
    const app = await startServer({ transport: 'socket', hooks: { onConnect } }, { use: [hang] });
    const client = await app.open({ channels: ['a'] });
    await app.send({ path: '/hang' }).closed(); // by the timeout
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await client.data(1), [1]);
  });
});

describe('handover: the wire afterwards', () => {
  const get = requestText({ path: '/sse?channel=a', headers: { Authorization: 'Bearer alice' } });

  it('swallows what is sent after the GET', async () => {
    const app = await startServer({ transport: 'socket' });
    const client = await app.open({ channels: ['a'] });
    for (let i = 0; i < 15; i++) client.socket.write(requestText({ path: `/sse/health?${'x'.repeat(900)}` }));
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await client.data(1), [1]);
    assert.equal(client.body.match(/HTTP\/1/), null);
    assert.equal(app.sse.clients.size, 1);
  });

  it('swallows what comes together with the GET', async () => {
    const app = await startServer({ transport: 'socket' });
    const client = await app.open({ raw: get + requestText({ path: '/sse/health' }) });
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await client.data(1), [1]);
    assert.equal(client.body.match(/HTTP\/1/), null);
  });

  for (const transport of ['socket', 'stream']) {
    it(`ends who sends more than 16 KiB (${transport})`, async () => {
      const reasons = [];
      const app = await startServer({ transport, hooks: { onDisconnect: (client, reason) => reasons.push(reason) } });
      const client = await app.open({ channels: ['a'] });
      client.socket.write('x'.repeat(16 * 1024 + 1));
      await client.closed();
      await waitFor(() => reasons.length === 1);
      assert.deepEqual(reasons, ['protocol']);
      assert.equal(app.sse.stats().closed.protocol, 1);
    });
  }

  for (const transport of ['auto', 'stream']) {
    it(`leaves no client behind for subscriptions that are pipelined (${transport})`, async () => {
      const app = await startServer({ transport });
      const client = app.send({ raw: get.repeat(5) });
      await client.connected();
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual((await client.data(1))[0], 1);
      client.close();
      await app.hasClients(0);
      await turn();
      await app.hasClients(0);
    });

    it(`leaves no client behind for a subscription that waits behind another answer (${transport})`, async () => {
      const held = [];
      const use = (req, res, next) => (req.url === '/held' ? held.push(res) : next());
      const app = await startServer({ transport }, { use: [use] });
      const client = app.send({ raw: requestText({ path: '/held' }) + get });
      await waitFor(() => held.length === 1);
      await turn();
      client.close();
      await waitFor(() => held[0].destroyed);
      await app.hasClients(0);
    });

    it(`serves a subscription that waits behind another answer (${transport})`, async () => {
      const held = [];
      const use = (req, res, next) => (req.url === '/held' ? held.push(res) : next());
      const app = await startServer({ transport }, { use: [use] });
      const client = app.send({ raw: requestText({ path: '/held' }) + get });
      await waitFor(() => held.length === 1);
      await turn();
      held[0].end('first');
      await client.until(() => client.body.includes('event: connected'));
      await app.sse.publish('a', { type: 't', data: 'hello' });
      await client.until(() => client.body.includes('"hello"'));
      client.close();
      await app.hasClients(0);
    });
  }

  it('ends at once although a child process was started meanwhile', async () => {
    const app = await startServer({ transport: 'socket' });
    const client = await app.open({ channels: ['a'] });
    const child = spawn('sleep', ['600'], { stdio: 'ignore' });
    try {
      await once(child, 'spawn');
      app.sse.disconnect(client.hello.clientId);
      await client.closed();
      assert.equal(client.error, null);
      assert.equal(child.exitCode, null);
    } finally {
      child.kill();
      await once(child, 'exit');
    }
  });

  it('leaves no descriptor open', async function test() {
    if (process.platform !== 'linux') return this.skip();
    const count = () => fs.readdirSync('/proc/self/fd').length;
    const app = await startServer({ transport: 'socket' });
    const warmUp = await app.open(); // starts the thread
    warmUp.close();
    await app.hasClients(0);
    await waitFor(() => warmUp.isClosed);
    const before = count();
    for (let round = 0; round < 5; round++) {
      const all = await Promise.all(Array.from({ length: 40 }, () => app.open()));
      all.forEach((client, i) => [() => client.end(), () => client.reset(), () => app.sse.disconnect(client.hello.clientId)][i % 3]());
      await app.hasClients(0);
      await Promise.all(all.map((client) => client.closed()));
    }
    await waitFor(() => count() <= before, () => `${before} descriptors, not ${count()}`);
  });
});
