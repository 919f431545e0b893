'use strict';

// backplane-units.test.js - the parts of a backplane on their own: ids and histories in a real Redis, the outbox and its
// limits, the follower and its gaps, the log in memory.

const assert = require('node:assert/strict');

const { createClient, createCluster } = require('redis');
const Redis = require('ioredis');

const { redisBackplane, clusterBackplane } = require('../..');
const { Follower } = require('../../lib/backplane/follower');
const { MemoryLog } = require('../../lib/backplane/memory-log');
const { Outbox, Unsent } = require('../../lib/backplane/outbox');
const { historyNames } = require('../../lib/backplane/record');
const { RecentIds } = require('../../lib/backplane/recent-ids');
const { startLine, endLines } = require('./backplane/cut-line');
const { findRedis, startRedis, endRedis } = require('./backplane/redis-server');
const { fences } = require('./helpers/snippets');
const { gate, turn, waitFor } = require('./helpers/wait');

const MAX_ID = 2 ** 53;

/** What a backplane tells, in order. */
class Listener {
  constructor() {
    this.told = [];
    this.errors = [];
    this.alives = 0;
  }

  start(birth) {
    this.told.push(['start', birth]);
  }

  records(records) {
    for (const { id, payload } of records) this.told.push([payload, id]);
  }

  gap(floor) {
    this.told.push(['gap', floor]);
  }

  alive() {
    this.alives += 1;
  }

  error(error) {
    this.errors.push(error);
  }

  get names() {
    return this.told.map(([name]) => name);
  }

  has(...names) {
    return waitFor(() => names.every((name) => this.names.includes(name)), () => `${names} among ${this.names}; ${this.errors.map(String)}`);
  }
}

/** A client of ioredis whose replies come when the test says, in the order of their commands. */
class HeldReplies extends Redis {
  constructor(url) {
    super(url, { lazyConnect: true });
  }

  duplicate(options) {
    const copy = super.duplicate(options);
    const real = copy.call.bind(copy);
    copy.call = async (name, ...args) => {
      const reply = real(name, ...args);
      // Handled below, maybe later.
      reply.catch(() => {});
      if (this._held !== undefined && (name === this._name || name === 'EVAL')) {
        await new Promise((resolve) => {
          this._held.push(resolve);
        });
      }
      return reply;
    };
    return copy;
  }

  /** @returns {(() => void)[]} each lets a reply go */
  hold(name) {
    this._name = name;
    this._held = [];
    return this._held;
  }

  release() {
    const held = this._held;
    this._held = undefined;
    for (const go of held) go();
  }
}

describe('redisBackplane', () => {
  let redis;
  let admin;
  let open = [];

  before(async function () {
    if (findRedis() === null) this.skip();
    redis = await startRedis();
    admin = createClient({ url: redis.url, RESP: 2 });
    admin.on('error', () => {});
    await admin.connect();
  });

  beforeEach(() => admin.sendCommand(['FLUSHALL']));

  afterEach(async () => {
    const ended = open;
    open = [];
    await Promise.all(ended.map((backplane) => backplane.close()));
    await endLines();
  });

  after(async () => {
    admin?.destroy();
    await endRedis();
  });

  /** @returns {Promise<{ backplane: object, listener: Listener }>} one that has read the log */
  async function start(options = {}, settings = {}) {
    const backplane = redisBackplane({ ...(options.client ? {} : { url: redis.url }), ...options });
    open.push(backplane);
    const listener = new Listener();
    backplane.tail(listener, { historySize: 5, probeInterval: 100, ...settings });
    await waitFor(() => listener.alives > 0 || listener.errors.length > 0, 'the log to be read');
    return { backplane, listener };
  }

  const record = (payload, keys = ['channel::a'], more = {}) => ({ keys, payload, ...more });

  describe('and its clients', () => {
    const clients = {
      'a URL': () => ({ url: redis.url }),
      'npm redis': () => ({ client: createClient({ url: redis.url }) }),
      'npm redis with RESP 3, Buffers and a prefix': () => ({
        client: createClient({ url: redis.url, RESP: 3, keyPrefix: 'x:', commandOptions: { typeMapping: { 36: Buffer } } }),
      }),
      ioredis: () => ({ client: new Redis(redis.url, { lazyConnect: true }) }),
      'ioredis with a prefix': () => ({ client: new Redis(redis.url, { lazyConnect: true, keyPrefix: 'x:' }) }),
    };
    for (const [name, make] of Object.entries(clients)) {
      it(`works with ${name}`, async () => {
        const { backplane, listener } = await start(make());
        const id = await backplane.publish(record('ä\u{1F600}\n"'));
        await listener.has('ä\u{1F600}\n"');
        assert.deepEqual(listener.told.at(-1), ['ä\u{1F600}\n"', id]);
        const { records } = await backplane.history('channel::a');
        assert.deepEqual(records, [{ id, payload: 'ä\u{1F600}\n"' }]);
        assert.deepEqual(listener.errors, []);
        assert.deepEqual((await admin.sendCommand(['KEYS', '*'])).filter((key) => !key.startsWith('{sse}:')), []);
      });
    }

    it('leaves the client that it was given alone', async () => {
      const client = createClient({ url: redis.url });
      await client.connect();
      const { backplane } = await start({ client });
      await backplane.publish(record('1'));
      await backplane.close();
      assert.equal(await client.ping(), 'PONG');
      client.destroy();
    });

    it('refuses what is no client, and what is neither or both', () => {
      for (const client of [{}, 1, null, { get() {}, set() {} }]) {
        assert.throws(() => redisBackplane({ client }), { code: 'ERR_SSE_INVALID_OPTION' });
      }
      for (const given of [undefined, {}, { url: 'redis://x', client: {} }]) {
        assert.throws(() => redisBackplane(given), { code: 'ERR_SSE_MISSING_OPTION' });
      }
      assert.throws(() => redisBackplane({ url: 'http://x' }), { code: 'ERR_SSE_INVALID_OPTION' });
      assert.throws(() => redisBackplane({ url: 'redis://x', prefix: 'a{b}' }), { code: 'ERR_SSE_INVALID_OPTION' });
      assert.throws(() => redisBackplane({ url: 'redis://x', maxLogLenght: 1 }), { code: 'ERR_SSE_UNKNOWN_OPTION', message: /maxLogLength/ });
    });

    it('refuses to forget idempotency keys that may still be sent again', () => {
      const given = { url: 'redis://x', publishTimeout: 5000 };
      const expected = { code: 'ERR_SSE_INVALID_OPTION', message: /idempotencyTtl.*publishTimeout.*9999/ };
      assert.throws(() => redisBackplane({ ...given, idempotencyTtl: 9999 }), expected);
      assert.throws(() => redisBackplane({ url: 'redis://x', publishTimeout: 300_001 }), { code: 'ERR_SSE_INVALID_OPTION' });
      redisBackplane({ ...given, idempotencyTtl: 10_000 });
    });

    it('serves one server only', async () => {
      const { backplane } = await start();
      assert.throws(() => backplane.tail(new Listener(), { historySize: 1, probeInterval: 10 }), { code: 'ERR_SSE_INVALID_OPTION' });
    });
  });

  it('needs no more rights than docs/backplane.md says', async () => {
    const block = fences('docs/backplane.md').find(({ code }) => code.startsWith('~{sse}'));
    await admin.sendCommand(['ACL', 'SETUSER', 'sse', 'reset', 'on', '>pass', ...block.code.trim().split(' ')]);
    const { backplane, listener } = await start({ url: `redis://sse:pass@127.0.0.1:${redis.port}` });
    const id = await backplane.publish(record('1', ['channel::a'], { idempotencyKey: 'k' }));
    await listener.has('1');
    assert.deepEqual((await backplane.history('channel::a')).records, [{ id, payload: '1' }]);
    assert.deepEqual(listener.errors, []);
    assert.equal(listener.names.filter((name) => name === 'gap').length, 1);
    await admin.sendCommand(['ACL', 'DELUSER', 'sse']);
  });

  it('takes each reconnect for a restart where it may not ask for the run', async () => {
    await admin.sendCommand(['ACL', 'SETUSER', 'sse', 'reset', 'on', '>pass', '~*', '+@all', '-info']);
    const line = await startLine(redis.port);
    const { backplane, listener } = await start({ url: line.url.replace('//', '//sse:pass@') });
    await backplane.publish(record('1'));
    await listener.has('1');
    line.cut('closed');
    line.mend();
    await waitFor(() => listener.names.filter((name) => name === 'gap').length === 2, 'a gap');
    await admin.sendCommand(['ACL', 'DELUSER', 'sse']);
  });

  describe('and Redis Cluster', () => {
    it('keeps all keys in one slot, for the clients of a cluster too', async () => {
      const node = await startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'] });
      const client = createClient({ url: node.url });
      await client.connect();
      await client.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
      await waitFor(async () => /cluster_state:ok/.test(await client.sendCommand(['CLUSTER', 'INFO'])), 'the cluster to be there');
      const found = { host: '127.0.0.1', port: node.port };
      const clients = {
        single: client,
        redis: createCluster({ rootNodes: [{ url: node.url }] }),
        ioredis: new Redis.Cluster([found], { lazyConnect: true }),
      };
      for (const [prefix, given] of Object.entries(clients)) {
        const { backplane, listener } = await start({ client: given, prefix });
        await backplane.publish(record('1', ['channel::a', 'channel::b', 'user::alice'], { idempotencyKey: 'k' }));
        await listener.has('1');
        assert.equal((await backplane.history('user::alice')).records.length, 1);
      }
      client.destroy();
    });
  });

  describe('and its ids', () => {
    it('are times of Redis in microseconds, and ascend', async () => {
      const { backplane } = await start();
      const before = Date.now() * 1000;
      const ids = await Promise.all(Array.from({ length: 200 }, (_, i) => backplane.publish(record(`${i}`))));
      assert.ok(ids[0] >= before && ids[0] <= Date.now() * 1000 + 1000, `${ids[0]} ${before}`);
      assert.ok(ids.every((id, i) => i === 0 || id > ids[i - 1]));
    });

    it('do not go back when the key of the last one is lost', async () => {
      const { backplane, listener } = await start();
      const ahead = Date.now() * 1000 + 3_600_000_000;
      await admin.sendCommand(['SET', '{sse}:seq', String(ahead)]);
      assert.equal(await backplane.publish(record('1')), ahead + 1);
      await admin.sendCommand(['DEL', '{sse}:seq']);
      assert.equal(await backplane.publish(record('2')), ahead + 2);
      await listener.has('1', '2');
    });

    it('do not go below what a node has seen when all is lost and the clock with it', async () => {
      const { backplane, listener } = await start();
      const ahead = Date.now() * 1000 + 3_600_000_000;
      await admin.sendCommand(['SET', '{sse}:seq', String(ahead)]);
      await backplane.publish(record('1'));
      await listener.has('1');
      await admin.sendCommand(['FLUSHALL']);
      assert.ok(await backplane.publish(record('2')) > ahead);
      await listener.has('2');
      assert.ok(listener.names.indexOf('gap', listener.names.indexOf('1')) < listener.names.indexOf('2'), `${listener.names}`);
    });

    it('are refused from 2^53 on', async () => {
      const { backplane } = await start();
      await admin.sendCommand(['SET', '{sse}:seq', String(MAX_ID - 2)]);
      assert.equal(await backplane.publish(record('1')), MAX_ID - 1);
      await assert.rejects(backplane.publish(record('2')), { code: 'ERR_SSE_BACKPLANE_REFUSED', message: /2\^53/ });
    });
  });

  describe('and its idempotency keys', () => {
    it('give the first id again and append once', async () => {
      const { backplane, listener } = await start();
      const id = await backplane.publish(record('1', ['channel::a'], { idempotencyKey: 'order 1' }));
      const other = await start();
      assert.equal(await other.backplane.publish(record('1', ['channel::a'], { idempotencyKey: 'order 1' })), id);
      await backplane.publish(record('2'));
      await listener.has('2');
      assert.equal(listener.names.filter((name) => name === '1').length, 1);
      const ttl = Number(await admin.sendCommand(['PTTL', '{sse}:i:order 1']));
      assert.ok(ttl > 590_000 && ttl <= 600_000, `${ttl}`);
    });

    it('have what was under way when the line broke sent again', async () => {
      const line = await startLine(redis.port);
      const { backplane, listener } = await start({ url: line.url });
      line.cut('silent');
      const published = backplane.publish(record('1', ['channel::a'], { idempotencyKey: 'k' }));
      const lost = backplane.publish(record('2'));
      lost.catch(() => {});
      await turn();
      line.cut('closed');
      await assert.rejects(lost, { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE', maybePublished: true });
      line.mend();
      const id = await published;
      await listener.has('1');
      assert.equal(listener.told.filter(([name]) => name === '1').length, 1);
      assert.equal(listener.told.find(([name]) => name === '1')[1], id);
    });
  });

  describe('that cannot reach Redis', () => {
    it('keeps what is published for a while, and sends it in order when it can', async () => {
      const line = await startLine(redis.port);
      const { backplane, listener } = await start({ url: line.url });
      line.cut('closed');
      await waitFor(() => listener.errors.length > 0, 'the tail to notice');
      const published = Promise.all(['1', '2', '3'].map((payload) => backplane.publish(record(payload))));
      line.mend();
      const ids = await published;
      assert.ok(ids[0] < ids[1] && ids[1] < ids[2]);
      await listener.has('3');
      assert.deepEqual(listener.names.filter((name) => /\d/.test(name)), ['1', '2', '3']);
      assert.equal(listener.names.filter((name) => name === 'gap').length, 1, 'a gap that there was not');
    });

    it('rejects in time, with a code, and does not publish what it has rejected', async () => {
      const line = await startLine(redis.port);
      line.cut('closed');
      const { backplane, listener } = await start({ url: line.url, publishTimeout: 50 });
      await assert.rejects(backplane.publish(record('1')), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE', maybePublished: false });
      await assert.rejects(backplane.history('channel::a'), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE' });
      line.mend();
      await waitFor(() => backplane.publish(record('2')).then(() => true, () => false), 'a publish to succeed');
      await listener.has('2');
      assert.ok(!listener.names.includes('1'));
    });

    it('rejects in time when Redis does not answer, and says that it may be published', async () => {
      const line = await startLine(redis.port);
      const { backplane } = await start({ url: line.url, publishTimeout: 100 });
      line.cut('silent');
      await assert.rejects(backplane.publish(record('1')), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE', maybePublished: true });
    });

    it('takes no more than maxQueuedBytes', async () => {
      const line = await startLine(redis.port);
      line.cut('closed');
      const { backplane } = await start({ url: line.url, publishTimeout: 100, maxQueuedBytes: 10_000 });
      const all = await Promise.allSettled(Array.from({ length: 100 }, () => backplane.publish(record('x'.repeat(1000)))));
      const codes = all.map(({ reason }) => reason.code);
      assert.ok(codes.filter((code) => code === 'ERR_SSE_BACKPLANE_UNAVAILABLE').length < 10, `${codes}`);
      assert.ok(codes.filter((code) => code === 'ERR_SSE_BACKPLANE_FULL').length > 90);
    });

    it('tells when Redis itself refuses', async () => {
      const { backplane } = await start();
      await admin.sendCommand(['SET', '{sse}:h:channel::a', 'no stream']);
      await assert.rejects(backplane.publish(record('1')), { code: 'ERR_SSE_BACKPLANE_REFUSED', message: /WRONGTYPE/ });
      await backplane.publish(record('2', ['channel::b']));
      await admin.sendCommand(['CONFIG', 'SET', 'maxmemory', '1']);
      await assert.rejects(backplane.publish(record('3', ['channel::b'])), { code: 'ERR_SSE_BACKPLANE_REFUSED', message: /OOM|maxmemory/ });
      await admin.sendCommand(['CONFIG', 'SET', 'maxmemory', '0']);
    });

    it('keeps nothing of what Redis refuses midway', async () => {
      const { backplane } = await start();
      await admin.sendCommand(['SET', '{sse}:h:channel::bad', 'no stream']);
      const refused = { code: 'ERR_SSE_BACKPLANE_REFUSED', message: /WRONGTYPE/ };
      await assert.rejects(backplane.publish(record('1', ['channel::a', 'channel::b', 'channel::bad'])), refused);
      for (const key of ['channel::a', 'channel::b']) assert.deepEqual((await backplane.history(key)).records, []);
      const id = await backplane.publish(record('2'));
      await assert.rejects(backplane.publish(record('3', ['channel::a', 'channel::bad'])), refused);
      const { records, floor } = await backplane.history('channel::a');
      assert.deepEqual(records, [{ id, payload: '2' }]);
      assert.equal(floor, id - 1);
    });

    it('forgets no script: one that Redis has lost is sent again', async () => {
      const { backplane } = await start();
      await backplane.publish(record('1'));
      await admin.sendCommand(['SCRIPT', 'FLUSH']);
      await backplane.publish(record('2'));
    });

    it('has the script there before it publishes', async () => {
      await admin.sendCommand(['SCRIPT', 'FLUSH']);
      await admin.sendCommand(['CONFIG', 'RESETSTAT']);
      const { backplane } = await start();
      await backplane.publish(record('1'));
      // The tail's own script is the only one that was not found.
      assert.match(await admin.sendCommand(['INFO', 'errorstats']), /errorstat_NOSCRIPT:count=1\b/);
    });

    it('keeps the order of what was under way when the script was lost, and of what came meanwhile', async () => {
      const client = new HeldReplies(redis.url);
      const { backplane, listener } = await start({ client });
      await backplane.publish(record('0'));
      await admin.sendCommand(['SCRIPT', 'FLUSH']);
      const held = client.hold('EVALSHA');
      const published = [backplane.publish(record('1'))];
      await turn();
      published.push(backplane.publish(record('2')));
      await waitFor(() => held.length === 2, 'both to be under way');
      held[0]();
      await turn();
      // The text of the first is under way by now, and its answer comes after that to the second.
      await waitFor(async () => await admin.sendCommand(['XLEN', '{sse}:log']) >= 3, 'the first to be there');
      published.push(backplane.publish(record('3')));
      await turn();
      client.release();
      await Promise.all(published);
      await listener.has('1', '2', '3');
      assert.deepEqual(listener.names.filter((name) => /\d/.test(name)), ['0', '1', '2', '3']);
    });
  });

  describe('whose name leads to another Redis', () => {
    const isTail = (sent) => sent.includes('XREAD');

    /** One that reads and writes the first of two, by a line that leads to the second from now on. */
    async function move(options = {}) {
      const [old, next] = [await startRedis(), await startRedis()];
      const line = await startLine(old.port);
      const { backplane, listener } = await start({ url: line.url, ...options });
      await backplane.publish(record('1'));
      await listener.has('1');
      line.leadTo(next.port);
      return { backplane, listener, line, old, next };
    }

    const gaps = ({ names }) => names.filter((name) => name === 'gap').length;

    it('writes where the tail reads when the tail alone has moved', async () => {
      const { backplane, listener, line } = await move();
      line.cutThose(isTail);
      await waitFor(() => gaps(listener) > 1, 'the tail to move');
      await backplane.publish(record('2'));
      await listener.has('2');
    });

    it('reads where it writes when the writer alone has moved', async () => {
      const { backplane, listener, line } = await move();
      line.cutThose((sent) => !isTail(sent));
      await backplane.publish(record('2', ['channel::a'], { idempotencyKey: 'k' }));
      await listener.has('2');
      assert.ok(gaps(listener) > 1, `${listener.names}`);
    });

    it('publishes there when the old one has become a replica', async () => {
      const { backplane, listener, old, next } = await move();
      const client = createClient({ url: old.url });
      await client.connect();
      await client.sendCommand(['REPLICAOF', '127.0.0.1', String(next.port)]);
      client.destroy();
      await backplane.publish(record('2'));
      await listener.has('2');
      assert.ok(gaps(listener) > 1, `${listener.names}`);
    });

    it('says that nothing was published when all it finds is a replica', async () => {
      const { backplane, old, next, line } = await move({ publishTimeout: 300 });
      line.leadTo(old.port);
      const client = createClient({ url: old.url });
      await client.connect();
      await client.sendCommand(['REPLICAOF', '127.0.0.1', String(next.port)]);
      client.destroy();
      await assert.rejects(backplane.publish(record('2')), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE', maybePublished: false });
    });
  });

  describe('and its histories', () => {
    it('have an exact length, a ttl, and a floor that is never too low', async () => {
      const { backplane, listener } = await start();
      const ids = [];
      for (let i = 0; i < 9; i++) ids.push(await backplane.publish(record(`${i}`)));
      const { records, floor } = await backplane.history('channel::a');
      assert.deepEqual(records.map(({ id }) => id), ids.slice(3));
      assert.equal(floor, ids[3] - 1);
      const ttl = Number(await admin.sendCommand(['PTTL', '{sse}:h:channel::a']));
      assert.ok(ttl > 86_000_000 && ttl <= 86_400_000, `${ttl}`);
      // Of a key without events all is known since the log is what it is.
      const [, mark] = listener.told.find(([name]) => name === 'gap');
      assert.deepEqual(await backplane.history('channel::b'), { records: [], floor: mark });
    });

    it('are read in pages, the newest 8 MiB of them', async () => {
      const { backplane } = await start({}, { historySize: 2000 });
      const payload = 'x'.repeat(1000);
      const ids = await Promise.all(Array.from({ length: 1500 }, () => backplane.publish(record(payload))));
      const all = await backplane.history('channel::a');
      assert.deepEqual(all.records.map(({ id }) => id), ids);
      assert.ok(all.floor < ids[0] - 1, 'it is known from before the first');
      const large = [];
      for (let i = 0; i < 12; i++) large.push(await backplane.publish(record('y'.repeat(1_000_000), ['channel::b'])));
      await Promise.all(Array.from({ length: 20 }, () => backplane.publish(record(payload, ['channel::b']))));
      const { records, floor } = await backplane.history('channel::b');
      const bytes = records.reduce((sum, { payload: { length } }) => sum + length, 0);
      assert.ok(bytes >= 8 * 1024 * 1024 && bytes < 8 * 1024 * 1024 + 1_000_000, `${bytes}`);
      assert.equal(records[0].id, large[12 - (records.length - 20)]);
      assert.equal(floor, records[0].id - 1);
    });

    it('say that nothing is known from before the log was lost', async () => {
      const { backplane } = await start();
      const id = await backplane.publish(record('1'));
      await admin.sendCommand(['FLUSHALL']);
      const { records, floor } = await backplane.history('channel::a');
      assert.deepEqual(records, []);
      assert.ok(floor > id, `${floor} ${id}`);
    });

    it('claim no more than their ttl, and start anew when that was another one', async () => {
      const first = await start({ historyTtl: 1_000_000 });
      const { floor } = await first.backplane.history('channel::a');
      const { backplane } = await start({ historyTtl: 2_000_000 });
      assert.ok((await backplane.history('channel::a')).floor > floor);
      const { backplane: short, listener } = await start({ historyTtl: 1000 });
      await waitFor(async () => (await short.history('channel::b')).floor > listener.told.at(-1)[1] + 1_000_000, 'the floor to rise');
    });
  });

  describe('and its tail', () => {
    it('starts with what the log has', async () => {
      const { backplane } = await start();
      const ids = await Promise.all(['1', '2', '3'].map((payload) => backplane.publish(record(payload))));
      const { listener } = await start({ maxLogLength: 2 });
      assert.deepEqual(listener.told.slice(0, 3), [['start', ids[0]], ['2', ids[1]], ['3', ids[2]]]);
    });

    it('tells of a gap where the log was cut off', async () => {
      const line = await startLine(redis.port);
      const { backplane } = await start();
      const { listener } = await start({ url: line.url });
      await backplane.publish(record('1'));
      await listener.has('1');
      line.cut('closed');
      const ids = [];
      for (const payload of ['2', '3', '4']) ids.push(await backplane.publish(record(payload)));
      await admin.sendCommand(['XTRIM', '{sse}:log', 'MAXLEN', '=', '1']);
      line.mend();
      await listener.has('4');
      assert.deepEqual(listener.told.slice(-2), [['gap', ids[1]], ['4', ids[2]]]);
    });

    it('tells of a gap once, on every node, when Redis was started again', async () => {
      const server = await startRedis({ appendonly: true });
      const [one, two] = await Promise.all([start({ url: server.url }), start({ url: server.url })]);
      const id = await one.backplane.publish(record('1'));
      await Promise.all([one.listener.has('1'), two.listener.has('1')]);
      await server.kill();
      await server.start();
      await waitFor(() => one.backplane.publish(record('2')).catch(() => 0), 'Redis to be back');
      for (const { listener } of [one, two]) {
        // In either order: whoever publishes may be back before whoever reads.
        const told = () => listener.told.filter(([, at]) => at > id).map(([name]) => name).sort();
        await waitFor(() => told().length === 2, () => `a gap and a record: ${JSON.stringify(listener.told)}`);
        assert.deepEqual(told(), ['2', 'gap']);
      }
      assert.equal(one.listener.told.findLast(([name]) => name === 'gap')[1], two.listener.told.findLast(([name]) => name === 'gap')[1]);
    });

    it('reads on when it is far behind', async () => {
      const line = await startLine(redis.port);
      const { backplane } = await start();
      const { listener } = await start({ url: line.url });
      line.cut('silent');
      await Promise.all(Array.from({ length: 2000 }, (_, i) => backplane.publish(record(`${i}`))));
      line.mend();
      await listener.has('1999');
      assert.deepEqual(listener.names.filter((name) => /\d/.test(name)), Array.from({ length: 2000 }, (_, i) => `${i}`));
    });

    it('ends when it is closed, wherever it is', async () => {
      const line = await startLine(redis.port);
      for (const cut of [undefined, 'silent', 'closed']) {
        const { backplane } = await start({ url: line.url, publishTimeout: 50 });
        if (cut !== undefined) line.cut(cut);
        await backplane.close();
        await assert.rejects(backplane.publish(record('1')), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE' });
        line.mend();
      }
    });
  });
});

describe('clusterBackplane', () => {
  it('is for the workers of a cluster, and its set-up for the primary', () => {
    assert.throws(() => clusterBackplane(), { code: 'ERR_SSE_INVALID_OPTION', message: /redisBackplane/ });
    assert.throws(() => clusterBackplane({ url: 'x' }), { code: 'ERR_SSE_UNKNOWN_OPTION' });
    assert.throws(() => clusterBackplane.setupPrimary({ maxLogLength: 0 }), { code: 'ERR_SSE_INVALID_OPTION' });
  });
});

describe('Outbox', () => {
  const record = (payload, idempotencyKey) => ({ keys: [], payload, idempotencyKey });
  const limits = { timeout: 10_000, maxBytes: 1_000_000, name: 'test' };

  it('sends what is published in one tick together, and in order', async () => {
    const sent = [];
    const outbox = new Outbox(limits, {
      transmit(records) {
        sent.push(records.map(({ payload }) => payload));
        return Promise.resolve(records.map(({ payload }) => Number(payload)));
      },
      onStall() {},
    });
    const published = ['1', '2', '3'].map((payload) => outbox.push(record(payload)));
    await turn();
    assert.deepEqual(sent, []);
    outbox.isUp = true;
    assert.deepEqual(await Promise.all(published), [1, 2, 3]);
    assert.deepEqual(sent, [['1', '2', '3']]);
    await outbox.close();
  });

  it('sends again, in order, what has a key', async () => {
    const lost = gate();
    const sent = [];
    let batches = 0;
    const outbox = new Outbox(limits, {
      transmit(records) {
        sent.push(...records.map(({ payload }) => payload));
        batches += 1;
        return batches === 1 ? lost.opened : Promise.resolve(records.map(() => 1));
      },
      onStall() {},
    });
    outbox.isUp = true;
    const published = Array.from({ length: 70 }, (_, i) => outbox.push(record(`${i}`, i % 2 === 0 ? `${i}` : undefined)));
    await turn();
    outbox.isUp = false;
    const later = outbox.push(record('later'));
    const results = Promise.allSettled(published);
    lost.fail(new Error('gone'));
    await turn();
    sent.splice(0);
    outbox.isUp = true;
    await later;
    assert.deepEqual(sent, [...Array.from({ length: 32 }, (_, i) => `${2 * i}`), 'later']);
    assert.ok((await results).every(({ status }, i) => status === (i % 2 === 0 || i >= 64 ? 'fulfilled' : 'rejected')));
  });

  for (const [what, key, cause, maybePublished] of [
    ['was lost', 'k', new Error('gone'), true],
    ['was not sent', undefined, new Unsent('gone'), false],
  ]) {
    it(`leaves the process its turns while a wire fails at once, and says whether it ${what}`, async () => {
      let sends = 0;
      const outbox = new Outbox({ ...limits, timeout: 40 }, {
        transmit() {
          sends += 1;
          // Without turns the test would not end either.
          return sends > 10_000 ? new Promise(() => {}) : Promise.reject(cause);
        },
        onStall() {},
      });
      outbox.isUp = true;
      await assert.rejects(outbox.push(record('1', key)), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE', maybePublished });
      assert.ok(sends < 10, `${sends}`);
      await outbox.close();
    });
  }

  it('sends again after a while what a wire has lost that is up', async () => {
    let sends = 0;
    const outbox = new Outbox(limits, {
      transmit: () => (sends++ < 2 ? Promise.reject(new Unsent('gone')) : Promise.resolve([7])),
      onStall() {},
    });
    outbox.isUp = true;
    assert.equal(await outbox.push(record('1')), 7);
  });

  it('tells the wire when nothing is answered, and ends in time', async () => {
    let stalls = 0;
    const outbox = new Outbox({ ...limits, timeout: 20 }, {
      transmit: () => new Promise(() => {}),
      onStall() {
        stalls += 1;
      },
    });
    outbox.isUp = true;
    const published = outbox.push(record('1'));
    published.catch(() => {});
    await outbox.close();
    assert.equal(stalls, 1);
    await assert.rejects(published, { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE', maybePublished: true });
  });
});

describe('Follower', () => {
  const entry = (id, before, payload = `${id}`) => ({ id, before, payload });

  /** @param {object[][]} answers what `after` answers, one after the other; an Error is thrown */
  async function follow(newest, answers, { last = 100, listener = new Listener() } = {}) {
    const opened = [];
    let close;
    const source = {
      open(known) {
        opened.push(known);
        return Promise.resolve(last);
      },
      newest: () => Promise.resolve(newest),
      async after() {
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        if (answer !== undefined) return answer;
        return new Promise((resolve, reject) => {
          close = () => reject(new Error('closed'));
        });
      },
      close: () => close?.(),
    };
    const follower = new Follower(source, listener, 10);
    await waitFor(() => close !== undefined, 'the follower to wait');
    await follower.close();
    return { told: listener.told, opened, errors: listener.errors };
  }

  it('starts below the oldest record, or where an empty log is', async () => {
    assert.deepEqual((await follow([entry(5, 3), entry(7, 5)], [])).told, [['start', 3], ['5', 5], ['7', 7]]);
    assert.deepEqual((await follow([entry(5, 0)], [])).told, [['start', 4], ['5', 5]]);
    assert.deepEqual((await follow([], [[entry(101, 100)]])).told, [['start', 100], ['101', 101]]);
  });

  it('tells of what is missing, and of marks, in their places', async () => {
    const { told } = await follow([entry(5, 3)], [[entry(6, 5), entry(9, 8)], [entry(20, 4), entry(21, 20, null), entry(22, 21)]]);
    assert.deepEqual(told, [['start', 3], ['5', 5], ['6', 6], ['gap', 8], ['9', 9], ['gap', 19], ['20', 20], ['gap', 21], ['22', 22]]);
  });

  it('tells of a gap where its listener has thrown, and goes on', async () => {
    const listener = new class extends Listener {
      records(records) {
        if (records.some(({ payload }) => payload === '7')) throw new Error('thrown');
        super.records(records);
      }
    }();
    const { told, opened, errors } = await follow([entry(5, 3)], [[entry(6, 5), entry(7, 6), entry(8, 7)], [entry(9, 8)]], { listener });
    assert.deepEqual(told, [['start', 3], ['5', 5], ['gap', 8], ['9', 9]]);
    assert.equal(opened.length, 1);
    assert.deepEqual(errors.map(({ message }) => message), ['thrown']);
  });

  it('joins again where it was after an error', async () => {
    const { told, opened, errors } = await follow([entry(5, 3)], [[entry(6, 5)], new Error('cut'), [entry(7, 6)]]);
    assert.deepEqual(told, [['start', 3], ['5', 5], ['6', 6], ['7', 7]]);
    assert.deepEqual(opened, [{ position: 0, wasOpen: false }, { position: 6, wasOpen: true }]);
    assert.deepEqual(errors.map(({ message }) => message), ['cut']);
  });
});

describe('MemoryLog', () => {
  const record = (payload, keys = ['a'], idempotencyKey = undefined) => ({ payload, keys, idempotencyKey });

  it('gives ids that ascend, a chain, and histories with their floors', () => {
    const log = new MemoryLog({ maxLogLength: 3 });
    const floor = log.last;
    const ids = Array.from({ length: 10 }, (_, i) => log.append(record(`${i}`), 4));
    assert.ok(ids.every((id, i) => id > (ids[i - 1] ?? floor)));
    assert.deepEqual(log.after(ids[7], 5).map(({ id, before }) => [id, before]), [[ids[8], ids[7]], [ids[9], ids[8]]]);
    assert.deepEqual([log.before(2), log.before(3), log.before(1000), log.before(0)], [ids[7], ids[6], ids[6], ids[9]]);
    assert.deepEqual(log.after(ids[0], 2).map(({ id }) => id), ids.slice(7, 9));
    assert.deepEqual(log.after(ids[9], 2), []);
    assert.deepEqual(log.history('a'), { records: ids.slice(6).map((id, i) => ({ id, payload: `${i + 6}` })), floor: ids[5] });
    assert.deepEqual(log.history('b'), { records: [], floor });
  });

  it('keeps no more bytes than it may, and the newest record in any case', () => {
    const log = new MemoryLog({ maxLogLength: 100, maxBytes: { log: 100, history: 50 } });
    const ids = Array.from({ length: 30 }, () => log.append(record('x'.repeat(20)), 10));
    assert.deepEqual(log.after(0, 100).map(({ id, payload }) => [id, payload.length]), ids.slice(25).map((id) => [id, 20]));
    assert.equal(log.before(100), ids[24]);
    assert.deepEqual(log.history('a'), { records: ids.slice(28).map((id) => ({ id, payload: 'x'.repeat(20) })), floor: ids[27] });
    const last = log.append(record('y'.repeat(1000)), 10);
    assert.deepEqual(log.after(0, 100).map(({ id }) => id), [last]);
    assert.deepEqual(log.history('a'), { records: [{ id: last, payload: 'y'.repeat(1000) }], floor: ids[29] });
  });

  it('appends what has an idempotency key once', () => {
    const log = new MemoryLog({ maxLogLength: 3 });
    const id = log.append(record('1', ['a'], 'k'), 4);
    assert.equal(log.append(record('1', ['a'], 'k'), 4), id);
    assert.equal(log.after(0, 10).length, 1);
  });
});

describe('RecentIds', () => {
  it('forgets by number and by time', async () => {
    const recent = new RecentIds({ ttl: 20, most: 2 });
    for (const id of [1, 2, 3]) recent.set(`${id}`, id);
    assert.deepEqual([recent.get('1'), recent.get('2'), recent.get('3')], [undefined, 2, 3]);
    await waitFor(() => recent.get('3') === undefined, 'the time to pass');
  });
});

describe('names of histories', () => {
  it('are never the same for two keys', () => {
    const names = historyNames([0, '', 'a', 1, '', 'a', 1, 'b', 'a', 4, 'b:c', 'd', 4, 'b', 'c:d', 4, 'b%3Ac', 'd']);
    assert.equal(new Set(names).size, 6);
    assert.deepEqual(names.slice(0, 3), ['channel::a', 'user::a', 'user:b:a']);
  });
});
