'use strict';

// token-cache.test.js - one signature check for each token, however many connect with it; and nothing
// that a check would refuse is let in because of that. With it: what stats().auth counts.

const assert = require('node:assert/strict');
const diagnostics = require('node:diagnostics_channel');
const fs = require('node:fs');
const path = require('node:path');

const { createJwksAuthenticator } = require('../../lib/authenticator');
const { TokenCache } = require('../../lib/token-cache');
const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { encode, claimsWith, makeKey, makeToken, startIdentity } = require('./helpers/identity');
const { FakeTime } = require('./helpers/idp');
const { gate, waitFor } = require('./helpers/wait');

const rsa = makeKey('RS256', 'rsa');
const ec = makeKey('ES256', 'ec');
const UNAUTHORIZED = { code: 'ERR_SSE_UNAUTHORIZED' };
const UNAVAILABLE = { code: 'ERR_SSE_KEYS_UNAVAILABLE' };

let identity;

beforeEach(async () => {
  identity = await startIdentity([rsa, ec]);
});

afterEach(() => identity.stop());
afterEach(cleanUp);

/** The same token with the signature of another. */
function forge(token, claims) {
  const [header, payload, signature] = token.split('.');
  const body = claims === undefined ? payload : encode(claims);
  // In the middle: what is at the end may hold unused bits.
  const at = signature.length / 2 | 0;
  const changed = signature.slice(0, at) + (signature[at] === 'A' ? 'B' : 'A') + signature.slice(at + 1);
  return `${header}.${body}.${claims === undefined ? changed : signature}`;
}

describe('token cache: a storm of reconnects', () => {
  for (const transport of TRANSPORTS) {
    it(`costs one check for each token, whoever comes at once (${transport})`, async () => {
      const app = await startServer({ transport, jwks: identity.options() });
      await app.sse.ready();
      const tokens = Array.from({ length: 10 }, (_, i) => makeToken(i % 2 ? rsa : ec, { sub: `user${i}` }));
      const crowd = Array.from({ length: 20 }, () => tokens).flat();
      const users = (await Promise.all(crowd.map((token) => app.open({ token })))).map(({ hello }) => hello.userId);
      assert.deepEqual(users, crowd.map((_, i) => `user${i % 10}`));
      const { accepted, cached, signatureChecks } = app.sse.stats().auth;
      assert.deepEqual({ accepted, cached, signatureChecks }, { accepted: 200, cached: 190, signatureChecks: 10 });
      assert.equal(identity.hits, 1);
    });
  }

  it('of 10,000 with 100 tokens costs at most 100 checks', async () => {
    const authenticate = createJwksAuthenticator(identity.options());
    await authenticate.ready();
    const tokens = Array.from({ length: 100 }, (_, i) => makeToken(ec, { sub: `user${i}` }));
    for (let round = 0; round < 10; round++) {
      const crowd = Array.from({ length: 1000 }, (_, i) => authenticate(tokens[i % 100]));
      const users = await Promise.all(crowd);
      assert.ok(users.every(({ sub }, i) => sub === `user${i % 100}`));
    }
    const { accepted, cached, signatureChecks } = authenticate.stats();
    assert.deepEqual({ accepted, cached, signatureChecks }, { accepted: 10_000, cached: 9900, signatureChecks: 100 });
    assert.equal(identity.hits, 1);
    authenticate.close();
  });

  it('gives each connect the same claims, deeply frozen', async () => {
    const seen = [];
    const hooks = { authorizeChannel: (user) => seen.push(user) > 0 };
    const app = await startServer({ jwks: identity.options(), hooks });
    const token = makeToken(rsa, { deep: { list: [{}] } });
    for (let i = 0; i < 2; i++) await app.open({ token, channels: ['a'] });
    assert.deepEqual(seen[0], seen[1]);
    for (const user of seen) assert.ok(Object.isFrozen(user) && Object.isFrozen(user.deep.list[0]));
    assert.equal(app.sse.stats().auth.signatureChecks, 1);
  });
});

describe('token cache: what it never lets in', () => {
  let time;
  let offset;

  /** An authenticator whose clock stands still, and that is asked for nothing by itself. */
  async function make(changes = {}) {
    time = new FakeTime(Date.now());
    const authenticate = createJwksAuthenticator(identity.options({ clock: time.clock, ...changes }), { timers: time.api, random: () => 0.5 });
    await authenticate.ready();
    return authenticate;
  }

  const checks = (authenticate) => authenticate.stats().signatureChecks;

  /** A server whose clock can be moved on. */
  async function start(changes = {}) {
    offset = 0;
    const app = await startServer({ jwks: identity.options({ clock: () => Date.now() + offset, ...changes }) });
    await app.sse.ready();
    return app;
  }

  it('a wrong signature, before the right one, after it, and together with it', async () => {
    const app = await start();
    const good = makeToken(rsa);
    const bad = [forge(good), forge(good, claimsWith({ sub: 'admin' }))];
    const expectBad = async () => {
      for (const token of bad) assert.equal((await app.request({ token })).status, 401);
    };
    await expectBad();
    assert.equal((await app.open({ token: good })).hello.userId, 'alice');
    await expectBad();
    const heads = await Promise.all([good, ...bad, good, ...bad].map((token) => app.send({ token }).head()));
    assert.deepEqual(heads.map(({ status }) => status), [200, 401, 401, 200, 401, 401]);
    assert.equal(app.sse.stats().auth.accepted, 3);
    assert.ok(app.sse.stats().auth.refused.E_SIG >= 8);
  });

  it('a wrong signature is checked each time: it is not remembered', async () => {
    const authenticate = await make();
    const bad = forge(makeToken(rsa));
    for (let i = 1; i <= 5; i++) {
      await assert.rejects(authenticate(bad), UNAUTHORIZED);
      assert.equal(checks(authenticate), i);
    }
    // Those who come at once share one, and are all refused.
    await Promise.all(Array.from({ length: 50 }, () => assert.rejects(authenticate(bad), UNAUTHORIZED)));
    assert.equal(checks(authenticate), 6);
    assert.equal(authenticate.stats().refused.E_SIG, 55);
    authenticate.close();
  });

  it('a token that has expired', async () => {
    const app = await start({ maxAge: 86_400_000 });
    const token = makeToken(rsa);
    await app.open({ token });
    await app.open({ token });
    offset = 700_000;
    assert.equal((await app.request({ token })).status, 401);
    const { refused, signatureChecks } = app.sse.stats().auth;
    assert.deepEqual([refused.E_EXP, signatureChecks], [1, 1]);
    assert.equal(identity.hits, 1);
  });

  it('a token that is not valid yet, for a clock that was put back', async () => {
    const authenticate = await make();
    const token = makeToken(rsa, { nbf: Math.floor(time.now / 1000), iat: undefined });
    await authenticate(token);
    time.now -= 61_000;
    await assert.rejects(authenticate(token), UNAUTHORIZED);
    assert.equal(authenticate.stats().refused.E_NBF, 1);
    time.now += 61_000;
    await authenticate(token);
    assert.equal(checks(authenticate), 1);
    authenticate.close();
  });

  it('a token that was issued in what has become the future', async () => {
    const authenticate = await make();
    const token = makeToken(rsa, { iat: Math.floor(time.now / 1000) });
    await authenticate(token);
    time.now -= 61_000;
    await assert.rejects(authenticate(token), UNAUTHORIZED);
    assert.equal(authenticate.stats().refused.E_IAT, 1);
    time.now += 61_000;
    await authenticate(token);
    assert.equal(checks(authenticate), 1);
    authenticate.close();
  });

  it('a token whose key has left the set', async () => {
    const app = await start({ maxAge: 50 });
    const token = makeToken(rsa);
    await app.open({ token });
    identity.keys = [ec];
    await waitFor(async () => (await app.send({ token }).head()).status === 401);
    assert.equal((await app.request({ token })).status, 401);
    assert.ok(app.sse.stats().auth.refused.E_NOKEY >= 2);
  });

  it('a token whose kid has come to be another key\'s', async () => {
    const app = await start({ maxAge: 50 });
    const token = makeToken(rsa);
    await app.open({ token });
    identity.keys = [makeKey('RS256', rsa.kid)];
    await waitFor(async () => (await app.send({ token }).head()).status === 401);
    assert.ok(app.sse.stats().auth.refused.E_SIG >= 1);
    // And again when the key is back, with the check that was made for it.
    identity.keys = [rsa];
    await waitFor(async () => (await app.send({ token }).head()).status === 200);
  });

  it('a token whose kid has become ambiguous', async () => {
    const app = await start({ maxAge: 50 });
    const token = makeToken(rsa);
    await app.open({ token });
    identity.keys = [rsa, makeKey('RS256', rsa.kid)];
    await waitFor(async () => (await app.send({ token }).head()).status === 401);
    assert.ok(app.sse.stats().auth.refused.E_AMBIGUOUS >= 1);
  });

  it('anything when keys are too old to be trusted: 503, as without it', async () => {
    const app = await start({ maxAge: 1000, staleIfError: 60_000, backoff: 30_000 });
    const token = makeToken(rsa, { exp: Math.floor(Date.now() / 1000) + 5000 });
    await app.open({ token });
    identity.answer = (req, res) => res.writeHead(500).end();
    offset = 30_000;
    await app.open({ token }); // stale, within the window
    offset = 90_000;
    const { status, headers } = await app.request({ token });
    assert.equal(status, 503);
    assert.match(headers['retry-after'], /^\d+$/);
    assert.equal(app.sse.stats().auth.signatureChecks, 1);
  });

  it('a token of another issuer with the very same key', async () => {
    const [one, two] = ['https://one.example', 'https://two.example'];
    const app = await startServer({ jwks: [identity.options({ issuer: one }), identity.options({ issuer: two, algorithms: ['ES256'] })] });
    await app.open({ token: makeToken(rsa, { iss: one }) });
    await app.open({ token: makeToken(ec, { iss: two }) });
    for (let i = 0; i < 2; i++) assert.equal((await app.request({ token: makeToken(rsa, { iss: two }) })).status, 401);
  });
});

describe('token cache: what it keeps', () => {
  async function make(changes = {}) {
    const authenticate = createJwksAuthenticator(identity.options(changes));
    await authenticate.ready();
    return authenticate;
  }

  const tokens = Array.from({ length: 5 }, (_, i) => makeToken(ec, { sub: `user${i}` }));

  it('a key that stays over a refresh', async () => {
    const authenticate = await make({ maxAge: 20 });
    const token = makeToken(rsa);
    await authenticate(token);
    for (const keys of [[rsa, ec], [ec, makeKey('RS256', 'new'), { jwk: { ...rsa.jwk, use: undefined } }]]) {
      identity.keys = keys;
      const hits = identity.hits;
      await waitFor(async () => {
        await authenticate(token);
        return identity.hits > hits + 1;
      });
    }
    assert.equal(authenticate.stats().signatureChecks, 1);
    authenticate.close();
  });

  it('no more than cacheSize tokens, those used last', async () => {
    const authenticate = await make({ cacheSize: 2 });
    const spent = async (...which) => {
      const before = authenticate.stats().signatureChecks;
      for (const i of which) await authenticate(tokens[i]);
      return authenticate.stats().signatureChecks - before;
    };
    assert.equal(await spent(0, 1, 0, 1), 2);
    assert.equal(await spent(0, 2, 0), 1); // 1 was used longest ago
    assert.equal(await spent(0, 2), 0);
    assert.equal(await spent(1), 1);
    assert.equal(await spent(2), 0);
    assert.equal(await spent(0), 1);
    authenticate.close();
  });

  it('nothing with cacheSize 0, not even while a check is under way', async () => {
    const authenticate = await make({ cacheSize: 0 });
    await Promise.all([tokens[0], tokens[0]].map((token) => authenticate(token)));
    await authenticate(tokens[0]);
    const { accepted, cached, signatureChecks } = authenticate.stats();
    assert.deepEqual([accepted, cached, signatureChecks], [3, 0, 3]);
    authenticate.close();
  });

  it('10,000 tokens by default', async () => {
    for (const cacheSize of [-1, 1.5, NaN, Infinity, '1', null, 1_000_001]) {
      assert.throws(() => createJwksAuthenticator(identity.options({ cacheSize })), { code: 'ERR_SSE_INVALID_OPTION', message: /jwks\.cacheSize/ });
    }
    const cache = new TokenCache(10_000);
    const good = async () => 'OK';
    for (let i = 0; i < 10_001; i++) await cache.verify(`token ${i}`, 'key', good);
    assert.equal((await cache.verify('token 10000', 'key', good)).isCached, true);
    assert.equal((await cache.verify('token 1', 'key', good)).isCached, true);
    assert.equal((await cache.verify('token 0', 'key', good)).isCached, false);
  });
});

describe('token cache: by itself', () => {
  it('knows the claims of a token until it is pushed out, or checked with another key', async () => {
    const cache = new TokenCache(2);
    const set = {};
    const claims = {};
    cache.learn('a', set, claims); // nothing is known of its signature
    assert.equal(cache.find('a'), undefined);
    await cache.verify('a', 'k', async () => 'OK');
    assert.equal(cache.find('a'), undefined);
    cache.learn('a', set, claims);
    assert.equal(cache.find('a').claims, claims);
    assert.equal(cache.find('a').set, set);
    await cache.verify('b', 'k', async () => 'OK');
    cache.touch('a');
    await cache.verify('c', 'k', async () => 'OK');
    assert.equal(cache.find('a').claims, claims);
    await cache.verify('a', 'other', async () => 'OK');
    assert.equal(cache.find('a'), undefined);
    cache.touch('nothing');
    assert.equal((await cache.verify('b', 'k', async () => 'E_SIG')).reason, 'E_SIG');
  });

  const answer = (reason) => async () => reason;

  it('goes by token and key together', async () => {
    const cache = new TokenCache(10);
    assert.deepEqual(await cache.verify('t', 'k', answer('OK')), { reason: 'OK', isCached: false });
    assert.deepEqual(await cache.verify('t', 'k', answer('E_SIG')), { reason: 'OK', isCached: true });
    assert.deepEqual(await cache.verify('t', 'other', answer('E_SIG')), { reason: 'E_SIG', isCached: false });
    assert.deepEqual(await cache.verify('T', 'k', answer('E_SIG')), { reason: 'E_SIG', isCached: false });
    assert.deepEqual(await cache.verify('t', 'k', answer('E_SIG')), { reason: 'OK', isCached: true });
  });

  it('shares a check only with those who need the same', async () => {
    const cache = new TokenCache(10);
    const slow = gate();
    let calls = 0;
    const check = () => {
      calls += 1;
      return slow.opened;
    };
    const same = [cache.verify('t', 'k', check), cache.verify('t', 'k', check)];
    const others = [cache.verify('t', 'l', check), cache.verify('u', 'k', check)];
    assert.equal(calls, 3);
    slow.open('E_SIG');
    const results = await Promise.all([...same, ...others]);
    assert.deepEqual(results.map(({ reason, isCached }) => [reason, isCached]),
      [['E_SIG', false], ['E_SIG', true], ['E_SIG', false], ['E_SIG', false]]);
    assert.deepEqual(await cache.verify('t', 'k', answer('OK')), { reason: 'OK', isCached: false });
  });

  it('remembers nothing of a check that fails, and tells all who wait', async () => {
    const cache = new TokenCache(10);
    const slow = gate();
    const both = [0, 1].map(() => assert.rejects(cache.verify('t', 'k', () => slow.opened), /no memory/));
    slow.fail(new Error('no memory'));
    await Promise.all(both);
    assert.deepEqual(await cache.verify('t', 'k', answer('E_OOM')), { reason: 'E_OOM', isCached: false });
    assert.deepEqual(await cache.verify('t', 'k', answer('OK')), { reason: 'OK', isCached: false });
  });
});

describe('stats().auth', () => {
  /** The reasons, as the header lists them. */
  const header = fs.readFileSync(path.join(__dirname, '../../csrc/jose/reason.h'), 'utf8');
  const reasons = [...header.matchAll(/^ {2}X\((E_\w+)\)/gm)].map((match) => match[1]);
  const none = Object.fromEntries(reasons.map((name) => [name, 0]));

  it('has every reason from the start', async () => {
    assert.ok(reasons.length > 20);
    const app = await startServer({ jwks: identity.options() });
    assert.deepEqual(app.sse.stats().auth, { accepted: 0, cached: 0, signatureChecks: 0, refused: none });
  });

  it('counts each token once, and publishes each reason without a word of the token', async () => {
    const seen = [];
    const listen = (message) => seen.push(message);
    const app = await startServer({ jwks: identity.options(), maxTokenBytes: 2000 });
    await app.sse.ready();
    const good = makeToken(rsa);
    diagnostics.subscribe('native-sse:auth', listen);
    try {
      await app.open({ token: good });
      await app.open({ token: null, query: { token: good } });
      for (const token of ['x', makeToken(rsa, { aud: 'x' }), makeToken(rsa, { aud: 'y' }), makeToken(ec, {}, { crit: [] }),
        forge(good), 'x'.repeat(2001)]) {
        assert.equal((await app.request({ token })).status, 401);
      }
      // No token, or more than one: there is nothing whose reason could be told.
      for (const path of ['/sse', '/sse?token=a&token=b']) assert.equal((await app.request({ token: null, path })).status, 401);
    } finally {
      diagnostics.unsubscribe('native-sse:auth', listen);
    }
    const refused = { ...none, E_SEGMENTS: 1, E_AUD: 2, E_CRIT: 1, E_SIG: 1, E_TOO_LARGE: 1 };
    assert.deepEqual(app.sse.stats().auth, { accepted: 2, cached: 1, signatureChecks: 2, refused });
    assert.deepEqual(seen, ['E_SEGMENTS', 'E_AUD', 'E_AUD', 'E_CRIT', 'E_SIG', 'E_TOO_LARGE'].map((reason) => ({ reason })));
  });

  it('counts all issuers together, and gives a copy', async () => {
    const jwks = ['https://one.example', 'https://two.example'].map((issuer) => identity.options({ issuer }));
    const app = await startServer({ jwks });
    for (const { issuer } of jwks) await app.open({ token: makeToken(rsa, { iss: issuer }) });
    const { auth } = app.sse.stats();
    assert.deepEqual([auth.accepted, auth.signatureChecks], [2, 2]);
    auth.accepted = 7;
    auth.refused.E_SIG = 7;
    assert.equal(app.sse.stats().auth.accepted, 2);
    assert.equal(app.sse.stats().auth.refused.E_SIG, 0);
  });

  it('knows nothing of what an own authenticateSubscriber decides', async () => {
    const app = await startServer({ maxTokenBytes: 10 });
    await app.open();
    assert.equal((await app.request({ token: 'x'.repeat(11) })).status, 401);
    assert.deepEqual(app.sse.stats().auth, { accepted: 0, cached: 0, signatureChecks: 0, refused: { ...none, E_TOO_LARGE: 1 } });
  });

  it('does not count a 503 as a refusal', async () => {
    identity.answer = (req, res) => res.writeHead(500).end();
    const app = await startServer({ jwks: identity.options({ backoff: 30_000 }) });
    assert.equal((await app.request({ token: makeToken(rsa) })).status, 503);
    assert.deepEqual(app.sse.stats().auth, { accepted: 0, cached: 0, signatureChecks: 0, refused: none });
    const authenticate = createJwksAuthenticator(identity.options());
    await assert.rejects(authenticate(makeToken(rsa)), UNAVAILABLE);
    authenticate.close();
  });
});
