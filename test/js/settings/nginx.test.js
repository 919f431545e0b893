'use strict';

// nginx.test.js - behind nginx with the configuration of docs/proxies.md: HTTP/1.1 to the server, buffering
// on as it is by default. Each side must notice what the other does.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');
const express = require('express');

const { TRANSPORTS, startServer, cleanUp, adopt } = require('../helpers/app');
const { connect } = require('../helpers/client');
const { waitFor } = require('../helpers/wait');
const { isInstalled, startNginx } = require('./helpers/nginx');
const { Reader } = require('./helpers/reader');
const { pem } = require('./helpers/secure');

describe('settings: behind nginx', function suite() {
  this.timeout(40_000);

  let nginx;
  const reasons = [];
  const hooks = { onDisconnect: (client, reason) => reasons.push(reason) };

  before(function check() {
    if (!isInstalled()) this.skip();
  });

  afterEach(async () => {
    await nginx?.close();
    nginx = undefined;
    await cleanUp();
    reasons.length = 0;
  });

  async function start(options = {}, proxy = {}, setup = {}) {
    const app = await startServer({ ...options, hooks: { ...hooks, ...options.hooks } }, setup);
    nginx = await startNginx(app.address, proxy);
    return app;
  }

  /** Sends a request to nginx. */
  function send({ channels = ['a'], headers = {}, token = 'alice', ...what } = {}) {
    const search = channels.map((name) => `channel=${name}`).join('&');
    const all = { Authorization: `Bearer ${token}`, ...headers };
    return adopt(connect({ socketPath: nginx.socketPath, path: `/sse?${search}`, headers: all, ...what }));
  }

  async function open(what) {
    const client = send(what);
    client.hello = await client.connected();
    return client;
  }

  for (const transport of TRANSPORTS) {
    describe(transport, () => {
      it('passes each event on at once', async () => {
        const app = await start({ transport });
        const client = await open({ channels: ['a', 'b'] });
        assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 0, [transport]: 1 });
        const { headers } = await client.head();
        assert.equal(headers['content-type'], 'text/event-stream');
        assert.equal(headers['cache-control'], 'no-store, no-transform');
        for (let i = 0; i < 5; i++) {
          await app.sse.publish(i % 2 ? 'a' : 'b', { type: 't', data: i });
          await client.data(i + 1); // before the next is even published
        }
      });

      it('passes heartbeats on', async () => {
        await start({ transport, heartbeatInterval: 20 });
        const client = await open();
        await client.until(() => client.heartbeats >= 3);
      });

      it('passes Last-Event-ID on, and the replay', async () => {
        const app = await start({ transport });
        const ids = [];
        for (let i = 0; i < 4; i++) ids.push(await app.sse.publish('a', { type: 't', data: i }));
        const client = await open({ headers: { 'Last-Event-ID': String(ids[1]) } });
        assert.equal(client.hello.recovered, true);
        assert.deepEqual(await client.data(2), [2, 3]);
      });

      it('passes an event on that is larger than all its buffers', async () => {
        const app = await start({ transport });
        const client = await open();
        const data = 'x'.repeat(1_000_000);
        await app.sse.publish('a', { type: 't', data });
        await app.sse.publish('a', { type: 't', data: 'after' });
        const [first, second] = await client.data(2);
        assert.equal(first, data);
        assert.equal(second, 'after');
      });

      for (const how of ['end', 'close']) {
        it(`tells the server when the client goes (${how})`, async () => {
          const app = await start({ transport, heartbeatInterval: 0 });
          const staying = await open();
          const client = await open();
          await app.hasClients(2);
          client[how]();
          await waitFor(() => reasons.length === 1, 'onDisconnect');
          assert.ok(['client', 'reset'].includes(reasons[0]), reasons[0]);
          await app.sse.publish('a', { type: 't', data: 1 });
          assert.deepEqual(await staying.data(1), [1]);
        });
      }

      it('tells the client when the server disconnects it, after what is queued', async () => {
        const app = await start({ transport });
        const client = await open({ headers: { Connection: 'close' } });
        for (let i = 0; i < 20; i++) app.sse.publish('a', { type: 't', data: i });
        app.sse.disconnect(client.hello.clientId);
        await client.closed();
        assert.equal(client.error, null);
        assert.equal(client.published.length, 20);
        assert.ok(client.parser.isBetweenBlocks);
      });

      it('gives the client a whole end, and keeps its connection for more', async () => {
        const app = await start({ transport });
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
        adopt({ close: () => agent.destroy() });
        const get = async () => {
          const request = http.get({ agent, socketPath: nginx.socketPath, path: '/sse?channel=a', headers: { authorization: 'Bearer alice' } });
          const [response] = await once(request, 'response');
          return new Reader(response);
        };
        for (let round = 0; round < 2; round++) {
          const reader = await get();
          const { clientId } = await reader.connected();
          app.sse.disconnect(clientId);
          assert.equal(await reader.ended(), 'end');
        }
      });

      it('gets `closing` through on stop()', async () => {
        const app = await start({ transport });
        const clients = [await open(), await open()];
        await app.sse.stop();
        for (const client of clients) {
          await client.until(() => client.events.some(({ type }) => type === 'closing'));
          assert.deepEqual(client.events.map(({ type }) => type), ['connected', 'closing']);
        }
        const late = send();
        assert.equal((await late.head()).status, 503);
      });

      it('passes refusals and HEAD on', async () => {
        await start({ transport });
        const refused = send({ token: '' });
        assert.equal((await refused.head()).status, 401);
        const head = send({ method: 'HEAD' });
        assert.deepEqual([(await head.head()).status, head.body], [200, '']);
        const post = send({ method: 'DELETE' });
        assert.deepEqual([(await post.head()).status, (await post.head()).headers.allow], [405, 'GET, HEAD']);
      });

      it('serves HTTP/1.0 clients', async () => {
        const app = await start({ transport });
        const client = await open({ raw: 'GET /sse?channel=a HTTP/1.0\r\nAuthorization: Bearer alice\r\n\r\n' });
        assert.equal((await client.head()).headers['transfer-encoding'], undefined);
        await app.sse.publish('a', { type: 't', data: 1 });
        assert.deepEqual(await client.data(1), [1]);
        await app.sse.stop();
        await client.closed();
        assert.equal(client.error, null);
      });

      it('serves HTTP/2 to browsers: many streams on one connection', async () => {
        const app = await start({ transport }, { tls: pem });
        const session = http2.connect('https://localhost', {
          createConnection: () => tls.connect({
            socket: net.connect(nginx.socketPath), ca: pem.cert, servername: 'localhost', ALPNProtocols: ['h2'],
          }),
        });
        session.on('error', () => {});
        adopt({ close: () => session.destroy() });
        const streams = Array.from({ length: 20 }, () => session.request({ ':path': '/sse?channel=a', authorization: 'Bearer alice' }));
        const readers = streams.map((stream) => new Reader(stream));
        for (const reader of readers) await reader.connected();
        assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 0, [transport]: 20 });
        await app.sse.publish('a', { type: 't', data: 1 });
        for (const reader of readers) assert.deepEqual(await reader.data(1), [1]);
        streams[0].close(http2.constants.NGHTTP2_CANCEL);
        await app.hasClients(19);
        const { clientId } = await readers[1].connected();
        app.sse.disconnect(clientId);
        assert.equal(await readers[1].ended(), 'end');
        session.destroy();
        await app.hasClients(0);
      });
    });
  }

  it('names the client\'s address for req.ip', async () => {
    const seen = [];
    await start({ hooks: { onConnect: (client, req) => seen.push({ ip: req.ip, protocol: req.protocol, hostname: req.hostname }) } }, {}, {
      create(sse) {
        const outer = express();
        outer.set('trust proxy', 2); // nginx, and what it names its own peer on a Unix-domain socket
        outer.use('/sse', sse.router);
        return http.createServer(outer);
      },
    });
    await open({ headers: { 'X-Forwarded-For': '203.0.113.9' } });
    await waitFor(() => seen.length === 1, 'onConnect');
    assert.deepEqual(seen, [{ ip: '203.0.113.9', protocol: 'http', hostname: 'localhost' }]);
  });

  it('reaches the server by a Unix-domain socket too', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-'));
    try {
      const app = await start({ transport: 'socket' }, {}, { where: { path: path.join(folder, 'app.sock') } });
      const client = await open();
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await client.data(1), [1]);
      client.close();
      await app.hasClients(0);
    } finally {
      await nginx?.close();
      nginx = undefined;
      await cleanUp();
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('does not compress, because the location says so', async () => {
    const app = await start();
    const client = await open({ headers: { 'Accept-Encoding': 'gzip' } });
    assert.equal((await client.head()).headers['content-encoding'], undefined);
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await client.data(1), [1]);
  });

  it('would compress without that, in spite of no-transform', async () => {
    await start({}, { changes: [['gzip off;', '']] });
    const client = send({ headers: { 'Accept-Encoding': 'gzip' } });
    assert.equal((await client.head()).headers['content-encoding'], 'gzip');
  });

  it('keeps a stream with heartbeats past its read timeout', async () => {
    await start({ heartbeatInterval: 100 }, { changes: [['proxy_read_timeout 90s', 'proxy_read_timeout 1s']] });
    const client = await open();
    // At least 2.5 s, by the server's own clock.
    await client.until(() => client.heartbeats >= 25);
    assert.deepEqual(reasons, []);
  });

  it('cuts a stream without heartbeats at its read timeout, and the server notices', async () => {
    const app = await start({ heartbeatInterval: 0 }, { changes: [['proxy_read_timeout 90s', 'proxy_read_timeout 1s']] });
    const client = await open();
    await client.closed();
    await app.hasClients(0);
    assert.equal(client.heartbeats, 0);
  });

  it('that ends takes its clients along', async () => {
    const app = await start();
    const clients = [await open(), await open()];
    await nginx.program.ends('SIGTERM');
    for (const client of clients) await client.closed();
    await app.hasClients(0);
  });
});
