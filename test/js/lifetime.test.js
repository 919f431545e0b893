'use strict';

// lifetime.test.js - connections that the server ends for their age (maxConnectionAge) and with their token
// (enforceTokenExpiry); over both transports.

const assert = require('node:assert/strict');

const { createSseServer } = require('../..');
const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { turn, waitFor } = require('./helpers/wait');

/** What clocks may differ by: ids and ages are not read off the same one. */
const SLACK = 10;

const closingsOf = ({ events }) => events.filter(({ type }) => type === 'closing').map(({ data }) => JSON.parse(data));

/** Hooks that write down why clients left. */
function recorder() {
  const reasons = [];
  return { reasons, onDisconnect: (client, reason) => void reasons.push(reason) };
}

const seconds = () => Date.now() / 1000;

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`maxConnectionAge (${transport})`, () => {
    const AGE = 500;

    it('ends each client once, at 80 % of it at the earliest', async () => {
      const told = recorder();
      const app = await startServer({ transport, maxConnectionAge: AGE, hooks: { onDisconnect: told.onDisconnect } });
      const ages = await Promise.all(Array.from({ length: 20 }, async () => {
        const start = performance.now();
        const client = await app.open({ channels: ['a'] });
        await client.closed();
        assert.equal(client.error, null);
        assert.deepEqual(closingsOf(client), [{ reason: 'max_age', reconnect: true }]);
        assert.equal(client.events.at(-1).type, 'closing');
        return performance.now() - start;
      }));
      for (const age of ages) assert.ok(age >= 0.8 * AGE - SLACK, `ended after ${age} ms`);
      await waitFor(() => told.reasons.length === 20);
      await turn();
      assert.deepEqual(told.reasons, Array(20).fill('max_age'));
      assert.equal(app.sse.stats().closed.max_age, 20);
    });

    it('loses and doubles nothing for a client that comes back', async () => {
      const app = await startServer({ transport, maxConnectionAge: AGE });
      const ids = [];
      let isOver = false;
      const publisher = (async () => {
        while (!isOver) {
          ids.push(await app.sse.publish('a', { type: 't', data: ids.length }));
          await new Promise((resolve) => {
            setTimeout(resolve, 3);
          });
        }
      })();
      const seen = [];
      let lastEventId;
      for (let round = 0; round < 3; round++) {
        const headers = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
        const client = await app.open({ channels: ['a'], headers });
        assert.equal(client.hello.recovered, true);
        await client.closed();
        ({ lastEventId } = client.parser);
        seen.push(...client.published.map(({ id }) => Number(id)));
      }
      isOver = true;
      await publisher;
      const first = ids.indexOf(seen[0]);
      assert.deepEqual(seen, ids.slice(first, first + seen.length));
      assert.ok(seen.length > 3);
    });

    it('leaves the others, and a client that left before, alone', async () => {
      const told = recorder();
      const app = await startServer({ transport, maxConnectionAge: AGE, hooks: { onDisconnect: told.onDisconnect } });
      const early = await app.open();
      early.end();
      await app.hasClients(0);
      const old = await app.open({ channels: ['a'] });
      await old.closed();
      const young = await app.open({ channels: ['a'] });
      await app.sse.publish('a', { type: 't', data: 'for the young' });
      assert.deepEqual(await young.data(1), ['for the young']);
      assert.deepEqual(told.reasons, ['client', 'max_age']);
    });

    it('is off by default, and by Infinity', async () => {
      for (const options of [{}, { maxConnectionAge: Infinity }]) {
        const app = await startServer({ transport, heartbeatInterval: 50, ...options });
        const client = await app.open();
        await client.until(() => client.heartbeats >= 5);
        assert.equal(app.sse.clients.size, 1);
      }
    });

    it('may be longer than a timer can be', async () => {
      for (const maxConnectionAge of [2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1000, 1e12]) {
        let app;
        try {
          app = await startServer({ transport, heartbeatInterval: 20, maxConnectionAge });
        } catch (error) {
          // A limit is fine, a client that is ended at once is not.
          assert.equal(error.code, 'ERR_SSE_INVALID_OPTION');
          assert.ok(maxConnectionAge > 2 ** 31 - 1);
          continue;
        }
        const client = await app.open();
        await client.until(() => client.heartbeats >= 5);
      }
    });

    it('may come while the server stops', async () => {
      const told = recorder();
      const app = await startServer({ transport, maxConnectionAge: AGE, hooks: { onDisconnect: told.onDisconnect } });
      const clients = await Promise.all(Array.from({ length: 20 }, () => app.open()));
      await app.sse.stop({ drainMs: 2 * AGE });
      assert.equal(told.reasons.length, 20);
      for (const client of clients) {
        await client.closed();
        assert.equal(closingsOf(client).length, 1);
      }
    });
  });

  describe(`enforceTokenExpiry (${transport})`, () => {
    /** A token is the number of seconds that it has left. */
    const authenticateSubscriber = (token) => ({ sub: 'alice', exp: seconds() + Number(token) });
    const start = (options = {}, hooks = {}) => startServer({ transport, ...options, hooks: { authenticateSubscriber, ...hooks } });

    it('ends the stream with its token, once, and tells not to come back with it', async () => {
      const told = recorder();
      const app = await start({}, { onDisconnect: told.onDisconnect });
      const other = await app.open({ token: '600', channels: ['a'] });
      const begun = Date.now();
      const client = await app.open({ token: '0.3', channels: ['a'] });
      let published = 0;
      while (!client.isClosed) {
        await app.sse.publish('a', { type: 't', data: published++ });
        await turn();
      }
      assert.ok(Date.now() - begun >= 300 - SLACK, `after ${Date.now() - begun} ms`);
      assert.equal(client.error, null);
      assert.deepEqual(closingsOf(client), [{ reason: 'token_expired', reconnect: false }]);
      assert.equal(client.events.at(-1).type, 'closing', 'nothing follows');
      await waitFor(() => told.reasons.length === 1);
      assert.deepEqual(told.reasons, ['token_expired']);
      assert.equal(app.sse.stats().closed.token_expired, 1);
      await app.sse.publish('a', { type: 't', data: published++ });
      assert.equal((await other.data(published)).length, published);
      assert.equal(app.sse.clients.size, 1);
    });

    it('ends many, each with its own token, in the order of their expiry', async () => {
      const told = [];
      const expiries = {};
      const app = await start({}, {
        onDisconnect: ({ userId }, reason) => void told.push([userId, reason]),
        authenticateSubscriber: (token) => {
          expiries[token] = seconds() + Number(token);
          return { sub: token, exp: expiries[token] };
        },
      });
      await Promise.all(['0.7', '0.3', '900', '0.5', '901'].map((token) => app.open({ token })));
      await waitFor(() => told.length === 3);
      const order = Object.keys(expiries).sort((a, b) => expiries[a] - expiries[b]).slice(0, 3);
      assert.deepEqual(told, order.map((token) => [token, 'token_expired']));
      assert.equal(app.sse.clients.size, 2);
    });

    it('lets be what expires after more than a timer can wait, or never', async () => {
      const warnings = [];
      const listener = ({ name }) => warnings.push(name);
      process.on('warning', listener);
      const app = await start({ heartbeatInterval: 20 });
      const day = 86_400;
      for (const left of [25 * day, 60 * day, 2 ** 32, 1e12, 1e300]) {
        const client = await app.open({ token: String(left) });
        await client.until(() => client.heartbeats >= 5);
        await app.sse.publishToUser('alice', { type: 't', data: left });
        await client.until(() => client.published.some(({ data }) => JSON.parse(data) === left));
      }
      process.removeListener('warning', listener);
      assert.equal(app.sse.clients.size, 5);
      assert.deepEqual(warnings, [], 'such as TimeoutOverflowWarning');
    });

    it('does nothing when it is false', async () => {
      const app = await start({ enforceTokenExpiry: false, heartbeatInterval: 50 });
      const client = await app.open({ token: '0.3', channels: ['a'] });
      const end = seconds() + 0.3;
      await waitFor(() => seconds() > end + 0.5, 'the token to expire');
      const { heartbeats } = client;
      await client.until(() => client.heartbeats >= heartbeats + 3);
      await app.sse.publish('a', { type: 't', data: 'still there' });
      assert.deepEqual(await client.data(1), ['still there']);
    });

    it('does nothing to one without expiry', async () => {
      const app = await startServer({ transport, heartbeatInterval: 20 });
      const client = await app.open();
      await client.until(() => client.heartbeats >= 5);
    });

    it('tells one end where age and token come at the same time', async () => {
      const told = recorder();
      const app = await start({ maxConnectionAge: 500 }, { onDisconnect: told.onDisconnect });
      const clients = await Promise.all(Array.from({ length: 20 }, () => app.open({ token: '0.45' })));
      for (const client of clients) {
        await client.closed();
        const [{ reason, reconnect }, ...more] = closingsOf(client);
        assert.ok(['max_age', 'token_expired'].includes(reason));
        assert.equal(reconnect, reason === 'max_age');
        assert.deepEqual(more, []);
      }
      await waitFor(() => told.reasons.length === 20);
      await turn();
      assert.equal(told.reasons.length, 20);
    });
  });
}

describe('the options of lifetimes', () => {
  const create = (options) => () => createSseServer({ hooks: { authenticateSubscriber: () => ({ sub: 'alice' }) }, ...options });

  it('refuse what is no age', () => {
    for (const maxConnectionAge of [0, -1, 1.5, NaN, -Infinity, '1000', null, true, {}]) {
      assert.throws(create({ maxConnectionAge }), { name: 'TypeError', code: 'ERR_SSE_INVALID_OPTION' }, String(maxConnectionAge));
    }
  });

  it('refuse what is no switch', () => {
    for (const enforceTokenExpiry of [0, 1, 'true', null, {}]) {
      assert.throws(create({ enforceTokenExpiry }), { name: 'TypeError', code: 'ERR_SSE_INVALID_OPTION' }, String(enforceTokenExpiry));
    }
  });
});
