'use strict';

// backplane.test.js - servers and managers on a backplane of a test's own: what they wait for, what they tell, and what a
// node knows of the time before it came.

const assert = require('node:assert/strict');
const http = require('node:http');

const { createSseServer, SseManager, redisBackplane } = require('../..');
const { encodeEvent, historyNames } = require('../../lib/backplane/record');
const { SCOPE } = require('../../lib/event');
const { MemoryBackplane, SharedLog } = require('./backplane/memory-backplane');
const { startServer, cleanUp, adopt, listen } = require('./helpers/app');
const { connect } = require('./helpers/client');
const { gate, turn, waitFor } = require('./helpers/wait');

const event = (data) => ({ type: 'e', data });
const down = () => Object.assign(new Error('the backplane is down'), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE' });

describe('a server on a backplane', () => {
  let log;

  beforeEach(() => {
    log = new SharedLog();
  });

  afterEach(cleanUp);

  /** @returns {Promise<{ app: object, backplane: MemoryBackplane }>} */
  async function node(how = {}, options = {}) {
    const backplane = new MemoryBackplane(log, how);
    const app = await startServer({ readyTimeout: 10_000, ...options, backplane });
    if (!how.isHeld) await app.sse.ready();
    return { app, backplane };
  }

  /** As a server would append it. */
  const recordOf = (data, channel = 'a') => ({
    keys: historyNames([SCOPE.channel, '', channel]), payload: encodeEvent({ type: 'e', json: JSON.stringify(data) }, [SCOPE.channel, '', channel], 0),
  });

  it('delivers to the clients of every node, under the ids of the log', async () => {
    const [one, two] = [await node(), await node()];
    const clients = [await one.app.open({ channels: ['a'] }), await two.app.open({ channels: ['a'] })];
    const ids = [await one.app.sse.publish('a', event(1)), await two.app.sse.publish('a', event(2)), await one.app.sse.publishToUser('alice', event(3))];
    for (const client of clients) {
      assert.deepEqual(await client.data(3), [1, 2, 3]);
      assert.deepEqual(client.published.map(({ id }) => Number(id)), ids);
    }
    assert.deepEqual(ids, log.records.map(({ id }) => id));
    assert.equal(one.app.sse.cursor(), ids[2]);
    assert.equal(one.app.sse.stats().events.published, 2);
    assert.equal(two.app.sse.stats().events.published, 1);
  });

  it('delivers nothing of what it could not publish', async () => {
    const { app } = await node();
    const client = await app.open({ channels: ['a'] });
    log.failure = down();
    await assert.rejects(app.sse.publish('a', event(1)), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE' });
    app.sse.publish('a', event(2)); // ignored: no unhandled rejection
    await turn();
    log.failure = undefined;
    await app.sse.publish('a', event(3));
    assert.deepEqual(await client.data(1), [3]);
  });

  it('gives an idempotency key one id, on whichever node', async () => {
    const [one, two] = [await node(), await node()];
    const client = await one.app.open({ channels: ['a'] });
    const id = await one.app.sse.publish('a', event(1), { idempotencyKey: 'k' });
    assert.equal(await two.app.sse.publish('a', event(1), { idempotencyKey: 'k' }), id);
    assert.equal(await two.app.sse.publishToUser('alice', event(1), { idempotencyKey: 'k' }), id);
    await one.app.sse.publish('a', event(2));
    assert.deepEqual(await client.data(2), [1, 2]);
  });

  describe('that is not ready yet', () => {
    it('has requests wait, and what is published', async () => {
      const { app, backplane } = await node({ isHeld: true });
      assert.equal(app.sse.cursor(), 0);
      assert.equal(app.sse.clients.size, 0);
      assert.deepEqual([...app.sse.clients.keys()], []);
      assert.deepEqual(app.sse.stats().clients, { socket: 0, stream: 0 });
      assert.equal(app.sse.disconnectUser('alice'), 0);
      assert.equal(app.sse.disconnect('nobody'), false);
      const client = app.send({ channels: ['a'] });
      await app.sse.publish('a', event(1));
      assert.deepEqual((await app.request({ path: '/sse/ready', token: null })).json, { status: 'unready' });
      backplane.release();
      const hello = await client.connected();
      assert.equal(hello.recovered, true);
      await app.sse.publish('a', event(2));
      assert.equal((await client.data(1)).at(-1), 2);
      assert.deepEqual((await app.request({ path: '/sse/ready', token: null })).json, { status: 'ready' });
    });

    it('refuses them when that takes longer than readyTimeout', async () => {
      const { app, backplane } = await node({ isHeld: true }, { readyTimeout: 50 });
      const { status, headers, json } = await app.request({ channels: ['a'] });
      assert.deepEqual([status, json.error, headers['retry-after']], [503, 'ERR_SSE_NOT_READY', '5']);
      await assert.rejects(app.sse.ready(), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE' });
      backplane.release();
      await app.sse.ready();
      await app.open();
    });

    it('frees what a request that went away has waited for', async () => {
      const { app, backplane } = await node({ isHeld: true }, { maxClients: 1 });
      const client = app.send({ channels: ['a'] });
      await turn();
      client.close();
      await waitFor(() => new Promise((resolve) => {
        app.server.getConnections((error, count) => resolve(count === 0));
      }), 'the server to notice');
      backplane.release();
      await app.open();
    });

    it('may be stopped', async () => {
      const { app } = await node({ isHeld: true });
      const client = app.send();
      await turn();
      await app.sse.stop();
      assert.equal((await client.head()).status, 503);
      await assert.rejects(app.sse.publish('a', event(1)), { code: 'ERR_SSE_STOPPED' });
    });
  });

  describe('GET /ready and GET /health', () => {
    it('tell a tail that stands still from a process that lives', async () => {
      const { app, backplane } = await node({}, { readyTimeout: 200 });
      assert.equal((await app.request({ path: '/sse/ready', token: null })).status, 200);
      backplane.hold();
      await waitFor(async () => (await app.request({ path: '/sse/ready', token: null })).status === 503, 'the node to be unready');
      const health = await app.request({ path: '/sse/health', token: null });
      assert.deepEqual([health.status, health.body], [200, '{"status":"healthy","clients":0}']);
      backplane.release();
      assert.equal((await app.request({ path: '/sse/ready', token: null })).status, 200);
    });

    it('answer without a backplane too', async () => {
      const app = await startServer();
      const { status, body, headers } = await app.request({ path: '/sse/ready', token: null });
      assert.deepEqual([status, body, headers['cache-control']], [200, '{"status":"ready"}', 'no-store']);
      const client = await app.open();
      const stopping = app.sse.stop({ drainMs: 1000 });
      assert.equal((await app.request({ path: '/sse/ready', token: null })).status, 503);
      client.close();
      await stopping;
    });
  });

  describe('that lags', () => {
    it('has a client that is ahead wait until it has caught up', async () => {
      const [one, two] = [await node(), await node()];
      two.backplane.hold();
      const ids = [];
      for (let i = 1; i <= 3; i++) ids.push(await one.app.sse.publish('a', event(i)));
      const client = two.app.send({ channels: ['a'], lastEventId: ids[1] });
      await turn();
      assert.equal(client.headInfo, null);
      two.backplane.release();
      const { recovered } = await client.connected();
      assert.equal(recovered, true);
      assert.deepEqual(await client.data(1), [3]);
    });

    it('lets it in after readyTimeout, and says that it may have missed something', async () => {
      const [one, two] = [await node(), await node({}, { readyTimeout: 50 })];
      two.backplane.hold();
      await one.app.sse.publish('a', event(1));
      const id = await one.app.sse.publish('a', event(2));
      const client = await two.app.open({ channels: ['a'], lastEventId: id });
      assert.deepEqual([client.hello.recovered, client.hello.lastEventId], [false, null]);
    });

    it('waits for no id that nobody can have given', async () => {
      const { app } = await node();
      const client = await app.open({ channels: ['a'], lastEventId: Number.MAX_SAFE_INTEGER });
      assert.equal(client.hello.recovered, false);
    });
  });

  describe('that came late', () => {
    /** A node that begins with the last record alone. */
    async function late() {
      const { app } = await node();
      const ids = [];
      for (let i = 1; i <= 6; i++) ids.push(await app.sse.publish(i % 2 === 0 ? 'a' : 'b', event(i)));
      return { ids, ...(await node({ length: 1 })) };
    }

    it('gives what was before it from the histories, in the order of ids', async () => {
      const { ids, app } = await late();
      const client = await app.open({ channels: ['a', 'b'], lastEventId: ids[0] });
      assert.equal(client.hello.recovered, true);
      assert.deepEqual(await client.data(5), [2, 3, 4, 5, 6]);
      await app.sse.publish('b', event(7));
      assert.deepEqual(await client.data(6), [2, 3, 4, 5, 6, 7]);
    });

    it('reads each history once', async () => {
      const { ids, app } = await late();
      log.reads = [];
      const clients = await Promise.all(Array.from({ length: 5 }, () => app.open({ channels: ['a'], lastEventId: ids[0] })));
      for (const client of clients) assert.deepEqual(await client.data(3), [2, 4, 6]);
      const again = await app.open({ channels: ['a'], lastEventId: ids[1] });
      assert.deepEqual(await again.data(2), [4, 6]);
      assert.deepEqual(log.reads.sort(), ['channel::a', 'user::alice']);
      // One that missed nothing of before needs none.
      await app.open({ channels: ['c'], lastEventId: ids[5] });
      assert.equal(log.reads.length, 2);
    });

    it('loses and repeats nothing that is published while it reads', async () => {
      const { ids, app, backplane } = await late();
      const door = gate();
      backplane.afterHistory = () => door.opened;
      const client = app.send({ channels: ['a'], lastEventId: ids[0] });
      await waitFor(() => log.reads.includes('channel::a'), 'the history to be read');
      await app.sse.publish('a', event(7));
      backplane.hold();
      await app.sse.publish('a', event(8));
      door.open();
      await client.connected();
      assert.deepEqual(await client.data(4), [2, 4, 6, 7]);
      backplane.release();
      assert.deepEqual(await client.data(5), [2, 4, 6, 7, 8]);
    });

    /** What others publish, and this node is told that it has missed. */
    function miss(backplane, ...data) {
      backplane.hold();
      for (const each of data) backplane._position = log.append(recordOf(each));
      backplane._listener.gap(backplane._position);
    }

    it('reads a history again that it was given before a gap', async () => {
      const { ids, app, backplane } = await late();
      const door = gate();
      const asked = new Set();
      backplane.afterHistory = (key) => {
        if (asked.has(key)) return undefined;
        asked.add(key);
        return door.opened;
      };
      const client = app.send({ channels: ['a'], lastEventId: ids[0] });
      await waitFor(() => asked.size === 2, 'the histories of channel and user to be read');
      miss(backplane, 7, 8);
      door.open();
      assert.equal((await client.connected()).recovered, true);
      assert.deepEqual(await client.data(5), [2, 4, 6, 7, 8]);
    });

    it('does not take back what a gap has said', async () => {
      const { ids, app, backplane } = await late();
      backplane.afterHistory = (key) => {
        if (key === 'channel::a') miss(backplane, 'missed');
      };
      const client = await app.open({ channels: ['a'], lastEventId: ids[0] });
      assert.equal(client.hello.recovered, false);
    });

    for (const where of ['here', 'elsewhere']) {
      it(`does not let in a user that is disconnected ${where} while its history is read`, async () => {
        const { ids, app, backplane } = await late();
        const other = await node();
        const door = gate();
        backplane.afterHistory = () => door.opened;
        const client = app.send({ channels: ['a'], lastEventId: ids[0] });
        await waitFor(() => log.reads.includes('channel::a'), 'the history to be read');
        const { sse } = where === 'here' ? app : other.app;
        assert.equal(sse.disconnectUser('alice', 'banned'), 0);
        // Whoever the order is for has had it by the time of an event behind it.
        const witness = await app.open({ token: 'bob', channels: ['w'] });
        await other.app.sse.publish('w', event(1));
        await witness.data(1);
        door.open();
        assert.equal((await client.head()).status, 403);
        assert.equal(app.sse.clients.size, 1);
      });
    }

    it('does not hide behind a history what the tail has not brought', async () => {
      const { ids, app, backplane } = await late();
      backplane.hold();
      await app.sse.publish('b', event(7));
      await app.sse.publish('a', event(8));
      // Its history has the last one already, and the tail not even the one before.
      const other = await app.open({ channels: ['a'], lastEventId: ids[0] });
      const client = await app.open({ channels: ['a', 'b'], lastEventId: ids[5] });
      backplane.release();
      assert.deepEqual(await client.data(2), [7, 8]);
      assert.deepEqual(await other.data(4), [2, 4, 6, 8]);
    });

    it('says so when the histories cannot be read', async () => {
      const { ids, app } = await late();
      log.failure = down();
      const client = await app.open({ channels: ['a'], lastEventId: ids[0] });
      assert.equal(client.hello.recovered, false);
      assert.ok(app.errors.length > 0 && app.errors.every(({ code }) => code === 'ERR_SSE_BACKPLANE_UNAVAILABLE'));
      app.errors = [];
      // Nor is it taken for read.
      log.failure = undefined;
      const again = await app.open({ channels: ['a'], lastEventId: ids[0] });
      assert.equal(again.hello.recovered, true);
    });

    it('says so when they take longer than readyTimeout', async () => {
      const { ids } = await late();
      const { app, backplane } = await node({ length: 1 }, { readyTimeout: 50 });
      const door = gate();
      backplane.beforeHistory = () => door.opened;
      const client = await app.open({ channels: ['a'], lastEventId: ids[0] });
      assert.equal(client.hello.recovered, false);
      door.open();
    });
  });

  it('tells of a gap, at once and later, and asks the histories again', async () => {
    const old = await log.append(recordOf(0));
    log.append(recordOf(0.5));
    log.append(recordOf(1, 'b'));
    const { app, backplane } = await node({ length: 1 });
    const client = await app.open({ channels: ['a'], lastEventId: old });
    const before = await app.sse.publish('a', event(1));
    assert.deepEqual(await client.data(2), [0.5, 1]);
    backplane.hold();
    const missed = await app.sse.publish('a', event(2));
    backplane._position = missed;
    backplane._listener.gap(missed);
    assert.deepEqual(JSON.parse((await client.next('gap')).data), { floor: missed });
    backplane.release();
    await app.sse.publish('a', event(3));
    await client.data(3);
    const again = await app.open({ channels: ['a'], lastEventId: before });
    assert.equal(again.hello.recovered, true);
    assert.deepEqual(await again.data(2), [2, 3]);
  });

  it('tells of a record that is none of ours, and of a gap there', async () => {
    const { app } = await node();
    const client = await app.open({ channels: ['a'] });
    const id = log.append({ keys: [], payload: 'what is this' });
    assert.deepEqual(JSON.parse((await client.next('gap')).data), { floor: id });
    assert.match(app.errors.splice(0)[0].message, /unknown kind/);
    await app.sse.publish('a', event(1));
    assert.deepEqual(await client.data(1), [1]);
  });

  describe('and orders', () => {
    it('disconnects a user on every node, once', async () => {
      const [one, two] = [await node(), await node()];
      const clients = [await one.app.open(), await two.app.open(), await two.app.open({ token: 'bob' })];
      assert.equal(one.app.sse.disconnectUser('alice', 'banned'), 1);
      // Whoever comes back at once is not meant.
      const again = await one.app.open();
      for (const client of clients.slice(0, 2)) {
        assert.deepEqual(JSON.parse((await client.next('closing')).data), { reason: 'banned', reconnect: false });
        await client.closed();
      }
      await one.app.sse.publishToUser('alice', event(1));
      await one.app.sse.publishToUser('bob', event(2));
      assert.deepEqual(await again.data(1), [1]);
      assert.deepEqual(await clients[2].data(1), [2]);
    });

    it('gives and takes a channel by user, in the order of events', async () => {
      const [one, two] = [await node(), await node()];
      const client = await two.app.open({ channels: ['a'] });
      one.app.sse.publish('x', event(1));
      one.app.sse.subscribeUser('alice', 'x');
      one.app.sse.publish('x', event(2));
      one.app.sse.unsubscribeUser('alice', 'x');
      one.app.sse.publish('x', event(3));
      await one.app.sse.publish('a', event(4));
      assert.deepEqual(await client.data(2), [2, 4]);
      await one.app.sse.subscribeUser('alice', 'x');
      await waitFor(() => [...two.app.sse.clients.values()][0].channels.includes('x'), 'the channel to be shown');
    });

    it('does the same without a backplane, and reports who has too many channels', async () => {
      const app = await startServer({ maxChannelsPerClient: 1 });
      const clients = [await app.open(), await app.open({ channels: ['a'] })];
      await app.sse.subscribeUser('alice', 'x');
      assert.deepEqual([...app.sse.clients.values()].map(({ channels }) => channels), [['x'], ['a']]);
      await waitFor(() => app.errors.length > 0, 'the error');
      assert.equal(app.errors.splice(0)[0].code, 'ERR_SSE_TOO_MANY_CHANNELS');
      await app.sse.publish('x', event(1));
      assert.deepEqual(await clients[0].data(1), [1]);
      await app.sse.unsubscribeUser('alice', 'x');
      assert.deepEqual([...app.sse.clients.values()].map(({ channels }) => channels), [[], ['a']]);
    });

    it('checks what they are given', async () => {
      const app = await startServer();
      assert.throws(() => app.sse.subscribeUser('', 'x'), { code: 'ERR_SSE_INVALID_USER' });
      assert.throws(() => app.sse.subscribeUser('alice', ''), { code: 'ERR_SSE_INVALID_CHANNEL' });
      assert.throws(() => app.sse.unsubscribeUser('alice', 'x', { isuer: 1 }), { code: 'ERR_SSE_UNKNOWN_OPTION' });
      assert.throws(() => app.sse.publish('a', event(1), { idempotencyKey: 5 }), { code: 'ERR_SSE_INVALID_ARG' });
      assert.throws(() => app.sse.publish('a', event(1), { idempotencyKey: 'x'.repeat(256) }), { code: 'ERR_SSE_INVALID_ARG' });
      assert.throws(() => app.sse.publish('a', event(1), { issuer: 'x' }), { code: 'ERR_SSE_UNKNOWN_OPTION' });
    });

    it('reports an order that could not be given', async () => {
      const { app } = await node();
      log.failure = down();
      app.sse.disconnectUser('alice');
      await assert.rejects(app.sse.subscribeUser('alice', 'x'), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE' });
      await waitFor(() => app.errors.length > 0, 'the error');
      assert.equal(app.errors.splice(0)[0].code, 'ERR_SSE_BACKPLANE_UNAVAILABLE');
    });
  });

  it('closes the backplane when it has stopped', async () => {
    const { app, backplane } = await node();
    await app.open();
    await app.sse.stop();
    assert.equal(backplane.isClosed, true);
    await assert.rejects(app.sse.publish('a', event(1)), { code: 'ERR_SSE_STOPPED' });
  });

  it('reports once that the log cannot be read', async () => {
    const { app, backplane } = await node();
    for (let i = 0; i < 3; i++) backplane._listener.error(new Error('cut'));
    backplane.deliver();
    backplane._listener.error(new Error('cut again'));
    await waitFor(() => app.errors.length === 2, 'the errors');
    assert.deepEqual(app.errors.splice(0).map(({ code, cause }) => [code, cause.message]), [
      ['ERR_SSE_BACKPLANE_UNAVAILABLE', 'cut'], ['ERR_SSE_BACKPLANE_UNAVAILABLE', 'cut again'],
    ]);
  });

  it('must be one', () => {
    const own = new MemoryBackplane(log);
    for (const make of [() => createSseServer({ backplane: own, history: { file: 'x.db' } }), () => new SseManager({ backplane: own, history: { file: 'x.db' } })]) {
      assert.throws(make, { code: 'ERR_SSE_INVALID_OPTION', message: /exclude each other/ });
    }
    for (const backplane of [{}, null, 'redis://x', redisBackplane, { publish() {}, tail() {}, history() {} }]) {
      assert.throws(() => createSseServer({ backplane }), { code: 'ERR_SSE_INVALID_OPTION', message: /has no method/ });
    }
  });
});

describe('an idempotency key without a backplane', () => {
  afterEach(cleanUp);

  it('gives the first id again and delivers once', async () => {
    const app = await startServer();
    const client = await app.open({ channels: ['a'] });
    const id = await app.sse.publish('a', event(1), { idempotencyKey: 'k' });
    assert.equal(await app.sse.publish('a', event(1), { idempotencyKey: 'k' }), id);
    await app.sse.publish('a', event(2), { idempotencyKey: 'l' });
    assert.deepEqual(await client.data(2), [1, 2]);
  });
});

describe('SseManager on a backplane', () => {
  let log;
  let managers = [];
  let servers = [];

  beforeEach(() => {
    log = new SharedLog();
  });

  afterEach(async () => {
    const [stopped, closed] = [managers, servers];
    [managers, servers] = [[], []];
    await Promise.all(stopped.map(({ manager }) => manager.stop()));
    await Promise.all(closed.map((server) => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    })));
    await cleanUp();
  });

  async function node(how = {}, options = {}, meta = { userId: 'alice' }) {
    const backplane = new MemoryBackplane(log, how);
    const manager = new SseManager({ frames: 'named', readyTimeout: 10_000, ...options, backplane });
    const errors = [];
    manager.on('error', (error) => errors.push(error));
    const ids = [];
    const server = http.createServer((req, res) => {
      ids.push(manager.addConnection(res, ['custom:a'], meta));
    });
    await listen(server, { port: 0, host: '127.0.0.1' });
    managers.push({ manager });
    servers.push(server);
    const send = (headers = {}) => adopt(connect({ port: server.address().port, path: '/', headers }));
    if (!how.isHeld) await manager.ready();
    return { manager, backplane, send, errors, ids };
  }

  it('broadcasts to the connections of every node', async () => {
    const [one, two] = [await node(), await node()];
    const clients = [one.send(), two.send()];
    for (const client of clients) await client.connected();
    one.manager.broadcast('custom:a', event(1));
    two.manager.broadcastToUser('alice', event(2));
    for (const client of clients) assert.deepEqual((await client.data(2)).map(({ data }) => data), [1, 2]);
    assert.equal(one.manager.disconnectUser('alice'), 1);
    for (const client of clients) await client.next('closing');
    assert.deepEqual(one.errors, []);
  });

  it('lets connections wait that it cannot serve yet', async () => {
    const first = await node();
    first.manager.broadcast('custom:a', event(1));
    first.manager.broadcast('custom:a', event(2));
    await turn();
    const [{ id }] = log.records;
    const late = await node({ length: 1, isHeld: true });
    const [client, left, removed] = [late.send({ 'Last-Event-ID': `${id}` }), late.send(), late.send()];
    await waitFor(() => late.ids.length === 3, 'the connections');
    assert.equal(late.manager.connectionCount, 3);
    left.close();
    late.manager.removeConnection(late.ids[2]);
    await waitFor(() => late.manager.connectionCount === 1, 'the others to be gone');
    late.backplane.release();
    const hello = await client.connected();
    assert.deepEqual([hello.connectionId, hello.recovered], [late.ids[0], true]);
    assert.deepEqual((await client.data(1)).map(({ data }) => data), [2]);
    await removed.closed();
    assert.deepEqual(late.errors, []);
  });

  it('misses nothing where a history that is read is evicted meanwhile', async () => {
    const first = await node();
    for (let i = 1; i <= 3; i++) first.manager.broadcast('custom:a', event(i));
    await turn();
    const [{ id }] = log.records;
    const { manager, backplane, send } = await node({ length: 1 }, { maxChannels: 1 }, {});
    const door = gate();
    backplane.afterHistory = () => door.opened;
    log.reads = [];
    const client = send({ 'Last-Event-ID': `${id}` });
    await waitFor(() => log.reads.length > 0, 'the history to be read');
    manager.broadcast('custom:a', event(4));
    manager.broadcast('custom:b', event(5));
    await turn();
    door.open();
    const { recovered } = await client.connected();
    manager.broadcast('custom:a', event(6));
    await client.until(() => client.published.some(({ data }) => JSON.parse(data).data === 6));
    assert.deepEqual([recovered, ...client.published.map(({ data }) => JSON.parse(data).data)], [true, 2, 3, 4, 6]);
  });

  it('does not serve a user that is disconnected while its history is read', async () => {
    const first = await node();
    for (let i = 1; i <= 3; i++) first.manager.broadcast('custom:a', event(i));
    await turn();
    const { manager, backplane, send } = await node({ length: 1 });
    const door = gate();
    backplane.afterHistory = () => door.opened;
    const client = send({ 'Last-Event-ID': `${log.records[0].id}` });
    await waitFor(() => log.reads.length > 0, 'the history to be read');
    manager.disconnectUser('bob');
    assert.equal(manager.connectionCount, 1);
    manager.disconnectUser('alice');
    assert.equal(manager.connectionCount, 0);
    door.open();
    await client.closed();
    assert.equal(client.published.length, 0);
  });

  it('refuses those that wait in vain', async () => {
    const { send, manager } = await node({ isHeld: true }, { readyTimeout: 50 });
    const client = send();
    assert.equal((await client.head()).status, 503);
    assert.equal(manager.connectionCount, 0);
    assert.equal(manager.isReady, false);
  });

  it('reports what could not be broadcast', async () => {
    const { manager, errors } = await node();
    log.failure = down();
    manager.broadcast('custom:a', event(1));
    await waitFor(() => errors.length > 0, 'the error');
    assert.equal(errors[0].code, 'ERR_SSE_BACKPLANE_UNAVAILABLE');
  });
});
