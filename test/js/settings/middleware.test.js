'use strict';

// middleware.test.js - what stands around a subscription in a real app: loggers see one finished 200,
// compression does not get at the stream, hooks see the client's address, and child processes hold nothing.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const { Writable } = require('node:stream');
const zlib = require('node:zlib');
const compression = require('compression');
const express = require('express');
const http = require('node:http');
const morgan = require('morgan');
const onFinished = require('on-finished');
const pinoHttp = require('pino-http');

const { TRANSPORTS, startServer, cleanUp, adopt } = require('../helpers/app');
const { requestText } = require('../helpers/client');
const { turn, waitFor } = require('../helpers/wait');
const { Reader } = require('./helpers/reader');
const { SETTINGS, peerOf } = require('./helpers/secure');

afterEach(cleanUp);

/** Each logger as an app uses it; `lines` gets { status, isCompleted } of each request. */
const LOGGERS = {
  morgan(lines) {
    const format = (tokens, req, res) => JSON.stringify({ url: tokens.url(req, res), status: tokens.status(req, res) });
    const stream = { write: (line) => {
      const { url, status } = JSON.parse(line);
      // An answer that morgan takes for unsent has no status.
      lines.push({ url, status: Number(status), isCompleted: status !== undefined });
    } };
    return morgan(format, { stream });
  },
  'pino-http'(lines) {
    const stream = new Writable({
      write(chunk, encoding, callback) {
        for (const line of String(chunk).trim().split('\n')) {
          const { req, res, msg, level, err } = JSON.parse(line);
          lines.push({ url: req.url, status: res.statusCode, isCompleted: msg === 'request completed' && level === 30 && !err });
        }
        callback();
      },
    });
    return pinoHttp({}, stream);
  },
  'on-finished'(lines) {
    return (req, res, next) => {
      onFinished(res, (error) => lines.push({ url: req.originalUrl, status: res.statusCode, isCompleted: !error }));
      next();
    };
  },
};

const ENDS = {
  'the client goes': (client) => client.end(),
  'the client cuts the connection': (client) => client.close(),
  'the server disconnects': (client, app) => app.sse.disconnect(client.hello.clientId),
  'the server stops': (client, app) => app.sse.stop(),
};

for (const transport of TRANSPORTS) {
  describe(`settings: loggers (${transport})`, () => {
    for (const [name, make] of Object.entries(LOGGERS)) {
      for (const [how, end] of Object.entries(ENDS)) {
        it(`${name}: one completed 200 when ${how}`, async () => {
          const lines = [];
          const app = await startServer({ transport }, { use: [make(lines)] });
          const client = await app.open({ channels: ['a'] });
          if (transport === 'socket') await waitFor(() => lines.length > 0, 'the line of the handover');
          else assert.deepEqual(lines, [], 'nothing before it ends');
          await app.sse.publish('a', { type: 't', data: 1 });
          await client.data(1);
          await end(client, app);
          await app.hasClients(0);
          await waitFor(() => lines.length > 0, 'the line of the subscription');
          await turn();
          assert.deepEqual(lines, [{ url: '/sse?channel=a', status: 200, isCompleted: true }]);
        });
      }

      it(`${name}: the status of a refusal, once`, async () => {
        const lines = [];
        const app = await startServer({ transport }, { use: [make(lines)] });
        assert.equal((await app.request({ token: null })).status, 401);
        await waitFor(() => lines.length > 0, 'the line');
        await turn();
        assert.deepEqual(lines, [{ url: '/sse', status: 401, isCompleted: true }]);
      });

      it(`${name}: a GET with a body, and several at once`, async () => {
        const lines = [];
        const app = await startServer({ transport }, { use: [make(lines)] });
        const raw = 'GET /sse HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\nContent-Length: 5\r\n\r\nhello';
        await Promise.all([app.open(), app.open({ raw }), app.open()]);
        await app.sse.stop();
        await waitFor(() => lines.length >= 3, 'the lines');
        await turn();
        assert.deepEqual(lines, Array(3).fill({ url: '/sse', status: 200, isCompleted: true }));
      });
    }

    it('all of them together, behind compression', async () => {
      const lines = Object.fromEntries(Object.keys(LOGGERS).map((name) => [name, []]));
      const use = [compression(), ...Object.entries(LOGGERS).map(([name, make]) => make(lines[name]))];
      const app = await startServer({ transport }, { use });
      const client = await app.open({ channels: ['a'], headers: { 'Accept-Encoding': 'gzip, br' } });
      assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 0, [transport]: 1 });
      client.close();
      await app.hasClients(0);
      await waitFor(() => Object.values(lines).every(({ length }) => length > 0), 'a line of each');
      await turn();
      for (const name of Object.keys(LOGGERS)) {
        assert.deepEqual(lines[name], [{ url: '/sse?channel=a', status: 200, isCompleted: true }], name);
      }
    });
  });

  describe(`settings: what hooks see (${transport})`, () => {
    it('onConnect finds req.ip and the rest of the request', async () => {
      const seen = [];
      const onConnect = (client, req) => {
        const { ip, hostname, protocol, originalUrl, socket } = req;
        seen.push({ ip, hostname, protocol, originalUrl, peer: socket.remoteAddress, isWhole: !socket.destroyed });
      };
      const app = await startServer({ transport, hooks: { onConnect } });
      await app.open({ channels: ['a'] });
      await waitFor(() => seen.length === 1, 'onConnect');
      assert.deepEqual(seen, [{
        ip: '127.0.0.1', hostname: 'localhost', protocol: 'http', originalUrl: '/sse?channel=a', peer: '127.0.0.1', isWhole: true,
      }]);
    });

    it('onConnect finds the address that a trusted proxy names', async () => {
      const seen = [];
      const app = await startServer({ transport, hooks: { onConnect: (client, req) => seen.push(req.ip) } }, {
        create(sse) {
          const outer = express();
          outer.set('trust proxy', 'loopback');
          outer.use('/sse', sse.router);
          return http.createServer(outer);
        },
      });
      await app.open({ headers: { 'X-Forwarded-For': '203.0.113.9' } });
      await waitFor(() => seen.length === 1, 'onConnect');
      assert.deepEqual(seen, ['203.0.113.9']);
    });
  });

  describe(`settings: child processes (${transport})`, () => {
    /** A process that holds whatever it was born with, for as long as the test wants. */
    function sleeper() {
      return spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
    }

    const descriptors = (child) => fs.readdirSync(`/proc/${child.pid}/fd`)
      .map((fd) => {
        try {
          return fs.readlinkSync(`/proc/${child.pid}/fd/${fd}`);
        } catch {
          return ''; // closed meanwhile
        }
      });

    /** The inodes of this process's TCP connections to a server's clients, as /proc names them. */
    function connectionsOf(port) {
      const address = port.toString(16).toUpperCase().padStart(4, '0');
      return fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter(([, local, , state]) => local?.endsWith(`:${address}`) && state === '01')
        .map((fields) => `socket:[${fields[9]}]`);
    }

    it('hold no client\'s socket: closing from the server reaches the peer at once', async () => {
      const children = [];
      const start = async () => {
        const child = sleeper();
        children.push(child);
        await once(child, 'spawn');
      };
      // One at each moment: in the midst of the handover, and when it is over.
      const app = await startServer({ transport, hooks: { onConnect: () => start() } });
      try {
        const client = await app.open({ channels: ['a'] });
        const other = await app.open({ channels: ['a'] });
        await start();
        await waitFor(() => children.length === 3 && children.every(({ pid }) => pid !== undefined), 'the children');
        if (process.platform === 'linux') {
          const connections = connectionsOf(app.address.port);
          assert.equal(connections.length, 2);
          for (const child of children) {
            const held = descriptors(child).filter((name) => connections.includes(name));
            assert.deepEqual(held, [], 'a child process has a client\'s socket');
          }
        }
        app.sse.disconnect(client.hello.clientId);
        await client.closed();
        assert.equal(client.error, null);
        await app.sse.stop();
        await other.closed();
        assert.equal(other.events.at(-1).type, 'closing');
        for (const { exitCode, signalCode } of children) assert.deepEqual([exitCode, signalCode], [null, null]);
      } finally {
        for (const child of children) {
          child.kill('SIGKILL');
          if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        }
      }
    });
  });
}

for (const kind of ['HTTPS, Express', 'HTTP/1.1 on an HTTP/2 server', 'HTTP/2 over TLS, handler', 'cleartext HTTP/2, router']) {
  describe(`settings: loggers (${kind})`, () => {
    const setting = SETTINGS[kind];
    const ends = {
      'the client goes': (answer) => answer.leave(),
      'the client cuts the connection': (answer, peer) => peer.close(),
      'the server disconnects': (answer, peer, app) => app.sse.disconnect([...app.sse.clients.keys()][0]),
      'the server stops': (answer, peer, app) => app.sse.stop(),
    };
    for (const [name, make] of Object.entries(LOGGERS)) {
      for (const [how, end] of Object.entries(ends)) {
        it(`${name}: one completed 200 when ${how}`, async () => {
          const lines = [];
          const app = await startServer({}, {
            create(...args) {
              const server = setting.create(...args);
              const log = make(lines);
              return server.prependListener('request', (req, res) => log(req, res, () => {}));
            },
          });
          const peer = peerOf(setting, app.address);
          const answer = await peer.send({ channels: ['a'] });
          await answer.reader.connected();
          assert.deepEqual(lines, []);
          await end(answer, peer, app);
          await app.hasClients(0);
          await waitFor(() => lines.length > 0, 'the line of the subscription');
          await turn();
          assert.deepEqual(lines.map(({ status, isCompleted }) => ({ status, isCompleted })), [{ status: 200, isCompleted: true }]);
        });
      }
    }
  });
}

describe('settings: compression()', () => {
  /** Subscribes by Node's own client, asking for an encoding, and undoes it. */
  async function openEncoded(app, encoding) {
    const request = http.get({
      host: '127.0.0.1', ...app.address, path: '/sse?channel=a', agent: false,
      headers: { authorization: 'Bearer alice', 'accept-encoding': encoding },
    });
    adopt({ close: () => request.on('error', () => {}).destroy() });
    const [response] = await once(request, 'response');
    response.on('error', () => {});
    const decoders = { gzip: zlib.createGunzip, br: zlib.createBrotliDecompress, deflate: zlib.createInflate };
    const decoder = decoders[response.headers['content-encoding']]?.();
    return { request, response, reader: new Reader(decoder ? response.pipe(decoder) : response) };
  }

  /** What makes compression() compress a stream although its head says no-transform: another says otherwise. */
  const withoutNoTransform = (req, res, next) => {
    const { setHeader } = res;
    res.setHeader = (name, value) => setHeader.call(res, name, /^cache-control$/i.test(name) ? 'no-store' : value);
    next();
  };

  for (const [name, options] of Object.entries({ 'as it is': {}, 'told to compress everything': { filter: () => true, threshold: 0 } })) {
    for (const transport of ['auto', 'socket', 'stream']) {
      it(`${name}, leaves the stream alone (${transport})`, async () => {
        const app = await startServer({ transport }, { use: [compression(options)] });
        const { response, reader } = await openEncoded(app, 'gzip, deflate, br');
        assert.equal(response.headers['content-encoding'], undefined);
        await reader.connected();
        await app.sse.publish('a', { type: 't', data: 'x'.repeat(5000) });
        assert.equal((await reader.data(1))[0].length, 5000);
        assert.deepEqual(app.sse.stats().clients, transport === 'stream' ? { socket: 0, stream: 1 } : { socket: 1, stream: 0 });
      });
    }
  }

  for (const encoding of ['gzip', 'br', 'deflate']) {
    it(`that compresses all the same (${encoding}) is seen: not handed over, and every event flushed`, async () => {
      const app = await startServer({ heartbeatInterval: 20 }, { use: [compression({ filter: () => true, threshold: 0 }), withoutNoTransform] });
      const { request, response, reader } = await openEncoded(app, encoding);
      assert.equal(response.headers['content-encoding'], encoding);
      await reader.connected();
      assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 1 });
      for (let i = 0; i < 5; i++) {
        await app.sse.publish('a', { type: 't', data: i });
        await reader.data(i + 1); // at once, not when a block is full
      }
      await reader.beats(2);
      request.destroy();
      await app.hasClients(0);
    });

    it(`that compresses all the same (${encoding}) gets a whole end`, async () => {
      const app = await startServer({}, { use: [compression({ filter: () => true, threshold: 0 }), withoutNoTransform] });
      const { reader } = await openEncoded(app, encoding);
      await reader.connected();
      for (let i = 0; i < 5; i++) app.sse.publish('a', { type: 't', data: 'y'.repeat(200_000) });
      await reader.data(5);
      await app.sse.stop();
      assert.equal(await reader.ended(), 'end');
      assert.deepEqual(reader.events.map(({ type }) => type), ['connected', 't', 't', 't', 't', 't', 'closing']);
    });

    it(`that compresses all the same (${encoding}) gets what is queued before disconnect() ends it`, async () => {
      const app = await startServer({}, { use: [compression({ filter: () => true, threshold: 0 }), withoutNoTransform] });
      const { reader } = await openEncoded(app, encoding);
      const { clientId } = await reader.connected();
      for (let i = 0; i < 5; i++) app.sse.publish('a', { type: 't', data: 'y'.repeat(200_000) });
      app.sse.disconnect(clientId);
      assert.equal(await reader.ended(), 'end');
      assert.equal(reader.published.length, 5);
    });
  }

  it('that compresses all the same ends a subscription with `transport: \'socket\'`, and says why', async () => {
    const app = await startServer({ transport: 'socket' }, { use: [compression({ filter: () => true, threshold: 0 }), withoutNoTransform] });
    const client = app.send({ channels: ['a'], headers: { 'Accept-Encoding': 'gzip' } });
    await client.closed();
    await waitFor(() => app.errors.length === 1, 'the error');
    assert.equal(app.errors.splice(0)[0].code, 'ERR_SSE_TRANSPORT');
    assert.equal(app.sse.clients.size, 0);
  });

  it('of one\'s own, by a wrapper of write and end, is seen too', async () => {
    const gzip = (req, res, next) => {
      const { write, end } = res;
      const packer = zlib.createGzip({ flush: zlib.constants.Z_SYNC_FLUSH });
      packer.on('data', (chunk) => write.call(res, chunk));
      packer.on('end', () => end.call(res));
      res.setHeader('Content-Encoding', 'gzip');
      res.write = (chunk) => packer.write(chunk);
      res.end = (chunk) => packer.end(chunk);
      next();
    };
    const app = await startServer({}, { use: [gzip] });
    const { reader } = await openEncoded(app, 'gzip');
    await reader.connected();
    assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 1 });
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await reader.data(1), [1]);
    await app.sse.stop();
    assert.equal(await reader.ended(), 'end');
  });
});

describe('settings: a mock response in a unit test', () => {
  const request = (channels = ['a']) => ({
    method: 'GET', url: `/?${channels.map((name) => `channel=${name}`).join('&')}`,
    headers: { authorization: 'Bearer alice' }, rawHeaders: ['Authorization', 'Bearer alice'],
  });

  /** Nothing but what the design names: setHeader, write, end, on. */
  class Mock {
    constructor() {
      this.headers = {};
      this.text = '';
      this.listeners = {};
      this.ends = 0;
    }

    setHeader(name, value) {
      this.headers[name.toLowerCase()] = value;
    }

    write(chunk) {
      this.text += chunk;
    }

    end(chunk = '') {
      this.text += chunk;
      this.ends += 1;
    }

    on(name, listener) {
      (this.listeners[name] ??= []).push(listener);
    }

    emit(name) {
      for (const listener of this.listeners[name] ?? []) listener();
    }
  }

  it('gets the head, connected, events and heartbeats', async () => {
    const app = await startServer({ heartbeatInterval: 20 });
    const res = new Mock();
    app.sse.handler(request(), res);
    await app.hasClients(1);
    await app.sse.publish('a', { type: 't', data: 1 });
    await waitFor(() => res.text.includes(': heartbeat\n'), 'a heartbeat');
    assert.match(res.text, /^: ok\n(id: \d+\n)?event: connected\n[^]*\nid: \d+\nevent: t\ndata: 1\n\n/);
    assert.equal(res.headers['content-type'], 'text/event-stream');
    assert.equal(res.headers['cache-control'], 'no-store, no-transform');
    res.emit('close');
    await app.hasClients(0);
    const { length } = res.text;
    await app.sse.publish('a', { type: 't', data: 2 });
    assert.equal(res.text.length, length, 'nothing is written after close');
    assert.ok(res.ends <= 1);
  });

  it('is ended once by disconnect() and by stop()', async () => {
    const app = await startServer();
    const [first, second] = [new Mock(), new Mock()];
    app.sse.handler(request(), first);
    app.sse.handler(request(), second);
    await app.hasClients(2);
    app.sse.disconnect([...app.sse.clients.keys()][0]);
    await waitFor(() => first.ends === 1, 'the end');
    await app.sse.stop();
    await turn();
    assert.deepEqual([first.ends, second.ends], [1, 1]);
    assert.match(second.text, /event: closing\n/);
  });

  it('gets a refusal as JSON', async () => {
    const app = await startServer();
    const res = new Mock();
    app.sse.handler({ ...request(), headers: {}, rawHeaders: [] }, res);
    await waitFor(() => res.ends === 1, 'the answer');
    assert.equal(JSON.parse(res.text).error, 'ERR_SSE_UNAUTHORIZED');
    assert.equal(res.statusCode, 401);
  });

  it('waits for drain when write answers false', async () => {
    const app = await startServer();
    const res = new Mock();
    let isFull = false;
    const { write } = res;
    res.write = (chunk) => {
      write.call(res, chunk);
      return !isFull;
    };
    app.sse.handler(request(), res);
    await app.hasClients(1);
    isFull = true;
    for (let i = 0; i < 5; i++) await app.sse.publish('a', { type: 't', data: i });
    assert.equal(res.text.match(/^data: \d$/gm).length, 1);
    isFull = false;
    res.emit('drain');
    await waitFor(() => res.text.match(/^data: \d$/gm).length === 5, 'the rest after drain');
  });

  it('is refused by `transport: \'socket\'`', async () => {
    const app = await startServer({ transport: 'socket' });
    const res = new Mock();
    app.sse.handler(request(), res);
    await waitFor(() => res.ends === 1, 'the answer');
    assert.equal(res.statusCode, 500);
    assert.equal(app.errors.splice(0)[0].code, 'ERR_SSE_TRANSPORT');
  });

  it('may be one whose write throws', async () => {
    const reasons = [];
    const app = await startServer({ hooks: { onDisconnect: (client, reason) => reasons.push(reason) } });
    const res = new Mock();
    app.sse.handler(request(), res);
    await app.hasClients(1);
    res.write = () => {
      throw new Error('of the mock');
    };
    await app.sse.publish('a', { type: 't', data: 1 });
    await waitFor(() => reasons.length === 1, 'onDisconnect');
    assert.deepEqual(reasons, ['reset']);
  });
});

describe('settings: pipelined behind a subscription', () => {
  it('loggers see the subscription once and what was swallowed never as completed', async () => {
    const lines = [];
    const app = await startServer({}, { use: [LOGGERS.morgan(lines)] });
    const get = requestText({ path: '/sse', headers: { Authorization: 'Bearer alice' } });
    const client = await app.open({ raw: get + requestText({ path: '/sse/health' }) });
    client.close();
    await app.hasClients(0);
    await turn();
    assert.equal(lines.filter(({ url }) => url === '/sse').length, 1);
  });
});
