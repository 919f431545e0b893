'use strict';

// scenarios.js - what every client that was written by others must see of a server of ours, over both
// transports. A driver runs one kind of client:
//
//   name, and what the client does not do: reconnects: false, tellsStatus: false, or half events that
//   it takes for whole ones: survivesHalfEvents: false
//   start(), stop()   of what it needs itself, a browser for example; optional
//   use               middleware for the server; optional
//   open(url, token)  a client: { look(), resume(), close() }. `look` answers { seen, isOver, status, faults }:
//                     every event so far as { type, data, lastEventId }, and END between two connections;
//                     whether the client has given up; with which HTTP status; what should not have happened.
//                     `resume` connects anew where the client does not do so itself.

const assert = require('node:assert/strict');
const net = require('node:net');

const { waitFor } = require('../helpers/wait');

const TRANSPORTS = ['socket', 'stream'];
/** Marks the end of a connection among the events. */
const END = 'end of the connection';
/** The types that are published; a client must name those that it listens to. */
const TYPES = ['message', 'update', 'order.shipped'];
const OWN_TYPES = ['connected', 'closing'];
/** Milliseconds until a client comes back; the server tells them. */
const RETRY = 10;

const VALUES = [{ text: 'grüße\nin two lines', n: 1 }, 'a string', [1, 2, 3], 0, false, null, '', '\u2028 😀 "quoted"', 'x'.repeat(200_000)];

/** A TCP proxy that sees what the server sends, and can cut. */
class Tap {
  constructor(port) {
    this.text = '';
    this._left = Infinity;
    this._sockets = new Set();
    this._server = net.createServer((down) => {
      const up = net.connect(port, '127.0.0.1');
      const cut = () => [down, up].forEach((socket) => socket.destroy());
      for (const socket of [down, up]) {
        this._sockets.add(socket);
        socket.on('error', cut);
        socket.on('close', cut);
      }
      down.pipe(up);
      up.on('data', (bytes) => {
        const passed = bytes.subarray(0, this._left);
        this._left -= passed.length;
        this.text += passed.toString('latin1');
        down.write(passed);
        if (this._left === 0) down.end(cut);
      });
      // Without `end` the close of the socket would outrun what is still to be written.
      up.on('end', () => down.end());
    });
  }

  get heartbeats() {
    return this.text.match(/^: heartbeat$/gm)?.length ?? 0;
  }

  async listen() {
    await new Promise((resolve) => {
      this._server.listen(0, '127.0.0.1', resolve);
    });
    this.port = this._server.address().port;
    return this;
  }

  /** Lets so many more bytes of the server through, then cuts every connection. */
  cutAfter(bytes) {
    this._left = bytes;
  }

  cut() {
    for (const socket of this._sockets) socket.destroy();
    this._sockets.clear();
  }

  /** Lets everything through again. */
  mend() {
    this._left = Infinity;
  }

  close() {
    this.cut();
    return new Promise((resolve) => {
      this._server.close(resolve);
    });
  }
}

/** A client under test, with what a test asks of it. */
class Subject {
  constructor(client) {
    this._client = client;
  }

  look() {
    return this._client.look();
  }

  /** Waits until `condition(look())` answers something truthy. */
  until(condition) {
    let last;
    return waitFor(async () => {
      last = await this._client.look();
      return condition(last);
    }, () => `${condition}, but: ${JSON.stringify(last).slice(0, 2000)}`);
  }

  /** The data of the `connected` event number `count`. */
  async connected(count = 1) {
    const all = await this.until(({ seen }) => {
      const found = seen.filter(({ type }) => type === 'connected');
      return found.length >= count && found;
    });
    return all[count - 1].data;
  }

  /** Waits until so many published events have come and answers all that have. */
  published(count) {
    return this.until(({ seen }) => {
      const found = seen.filter(({ type }) => TYPES.includes(type));
      return found.length >= count && found;
    });
  }

  async resume() {
    await this._client.resume?.();
  }

  close() {
    return this._client.close();
  }
}

const endsOf = ({ seen }) => seen.filter(({ type }) => type === END).length;
const idsOf = (events) => events.map(({ lastEventId }) => Number(lastEventId));

/**
 * The suite.
 * @param {object} driver
 */
function describeClient(driver) {
  for (const transport of TRANSPORTS) {
    describe(`${driver.name} (${transport})`, function suite() {
      this.timeout(60_000);
      let helpers;
      let subjects = [];
      let taps = [];

      before(async () => {
        await driver.start?.();
        // Only now: it takes the sockets and pipes that are open by then, a browser's, for given.
        helpers = require('../helpers/app');
      });

      after(() => driver.stop?.());

      afterEach(async () => {
        const ended = [...subjects, ...taps];
        subjects = [];
        taps = [];
        for (const one of ended) await one.close();
        await helpers.cleanUp();
      });

      const start = (options) => helpers.startServer({ transport, retry: RETRY, ...options }, { use: driver.use ?? [] });

      async function tapOf(app) {
        const tap = await new Tap(app.address.port).listen();
        taps.push(tap);
        return tap;
      }

      async function open(app, token, { channels = ['a'], port = app.address.port } = {}) {
        const search = new URLSearchParams(channels.map((name) => ['channel', name]));
        const subject = new Subject(await driver.open(`http://127.0.0.1:${port}/sse?${search}`, token));
        subjects.push(subject);
        return subject;
      }

      it('gets named events with their data and ids, in order', async () => {
        const app = await start();
        const client = await open(app, 'alice', { channels: ['a', 'b'] });
        const { clientId, ...hello } = await client.connected();
        assert.ok(app.sse.clients.has(clientId));
        assert.deepEqual(hello, { userId: 'alice', channels: ['a', 'b'], recovered: true, lastEventId: null });
        const expected = [];
        for (const [i, data] of VALUES.entries()) {
          const type = TYPES[i % TYPES.length];
          const channel = ['a', 'b', null][Math.floor(i / TYPES.length) % 3];
          const event = { type, data };
          const id = await (channel === null ? app.sse.publishToUser('alice', event) : app.sse.publish(channel, event));
          await app.sse.publish('elsewhere', event);
          expected.push({ ...event, lastEventId: String(id) });
        }
        assert.deepEqual(await client.published(expected.length), expected);
      });

      it('loses and doubles nothing when the server ends its connection', async () => {
        const app = await start();
        const client = await open(app, 'alice');
        const ids = [];
        // In the first round nothing has been seen: the cursor is the one that `connected` carried.
        let cursor = app.sse.cursor();
        for (let round = 1; round <= 3; round++) {
          const { clientId } = await client.connected(round);
          assert.equal(app.sse.disconnect(clientId), true);
          for (let i = 0; i < 3; i++) ids.push(await app.sse.publish('a', { type: 'update', data: { round, i } }));
          ids.push(await app.sse.publishToUser('alice', { type: 'message', data: round }));
          await client.resume();
          const { recovered, lastEventId } = await client.connected(round + 1);
          assert.deepEqual({ recovered, lastEventId }, { recovered: true, lastEventId: cursor });
          ids.push(await app.sse.publish('a', { type: 'order.shipped', data: 'live' }));
          cursor = ids.at(-1);
          assert.deepEqual(idsOf(await client.published(ids.length)), ids);
        }
        const look = await client.look();
        assert.equal(endsOf(look), 3);
        assert.deepEqual(look.faults ?? [], []);
      });

      it('loses and doubles nothing when the network cuts it off', async () => {
        const app = await start();
        const tap = await tapOf(app);
        const client = await open(app, 'alice', { port: tap.port });
        const ids = [];
        for (let round = 1; round <= 3; round++) {
          await client.connected(round);
          ids.push(await app.sse.publish('a', { type: 'update', data: 'before' }));
          await client.published(ids.length);
          const ends = endsOf(await client.look());
          if (driver.survivesHalfEvents !== false) tap.cutAfter(40); // `id`, and half of the next line
          else tap.cut();
          for (let i = 0; i < 3; i++) ids.push(await app.sse.publish('a', { type: 'update', data: { round, i } }));
          await client.until((look) => endsOf(look) > ends);
          tap.mend();
          await client.resume();
          assert.equal((await client.connected(round + 1)).recovered, true);
          assert.deepEqual(idsOf(await client.published(ids.length)), ids);
        }
      });

      it('sees `closing` before the end when the server stops', async () => {
        const app = await start();
        const client = await open(app, 'alice');
        await client.connected();
        await app.sse.publish('a', { type: 'update', data: 'last' });
        await app.sse.stop();
        const { seen, faults } = await client.until((look) => look.seen.some(({ type }) => type === END) && look);
        const types = seen.map(({ type }) => type);
        assert.deepEqual(types.slice(0, 4), ['connected', 'update', 'closing', END]);
        assert.deepEqual(seen[2].data, { reason: 'shutdown', reconnect: true });
        assert.equal(seen[3].error, undefined);
        assert.deepEqual(faults ?? [], []);
        if (driver.reconnects === false) return;
        // It comes back, as it was told, and finds a server that says 503: that is the end.
        const { status } = await client.until((look) => look.isOver && look);
        if (driver.tellsStatus !== false) assert.equal(status, 503);
      });

      it('is over for good after a 401', async () => {
        let isValid = true;
        let refusals = 0;
        const authenticateSubscriber = (token) => {
          if (token === 'carol' || (token === 'alice' && isValid)) return { sub: token };
          refusals += 1;
          throw Object.assign(new Error('no'), { status: 401 });
        };
        const app = await start({ hooks: { authenticateSubscriber } });
        const expectRefusal = async (client, count) => {
          const { status } = await client.until((look) => look.isOver && look);
          if (driver.tellsStatus !== false) assert.equal(status, 401);
          assert.equal(refusals, count);
        };
        const refused = await open(app, 'mallory');
        await expectRefusal(refused, 1);
        assert.deepEqual((await refused.look()).seen.filter(({ type }) => type !== END), []);

        // A token that expires while it is away.
        const expired = await open(app, 'alice');
        const { clientId } = await expired.connected();
        isValid = false;
        app.sse.disconnect(clientId);
        await expired.resume();
        await expectRefusal(expired, 2);

        // Another one comes back meanwhile, as often as it takes.
        const other = await open(app, 'carol');
        for (let round = 1; round <= 3; round++) {
          app.sse.disconnect((await other.connected(round)).clientId);
          await other.resume();
        }
        await other.connected(4);
        assert.equal(refusals, 2);
        assert.equal(app.sse.clients.size, 1);
      });

      it('gets the events of its user, like every other client of that user', async () => {
        const app = await start();
        const [one, two] = [await open(app, 'alice'), await open(app, 'alice')];
        const other = await open(app, 'bob');
        for (const client of [one, two, other]) await client.connected();
        const ids = [];
        for (let i = 0; i < 5; i++) ids.push(await app.sse.publishToUser('alice', { type: 'update', data: i }));
        ids.push(await app.sse.publish('a', { type: 'update', data: 'everybody' }));
        for (const client of [one, two]) assert.deepEqual(idsOf(await client.published(6)), ids);
        assert.deepEqual(idsOf(await other.published(1)), [ids[5]]);
      });

      it('takes no heartbeat for a message', async () => {
        const app = await start({ heartbeatInterval: 10 });
        const tap = await tapOf(app);
        const client = await open(app, 'alice', { port: tap.port });
        await client.connected();
        for (let round = 1; round <= 2; round++) {
          const before = tap.heartbeats;
          await waitFor(() => tap.heartbeats >= before + 5, '5 heartbeats');
          await app.sse.publish('a', { type: 'message', data: round });
          await client.published(round);
        }
        const { seen } = await client.look();
        assert.deepEqual(seen.map(({ type, data }) => [type, type === 'message' ? data : undefined]), [
          ['connected', undefined], ['message', 1], ['message', 2],
        ]);
      });
    });
  }
}

module.exports = { describeClient, END, TYPES, OWN_TYPES };
