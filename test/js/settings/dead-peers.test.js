'use strict';

// dead-peers.test.js - a peer that vanishes says nothing: no FIN, no RST. That it is noticed shows in a network
// that the test cuts; see helpers/netns.js. What a peer says when it goes politely is here too.

const assert = require('node:assert/strict');
const http = require('node:http');
const path = require('node:path');

const { TRANSPORTS, startServer, cleanUp } = require('../helpers/app');
const { turn, waitFor } = require('../helpers/wait');
const { Network, problemOfNetworks, run } = require('./helpers/netns');
const { Remote } = require('./helpers/remote');

const SERVER = path.join(__dirname, 'helpers/remote-server.js');
const CLIENTS = path.join(__dirname, 'helpers/remote-clients.js');

/** What a connection may be: how its server is made (helpers/secure.js, else Express), and its transport. */
const CONNECTIONS = {
  socket: { transport: 'socket' },
  stream: { transport: 'stream' },
  'stream over HTTPS': { setting: 'HTTPS, Express', transport: 'stream' },
  'stream over HTTP/2': { setting: 'HTTP/2 over TLS, handler', transport: 'stream' },
};

const CUT_OFF = "the link goes down on the client's side";

/** How a peer may vanish. */
const VANISHINGS = {
  [CUT_OFF]: (network) => network.cut('client'),
  "the link goes down on the server's side": (network) => network.cut('server'),
  'its answers get lost': (network) => network.silence(),
};

const EVENT = 100_000;
/** What the kernel does not take for one client. */
const TOO_MANY = 120;

describe('settings: dead peers, in a network that is cut', function suite() {
  this.timeout(40_000);

  let network;
  let server;
  let clients;
  let target;

  before(function check() {
    if (problemOfNetworks() !== null) this.skip();
  });

  afterEach(async () => {
    await Promise.all([server?.kill(), clients?.kill()]);
    network?.remove();
    server = clients = network = undefined;
  });

  async function start({ setting, transport }, options) {
    network = new Network();
    server = new Remote(SERVER, network.prefix('server'));
    clients = new Remote(CLIENTS, network.prefix('client'));
    const host = network.hosts.server;
    const all = { transport, heartbeatInterval: 0, maxQueuedBytes: 2 ** 30, ...options };
    const { port } = await server.call('start', { setting, host, options: all });
    target = { host, port, setting };
  }

  const open = (user) => clients.call('open', user, target);

  /** Waits for the ends of `count` clients: { user: reason }. */
  async function endings(count) {
    let ends;
    await waitFor(async () => {
      ends = await server.call('endings');
      return ends.length >= count;
    }, () => `${count} ends; got ${JSON.stringify(ends)}`);
    assert.equal(ends.length, count, 'each end is told once');
    return Object.fromEntries(ends.map(({ userId, reason }) => [userId, reason]));
  }

  async function vanish(connection, how) {
    await start(connection, { peerTimeout: 1000 });
    for (const user of ['idle', 'unacknowledged', 'full']) await open(user);
    await clients.call('pause', 'full');
    await server.call('publish', 'full', { bytes: EVENT, count: TOO_MANY });
    how(network);
    await server.call('publish', 'unacknowledged');
    assert.deepEqual(await endings(3), { idle: 'timeout', unacknowledged: 'timeout', full: 'timeout' });
    assert.equal(await server.call('clients'), 0);
    assert.equal((await server.call('closed')).timeout, 3);
  }

  for (const [name, connection] of Object.entries(CONNECTIONS)) {
    describe(`a ${name}`, () => {
      const isSecure = connection.setting !== undefined;
      for (const [when, how] of Object.entries(VANISHINGS)) {
        if (isSecure && how !== VANISHINGS[CUT_OFF]) continue; // to the kernel they are all the same
        it(`ends with \`timeout\` when ${when}: idle, with data under way, with a full queue`, () => vanish(connection, how));
      }

      if (isSecure) return;

      it('stays when its peer answers, although nobody has anything to say', async () => {
        await start(connection, { peerTimeout: 1000 });
        await open('idle');
        await waitFor(() => network.counter('server', 'TCPKeepAlive') >= 4, 'four probes');
        assert.deepEqual(await server.call('endings'), []);
        await server.call('publish', 'idle');
        await waitFor(async () => (await clients.call('events', 'idle')) === 1, 'the event');
      });
    });
  }

  for (const transport of TRANSPORTS) {
    it(`a ${transport} with heartbeats stays, and ends with \`timeout\` when its peer vanishes`, async () => {
      await start({ transport }, { peerTimeout: 1000, heartbeatInterval: 100 });
      await open('alive');
      await waitFor(async () => (await clients.call('heartbeats', 'alive')) >= 20, '20 heartbeats');
      assert.deepEqual(await server.call('endings'), []);
      network.cut('client');
      assert.deepEqual(await endings(1), { alive: 'timeout' });
    });
  }
});

describe('settings: dead peers, as the options of a socket', () => {
  let app;

  before(function check() {
    try {
      run('ss', '-V');
    } catch {
      this.skip();
    }
  });

  afterEach(cleanUp);

  /** The timer that ss shows for the server's end of the one connection: { name, ms }, or null. */
  function timer() {
    const line = run('ss', '-tnoH', 'state', 'established', `sport = :${app.address.port}`);
    const [, name, amount, unit] = /timer:\((\w+),([\d.]+)(ms|sec|min)/.exec(line) ?? [];
    // ss writes 1.234 s as `1.234ms`: both are milliseconds, the dot is between thousands.
    const ms = unit === 'ms' ? Number(amount.replace('.', '')) : Number(amount) * { sec: 1000, min: 60_000 }[unit];
    return name === undefined ? null : { name, ms };
  }

  for (const transport of TRANSPORTS) {
    describe(transport, () => {
      async function open(options, create) {
        app = await startServer({ transport, heartbeatInterval: 0, ...options }, { create });
        const client = await app.open();
        // What was sent is acknowledged: its timer would be shown instead.
        await waitFor(() => timer()?.name !== 'on', 'the acknowledgement');
        return client;
      }

      for (const peerTimeout of [1000, 60_000]) {
        it(`has keep-alive for peerTimeout: ${peerTimeout}`, async () => {
          await open({ peerTimeout });
          await waitFor(() => timer()?.name === 'keepalive', 'the keep-alive timer');
          assert.ok(timer().ms <= peerTimeout, `${timer().ms} ms`);
        });
      }

      it('has keep-alive by default', async () => {
        await open();
        await waitFor(() => timer()?.name === 'keepalive', 'the keep-alive timer');
        assert.ok(timer().ms <= 30_000, `${timer().ms} ms`);
      });

      it('is left as it is with peerTimeout: Infinity', async () => {
        const client = await open({ peerTimeout: Infinity });
        await app.sse.publishToUser('alice', { type: 't', data: 1 });
        await client.data(1);
        await waitFor(() => timer()?.name !== 'on', 'the acknowledgement');
        assert.equal(timer(), null);
      });

      it("keeps the app's own keep-alive with peerTimeout: Infinity", async () => {
        const own = { keepAlive: true, keepAliveInitialDelay: 600_000 };
        await open({ peerTimeout: Infinity }, (sse, handler) => http.createServer(own, handler));
        await waitFor(() => timer()?.name === 'keepalive', 'the keep-alive timer');
        assert.ok(timer().ms > 500_000, `${timer().ms} ms`);
      });
    });
  }
});

describe('settings: peers that say that they go', () => {
  afterEach(cleanUp);

  for (const transport of TRANSPORTS) {
    for (const [how, reason] of [['end', 'client'], ['reset', 'reset']]) {
      for (const state of ['idle', 'with data under way', 'with a full queue']) {
        it(`${transport}: ${how === 'end' ? 'a FIN' : 'a RST'} is \`${reason}\`, once (${state})`, async () => {
          const reasons = [];
          const hooks = { onDisconnect: (client, why) => reasons.push(why) };
          const app = await startServer({ transport, maxQueuedBytes: 2 ** 30, peerTimeout: 60_000, hooks });
          const client = await app.open({ channels: ['a'] });
          if (state === 'with a full queue') client.socket.pause();
          const count = { idle: 0, 'with data under way': 1, 'with a full queue': TOO_MANY }[state];
          const event = { type: 't', data: 'x'.repeat(EVENT) };
          for (let i = 0; i < count; i++) app.sse.publish('a', event);
          client[how]();
          await waitFor(() => reasons.length > 0, 'onDisconnect');
          await app.sse.publish('a', event);
          await turn();
          assert.deepEqual(reasons, [reason]);
          assert.equal(app.sse.stats().closed[reason], 1);
          assert.equal(app.sse.clients.size, 0);
        });
      }
    }
  }
});
