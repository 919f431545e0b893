'use strict';

// refusals.test.js - every answer but a stream: which status comes first, what its body and headers say,
// and what a hook can do wrong.

const assert = require('node:assert/strict');
const http2 = require('node:http2');

const { HTTP } = require('../../lib/errors');
const { startServer, cleanUp } = require('./helpers/app');
const { gate, turn, waitFor } = require('./helpers/wait');

const SECRET = 'secret-detail';

const thrower = (properties) => () => {
  throw Object.assign(new Error(SECRET), properties);
};

/** A status, its code, and what every refusal has in common. */
async function assertRefused(app, request, status, code) {
  const answer = await app.request(request);
  assert.equal(answer.status, status, answer.body);
  assert.deepEqual(Object.keys(answer.json), ['error', 'message']);
  assert.equal(answer.json.error, code);
  assert.equal(typeof answer.json.message, 'string');
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.doesNotMatch(answer.text + answer.body, new RegExp(`${SECRET}|\\bat .*:\\d+`), 'no detail, no stack');
  if (status === 503) assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
  if (status !== 401) assert.equal(answer.headers['www-authenticate'], undefined);
  return answer;
}

afterEach(cleanUp);

describe('the order of refusals', () => {
  /** Everything wrong at once, then one thing after the other put right. */
  const bad = { channels: ['\x01'], token: null };

  it('is 503 stopping first', async () => {
    const app = await startServer({ maxClients: 1 });
    await app.sse.stop();
    await assertRefused(app, bad, 503, 'ERR_SSE_STOPPING');
  });

  it('is 503 full before any token work', async () => {
    let calls = 0;
    const hooks = { authenticateSubscriber: (token) => {
      calls++;
      return { sub: token };
    } };
    const app = await startServer({ maxClients: 1, hooks });
    const client = await app.open();
    await assertRefused(app, bad, 503, 'ERR_SSE_FULL');
    await assertRefused(app, {}, 503, 'ERR_SSE_FULL');
    await assertRefused(app, { headers: { 'Last-Event-ID': '1' } }, 503, 'ERR_SSE_FULL');
    assert.equal(calls, 1);
    client.close();
    await app.hasClients(0);
    await app.open();
  });

  it('is 401 before 400', async () => {
    const app = await startServer();
    await assertRefused(app, bad, 401, 'ERR_SSE_UNAUTHORIZED');
  });

  it('is 400 before 403', async () => {
    let calls = 0;
    const app = await startServer({ hooks: { authorizeChannel: () => {
      calls++;
      return false;
    } } });
    await assertRefused(app, { channels: ['fine', '\x01'] }, 400, 'ERR_SSE_BAD_REQUEST');
    assert.equal(calls, 0, 'no channel is authorised before all are well-formed');
    await assertRefused(app, { channels: ['fine'] }, 403, 'ERR_SSE_FORBIDDEN');
    assert.equal(calls, 1);
  });

  it('is 403 before 429', async () => {
    const app = await startServer({ maxClientsPerUser: 1, hooks: { authorizeChannel: (user, name) => name === 'mine' } });
    await app.open({ channels: ['mine'] });
    await assertRefused(app, { channels: ['mine', 'yours'] }, 403, 'ERR_SSE_FORBIDDEN');
    await assertRefused(app, { channels: ['mine'] }, 429, 'ERR_SSE_TOO_MANY_CONNECTIONS');
  });

  it('frees the slot of everyone who is refused', async () => {
    const app = await startServer({ maxClients: 1, maxClientsPerUser: 1, hooks: {
      authorizeChannel: (user, name) => name === 'mine',
      authenticateSubscriber: (token) => (token === 'boom' ? thrower()() : { sub: token }),
    } });
    for (let i = 0; i < 3; i++) {
      await assertRefused(app, { token: null }, 401, 'ERR_SSE_UNAUTHORIZED');
      await assertRefused(app, { channels: [''] }, 400, 'ERR_SSE_BAD_REQUEST');
      await assertRefused(app, { channels: ['yours'] }, 403, 'ERR_SSE_FORBIDDEN');
      await assertRefused(app, { token: 'boom' }, 500, 'ERR_SSE_HOOK_FAILED');
    }
    assert.equal(app.errors.splice(0).length, 3);
    const client = await app.open({ channels: ['mine'] });
    await assertRefused(app, {}, 503, 'ERR_SSE_FULL');
    client.close();
    await app.hasClients(0);
    await app.open({ channels: ['mine'] });
  });
});

describe('limits', () => {
  it('refuses the maxClients + 1st, from any user', async () => {
    const app = await startServer({ maxClients: 3 });
    const all = await Promise.all(['a', 'b', 'c'].map((token) => app.open({ token })));
    await assertRefused(app, { token: 'd' }, 503, 'ERR_SSE_FULL');
    all[1].reset();
    await app.hasClients(2);
    await app.open({ token: 'd' });
  });

  it('counts those who are still being authorised', async () => {
    const pending = gate();
    let calls = 0;
    const app = await startServer({ maxClients: 1, hooks: { authenticateSubscriber: () => {
      calls++;
      return pending.opened;
    } } });
    const client = app.send();
    await waitFor(() => calls === 1);
    await assertRefused(app, {}, 503, 'ERR_SSE_FULL');
    pending.open({ sub: 'alice' });
    await client.connected();
  });

  it('refuses the maxClientsPerUser + 1st of one user only', async () => {
    const app = await startServer({ maxClientsPerUser: 2 });
    const first = await app.open({ token: 'alice' });
    await app.open({ token: 'alice' });
    const { headers } = await assertRefused(app, { token: 'alice' }, 429, 'ERR_SSE_TOO_MANY_CONNECTIONS');
    assert.match(headers['retry-after'], /^[1-9]\d*$/);
    await app.open({ token: 'bob' });
    first.close();
    await app.hasClients(2);
    await app.open({ token: 'alice' });
    await assertRefused(app, { token: 'alice' }, 429, 'ERR_SSE_TOO_MANY_CONNECTIONS');
  });

  for (const transport of ['socket', 'stream']) {
    it(`never lets more in than maxClients and maxClientsPerUser, whoever comes at once (${transport})`, async () => {
      const app = await startServer({ transport, maxClients: 20, maxClientsPerUser: 3, hooks: {
        authenticateSubscriber: async (token) => ({ sub: token }),
      } });
      const all = Array.from({ length: 60 }, (_, i) => app.send({ token: `user${i % 5}` }));
      const heads = await Promise.all(all.map((client) => client.head()));
      const statuses = heads.map(({ status }) => status);
      assert.ok(statuses.every((status) => [200, 429, 503].includes(status)));
      const users = [...app.sse.clients.values()].map(({ userId }) => userId);
      assert.equal(users.length, statuses.filter((status) => status === 200).length);
      assert.ok(users.length <= 15);
      for (const user of new Set(users)) assert.ok(users.filter((name) => name === user).length <= 3);
    });
  }
});

describe('malformed channels', () => {
  const malformed = {
    'an empty name': '',
    'a control character': 'a\x1fb',
    'a line break': 'a\nb',
    NUL: 'a\0b',
    DEL: 'a\x7f',
    '257 bytes': 'x'.repeat(257),
    '257 bytes of UTF-8': 'ü'.repeat(128) + 'x',
    'ten thousand bytes': 'x'.repeat(10_000),
  };
  for (const [name, channel] of Object.entries(malformed)) {
    it(`answers 400 to ${name}`, async () => {
      const app = await startServer();
      await assertRefused(app, { channels: ['fine', channel] }, 400, 'ERR_SSE_BAD_REQUEST');
    });
  }

  it('takes broken percent-encoding as URLSearchParams does, never as an error of its own', async () => {
    const app = await startServer();
    const client = await app.open({ path: '/sse?channel=%ff&channel=%', channels: undefined });
    assert.deepEqual(client.hello.channels, ['\ufffd', '%']);
  });
});

describe('tokens', () => {
  const seen = [];
  const hooks = { authenticateSubscriber: (token) => {
    seen.push(token);
    return { sub: 'alice' };
  } };

  beforeEach(() => seen.splice(0));

  it('is 401 without one, with a bare challenge and without asking a hook', async () => {
    const app = await startServer({ hooks });
    const { headers } = await assertRefused(app, { token: null }, 401, 'ERR_SSE_UNAUTHORIZED');
    assert.equal(headers['www-authenticate'], 'Bearer');
    await assertRefused(app, { token: null, query: { token: '' } }, 401, 'ERR_SSE_UNAUTHORIZED');
    assert.deepEqual(seen, []);
  });

  it('is 401 with error="invalid_token" for one that is refused', async () => {
    const app = await startServer({ hooks: { authenticateSubscriber: thrower({ status: 401 }) } });
    for (const request of [{}, { token: null, query: { token: 'x' } }]) {
      const { headers } = await assertRefused(app, request, 401, 'ERR_SSE_UNAUTHORIZED');
      assert.equal(headers['www-authenticate'], 'Bearer error="invalid_token"');
    }
  });

  it('comes from the Authorization header, whatever the case of its scheme', async () => {
    const app = await startServer({ hooks });
    for (const value of ['Bearer one', 'bearer two', 'BEARER   three']) {
      await app.open({ token: null, headers: { Authorization: value } });
    }
    assert.deepEqual(seen, ['one', 'two', 'three']);
  });

  it('comes from the query', async () => {
    const app = await startServer({ hooks });
    await app.open({ token: null, query: { token: 'from the query' } });
    assert.deepEqual(seen, ['from the query']);
  });

  it('comes from the header where both are there, and the query is not even looked at', async () => {
    const app = await startServer({ hooks });
    await app.open({ token: 'header', query: { token: 'query' } });
    await app.open({ token: 'header', query: { token: 'x'.repeat(10_000) } });
    await app.open({ token: 'header', path: '/sse?token=1&token=2' });
    assert.deepEqual(seen, ['header', 'header', 'header']);
    await assertRefused(app, { token: null, headers: { Authorization: 'Basic abc' }, query: { token: 'query' } },
      401, 'ERR_SSE_UNAUTHORIZED');
  });

  it('is 401 for two Authorization headers, equal or not', async () => {
    const app = await startServer({ hooks });
    for (const second of ['Bearer one', 'Bearer two', 'Basic x']) {
      const headers = [['Authorization', 'Bearer one'], ['authorization', second]];
      const { headers: answer } = await assertRefused(app, { token: null, headers }, 401, 'ERR_SSE_UNAUTHORIZED');
      assert.equal(answer['www-authenticate'], 'Bearer error="invalid_token"');
    }
    assert.deepEqual(seen, []);
  });

  it('is 401 for two tokens in the query', async () => {
    const app = await startServer({ hooks });
    for (const path of ['/sse?token=a&token=a', '/sse?token=a&token=', '/sse?token=&token=b']) {
      await assertRefused(app, { token: null, path }, 401, 'ERR_SSE_UNAUTHORIZED');
    }
    assert.deepEqual(seen, []);
  });

  for (const value of ['Basic dXNlcg==', 'Bearer', 'Bearer ', 'Bearerx', 'token', '']) {
    it(`is 401 for an Authorization of ${JSON.stringify(value)}`, async () => {
      const app = await startServer({ hooks });
      await assertRefused(app, { token: null, headers: { Authorization: value } }, 401, 'ERR_SSE_UNAUTHORIZED');
      assert.deepEqual(seen, []);
    });
  }

  it('is not taken from the query with queryToken: false', async () => {
    const app = await startServer({ hooks, queryToken: false });
    const { headers } = await assertRefused(app, { token: null, query: { token: 'x' } }, 401, 'ERR_SSE_UNAUTHORIZED');
    assert.equal(headers['www-authenticate'], 'Bearer');
    await assertRefused(app, { token: null, path: '/sse?token=a&token=b' }, 401, 'ERR_SSE_UNAUTHORIZED');
    await app.open({ token: 'header' });
    assert.deepEqual(seen, ['header']);
  });

  it('may have maxTokenBytes and no more', async () => {
    const app = await startServer({ hooks, maxTokenBytes: 10 });
    await app.open({ token: 'x'.repeat(10) });
    await app.open({ token: null, query: { token: 'ü'.repeat(5) } });
    await assertRefused(app, { token: 'x'.repeat(11) }, 401, 'ERR_SSE_UNAUTHORIZED');
    await assertRefused(app, { token: null, query: { token: 'ü'.repeat(5) + 'x' } }, 401, 'ERR_SSE_UNAUTHORIZED');
    assert.equal(seen.length, 2);
  });

  it('may have 8192 bytes by default', async () => {
    const app = await startServer({ hooks });
    await app.open({ token: 'x'.repeat(8192) });
    await assertRefused(app, { token: 'x'.repeat(8193) }, 401, 'ERR_SSE_UNAUTHORIZED');
    assert.equal(seen.length, 1);
  });

  it('is not needed with requireToken: false: the hook decides', async () => {
    const given = [];
    const authenticateSubscriber = (token, req) => {
      given.push([token, req.headers.cookie]);
      if (req.headers.cookie === 'session=1') return { sub: 'cookie' };
      throw Object.assign(new Error(SECRET), { status: 401 });
    };
    const app = await startServer({ requireToken: false, hooks: { authenticateSubscriber } });
    const client = await app.open({ token: null, headers: { Cookie: 'session=1' } });
    assert.equal(client.hello.userId, 'cookie');
    const { headers } = await assertRefused(app, { token: null }, 401, 'ERR_SSE_UNAUTHORIZED');
    assert.equal(headers['www-authenticate'], 'Bearer');
    await assertRefused(app, { token: null, headers: { Authorization: 'Basic x' } }, 401, 'ERR_SSE_UNAUTHORIZED');
    assert.deepEqual(given, [[undefined, 'session=1'], [undefined, undefined]]);
  });

  it('is never in an answer', async () => {
    const app = await startServer({ hooks: { authenticateSubscriber: (token) => thrower({ status: 401, token })() } });
    const { text, body } = await assertRefused(app, { token: 'topsecrettoken' }, 401, 'ERR_SSE_UNAUTHORIZED');
    assert.doesNotMatch(text + body, /topsecrettoken/);
  });
});

describe('what authenticateSubscriber answers', () => {
  const odd = {
    undefined: undefined,
    null: null,
    true: true,
    'a string': 'alice',
    'a number': 1,
    'an object without sub': { name: 'alice' },
    'a numeric sub': { sub: 1 },
    'an empty sub': { sub: '' },
    'a sub of 256 bytes': { sub: 'x'.repeat(256) },
    'a sub of 256 bytes of UTF-8': { sub: 'ü'.repeat(128) },
    'a sub with a control character': { sub: 'a\nb' },
    'a sub with NUL': { sub: 'a\0b' },
    'a sub with a lone surrogate': { sub: 'a\ud800' },
    'a String object as sub': { sub: Object('alice') },
    'an array as sub': { sub: ['alice'] },
    'exp NaN': { sub: 'alice', exp: NaN },
    'exp as a string': { sub: 'alice', exp: '9999999999' },
    'exp null': { sub: 'alice', exp: null },
    'exp Infinity': { sub: 'alice', exp: Infinity },
    'exp in the past': { sub: 'alice', exp: Date.now() / 1000 - 1 },
    'exp 0': { sub: 'alice', exp: 0 },
  };
  for (const [name, user] of Object.entries(odd)) {
    it(`is 401 for ${name}, sync or async`, async () => {
      const sync = await startServer({ hooks: { authenticateSubscriber: () => user } });
      await assertRefused(sync, {}, 401, 'ERR_SSE_UNAUTHORIZED');
      const async_ = await startServer({ hooks: { authenticateSubscriber: async () => user } });
      await assertRefused(async_, {}, 401, 'ERR_SSE_UNAUTHORIZED');
    });
  }

  it('may be sync, async or any thenable', async () => {
    const user = { sub: 'x'.repeat(255) };
    const thenable = { then: (resolve) => setImmediate(resolve, user) };
    for (const authenticateSubscriber of [() => user, async () => user, () => thenable]) {
      const app = await startServer({ hooks: { authenticateSubscriber } });
      assert.equal((await app.open()).hello.userId, user.sub);
    }
  });

  it('is what authorizeChannel gets, with the channel and the request', async () => {
    const user = Object.freeze({ sub: 'alice', role: 'admin' });
    const given = [];
    const app = await startServer({ hooks: {
      authenticateSubscriber: (...args) => {
        given.push(args.length);
        return user;
      },
      authorizeChannel: (...args) => {
        given.push([args[0] === user, args[1], args[2].headers['x-test'], args.length]);
        return true;
      },
    } });
    await app.open({ channels: ['a', 'b', 'a'], headers: { 'X-Test': 'yes' } });
    assert.deepEqual(given, [2, [true, 'a', 'yes', 3], [true, 'b', 'yes', 3]]);
  });
});

describe('what authorizeChannel answers', () => {
  const refusing = { undefined: undefined, null: null, false: false, 0: 0, 1: 1, NaN, "''": '', "'false'": 'false', "'true'": 'true', '{}': {}, '[]': [] };
  for (const [name, answer] of Object.entries(refusing)) {
    it(`is 403 for ${name}, sync or async`, async () => {
      for (const authorizeChannel of [() => answer, async () => answer]) {
        const app = await startServer({ hooks: { authorizeChannel } });
        await assertRefused(app, { channels: ['a'] }, 403, 'ERR_SSE_FORBIDDEN');
        await app.open();
      }
    });
  }

  it('lets in for true, sync or async', async () => {
    for (const authorizeChannel of [() => true, async () => true]) {
      const app = await startServer({ hooks: { authorizeChannel } });
      await app.open({ channels: ['a', 'b'] });
    }
  });

  it('refuses all for one channel that is refused', async () => {
    const app = await startServer({ hooks: { authorizeChannel: (user, name) => name !== 'b' } });
    await assertRefused(app, { channels: ['a', 'b', 'c'] }, 403, 'ERR_SSE_FORBIDDEN');
    assert.equal(app.sse.clients.size, 0);
  });

  it('allows every channel where there is no such hook', async () => {
    await (await startServer()).open({ channels: ['anything', 'at all'] });
  });
});

describe('hooks that fail', () => {
  const failing = (hook, fail) => startServer({ hooks: { [hook]: fail } });
  const request = { channels: ['a'] };

  for (const hook of ['authenticateSubscriber', 'authorizeChannel']) {
    for (const [status, code] of [[400, 'ERR_SSE_BAD_REQUEST'], [401, 'ERR_SSE_UNAUTHORIZED'], [403, 'ERR_SSE_FORBIDDEN'],
      [404, 'ERR_SSE_HOOK_REJECTED'], [418, 'ERR_SSE_HOOK_REJECTED'], [429, 'ERR_SSE_TOO_MANY_CONNECTIONS'],
      [599, 'ERR_SSE_HOOK_REJECTED']]) {
      it(`${hook} that throws with status ${status} is that status`, async () => {
        const sync = await failing(hook, thrower({ status }));
        await assertRefused(sync, request, status, code);
        const async_ = await failing(hook, async () => thrower({ status })());
        await assertRefused(async_, request, status, code);
        assert.deepEqual([sync.errors, async_.errors], [[], []]);
      });
    }

    it(`${hook} that throws with status 503 is 503`, async () => {
      const app = await failing(hook, thrower({ status: 503 }));
      const { status, json, body } = await app.request(request);
      assert.equal(status, 503);
      assert.match(json.error, /^ERR_SSE_/);
      assert.doesNotMatch(body, new RegExp(SECRET));
    });

    for (const status of [undefined, null, 0, 200, 302, 399, 600, 999, 1000, -1, 401.5, NaN, '401', {}]) {
      it(`${hook} that throws with status ${String(status)} is 500, and is reported`, async () => {
        const app = await failing(hook, thrower({ status }));
        await assertRefused(app, request, 500, 'ERR_SSE_HOOK_FAILED');
        const [error, ...more] = app.errors.splice(0);
        assert.equal(error.message, SECRET);
        assert.deepEqual(more, []);
      });
    }

    for (const [name, thrown] of Object.entries({ undefined: undefined, null: null, 'a string': SECRET, 'a number': 401, 'an object': {}, 'a function': () => {} })) {
      it(`${hook} that throws ${name} is 500`, async () => {
        for (const fail of [() => {
          throw thrown;
        }, () => Promise.reject(thrown)]) {
          const app = await failing(hook, fail);
          await assertRefused(app, request, 500, 'ERR_SSE_HOOK_FAILED');
          assert.equal(app.errors.splice(0).length, 1);
        }
      });
    }

    it(`${hook} that throws something with a code like ours cannot break the answer`, async () => {
      for (const properties of [{ status: 5 }, { status: 1000 }, { status: '403' }, { status: 200 }]) {
        const app = await failing(hook, thrower({ code: 'ERR_SSE_MINE', ...properties }));
        await assertRefused(app, request, 500, 'ERR_SSE_HOOK_FAILED');
        app.errors.splice(0);
      }
      const frozen = Object.freeze(Object.assign(new Error('x'), { code: 'ERR_SSE_UNAUTHORIZED', status: 401 }));
      const app = await failing(hook, () => {
        throw frozen;
      });
      await assertRefused(app, request, 401, 'ERR_SSE_UNAUTHORIZED');
    });

    it(`${hook} that hangs is 503, and what it answers later is nothing`, async () => {
      for (const late of ['open', 'fail']) {
        const pending = gate();
        const app = await startServer({ hookTimeout: 30, maxClients: 1, hooks: { [hook]: () => pending.opened } });
        await assertRefused(app, request, 503, 'ERR_SSE_HOOK_TIMEOUT');
        pending[late](late === 'fail' ? new Error('late') : true);
        await turn();
        assert.equal(app.sse.clients.size, 0);
        const again = await app.request({ method: 'HEAD', channels: ['a'] });
        assert.notEqual(again.json?.error, 'ERR_SSE_FULL', 'the slot is free');
        app.errors.splice(0);
      }
    });
  }

  it('share one hookTimeout', async () => {
    const never = gate();
    let calls = 0;
    const app = await startServer({ hookTimeout: 50, hooks: { authorizeChannel: (user, name) => {
      calls++;
      return name === 'fast' ? true : never.opened;
    } } });
    await assertRefused(app, { channels: ['fast', 'slow', 'more'] }, 503, 'ERR_SSE_HOOK_TIMEOUT');
    assert.equal(calls, 2);
  });

  it('reach every listener of error, and off() takes one away', async () => {
    const app = await startServer({ hooks: { authenticateSubscriber: thrower() } }, { isSilent: true });
    const heard = [];
    const first = (error) => heard.push(['first', error.message]);
    const second = (error) => heard.push(['second', error.message]);
    assert.equal(app.sse.on('error', first), app.sse);
    app.sse.on('error', second);
    await app.request();
    await waitFor(() => heard.length === 2);
    app.sse.off('error', first);
    await app.request();
    await waitFor(() => heard.length === 3);
    assert.deepEqual(heard, [['first', SECRET], ['second', SECRET], ['second', SECRET]]);
  });

  it('are one process warning where nobody listens', async () => {
    const warnings = [];
    const listener = (warning) => warnings.push(warning);
    process.on('warning', listener);
    try {
      const app = await startServer({ hooks: { onConnect: thrower(), authorizeChannel: thrower() } }, { isSilent: true });
      for (let i = 0; i < 3; i++) {
        await app.open();
        assert.equal((await app.request({ channels: ['a'] })).status, 500);
      }
      await waitFor(() => warnings.length > 0);
      await turn();
    } finally {
      process.removeListener('warning', listener);
    }
    assert.deepEqual(warnings.map(({ name, code }) => [name, code]), [['SseWarning', 'SSE_WARN_HOOK']]);
  });
});

describe('refusal: soft', () => {
  const accept = { Accept: 'text/event-stream' };

  async function assertSoft(app, request) {
    const client = app.send(request);
    await client.closed();
    const { status, headers } = await client.head();
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'text/event-stream');
    assert.match(headers['cache-control'], /no-store/);
    assert.equal(client.items[0].kind, 'retry');
    assert.ok(client.items[0].ms > 0);
    assert.deepEqual(client.events.map(({ type, data }) => [type, JSON.parse(data)]),
      [['closing', { reason: 'unavailable', reconnect: true }]]);
  }

  it('answers a 503 to an EventSource with a stream that says to come back', async () => {
    const app = await startServer({ refusal: 'soft', maxClients: 1 });
    await app.open();
    await assertSoft(app, { headers: accept });
    await assertSoft(app, { headers: { Accept: 'text/html, TEXT/EVENT-STREAM;q=0.5' } });
    await app.sse.stop();
    await assertSoft(app, { headers: accept });
  });

  it('does so for a hook that hangs as well', async () => {
    const never = gate();
    const app = await startServer({ refusal: 'soft', hookTimeout: 20, hooks: { authenticateSubscriber: () => never.opened } });
    await assertSoft(app, { headers: accept });
  });

  it('answers others, and other statuses, as ever', async () => {
    const app = await startServer({ refusal: 'soft', maxClients: 1 });
    await assertRefused(app, { token: null, headers: accept }, 401, 'ERR_SSE_UNAUTHORIZED');
    await app.open();
    await assertRefused(app, {}, 503, 'ERR_SSE_FULL');
    await assertRefused(app, { headers: { Accept: '*/*' } }, 503, 'ERR_SSE_FULL');
  });

  it('is not the default', async () => {
    const app = await startServer({ maxClients: 1 });
    await app.open();
    await assertRefused(app, { headers: accept }, 503, 'ERR_SSE_FULL');
  });
});

describe('transport: socket where it cannot be', () => {
  it('is 500 and reported, never a silent stream', async () => {
    // HTTP/2 on a plain socket has a descriptor as well; it is not ours to take.
    const app = await startServer({ transport: 'socket' }, { create: (sse) => http2.createServer(sse.handler) });
    const session = http2.connect(`http://127.0.0.1:${app.address.port}`);
    try {
      const stream = session.request({ ':path': '/?channel=a', authorization: 'Bearer alice' });
      let status;
      let body = '';
      stream.on('response', (headers) => {
        status = headers[':status'];
      });
      stream.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      await new Promise((resolve) => {
        stream.on('close', resolve);
      });
      assert.equal(status, 500);
      assert.equal(JSON.parse(body).error, 'ERR_SSE_TRANSPORT');
      assert.equal(app.sse.clients.size, 0);
      await waitFor(() => app.errors.length === 1);
      assert.equal(app.errors.splice(0)[0].code, 'ERR_SSE_TRANSPORT');
    } finally {
      session.destroy();
    }
  });

  it('ends the answer of a response whose bytes are rewritten, and reports it', async () => {
    const rewrite = (req, res, next) => {
      const { write } = res;
      res.write = (chunk, ...rest) => write.call(res, `: rewritten\n${chunk}`, ...rest);
      next();
    };
    const app = await startServer({ transport: 'socket' }, { use: [rewrite] });
    const client = app.send();
    await client.closed();
    assert.doesNotMatch(client.body, /connected/);
    await waitFor(() => app.errors.length === 1);
    assert.equal(app.errors.splice(0)[0].code, 'ERR_SSE_TRANSPORT');
    assert.equal(app.sse.clients.size, 0);
  });
});

describe('the table of HTTP errors', () => {
  it('has a status from 400 to 599 and a message for each', () => {
    for (const [code, { status, message }] of Object.entries(HTTP)) {
      assert.match(code, /^ERR_SSE_[A-Z_]+$/);
      assert.ok(status >= 400 && status <= 599);
      assert.ok(message.length > 0);
    }
  });

});
