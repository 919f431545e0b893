'use strict';

// manager-isolation.test.js - who gets what: a table of events and of connections, live and by replay, over both
// transports. Everything that a row does not name must not arrive, and nothing arrives twice.

const assert = require('node:assert/strict');

const { AuthEventBus, AuthTools } = require('../..');
const { TRANSPORTS } = require('./helpers/app');
const { startApp, subscriptionOf, cleanUp } = require('./helpers/manager');

afterEach(cleanUp);

const EVERY = [
  'global', 'tenant:a', 'tenant:b', 'tenant:a:role:admin', 'tenant:a:group:g', 'user:u', 'session:s', 'custom:c',
];

/** Each has the topic `custom:end`, too. A capital is a tenant; `All` means every topic. */
const CONNECTIONS = {
  none: {},
  global: { topics: ['global'] },
  all: { topics: EVERY },
  aAll: { topics: EVERY, tenant: 'a' },
  bAll: { topics: EVERY, tenant: 'b' },
  u: { user: 'u' },
  uA: { user: 'u', tenant: 'a' },
  uB: { user: 'u', tenant: 'b' },
  uAAll: { topics: EVERY, user: 'u', tenant: 'a' },
  vA: { topics: ['global', 'tenant:a:role:admin'], user: 'v', tenant: 'a' },
  sA: { topics: ['session:s'], tenant: 'a' },
};

/** [method, first argument, what else the event names, who gets it] */
const ROWS = [
  ['broadcast', 'global', {}, 'global all aAll bAll uAAll vA'],
  ['broadcast', 'global', { tenantId: 'a' }, 'aAll uAAll vA'],
  ['broadcast', 'global', { tenantId: 'b' }, 'bAll'],
  ['broadcast', 'global', { tenantId: 'c' }, ''],
  ['broadcast', 'global', { userId: 'u' }, 'global all aAll bAll uAAll vA'],
  ['broadcast', 'global', { userId: 'u', tenantId: 'b' }, 'bAll'],
  ['broadcast', 'tenant:a', {}, 'all aAll bAll uAAll'],
  ['broadcast', 'tenant:a', { tenantId: 'a' }, 'aAll uAAll'],
  ['broadcast', 'tenant:a', { tenantId: 'b' }, 'bAll'],
  ['broadcast', 'tenant:c', {}, ''],
  ['broadcast', 'tenant:a:role:admin', {}, 'all aAll bAll uAAll vA'],
  ['broadcast', 'tenant:a:role:admin', { tenantId: 'a' }, 'aAll uAAll vA'],
  ['broadcast', 'tenant:a:role:admin', { tenantId: 'b' }, 'bAll'],
  ['broadcast', 'tenant:b:role:admin', {}, ''],
  ['broadcast', 'tenant:a:role:g', {}, ''],
  ['broadcast', 'tenant:a:group:g', {}, 'all aAll bAll uAAll'],
  ['broadcast', 'tenant:a:group:g', { tenantId: 'a' }, 'aAll uAAll'],
  ['broadcast', 'tenant:a:group:admin', {}, ''],
  ['broadcast', 'user:u', {}, 'all aAll bAll uAAll'],
  ['broadcast', 'user:u', { tenantId: 'a' }, 'aAll uAAll'],
  ['broadcast', 'user:v', {}, ''],
  ['broadcast', 'session:s', {}, 'all aAll bAll uAAll sA'],
  ['broadcast', 'session:s', { tenantId: 'a' }, 'aAll uAAll sA'],
  ['broadcast', 'session:s', { tenantId: 'b' }, 'bAll'],
  ['broadcast', 'session:u', {}, ''],
  ['broadcast', 'custom:c', {}, 'all aAll bAll uAAll'],
  ['broadcast', 'custom:c', { tenantId: 'a' }, 'aAll uAAll'],
  ['broadcast', 'custom:tenant:a', {}, ''],
  ['broadcastToUser', 'u', {}, 'all aAll bAll u uA uB uAAll'],
  ['broadcastToUser', 'u', { tenantId: 'a' }, 'aAll uA uAAll'],
  ['broadcastToUser', 'u', { tenantId: 'b' }, 'bAll uB'],
  ['broadcastToUser', 'u', { tenantId: 'c' }, ''],
  ['broadcastToUser', 'v', {}, 'vA'],
  ['broadcastToUser', 'v', { tenantId: 'b' }, ''],
  ['broadcastToUser', 'a', {}, ''],
  ['broadcastToTenant', 'a', {}, 'aAll uA uAAll vA sA'],
  ['broadcastToTenant', 'a', { userId: 'u' }, 'aAll uA uAAll vA sA'],
  ['broadcastToTenant', 'b', { tenantId: 'b' }, 'bAll uB'],
  ['broadcastToTenant', 'c', {}, ''],
  ['broadcastToTenant', 'u', {}, ''],
  ['track', {}, {}, 'global all aAll bAll uAAll vA'],
  ['track', { userId: 'u' }, {}, 'all aAll bAll u uA uB uAAll'],
  ['track', { userId: 'u', tenantId: 'a' }, {}, 'aAll uA uAAll'],
  ['track', { userId: 'u', tenantId: 'b' }, {}, 'bAll uB'],
  ['track', { userId: 'v' }, {}, 'vA'],
  ['track', { userId: 'w' }, {}, ''],
  ['track', { tenantId: 'a' }, {}, 'aAll uA uAAll vA sA'],
  ['track', { tenantId: 'c' }, {}, ''],
  ['track', { sessionId: 's' }, {}, 'all aAll bAll uAAll sA'],
  ['track', { sessionId: 's', tenantId: 'a' }, {}, 'aAll uA uAAll vA sA'],
  ['track', { sessionId: 's', tenantId: 'b' }, {}, 'bAll uB'],
  ['track', { userId: 'v', sessionId: 's' }, {}, 'all aAll bAll uAAll vA sA'],
  ['track', { userId: 'v', sessionId: 's', tenantId: 'a' }, {}, 'aAll uAAll vA sA'],
  ['track', { userId: 'v', sessionId: 's', tenantId: 'b' }, {}, 'bAll'],
  ['track', { userId: 'u', sessionId: 's', tenantId: 'a' }, {}, 'aAll uA uAAll sA'],
];

function send(tools, [method, target, more], data) {
  if (method === 'track') tools.track('e', data, target);
  else tools.sseManager[method](target, { type: 'e', data, ...more });
}

/** The numbers of the rows that name a connection. */
const rowsOf = (name) => ROWS.flatMap(([, , , names], i) => (names.split(' ').includes(name) ? [i] : []));

const show = (i) => `${ROWS[i]?.slice(0, 3).map((part) => JSON.stringify(part)).join(' ')}`;

/** @param {import('./helpers/client').Client} client whose last event is the end */
function assertGot(name, client) {
  const got = client.published.map(({ data }) => JSON.parse(data).data);
  assert.equal(got.pop(), 'end');
  const expected = rowsOf(name);
  const [missing, extra] = [expected.filter((i) => !got.includes(i)), got.filter((i) => !expected.includes(i))];
  assert.deepEqual({ missing: missing.map(show), extra: extra.map(show) }, { missing: [], extra: [] }, name);
  assert.deepEqual(got, expected, `${name}: twice, or out of order`);
}

for (const transport of TRANSPORTS) {
  describe(`isolation (${transport})`, () => {
    let tools;
    let app;

    beforeEach(async () => {
      tools = new AuthTools(new AuthEventBus(), { sse: true, sseOptions: { transport, frames: 'named' } });
      app = await startApp(tools.sseManager, (req, res) => tools.sseManager.addConnection(res, ...subscriptionOf(req.url)));
    });

    const open = (name, headers) => {
      const { topics = [], ...who } = CONNECTIONS[name];
      return app.open({ topics: [...topics, 'custom:end'], ...who, headers });
    };

    const sendAll = () => {
      ROWS.forEach((row, i) => send(tools, row, i));
      send(tools, ['broadcast', 'custom:end', {}], 'end');
    };

    /** Waits for the end of each, which comes after everything else. */
    const assertAllGot = async (clients) => {
      for (const [name, client] of clients) {
        await client.until(({ published }) => published.some(({ data }) => data.includes('"end"')));
        assertGot(name, client);
      }
    };

    it('of what is sent, each connection gets what its row says, once', async () => {
      const clients = await Promise.all(Object.keys(CONNECTIONS).map(async (name) => [name, await open(name)]));
      assert.equal(app.manager.stats().clients[transport], clients.length);
      sendAll();
      await assertAllGot(clients);
    });

    it('of what it missed, each connection gets what its row says, once', async () => {
      const { hello } = await open('none');
      sendAll();
      for (const name of Object.keys(CONNECTIONS)) {
        const client = await open(name, { 'Last-Event-ID': hello.id });
        assert.equal(client.hello.recovered, true, name);
        await assertAllGot([[name, client]]);
      }
    });

    it('of what it missed in part, each connection gets the rest alone', async () => {
      const half = Math.floor(ROWS.length / 2);
      const clients = await Promise.all(Object.keys(CONNECTIONS).map(async (name) => [name, await open(name)]));
      ROWS.slice(0, half).forEach((row, i) => send(tools, row, i));
      send(tools, ['broadcast', 'custom:end', {}], 'half');
      for (const [, client] of clients) {
        await client.until(({ published }) => published.some(({ data }) => data.includes('"half"')));
        client.close();
      }
      await app.hasConnections(0);
      ROWS.slice(half).forEach((row, i) => send(tools, row, half + i));
      send(tools, ['broadcast', 'custom:end', {}], 'end');
      for (const [name, before] of clients) {
        const after = await open(name, { 'Last-Event-ID': before.parser.lastEventId });
        await after.until(({ published }) => published.some(({ data }) => data.includes('"end"')));
        const got = [before, after].flatMap(({ published }) => published.map(({ data }) => JSON.parse(data).data));
        assert.deepEqual(got.filter(Number.isInteger), rowsOf(name), name);
        assert.deepEqual(got.filter((data) => !Number.isInteger(data)), ['half', 'end'], name);
      }
    });
  });
}

it('the table of isolation names no connection that there is not', () => {
  const named = ROWS.flatMap(([, , , names]) => names.split(' ')).filter((name) => name !== '');
  for (const name of named) assert.ok(Object.hasOwn(CONNECTIONS, name), name);
});
