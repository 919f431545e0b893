'use strict';

// stop.test.js - stop(), and what a server does and refuses afterwards; over both transports.

const assert = require('node:assert/strict');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { gate, turn, waitFor } = require('./helpers/wait');

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`stop (${transport})`, () => {
    it('sends `closing` and then ends every stream', async () => {
      const app = await startServer({ transport });
      const all = await Promise.all(Array.from({ length: 10 }, () => app.open({ channels: ['a'] })));
      app.sse.publish('a', { type: 't', data: 1 });
      await app.sse.stop();
      for (const client of all) {
        await client.closed();
        assert.deepEqual(client.events.map(({ type }) => type), ['connected', 't', 'closing']);
        const last = client.events.at(-1);
        assert.deepEqual(JSON.parse(last.data), { reason: 'shutdown', reconnect: true });
        assert.equal(last.id, undefined);
        assert.equal(client.error, null);
        assert.ok(client.parser.isBetweenBlocks);
      }
    });

    it('leaves no client', async () => {
      const app = await startServer({ transport });
      await Promise.all([app.open(), app.open()]);
      await app.sse.stop();
      assert.equal(app.sse.clients.size, 0);
      assert.deepEqual([...app.sse.clients], []);
      assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 0 });
      assert.equal((await app.request({ path: '/sse/health' })).body, '{"status":"healthy","clients":0}');
    });

    it('lets a client resume afterwards at another server with the id it has', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a'] });
      const id = await app.sse.publish('a', { type: 't', data: 1 });
      await app.sse.stop();
      await client.closed();
      assert.equal(client.parser.lastEventId, String(id));
    });

    it('may be called twice, at the same time and later', async () => {
      const app = await startServer({ transport });
      const client = await app.open();
      await Promise.all([app.sse.stop(), app.sse.stop()]);
      assert.equal(await app.sse.stop(), undefined);
      await client.closed();
      assert.equal(client.events.filter(({ type }) => type === 'closing').length, 1);
    });

    it('may be called before anybody has come', async () => {
      const app = await startServer({ transport });
      await app.sse.stop();
    });

    it('makes publish reject with ERR_SSE_STOPPED', async () => {
      const app = await startServer({ transport });
      await app.sse.stop();
      for (const publish of ['publish', 'publishToUser']) {
        await assert.rejects(app.sse[publish]('a', { type: 't', data: 1 }), (error) => {
          assert.equal(error.code, 'ERR_SSE_STOPPED');
          assert.ok(!(error instanceof TypeError));
          return true;
        });
      }
    });

    it('makes publish reject from the moment it is called', async () => {
      const app = await startServer({ transport });
      await app.open({ channels: ['a'] });
      const stopped = app.sse.stop();
      await assert.rejects(app.sse.publish('a', { type: 't', data: 1 }), { code: 'ERR_SSE_STOPPED' });
      await stopped;
    });

    it('still throws for bad input afterwards', async () => {
      const app = await startServer({ transport });
      await app.sse.stop();
      assert.throws(() => app.sse.publish('', { type: 't', data: 1 }), { code: 'ERR_SSE_INVALID_CHANNEL' });
    });

    it('does not make an ignored promise an unhandled rejection', async () => {
      const app = await startServer({ transport });
      await app.sse.stop();
      const unhandled = [];
      const listen = (reason) => unhandled.push(reason);
      process.prependListener('unhandledRejection', listen);
      try {
        app.sse.publish('a', { type: 't', data: 1 });
        app.sse.publishToUser('a', { type: 't', data: 1 });
        await turn();
      } finally {
        process.removeListener('unhandledRejection', listen);
      }
      assert.deepEqual(unhandled, []);
    });

    it('refuses new subscribers with 503 and Retry-After', async () => {
      const app = await startServer({ transport });
      await app.sse.stop();
      const { status, headers, json } = await app.request({ token: null });
      assert.equal(status, 503);
      assert.match(headers['retry-after'], /^[1-9]\d*$/);
      assert.equal(json.error, 'ERR_SSE_STOPPING');
    });

    it('refuses those who are being authorised', async () => {
      const pending = gate();
      let calls = 0;
      const authenticateSubscriber = () => {
        calls++;
        return pending.opened;
      };
      const app = await startServer({ transport, hooks: { authenticateSubscriber } });
      const client = app.send();
      await waitFor(() => calls === 1);
      const stopped = app.sse.stop();
      pending.open({ sub: 'alice' });
      await stopped;
      assert.equal((await client.head()).status, 503);
      assert.equal(app.sse.clients.size, 0);
    });

    it('does nothing in disconnect() afterwards', async () => {
      const app = await startServer({ transport });
      const client = await app.open();
      await app.sse.stop();
      assert.equal(app.sse.disconnect(client.hello.clientId), false);
      assert.ok(Number.isSafeInteger(app.sse.cursor()));
    });

    it('may be called from a hook', async () => {
      const app = await startServer({ transport, hooks: { onConnect: () => void app.sse.stop() } });
      const client = app.send();
      await client.closed();
      assert.deepEqual(client.events.map(({ type }) => type), ['connected', 'closing']);
    });

    it('keeps the counts', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a'] });
      await app.sse.publish('a', { type: 't', data: 1 });
      await client.data(1);
      await app.sse.stop();
      assert.deepEqual(app.sse.stats().events, { published: 1, delivered: 1 });
    });

    it('ends one server and no other', async () => {
      const [first, second] = [await startServer({ transport }), await startServer({ transport })];
      await first.open({ channels: ['a'] });
      const client = await second.open({ channels: ['a'] });
      await first.sse.stop();
      await second.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await client.data(1), [1]);
    });

    it('does not wait for a peer that does not read', async () => {
      const app = await startServer({ transport, maxQueuedBytes: 2 ** 30 });
      const client = await app.open({ channels: ['a'] });
      client.socket.pause();
      const data = 'x'.repeat(1_000_000);
      for (let i = 0; i < 20; i++) await app.sse.publish('a', { type: 't', data });
      await app.sse.stop();
      assert.equal(app.sse.clients.size, 0);
    });
  });

  describe(`server.close() (${transport})`, () => {
    it(transport === 'socket' ? 'completes while clients stay and still get events' : 'waits for the streams', async () => {
      const app = await startServer({ transport });
      const all = await Promise.all([app.open({ channels: ['a'] }), app.open({ channels: ['a'] })]);
      let isClosed = false;
      const closed = new Promise((resolve) => {
        app.server.close(resolve);
      }).then(() => {
        isClosed = true;
      });
      if (transport === 'socket') await closed;
      await app.sse.publish('a', { type: 't', data: 'after' });
      for (const client of all) assert.deepEqual(await client.data(1), ['after']);
      assert.equal(app.sse.clients.size, 2);
      assert.equal(isClosed, transport === 'socket');
      await app.sse.stop();
      for (const client of all) await client.closed();
      await closed;
    });
  });
}
