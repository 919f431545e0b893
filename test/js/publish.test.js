'use strict';

// publish.test.js - who gets what is published, in which order and in which bytes; over both transports.

const assert = require('node:assert/strict');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');

/** Data that has gone wrong somewhere in some event stream implementation. */
const DATA = {
  'a string': 'plain',
  'the empty string': '',
  null: null,
  true: true,
  zero: 0,
  'minus zero and a float': [-0.5, 1e21],
  'an empty object': {},
  'an empty array': [],
  'a nested object': { a: [1, { b: { c: [null, 'x', [[]]] } }], 'key with "quotes"': 1 },
  LF: 'a\nb',
  CR: 'a\rb',
  CRLF: 'a\r\nb',
  'every mix of CR and LF': '\r\n\r\r\n\n\na\r\n\n\rb\n\r\n\r\r',
  'line breaks at both ends': '\na\n',
  'lines like fields': 'id: 1\nevent: connected\ndata: {}\n\n: comment\nretry: 1',
  'line separators': 'a\u2028b\u2029c\u0085d\u000be\u000cf',
  unicode: 'grüße 日本語 😀 \u0301',
  'a byte order mark': '\ufeffx',
  NUL: 'a\0b',
  'a lone surrogate': 'a\ud800b',
  'leading spaces': '  x',
  colons: ':::',
  'a long string': 'ü'.repeat(50_000),
};

const TYPES = ['t', 'message', 'a b', 'ü😀', ': x', 'a:b', ' lead', 'error', 'open', 'Connected', '__proto__', 'x\u2028y', '\t'];

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`publish (${transport})`, () => {
    it('reaches the subscribers of the channel and nobody else', async () => {
      const app = await startServer({ transport });
      const [a, ab, b] = await Promise.all([['a'], ['a', 'b'], ['b']].map((channels) => app.open({ channels })));
      await app.sse.publish('a', { type: 't', data: 'for a' });
      await app.sse.publish('b', { type: 't', data: 'for b' });
      await app.sse.publish('c', { type: 't', data: 'for c' });
      await app.sse.publishToUser('alice', { type: 't', data: 'last' });
      assert.deepEqual(await a.data(2), ['for a', 'last']);
      assert.deepEqual(await ab.data(3), ['for a', 'for b', 'last']);
      assert.deepEqual(await b.data(2), ['for b', 'last']);
    });

    it('reaches every connection of a user and no other user', async () => {
      const app = await startServer({ transport });
      const first = await app.open({ token: 'alice' });
      const second = await app.open({ token: 'alice', channels: ['a'] });
      const other = await app.open({ token: 'bob' });
      await app.sse.publishToUser('alice', { type: 't', data: 'hers' });
      await app.sse.publishToUser('bob', { type: 't', data: 'his' });
      assert.deepEqual(await first.data(1), ['hers']);
      assert.deepEqual(await second.data(1), ['hers']);
      assert.deepEqual(await other.data(1), ['his']);
    });

    it('never mixes a user with a channel of the same name', async () => {
      const app = await startServer({ transport });
      const user = await app.open({ token: 'alice' });
      const channel = await app.open({ token: 'bob', channels: ['alice'] });
      await app.sse.publishToUser('alice', { type: 't', data: 'user' });
      await app.sse.publish('alice', { type: 't', data: 'channel' });
      await app.sse.publishToUser('bob', { type: 't', data: 'end' });
      await app.sse.publishToUser('alice', { type: 't', data: 'end' });
      assert.deepEqual(await user.data(2), ['user', 'end']);
      assert.deepEqual(await channel.data(2), ['channel', 'end']);
    });

    it('keeps the order of publishing over channels and users', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a', 'b', 'c'] });
      const expected = Array.from({ length: 3000 }, (_, i) => i);
      const ids = await Promise.all(expected.map((i) => (i % 4 === 3
        ? app.sse.publishToUser('alice', { type: 't', data: i })
        : app.sse.publish('abc'[i % 4], { type: 't', data: i }))));
      assert.deepEqual(await client.data(3000), expected);
      assert.deepEqual(client.published.map(({ id }) => Number(id)), ids);
    });

    it('answers ids that are strictly increasing safe integers', async () => {
      const app = await startServer({ transport });
      const ids = [];
      for (let i = 0; i < 1000; i++) ids.push(await app.sse.publish(`c${i % 3}`, { type: 't', data: i }));
      for (let i = 0; i < ids.length; i++) {
        assert.ok(Number.isSafeInteger(ids[i]) && ids[i] > 0);
        if (i > 0) assert.ok(ids[i] > ids[i - 1], 'strictly increasing');
      }
      assert.equal(app.sse.cursor(), ids.at(-1));
    });

    it('answers ids above those of a server made before', async () => {
      const first = await startServer({ transport });
      const before = await first.sse.publish('a', { type: 't', data: 1 });
      const second = await startServer({ transport });
      assert.ok(await second.sse.publish('a', { type: 't', data: 1 }) > before);
    });

    it('writes id, event and data, each on its line', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a'] });
      const id = await app.sse.publish('a', { type: 'greeting', data: { hello: 'world' } });
      await client.data(1);
      assert.ok(client.body.endsWith(`\n\nid: ${id}\nevent: greeting\ndata: {"hello":"world"}\n\n`), client.body);
    });

    for (const [name, data] of Object.entries(DATA)) {
      it(`carries ${name}`, async () => {
        const app = await startServer({ transport });
        const client = await app.open({ channels: ['a'] });
        const id = await app.sse.publish('a', { type: 't', data });
        const event = await client.next('t');
        assert.equal(event.data, JSON.stringify(data));
        assert.deepEqual(JSON.parse(event.data), data);
        assert.equal(event.id, String(id));
        assert.equal(client.published.length, 1);
      });
    }

    it('carries every type that it accepts', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a'] });
      for (const type of TYPES) await app.sse.publish('a', { type, data: 1 });
      await client.data(TYPES.length);
      assert.deepEqual(client.published.map(({ type }) => type), TYPES);
    });

    it('asks toJSON, once', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a'] });
      let calls = 0;
      const toJSON = () => ({ calls: ++calls });
      await app.sse.publish('a', { type: 't', data: { toJSON } });
      assert.deepEqual(await client.data(1), [{ calls: 1 }]);
    });

    it('takes an event of exactly maxEventBytes', async () => {
      const app = await startServer({ transport, maxEventBytes: 10 });
      const client = await app.open({ channels: ['a'] });
      await app.sse.publish('a', { type: 't', data: 'ü'.repeat(4) });
      assert.deepEqual(await client.data(1), ['üüüü']);
      assert.throws(() => app.sse.publish('a', { type: 't', data: `${'ü'.repeat(4)}x` }), { code: 'ERR_SSE_EVENT_TOO_LARGE' });
    });

    it('delivers large events to all, whole', async () => {
      const app = await startServer({ transport });
      const all = await Promise.all(Array.from({ length: 4 }, () => app.open({ channels: ['a'] })));
      const data = Array.from({ length: 8 }, (_, i) => String(i).repeat(400_000));
      for (const text of data) {
        await app.sse.publish('a', { type: 't', data: text });
        await Promise.all(all.map((client) => client.until(() => client.published.at(-1)?.data[1] === text[0])));
      }
      for (const client of all) assert.deepEqual(await client.data(data.length), data);
    });

    it('publishes from inside what a delivery runs', async () => {
      const app = await startServer({
        transport,
        hooks: { onConnect: (client) => void app.sse.publish('joined', { type: 'joined', data: client.userId }) },
      });
      const first = await app.open({ token: 'ann', channels: ['joined'] });
      await app.open({ token: 'ben', channels: ['joined'] });
      assert.deepEqual(await first.data(2), ['ann', 'ben']);
    });

    it('needs no subscriber', async () => {
      const app = await startServer({ transport });
      assert.ok(Number.isSafeInteger(await app.sse.publish('nobody', { type: 't', data: 1 })));
      assert.ok(Number.isSafeInteger(await app.sse.publishToUser('nobody', { type: 't', data: 1 })));
    });

    it('reaches a crowd, each once', async () => {
      const app = await startServer({ transport });
      const all = await Promise.all(Array.from({ length: 100 }, () => app.open({ channels: ['a'] })));
      const expected = Array.from({ length: 50 }, (_, i) => i);
      for (const i of expected) app.sse.publish('a', { type: 't', data: i });
      for (const client of all) assert.deepEqual(await client.data(50), expected);
    });
  });
}

describe('publish over both transports of one server', () => {
  it('gives the same events with the same ids', async () => {
    // A rewriting middleware on one path only: that client gets the stream transport.
    const rewrite = (req, res, next) => {
      const { write } = res;
      if (req.query.rewrite) res.write = (chunk, ...rest) => write.call(res, `: rewritten\n${chunk}`, ...rest);
      next();
    };
    const app = await startServer({}, { use: [rewrite] });
    const socket = await app.open({ channels: ['a'] });
    const stream = await app.open({ channels: ['a'], query: { rewrite: 1 } });
    assert.deepEqual(app.sse.stats().clients, { socket: 1, stream: 1 });
    for (let i = 0; i < 20; i++) app.sse.publish('a', { type: 't', data: i });
    await Promise.all([socket.data(20), stream.data(20)]);
    assert.deepEqual(socket.published, stream.published);
  });

  it('works with several I/O threads', async () => {
    const app = await startServer({ transport: 'socket', threads: 4 });
    const all = await Promise.all(Array.from({ length: 16 }, () => app.open({ channels: ['a'] })));
    const expected = Array.from({ length: 200 }, (_, i) => i);
    for (const i of expected) app.sse.publish('a', { type: 't', data: i });
    for (const client of all) assert.deepEqual(await client.data(200), expected);
    assert.equal(app.sse.stats().events.delivered, 16 * 200);
  });
});

describe('a write that calls back into the server', () => {
  /** Middleware whose responses call `inside(chunk, req)` in the middle of each write. */
  const hooked = (inside) => (req, res, next) => {
    const { write } = res;
    res.write = (chunk, ...rest) => {
      const more = write.call(res, chunk, ...rest);
      inside(String(chunk), req);
      return more;
    };
    next();
  };

  it('may publish: what it publishes comes after, for everyone', async () => {
    let left = 50;
    const inside = (chunk) => {
      if (/"again"/.test(chunk) && left-- > 0) app.sse.publish('a', { type: 't', data: 'again' });
    };
    const app = await startServer({ transport: 'stream' }, { use: [hooked(inside)] });
    const all = await Promise.all(Array.from({ length: 5 }, () => app.open({ channels: ['a'] })));
    app.sse.publish('a', { type: 't', data: 'again' });
    for (const client of all) {
      await client.until(() => client.published.length === 51);
      const ids = client.published.map(({ id }) => Number(id));
      assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => a - b));
    }
  });

  it('may end clients, itself among them', async () => {
    const inside = (chunk) => {
      if (/"bang"/.test(chunk)) for (const [id] of app.sse.clients) app.sse.disconnect(id);
    };
    const app = await startServer({ transport: 'stream' }, { use: [hooked(inside)] });
    const all = await Promise.all(Array.from({ length: 5 }, () => app.open({ channels: ['a'] })));
    app.sse.publish('a', { type: 't', data: 'bang' });
    app.sse.publish('a', { type: 't', data: 'after' });
    for (const client of all) {
      await client.closed();
      assert.deepEqual(await client.data(1), ['bang']);
    }
    await app.hasClients(0);
  });

  it('may destroy its response', async () => {
    const inside = (chunk, { res }) => {
      if (/"bang"/.test(chunk)) res.destroy();
    };
    const app = await startServer({ transport: 'stream' }, { use: [hooked(inside)] });
    const all = await Promise.all(Array.from({ length: 3 }, () => app.open({ channels: ['a'] })));
    app.sse.publish('a', { type: 't', data: 'bang' });
    app.sse.publish('a', { type: 't', data: 'after' });
    await Promise.all(all.map((client) => client.closed()));
    await app.hasClients(0);
  });

  it('may stop the server', async () => {
    const inside = (chunk) => {
      if (/"bang"/.test(chunk)) app.sse.stop();
    };
    const app = await startServer({ transport: 'stream' }, { use: [hooked(inside)] });
    const all = await Promise.all(Array.from({ length: 5 }, () => app.open({ channels: ['a'] })));
    app.sse.publish('a', { type: 't', data: 'bang' });
    for (const client of all) {
      await client.closed();
      assert.deepEqual(client.events.map(({ type }) => type), ['connected', 't', 'closing']);
    }
    await app.sse.stop();
    assert.equal(app.sse.clients.size, 0);
  });

  it('may throw: that client is ended, the others are served', async () => {
    const inside = (chunk, req) => {
      if (/"bang"/.test(chunk) && req.query.bad) throw new Error('a write that throws');
    };
    const app = await startServer({ transport: 'stream' }, { use: [hooked(inside)] });
    const bad = await app.open({ channels: ['a'], query: { bad: 1 } });
    const good = await app.open({ channels: ['a'] });
    app.sse.publish('a', { type: 't', data: 'bang' });
    await bad.closed();
    await app.hasClients(1);
    app.sse.publish('a', { type: 't', data: 'after' });
    assert.deepEqual(await good.data(2), ['bang', 'after']);
  });
});
