'use strict';

// bad-input.test.js - what the caller does wrong: a TypeError with a code, at once, before anything is
// queued.

const assert = require('node:assert/strict');

const { createSseServer, topics } = require('../..');
const { CODES } = require('../../lib/errors');
const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');

const JWKS = { url: 'https://id.example/jwks', issuer: 'https://id.example', audience: 'api' };
const ENVIRONMENT = ['JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE', 'SSE_HEARTBEAT_INTERVAL'];

/** Every code that was really thrown in this file. */
const produced = new Set();

/** Calls and checks that it throws, synchronously, a TypeError with the code and the words. */
function assertThrows(call, code, ...words) {
  assert.throws(call, (error) => {
    assert.ok(error instanceof TypeError, `a TypeError, not ${error}`);
    assert.equal(error.code, code, error.message);
    for (const word of words) assert.ok(error.message.includes(word), `${word} in: ${error.message}`);
    return true;
  });
  produced.add(code);
}

const own = (options) => () => createSseServer({ ...options, hooks: { authenticateSubscriber: () => ({ sub: 'x' }), ...options?.hooks } });

let saved;

beforeEach(() => {
  saved = Object.fromEntries(ENVIRONMENT.map((name) => [name, process.env[name]]));
  for (const name of ENVIRONMENT) delete process.env[name];
});

afterEach(() => {
  for (const [name, value] of Object.entries(saved)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

afterEach(cleanUp);

describe('options of createSseServer', () => {
  const missing = { url: 'JWKS_URL', issuer: 'JWT_ISSUER', audience: 'JWT_AUDIENCE' };
  for (const [name, variable] of Object.entries(missing)) {
    it(`needs jwks.${name} or ${variable}, and names both`, () => {
      for (const value of [undefined, '']) {
        assertThrows(() => createSseServer({ jwks: { ...JWKS, [name]: value } }), 'ERR_SSE_MISSING_OPTION', `jwks.${name}`, variable);
      }
      process.env[variable] = '';
      assertThrows(() => createSseServer({ jwks: { ...JWKS, [name]: undefined } }), 'ERR_SSE_MISSING_OPTION', `jwks.${name}`, variable);
    });
  }

  it('needs jwks at all where no authenticator stands in', () => {
    for (const options of [undefined, {}, { jwks: undefined }, { jwks: {} }, { hooks: {} }, { hooks: { onConnect() {} } }]) {
      assertThrows(() => createSseServer(options), 'ERR_SSE_MISSING_OPTION', 'jwks.url', 'JWKS_URL');
    }
  });

  it('refuses an empty list of audiences', () => {
    assertThrows(() => createSseServer({ jwks: { ...JWKS, audience: [] } }), 'ERR_SSE_MISSING_OPTION', 'jwks.audience');
  });

  it('needs an authenticator for requireToken: false', () => {
    assertThrows(() => createSseServer({ jwks: JWKS, requireToken: false }), 'ERR_SSE_MISSING_OPTION', 'authenticateSubscriber');
  });

  const unknown = [
    [{ heartbeat: 1 }, 'heartbeat', 'heartbeatInterval'],
    [{ heartBeatInterval: 1 }, 'heartBeatInterval', 'heartbeatInterval'],
    [{ hook: {} }, 'hook', 'hooks'],
    [{ maxClient: 1 }, 'maxClient', 'maxClients'],
    [{ JWKS: {} }, 'JWKS', 'jwks'],
    [{ history: { siz: 1 } }, 'siz', 'size'],
    [{ history: { Size: 1 } }, 'Size', 'size'],
    [{ hooks: { onconnect() {} } }, 'onconnect', 'onConnect'],
    [{ hooks: { onDisconect() {} } }, 'onDisconect', 'onDisconnect'],
    [{ hooks: { authorizeChannels() {} } }, 'authorizeChannels', 'authorizeChannel'],
  ];
  for (const [options, name, nearest] of unknown) {
    it(`refuses ${JSON.stringify(Object.keys(options))}: ${name} and suggests ${nearest}`, () => {
      assertThrows(own(options), 'ERR_SSE_UNKNOWN_OPTION', JSON.stringify(name), `Did you mean "${nearest}"`);
    });
  }

  it('refuses unknown names below jwks', () => {
    assertThrows(() => createSseServer({ jwks: { ...JWKS, issuers: 'x' } }), 'ERR_SSE_UNKNOWN_OPTION', '"issuers"', 'Did you mean "issuer"');
  });

  it('refuses an unknown name even when its value is undefined', () => {
    assertThrows(own({ nonsense: undefined }), 'ERR_SSE_UNKNOWN_OPTION', 'nonsense');
  });

  it('refuses options that are no object', () => {
    for (const options of [null, 1, 'x', true, [], () => {}]) assertThrows(() => createSseServer(options), 'ERR_SSE_INVALID_OPTION');
    for (const name of ['history', 'hooks']) {
      for (const value of [null, 1, 'x', true, []]) assertThrows(() => createSseServer({ jwks: JWKS, [name]: value }), 'ERR_SSE_INVALID_OPTION', name);
    }
    for (const value of [null, 1, 'x', true, []]) assertThrows(() => createSseServer({ jwks: value }), 'ERR_SSE_INVALID_OPTION', 'jwks');
  });

  const numbers = ['heartbeatInterval', 'threads', 'retry', 'maxClients', 'maxClientsPerUser', 'maxChannelsPerClient', 'maxChannels',
    'maxChannelNameLength', 'maxEventBytes', 'maxQueuedBytes', 'maxTokenBytes', 'hookTimeout'];
  for (const name of numbers) {
    it(`refuses a ${name} that is no number in its range`, () => {
      for (const value of [null, '1', '', true, NaN, -1, 1.5, -Infinity, {}, [], () => {}, 1n, Symbol('x'), 2 ** 60]) {
        assertThrows(own({ [name]: value }), 'ERR_SSE_INVALID_OPTION', name);
      }
    });
  }

  for (const name of ['threads', 'maxClients', 'maxClientsPerUser', 'maxChannelsPerClient', 'maxChannels', 'maxChannelNameLength',
    'maxEventBytes', 'maxQueuedBytes', 'maxTokenBytes', 'hookTimeout']) {
    it(`refuses a ${name} of 0`, () => {
      assertThrows(own({ [name]: 0 }), 'ERR_SSE_INVALID_OPTION', name);
    });
  }

  for (const name of ['size', 'ttl']) {
    it(`refuses a history.${name} that is no number in its range`, () => {
      for (const value of [null, '1', true, NaN, -1, 1.5, {}, []]) {
        assertThrows(own({ history: { [name]: value } }), 'ERR_SSE_INVALID_OPTION', `history.${name}`);
      }
    });
  }

  for (const name of ['requireToken', 'queryToken']) {
    it(`refuses a ${name} that is not true or false`, () => {
      for (const value of [null, 0, 1, 'true', {}]) assertThrows(own({ [name]: value }), 'ERR_SSE_INVALID_OPTION', name);
    });
  }

  for (const name of ['transport', 'refusal']) {
    it(`refuses a ${name} that does not exist, and names those that do`, () => {
      for (const value of [null, '', 'Auto', 'websocket', 1, {}]) assertThrows(own({ [name]: value }), 'ERR_SSE_INVALID_OPTION', name, ' or ');
    });
  }

  for (const name of ['authenticateSubscriber', 'authorizeChannel', 'onConnect', 'onDisconnect']) {
    it(`refuses hooks.${name} that is no function`, () => {
      for (const value of [null, 1, 'x', {}, true, Promise.resolve()]) {
        assertThrows(() => createSseServer({ jwks: JWKS, hooks: { [name]: value } }), 'ERR_SSE_INVALID_OPTION', `hooks.${name}`);
      }
    });
  }

  const wrongJwks = {
    url: [1, null, 'nonsense', 'ftp://id.example', 'http://id.example/jwks', 'http://localhost.evil.example', 'https://user:pw@id.example'],
    issuer: [1, null, {}, ['https://id.example']],
    audience: [1, null, {}, [''], [1], ['a', null]],
    algorithms: [null, 'RS256', [], ['HS256'], ['none'], ['RS256', 'RS384']],
    clockSkew: [null, '60', -1, 61, NaN, Infinity, 1.5],
    maxAge: [null, '1', 0, -1, NaN, Infinity],
    cooldown: [null, '1', 0, -1, NaN],
    backoff: [null, 0, 30_001],
    timeout: [null, 0, 60_001],
    staleIfError: [null, -1, NaN],
    allowInsecureUrl: [null, 1, 'true'],
    typ: [null, 1, ''],
    clock: [null, 1, {}],
  };
  for (const [name, values] of Object.entries(wrongJwks)) {
    it(`refuses a jwks.${name} that is wrong`, () => {
      for (const value of values) {
        assertThrows(() => createSseServer({ jwks: { ...JWKS, [name]: value } }), 'ERR_SSE_INVALID_OPTION', `jwks.${name}`);
      }
    });
  }

  it('never shows the password of a URL', () => {
    assert.throws(() => createSseServer({ jwks: { ...JWKS, url: 'https://user:topsecret@id.example' } }), (error) => !error.message.includes('topsecret'));
  });

  it('shows a value that is long or has lines in a few characters of one line', () => {
    for (const value of ['x'.repeat(10_000), 'a\nb\r\n']) {
      assert.throws(own({ transport: value }), (error) => error.message.length < 300 && !/[\r\n]/.test(error.message));
    }
  });

  it('refuses a SSE_HEARTBEAT_INTERVAL that is no number, unless the option is there', async () => {
    for (const value of ['x', '-1', '1.5', '1e3', ' 1', '99999999999']) {
      process.env.SSE_HEARTBEAT_INTERVAL = value;
      assertThrows(own(), 'ERR_SSE_INVALID_OPTION', 'SSE_HEARTBEAT_INTERVAL');
      await own({ heartbeatInterval: 1000 })().stop();
    }
  });

  it('takes what is at the ends of the ranges', async () => {
    const fine = [
      { maxClients: Infinity, maxClientsPerUser: Infinity, history: { ttl: Infinity } },
      { maxClients: 1, maxClientsPerUser: 1, history: { size: 0, ttl: 1 }, heartbeatInterval: 0, retry: 0 },
      { heartbeatInterval: 2 ** 31 - 1, hookTimeout: 2 ** 31 - 1, retry: 2 ** 31 - 1, history: { size: 1_000_000 } },
      { transport: 'stream', refusal: 'status', requireToken: true, queryToken: true, threads: 2 },
      { heartbeatInterval: undefined, hooks: { onConnect: undefined }, history: undefined, jwks: undefined },
    ];
    for (const options of fine) await own(options)().stop();
  });

  it('does not keep what the caller may change later', async () => {
    const hooks = { authorizeChannel: () => true };
    const app = await startServer({ hooks });
    hooks.authorizeChannel = () => false;
    await app.open({ channels: ['a'] });
  });
});

for (const transport of TRANSPORTS) {
  describe(`arguments of publish (${transport})`, () => {
    const event = { type: 't', data: 1 };
    const cyclic = { a: { b: [] } };
    cyclic.a.b.push(cyclic);
    const circularGetter = { get boom() {
      throw new Error('a getter that throws');
    } };

    /** [what, call, code, words...] */
    const wrong = [
      ['an event that is undefined', (sse) => sse.publish('a'), 'ERR_SSE_INVALID_ARG', 'event'],
      ...[null, 1, 'x', true, [], () => {}].map((value) => [`an event that is ${String(value)}`, (sse) => sse.publish('a', value), 'ERR_SSE_INVALID_ARG', 'event']),
      ...[undefined, null, 1, {}, [], Object('a'), Symbol('a')].map((value) => [`a channel that is ${String(value)}`, (sse) => sse.publish(value, event), 'ERR_SSE_INVALID_ARG', 'channel']),
      ...[undefined, null, 1, {}, ['t'], Object('t')].map((value) => [`a type that is ${String(value)}`, (sse) => sse.publish('a', { type: value, data: 1 }), 'ERR_SSE_INVALID_ARG', 'event.type']),
      ['an empty channel', (sse) => sse.publish('', event), 'ERR_SSE_INVALID_CHANNEL', 'empty'],
      ['a channel of 257 bytes', (sse) => sse.publish('x'.repeat(257), event), 'ERR_SSE_INVALID_CHANNEL', '256'],
      ['a channel of 258 bytes of UTF-8', (sse) => sse.publish('ü'.repeat(129), event), 'ERR_SSE_INVALID_CHANNEL', '256'],
      ...['a\nb', 'a\rb', 'a\0b', 'a\tb', '\x1f', 'a\x7f'].map((name) => [`a channel like ${JSON.stringify(name)}`, (sse) => sse.publish(name, event), 'ERR_SSE_INVALID_CHANNEL', 'control']),
      ...['\ud800', 'a\udc00b', '\udc00\ud800'].map((name) => [`a channel like ${JSON.stringify(name)}`, (sse) => sse.publish(name, event), 'ERR_SSE_INVALID_CHANNEL', 'surrogate']),
      ...[undefined, null, 1, {}].map((value) => [`a user that is ${String(value)}`, (sse) => sse.publishToUser(value, event), 'ERR_SSE_INVALID_ARG', 'userId']),
      ...['', 'a\nb', 'a\0', '\ud800', 'x'.repeat(256), 'ü'.repeat(128)].map((value) => [`a user like ${JSON.stringify(value).slice(0, 20)}`, (sse) => sse.publishToUser(value, event), 'ERR_SSE_INVALID_USER']),
      ['an empty type', (sse) => sse.publish('a', { type: '', data: 1 }), 'ERR_SSE_INVALID_EVENT_TYPE', 'empty'],
      ...['a\nb', 'a\rb', 'a\r\nb', 'a\0b', '\n', 'x\r', 'evil\ndata: {}\n\n'].map((type) => [`a type like ${JSON.stringify(type)}`, (sse) => sse.publish('a', { type, data: 1 }), 'ERR_SSE_INVALID_EVENT_TYPE']),
      ...['connected', 'closing', 'gap'].map((type) => [`the type ${type}`, (sse) => sse.publish('a', { type, data: 1 }), 'ERR_SSE_RESERVED_EVENT_TYPE', type]),
      ['a BigInt', (sse) => sse.publish('a', { type: 't', data: 1n }), 'ERR_SSE_INVALID_DATA'],
      ['a BigInt deep inside', (sse) => sse.publish('a', { type: 't', data: [{ a: 1n }] }), 'ERR_SSE_INVALID_DATA'],
      ['cyclic data', (sse) => sse.publish('a', { type: 't', data: cyclic }), 'ERR_SSE_INVALID_DATA'],
      ['no data', (sse) => sse.publish('a', { type: 't' }), 'ERR_SSE_INVALID_DATA', 'null'],
      ['undefined data', (sse) => sse.publish('a', { type: 't', data: undefined }), 'ERR_SSE_INVALID_DATA'],
      ['a function', (sse) => sse.publish('a', { type: 't', data: () => {} }), 'ERR_SSE_INVALID_DATA'],
      ['a symbol', (sse) => sse.publish('a', { type: 't', data: Symbol('x') }), 'ERR_SSE_INVALID_DATA'],
      ['toJSON that answers undefined', (sse) => sse.publish('a', { type: 't', data: { toJSON() {} } }), 'ERR_SSE_INVALID_DATA'],
      ['a getter that throws', (sse) => sse.publish('a', { type: 't', data: circularGetter }), 'ERR_SSE_INVALID_DATA'],
      ['data over maxEventBytes', (sse) => sse.publish('a', { type: 't', data: 'x'.repeat(1000) }), 'ERR_SSE_EVENT_TOO_LARGE', '1002', '1000'],
      ['data over maxEventBytes in UTF-8', (sse) => sse.publish('a', { type: 't', data: 'ü'.repeat(500) }), 'ERR_SSE_EVENT_TOO_LARGE'],
    ];

    it('throw at once, and nothing of it is queued, kept or counted', async () => {
      const app = await startServer({ transport, maxEventBytes: 1000 });
      const client = await app.open({ channels: ['a'], token: 'alice' });
      const before = app.sse.cursor();
      for (const [what, call, code, ...words] of wrong) {
        try {
          assertThrows(() => call(app.sse), code, ...words);
        } catch (error) {
          error.message = `${what}: ${error.message}`;
          throw error;
        }
      }
      assert.equal(app.sse.cursor(), before, 'no id was spent');
      assert.equal(app.sse.stats().events.published, 0);
      await app.sse.publish('a', { type: 't', data: 'fine' });
      assert.deepEqual(await client.data(1), ['fine']);
      const later = await app.open({ channels: ['a'], headers: { 'Last-Event-ID': String(before) } });
      assert.deepEqual(await later.data(1), ['fine']);
    });

    it('name what is thrown inside as the cause', async () => {
      const app = await startServer({ transport });
      assert.throws(() => app.sse.publish('a', { type: 't', data: circularGetter }), (error) => error.cause.message === 'a getter that throws');
    });

    it('are looked at once: what changes while it is looked at cannot slip through', async () => {
      const app = await startServer({ transport });
      const client = await app.open({ channels: ['a'] });
      let looks = 0;
      await app.sse.publish('a', { get type() {
        return looks++ === 0 ? 't' : 'connected';
      }, data: 1 });
      assert.equal((await client.next(({ data }) => data === '1')).type, 't');
      assert.equal(looks, 1);
    });

    it('have their own limit of bytes for a channel', async () => {
      const app = await startServer({ transport, maxChannelNameLength: 3 });
      assertThrows(() => app.sse.publish('abcd', event), 'ERR_SSE_INVALID_CHANNEL', '3');
      await app.sse.publish('abc', event);
    });
  });
}

describe('a topic', () => {
  const wrong = ['', 'orders', 'global:x', 'tenant:', 'tenant:a:', 'tenant:a:b', 'tenant:a:role:', 'tenant::role:x',
    'tenant:a:admin:x', 'user:', 'session:', 'custom:', 'user:a\nb', `user:${'x'.repeat(256)}`, 'User:a', ' global'];
  for (const text of wrong) {
    it(`is refused: ${JSON.stringify(text).slice(0, 30)}`, () => {
      assertThrows(() => topics.parse(text), 'ERR_SSE_INVALID_TOPIC');
    });
  }

  it('is not built of a part that it cannot have', () => {
    assertThrows(() => topics.tenant('a:b'), 'ERR_SSE_INVALID_TOPIC', '"a:b"', 'colon');
    assertThrows(() => topics.role('a', ''), 'ERR_SSE_INVALID_TOPIC', 'empty');
    for (const value of [undefined, null, 1, {}]) assertThrows(() => topics.user(value), 'ERR_SSE_INVALID_ARG');
  });
});

describe('the table of codes', () => {
  it('has been thrown in full', () => {
    // The others say that they are an Error: no mistake of the caller's, and tested where they come from.
    const typeErrors = Object.keys(CODES).filter((code) => !/\(an Error\b/.test(CODES[code]));
    assert.deepEqual([...produced].sort(), typeErrors.sort());
  });
});
