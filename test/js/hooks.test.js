'use strict';

// hooks.test.js - onConnect and onDisconnect: how often, in which order, with what, and why; over both
// transports.

const assert = require('node:assert/strict');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { gate, turn, waitFor } = require('./helpers/wait');

/** Hooks that write down what they are told. */
function recorder() {
  const calls = [];
  return {
    calls,
    of: (name) => calls.filter((call) => call.name === name),
    hooks: {
      onConnect: (client, ...rest) => void calls.push({ name: 'connect', client, rest, id: client.id }),
      onDisconnect: (client, ...rest) => void calls.push({ name: 'disconnect', client, rest, id: client.id }),
    },
  };
}

const reasonsOf = ({ sse }) => Object.fromEntries(Object.entries(sse.stats().closed).filter(([, count]) => count > 0));

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`onConnect and onDisconnect (${transport})`, () => {
    it('are called once each, in this order, with the same client', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      const before = Date.now();
      const client = await app.open({ token: 'bob', channels: ['a', 'b'] });
      client.end();
      await waitFor(() => told.calls.length === 2);
      await app.hasClients(0);
      await turn();
      assert.deepEqual(told.calls.map(({ name }) => name), ['connect', 'disconnect']);
      for (const { client: seen } of told.calls) {
        assert.equal(seen.id, client.hello.clientId);
        assert.equal(seen.userId, 'bob');
        assert.deepEqual(seen.channels, ['a', 'b']);
        assert.ok(seen.connectedAt instanceof Date);
        assert.ok(Number(seen.connectedAt) >= before - 1 && Number(seen.connectedAt) <= Date.now());
      }
      assert.equal(Number(told.calls[0].client.connectedAt), Number(told.calls[1].client.connectedAt));
    });

    it('get exactly (client, req) and (client, reason)', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      (await app.open({ headers: { 'X-Test': 'yes' } })).end();
      await waitFor(() => told.calls.length === 2);
      const [connect, disconnect] = told.calls;
      assert.equal(connect.rest.length, 1);
      assert.equal(connect.rest[0].headers['x-test'], 'yes');
      assert.deepEqual(disconnect.rest, ['client']);
    });

    it('give onConnect a request that is whole', async () => {
      let seen;
      const onConnect = (client, req) => {
        seen = {
          ip: req.ip, ips: req.ips, address: req.socket.remoteAddress, port: req.socket.remotePort,
          url: req.originalUrl, protocol: req.protocol, agent: req.get('user-agent'), isAborted: req.aborted,
          isDestroyed: req.socket.destroyed, isClient: app.sse.clients.has(client.id),
        };
      };
      const app = await startServer({ transport, hooks: { onConnect } });
      const client = await app.open({ channels: ['a'], headers: { 'User-Agent': 'test' } });
      assert.deepEqual(seen, {
        ip: '127.0.0.1', ips: [], address: '127.0.0.1', port: client.socket.localPort, url: '/sse?channel=a',
        protocol: 'http', agent: 'test', isAborted: false, isDestroyed: false, isClient: true,
      });
    });

    it('has what onConnect writes follow `connected` and the replay', async () => {
      const onConnect = (client) => {
        client.res.write('event: hello\ndata: 1\n\n');
        app.sse.publish('a', { type: 'live', data: 2 });
        client.res.write(': bye\n\n');
      };
      const app = await startServer({ transport, hooks: { onConnect } });
      const start = app.sse.cursor();
      for (let i = 0; i < 3; i++) await app.sse.publish('a', { type: 't', data: i });
      const client = await app.open({ channels: ['a'], headers: { 'Last-Event-ID': String(start) } });
      await client.until(() => client.comments.includes('bye'));
      assert.deepEqual(client.events.map(({ type }) => type), ['connected', 't', 't', 't', 'hello', 'live']);
    });

    it('does not wait for onConnect', async () => {
      const never = gate();
      const app = await startServer({ transport, hooks: { onConnect: () => never.opened } });
      const client = await app.open({ channels: ['a'] });
      await app.sse.publish('a', { type: 't', data: 1 });
      assert.deepEqual(await client.data(1), [1]);
    });

    it('lets onConnect end the client', async () => {
      const told = recorder();
      const onConnect = (client, req) => {
        told.hooks.onConnect(client, req);
        app.sse.disconnect(client.id);
      };
      const app = await startServer({ transport, hooks: { ...told.hooks, onConnect } });
      const client = app.send();
      await client.closed();
      assert.equal(client.events[0].type, 'connected');
      await waitFor(() => told.calls.length === 2);
      assert.deepEqual(told.of('disconnect')[0].rest, ['server']);
    });

    it('says `client` for a FIN', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      const client = await app.open();
      client.end();
      await waitFor(() => told.of('disconnect').length === 1);
      assert.deepEqual(told.of('disconnect')[0].rest, ['client']);
      assert.deepEqual(reasonsOf(app), { client: 1 });
      await client.closed();
    });

    it('says `reset` for a RST', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      (await app.open()).reset();
      await waitFor(() => told.of('disconnect').length === 1);
      assert.deepEqual(told.of('disconnect')[0].rest, ['reset']);
      assert.deepEqual(reasonsOf(app), { reset: 1 });
    });

    it('says `server` for disconnect()', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      const client = await app.open();
      assert.equal(app.sse.disconnect(client.hello.clientId), true);
      await client.closed();
      await waitFor(() => told.of('disconnect').length === 1);
      assert.deepEqual(told.of('disconnect')[0].rest, ['server']);
      assert.deepEqual(reasonsOf(app), { server: 1 });
      assert.equal(client.error, null);
    });

    it('says `server` for client.res.end()', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      const client = await app.open();
      app.sse.clients.get(client.hello.clientId).res.end();
      await client.closed();
      await waitFor(() => told.of('disconnect').length === 1);
      assert.deepEqual(told.of('disconnect')[0].rest, ['server']);
    });

    it('says `server` for client.res.end() although something is published at once', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      const client = await app.open({ channels: ['a'] });
      app.sse.clients.get(client.hello.clientId).res.end();
      app.sse.publish('a', { type: 't', data: 'too late' });
      await client.closed();
      await waitFor(() => told.of('disconnect').length === 1);
      assert.deepEqual(told.of('disconnect')[0].rest, ['server']);
      assert.equal(client.published.length, 0);
    });

    it('says `shutdown` for stop(), before stop() is done', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      await Promise.all([app.open(), app.open()]);
      await app.sse.stop();
      assert.deepEqual(told.of('disconnect').map(({ rest }) => rest), [['shutdown'], ['shutdown']]);
      assert.deepEqual(reasonsOf(app), { shutdown: 2 });
    });

    it('says `slow_reader` for one that does not read, and lets the others be', async () => {
      const told = recorder();
      const app = await startServer({ transport, maxQueuedBytes: 1024, hooks: told.hooks });
      const slow = await app.open({ channels: ['a'] });
      const fast = await app.open({ channels: ['b'] });
      slow.socket.pause();
      const data = 'x'.repeat(64 * 1024);
      await waitFor(async () => {
        await app.sse.publish('a', { type: 't', data });
        return told.of('disconnect').length === 1;
      });
      const [{ id, rest }] = told.of('disconnect');
      assert.equal(id, slow.hello.clientId);
      assert.deepEqual(rest, ['slow_reader']);
      await app.sse.publish('b', { type: 't', data: 'still there' });
      assert.deepEqual(await fast.data(1), ['still there']);
    });

    it('come once each for a crowd that comes and goes', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      const all = await Promise.all(Array.from({ length: 60 }, () => app.open()));
      all.forEach((client, i) => [() => client.end(), () => client.reset(), () => app.sse.disconnect(client.hello.clientId)][i % 3]());
      await waitFor(() => told.calls.length === 120);
      await turn();
      const ids = (name) => told.of(name).map(({ id }) => id).sort();
      assert.equal(told.calls.length, 120);
      assert.equal(new Set(ids('connect')).size, 60);
      assert.deepEqual(ids('disconnect'), ids('connect'));
      assert.equal(Object.values(app.sse.stats().closed).reduce((sum, n) => sum + n), 60);
    });

    it('come once when peer, app and stop() end a client at the same time', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: told.hooks });
      const all = await Promise.all(Array.from({ length: 20 }, () => app.open()));
      for (const client of all) {
        client.reset();
        app.sse.disconnect(client.hello.clientId);
        app.sse.disconnect(client.hello.clientId);
      }
      await app.sse.stop();
      await turn();
      assert.equal(told.of('disconnect').length, 20);
      assert.equal(new Set(told.of('disconnect').map(({ id }) => id)).size, 20);
    });

    it('forgets the client before onDisconnect', async () => {
      let size;
      const onDisconnect = (client) => {
        size = app.sse.clients.size;
        assert.equal(app.sse.clients.has(client.id), false);
        assert.equal(app.sse.disconnect(client.id), false);
      };
      const app = await startServer({ transport, hooks: { onDisconnect } });
      (await app.open()).end();
      await waitFor(() => size !== undefined);
      assert.equal(size, 0);
    });

    it('may publish from onDisconnect', async () => {
      const onDisconnect = ({ userId }) => void app.sse.publish('left', { type: 'left', data: userId }).catch(() => {});
      const app = await startServer({ transport, hooks: { onDisconnect } });
      const stays = await app.open({ token: 'ann', channels: ['left'] });
      (await app.open({ token: 'ben' })).end();
      assert.deepEqual(await stays.data(1), ['ben']);
    });

    for (const name of ['onConnect', 'onDisconnect']) {
      for (const [how, fail] of [['throws', () => {
        throw new Error('boom');
      }], ['rejects', () => Promise.reject(new Error('boom'))]]) {
        it(`reports ${name} that ${how}, and goes on`, async () => {
          const app = await startServer({ transport, hooks: { [name]: fail } });
          const first = await app.open({ channels: ['a'] });
          await app.sse.publish('a', { type: 't', data: 1 });
          assert.deepEqual(await first.data(1), [1]);
          first.end();
          await waitFor(() => app.errors.length === 1);
          const [error] = app.errors.splice(0);
          assert.equal(error.message, 'boom');
          await app.hasClients(0);
          if (name === 'onConnect') await app.open();
          await turn();
          app.errors.splice(0);
        });
      }
    }

    it('are not called for those who are refused', async () => {
      const told = recorder();
      const app = await startServer({ transport, hooks: { ...told.hooks, authorizeChannel: () => false } });
      await app.request({ token: null });
      await app.request({ channels: ['a'] });
      await app.request({ method: 'HEAD' });
      await app.request({ method: 'POST' });
      await turn();
      assert.deepEqual(told.calls, []);
    });

    for (const vanish of ['end', 'close', 'reset']) {
      for (const slow of ['authenticateSubscriber', 'authorizeChannel']) {
        it(`free the slot of a peer that vanishes (${vanish}) during a slow ${slow}, and nobody is told`, async () => {
          const told = recorder();
          const pending = gate();
          let calls = 0;
          const isFirst = () => calls++ === 0;
          const hooks = {
            authenticateSubscriber: (token) => (slow === 'authenticateSubscriber' && isFirst()
              ? pending.opened : { sub: token }),
            authorizeChannel: () => (slow === 'authorizeChannel' && isFirst() ? pending.opened : true),
          };
          const app = await startServer({
            transport, maxClients: 1, maxClientsPerUser: 1, hookTimeout: 60_000, hooks: { ...hooks, ...told.hooks },
          });
          const first = app.send({ channels: ['a'] });
          await waitFor(() => calls === 1);
          assert.equal((await app.request({ channels: ['a'] })).status, 503);
          first[vanish]();
          await first.closed();
          // The hook is still waiting: the slot must not wait for it.
          const second = await waitFor(async () => {
            const client = app.send({ channels: ['a'] });
            const { status } = await client.head();
            if (status === 200) return client;
            client.close();
            return null;
          }, 'the slot to be free');
          assert.equal((await app.request()).status, 503);
          pending.open(slow === 'authorizeChannel' ? true : { sub: 'alice' });
          await turn();
          assert.equal(app.sse.clients.size, 1);
          assert.equal((await app.request()).status, 503, 'freed once, not twice');
          assert.equal(told.of('connect').length, 1);
          assert.equal(told.of('disconnect').length, 0);
          second.close();
          await app.hasClients(0);
        });
      }
    }
  });
}
