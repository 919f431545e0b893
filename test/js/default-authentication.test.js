'use strict';

// default-authentication.test.js - a server without hooks of its own: tokens signed by a real provider,
// from the socket to the stream.

const assert = require('node:assert/strict');
const { createHmac } = require('node:crypto');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { ISSUER, AUDIENCE, encode, makeKey, makeToken, signRaw, claimsWith, startIdentity } = require('./helpers/identity');
const { waitFor } = require('./helpers/wait');

const rsa = makeKey('RS256');
const ec = makeKey('ES256');
const now = () => Math.floor(Date.now() / 1000);

let identity;

async function start(options = {}, changes = {}) {
  const app = await startServer({ jwks: identity.options(changes), ...options });
  await app.sse.ready();
  return app;
}

async function assert401(app, token) {
  const { status, json, headers } = await app.request({ token });
  assert.equal(status, 401);
  assert.equal(json.error, 'ERR_SSE_UNAUTHORIZED');
  assert.equal(headers['www-authenticate'], 'Bearer error="invalid_token"');
  return json.message;
}

beforeEach(async () => {
  identity = await startIdentity([rsa, ec]);
});

afterEach(() => identity.stop());
afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`default authentication (${transport})`, () => {
    for (const key of [rsa, ec]) {
      it(`lets in with ${key.alg}, by header and by query`, async () => {
        const app = await start({ transport });
        const byHeader = await app.open({ token: makeToken(key), channels: ['a'] });
        const byQuery = await app.open({ token: null, query: { token: makeToken(key, { sub: 'bob' }) } });
        assert.equal(byHeader.hello.userId, 'alice');
        assert.equal(byQuery.hello.userId, 'bob');
        await app.sse.publishToUser('bob', { type: 't', data: 1 });
        assert.deepEqual(await byQuery.data(1), [1]);
        assert.equal(identity.hits, 1);
      });
    }

    it('lets a crowd in with one fetch', async () => {
      const app = await startServer({ transport, jwks: identity.options() });
      const tokens = Array.from({ length: 20 }, (_, i) => makeToken(i % 2 ? rsa : ec, { sub: `user${i}` }));
      const all = await Promise.all(tokens.map((token) => app.open({ token })));
      assert.deepEqual(all.map(({ hello }) => hello.userId), tokens.map((_, i) => `user${i}`));
      assert.equal(identity.hits, 1);
    });
  });
}

describe('default authentication: what it accepts', () => {
  const fine = {
    'an audience among others': { aud: ['https://other.example', AUDIENCE] },
    'exp a moment ago, within the skew': { exp: now() - 5 },
    'nbf in a moment, within the skew': { nbf: now() + 5 },
    'no iat': { iat: undefined },
    'claims of its own': { role: 'admin', deep: { a: [1] } },
  };
  for (const [name, changes] of Object.entries(fine)) {
    it(`accepts ${name}`, async () => {
      await (await start()).open({ token: makeToken(rsa, changes) });
    });
  }

  it('gives the claims to authorizeChannel, frozen', async () => {
    let user;
    const authorizeChannel = (given) => {
      user = given;
      return true;
    };
    const app = await start({ hooks: { authorizeChannel } });
    await app.open({ token: makeToken(ec, { role: 'admin', deep: { list: [1] } }), channels: ['a'] });
    assert.equal(user.sub, 'alice');
    assert.equal(user.role, 'admin');
    assert.ok(Object.isFrozen(user) && Object.isFrozen(user.deep) && Object.isFrozen(user.deep.list));
  });

  it('accepts more than one audience of its own', async () => {
    const app = await start({}, { audience: ['https://one.example', 'https://two.example'] });
    await app.open({ token: makeToken(rsa, { aud: 'https://two.example' }) });
    await assert401(app, makeToken(rsa));
  });
});

describe('default authentication: what it refuses', () => {
  const pem = () => rsa.publicKey.export({ type: 'spki', format: 'pem' });
  const hs256 = (header) => {
    const input = `${encode(header)}.${encode(claimsWith())}`;
    return `${input}.${createHmac('sha256', pem()).update(input).digest('base64url')}`;
  };
  /** What is wrong with these is seen without a key: they may cost no fetch. */
  const cheap = {
    'no token at all': () => 'x',
    'two segments': () => makeToken(rsa).split('.').slice(0, 2).join('.'),
    'four segments': () => `${makeToken(rsa)}.x`,
    'another audience': () => makeToken(rsa, { aud: 'https://other.example' }),
    'no audience': () => makeToken(rsa, { aud: undefined }),
    'another issuer': () => makeToken(rsa, { iss: 'https://evil.example' }),
    'the issuer with a slash': () => makeToken(rsa, { iss: `${ISSUER}/` }),
    'no issuer': () => makeToken(rsa, { iss: undefined }),
    'exp beyond the skew': () => makeToken(rsa, { exp: now() - 120 }),
    'no exp': () => makeToken(rsa, { exp: undefined }),
    'exp as a string': () => makeToken(rsa, { exp: '9999999999' }),
    'nbf beyond the skew': () => makeToken(rsa, { nbf: now() + 120 }),
    'no sub': () => makeToken(rsa, { sub: undefined }),
    'an empty sub': () => makeToken(rsa, { sub: '' }),
    'a numeric sub': () => makeToken(rsa, { sub: 1 }),
    'alg none without a signature': () => `${encode({ alg: 'none', kid: rsa.kid })}.${encode(claimsWith())}.`,
    'alg none with one': () => makeToken(rsa, {}, { alg: 'none' }),
    'alg None': () => makeToken(rsa, {}, { alg: 'None' }),
    'HS256 with the public key as secret': () => hs256({ alg: 'HS256', typ: 'JWT', kid: rsa.kid }),
    'alg RS384': () => makeToken(rsa, {}, { alg: 'RS384' }),
    'no alg': () => makeToken(rsa, {}, { alg: undefined }),
    crit: () => makeToken(rsa, {}, { crit: ['exp'] }),
    'claims that are no object': () => signRaw(rsa, { alg: 'RS256', kid: rsa.kid }, '[]'),
    'claims that are no JSON': () => signRaw(rsa, { alg: 'RS256', kid: rsa.kid }, '{'),
    'a token that is too long': () => makeToken(rsa, { pad: 'x'.repeat(8192) }),
  };
  for (const [name, token] of Object.entries(cheap)) {
    it(`refuses ${name} without asking for keys`, async () => {
      // There are no keys: a check that needed them would answer 503.
      identity.answer = (req, res) => res.writeHead(500).end();
      const app = await startServer({ jwks: identity.options({ backoff: 30_000 }) });
      await assert.rejects(app.sse.ready(), { code: 'ERR_SSE_KEYS_UNAVAILABLE' });
      const before = identity.hits;
      await assert401(app, token());
      assert.equal(identity.hits, before);
    });
  }

  const byKey = {
    'a signature of another key': () => makeToken({ ...makeKey('RS256'), kid: rsa.kid }),
    'a signature of another EC key': () => makeToken({ ...makeKey('ES256'), kid: ec.kid }),
    'changed claims': () => {
      const [header, , signature] = makeToken(rsa).split('.');
      return [header, encode(claimsWith({ sub: 'admin' })), signature].join('.');
    },
    'ES256 with the kid of an RSA key': () => makeToken({ ...ec, kid: rsa.kid }),
    'an unknown kid': () => makeToken({ ...rsa, kid: 'unknown' }),
    'a key of its own in the header': () => {
      const own = makeKey('RS256', rsa.kid);
      return makeToken(own, {}, { jwk: own.jwk });
    },
  };
  for (const [name, token] of Object.entries(byKey)) {
    it(`refuses ${name}`, async () => {
      const app = await start();
      await assert401(app, token());
      assert.equal(identity.hits, 1);
    });
  }

  it('says the same for every cause', async () => {
    const app = await start();
    const messages = new Set();
    for (const token of [...Object.values(cheap), ...Object.values(byKey)]) messages.add(await assert401(app, token()));
    assert.equal(messages.size, 1);
  });

  it('never asks for keys for those that are wrong by themselves', async () => {
    const app = await start({}, { cooldown: 1 });
    for (const token of Object.values(cheap)) await assert401(app, token());
    assert.equal(identity.hits, 1);
  });
});

describe('default authentication: keys', () => {
  it('are fetched anew for a kid that is new', async () => {
    const app = await start({}, { cooldown: 1 });
    const next = makeKey('ES256');
    identity.keys = [next];
    await waitFor(async () => (await app.send({ token: makeToken(next) }).head()).status === 200);
    await assert401(app, makeToken(rsa));
  });

  const failures = {
    'an answer of 500': (req, res) => res.writeHead(500).end(),
    'a redirect': (req, res) => res.writeHead(302, { Location: '/jwks.json' }).end(),
    'no JSON': (req, res) => res.end('<html>'),
    'no key set': (req, res) => res.end('{"keys":{}}'),
    'a connection that is cut': (req) => req.socket.destroy(),
  };
  for (const [name, answer] of Object.entries(failures)) {
    it(`answers 503 with Retry-After while there are none: ${name}`, async () => {
      const works = identity.answer;
      identity.answer = answer;
      const app = await startServer({ jwks: identity.options({ backoff: 1 }) });
      const { status, headers, json } = await app.request({ token: makeToken(rsa) });
      assert.equal(status, 503);
      assert.equal(json.error, 'ERR_SSE_KEYS_UNAVAILABLE');
      assert.match(headers['retry-after'], /^[1-9]\d*$/);
      assert.equal(headers['cache-control'], 'no-store');
      assert.equal(headers['www-authenticate'], undefined);
      identity.answer = works;
      await waitFor(async () => (await app.send({ token: makeToken(rsa) }).head()).status === 200);
      assert.deepEqual(app.errors, []);
    });
  }

  it('answers 503 for an endpoint that does not answer in time', async () => {
    identity.answer = () => {};
    const app = await startServer({ jwks: identity.options({ timeout: 50 }) });
    assert.equal((await app.request({ token: makeToken(rsa) })).status, 503);
  });

  it('are no concern of an own authenticateSubscriber', async () => {
    const authenticateSubscriber = (token) => ({ sub: token });
    const app = await startServer({ jwks: identity.options(), hooks: { authenticateSubscriber } });
    await app.sse.ready();
    assert.equal((await app.open({ token: 'anything' })).hello.userId, 'anything');
    assert.equal(identity.hits, 0);
  });

  it('may be named by the environment', async () => {
    const names = { JWKS_URL: identity.url, JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE };
    const before = Object.fromEntries(Object.keys(names).map((name) => [name, process.env[name]]));
    Object.assign(process.env, names);
    let app;
    try {
      app = await startServer({ jwks: {} });
    } finally {
      for (const [name, value] of Object.entries(before)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
    await app.open({ token: makeToken(rsa) });
    await assert401(app, makeToken(rsa, { aud: 'https://other.example' }));
  });
});
