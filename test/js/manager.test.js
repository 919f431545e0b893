'use strict';

// manager.test.js - SseManager: its connections over both transports, its events, its limits and its end.

const assert = require('node:assert/strict');
const http = require('node:http');

const { SseManager, topics } = require('../..');
const { TRANSPORTS, adopt } = require('./helpers/app');
const { connect } = require('./helpers/client');
const { startManager, startApp, cleanUp, mockResponse, eventsIn } = require('./helpers/manager');
const { resources, backAt } = require('./helpers/resources');
const { turn, waitFor } = require('./helpers/wait');

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const code = (name) => ({ name: 'TypeError', code: name });

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`SseManager (${transport})`, () => {
    it('answers with `connected`, its topics and who it is', async () => {
      const app = await startManager({ transport });
      const client = await app.open({ topics: ['global', 'custom:a', 'global'], user: 'alice', tenant: 'acme' });
      const { connectionId, id, ...rest } = client.hello;
      assert.match(connectionId, UUID);
      assert.match(id, /^\d+$/);
      assert.deepEqual(rest, {
        topics: ['global', 'custom:a'], userId: 'alice', tenantId: 'acme', recovered: true, lastEventId: null,
      });
      const { headers, status } = await client.head();
      assert.equal(status, 200);
      assert.equal(headers['content-type'], 'text/event-stream');
      assert.equal(headers['cache-control'], 'no-store, no-transform');
      assert.equal(headers['x-accel-buffering'], 'no');
      assert.deepEqual(app.manager.stats().clients, { socket: 0, stream: 0, [transport]: 1 });
      assert.equal(app.manager.connectionCount, 1);
    });

    it('returns the id of the connection, by which it is removed', async () => {
      const ids = [];
      const manager = new SseManager({ transport });
      const app = await startApp(manager, (req, res) => ids.push(manager.addConnection(res, [])));
      const [first, second] = [await app.open(), await app.open()];
      assert.deepEqual([first.hello.connectionId, second.hello.connectionId], ids);
      assert.equal(manager.removeConnection(ids[0]), undefined);
      await first.closed();
      await app.hasConnections(1);
      assert.equal(manager.stats().closed.server, 1);
      for (const unknown of [ids[0], 'x', '', undefined, null, 0, 1, {}, []]) assert.equal(manager.removeConnection(unknown), undefined);
      assert.equal(manager.connectionCount, 1);
      assert.equal(second.isClosed, false);
    });

    it('sends one StreamEvent to all, the same one', async () => {
      const app = await startManager({ transport, frames: 'named' });
      const clients = await Promise.all([app.open({ topics: ['global'] }), app.open({ topics: ['global', 'custom:a'] })]);
      const before = Date.now();
      const more = { userId: 'alice', metadata: { source: 'test', n: 1 } };
      assert.equal(app.manager.broadcast('global', { type: 'news', data: { text: 'grüße\n😀' }, ...more }), undefined);
      const [[one], [two]] = await Promise.all(clients.map((client) => client.data(1)));
      assert.deepEqual(one, two);
      const { id, timestamp, ...rest } = one;
      assert.match(id, UUID);
      assert.equal(new Date(timestamp).toISOString(), timestamp);
      assert.ok(Date.parse(timestamp) >= before && Date.parse(timestamp) <= Date.now());
      assert.deepEqual(rest, { type: 'news', topic: 'global', data: { text: 'grüße\n😀' }, ...more });
      assert.match(clients[0].published[0].id, /^\d+$/);
    });

    it('leaves out what an event does not name, and sends null as data', async () => {
      const app = await startManager({ transport, frames: 'named' });
      const client = await app.open({ topics: ['global'] });
      app.manager.broadcast('global', { type: 'a', data: null, userId: null, tenantId: undefined, metadata: null });
      const [event] = await client.data(1);
      assert.deepEqual(Object.keys(event).sort(), ['data', 'id', 'timestamp', 'topic', 'type']);
      assert.equal(event.data, null);
    });

    it('takes an event that was received, and makes it anew', async () => {
      const app = await startManager({ transport, frames: 'named' });
      const client = await app.open({ topics: ['global', 'custom:a'] });
      app.manager.broadcast('global', { type: 'a', data: 1, metadata: { b: 2 } });
      const [first] = await client.data(1);
      app.manager.broadcast('custom:a', first);
      const [, second] = await client.data(2);
      assert.notEqual(second.id, first.id);
      assert.deepEqual({ ...second, id: 0, timestamp: 0 }, { ...first, id: 0, timestamp: 0, topic: 'custom:a' });
    });

    it('names the topic of a user and of a tenant', async () => {
      const app = await startManager({ transport, frames: 'named' });
      const client = await app.open({ user: 'did:web:a', tenant: 'acme' });
      assert.equal(app.manager.broadcastToUser('did:web:a', { type: 'a', data: 1 }), undefined);
      assert.equal(app.manager.broadcastToTenant('acme', { type: 'a', data: 2 }), undefined);
      const [first, second] = await client.data(2);
      assert.deepEqual([first.topic, first.userId, first.tenantId], ['user:did:web:a', 'did:web:a', undefined]);
      assert.deepEqual([second.topic, second.userId, second.tenantId], ['tenant:acme', undefined, 'acme']);
    });

    it('replays after Last-Event-ID, each event once', async () => {
      const app = await startManager({ transport });
      const first = await app.open({ topics: ['global', 'custom:a'] });
      for (let i = 0; i < 5; i++) app.manager.broadcast(i % 2 ? 'global' : 'custom:a', { type: 't', data: i });
      await first.data(10);
      const seen = first.published.filter(({ type }) => type === 't');
      for (const where of [{ headers: { 'Last-Event-ID': seen[1].id } }, { lastEventId: seen[1].id }]) {
        const again = await app.open({ topics: ['global', 'custom:a'], ...where });
        assert.deepEqual([again.hello.recovered, again.hello.lastEventId], [true, Number(seen[1].id)]);
        const events = await again.data(6);
        assert.deepEqual(events.map(({ data }) => data), [2, 2, 3, 3, 4, 4]);
        const live = first.published.slice(4).map(({ type, id, data }) => ({ type, id, data }));
        assert.deepEqual(again.published.map(({ type, id, data }) => ({ type, id, data })), live);
      }
      const garbage = await app.open({ headers: { 'Last-Event-ID': 'garbage' } });
      assert.equal(garbage.hello.recovered, false);
    });

    for (const [frames, types] of [['both', ['t', 'message']], ['named', ['t']], ['unnamed', ['message']]]) {
      it(`frames: '${frames}' sends an event as ${types.join(' and ')}, with one id`, async () => {
        const app = await startManager({ transport, frames });
        const client = await app.open({ topics: ['global'] });
        app.manager.broadcast('global', { type: 't', data: 1 });
        app.manager.broadcast('global', { type: 'message', data: 2 });
        app.manager.broadcast('global', { type: 't', data: 3 });
        await client.until(({ published }) => published.filter(({ data }) => data.includes('"data":3')).length === types.length);
        const got = client.published.map(({ type, data }) => [type, JSON.parse(data).data]);
        assert.deepEqual(got, [...types.map((type) => [type, 1]), ['message', 2], ...types.map((type) => [type, 3])]);
        assert.equal(new Set(client.published.map(({ id }) => id)).size, 3);
        const uuids = new Set(client.published.map(({ data }) => JSON.parse(data).id));
        assert.equal(uuids.size, 3);
      });
    }

    it('sends heartbeats', async () => {
      const app = await startManager({ transport, heartbeatIntervalMs: 20 });
      assert.equal(app.manager.heartbeatIntervalMs, 20);
      const client = await app.open();
      await client.until(({ heartbeats }) => heartbeats >= 3);
    });

    it('notices who leaves, and how', async () => {
      const app = await startManager({ transport });
      const [one, two] = [await app.open(), await app.open()];
      one.end();
      await app.hasConnections(1);
      two.reset();
      await app.hasConnections(0);
      const { client, reset } = app.manager.stats().closed;
      assert.deepEqual({ client, reset }, { client: 1, reset: 1 });
    });

    it('closes a slow reader, and nobody else', async () => {
      const app = await startManager({ transport, maxQueuedBytes: 10_000, maxEventBytes: 2 ** 24, frames: 'named', history: { size: 0 } });
      const [slow, reader] = [await app.open({ topics: ['global'] }), await app.open({ topics: ['custom:a'] })];
      slow.socket.pause();
      // The kernel takes megabytes for one that does not read.
      const data = 'x'.repeat(2 ** 23);
      for (let i = 0; i < 3; i++) app.manager.broadcast('global', { type: 't', data });
      await waitFor(() => app.manager.stats().closed.slow_reader === 1, () => JSON.stringify(app.manager.stats()));
      app.manager.broadcast('custom:a', { type: 't', data: 1 });
      await reader.data(1);
      assert.equal(app.manager.connectionCount, 1);
    });

    it('has Express answer the limits with their status', async () => {
      const app = await startManager({ transport, maxClients: 3, maxClientsPerUser: 1 });
      await app.open({ user: 'u', tenant: 'a' });
      const again = await app.request({ user: 'u', tenant: 'a' });
      assert.equal(again.status, 429);
      await app.open({ user: 'u', tenant: 'b' });
      await app.open({ user: 'u' });
      assert.equal((await app.request({ user: 'w' })).status, 503);
      assert.equal(app.manager.connectionCount, 3);
    });

    it('throws limits as errors that say what to answer', () => {
      const manager = new SseManager({ maxClients: 2, maxClientsPerUser: 1, transport: 'stream' });
      manager.addConnection(mockResponse().res, [], { userId: 'u' });
      const { res, seen } = mockResponse();
      assert.throws(() => manager.addConnection(res, [], { userId: 'u' }), {
        name: 'Error', code: 'ERR_SSE_TOO_MANY_CONNECTIONS', status: 429, retryAfter: 5,
      });
      manager.addConnection(mockResponse().res, []);
      assert.throws(() => manager.addConnection(res, []), { name: 'Error', code: 'ERR_SSE_FULL', status: 503, retryAfter: 5, headers: { 'Retry-After': '5' } });
      assert.deepEqual([seen.headers, seen.text], [{}, ''], 'a refused response was touched');
      return manager.stop();
    });

    it('frees a place when its connection ends', async () => {
      const app = await startManager({ transport, maxClients: 1, maxClientsPerUser: 1 });
      for (let i = 0; i < 5; i++) {
        const client = await app.open({ user: 'u' });
        assert.equal((await app.request({ user: 'w' })).status, 503);
        client.close();
        await app.hasConnections(0);
      }
    });

    it('ends a connection at maxConnectionAge', async () => {
      const app = await startManager({ transport, maxConnectionAge: 50 });
      const client = await app.open();
      await client.closed();
      assert.deepEqual(JSON.parse(client.events.at(-1).data), { reason: 'max_age', reconnect: true });
      assert.equal(app.manager.stats().closed.max_age, 1);
    });

    it('tells `retry`', async () => {
      const app = await startManager({ transport, retry: 1234 });
      const client = await app.open();
      assert.deepEqual(client.items.filter(({ kind }) => kind === 'retry').map(({ ms }) => ms), [1234]);
    });

    it('ends all with stop(), lets nobody in, and reports what is broadcast afterwards', async () => {
      const app = await startManager({ transport });
      const clients = await Promise.all([app.open({ topics: ['global'] }), app.open()]);
      const [one, two] = [app.manager.stop(), app.manager.stop()];
      const refused = await app.request();
      await Promise.all([one, two]);
      assert.equal(refused.status, 503);
      for (const client of clients) {
        await client.closed();
        assert.equal(client.events.at(-1).type, 'closing');
      }
      assert.equal(app.manager.connectionCount, 0);
      assert.equal(app.manager.broadcast('global', { type: 't', data: 1 }), undefined);
      assert.equal(app.manager.broadcastToUser('u', { type: 't', data: 1 }), undefined);
      assert.equal(app.manager.broadcastToTenant('a', { type: 't', data: 1 }), undefined);
      assert.deepEqual((await app.takeErrors(3)).map((error) => error.code), Array(3).fill('ERR_SSE_STOPPED'));
      assert.throws(() => app.manager.broadcast('nothing', { type: 't', data: 1 }), code('ERR_SSE_INVALID_TOPIC'));
    });

    it('drains: what is broadcast meanwhile reaches those who are there', async () => {
      const app = await startManager({ transport, frames: 'named' });
      const clients = await Promise.all(Array.from({ length: 4 }, () => app.open({ topics: ['global'] })));
      const stopped = app.manager.stop({ drainMs: 60_000 });
      await Promise.race(clients.map((client) => client.closed()));
      const rest = clients.filter(({ isClosed }) => !isClosed);
      assert.ok(rest.length > 0);
      app.manager.broadcast('global', { type: 't', data: 'late' });
      await Promise.all(rest.map((client) => client.data(1)));
      await Promise.all([stopped, app.manager.stop()]);
      for (const client of clients) {
        await client.closed();
        assert.ok(client.items.some(({ kind }) => kind === 'retry'));
      }
    });

    it('answers a HEAD with the head alone', async () => {
      const app = await startManager({ transport });
      const { status, headers, body } = await app.request({ method: 'HEAD', topics: ['global'] });
      assert.deepEqual([status, headers['content-type'], body], [200, 'text/event-stream', '']);
      assert.equal(app.manager.connectionCount, 0);
      const full = await startManager({ transport, maxClients: 1 });
      await full.request({ method: 'HEAD' });
      await full.request({ method: 'HEAD' });
      await full.open();
      assert.equal((await full.request({ method: 'HEAD' })).status, 503);
    });

    it('takes the connection of a request that comes behind an answered one', async () => {
      const manager = new SseManager({ transport: transport === 'socket' ? 'auto' : 'stream' });
      const app = await startApp(manager, (req, res) => {
        if (req.url === '/first') res.end('one');
        else manager.addConnection(res, ['global']);
      });
      const client = app.send({ raw: ['first', 'stream'].map((name) => `GET /${name} HTTP/1.1\r\nHost: a\r\n\r\n`).join('') });
      await client.until(({ body }) => body.includes('event: connected'));
      manager.broadcast('global', { type: 't', data: 'after' });
      await client.until(({ body }) => body.includes('"after"'));
      client.close();
      await app.hasConnections(0);
    });

    it('gives one place to many requests that come behind a subscription', async () => {
      const ids = [];
      const manager = new SseManager({ transport, maxClients: 2 });
      const app = await startApp(manager, (req, res) => ids.push(manager.addConnection(res, ['global'])));
      const client = app.send({ raw: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20) });
      await client.connected();
      await turn();
      assert.equal(manager.connectionCount, 1);
      manager.broadcast('global', { type: 't', data: 1 });
      await client.data(2);
      assert.equal(client.events.filter(({ type }) => type === 'connected').length, 1);
      await app.open();
      client.close();
      await app.hasConnections(1);
      for (const id of ids) assert.match(id, UUID);
    });

    it('streams to a peer whose body is still under way, however long, and to one that has sent it', async () => {
      const app = await startManager({ transport: 'auto' }, { use: transport === 'socket' ? [require('express').json()] : [] });
      const body = JSON.stringify({ text: 'x'.repeat(80_000) });
      const head = `POST /stream?topic=global HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
      const client = app.send({ raw: head + body.slice(0, 40_000) });
      if (transport === 'stream') await client.connected();
      client.socket.write(body.slice(40_000));
      await client.connected();
      assert.equal(app.manager.stats().clients[transport], 1);
      // Only now is what else it sends not its body any more.
      for (let i = 0; i < 3; i++) {
        app.manager.broadcast('global', { type: 't', data: i });
        await client.data(2 * (i + 1));
      }
      client.end();
      await app.hasConnections(0);
      assert.equal(app.manager.stats().closed.client, 1);
    });

    it('closes a peer that goes on sending after its body', async () => {
      const app = await startManager({ transport: 'auto' });
      const client = app.send({ raw: `POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n${'x'.repeat(20_000)}` });
      await client.connected();
      client.socket.write(`POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${'y'.repeat(100_000)}`);
      await waitFor(() => app.manager.stats().closed.protocol === 1);
      await app.hasConnections(0);
    });

    describe('a response that cannot be a stream', () => {
      /** What became of addConnection for a response that was spoilt before. */
      async function outcome(spoil) {
        let result;
        const manager = new SseManager({ transport });
        const app = await startApp(manager, async (req, res) => {
          await spoil(res, req);
          try {
            result = { id: manager.addConnection(res, ['global']) };
          } catch (error) {
            result = { error };
          }
          assert.equal(manager.connectionCount, 0, 'a place was left');
          req.socket.destroy();
        });
        const client = app.send({ topics: ['global'] });
        await waitFor(() => result);
        await client.closed();
        assert.deepEqual(manager.stats().clients, { socket: 0, stream: 0 });
        return result;
      }

      const ANSWERED = {
        'has ended': (res) => res.end('x'),
        'has ended long ago': (res) => new Promise((resolve) => {
          res.end('x', resolve);
        }),
        'has written': (res) => res.write('x'),
        'has sent its head': (res) => res.flushHeaders(),
        'has its head set': (res) => res.writeHead(200, { 'Content-Type': 'text/event-stream' }),
      };

      for (const [name, spoil] of Object.entries(ANSWERED)) {
        it(`${name}: throws`, async () => {
          const { error } = await outcome(spoil);
          assert.deepEqual([error?.name, error?.code], ['TypeError', 'ERR_SSE_INVALID_ARG']);
          assert.match(error.message, /has a head already/);
        });
      }

      const LEFT = {
        'was destroyed': (res) => res.destroy(),
        'has a destroyed socket': (res) => res.socket.destroy(),
        'has a socket that has ended': (res) => res.socket.end(),
      };

      for (const [name, spoil] of Object.entries(LEFT)) {
        it(`${name}: answers the id of nobody`, async () => {
          const { id, error } = await outcome(spoil);
          assert.equal(error, undefined);
          assert.match(id, UUID);
        });
      }

      it('whose peer left while the app was busy: answers the id of nobody', async () => {
        for (const way of ['close', 'reset', 'end']) {
          let proceed;
          const manager = new SseManager({ transport });
          const app = await startApp(manager, (req, res) => {
            proceed = () => manager.addConnection(res, ['global']);
          });
          const client = app.send();
          await waitFor(() => proceed);
          client[way]();
          const connections = () => new Promise((resolve) => {
            app.server.getConnections((error, count) => resolve(count));
          });
          await waitFor(async () => await connections() === 0);
          assert.match(proceed(), UUID);
          assert.equal(manager.connectionCount, 0);
        }
      });
    });
  });
}

describe('SseManager and its transports', () => {
  it('hands over what it can by default', async () => {
    const app = await startManager();
    await app.open();
    assert.deepEqual(app.manager.stats().clients, { socket: 1, stream: 0 });
  });

  it("transport: 'socket' throws for what cannot be handed over, and keeps no place", () => {
    const manager = new SseManager({ transport: 'socket', maxClients: 1 });
    for (let i = 0; i < 3; i++) {
      assert.throws(() => manager.addConnection(mockResponse().res, []), { code: 'ERR_SSE_TRANSPORT', status: 500 });
    }
    assert.equal(manager.connectionCount, 0);
    return manager.stop();
  });

  it('serves bare node:http', async () => {
    const manager = new SseManager({ frames: 'named' });
    const app = await startApp(manager, (req, res) => manager.addConnection(res, ['global']), (handler) => http.createServer(handler));
    const client = await app.open();
    manager.broadcast('global', { type: 't', data: 1 });
    assert.equal((await client.data(1))[0].data, 1);
    assert.equal(manager.stats().clients.socket, 1);
  });
});

describe('SseManager and mocks', () => {
  const managers = [];
  const create = (options) => {
    const manager = new SseManager(options);
    managers.push(manager);
    return manager;
  };

  afterEach(() => Promise.all(managers.splice(0).map((manager) => manager.stop())));

  it('writes before broadcast returns', () => {
    const manager = create();
    const { res, seen } = mockResponse();
    manager.addConnection(res, ['global'], { userId: 'u', tenantId: 'a' });
    assert.match(seen.text, /^: ok\nid: \d+\nevent: connected\ndata: \{"connectionId"/);
    assert.equal(seen.headers['content-type'], 'text/event-stream');
    const sent = [
      () => manager.broadcast('global', { type: 't', data: 0 }),
      () => manager.broadcastToUser('u', { type: 't', data: 1 }),
      () => manager.broadcastToTenant('a', { type: 't', data: 2 }),
    ];
    sent.forEach((send, i) => {
      send();
      const got = eventsIn(seen.text).map(({ type, data }) => [type, data.data]);
      assert.deepEqual(got.slice(2 * i), [['t', i], [undefined, i]]);
    });
  });

  it('removes one at once, and hears when one closes', async () => {
    const manager = create();
    const [first, second] = [mockResponse(), mockResponse()];
    const id = manager.addConnection(first.res, []);
    manager.addConnection(second.res, []);
    manager.removeConnection(id);
    manager.removeConnection(id);
    assert.deepEqual([first.seen.isEnded, manager.connectionCount], [true, 1]);
    for (const name of ['close', 'error', 'drain', 'close']) second.seen.emit(name);
    assert.equal(manager.connectionCount, 0);
    await waitFor(() => manager.stats().closed.client === 1);
    for (const { seen } of [first, second]) seen.emit('close');
    assert.equal(manager.connectionCount, 0);
    manager.addConnection(mockResponse().res, []);
    assert.equal(manager.connectionCount, 1);
    assert.deepEqual([manager.stats().closed.server, manager.stats().closed.client], [1, 1]);
  });

  it('takes write() to mean what it answers, nothing included', () => {
    for (const answer of [undefined, true, null]) {
      const manager = create({ frames: 'named' });
      let text = '';
      const { res } = mockResponse({ write(chunk) {
        text += chunk;
        return answer;
      } });
      manager.addConnection(res, ['global']);
      for (let i = 0; i < 5; i++) manager.broadcast('global', { type: 't', data: i });
      assert.deepEqual(eventsIn(text).map(({ data }) => data.data), [0, 1, 2, 3, 4]);
    }
  });

  it('waits for drain when write() answers false', async () => {
    const manager = create({ frames: 'named' });
    let text = '';
    const { res, seen } = mockResponse({ write(chunk) {
      text += chunk;
      return false;
    } });
    manager.addConnection(res, ['global']);
    manager.broadcast('global', { type: 't', data: 1 });
    assert.deepEqual(eventsIn(text), []);
    seen.emit('drain');
    await waitFor(() => eventsIn(text).length === 1);
  });

  for (const [name, req] of Object.entries({
    'without anything': {},
    'with headers alone': { headers: {} },
    'with a URL alone': { url: '/' },
    'with both': { headers: {}, url: '/?lastEventId=' },
  })) {
    it(`takes a request ${name}`, () => {
      const { res, seen } = mockResponse({ req });
      create().addConnection(res, []);
      assert.match(seen.text, /"recovered":true,"lastEventId":null/);
    });
  }

  it('reads Last-Event-ID where there is a request', () => {
    const manager = create({ frames: 'named' });
    const first = mockResponse();
    manager.addConnection(first.res, ['global']);
    for (let i = 0; i < 3; i++) manager.broadcast('global', { type: 't', data: i });
    const { id } = eventsIn(first.seen.text)[0];
    for (const req of [{ headers: { 'last-event-id': id } }, { headers: {}, url: `/?lastEventId=${id}` }]) {
      const { res, seen } = mockResponse({ req });
      manager.addConnection(res, ['global']);
      assert.deepEqual(eventsIn(seen.text).map(({ data }) => data.data), [1, 2]);
    }
  });

  it('throws what the mock throws, and keeps no place', async () => {
    const manager = create({ maxClients: 1 });
    for (const method of ['setHeader', 'write', 'on']) {
      const fault = new Error(method);
      const { res } = mockResponse({ [method]: () => {
        throw fault;
      } });
      assert.throws(() => manager.addConnection(res, []), fault);
      assert.equal(manager.connectionCount, 0, method);
      manager.removeConnection(manager.addConnection(mockResponse().res, []));
      await waitFor(() => manager.stats().clients.stream === 0);
    }
  });

  it('refuses one that lacks a method, or has answered', () => {
    const manager = create();
    for (const method of ['setHeader', 'write', 'end', 'on']) {
      const { res } = mockResponse({ [method]: undefined });
      assert.throws(() => manager.addConnection(res, []), { ...code('ERR_SSE_INVALID_ARG'), message: new RegExp(method) });
    }
    for (const more of [{ headersSent: true }, { writableEnded: true }]) {
      assert.throws(() => manager.addConnection(mockResponse(more).res, []), code('ERR_SSE_INVALID_ARG'));
    }
    for (const res of [undefined, null, 5, 'x', {}]) assert.throws(() => manager.addConnection(res, []), code('ERR_SSE_INVALID_ARG'));
  });
});

describe('SseManager and its arguments', () => {
  let manager;

  beforeEach(() => {
    manager = new SseManager();
  });

  afterEach(() => manager.stop());

  it('has defaults', () => {
    assert.equal(manager.heartbeatIntervalMs, 30_000);
    assert.equal(new SseManager({ heartbeatIntervalMs: 0 }).heartbeatIntervalMs, 0);
    assert.equal(manager.connectionCount, 0);
    assert.throws(() => {
      manager.heartbeatIntervalMs = 5;
    }, TypeError);
    assert.deepEqual(Object.keys(manager.stats()).sort(), ['clients', 'closed', 'events']);
  });

  it('takes no option that there is not, and none that is wrong', () => {
    assert.throws(() => new SseManager({ heartbeatInterval: 5 }), { ...code('ERR_SSE_UNKNOWN_OPTION'), message: /heartbeatIntervalMs/ });
    for (const options of [
      { heartbeatIntervalMs: -1 }, { heartbeatIntervalMs: '5' }, { heartbeatIntervalMs: Infinity }, { frames: 'all' }, { frames: null },
      { maxClients: 0 }, { history: 5 }, { transport: 'tcp' }, null, [], 5,
    ]) {
      assert.throws(() => new SseManager(options), code('ERR_SSE_INVALID_OPTION'), JSON.stringify(options));
    }
    assert.throws(() => manager.stop({ drain: 5 }), code('ERR_SSE_UNKNOWN_OPTION'));
  });

  it('takes only topics that there are, and touches no response before', () => {
    const { res, seen } = mockResponse();
    for (const given of [undefined, null, 'global', {}, [5], [null], [['global']], Array(1)]) {
      assert.throws(() => manager.addConnection(res, given), code('ERR_SSE_INVALID_ARG'));
    }
    for (const given of [['nothing'], ['global', ''], ['tenant:a:b'], ['user:a\nb']]) {
      assert.throws(() => manager.addConnection(res, given), code('ERR_SSE_INVALID_TOPIC'));
    }
    for (const [meta, expected] of [
      [null, 'ERR_SSE_INVALID_ARG'], ['u', 'ERR_SSE_INVALID_ARG'], [{ userId: 5 }, 'ERR_SSE_INVALID_ARG'],
      [{ userId: '' }, 'ERR_SSE_INVALID_USER'], [{ tenantId: 'a:b' }, 'ERR_SSE_INVALID_TOPIC'],
      [{ tenantId: '' }, 'ERR_SSE_INVALID_TOPIC'], [{ user: 'u' }, 'ERR_SSE_INVALID_ARG'],
    ]) {
      assert.throws(() => manager.addConnection(res, [], meta), code(expected), JSON.stringify(meta));
    }
    assert.deepEqual([seen.headers, seen.text, manager.connectionCount], [{}, '', 0]);
  });

  it('takes the longest ids that there are', () => {
    const long = 'x'.repeat(255);
    const { res, seen } = mockResponse();
    manager.addConnection(res, [topics.user(long), topics.role(long, long)], { userId: long, tenantId: long });
    manager.broadcast(topics.role(long, long), { type: 't', data: 1 });
    manager.broadcastToUser(long, { type: 't', data: 2 });
    manager.broadcastToTenant(long, { type: 't', data: 3 });
    assert.deepEqual(eventsIn(seen.text).filter(({ type }) => type).map(({ data }) => data.data), [1, 2, 3]);
  });

  const circular = {};
  circular.self = circular;
  /** [event, code] that no broadcast takes. */
  const BAD_EVENTS = [
    [undefined, 'ERR_SSE_INVALID_ARG'], [null, 'ERR_SSE_INVALID_ARG'], ['x', 'ERR_SSE_INVALID_ARG'], [[], 'ERR_SSE_INVALID_ARG'],
    [{ data: 1 }, 'ERR_SSE_INVALID_ARG'], [{ type: 5, data: 1 }, 'ERR_SSE_INVALID_ARG'],
    [{ type: '', data: 1 }, 'ERR_SSE_INVALID_EVENT_TYPE'], [{ type: 'a\nb', data: 1 }, 'ERR_SSE_INVALID_EVENT_TYPE'],
    [{ type: 'connected', data: 1 }, 'ERR_SSE_RESERVED_EVENT_TYPE'], [{ type: 'closing', data: 1 }, 'ERR_SSE_RESERVED_EVENT_TYPE'],
    [{ type: 't' }, 'ERR_SSE_INVALID_DATA'], [{ type: 't', data: undefined }, 'ERR_SSE_INVALID_DATA'],
    [{ type: 't', data: () => 1 }, 'ERR_SSE_INVALID_DATA'], [{ type: 't', data: Symbol('a') }, 'ERR_SSE_INVALID_DATA'],
    [{ type: 't', data: { toJSON() {} } }, 'ERR_SSE_INVALID_DATA'], [{ type: 't', data: 5n }, 'ERR_SSE_INVALID_DATA'],
    [{ type: 't', data: circular }, 'ERR_SSE_INVALID_DATA'], [{ type: 't', data: 1, metadata: circular }, 'ERR_SSE_INVALID_DATA'],
    [{ type: 't', data: { toJSON() {
      throw null;
    } } }, 'ERR_SSE_INVALID_DATA'],
    [{ type: 't', data: 'x'.repeat(2 ** 20) }, 'ERR_SSE_EVENT_TOO_LARGE'],
    [{ type: 't', data: 1, metadata: { x: 'x'.repeat(2 ** 20) } }, 'ERR_SSE_EVENT_TOO_LARGE'],
    [{ type: 't', data: 1, tenantId: 'a:b' }, 'ERR_SSE_INVALID_TOPIC'], [{ type: 't', data: 1, tenantId: 5 }, 'ERR_SSE_INVALID_ARG'],
    [{ type: 't', data: 1, other: 5 }, 'ERR_SSE_INVALID_ARG'],
  ];

  it('refuses a bad event at once, whomever it is for', () => {
    const { res, seen } = mockResponse();
    manager.addConnection(res, ['global'], { userId: 'u', tenantId: 'a' });
    const before = seen.text;
    for (const [event, expected] of BAD_EVENTS) {
      const name = `${expected}: ${String(event?.data?.toString?.()).slice(0, 20)}`;
      assert.throws(() => manager.broadcast('global', event), code(expected), name);
      if (event === null || typeof event !== 'object' || Array.isArray(event)) {
        assert.throws(() => manager.broadcastToUser('u', event), TypeError);
        assert.throws(() => manager.broadcastToTenant('a', event), TypeError);
        continue;
      }
      assert.throws(() => manager.broadcastToUser('u', event), code(expected), name);
      if (event.tenantId === undefined) assert.throws(() => manager.broadcastToTenant('a', event), code(expected), name);
    }
    assert.equal(seen.text, before);
    assert.equal(manager.stats().events.published, 0);
  });

  it('refuses an event that names another than whom it is for', () => {
    const event = { type: 't', data: 1 };
    assert.throws(() => manager.broadcastToUser('u', { ...event, userId: 'v' }), code('ERR_SSE_INVALID_ARG'));
    assert.throws(() => manager.broadcastToTenant('a', { ...event, tenantId: 'b' }), code('ERR_SSE_INVALID_ARG'));
    manager.broadcastToUser('u', { ...event, userId: 'u' });
    manager.broadcastToTenant('a', { ...event, tenantId: 'a', userId: 'u' });
  });

  it('refuses a user, a tenant and a topic that there cannot be', () => {
    const event = { type: 't', data: 1 };
    for (const bad of ['', 'a\nb', 'x'.repeat(256)]) {
      assert.throws(() => manager.broadcastToUser(bad, event), code('ERR_SSE_INVALID_TOPIC'));
      assert.throws(() => manager.broadcastToTenant(bad, event), code('ERR_SSE_INVALID_TOPIC'));
      assert.throws(() => manager.broadcast(bad, event), code('ERR_SSE_INVALID_TOPIC'));
    }
    for (const bad of [undefined, null, 5, {}]) {
      for (const method of ['broadcast', 'broadcastToUser', 'broadcastToTenant']) {
        assert.throws(() => manager[method](bad, event), code('ERR_SSE_INVALID_ARG'));
      }
    }
  });
});

describe('an SseManager that is dropped', () => {
  it('is collected when it has no connections, with its threads', async () => {
    const before = resources();
    let left = 0;
    const registry = new FinalizationRegistry(() => {
      left -= 1;
    });
    for (let i = 0; i < 20; i++) {
      const manager = new SseManager({ history: { ttl: 1000 } });
      const app = await startApp(manager, (req, res) => manager.addConnection(res, ['global']));
      const client = await app.open();
      client.close();
      await app.hasConnections(0);
      app.manager = null;
      app.server.removeAllListeners('request');
      registry.register(manager, i);
      left += 1;
    }
    await cleanUp();
    await waitFor(async () => {
      global.gc();
      await turn();
      return left === 0;
    }, () => `${left} managers are left`);
    await backAt(before);
  });

  it('is kept, and serves, while it has one', async () => {
    const { res, seen } = mockResponse();
    new SseManager({ heartbeatIntervalMs: 20 }).addConnection(res, []);
    global.gc();
    const beats = () => seen.text.match(/: heartbeat/g)?.length ?? 0;
    await waitFor(() => {
      global.gc();
      return beats() >= 3;
    });
    seen.emit('close');
  });
});

describe('SseManager: the length of a topic', () => {
  it('is limited, and no id that is allowed is too long by default', () => {
    const manager = new SseManager();
    const long = 'x'.repeat(255);
    const all = [topics.role(long, long), topics.user(long), topics.custom(long)];
    manager.addConnection(mockResponse().res, all, { userId: long, tenantId: long });
    const short = new SseManager({ maxChannelNameLength: 8 });
    short.broadcast('custom:a', { type: 't', data: 1 });
    assert.throws(() => short.broadcast('custom:ab', { type: 't', data: 1 }), code('ERR_SSE_INVALID_TOPIC'));
    assert.throws(() => short.addConnection(mockResponse().res, ['custom:ab']), code('ERR_SSE_INVALID_TOPIC'));
    assert.equal(short.connectionCount, 0);
    return Promise.all([manager.stop(), short.stop()]);
  });
});

describe('SseManager: what may not come of a request', () => {
  it('is no silent change of transport for one whose body is still coming', async () => {
    const app = await startManager({ transport: 'socket' });
    const raw = 'POST /stream HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc';
    const client = adopt(connect({ port: app.server.address().port, path: '/stream', raw }));
    assert.equal((await client.head()).status, 500);
    assert.equal(app.manager.connectionCount, 0);
  });

  it('is nothing worse from a mock that is half a request', async () => {
    const manager = new SseManager();
    const { res } = mockResponse({ req: { complete: false, headers: {} } });
    manager.addConnection(res, ['global']);
    assert.equal(manager.connectionCount, 1);
    await manager.stop();
  });
});

for (const transport of TRANSPORTS) {
  describe(`SseManager: disconnectUser (${transport})`, () => {
    it('ends those of the user, everywhere or in one tenant', async () => {
      const app = await startManager({ transport });
      const open = (user, tenant) => app.open({ topics: ['global'], user, tenant });
      const [none, acme, globex, other] = [
        await open('alice'), await open('alice', 'acme'), await open('alice', 'globex'), await open('bob', 'acme'),
      ];
      assert.equal(app.manager.disconnectUser('alice', { tenantId: 'acme' }), 1);
      await acme.closed();
      assert.deepEqual(JSON.parse(acme.events.at(-1).data), { reason: 'server', reconnect: false });
      assert.equal(app.manager.disconnectUser('alice'), 2);
      await Promise.all([none.closed(), globex.closed()]);
      await app.hasConnections(1);
      assert.equal(other.isClosed, false);
      assert.throws(() => app.manager.disconnectUser(1), code('ERR_SSE_INVALID_ARG'));
      assert.throws(() => app.manager.disconnectUser('a', { tenantId: 'x:y' }), code('ERR_SSE_INVALID_TOPIC'));
      assert.throws(() => app.manager.disconnectUser('a', { tenant: 'x' }), code('ERR_SSE_INVALID_ARG'));
    });
  });
}
