'use strict';

// replay.test.js - Last-Event-ID: what is replayed, what `connected` says about it, and that a client that
// is cut off again and again misses nothing and sees nothing twice; over both transports.

const assert = require('node:assert/strict');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { gate, turn, waitFor } = require('./helpers/wait');

/** Publishes the numbers from 1 to `count` and answers their ids, index 0 being unused. */
async function publishMany(app, channel, count) {
  const ids = [0];
  for (let i = 1; i <= count; i++) ids.push(await app.sse.publish(channel, { type: 't', data: i }));
  return ids;
}

const resume = (id) => ({ headers: { 'Last-Event-ID': String(id) } });

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A small generator of numbers from 0 to 1 whose sequence the seed fixes (mulberry32). */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * A browser's EventSource, reduced to what counts here: it comes back with the last id it saw.
 * `cutAfter` says after how many further events the connection is cut.
 */
class Returning {
  constructor(app, what, cutAfter) {
    Object.assign(this, { app, what, cutAfter, seen: [], hellos: [], lastEventId: '', isOver: false });
  }

  async run(isDone) {
    while (!isDone(this)) await this._connect(isDone);
  }

  async _connect(isDone) {
    const headers = this.lastEventId === '' ? {} : { 'Last-Event-ID': this.lastEventId };
    const client = this.app.send({ ...this.what, headers });
    const limit = this.cutAfter();
    let taken = 0;
    await client.until(() => {
      const { events } = client;
      while (taken < events.length && taken < limit && !isDone(this)) this._take(events[taken++]);
      return taken >= limit || isDone(this);
    });
    if (limit % 2 === 0) client.reset();
    else client.close();
  }

  _take(event) {
    // A browser's last event id outlives the connection: a block without one does not change it.
    if (event.id !== undefined) this.lastEventId = event.id;
    if (event.type === 'connected') this.hellos.push(JSON.parse(event.data));
    else this.seen.push(event);
  }
}

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`replay (${transport})`, () => {
    it('sends everything with a greater id right after `connected`', async () => {
      const app = await startServer({ transport });
      const ids = await publishMany(app, 'a', 10);
      const client = await app.open({ channels: ['a'], ...resume(ids[4]) });
      assert.deepEqual(await client.data(6), numbers(5, 10));
      assert.deepEqual(client.events.map(({ id }) => id), [undefined, ...ids.slice(5).map(String)]);
      assert.equal(client.hello.recovered, true);
      assert.equal(client.hello.lastEventId, ids[4]);
    });

    it('replays nothing without Last-Event-ID', async () => {
      const app = await startServer({ transport });
      await publishMany(app, 'a', 5);
      const client = await app.open({ channels: ['a'] });
      await app.sse.publish('a', { type: 't', data: 'live' });
      assert.deepEqual(await client.data(1), ['live']);
      assert.equal(client.hello.recovered, true);
      assert.equal(client.hello.lastEventId, null);
    });

    it('goes live after the replay without a seam', async () => {
      const app = await startServer({ transport });
      const ids = await publishMany(app, 'a', 3);
      const client = await app.open({ channels: ['a'], ...resume(ids[1]) });
      await app.sse.publish('a', { type: 't', data: 'live' });
      assert.deepEqual(await client.data(3), [2, 3, 'live']);
    });

    it('merges channels and user events by id', async () => {
      const app = await startServer({ transport });
      const start = await app.sse.publish('a', { type: 't', data: 0 });
      const ids = [];
      for (let i = 1; i <= 60; i++) {
        const event = { type: 't', data: i };
        if (i % 3 === 0) ids.push(await app.sse.publishToUser('alice', event));
        else ids.push(await app.sse.publish(i % 2 ? 'a' : 'b', event));
        await app.sse.publish('c', { type: 't', data: 'not asked for' });
      }
      const client = await app.open({ channels: ['b', 'a'], ...resume(start) });
      assert.deepEqual(await client.data(60), numbers(1, 60));
      assert.deepEqual(client.published.map(({ id }) => Number(id)), ids);
    });

    it('replays events of the user alone', async () => {
      const app = await startServer({ transport });
      const first = await app.sse.publishToUser('alice', { type: 't', data: 1 });
      await app.sse.publishToUser('bob', { type: 't', data: 'his' });
      await app.sse.publish('alice', { type: 't', data: 'a channel\'s' });
      await app.sse.publishToUser('alice', { type: 't', data: 2 });
      const client = await app.open({ token: 'alice', ...resume(first) });
      await app.sse.publishToUser('alice', { type: 't', data: 'live' });
      assert.deepEqual(await client.data(2), [2, 'live']);
    });

    it('replays to many subscribers the same', async () => {
      const app = await startServer({ transport });
      const ids = await publishMany(app, 'a', 20);
      const all = await Promise.all(numbers(1, 20).map((i) => app.open({ channels: ['a'], ...resume(ids[i]) })));
      for (const [i, client] of all.entries()) assert.deepEqual(await client.data(19 - i), numbers(i + 2, 20));
    });

    it('keeps exactly the last 100 events of a channel', async () => {
      const app = await startServer({ transport });
      const ids = await publishMany(app, 'a', 101);
      const whole = await app.open({ channels: ['a'], ...resume(ids[1]) });
      assert.deepEqual(await whole.data(100), numbers(2, 101));
      assert.equal(whole.hello.recovered, true);
      const short = await app.open({ channels: ['a'], ...resume(ids[1] - 1) });
      assert.deepEqual(await short.data(100), numbers(2, 101));
      assert.equal(short.hello.recovered, false);
      assert.equal(short.hello.lastEventId, ids[1] - 1);
    });

    it('keeps 100 events of each channel, whatever happens in others', async () => {
      const app = await startServer({ transport });
      const [quiet] = [await app.sse.publish('quiet', { type: 't', data: 'q1' })];
      await app.sse.publish('quiet', { type: 't', data: 'q2' });
      await publishMany(app, 'busy', 150);
      const client = await app.open({ channels: ['quiet'], ...resume(quiet) });
      assert.deepEqual(await client.data(1), ['q2']);
      assert.equal(client.hello.recovered, true);
      const both = await app.open({ channels: ['quiet', 'busy'], ...resume(quiet) });
      assert.deepEqual(await both.data(101), ['q2', ...numbers(51, 150)]);
      assert.equal(both.hello.recovered, false);
    });

    it('keeps 100 events of a user', async () => {
      const app = await startServer({ transport });
      const ids = [];
      for (let i = 0; i < 101; i++) ids.push(await app.sse.publishToUser('alice', { type: 't', data: i }));
      const client = await app.open({ token: 'alice', ...resume(ids[0] - 1) });
      assert.deepEqual(await client.data(100), numbers(1, 100));
      assert.equal(client.hello.recovered, false);
    });

    for (const size of [0, 1, 3, 500]) {
      it(`keeps history.size events, here ${size}`, async () => {
        const app = await startServer({ transport, history: { size } });
        const ids = await publishMany(app, 'a', size + 1);
        const full = await app.open({ channels: ['a'], ...resume(ids[1]) });
        await app.sse.publish('a', { type: 't', data: 'live' });
        assert.deepEqual(await full.data(size + 1), [...numbers(2, size + 1), 'live']);
        assert.equal(full.hello.recovered, true);
        const short = await app.open({ channels: ['a'], ...resume(ids[1]) });
        assert.equal(short.hello.recovered, false);
      });
    }

    it('knows nothing from before its own start', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a'], ...resume(app.sse.cursor() - 1) });
      assert.equal(client.hello.recovered, false);
      const zero = await app.open({ channels: ['a'], ...resume(0) });
      assert.equal(zero.hello.recovered, false);
      assert.equal(zero.hello.lastEventId, 0);
    });

    it('has everything since its start, for channels never published to as well', async () => {
      const app = await startServer({ transport });
      const start = app.sse.cursor();
      await publishMany(app, 'other', 3);
      const client = await app.open({ channels: ['a', 'b'], ...resume(start) });
      assert.equal(client.hello.recovered, true);
      assert.equal(client.hello.lastEventId, start);
    });

    it('is complete for the newest id', async () => {
      const app = await startServer({ transport });
      await publishMany(app, 'a', 200);
      const client = await app.open({ channels: ['a'], ...resume(app.sse.cursor()) });
      assert.equal(client.hello.recovered, true);
      assert.equal(client.hello.id, String(app.sse.cursor()));
      assert.equal(client.published.length, 0);
    });

    it('gives `connected` an id only when nothing is replayed', async () => {
      const app = await startServer({ transport });
      const ids = await publishMany(app, 'a', 2);
      const fresh = await app.open({ channels: ['a'] });
      assert.equal(fresh.hello.id, String(ids[2]));
      const returning = await app.open({ channels: ['a'], ...resume(ids[1]) });
      assert.equal(returning.hello.id, undefined);
      const elsewhere = await app.open({ channels: ['b'], ...resume(ids[1]) });
      assert.equal(elsewhere.hello.id, String(ids[2]));
    });

    it('lets a client resume that dropped before its first event', async () => {
      const app = await startServer({ transport });
      const first = await app.open({ channels: ['a'] });
      const { lastEventId } = first.parser;
      first.close();
      await app.hasClients(0);
      await publishMany(app, 'a', 3);
      const again = await app.open({ channels: ['a'], ...resume(lastEventId) });
      assert.deepEqual(await again.data(3), [1, 2, 3]);
      assert.equal(again.hello.recovered, true);
    });

    it('takes ?lastEventId= for a first connection', async () => {
      const app = await startServer({ transport });
      const ids = await publishMany(app, 'a', 3);
      const client = await app.open({ channels: ['a'], lastEventId: ids[1] });
      assert.deepEqual(await client.data(2), [2, 3]);
      assert.equal(client.hello.lastEventId, ids[1]);
    });

    it('lets the header win over ?lastEventId=', async () => {
      const app = await startServer({ transport });
      const ids = await publishMany(app, 'a', 3);
      const client = await app.open({ channels: ['a'], lastEventId: ids[1], ...resume(ids[2]) });
      assert.deepEqual(await client.data(1), [3]);
      assert.equal(client.hello.lastEventId, ids[2]);
      const garbage = await app.open({ channels: ['a'], lastEventId: ids[1], ...resume('x') });
      assert.equal(garbage.hello.recovered, false);
      assert.equal(garbage.hello.lastEventId, null);
    });

    const garbage = {
      letters: 'abc',
      'a negative number': '-1',
      'a fraction': '1.5',
      'an exponent': '1e9',
      hexadecimal: '0x10',
      'leading zeros': '007',
      'a plus sign': '+1',
      'more than a safe integer': '9007199254740993',
      'very many digits': '9'.repeat(10_000),
      'ten kilobytes': 'x'.repeat(10_240),
      'a number and more': '1 2',
      'bytes that are no UTF-8': '\xff\xfe',
      Infinity: 'Infinity',
      NaN: 'NaN',
      quotes: '"1"',
    };
    for (const [name, text] of Object.entries(garbage)) {
      it(`takes ${name} for no position: 200, recovered false`, async () => {
        const app = await startServer({ transport });
        await publishMany(app, 'a', 2);
        const client = await app.open({ channels: ['a'], ...resume(text) });
        assert.equal(client.hello.recovered, false);
        assert.equal(client.hello.lastEventId, null);
        await app.sse.publish('a', { type: 't', data: 'live' });
        assert.deepEqual(await client.data(1), ['live']);
      });
    }

    it('takes an id from the future for no position', async () => {
      const app = await startServer({ transport });
      await publishMany(app, 'a', 2);
      const client = await app.open({ channels: ['a'], ...resume(app.sse.cursor() + 10 ** 12) });
      assert.equal(client.hello.recovered, false);
      assert.equal(client.hello.lastEventId, null);
      await app.sse.publish('a', { type: 't', data: 'live' });
      assert.deepEqual(await client.data(1), ['live']);
    });

    it('takes two Last-Event-ID headers for no position', async () => {
      const app = await startServer({ transport });
      const ids = await publishMany(app, 'a', 2);
      const headers = [['Last-Event-ID', ids[1]], ['Last-Event-ID', ids[1]]];
      const client = await app.open({ channels: ['a'], headers });
      assert.equal(client.hello.recovered, false);
      assert.equal(client.hello.lastEventId, null);
    });

    it('loses nothing that is published while a hook takes its time', async () => {
      const allowed = gate();
      let asked = 0;
      const authorizeChannel = () => {
        asked++;
        return allowed.opened;
      };
      const app = await startServer({ transport, hooks: { authorizeChannel } });
      await app.sse.publish('a', { type: 't', data: 'before' });
      const client = app.send({ channels: ['a'] });
      await waitFor(() => asked === 1);
      await app.sse.publish('a', { type: 't', data: 'during' });
      await app.sse.publishToUser('alice', { type: 't', data: 'during too' });
      allowed.open(true);
      await app.hasClients(1);
      await app.sse.publish('a', { type: 't', data: 'after' });
      assert.deepEqual(await client.data(3), ['during', 'during too', 'after']);
      assert.equal((await client.connected()).recovered, true);
    });

    it('loses nothing while a hook takes its time, also after Last-Event-ID and after garbage', async () => {
      const allowed = gate();
      let asked = 0;
      const authorizeChannel = () => {
        asked++;
        return allowed.opened;
      };
      const app = await startServer({ transport, hooks: { authorizeChannel } });
      const ids = await publishMany(app, 'a', 2);
      const returning = app.send({ channels: ['a'], ...resume(ids[1]) });
      const lost = app.send({ channels: ['a'], ...resume('garbage') });
      await waitFor(() => asked === 2);
      await app.sse.publish('a', { type: 't', data: 'during' });
      allowed.open(true);
      assert.deepEqual(await returning.data(2), [2, 'during']);
      assert.deepEqual(await lost.data(1), ['during']);
    });

    it('authorises before anything is replayed', async () => {
      let isAllowed = true;
      const app = await startServer({ transport, hooks: { authorizeChannel: () => isAllowed } });
      const ids = await publishMany(app, 'secret', 3);
      isAllowed = false;
      const { status, body } = await app.request({ channels: ['secret'], ...resume(ids[1]) });
      assert.equal(status, 403);
      assert.doesNotMatch(body, /data/);
    });

    it('expires events by history.ttl', async () => {
      const app = await startServer({ transport, history: { ttl: 1 } });
      const old = await app.sse.publish('a', { type: 't', data: 'old' });
      await waitFor(async () => (await app.sse.publish('b', { type: 't', data: 0 })) > old + 5000);
      const client = await app.open({ channels: ['a'], ...resume(old - 1) });
      await app.sse.publish('a', { type: 't', data: 'live' });
      assert.deepEqual(await client.data(1), ['live']);
      assert.equal(client.hello.recovered, false);
    });

    it('gives the oldest idle history away when there are maxChannels of them, and says so', async () => {
      const app = await startServer({ transport, maxChannels: 2 });
      const start = app.sse.cursor();
      for (const name of ['a', 'b', 'c']) await app.sse.publish(name, { type: 't', data: name });
      const kept = await app.open({ channels: ['b', 'c'], ...resume(start) });
      assert.deepEqual(await kept.data(2), ['b', 'c']);
      const lost = await app.open({ channels: ['a'], ...resume(start) });
      assert.equal(lost.hello.recovered, false);
    });

    for (const seed of [1, 2, 3]) {
      it(`survives being cut at random while events flow, exactly once and in order (seed ${seed})`, async () => {
        const app = await startServer({ transport, history: { size: 5000 } });
        const next = random(seed);
        const total = 1500;
        const isDone = ({ seen }) => seen.length >= total;
        const makeReader = () => new Returning(app, { channels: ['a', 'b'], token: 'alice', lastEventId: app.sse.cursor() },
          () => 1 + Math.floor(next() * 60));
        const readers = Array.from({ length: 4 }, makeReader);
        const running = readers.map((reader) => reader.run(isDone));
        for (let i = 0; i < total; i++) {
          const event = { type: 't', data: i };
          if (i % 3 === 0) app.sse.publishToUser('alice', event);
          else app.sse.publish(i % 3 === 1 ? 'a' : 'b', event);
          if (next() < 0.2) await turn();
        }
        await Promise.all(running);
        for (const reader of readers) {
          assert.deepEqual(reader.seen.map(({ data }) => Number(data)), numbers(0, total - 1));
          assert.ok(reader.hellos.length > 10, 'it has been cut many times');
          assert.ok(reader.hellos.every(({ recovered }) => recovered));
        }
      });
    }
  });
}
