'use strict';

// auth-tools.test.js - AuthTools and AuthEventBus: what is emitted on a bus, what of it is sent, and to whom.

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');

const { AuthEventBus, AuthTools, SseManager } = require('../..');
const { mockResponse, eventsIn } = require('./helpers/manager');
const { turn, waitFor } = require('./helpers/wait');

const code = (name) => ({ name: 'TypeError', code: name });

let made = [];

/** @returns {AuthTools & { errors: unknown[] }} */
function create(bus = new AuthEventBus(), options = { sse: true, sseOptions: { frames: 'named' } }) {
  const tools = new AuthTools(bus, options);
  tools.errors = [];
  tools.sseManager?.on('error', (error) => tools.errors.push(error));
  made.push(tools);
  return tools;
}

/** A connection of tools, and `data()`: the data of what it got. */
function listener(tools, topics, meta) {
  const { res, seen } = mockResponse();
  tools.sseManager.addConnection(res, topics, meta);
  return { events: () => eventsIn(seen.text).map(({ data }) => data), data: () => eventsIn(seen.text).map(({ data }) => data.data) };
}

afterEach(async () => {
  const ended = made;
  made = [];
  await Promise.all(ended.map((tools) => tools.stop()));
  for (const { errors } of ended) assert.deepEqual(errors, [], 'errors that no test has looked at');
});

describe('AuthEventBus', () => {
  it('emits what it publishes under its name and as `*`, with a name and a time', () => {
    const bus = new AuthEventBus();
    const seen = [];
    bus.on('login', (payload) => seen.push(['login', payload]));
    bus.on('*', (payload) => seen.push(['*', payload]));
    assert.equal(bus.publish('login', { data: 1, userId: 'u', more: true }), undefined);
    const { timestamp, ...rest } = seen[0][1];
    assert.deepEqual(seen.map(([name]) => name), ['login', '*']);
    assert.equal(seen[0][1], seen[1][1]);
    assert.deepEqual(rest, { data: 1, userId: 'u', more: true, event: 'login' });
    assert.equal(new Date(timestamp).toISOString(), timestamp);
    bus.publish('login', { timestamp: 'mine', event: 'another' });
    assert.deepEqual([seen[2][1].timestamp, seen[2][1].event], ['mine', 'login']);
  });

  it('emits once what is called `*`, and throws for no `error` that nobody listens to', () => {
    const bus = new AuthEventBus();
    const seen = [];
    bus.on('*', ({ event }) => seen.push(event));
    bus.publish('*');
    bus.publish('error', { data: 1 });
    bus.publish('constructor');
    assert.deepEqual(seen, ['*', 'error', 'constructor']);
    bus.on('error', ({ event }) => seen.push(`on ${event}`));
    bus.publish('error');
    assert.deepEqual(seen.slice(3), ['on error', 'error']);
  });

  it('takes a name and an object', () => {
    const bus = new AuthEventBus();
    for (const name of [undefined, null, '', 5, {}, Symbol('a')]) assert.throws(() => bus.publish(name), code('ERR_SSE_INVALID_ARG'));
    for (const payload of [null, 5, 'x', []]) assert.throws(() => bus.publish('a', payload), code('ERR_SSE_INVALID_ARG'));
  });
});

describe('AuthTools', () => {
  it('has no manager unless it is asked for', () => {
    for (const options of [undefined, {}, { sse: false }, { sse: undefined }, { sse: false, sseOptions: {} }]) {
      const bus = new AuthEventBus();
      const tools = new AuthTools(bus, options);
      assert.equal(tools.sseManager, null);
      assert.equal(tools.eventBus, bus);
      assert.equal(bus.listenerCount('*'), 0);
      const seen = [];
      bus.on('a', ({ data }) => seen.push(data));
      tools.track('a', 1, { userId: 'u' });
      tools.notify('global', 1);
      assert.deepEqual(seen, [1]);
    }
  });

  it('has one with its options, that nobody replaces', () => {
    const tools = create(undefined, { sse: true, sseOptions: { heartbeatIntervalMs: 5 } });
    assert.ok(tools.sseManager instanceof SseManager);
    assert.equal(tools.sseManager.heartbeatIntervalMs, 5);
    assert.throws(() => {
      tools.sseManager = null;
    }, TypeError);
  });

  it('refuses what is no bus, and options that there are not', () => {
    for (const bus of [undefined, null, {}, 'bus', { on() {}, emit() {} }]) {
      assert.throws(() => new AuthTools(bus), code('ERR_SSE_INVALID_ARG'));
    }
    const bus = new AuthEventBus();
    assert.throws(() => new AuthTools(bus, { see: true }), code('ERR_SSE_UNKNOWN_OPTION'));
    assert.throws(() => new AuthTools(bus, { sse: 1 }), code('ERR_SSE_INVALID_OPTION'));
    assert.throws(() => new AuthTools(bus, { sse: true, sseOptions: { heartbeat: 1 } }), code('ERR_SSE_UNKNOWN_OPTION'));
    assert.throws(() => new AuthTools(bus, null), code('ERR_SSE_INVALID_OPTION'));
    assert.equal(bus.listenerCount('*'), 0, 'it stayed on the bus');
  });

  it('tracks: emits on the bus, and sends one event with one id', () => {
    const bus = new AuthEventBus();
    const tools = create(bus);
    const seen = [];
    bus.on('login', (payload) => seen.push(payload));
    bus.on('*', (payload) => seen.push(payload));
    const both = listener(tools, ['user:u', 'session:s'], { userId: 'u', tenantId: 'a' });
    const session = listener(tools, ['session:s'], { tenantId: 'a' });
    assert.equal(tools.track('login', { ip: '::1' }, { userId: 'u', tenantId: 'a', sessionId: 's' }), undefined);
    assert.equal(seen.length, 2);
    assert.equal(seen[0], seen[1]);
    const { timestamp, ...rest } = seen[0];
    assert.ok(timestamp);
    assert.deepEqual(rest, { event: 'login', data: { ip: '::1' }, userId: 'u', tenantId: 'a', sessionId: 's' });
    assert.equal(both.events().length, 1);
    assert.deepEqual(both.events(), session.events());
    const { type, topic, data, userId, tenantId } = both.events()[0];
    assert.deepEqual({ type, topic, data, userId, tenantId }, {
      type: 'login', topic: 'user:u', data: { ip: '::1' }, userId: 'u', tenantId: 'a',
    });
  });

  it('names the first of those it is for as the topic', () => {
    const tools = create();
    const all = listener(tools, ['global', 'session:s'], { userId: 'u', tenantId: 'a' });
    for (const to of [{ userId: 'u', sessionId: 's' }, { sessionId: 's' }, { tenantId: 'a', sessionId: 's' }, { tenantId: 'a' }, {}, undefined]) {
      tools.track('e', null, to);
    }
    assert.deepEqual(all.events().map(({ topic }) => topic), ['user:u', 'session:s', 'session:s', 'tenant:a', 'global', 'global']);
    tools.track('e');
    assert.deepEqual(all.data().at(-1), null);
  });

  it('never makes global what names somebody, however empty', () => {
    const tools = create();
    const everybody = listener(tools, ['global']);
    for (const to of [{ userId: '' }, { tenantId: '' }, { sessionId: '' }]) {
      assert.throws(() => tools.track('e', 1, to), TypeError, JSON.stringify(to));
    }
    for (const to of [{ userId: 5 }, { sessionId: {} }, { tenantId: false }]) assert.throws(() => tools.track('e', 1, to), TypeError);
    assert.throws(() => tools.track('e', 1, { user: 'u' }), code('ERR_SSE_UNKNOWN_OPTION'));
    assert.throws(() => tools.track('e', 1, null), code('ERR_SSE_INVALID_OPTION'));
    assert.throws(() => tools.track('', 1), code('ERR_SSE_INVALID_ARG'));
    assert.deepEqual(everybody.events(), []);
    tools.track('e', 1, { userId: null, tenantId: undefined });
    assert.deepEqual(everybody.data(), [1]);
  });

  it('has sent what it tracks when a listener of the bus throws', () => {
    const bus = new AuthEventBus();
    const tools = create(bus);
    const user = listener(tools, [], { userId: 'u' });
    bus.on('a', () => {
      throw new Error('of a listener');
    });
    assert.throws(() => tools.track('a', 1, { userId: 'u' }), /of a listener/);
    assert.deepEqual(user.data(), [1]);
  });

  it('emits nothing that cannot be sent', () => {
    const bus = new AuthEventBus();
    const tools = create(bus);
    bus.on('*', () => assert.fail('emitted'));
    assert.throws(() => tools.track('a', 5n), code('ERR_SSE_INVALID_DATA'));
    assert.throws(() => tools.track('closing', 1), code('ERR_SSE_RESERVED_EVENT_TYPE'));
    assert.throws(() => tools.track('a', 1, { tenantId: 'a:b' }), code('ERR_SSE_INVALID_TOPIC'));
  });

  it('notifies a topic', () => {
    const tools = create();
    const both = listener(tools, ['custom:c'], { tenantId: 'a' });
    const one = listener(tools, ['custom:c']);
    assert.equal(tools.notify('custom:c', 1), undefined);
    tools.notify('custom:c', 2, { type: 't', tenantId: 'a', userId: 'u', metadata: { m: 1 } });
    assert.deepEqual([both.data(), one.data()], [[1, 2], [1]]);
    assert.deepEqual(both.events().map(({ type }) => type), ['notification', 't']);
    const { userId, tenantId, metadata } = both.events()[1];
    assert.deepEqual({ userId, tenantId, metadata }, { userId: 'u', tenantId: 'a', metadata: { m: 1 } });
    assert.throws(() => tools.notify('nothing', 1), code('ERR_SSE_INVALID_TOPIC'));
    assert.throws(() => tools.notify('global'), code('ERR_SSE_INVALID_DATA'));
    assert.throws(() => tools.notify('global', 1, { sessionId: 's' }), code('ERR_SSE_UNKNOWN_OPTION'));
  });

  it('reports what is tracked after stop(), and has left the bus', async () => {
    const bus = new AuthEventBus();
    const tools = create(bus);
    await tools.stop();
    assert.equal(bus.listenerCount('*'), 0);
    tools.track('a', 1);
    bus.publish('b', { data: 1 });
    await waitFor(() => tools.errors.length > 0);
    assert.deepEqual(tools.errors.splice(0).map((error) => error.code), ['ERR_SSE_STOPPED']);
  });
});

for (const [name, Bus, emit] of [
  ['an AuthEventBus', AuthEventBus, (bus, event, payload) => bus.publish(event, payload)],
  ['a plain EventEmitter', EventEmitter, (bus, event, payload) => bus.emit('*', { event, ...payload })],
]) {
  describe(`AuthTools and what others emit on ${name}`, () => {
    it('sends it by the rule of track', () => {
      const bus = new Bus();
      const tools = create(bus);
      const places = {
        everybody: listener(tools, ['global']),
        user: listener(tools, [], { userId: 'u' }),
        other: listener(tools, ['global'], { userId: 'w', tenantId: 'b' }),
        tenant: listener(tools, [], { tenantId: 'a' }),
        session: listener(tools, ['session:s']),
      };
      const rows = [
        [{}, 'everybody other'], [{ userId: 'u' }, 'user'], [{ tenantId: 'a' }, 'tenant'], [{ sessionId: 's' }, 'session'],
        [{ userId: 'u', sessionId: 's' }, 'user session'], [{ userId: 'u', tenantId: 'a' }, ''], [{ userId: null }, 'everybody other'],
      ];
      rows.forEach(([to], i) => emit(bus, 'e', { data: i, ...to }));
      for (const [place, { data }] of Object.entries(places)) {
        const expected = rows.flatMap(([, names], i) => (names.split(' ').includes(place) ? [i] : []));
        assert.deepEqual(data(), expected, place);
      }
    });

    it('sends no more of it than its data and whom it is for', () => {
      const bus = new Bus();
      const tools = create(bus);
      const everybody = listener(tools, ['global']);
      emit(bus, 'e', { secret: 'password', metadata: { ip: '::1' } });
      const [{ id, timestamp, ...rest }] = everybody.events();
      assert.ok(id && timestamp);
      assert.deepEqual(rest, { type: 'e', topic: 'global', data: null });
    });

    it('sends what track emitted no second time, also when a listener publishes in turn', () => {
      const bus = new Bus();
      const tools = create(bus);
      const everybody = listener(tools, ['global']);
      bus.on('first', (payload) => {
        tools.track('second', payload.data + 1);
        emit(bus, 'third', { data: payload.data + 2 });
        bus.emit('*', payload);
      });
      tools.track('first', 1);
      assert.deepEqual(everybody.events().map(({ type, data }) => [type, data]), [['first', 1], ['second', 2], ['third', 3]]);
      tools.track('first', 5);
      assert.equal(everybody.events().length, 6);
    });

    it('lets two of them on one bus send each what the other tracks', () => {
      const bus = new Bus();
      const [one, two] = [create(bus), create(bus)];
      const [atOne, atTwo] = [listener(one, ['global']), listener(two, ['global'])];
      one.track('a', 1);
      two.track('a', 2);
      assert.deepEqual([atOne.data(), atTwo.data()], [[1, 2], [1, 2]]);
    });
  });
}

describe('AuthTools and hostile payloads', () => {
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const throwing = (name) => Object.defineProperty({ event: 'e', data: 1 }, name, { get() {
    throw new Error(`of ${name}`);
  } });
  const circular = { event: 'e', data: {} };
  circular.data.self = circular;

  /** What is no event at all. */
  const IGNORED = [undefined, null, 0, 5, 'x', '', true, Symbol('a'), () => {}, 5n];

  /** What looks like one, and cannot be sent. */
  const REPORTED = [
    {}, [], { event: 5 }, { event: '' }, { event: {} }, { event: 'a\nb' }, { event: 'connected' }, { event: 'closing' },
    { event: 'e', data: 5n }, { event: 'e', data: () => 1 }, { event: 'e', data: 'x'.repeat(2 ** 21) }, circular,
    { event: 'e', userId: 5 }, { event: 'e', userId: '' }, { event: 'e', userId: 'a\0' }, { event: 'e', tenantId: 'a:b' },
    { event: 'e', sessionId: {} }, { event: 'e', sessionId: '' }, { event: 'e', userId: ['u'] }, { event: 'e', tenantId: 0 },
    { event: 'e', data: { toJSON() {
      throw null;
    } } },
    { event: 'e', data: { toJSON() {
      throw revoked.proxy;
    } } },
    ...['event', 'data', 'userId', 'tenantId', 'sessionId'].map(throwing), revoked.proxy, { event: 'e', data: revoked.proxy },
  ];

  it('never throws into who emits, sends nothing, and reports', async () => {
    const bus = new EventEmitter();
    const tools = create(bus);
    const everybody = listener(tools, ['global'], { userId: 'u', tenantId: 'a' });
    for (const payload of IGNORED) bus.emit('*', payload);
    bus.emit('*');
    await turn();
    assert.deepEqual(tools.errors, []);
    for (const payload of REPORTED) bus.emit('*', payload);
    await waitFor(() => tools.errors.length >= REPORTED.length);
    assert.equal(tools.errors.splice(0).length, REPORTED.length);
    assert.deepEqual(everybody.events(), []);
    bus.emit('*', { event: 'e', data: 'still here' });
    assert.deepEqual(everybody.data(), ['still here']);
  });

  it('takes a payload without a prototype, and names of its own', () => {
    const bus = new EventEmitter();
    const tools = create(bus);
    const everybody = listener(tools, ['global']);
    bus.emit('*', Object.assign(Object.create(null), { event: '__proto__', data: 1 }));
    bus.emit('*', JSON.parse('{"event":"constructor","data":2,"__proto__":{"userId":"u"}}'));
    assert.deepEqual(everybody.events().map(({ type, data }) => [type, data]), [['__proto__', 1], ['constructor', 2]]);
  });

  it('warns once where nobody listens to the manager', async () => {
    const bus = new EventEmitter();
    const tools = new AuthTools(bus, { sse: true });
    made.push(Object.assign(tools, { errors: [] }));
    const warnings = [];
    const onWarning = (warning) => warnings.push(warning.code);
    process.on('warning', onWarning);
    for (let i = 0; i < 5; i++) bus.emit('*', { event: 5 });
    await waitFor(() => warnings.length > 0);
    await turn();
    process.off('warning', onWarning);
    assert.deepEqual(warnings, ['SSE_WARN_HOOK']);
  });
});
