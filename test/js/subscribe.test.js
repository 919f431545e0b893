'use strict';

// subscribe.test.js - what a subscriber is answered: the head, `connected`, its channels, HEAD, other
// methods and /health; over both transports.

const assert = require('node:assert/strict');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { gate, waitFor } = require('./helpers/wait');

const STREAM_HEAD = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
};

/** The fields that are neither Express's nor the date. */
function ownFields({ fields }) {
  return Object.fromEntries(fields.filter(([name]) => !['x-powered-by', 'date'].includes(name)));
}

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`subscribe (${transport})`, () => {
    it('serves the transport that was asked for', async () => {
      const app = await startServer({ transport });
      await app.open();
      const other = transport === 'socket' ? 'stream' : 'socket';
      assert.deepEqual(app.sse.stats().clients, { [transport]: 1, [other]: 0 });
    });

    it('answers exactly the head of an event stream', async () => {
      const app = await startServer({ transport });
      const client = await app.open();
      const { status, ...head } = await client.head();
      assert.equal(status, 200);
      assert.deepEqual(ownFields(head), { ...STREAM_HEAD, connection: 'close' });
      assert.equal(new Set(head.fields.map(([name]) => name)).size, head.fields.length, 'no field twice');
    });

    it('leaves the headers of the app alone', async () => {
      const cors = (req, res, next) => {
        res.setHeader('Access-Control-Allow-Origin', 'https://app.example');
        next();
      };
      const app = await startServer({ transport }, { use: [cors] });
      const { headers } = await (await app.open()).head();
      assert.equal(headers['access-control-allow-origin'], 'https://app.example');
    });

    it('sends `connected` first, with all that it promises', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['news', 'sport'], token: 'bob' });
      const [first] = client.events;
      const { id, clientId, ...rest } = client.hello;
      assert.equal(first.type, 'connected');
      assert.deepEqual(rest, { userId: 'bob', channels: ['news', 'sport'], recovered: true, lastEventId: null });
      assert.match(clientId, /^[0-9a-f-]{36}$/);
      assert.equal(id, String(app.sse.cursor()));
      assert.ok(app.sse.clients.has(clientId));
    });

    it('gives every client an id of its own', async () => {
      const app = await startServer({ transport });
      const all = await Promise.all(Array.from({ length: 20 }, () => app.open()));
      assert.equal(new Set(all.map(({ hello }) => hello.clientId)).size, 20);
    });

    it('sends `retry` where it is set, and not where it is not', async () => {
      const app = await startServer({ transport, retry: 1234 });
      const told = await app.open();
      assert.deepEqual(told.items.filter(({ kind }) => kind === 'retry'), [{ kind: 'retry', ms: 1234 }]);
      const plain = await (await startServer({ transport })).open();
      assert.doesNotMatch(plain.body, /retry/);
    });

    it('counts a repeated channel once', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a', 'b', 'a', 'a'] });
      assert.deepEqual(client.hello.channels, ['a', 'b']);
      await app.sse.publish('a', { type: 't', data: 1 });
      await app.sse.publish('b', { type: 't', data: 2 });
      assert.deepEqual(await client.data(2), [1, 2]);
      assert.equal(client.published.length, 2);
    });

    it('needs no channel: user events come all the same', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ token: 'alice' });
      assert.deepEqual(client.hello.channels, []);
      await app.sse.publishToUser('alice', { type: 't', data: 'hello' });
      assert.deepEqual(await client.data(1), ['hello']);
    });

    it('keeps names byte for byte: case, spaces, unicode, prototype members', async () => {
      const names = ['News', 'news', ' news', 'a b', 'ü', 'u\u0308', '日本/語', '__proto__', 'constructor', 'a,b', '%2F', '😀'];
      const app = await startServer({ transport });
      const all = await app.open({ channels: names });
      const one = await app.open({ channels: ['news'] });
      assert.deepEqual(all.hello.channels, names);
      for (const name of names) await app.sse.publish(name, { type: 't', data: name });
      assert.deepEqual(await all.data(names.length), names);
      assert.deepEqual(await one.data(1), ['news']);
    });

    it('takes names up to maxChannelNameLength bytes and up to maxChannelsPerClient of them', async () => {
      const app = await startServer({ transport, maxChannelNameLength: 4, maxChannelsPerClient: 3 });
      const fits = await app.open({ channels: ['abcd', 'üü', '😀', 'abcd'] });
      assert.equal(fits.hello.channels.length, 3);
      for (const channels of [['abcde'], ['üüa'], ['a', 'b', 'c', 'd']]) {
        const { status, json } = await app.request({ channels });
        assert.equal(status, 400);
        assert.equal(json.error, 'ERR_SSE_BAD_REQUEST');
      }
    });

    it('takes 256 bytes of name and 64 channels by default', async () => {
      const app = await startServer({ transport });
      const channels = Array.from({ length: 64 }, (_, i) => String(i));
      await app.open({ channels });
      await app.open({ channels: ['x'.repeat(256)] });
      assert.equal((await app.request({ channels: [...channels, 'more'] })).status, 400);
      assert.equal((await app.request({ channels: ['x'.repeat(257)] })).status, 400);
    });

    it('answers HEAD with the head alone and subscribes nothing', async () => {
      const app = await startServer({ transport, maxClients: 1, maxClientsPerUser: 1 });
      for (let i = 0; i < 3; i++) {
        const { status, body, fields } = await app.request({ method: 'HEAD', channels: ['a'] });
        assert.equal(status, 200);
        assert.equal(body, '');
        const { connection, 'transfer-encoding': encoding, ...rest } = ownFields({ fields });
        assert.deepEqual(rest, STREAM_HEAD);
        assert.equal(connection, 'close');
        assert.ok(encoding === undefined || encoding === 'chunked');
      }
      assert.equal(app.sse.clients.size, 0);
      await app.open({ channels: ['a'] });
    });

    it('authorises HEAD as it does GET', async () => {
      const app = await startServer({ transport, hooks: { authorizeChannel: () => false } });
      assert.equal((await app.request({ method: 'HEAD', token: null })).status, 401);
      assert.equal((await app.request({ method: 'HEAD', channels: ['a'] })).status, 403);
    });

    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      it(`answers ${method} with 405 and Allow`, async () => {
        const app = await startServer({ transport });
        const { status, headers, json } = await app.request({ method, token: null });
        assert.equal(status, 405);
        assert.equal(headers.allow, 'GET, HEAD');
        assert.equal(headers['cache-control'], 'no-store');
        assert.equal(json.error, 'ERR_SSE_METHOD_NOT_ALLOWED');
      });
    }

    it('answers /health without a token, with the number of clients', async () => {
      const app = await startServer({ transport });
      const health = async () => {
        const { status, body } = await app.request({ path: '/sse/health', token: null });
        assert.equal(status, 200);
        return body;
      };
      assert.equal(await health(), '{"status":"healthy","clients":0}');
      const client = await app.open();
      await app.open();
      assert.equal(await health(), '{"status":"healthy","clients":2}');
      client.close();
      await app.hasClients(1);
      assert.equal(await health(), '{"status":"healthy","clients":1}');
    });

    it('does not count requests that are still being authorised as clients', async () => {
      const pending = gate();
      let calls = 0;
      const authenticateSubscriber = () => {
        calls++;
        return pending.opened;
      };
      const app = await startServer({ transport, hooks: { authenticateSubscriber } });
      const client = app.send();
      await waitFor(() => calls === 1);
      assert.equal(app.sse.clients.size, 0);
      assert.equal((await app.request({ path: '/sse/health' })).body, '{"status":"healthy","clients":0}');
      pending.open({ sub: 'bob' });
      await client.connected();
      assert.equal(app.sse.clients.size, 1);
    });

    it('swallows the body of a GET and of a POST', async () => {
      const app = await startServer({ transport });
      const raw = (method) => `${method} /sse?channel=a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bob\r\n`
        + `Content-Length: 5000\r\nConnection: close\r\n\r\n${'x'.repeat(5000)}`;
      const client = await app.open({ raw: raw('GET') });
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await client.data(1), [1]);
      const refused = app.send({ raw: raw('POST') });
      assert.equal((await refused.head()).status, 405);
    });

    it('serves HTTP/1.0, as a proxy of old speaks it', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ raw: 'GET /sse?channel=a HTTP/1.0\r\nAuthorization: Bearer bob\r\n\r\n' });
      assert.equal((await client.head()).headers['transfer-encoding'], undefined);
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await client.data(1), [1]);
    });
  });
}

describe('the subscribe path', () => {
  it('is the router\'s root only', async () => {
    const app = await startServer();
    assert.equal((await app.request({ path: '/sse/other' })).status, 404);
  });
});
