'use strict';

// secure.test.js - HTTPS and HTTP/2, over TLS and in clear text: the same stream as everywhere, and never
// handed over. Their sockets have a descriptor too; what went to it past TLS or HTTP/2 framing would be
// plain text on the wire, or break the framing. Each is looked at on the wire.

const assert = require('node:assert/strict');
const http = require('node:http');
const { Duplex } = require('node:stream');

const { startServer, cleanUp, adopt } = require('../helpers/app');
const { turn, waitFor } = require('../helpers/wait');
const { SETTINGS, peerOf } = require('./helpers/secure');
const { startWiretap, readFrames, dataOf } = require('./helpers/wiretap');

const SECRET = 'a-text-that-nobody-on-the-way-may-read';

let warnings = [];
const onWarning = (warning) => warnings.push(String(warning));

before(() => process.on('warning', onWarning));

after(() => process.off('warning', onWarning));

afterEach(async () => {
  await cleanUp();
  const seen = warnings;
  warnings = [];
  assert.deepEqual(seen, [], 'the process was warned');
});

for (const [name, setting] of Object.entries(SETTINGS)) {
  describe(`settings: ${name}`, () => {
    const reasons = [];
    const requests = [];
    const hooks = {
      onConnect: (client, req) => requests.push(req),
      onDisconnect: (client, reason) => reasons.push(reason),
    };

    /** A server and a client for it. */
    async function start(options = {}) {
      reasons.length = 0;
      requests.length = 0;
      const app = await startServer({ ...options, hooks: { ...hooks, ...options.hooks } }, { create: setting.create });
      return { app, peer: peerOf(setting, app.address) };
    }

    it('streams: connected first, then what is published', async () => {
      const { app, peer } = await start();
      const { status, headers, reader } = await peer.send({ channels: ['a', 'b'] });
      assert.equal(status, 200);
      assert.equal(headers['content-type'], 'text/event-stream');
      assert.equal(headers['cache-control'], 'no-store, no-transform');
      assert.equal(headers['x-accel-buffering'], 'no');
      const hello = await reader.connected();
      assert.deepEqual([hello.userId, hello.channels, hello.recovered], ['alice', ['a', 'b'], true]);
      assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 1 });
      await app.sse.publish('a', { type: 't', data: 'grüße\n' });
      await app.sse.publishToUser('alice', { type: 't', data: 2 });
      await app.sse.publish('other', { type: 't', data: 3 });
      await app.sse.publish('b', { type: 't', data: 4 });
      assert.deepEqual(await reader.data(3), ['grüße\n', 2, 4]);
      assert.ok(reader.body.startsWith(': ok\nevent: connected\n') || reader.body.startsWith(': ok\nid: '), reader.body);
    });

    it(setting.isHttp2 ? 'has no field of a connection, which HTTP/2 forbids' : 'closes the connection after it', async () => {
      const { peer } = await start();
      for (const what of [{}, { method: 'HEAD' }, { token: null }, { method: 'PUT' }]) {
        const { status, headers } = await peer.send(what);
        for (const field of ['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'proxy-connection']) {
          if (setting.isHttp2) assert.equal(headers[field], undefined, `${status} has ${field}`);
        }
        if (!setting.isHttp2 && status === 200) assert.equal(headers.connection, 'close');
      }
    });

    it('refuses as everywhere, and subscribes nothing for HEAD', async () => {
      const { app, peer } = await start({ hooks: { ...hooks, authorizeChannel: (user, channel) => channel !== 'no' } });
      const expected = [
        [{ token: null }, 401, 'ERR_SSE_UNAUTHORIZED'],
        [{ channels: ['no'] }, 403, 'ERR_SSE_FORBIDDEN'],
        [{ channels: [''] }, 400, 'ERR_SSE_BAD_REQUEST'],
        [{ method: 'POST' }, 405, 'ERR_SSE_METHOD_NOT_ALLOWED'],
      ];
      for (const [what, status, code] of expected) {
        const answer = await peer.send(what);
        assert.equal(await answer.reader.ended(), 'end');
        assert.deepEqual([answer.status, JSON.parse(answer.reader.body).error], [status, code]);
        if (status === 405) assert.equal(answer.headers.allow, 'GET, HEAD');
      }
      const head = await peer.send({ method: 'HEAD', channels: ['a'] });
      assert.equal(await head.reader.ended(), 'end');
      assert.deepEqual([head.status, head.headers['content-type'], head.reader.body], [200, 'text/event-stream', '']);
      assert.equal(app.sse.clients.size, 0);
    });

    it('replays after Last-Event-ID and after ?lastEventId=', async () => {
      const { app, peer } = await start();
      const ids = [];
      for (let i = 0; i < 5; i++) ids.push(await app.sse.publish('a', { type: 't', data: i }));
      const byHeader = await peer.send({ channels: ['a'], headers: { 'last-event-id': String(ids[1]) } });
      assert.equal((await byHeader.reader.connected()).recovered, true);
      assert.deepEqual(await byHeader.reader.data(3), [2, 3, 4]);
      const byQuery = await peer.send({ channels: ['a'], query: { lastEventId: ids[3] } });
      assert.deepEqual(await byQuery.reader.data(1), [4]);
      assert.equal(byQuery.reader.published[0].lastEventId, String(ids[4]));
    });

    it('sends heartbeats', async () => {
      const { app, peer } = await start({ heartbeatInterval: 20 });
      const { reader } = await peer.send({ channels: ['a'] });
      await reader.beats(3);
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await reader.data(1), [1]);
      await reader.beats(reader.heartbeats + 1);
    });

    it('notices that the peer gives up the subscription', async () => {
      const { app, peer } = await start();
      const staying = await peer.send({ channels: ['a'] });
      const leaving = await peer.send({ channels: ['a'] });
      await app.hasClients(2);
      leaving.leave();
      await app.hasClients(1);
      await waitFor(() => reasons.length === 1, 'onDisconnect');
      assert.ok(['client', 'reset'].includes(reasons[0]), reasons[0]);
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await staying.reader.data(1), [1]);
    });

    it('notices that the connection is gone', async () => {
      const { app, peer } = await start();
      for (let i = 0; i < 3; i++) await peer.send({ channels: ['a'] });
      await app.hasClients(3);
      peer.close();
      await waitFor(() => reasons.length === 3, 'onDisconnect');
      for (const reason of reasons) assert.ok(['client', 'reset'].includes(reason), reason);
      assert.equal(app.sse.clients.size, 0);
    });

    it('ends the stream whole when the server disconnects, after what is queued', async () => {
      const { app, peer } = await start();
      const { reader } = await peer.send({ channels: ['a'] });
      const { clientId } = await reader.connected();
      for (let i = 0; i < 10; i++) app.sse.publish('a', { type: 't', data: i });
      app.sse.disconnect(clientId);
      assert.equal(await reader.ended(), 'end');
      assert.equal(reader.published.length, 10);
      await waitFor(() => reasons.length === 1, 'onDisconnect');
      assert.deepEqual(reasons, ['server']);
    });

    it('ends every stream with `closing` on stop()', async () => {
      const { app, peer } = await start();
      const all = [];
      for (let i = 0; i < 8; i++) all.push(await peer.send({ channels: ['a'] }));
      await app.hasClients(8);
      await app.sse.stop();
      for (const { reader } of all) {
        assert.equal(await reader.ended(), 'end');
        assert.deepEqual(reader.events.map(({ type }) => type), ['connected', 'closing']);
      }
      assert.deepEqual(reasons, Array(8).fill('shutdown'));
      const late = await peer.send({ channels: ['a'] }).catch((error) => error);
      if (!(late instanceof Error)) assert.equal(late.status, 503);
    });

    it('lets the app write to `client.res`, the response itself', async () => {
      const { app, peer } = await start();
      const { reader } = await peer.send({ channels: ['a'] });
      const { clientId } = await reader.connected();
      const { res } = app.sse.clients.get(clientId);
      assert.equal(typeof res.setHeader, 'function');
      res.write('event: own\ndata: 1\n\n');
      await reader.data(1);
      assert.equal(reader.published[0].type, 'own');
      res.end();
      assert.equal(await reader.ended(), 'end');
      await waitFor(() => reasons.length === 1, 'onDisconnect');
    });

    it('gives onConnect the request as it came', async () => {
      const { app, peer } = await start();
      await peer.send();
      await waitFor(() => requests.length === 1, 'onConnect');
      assert.match(requests[0].socket.remoteAddress, /127\.0\.0\.1$/);
      assert.equal(requests[0].headers.authorization, 'Bearer alice');
      assert.equal(app.sse.clients.size, 1);
    });

    it('ends a reader that takes nothing, and not the others', async () => {
      const { app, peer } = await start({ maxQueuedBytes: 1024, history: { size: 0 } });
      const slow = await peer.send({ channels: ['big'] });
      await slow.reader.connected();
      if (slow.stream) slow.stream.pause();
      else peer.requests[0].socket.pause();
      const good = await peer.send({ channels: ['a'] });
      const data = 'x'.repeat(500_000);
      for (let i = 0; i < 40 && reasons.length === 0; i++) {
        await app.sse.publish('big', { type: 't', data });
        await turn();
      }
      await waitFor(() => reasons.length === 1, 'onDisconnect');
      assert.deepEqual(reasons, ['slow_reader']);
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await good.reader.data(1), [1]);
    });

    it('puts nothing on the wire past the encoding of the connection', async () => {
      const { app } = await start({ heartbeatInterval: 20 });
      const tap = adopt(await startWiretap(app.address));
      const peer = peerOf(setting, tap);
      const { reader } = await peer.send({ channels: ['a'] });
      const { clientId } = await reader.connected();
      for (let i = 0; i < 20; i++) await app.sse.publish('a', { type: 'secret', data: `${SECRET} ${i}` });
      await reader.data(20);
      await reader.beats(2);
      app.sse.disconnect(clientId);
      assert.equal(await reader.ended(), 'end');
      assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 0 });
      assert.ok(tap.bytes.length > reader.body.length, 'the wiretap has seen the stream');
      if (setting.isTls) {
        for (const text of [SECRET, 'event: ', ': heartbeat', 'connected']) {
          assert.ok(!tap.bytes.includes(text), `${JSON.stringify(text)} is on the wire in clear text`);
        }
      } else {
        const content = dataOf(readFrames(tap.bytes));
        assert.ok(content.startsWith(reader.body), 'the DATA frames are the stream');
        assert.equal(tap.bytes.toString().split(SECRET).length, content.split(SECRET).length, 'text outside of DATA frames');
      }
    });

    it('refuses `transport: \'socket\'` with 500 before any head is sent', async () => {
      const { app, peer } = await start({ transport: 'socket' });
      const { status, reader } = await peer.send({ channels: ['a'] });
      assert.equal(await reader.ended(), 'end');
      assert.deepEqual([status, JSON.parse(reader.body).error], [500, 'ERR_SSE_TRANSPORT']);
      assert.equal(app.sse.clients.size, 0);
      await waitFor(() => app.errors.length === 1, 'the error to be reported');
      assert.equal(app.errors.splice(0)[0].code, 'ERR_SSE_TRANSPORT');
    });

    if (setting.isHttp2) {
      it('carries far more subscriptions on one connection than the six of HTTP/1.1', async () => {
        const { app, peer } = await start();
        const all = await Promise.all(Array.from({ length: 50 }, (_, i) => peer.send({ channels: ['a', `own-${i}`] })));
        await app.hasClients(50);
        await app.sse.publish('a', { type: 't', data: 'all' });
        for (let i = 0; i < 50; i++) await app.sse.publish(`own-${i}`, { type: 't', data: i });
        for (const [i, { reader }] of all.entries()) assert.deepEqual(await reader.data(2), ['all', i]);
      });
    }
  });
}

describe('settings: a socket that is not the system\'s', () => {
  it('is not handed over: the bytes of a Duplex go through it', async () => {
    const app = await startServer();
    const inner = http.createServer(app.sse.handler);
    let out = '';
    const duplex = new Duplex({
      read() {},
      write(chunk, encoding, callback) {
        out += chunk;
        callback();
      },
    });
    adopt({ close: () => duplex.destroy() });
    inner.emit('connection', duplex);
    duplex.push('GET /?channel=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\n\r\n');
    await app.hasClients(1);
    assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 1 });
    await app.sse.publish('a', { type: 't', data: SECRET });
    await waitFor(() => out.includes(SECRET));
    duplex.destroy();
    await app.hasClients(0);
  });
});
