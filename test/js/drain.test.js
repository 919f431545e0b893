'use strict';

// drain.test.js - stop({ drainMs }): clients leave in waves, each with a time of its own to come back at; what
// works meanwhile, what is refused, and what is left. Over both transports.

const assert = require('node:assert/strict');
const fs = require('node:fs');

const { Drain } = require('../../lib/drain');
const { TRANSPORTS, startServer, cleanUp, adopt } = require('./helpers/app');
const { connect } = require('./helpers/client');
const { startDrainChild, endDrainChildren } = require('./helpers/drain');
const { gate, turn, waitFor } = require('./helpers/wait');

/** A drain that no test waits for: it must be ended by something else. */
const FOR_EVER = 600_000;
/** So many clients are not all gone after the first waves. */
const MANY = 30;
/** What timers and clocks may differ by. */
const SLACK = 20;

afterEach(cleanUp);
afterEach(endDrainChildren);

const openAll = (app, count, what = { channels: ['a'] }) => Promise.all(Array.from({ length: count }, () => app.open(what)));

const closingsOf = ({ events }) => events.filter(({ type }) => type === 'closing').map(({ data }) => JSON.parse(data));
const retryOf = ({ items }) => items.findLast(({ kind }) => kind === 'retry')?.ms;

/** Hooks that write down who left, in order, and when. */
function recorder() {
  const left = [];
  return {
    left,
    onDisconnect: ({ id }, reason) => void left.push({ id, reason, at: performance.now() }),
  };
}

/** Publishes the time since `start` again and again until `isOver`. */
async function publishTimes(app, start, isOver) {
  const sent = [];
  while (!isOver()) {
    const at = performance.now() - start;
    await app.sse.publish('a', { type: 't', data: at }).then(() => sent.push(at), () => {});
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
  return sent;
}

for (const transport of TRANSPORTS) {
  describe(`stop({ drainMs }) (${transport})`, () => {
    it('ends the clients in waves, each once and with a `retry` within its own bounds', async () => {
      const drainMs = 800;
      const told = recorder();
      const app = await startServer({ transport, hooks: { onDisconnect: told.onDisconnect } });
      const clients = await openAll(app, 40);
      const start = performance.now();
      let isOver = false;
      const stopped = app.sse.stop({ drainMs }).then(() => {
        isOver = true;
        assert.equal(told.left.length, 40, 'onDisconnect of each before stop() resolves');
      });
      const sent = await publishTimes(app, start, () => isOver);
      await stopped;
      assert.deepEqual([...new Set(told.left.map(({ reason }) => reason))], ['shutdown']);
      assert.equal(new Set(told.left.map(({ id }) => id)).size, 40);
      for (const client of clients) {
        await client.closed();
        assert.deepEqual(closingsOf(client), [{ reason: 'shutdown', reconnect: true }]);
        assert.equal(client.events.at(-1).type, 'closing', 'nothing follows');
        assert.equal(client.error, null);
        // What was published while it was still there, and from some moment on nothing.
        const seen = client.published.map(({ data }) => JSON.parse(data));
        assert.deepEqual(seen, sent.slice(0, seen.length));
        // It was ended between the last event that it saw and the hook.
        const leftAtMost = drainMs - (seen.at(-1) ?? 0);
        const leftAtLeast = drainMs - (told.left.find(({ id }) => id === client.hello.clientId).at - start);
        const retry = retryOf(client);
        const bounds = `${retry}: ${leftAtLeast} to ${leftAtMost}`;
        assert.ok(retry >= 1000 && retry >= leftAtLeast + 1000 - SLACK, bounds);
        assert.ok(retry <= leftAtMost + 1000 + 5000 + SLACK, bounds);
      }
      assert.ok(new Set(clients.map(retryOf)).size > 20, 'they come back one by one');
    });

    it('draws `retry` from a window as long as the drain when that is longer than 5 s', async () => {
      const drainMs = FOR_EVER;
      const app = await startServer({ transport });
      const clients = await openAll(app, 40);
      const drained = app.sse.stop({ drainMs });
      await turn();
      await app.sse.stop();
      await drained;
      const retries = clients.map(async (client) => {
        await client.closed();
        return retryOf(client);
      });
      for (const retry of await Promise.all(retries)) assert.ok(retry >= 1000 && retry <= 2 * drainMs + 1000, `${retry}`);
    });

    it('is not over at once: after the first have gone the most are still there', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: { onDisconnect: told.onDisconnect } });
      const clients = await openAll(app, 100);
      const stopped = app.sse.stop({ drainMs: 60_000 });
      await waitFor(() => told.left.length > 0, 'the first wave');
      assert.ok(told.left.length < 50, `${told.left.length} in the first wave`);
      const { size } = app.sse.clients;
      assert.equal(size, 100 - told.left.length);
      const id = await app.sse.publish('a', { type: 't', data: 'still there' });
      await waitFor(() => clients.filter(({ published }) => published.length === 1).length >= size - 50);
      assert.ok(clients.some(({ parser }) => parser.lastEventId === String(id)));
      await app.sse.stop();
      await stopped;
    });

    it('takes drainMs, or nearly', async () => {
      const app = await startServer({ transport });
      await openAll(app, 20);
      const start = performance.now();
      await app.sse.stop({ drainMs: 400 });
      assert.ok(performance.now() - start >= 200);
    });

    it('spreads a few clients over all of drainMs as well', async () => {
      const drainMs = 1000;
      const told = recorder();
      const app = await startServer({ transport, hooks: { onDisconnect: told.onDisconnect } });
      await openAll(app, 4);
      const start = performance.now();
      await app.sse.stop({ drainMs });
      assert.ok(told.left.at(-1).at - start >= drainMs / 2);
    });

    it('tells a `retry` of 1 to 6 s when it is immediate', async () => {
      for (const options of [undefined, {}, { drainMs: 0 }, { drainMs: undefined }]) {
        const app = await startServer({ transport });
        const clients = await openAll(app, 10);
        await app.sse.stop(options);
        for (const client of clients) {
          await client.closed();
          assert.ok(retryOf(client) >= 1000 && retryOf(client) <= 6000, `${retryOf(client)}`);
        }
        assert.ok(new Set(clients.map(retryOf)).size > 1);
      }
    });

    it('refuses new subscribers from the call on', async () => {
      const app = await startServer({ transport });
      await openAll(app, MANY);
      const stopped = app.sse.stop({ drainMs: FOR_EVER });
      for (const what of [{}, { token: null }, { method: 'HEAD' }]) {
        const { status, headers, json } = await app.request(what);
        assert.equal(status, 503);
        assert.match(headers['retry-after'], /^[1-9]\d*$/);
        if (what.method !== 'HEAD') assert.equal(json.error, 'ERR_SSE_STOPPING');
      }
      assert.equal((await app.request({ path: '/sse/health' })).status, 200);
      assert.ok(app.sse.clients.size > 0, 'it still drains');
      await app.sse.stop();
      await stopped;
    });

    it('refuses softly where asked to', async () => {
      const app = await startServer({ transport, refusal: 'soft' });
      await openAll(app, MANY);
      const stopped = app.sse.stop({ drainMs: FOR_EVER });
      const client = app.send({ headers: { Accept: 'text/event-stream' } });
      await client.closed();
      assert.equal((await client.head()).status, 200);
      assert.deepEqual(closingsOf(client), [{ reason: 'unavailable', reconnect: true }]);
      assert.ok(retryOf(client) >= 1000);
      assert.equal((await app.request()).status, 503);
      assert.ok(app.sse.clients.size > 0, 'it still drains');
      await app.sse.stop();
      await stopped;
    });

    it('refuses those who are being authorised when it begins', async () => {
      for (const hook of ['authenticateSubscriber', 'authorizeChannel']) {
        const pending = gate();
        let isAsked = false;
        const hold = (user) => {
          if (user !== 'held' && user.sub !== 'held') return hook === 'authorizeChannel' || { sub: user };
          isAsked = true;
          return pending.opened;
        };
        const app = await startServer({ transport, hooks: { [hook]: hold } });
        const connected = (await openAll(app, MANY)).map(({ hello }) => hello.clientId);
        const held = app.send({ token: 'held', channels: ['a'] });
        await waitFor(() => isAsked);
        const stopped = app.sse.stop({ drainMs: FOR_EVER });
        pending.open(hook === 'authorizeChannel' || { sub: 'held' });
        assert.equal((await held.head()).status, 503);
        assert.ok(app.sse.clients.size > 0, 'it still drains');
        assert.deepEqual([...app.sse.clients.keys()].filter((id) => !connected.includes(id)), []);
        await app.sse.stop();
        await stopped;
      }
    });

    it('lets publish, publishToUser, disconnect and stats work meanwhile, and publish reject afterwards', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: { onDisconnect: told.onDisconnect } });
      const start = app.sse.cursor();
      const clients = await openAll(app, 30);
      const stopped = app.sse.stop({ drainMs: 60_000 });
      assert.ok(await app.sse.publish('a', { type: 't', data: 'to all' }) > start);
      assert.ok(await app.sse.publishToUser('alice', { type: 't', data: 'to alice' }) > start);
      const last = clients.at(-1).hello.clientId;
      const wasThere = app.sse.clients.has(last) && !told.left.some(({ id }) => id === last);
      assert.equal(app.sse.disconnect(last), wasThere);
      assert.equal(app.sse.stats().events.published, 2);
      const saw = clients.filter(({ hello }) => app.sse.clients.has(hello.clientId));
      assert.ok(saw.length >= 15);
      await waitFor(() => clients.filter(({ published }) => published.length === 2).length >= 15);
      await app.sse.stop();
      await stopped;
      for (const publish of ['publish', 'publishToUser']) {
        await assert.rejects(app.sse[publish]('a', { type: 't', data: 1 }), { code: 'ERR_SSE_STOPPED' });
      }
      assert.equal(told.left.length, 30);
      assert.deepEqual(told.left.filter(({ id }) => id === last).length, 1);
    });

    it('ends at once by stop() without a drain', async () => {
      const app = await startServer({ transport });
      const clients = await openAll(app, 20);
      const order = [];
      const drained = app.sse.stop({ drainMs: FOR_EVER }).then(() => order.push('drained'));
      await turn();
      await app.sse.stop().then(() => order.push('stopped'));
      await drained;
      assert.equal(order.length, 2);
      for (const client of clients) {
        await client.closed();
        assert.deepEqual(closingsOf(client), [{ reason: 'shutdown', reconnect: true }]);
      }
      await assert.rejects(app.sse.publish('a', { type: 't', data: 1 }), { code: 'ERR_SSE_STOPPED' });
    });

    it('publishes nothing any more from the moment that stop() ends it', async () => {
      const app = await startServer({ transport });
      await openAll(app, MANY);
      const drained = app.sse.stop({ drainMs: FOR_EVER });
      const stopped = app.sse.stop();
      await assert.rejects(app.sse.publish('a', { type: 't', data: 1 }), { code: 'ERR_SSE_STOPPED' });
      await Promise.all([drained, stopped]);
    });

    it('may be called twice: both resolve when all have gone', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: { onDisconnect: told.onDisconnect } });
      const clients = await openAll(app, 10);
      await Promise.all([300, 200].map(async (drainMs) => {
        assert.equal(await app.sse.stop({ drainMs }), undefined);
        assert.equal(told.left.length, 10);
      }));
      await app.sse.stop({ drainMs: FOR_EVER });
      await app.sse.stop();
      for (const client of clients) {
        await client.closed();
        assert.equal(closingsOf(client).length, 1);
      }
    });

    it('is done at once where nobody is there', async () => {
      const app = await startServer({ transport });
      await app.sse.stop({ drainMs: FOR_EVER });
      const other = await startServer({ transport });
      const client = await other.open();
      client.close();
      await other.hasClients(0);
      await other.sse.stop({ drainMs: FOR_EVER });
    });

    it('is done when all have left by themselves', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: { onDisconnect: told.onDisconnect } });
      const clients = await openAll(app, 9);
      const stopped = app.sse.stop({ drainMs: FOR_EVER });
      clients.forEach((client, i) => [() => client.end(), () => client.reset(), () => app.sse.disconnect(client.hello.clientId)][i % 3]());
      await stopped;
      assert.equal(told.left.length, 9);
      assert.equal(app.sse.clients.size, 0);
    });

    it('may be called from a hook', async () => {
      for (const hook of ['onConnect', 'onDisconnect']) {
        let stopped;
        let told = 0;
        const app = await startServer({ transport, hooks: {
          onDisconnect: () => {
            told++;
            if (hook === 'onDisconnect') stopped ??= app.sse.stop({ drainMs: 100 });
          },
          onConnect: () => {
            if (hook === 'onConnect' && app.sse.clients.size === 3) stopped = app.sse.stop({ drainMs: 100 });
          },
        } });
        const clients = await openAll(app, 3);
        if (hook === 'onDisconnect') clients[0].end();
        await waitFor(() => stopped !== undefined);
        await stopped;
        assert.equal(told, 3);
        for (const client of clients) await client.closed();
        for (const client of clients.slice(1)) assert.equal(closingsOf(client).length, 1);
      }
    });

    it('throws for bad arguments and has stopped nothing then', async () => {
      const app = await startServer({ transport });
      const [client] = await openAll(app, MANY);
      for (const drainMs of [-1, 'x', NaN, 1.5, '100', null, Infinity, -Infinity, {}, [], true, 2 ** 53]) {
        assert.throws(() => app.sse.stop({ drainMs }), { name: 'TypeError', code: 'ERR_SSE_INVALID_OPTION' }, String(drainMs));
      }
      for (const options of [null, 1, 'x', true, []]) {
        assert.throws(() => app.sse.stop(options), { name: 'TypeError', code: 'ERR_SSE_INVALID_OPTION' }, String(options));
      }
      for (const name of ['drain', 'drainms', 'timeout', '']) {
        assert.throws(() => app.sse.stop({ [name]: 1 }), { name: 'TypeError', code: 'ERR_SSE_UNKNOWN_OPTION' }, name);
      }
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await client.data(1), [1]);
      const stopped = app.sse.stop({ drainMs: FOR_EVER });
      assert.throws(() => app.sse.stop({ drainMs: -1 }), { code: 'ERR_SSE_INVALID_OPTION' });
      assert.ok(app.sse.clients.size > 0, 'the drain goes on');
      await app.sse.stop();
      await stopped;
    });

    it('leaves no timer and no thread', async function test() {
      if (process.platform !== 'linux') return this.skip();
      const threads = () => fs.readdirSync('/proc/self/task').length;
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      const before = { threads: threads(), timers: timers() };
      const app = await startServer({ transport, threads: 3 });
      await openAll(app, 12);
      if (transport === 'socket') assert.ok(threads() >= before.threads + 3);
      await app.sse.stop({ drainMs: 100 });
      assert.ok(threads() <= before.threads, `${before.threads} threads, not ${threads()}`);
      await waitFor(() => timers() <= before.timers + 1, () => `${before.timers} timers, not ${timers()}`);
    });

    it('does not wait for peers that do not read', async () => {
      const told = recorder();
      const app = await startServer({ transport, maxQueuedBytes: 2 ** 30, hooks: { onDisconnect: told.onDisconnect } });
      const clients = await openAll(app, 3);
      for (const client of clients) client.socket.pause();
      const reads = await app.open({ channels: ['b'] });
      const data = 'x'.repeat(1_000_000);
      for (let i = 0; i < 20; i++) await app.sse.publish('a', { type: 't', data });
      await app.sse.stop({ drainMs: 200 });
      assert.equal(app.sse.clients.size, 0);
      assert.equal(told.left.length, 4);
      await reads.closed();
      assert.equal(closingsOf(reads).length, 1);
    });
  });

  describe(`a process that drains (${transport})`, () => {
    it('ends by itself, after each client was told', async () => {
      const child = await startDrainChild(transport);
      const open = async () => {
        const client = adopt(connect({ port: child.port, path: '/sse?channel=a', headers: { Authorization: 'Bearer alice' } }));
        await client.connected();
        return client;
      };
      const clients = await Promise.all(Array.from({ length: 10 }, open));
      child.tell('drain 300');
      assert.deepEqual(await child.exit, [0, null]);
      for (const client of clients) {
        await client.closed();
        assert.equal(closingsOf(client).length, 1);
        assert.equal(client.error, null);
      }
      assert.deepEqual(child.lines.slice(1), [...Array(10).fill('disconnected shutdown'), 'stopped']);
      assert.equal(child.stderr, '');
    });
  });
}

describe('the waves of a drain', () => {
  it('tell each client once, although none of them leaves', async () => {
    const told = [];
    const handles = Array.from({ length: 25 }, (_, i) => i + 1);
    await new Promise((done) => {
      new Drain({ handles: () => handles, isEmpty: () => false, end: (handle) => told.push(handle), done }).within(500);
    });
    assert.deepEqual(told, handles);
  });
});
