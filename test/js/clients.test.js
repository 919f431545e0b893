'use strict';

// clients.test.js - `server.clients`, what its entries can do, disconnect() and stats(); over both
// transports.

const assert = require('node:assert/strict');
const { inspect } = require('node:util');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { turn, waitFor } = require('./helpers/wait');

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  const open = async (count, options = {}) => {
    const app = await startServer({ transport, ...options });
    const clients = [];
    for (let i = 0; i < count; i++) clients.push(await app.open({ token: `user${i}`, channels: [`c${i}`, 'all'] }));
    return { app, clients, ids: clients.map(({ hello }) => hello.clientId) };
  };

  describe(`clients (${transport})`, () => {
    it('is a Map of the connected clients, in the order of their arrival', async () => {
      const { app, ids } = await open(5);
      const { clients } = app.sse;
      assert.ok(clients instanceof Map);
      assert.equal(clients.size, 5);
      assert.deepEqual([...clients.keys()], ids);
      assert.deepEqual([...clients.values()].map(({ id }) => id), ids);
      assert.deepEqual([...clients.entries()].map(([id, client]) => [id, client.id]), ids.map((id) => [id, id]));
      assert.deepEqual([...clients].map(([id]) => id), ids);
      const walked = [];
      clients.forEach(function visit(client, id, map) {
        walked.push([client.id, id, map === clients, this.me]);
      }, { me: true });
      assert.deepEqual(walked, ids.map((id) => [id, id, true, true]));
    });

    it('describes a client', async () => {
      const { app, ids } = await open(2);
      const client = app.sse.clients.get(ids[1]);
      assert.deepEqual(Object.keys(client).sort(), ['channels', 'connectedAt', 'id', 'res', 'userId']);
      assert.equal(client.id, ids[1]);
      assert.equal(client.userId, 'user1');
      assert.deepEqual(client.channels, ['c1', 'all']);
      assert.ok(client.connectedAt instanceof Date);
      assert.ok(Math.abs(Date.now() - client.connectedAt) < 60_000);
    });

    it('answers for what is not there', async () => {
      const { app, ids } = await open(1);
      const { clients } = app.sse;
      assert.equal(clients.has(ids[0]), true);
      for (const id of ['', 'x', `${ids[0]} `, undefined, null, 1, {}, Symbol('x')]) {
        assert.equal(clients.has(id), false);
        assert.equal(clients.get(id), undefined);
      }
    });

    it('follows those who come and go', async () => {
      const { app, clients, ids } = await open(3);
      clients[1].close();
      await app.hasClients(2);
      assert.deepEqual([...app.sse.clients.keys()], [ids[0], ids[2]]);
      const late = await app.open();
      assert.deepEqual([...app.sse.clients.keys()], [ids[0], ids[2], late.hello.clientId]);
    });

    it('may be walked while clients are ended', async () => {
      const { app, clients } = await open(4);
      let seen = 0;
      for (const [id] of app.sse.clients) {
        seen++;
        app.sse.disconnect(id);
      }
      assert.equal(seen, 4);
      await Promise.all(clients.map((client) => client.closed()));
      await app.hasClients(0);
    });

    it('is read-only', async () => {
      const { app, ids } = await open(1);
      const { clients } = app.sse;
      assert.throws(() => clients.set('x', {}), TypeError);
      assert.throws(() => clients.delete(ids[0]), TypeError);
      assert.throws(() => clients.clear(), TypeError);
      clients.get(ids[0]).channels.push('sneaked in');
      assert.deepEqual(clients.get(ids[0]).channels, ['c0', 'all']);
      assert.deepEqual([...clients.keys()], ids);
    });

    it('can be inspected', async () => {
      const { app, ids } = await open(1);
      assert.match(inspect(app.sse.clients), new RegExp(ids[0]));
    });

    it('writes through res, in order with the events', async () => {
      const { app, clients: [client], ids: [id] } = await open(1);
      const { res } = app.sse.clients.get(id);
      for (let i = 0; i < 50; i++) {
        res.write(`data: raw ${i}\n\n`);
        app.sse.publish('all', { type: 't', data: i });
      }
      await client.until(() => client.published.length === 100);
      assert.deepEqual(client.published.map(({ data }) => data), Array.from({ length: 50 }, (_, i) => [`raw ${i}`, `${i}`]).flat());
    });

    it('writes strings, buffers and other encodings through res, and calls back', async () => {
      const { app, clients: [client], ids: [id] } = await open(1);
      const { res } = app.sse.clients.get(id);
      res.write('data: grüße\n\n');
      res.write(Buffer.from('data: buffer\n\n'));
      res.write(new Uint8Array(Buffer.from('data: array\n\n')));
      res.write('646174613a206865780a0a', 'hex');
      await new Promise((resolve) => {
        res.write('data: last\n\n', resolve);
      });
      await client.until(() => client.published.length === 5);
      assert.deepEqual(client.published.map(({ data }) => data), ['grüße', 'buffer', 'array', 'hex', 'last']);
    });

    it('ends a client by res.end, after what was written', async () => {
      const { app, clients: [client], ids: [id] } = await open(1);
      const { res } = app.sse.clients.get(id);
      let isClosed = false;
      res.on('close', () => {
        isClosed = true;
      });
      app.sse.publish('all', { type: 't', data: 1 });
      res.write('data: 2\n\n');
      res.end('data: 3\n\n');
      await client.closed();
      assert.equal(client.error, null);
      assert.deepEqual(client.published.map(({ data }) => data), ['1', '2', '3']);
      await waitFor(() => isClosed);
      await app.hasClients(0);
    });

    it('ends a client by res.destroy', async () => {
      const { app, clients: [client], ids: [id] } = await open(1);
      app.sse.clients.get(id).res.destroy();
      await client.closed();
      await app.hasClients(0);
    });

    it('has res emit `close` once when the peer goes', async () => {
      const { app, clients: [client], ids: [id] } = await open(1);
      let closes = 0;
      app.sse.clients.get(id).res.on('close', () => closes++);
      client.close();
      await waitFor(() => closes === 1);
      await app.hasClients(0);
      await turn();
      assert.equal(closes, 1);
    });

    it('survives writes to a res that has ended or whose peer is gone', async () => {
      const { app, clients, ids } = await open(2);
      const [ended, gone] = ids.map((id) => app.sse.clients.get(id).res);
      ended.end();
      ended.write('data: late\n\n');
      ended.write('data: late\n\n', () => {});
      ended.end();
      clients[1].close();
      await app.hasClients(0);
      for (const res of [ended, gone]) {
        res.write('data: late\n\n');
        res.end();
        res.destroy();
      }
      await turn();
    });

    it('gives the same res at each look', async () => {
      const { app, ids: [id] } = await open(1);
      assert.equal(app.sse.clients.get(id).res, app.sse.clients.get(id).res);
    });

    it('has a res in onDisconnect that is over', async () => {
      let res;
      const { app, clients: [client] } = await open(1, { hooks: { onDisconnect: (gone) => {
        res = gone.res;
      } } });
      client.close();
      await waitFor(() => res !== undefined);
      assert.ok(res.destroyed || res.writableEnded);
      assert.equal(app.sse.clients.size, 0);
    });
  });

  describe(`disconnect (${transport})`, () => {
    it('ends one client after what is queued for it', async () => {
      const { app, clients, ids } = await open(2);
      for (let i = 0; i < 100; i++) app.sse.publish('all', { type: 't', data: i });
      assert.equal(app.sse.disconnect(ids[0]), true);
      app.sse.publish('all', { type: 't', data: 'after' });
      await clients[0].closed();
      assert.equal(clients[0].error, null);
      assert.equal(clients[0].published.length, 100);
      assert.equal((await clients[1].data(101)).at(-1), 'after');
      await app.hasClients(1);
    });

    it('answers false for a client that is not there', async () => {
      const { app, ids: [id], clients: [client] } = await open(1);
      assert.equal(app.sse.disconnect('x'), false);
      client.close();
      await app.hasClients(0);
      assert.equal(app.sse.disconnect(id), false);
    });

    it('refuses what is no id', async () => {
      const app = await startServer({ transport });
      for (const id of [undefined, null, 1, {}]) {
        assert.throws(() => app.sse.disconnect(id), { name: 'TypeError', code: 'ERR_SSE_INVALID_ARG' });
      }
    });
  });

  describe(`stats (${transport})`, () => {
    it('counts clients, events and ends', async () => {
      const { app, clients } = await open(3);
      const other = transport === 'socket' ? 'stream' : 'socket';
      const none = app.sse.stats();
      assert.deepEqual(none.clients, { [transport]: 3, [other]: 0 });
      assert.deepEqual(none.events, { published: 0, delivered: 0 });
      assert.ok(Object.values(none.closed).every((count) => count === 0));
      await app.sse.publish('all', { type: 't', data: 1 });
      await app.sse.publish('c0', { type: 't', data: 1 });
      await app.sse.publish('nobody', { type: 't', data: 1 });
      await Promise.all(clients.map((client, i) => client.data(i === 0 ? 2 : 1)));
      await waitFor(() => app.sse.stats().events.delivered === 4);
      assert.equal(app.sse.stats().events.published, 3);
      clients[0].end();
      await waitFor(() => app.sse.stats().closed.client === 1);
      assert.deepEqual(app.sse.stats().clients, { [transport]: 2, [other]: 0 });
    });

    it('gives a new object each time', async () => {
      const { app } = await open(1);
      app.sse.stats().clients[transport] = 17;
      app.sse.stats().closed.client = 17;
      assert.equal(app.sse.stats().clients[transport], 1);
      assert.equal(app.sse.stats().closed.client, 0);
    });
  });
}

for (const transport of TRANSPORTS) {
  describe(`disconnectUser() (${transport})`, () => {
    it('ends every connection of the user and no other, and says why', async () => {
      const reasons = [];
      const onDisconnect = ({ userId }, reason) => reasons.push([userId, reason]);
      const app = await startServer({ transport, hooks: { onDisconnect } });
      const [first, second, other] = [await app.open(), await app.open({ channels: ['a'] }), await app.open({ token: 'bob' })];
      assert.equal(app.sse.disconnectUser('alice', 'locked'), 2);
      for (const client of [first, second]) {
        await client.closed();
        const { type, data } = client.events.at(-1);
        assert.deepEqual([type, JSON.parse(data)], ['closing', { reason: 'locked', reconnect: false }]);
      }
      await app.hasClients(1);
      await waitFor(() => reasons.length === 2);
      assert.deepEqual(reasons, [['alice', 'server'], ['alice', 'server']]);
      assert.equal(other.isClosed, false);
      assert.equal(app.sse.disconnectUser('alice'), 0);
    });

    it('says server when no reason is given, and nothing to a user of that name\'s channel', async () => {
      const app = await startServer({ transport });
      const alice = await app.open();
      const reader = await app.open({ token: 'bob', channels: ['alice'] });
      assert.equal(app.sse.disconnectUser('alice'), 1);
      await alice.closed();
      assert.equal(JSON.parse(alice.events.at(-1).data).reason, 'server');
      assert.equal(reader.isClosed, false);
      await app.sse.publish('alice', { type: 't', data: 1 });
      assert.deepEqual(await reader.data(1), [1]);
    });

    it('comes after what was published before', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a'] });
      for (let i = 0; i < 50; i++) await app.sse.publish('a', { type: 't', data: i });
      app.sse.disconnectUser('alice');
      await client.closed();
      assert.equal(client.published.length, 50);
    });
  });
}

describe('disconnectUser()', () => {
  it('throws for what is no user id and no reason', async () => {
    const { sse } = await startServer();
    assert.throws(() => sse.disconnectUser(''), { code: 'ERR_SSE_INVALID_USER' });
    for (const args of [[1], ['alice', ''], ['alice', 1], ['alice', null]]) {
      assert.throws(() => sse.disconnectUser(...args), { code: 'ERR_SSE_INVALID_ARG' });
    }
  });
});
