'use strict';

// http.test.js - the corners of HTTP/1 that a subscribe request can stand in, on both transports: methods,
// versions, half-closed and reused connections, bodies, pipelining, Unix-domain sockets.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const { TRANSPORTS, startServer, cleanUp, adopt } = require('../helpers/app');
const { requestText } = require('../helpers/client');
const { gate, turn, waitFor } = require('../helpers/wait');
const { Reader } = require('./helpers/reader');

afterEach(cleanUp);

const AUTHORIZATION = 'Authorization: Bearer alice';
const SUBSCRIBE = requestText({ path: '/sse?channel=a', headers: { Authorization: 'Bearer alice' } });

/** A request as it is on the wire. */
const raw = (...lines) => `${lines.join('\r\n')}\r\n\r\n`;

for (const transport of TRANSPORTS) {
  describe(`settings: HTTP (${transport})`, () => {
    const reasons = [];
    const hooks = { onDisconnect: (client, reason) => reasons.push(reason) };

    function start(options = {}, setup = {}) {
      reasons.length = 0;
      return startServer({ transport, ...options, hooks: { ...hooks, ...options.hooks } }, setup);
    }

    /** That a client is connected, gets events, and is the only one. */
    async function assertStreams(app, client) {
      assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 0, [transport]: 1 });
      const before = client.published.length;
      await app.sse.publish('a', { type: 't', data: 'event' });
      await client.until(() => client.published.length === before + 1);
    }

    describe('methods', () => {
      it('HEAD answers the head of a GET and subscribes nothing', async () => {
        const app = await start();
        const get = await app.open({ channels: ['a'] });
        const answer = await app.request({ method: 'HEAD', channels: ['a'] });
        assert.equal(answer.status, 200);
        assert.equal(answer.body, '');
        const same = ['content-type', 'cache-control', 'x-accel-buffering', 'connection'];
        const ofGet = (await get.head()).headers;
        for (const name of same) assert.equal(answer.headers[name], ofGet[name], name);
        assert.equal(app.sse.clients.size, 1);
      });

      it('HEAD is refused as a GET is', async () => {
        const app = await start();
        const answer = await app.request({ method: 'HEAD', token: null });
        assert.deepEqual([answer.status, answer.body, answer.headers['www-authenticate']], [401, '', 'Bearer']);
      });

      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        it(`${method} is 405 with Allow, whoever asks`, async () => {
          const app = await start();
          for (const token of [null, 'alice']) {
            const answer = await app.request({ method, token, headers: { 'Content-Length': '0' } });
            assert.deepEqual([answer.status, answer.headers.allow], [405, 'GET, HEAD']);
            assert.equal(answer.json.error, 'ERR_SSE_METHOD_NOT_ALLOWED');
          }
          assert.equal(app.sse.clients.size, 0);
        });
      }
    });

    describe('HTTP/1.0', () => {
      for (const [name, lines] of Object.entries({ plain: [], 'with keep-alive': ['Connection: keep-alive'] })) {
        it(`is served: no chunks, and the body runs to the close (${name})`, async () => {
          const app = await start({ heartbeatInterval: 20 });
          const client = await app.open({ raw: raw('GET /sse?channel=a HTTP/1.0', AUTHORIZATION, ...lines) });
          const { headers } = await client.head();
          assert.equal(headers['transfer-encoding'], undefined);
          assert.equal(headers['content-length'], undefined);
          assert.equal(headers.connection, 'close');
          await assertStreams(app, client);
          await client.until(() => client.heartbeats > 1);
          app.sse.disconnect(client.hello.clientId);
          await client.closed();
          assert.equal(client.error, null);
          assert.ok(client.parser.isBetweenBlocks);
        });
      }
    });

    describe('connections', () => {
      it('a FIN ends the subscription', async () => {
        const app = await start();
        const client = await app.open({ channels: ['a'] });
        client.end();
        await waitFor(() => reasons.length === 1, 'onDisconnect');
        assert.deepEqual(reasons, ['client']);
        await client.closed();
        assert.equal(client.error, null);
      });

      it('a FIN right behind the request ends the subscription, however far it has come', async () => {
        const app = await start();
        for (let i = 0; i < 10; i++) {
          const client = app.send({ raw: SUBSCRIBE });
          client.end();
          await client.closed();
        }
        await app.hasClients(0);
        await turn();
        assert.equal(app.sse.clients.size, 0);
        for (const reason of reasons) assert.ok(['client', 'reset'].includes(reason), reason);
      });

      it('a FIN while hooks are asked leaves no client', async () => {
        const asked = gate();
        const allowed = gate();
        const authorizeChannel = async () => {
          asked.open();
          await allowed.opened;
          return true;
        };
        const app = await start({ maxClients: 1, hooks: { ...hooks, authorizeChannel } });
        const client = app.send({ raw: SUBSCRIBE });
        await asked.opened;
        client.end();
        await client.closed();
        allowed.open(true);
        await turn();
        assert.deepEqual(reasons, []);
        // The slot is free again.
        const next = await app.open({ channels: ['a'] });
        await assertStreams(app, next);
      });

      it('a FIN ends it although the server lets other connections be half open', async () => {
        const app = await start({}, {
          create(sse, handler) {
            const server = http.createServer(handler);
            server.httpAllowHalfOpen = true;
            return server;
          },
        });
        const client = await app.open({ channels: ['a'] });
        client.end();
        await waitFor(() => reasons.length === 1, 'onDisconnect');
        assert.deepEqual(reasons, ['client']);
        await client.closed();
      });

      it('a reset ends the subscription', async () => {
        const app = await start();
        const client = await app.open({ channels: ['a'] });
        client.reset();
        await waitFor(() => reasons.length === 1, 'onDisconnect');
        assert.deepEqual(reasons, ['reset']);
      });

      it('an agent\'s connection that has served other requests is taken, and the agent gets a new one', async () => {
        const app = await start();
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1 });
        adopt({ close: () => agent.destroy() });
        const ask = async (where) => {
          const request = http.get({ agent, host: '127.0.0.1', ...app.address, path: where, headers: { authorization: 'Bearer alice' } });
          const [response] = await once(request, 'response');
          return { response, request, port: request.socket.localPort };
        };
        const health = async () => {
          const { response, port } = await ask('/sse/health');
          response.resume();
          await once(response, 'end');
          await turn();
          return port;
        };
        const port = await health();
        assert.equal(await health(), port, 'the connection is reused');
        const subscription = await ask('/sse?channel=a');
        assert.equal(subscription.port, port, 'for the subscription too');
        assert.equal(subscription.response.headers.connection, 'close');
        const reader = new Reader(subscription.response);
        await app.sse.publish('a', { type: 't', data: 1 });
        assert.deepEqual(await reader.data(1), [1]);
        await app.sse.stop();
        assert.equal(await reader.ended(), 'end');
        assert.notEqual(await health(), port, 'a connection that is over is not reused');
      });

      it('a request on a Unix-domain socket is served', async function test() {
        if (process.platform === 'win32') return this.skip();
        const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-'));
        try {
          const app = await start({ heartbeatInterval: 20 }, { where: { path: path.join(folder, 'socket') } });
          const id = await app.sse.publish('a', { type: 't', data: 0 });
          await app.sse.publish('a', { type: 't', data: 1 });
          const client = await app.open({ channels: ['a'], headers: { 'Last-Event-ID': String(id) } });
          assert.deepEqual(await client.data(1), [1]);
          await assertStreams(app, client);
          await client.until(() => client.heartbeats > 1);
          const other = await app.open({ channels: ['a'] });
          other.end();
          await waitFor(() => reasons.length === 1, 'onDisconnect');
          assert.deepEqual(reasons, ['client']);
          app.sse.disconnect(client.hello.clientId);
          await client.closed();
          assert.equal(client.error, null);
        } finally {
          await cleanUp();
          fs.rmSync(folder, { recursive: true });
        }
      });

      it('an offer to upgrade to cleartext HTTP/2 is not taken up', async () => {
        const app = await start();
        const client = await app.open({
          raw: raw('GET /sse?channel=a HTTP/1.1', 'Host: x', AUTHORIZATION, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA'),
        });
        await assertStreams(app, client);
      });
    });

    describe('bodies', () => {
      const withLength = raw('GET /sse?channel=a HTTP/1.1', 'Host: x', AUTHORIZATION, 'Content-Length: 10');
      const chunked = raw('GET /sse?channel=a HTTP/1.1', 'Host: x', AUTHORIZATION, 'Transfer-Encoding: chunked');
      const large = 'z'.repeat(300_000);
      const bodies = {
        'with a length': `${withLength}0123456789`,
        'in chunks': `${chunked}3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n`,
        'that is empty': raw('GET /sse?channel=a HTTP/1.1', 'Host: x', AUTHORIZATION, 'Content-Length: 0'),
        'larger than what may follow a request': `${chunked}${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`,
      };
      for (const [name, text] of Object.entries(bodies)) {
        it(`a body ${name} is read and ignored`, async () => {
          const app = await start();
          const client = await app.open({ raw: text });
          await assertStreams(app, client);
          assert.equal(client.body.includes('HTTP/1'), false);
          client.end();
          await waitFor(() => reasons.length === 1, 'onDisconnect');
          assert.deepEqual(reasons, ['client']);
        });
      }

      it('a body that comes late is waited for', async () => {
        const app = await start();
        const client = app.send({ raw: `${withLength}01234` });
        await waitFor(async () => (await new Promise((resolve) => {
          app.server.getConnections((error, count) => resolve(count));
        })) === 1);
        await turn();
        assert.equal(app.sse.clients.size, 0);
        const id = await app.sse.publish('a', { type: 't', data: 'meanwhile' });
        client.socket.write('56789');
        await client.connected();
        // What was published after the request came is not lost.
        assert.deepEqual(await client.data(1), ['meanwhile']);
        assert.equal(client.published[0].lastEventId, String(id));
        await assertStreams(app, client);
      });

      it('a body that never ends is 503 after hookTimeout', async () => {
        const app = await start({ hookTimeout: 30 });
        const client = app.send({ raw: `${withLength}01234` });
        const { status, headers } = await client.head();
        assert.deepEqual([status, headers['retry-after']], [503, '5']);
        await client.until(() => client.body.includes('ERR_SSE_HOOK_TIMEOUT'));
        client.close();
        await turn();
        assert.equal(app.sse.clients.size, 0);
      });

      it('a client that goes in the midst of its body leaves nothing behind', async () => {
        const app = await start({ maxClients: 1 });
        const requests = [];
        app.server.on('request', (req) => requests.push(req));
        const client = app.send({ raw: `${chunked}5\r\nabc` });
        await waitFor(() => requests.length === 1, 'the request');
        await turn();
        client.close();
        await waitFor(() => requests[0].destroyed, 'the end of the request');
        await turn();
        assert.deepEqual(reasons, []);
        await assertStreams(app, await app.open({ channels: ['a'] }));
      });

      it('Expect: 100-continue is answered, and then the subscription', async () => {
        const app = await start();
        const head = raw('GET /sse?channel=a HTTP/1.1', 'Host: x', AUTHORIZATION, 'Expect: 100-continue', 'Content-Length: 5');
        const client = app.send({ raw: head });
        assert.equal((await client.head()).status, 100);
        client.socket.write('hello');
        await client.until(() => client.body.includes('event: connected\n'));
        assert.match(client.body, /^HTTP\/1\.1 200 OK\r\n/);
        assert.equal(app.sse.stats().clients[transport], 1);
        await app.sse.publish('a', { type: 't', data: 'event' });
        await client.until(() => client.body.includes('"event"'));
        client.end();
        await app.hasClients(0);
      });
    });

    describe('pipelining', () => {
      it('what comes behind the request is swallowed', async () => {
        const app = await start();
        const client = await app.open({ raw: SUBSCRIBE + requestText({ path: '/sse/health' }) });
        await assertStreams(app, client);
        client.socket.write('not even HTTP\r\n\r\n');
        await assertStreams(app, client);
        assert.equal(client.body.includes('HTTP/1'), false);
      });

      it('more than 16 KiB behind the request end the connection', async () => {
        const app = await start();
        const client = await app.open({ raw: SUBSCRIBE });
        client.socket.write('x'.repeat(16 * 1024 + 1));
        await client.closed();
        await waitFor(() => reasons.length === 1, 'onDisconnect');
        assert.equal(app.sse.clients.size, 0);
        // What is no HTTP, Node refuses before it can be counted on the stream transport.
        if (transport === 'socket') assert.deepEqual(reasons, ['protocol']);
      });

      it('more than 16 KiB of whole requests end the connection too', async () => {
        const app = await start();
        const client = await app.open({ raw: SUBSCRIBE });
        const request = requestText({ path: `/sse/health?${'x'.repeat(1000)}` });
        client.socket.write(request.repeat(Math.floor((16 * 1024) / request.length)));
        await assertStreams(app, client);
        client.socket.write(request);
        await client.closed();
        await waitFor(() => reasons.length === 1, 'onDisconnect');
        assert.deepEqual(reasons, ['protocol']);
      });

      it('a second subscription on the connection is not answered', async () => {
        const app = await start();
        const client = await app.open({ raw: SUBSCRIBE + SUBSCRIBE });
        await app.sse.publish('a', { type: 't', data: 1 });
        await client.data(1);
        await turn();
        await app.sse.publish('a', { type: 't', data: 2 });
        assert.deepEqual(await client.data(2), [1, 2]);
        assert.equal(client.events.filter(({ type }) => type === 'connected').length, 1);
        client.end();
        await app.hasClients(0);
      });

      it('a subscription behind another request is answered after it', async () => {
        const app = await start();
        const client = app.send({ raw: requestText({ path: '/sse/health' }) + SUBSCRIBE });
        await client.until(() => client.body.includes('event: connected\n'));
        assert.ok(client.body.startsWith('{"status":"healthy"'));
        await app.sse.publish('a', { type: 't', data: 'event' });
        await client.until(() => client.body.includes('"event"'));
        client.end();
        await app.hasClients(0);
      });
    });
  });
}

describe('settings: handler without a framework', () => {
  for (const transport of TRANSPORTS) {
    it(`subscribes at whatever path it is called for (${transport})`, async () => {
      const app = await startServer({ transport }, { create: (sse) => http.createServer(sse.handler) });
      const other = transport === 'socket' ? 'stream' : 'socket';
      for (const where of ['/', '/events', '/health', '/a/b/c', '//x', '/%zz']) {
        const client = await app.open({ path: where, channels: ['a'] });
        assert.deepEqual(client.hello.channels, ['a']);
        // Not how many there are: whoever had this port before us may still be asked for by its clients.
        assert.ok(app.sse.clients.has(client.hello.clientId));
        assert.equal(app.sse.stats().clients[other], 0);
      }
      // What has no query, or one that is odd, is read all the same.
      const odd = await app.open({ raw: requestText({ path: '*?channel=a&channel=%F0%9F%98%80&&=&x', headers: { Authorization: 'Bearer alice' } }) });
      assert.deepEqual(odd.hello.channels, ['a', '😀']);
      const absolute = await app.open({ raw: requestText({ path: 'http://localhost/events?channel=b', headers: { Authorization: 'Bearer alice' } }) });
      assert.deepEqual(absolute.hello.channels, ['b']);
    });
  }

  it('takes connections that another server has accepted', async () => {
    const app = await startServer({ transport: 'socket' });
    const inner = http.createServer(app.sse.handler);
    const outer = net.createServer((socket) => inner.emit('connection', socket));
    await new Promise((resolve) => {
      outer.listen(0, '127.0.0.1', resolve);
    });
    adopt({ close: () => outer.close() });
    const request = http.get({ host: '127.0.0.1', port: outer.address().port, path: '/?channel=a', headers: { authorization: 'Bearer alice' }, agent: false });
    const [response] = await once(request, 'response');
    const reader = new Reader(response);
    await app.sse.publish('a', { type: 't', data: 1 });
    assert.deepEqual(await reader.data(1), [1]);
    await app.sse.stop();
    assert.equal(await reader.ended(), 'end');
  });
});
