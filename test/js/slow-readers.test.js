'use strict';

// slow-readers.test.js - who is closed as a slow reader, who is not, and what it costs the others. The server is
// in a process of its own: what it costs is measured there, and its event loop is not that of the readers.
//
// The kernel takes megabytes for a peer that does not read, so that less than 10 MB of a publish shows nothing.

const assert = require('node:assert/strict');
const net = require('node:net');
const path = require('node:path');

const { TRANSPORTS, startServer, cleanUp, adopt } = require('./helpers/app');
const { connect, requestText } = require('./helpers/client');
const { turn, waitFor } = require('./helpers/wait');
const { Remote } = require('./settings/helpers/remote');
const { SETTINGS, peerOf } = require('./settings/helpers/secure');

const SERVER = path.join(__dirname, 'settings/helpers/remote-server.js');
const MIB = 2 ** 20;
const EVENT = 100_000;

const requestOf = (channel, user) => ({ path: `/sse?channel=${channel}`, headers: { Authorization: `Bearer ${user}` } });

const MARK = '\nevent: burst\n';
const ID_DIGITS = 16; // of microseconds since 1970
/** More than what is looked for at once. */
const ROOM = 64;
/** What was read last by any of them, behind `ROOM` for what came before it on the same connection. */
const scratch = Buffer.alloc(ROOM + 64 * 1024);

/** Reads a stream and keeps the ids of its events, at as little cost as may be: the readers must not be the slow ones. */
class Counter {
  constructor(port, channel, user) {
    this.ids = [];
    this.bytes = 0;
    this.isOpen = false;
    this.isClosed = false;
    this._before = Buffer.alloc(0);
    this._pause = 0;
    const onread = { buffer: scratch.subarray(ROOM), callback: (length) => this._onData(length) };
    this.socket = net.connect({ port, host: '127.0.0.1', onread });
    this.socket.write(requestText(requestOf(channel, user)));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  _onData(length) {
    this._before.copy(scratch, ROOM - this._before.length);
    const text = scratch.subarray(ROOM - this._before.length, ROOM + length);
    this.isOpen ||= text.includes('event: connected\n');
    // A mark that ends in what came before was seen then.
    let at = text.indexOf(MARK, Math.max(0, this._before.length - MARK.length + 1));
    for (; at !== -1; at = text.indexOf(MARK, at + MARK.length)) this.ids.push(Number(text.latin1Slice(at - ID_DIGITS, at)));
    this._before = Buffer.from(text.subarray(-ROOM));
    this.bytes += length;
    if (this._pause === 0) return true;
    this._timer = setTimeout(() => this.socket.resume(), this._pause);
    return false;
  }

  /** From now on at most 64 KiB are taken every `ms`. */
  slowDown(ms) {
    this._pause = ms;
  }

  speedUp() {
    this._pause = 0;
  }

  close() {
    clearTimeout(this._timer);
    this.socket.destroy();
  }
}

for (const transport of TRANSPORTS) {
  describe(`slow readers (${transport})`, function suite() {
    this.timeout(40_000);

    let server;
    let port;

    afterEach(async () => {
      await server?.kill();
      server = undefined;
      await cleanUp();
    });

    async function start(options = {}) {
      server = new Remote(SERVER);
      ({ port } = await server.call('start', { options: { transport, heartbeatInterval: 0, ...options } }));
    }

    /** A client that sees all that comes. */
    async function open(channel, user, headers = {}) {
      const request = requestOf(channel, user);
      const client = adopt(connect({ port, ...request, headers: { ...request.headers, ...headers } }));
      client.hello = await client.connected();
      return client;
    }

    async function count(channel, user) {
      const counter = adopt(new Counter(port, channel, user));
      await waitFor(() => counter.isOpen, 'connected');
      return counter;
    }

    const countAll = (channel, n) => Promise.all(Array.from({ length: n }, (_, i) => count(channel, `reader-${i}`)));
    const endings = () => server.call('endings');
    const publish = (channel, events, more) => server.call('publish', channel, { bytes: EVENT, count: events, ...more });

    const haveAll = (counters, events) => waitFor(
      () => counters.every(({ ids, isClosed }) => isClosed || ids.length >= events),
      () => `${events} events; got ${counters.map(({ ids }) => ids.length)}`,
    );

    /** Waits until a client has ended. */
    async function ends(userId) {
      await waitFor(async () => (await endings()).some((end) => end.userId === userId), `the end of ${userId}`);
      return (await endings()).filter((end) => end.userId === userId).map(({ reason }) => reason);
    }

    for (const [what, blockMs] of [['a burst', 0], ['a burst and an event loop that is blocked for 2.5 s', 2500]]) {
      it(`${what}: nobody is closed, and everybody has all of it`, async () => {
        await start();
        const counters = await countAll('a', 50);
        const published = await publish('a', 100, { blockMs });
        await haveAll(counters, 100);
        assert.deepEqual(await endings(), []);
        for (const { ids, isClosed } of counters) assert.deepEqual([ids, isClosed], [published, false]);
      });
    }

    describe('one that never reads', () => {
      const READERS = 100;
      /** More than may be left of them: 40 MB. */
      const CHUNKS = 40;
      const PER_CHUNK = 10;
      /** At most 16 times this waits for one client. */
      const maxQueuedBytes = MIB / 4;

      /**
       * The growth of the server's memory over 40 MB to each of 100 readers, a chunk a heartbeat: what waits for the
       * slow one until it is looked at again is as much as is published in that time, however fast the machine is.
       */
      async function growth(hasSlow) {
        await start({ maxQueuedBytes, history: { size: 10 }, heartbeatInterval: 50 });
        const pace = await open('pace', 'pace');
        const counters = await countAll('a', READERS);
        const sockets = await server.call('sockets');
        const slow = hasSlow && (await open('a', 'slow'));
        if (slow) slow.socket.pause();
        const before = await server.call('rss');
        const published = [];
        for (let i = 1; i <= CHUNKS; i++) {
          published.push(...(await publish('a', PER_CHUNK)));
          await haveAll(counters, i * PER_CHUNK);
          const { heartbeats } = pace;
          await pace.until(() => pace.heartbeats > heartbeats);
        }
        if (slow) assert.deepEqual(await ends('slow'), ['slow_reader']);
        await waitFor(async () => (await server.call('sockets')) === sockets, 'its socket to be closed');
        const after = await server.call('rss');
        const { slow_reader: closed } = await server.call('closed');
        assert.equal(closed, hasSlow ? 1 : 0);
        assert.equal((await endings()).length, closed);
        for (const { ids, isClosed } of counters) assert.deepEqual([ids, isClosed], [published, false]);
        await server.kill();
        return after - before;
      }

      it('is closed, the others have everything, and the memory of the server is that without it', async () => {
        const withIt = await growth(true);
        const without = await growth(false);
        assert.ok(withIt - without < 20 * MIB, `${withIt} bytes with it, ${without} without`);
      });

      it('is gone soon after disconnect()', async () => {
        await start({ maxQueuedBytes: 2 ** 30 });
        const before = await server.call('sockets');
        const slow = await open('a', 'slow');
        slow.socket.pause();
        await publish('a', 150);
        assert.equal(await server.call('disconnect', slow.hello.clientId), true);
        assert.deepEqual(await ends('slow'), ['server']);
        assert.equal(await server.call('clients'), 0);
        await waitFor(async () => (await server.call('sockets')) === before, 'the socket to be closed');
      });

      it('is not closed while no more than maxQueuedBytes wait for it', async () => {
        await start({ maxQueuedBytes: 64 * MIB, heartbeatInterval: 100 });
        const slow = await open('a', 'slow');
        const other = await open('b', 'other');
        slow.socket.pause();
        await publish('a', 150);
        await other.until(() => other.heartbeats >= 20);
        assert.deepEqual(await endings(), []);
        slow.socket.resume();
        await slow.until(() => slow.published.length === 150);
        assert.deepEqual(await endings(), []);
      });
    });

    describe('one that reads slowly but steadily', () => {
      it('is not closed while less than 16 times maxQueuedBytes waits for it', async () => {
        await start({ maxQueuedBytes: MIB });
        const slow = await count('a', 'slow');
        slow.slowDown(100);
        const published = await publish('a', 140);
        // Less in a second than the kernel wants to be rid of before it takes more.
        await waitFor(() => slow.isClosed || slow.bytes > 2_000_000, () => `2 MB; got ${slow.bytes}`);
        assert.deepEqual(await endings(), []);
        slow.speedUp();
        await haveAll([slow], published.length);
        assert.deepEqual(slow.ids, published);
        assert.deepEqual(await endings(), []);
      });

      it('is closed when more than 16 times maxQueuedBytes waits for it', async () => {
        await start({ maxQueuedBytes: MIB });
        const slow = await count('a', 'slow');
        slow.slowDown(20);
        await publish('a', 400);
        assert.deepEqual(await ends('slow'), ['slow_reader']);
      });
    });

    it('a replay that is longer than 16 times maxQueuedBytes comes whole', async () => {
      await start({ maxQueuedBytes: MIB / 4, history: { maxBytes: 64 * MIB } });
      const published = await publish('a', 100);
      const late = await open('a', 'late', { 'Last-Event-ID': String(published[0]) });
      await late.until(() => late.published.length === 99);
      assert.deepEqual(late.published.map(({ id }) => Number(id)), published.slice(1));
      assert.deepEqual(await endings(), []);
    });

    describe('one that was closed and comes back with Last-Event-ID', () => {
      for (const [size, recovered] of [[200, true], [100, false]]) {
        it(`has every event of its ring, and recovered: ${recovered}`, async () => {
          await start({ history: { size, maxBytes: 64 * MIB } });
          const slow = await open('a', 'slow');
          const [first] = await publish('a', 1);
          await slow.data(1);
          slow.socket.pause();
          const missed = await publish('a', 140);
          assert.deepEqual(await ends('slow'), ['slow_reader']);
          missed.push(...(await publish('a', 2)));
          const expected = missed.slice(-size);
          const again = await open('a', 'again', { 'Last-Event-ID': String(first) });
          assert.equal(again.hello.recovered, recovered);
          await again.until(() => again.published.length >= expected.length);
          assert.deepEqual(again.published.map(({ id }) => Number(id)), expected);
          const ids = await publish('a', 1);
          await again.until(() => again.published.length > expected.length);
          assert.equal(Number(again.published.at(-1).id), ids[0]);
        });
      }
    });
  });
}

for (const name of ['HTTPS, Express', 'HTTP/2 over TLS, router', 'cleartext HTTP/2, handler']) {
  const setting = SETTINGS[name];
  describe(`slow readers: ${name}`, () => {
    afterEach(cleanUp);

    it('one that never reads is closed, and the others have everything', async () => {
      const endings = [];
      const hooks = { onDisconnect: ({ userId }, reason) => endings.push([userId, reason]) };
      const app = await startServer({ hooks, maxQueuedBytes: MIB / 4 }, { create: setting.create });
      const peer = peerOf(setting, app.address);
      const slow = await peer.send({ channels: ['a'], token: 'slow' });
      await slow.reader.connected();
      // Of HTTP/2 the others may be on the same connection.
      const others = await Promise.all(['b', 'c'].map((token) => peer.send({ channels: ['a'], token })));
      for (const { reader } of others) await reader.connected();
      slow.reader.pause();
      const event = { type: 't', data: 'x'.repeat(EVENT) };
      for (let i = 1; i <= 8; i++) {
        for (let k = 0; k < 10; k++) app.sse.publish('a', event);
        await waitFor(() => others.every(({ reader }) => reader.published.length === i * 10), 'the others to have it');
      }
      await waitFor(() => endings.length > 0, 'the end of the slow one');
      await turn();
      assert.deepEqual(endings, [['slow', 'slow_reader']]);
      assert.equal(app.sse.stats().closed.slow_reader, 1);
      assert.equal(app.sse.clients.size, 2);
    });
  });
}
