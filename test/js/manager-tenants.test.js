'use strict';

// manager-tenants.test.js - many connections in many tenants: each tenant's event reaches its members, all of them,
// and nobody else.

const assert = require('node:assert/strict');
const net = require('node:net');

const { SseManager } = require('../..');
const { startApp, subscriptionOf, cleanUp, mockResponse } = require('./helpers/manager');
const { waitFor } = require('./helpers/wait');

const TENANTS = 50;
const MEMBERS = 100;
/** Fewer than a listen queue holds: a full one would have peers try again a second later. */
const AT_ONCE = 100;

const nameOf = (i) => `t${i % TENANTS}`;

/** A connection that keeps nothing but what it was sent: 5,000 parsers would be slow. */
function openRaw(port, tenant) {
  const socket = net.connect({ port, host: '127.0.0.1' });
  const connection = { tenant, text: '', socket, isOpen: false };
  socket.setEncoding('latin1').on('data', (text) => {
    connection.text += text;
    connection.isOpen ||= connection.text.includes('event: connected\n');
  });
  socket.on('error', () => {});
  socket.write(`GET /?tenant=${tenant}&topic=global HTTP/1.1\r\nHost: a\r\n\r\n`);
  return connection;
}

async function openMany(port, count) {
  const connections = [];
  while (connections.length < count) {
    const batch = Array.from({ length: AT_ONCE }, (_, i) => openRaw(port, nameOf(connections.length + i)));
    connections.push(...batch);
    await waitFor(() => batch.every(({ isOpen }) => isOpen), `${connections.length} connections`);
  }
  return connections;
}

/** The tenants whose events a text holds, in order. */
const tenantsIn = (text) => [...text.matchAll(/"data":"to (\w+)"/g)].map(([, name]) => name);

function broadcastToAll(manager) {
  for (let i = 0; i < TENANTS; i++) manager.broadcastToTenant(nameOf(i), { type: 't', data: `to ${nameOf(i)}` });
  manager.broadcast('global', { type: 't', data: 'to everybody' });
}

/** @param {{ tenant: string, text: string }[]} connections */
function assertEachGotItsOwn(connections) {
  const reached = new Map();
  for (const { tenant, text } of connections) {
    assert.deepEqual(tenantsIn(text), [tenant, 'everybody']);
    reached.set(tenant, (reached.get(tenant) ?? 0) + 1);
  }
  assert.deepEqual([...reached.values()], Array(TENANTS).fill(MEMBERS));
}

describe(`${TENANTS * MEMBERS} connections in ${TENANTS} tenants`, function suite() {
  this.timeout(60_000);

  afterEach(cleanUp);

  it('as sockets: each of a tenant gets its event once', async () => {
    const manager = new SseManager({ frames: 'named' });
    const app = await startApp(manager, (req, res) => manager.addConnection(res, ...subscriptionOf(req.url)));
    const connections = await openMany(app.port, TENANTS * MEMBERS);
    assert.deepEqual(manager.stats().clients, { socket: TENANTS * MEMBERS, stream: 0 });
    broadcastToAll(manager);
    await waitFor(() => connections.every(({ text }) => text.includes('"to everybody"')), 'the last event to reach all');
    assertEachGotItsOwn(connections);
    assert.equal(manager.stats().events.published, TENANTS + 1);
    assert.equal(manager.stats().events.delivered, 2 * TENANTS * MEMBERS);
    for (const { socket } of connections) socket.destroy();
    await app.hasConnections(0);
  });

  it('as responses: written to those of the tenant alone, before broadcastToTenant returns', async () => {
    const manager = new SseManager({ frames: 'named' });
    let writes = 0;
    const connections = Array.from({ length: TENANTS * MEMBERS }, (_, i) => {
      const connection = { tenant: nameOf(i), text: '' };
      const { res } = mockResponse({ write(chunk) {
        writes += 1;
        connection.text += chunk;
        return true;
      } });
      manager.addConnection(res, ['global'], { tenantId: nameOf(i) });
      return connection;
    });
    for (let i = 0; i < TENANTS; i++) {
      writes = 0;
      manager.broadcastToTenant(nameOf(i), { type: 't', data: `to ${nameOf(i)}` });
      assert.equal(writes, MEMBERS);
    }
    manager.broadcast('global', { type: 't', data: 'to everybody' });
    assertEachGotItsOwn(connections);
    await manager.stop();
    assert.equal(manager.connectionCount, 0);
  });
});
