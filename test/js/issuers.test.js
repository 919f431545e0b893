'use strict';

// issuers.test.js - several issuers in one server: each with its own keys, rules and users, and nothing of
// one that counts for another. Two real providers count who asks them.

const assert = require('node:assert/strict');

const { createJwksAuthenticator } = require('../..');
const { startServer, cleanUp } = require('./helpers/app');
const { makeKey, makeToken, startIdentity } = require('./helpers/identity');
const { gate, waitFor } = require('./helpers/wait');

const A = 'https://a.example';
const B = 'https://b.example';

// The same kid on purpose: only the issuer tells the keys apart.
const keyOfA = makeKey('RS256', 'k');
const keyOfB = makeKey('RS256', 'k');
const ecOfB = makeKey('ES256', 'e');
const now = () => Math.floor(Date.now() / 1000);

let a;
let b;

beforeEach(async () => {
  a = await startIdentity([keyOfA]);
  b = await startIdentity([keyOfB, ecOfB]);
});

afterEach(() => Promise.all([a.stop(), b.stop()]));
afterEach(cleanUp);

const optionsOfA = (changes) => a.options({ issuer: A, audience: 'api-a', ...changes });
const optionsOfB = (changes) => b.options({ issuer: B, audience: 'api-b', ...changes });
const tokenOfA = (changes, key = keyOfA, header = {}) => makeToken(key, { iss: A, aud: 'api-a', ...changes }, header);
const tokenOfB = (changes, key = keyOfB, header = {}) => makeToken(key, { iss: B, aud: 'api-b', ...changes }, header);

async function start({ ofA = {}, ofB = {}, ...options } = {}) {
  const app = await startServer({ jwks: [optionsOfA(ofA), optionsOfB(ofB)], ...options });
  await app.sse.ready();
  return app;
}

/** 401, without anyone having been asked for keys. */
async function assertRefused(app, token, reason) {
  const hits = [a.hits, b.hits];
  const before = app.sse.stats().auth.refused[reason];
  const { status, json } = await app.request({ token });
  assert.deepEqual([status, json.error], [401, 'ERR_SSE_UNAUTHORIZED']);
  assert.deepEqual([a.hits, b.hits], hits);
  assert.equal(app.sse.stats().auth.refused[reason], before + 1, JSON.stringify(app.sse.stats().auth.refused));
}

describe('issuers: tokens', () => {
  it('are verified by the keys of their issuer, fetched once each', async () => {
    const app = await start();
    await app.open({ token: tokenOfA() });
    await app.open({ token: tokenOfB() });
    await app.open({ token: tokenOfB({}, ecOfB) });
    assert.deepEqual([a.hits, b.hits], [1, 1]);
  });

  it('are refused when another issuer\'s key has signed them', async () => {
    const app = await start();
    await assertRefused(app, tokenOfA({}, keyOfB), 'E_SIG');
    await assertRefused(app, tokenOfB({}, keyOfA), 'E_SIG');
    await assertRefused(app, tokenOfA({}, ecOfB), 'E_NOKEY');
    await assertRefused(app, tokenOfA({}, { ...ecOfB, kid: undefined }), 'E_NOKEY');
  });

  it('have the audience of their own issuer', async () => {
    const app = await start();
    await assertRefused(app, tokenOfA({ aud: 'api-b' }), 'E_AUD');
    await assertRefused(app, tokenOfB({ aud: 'api-a' }), 'E_AUD');
    await app.open({ token: tokenOfB({ aud: ['api-a', 'api-b'] }) });
  });

  it('have an algorithm of their own issuer', async () => {
    const app = await start({ ofA: { algorithms: ['RS256'] }, ofB: { algorithms: ['ES256'] } });
    await app.open({ token: tokenOfA() });
    await app.open({ token: tokenOfB({}, ecOfB) });
    await assertRefused(app, tokenOfA({}, ecOfB), 'E_SIGLEN');
    await assertRefused(app, tokenOfB(), 'E_SIGLEN');
    await assertRefused(app, tokenOfB({}, keyOfB, { alg: 'ES256' }), 'E_SIGLEN');
  });

  it('have the type of their own issuer', async () => {
    const app = await start({ ofB: { typ: 'at+jwt' } });
    await app.open({ token: tokenOfA() });
    await app.open({ token: tokenOfB({}, keyOfB, { typ: 'at+jwt' }) });
    await assertRefused(app, tokenOfB(), 'E_TYP');
  });

  it('go by the clockSkew of their own issuer', async () => {
    const app = await start({ ofA: { clockSkew: 0 } });
    await app.open({ token: tokenOfB({ exp: now() - 30 }) });
    await assertRefused(app, tokenOfA({ exp: now() - 30 }), 'E_EXP');
  });

  it('end their stream by the clockSkew of their own issuer', async () => {
    const app = await start({ ofA: { clockSkew: 0 } });
    const exp = now() + 4; // time enough to connect on a loaded machine
    const atA = await app.open({ token: tokenOfA({ exp }) });
    const atB = await app.open({ token: tokenOfB({ exp }) });
    const { data } = await atA.next('closing');
    assert.equal(JSON.parse(data).reason, 'token_expired');
    await app.hasClients(1);
    assert.equal(atB.isClosed, false);
  });

  it('of an issuer that nobody named are refused', async () => {
    const app = await start();
    for (const iss of [`${A}/`, 'https://evil.example', '', undefined, null, 1, [A], A.toUpperCase()]) {
      await assertRefused(app, tokenOfA({ iss }), 'E_ISS');
    }
    await assertRefused(app, tokenOfA({ iss: undefined, ISS: A }), 'E_ISS');
    await assertRefused(app, tokenOfA({ iss: `${A}\0` }), 'E_NUL');
  });

  it('that are wrong by themselves cost no fetch, nor a 503, while nobody has keys', async () => {
    for (const idp of [a, b]) idp.answer = (req, res) => res.writeHead(500).end();
    const app = await startServer({ jwks: [optionsOfA({ backoff: 30_000 }), optionsOfB({ backoff: 30_000 })] });
    await assert.rejects(app.sse.ready(), { code: 'ERR_SSE_KEYS_UNAVAILABLE' });
    await waitFor(() => a.hits === 1 && b.hits === 1);
    await assertRefused(app, 'x', 'E_SEGMENTS');
    await assertRefused(app, tokenOfB({ aud: 'api-a' }), 'E_AUD');
    await assertRefused(app, tokenOfB({ exp: now() - 100 }), 'E_EXP');
    await assertRefused(app, tokenOfA({}, keyOfA, { crit: ['exp'] }), 'E_CRIT');
    await assertRefused(app, tokenOfA({ iss: 'https://evil.example' }), 'E_ISS');
    assert.equal((await app.request({ token: tokenOfB() })).status, 503);
  });

  it('are 503 where their own issuer is down, and only there', async () => {
    a.answer = (req, res) => res.writeHead(500).end();
    const app = await startServer({ jwks: [optionsOfA({ backoff: 30_000 }), optionsOfB()] });
    await app.open({ token: tokenOfB() });
    assert.equal((await app.request({ token: tokenOfA() })).status, 503);
    assert.deepEqual([a.hits, b.hits], [1, 1]);
  });

  it('with a new kid have their own issuer asked, and no other', async () => {
    const app = await start({ ofA: { cooldown: 1 }, ofB: { cooldown: 1 } });
    const next = makeKey('ES256', 'next');
    a.keys = [next];
    await waitFor(async () => (await app.send({ token: tokenOfA({}, next) }).head()).status === 200);
    assert.ok(a.hits > 1);
    assert.equal(b.hits, 1);
    // B's set does not have it, although A's has.
    assert.equal((await app.request({ token: tokenOfB({}, next) })).status, 401);
  });
});

describe('issuers: users', () => {
  it('of two issuers with one sub are two', async () => {
    const app = await start();
    const atA = await app.open({ token: tokenOfA() });
    const atB = await app.open({ token: tokenOfB() });
    await app.sse.publishToUser('alice', { type: 't', data: 'for a' }, { issuer: A });
    await app.sse.publishToUser('alice', { type: 't', data: 'for b' }, { issuer: B });
    assert.deepEqual(await atA.data(1), ['for a']);
    assert.deepEqual(await atB.data(1), ['for b']);
    assert.equal(app.sse.disconnectUser('alice', 'bye', { issuer: B }), 1);
    await atB.closed();
    assert.deepEqual([...app.sse.clients.keys()], [atA.hello.clientId]);
    assert.deepEqual(atA.published.map(({ data }) => data), ['"for a"']);
  });

  it('have a history of their own', async () => {
    const app = await start();
    await app.sse.publishToUser('alice', { type: 't', data: 'for a' }, { issuer: A });
    const last = await app.sse.publishToUser('alice', { type: 't', data: 'for b' }, { issuer: B });
    const lastEventId = last - 1_000_000;
    assert.deepEqual(await (await app.open({ token: tokenOfB(), lastEventId })).data(1), ['for b']);
    assert.deepEqual(await (await app.open({ token: tokenOfA(), lastEventId })).data(1), ['for a']);
  });

  it('are counted one by one for maxClientsPerUser', async () => {
    const app = await start({ maxClientsPerUser: 1 });
    await app.open({ token: tokenOfA() });
    const atB = await app.open({ token: tokenOfB() });
    for (const token of [tokenOfA(), tokenOfB()]) assert.equal((await app.request({ token })).status, 429);
    atB.close();
    await app.hasClients(1);
    await app.open({ token: tokenOfB() });
    assert.equal((await app.request({ token: tokenOfA() })).status, 429);
  });

  it('are never mixed up by what issuer and sub are when written side by side', async () => {
    const [one, two] = ['https://x.example', 'https://x.example/'];
    const authenticateSubscriber = (token) => JSON.parse(token);
    const jwks = [optionsOfA({ issuer: one }), optionsOfB({ issuer: two })];
    const app = await startServer({ jwks, hooks: { authenticateSubscriber } });
    const client = await app.open({ token: JSON.stringify({ iss: one, sub: '/y' }) });
    await app.sse.publishToUser('y', { type: 't', data: 'wrong' }, { issuer: two });
    await app.sse.publishToUser('/y', { type: 't', data: 'right' }, { issuer: one });
    assert.deepEqual(await client.data(1), ['right']);
  });
});

describe('issuers: publishToUser and disconnectUser', () => {
  const event = { type: 't', data: 1 };
  const calls = {
    publishToUser: (sse, options) => sse.publishToUser('alice', event, options),
    disconnectUser: (sse, options) => sse.disconnectUser('alice', 'bye', options),
  };

  function throws(app, call, options, code, pattern = /./) {
    assert.throws(() => call(app.sse, options), (error) => {
      assert.ok(error instanceof TypeError);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, pattern);
      return true;
    });
  }

  for (const [name, call] of Object.entries(calls)) {
    it(`${name} never guesses the issuer of several`, async () => {
      const app = await start();
      const client = await app.open({ token: tokenOfA() });
      throws(app, call, undefined, 'ERR_SSE_MISSING_OPTION', /"https:\/\/a\.example", "https:\/\/b\.example"/);
      throws(app, call, {}, 'ERR_SSE_MISSING_OPTION');
      throws(app, call, { issuer: undefined }, 'ERR_SSE_MISSING_OPTION');
      for (const issuer of ['', `${A}/`, null, 1, [A], {}, Object(A)]) throws(app, call, { issuer }, 'ERR_SSE_INVALID_ARG', /a\.example/);
      assert.equal(app.sse.stats().events.published, 0);
      assert.equal(app.sse.clients.size, 1);
      client.close();
    });

    it(`${name} takes the only issuer, and refuses another`, async () => {
      for (const jwks of [optionsOfA(), [optionsOfA()]]) {
        const app = await startServer({ jwks });
        await app.sse.ready();
        throws(app, call, { issuer: B }, 'ERR_SSE_INVALID_ARG', /a\.example/);
        for (const options of [undefined, {}, { issuer: A }]) {
          const client = await app.open({ token: tokenOfA() });
          call(app.sse, options);
          if (name === 'publishToUser') await client.data(1);
          else await client.closed();
          client.close();
          await app.hasClients(0);
        }
      }
    });

    it(`${name} takes none where none is configured`, async () => {
      const app = await startServer();
      throws(app, call, { issuer: A }, 'ERR_SSE_INVALID_ARG', /none is configured/);
      call(app.sse, {});
    });

    it(`${name} refuses options that it does not know`, async () => {
      const app = await start();
      throws(app, call, { isuer: A }, 'ERR_SSE_UNKNOWN_OPTION', /issuer/);
      for (const options of [null, A, 1, [A]]) throws(app, call, options, 'ERR_SSE_INVALID_ARG', new RegExp(name));
    });
  }
});

describe('issuers: an own authenticateSubscriber', () => {
  const authenticateSubscriber = (token) => JSON.parse(token);
  const tokenFor = (user) => JSON.stringify(user);

  it('has to say which of several', async () => {
    const app = await startServer({ jwks: [optionsOfA(), optionsOfB()], hooks: { authenticateSubscriber } });
    const client = await app.open({ token: tokenFor({ sub: 'alice', iss: B }) });
    await app.sse.publishToUser('alice', { type: 't', data: 1 }, { issuer: B });
    assert.deepEqual(await client.data(1), [1]);
    for (const iss of [undefined, null, '', `${B}/`, 'https://evil.example', [B], { toString: 1 }]) {
      const { status, json } = await app.request({ token: tokenFor({ sub: 'alice', iss }) });
      assert.deepEqual([status, json.error], [401, 'ERR_SSE_UNAUTHORIZED']);
    }
    assert.deepEqual([a.hits, b.hits], [0, 0]);
    assert.equal(app.sse.clients.size, 1);
  });

  it('may say what it likes where there is one or none', async () => {
    for (const jwks of [undefined, optionsOfA(), [optionsOfA()]]) {
      const app = await startServer({ jwks, hooks: { authenticateSubscriber } });
      for (const iss of [undefined, B, 1]) await app.open({ token: tokenFor({ sub: 'alice', iss }) });
      await app.sse.publishToUser('alice', { type: 't', data: 1 });
      await waitFor(() => app.sse.stats().events.delivered === 3);
    }
  });

  it('cannot change its mind while a channel is authorised', async () => {
    const user = { sub: 'alice', iss: A };
    const asked = gate();
    const answer = gate();
    const authorizeChannel = () => {
      asked.open();
      return answer.opened;
    };
    const hooks = { authenticateSubscriber: () => user, authorizeChannel };
    const app = await startServer({ jwks: [optionsOfA(), optionsOfB()], hooks });
    const client = app.send({ channels: ['a'] });
    await asked.opened;
    user.iss = 'https://evil.example';
    answer.open(true);
    await client.connected();
    await app.sse.publishToUser('alice', { type: 't', data: 1 }, { issuer: A });
    assert.deepEqual(await client.data(1), [1]);
  });
});

describe('issuers: options', () => {
  function throws(jwks, code, pattern) {
    assert.throws(() => createJwksAuthenticator(jwks).close(), (error) => {
      assert.ok(error instanceof TypeError, `${error.stack}`);
      assert.equal(error.code, code, error.message);
      if (pattern) assert.match(error.message, pattern);
      return true;
    });
  }

  it('are 1 to 8 objects', () => {
    const many = (count) => Array.from({ length: count }, (_, i) => optionsOfA({ issuer: `https://${i}.example` }));
    createJwksAuthenticator(many(8)).close();
    throws(many(9), 'ERR_SSE_INVALID_OPTION', /1 to 8/);
    throws([], 'ERR_SSE_INVALID_OPTION', /1 to 8/);
    for (const odd of [null, undefined, 'x', 1, [optionsOfB()]]) throws([optionsOfA(), odd], 'ERR_SSE_INVALID_OPTION', /jwks\[1\]/);
    throws(Array(2), 'ERR_SSE_INVALID_OPTION', /jwks\[0\]/);
  });

  it('are checked each, and called by their place', () => {
    throws([optionsOfA(), optionsOfB({ clockSkew: 61 })], 'ERR_SSE_INVALID_OPTION', /jwks\[1\]\.clockSkew/);
    throws([optionsOfA({ url: 'http://idp.example' }), optionsOfB()], 'ERR_SSE_INVALID_OPTION', /jwks\[0\]\.url/);
    throws([optionsOfA(), optionsOfB({ audiance: 'x' })], 'ERR_SSE_UNKNOWN_OPTION', /jwks\[1\].*audience/);
    throws([optionsOfA(), optionsOfA({ url: b.url })], 'ERR_SSE_INVALID_OPTION', /jwks\[1\]\.issuer is that of jwks\[0\]/);
  });

  it('do not come from the environment, which knows one issuer', () => {
    const variables = { JWKS_URL: a.url, JWT_ISSUER: A, JWT_AUDIENCE: 'api-a' };
    Object.assign(process.env, variables);
    try {
      for (const name of ['url', 'issuer', 'audience']) {
        throws([optionsOfA(), optionsOfB({ [name]: undefined })], 'ERR_SSE_MISSING_OPTION', new RegExp(`jwks\\[1\\]\\.${name}`));
        throws([optionsOfA({ [name]: undefined })], 'ERR_SSE_MISSING_OPTION', new RegExp(`jwks\\[0\\]\\.${name}`));
      }
    } finally {
      for (const name of Object.keys(variables)) delete process.env[name];
    }
  });

  it('may name one place of keys for two issuers', async () => {
    const app = await startServer({ jwks: [optionsOfA(), optionsOfA({ issuer: B })] });
    await app.open({ token: tokenOfA() });
    await app.open({ token: tokenOfA({ iss: B }) });
    assert.equal(a.hits, 2);
  });

  it('are told by the authenticator', () => {
    const authenticate = createJwksAuthenticator([optionsOfA({ clockSkew: 5 }), optionsOfB({ clockSkew: 30 })]);
    authenticate.close();
    assert.deepEqual(authenticate.issuers, [{ issuer: A, clockSkew: 5 }, { issuer: B, clockSkew: 30 }]);
    assert.ok(Object.isFrozen(authenticate.issuers) && Object.isFrozen(authenticate.issuers[0]));
    assert.equal(authenticate.clockSkew, 30);
  });
});
