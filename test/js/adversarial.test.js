'use strict';

// adversarial.test.js - what somebody would try who wants in, over real HTTP: hostile tokens, and hostile
// places of keys. A counter tells who made us ask for keys.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const crypto = require('node:crypto');
const { once } = require('node:events');
const net = require('node:net');
const path = require('node:path');

const { startServer, cleanUp } = require('./helpers/app');
const { ISSUER, AUDIENCE, encode, makeKey, makeToken, signRaw, claimsWith, startIdentity } = require('./helpers/identity');
const { waitFor } = require('./helpers/wait');

const rsa = makeKey('RS256', 'rsa');
const ec = makeKey('ES256', 'ec');
const now = () => Date.now() / 1000;

let identity;

beforeEach(async () => {
  identity = await startIdentity([rsa, ec]);
});

afterEach(() => identity.stop());
afterEach(cleanUp);

async function start(options = {}) {
  const { jwks, ...more } = options;
  const app = await startServer({ jwks: identity.options({ cooldown: 1, ...jwks }), ...more });
  await app.sse.ready();
  return app;
}

/** 401 like every other, by header and by query; and nobody was asked for keys. */
async function assertRefused(app, token, reason) {
  const { hits } = identity;
  const before = app.sse.stats().auth.refused[reason];
  for (const request of [{ token }, { token: null, query: { token } }]) {
    const { status, body, headers } = await app.request(request);
    assert.equal(status, 401, token);
    assert.equal(body, '{"error":"ERR_SSE_UNAUTHORIZED","message":"A valid access token is required."}');
    assert.equal(headers['www-authenticate'], 'Bearer error="invalid_token"');
  }
  assert.equal(app.sse.stats().auth.refused[reason], before + 2, `${reason} for ${token}`);
  assert.equal(identity.hits, hits, 'keys were asked for');
}

const opens = async (app, token) => (await app.send({ token }).head()).status === 200;

describe('adversarial: headers', () => {
  it('other algorithms, rightly signed by a key of the set\'s owner', async () => {
    const app = await start();
    const { RSA_PKCS1_PSS_PADDING: padding } = crypto.constants;
    const p384 = crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    const ed25519 = crypto.generateKeyPairSync('ed25519').privateKey;
    const others = [
      ['RS384', 'sha384', rsa.privateKey, 'E_ALG'],
      ['RS512', 'sha512', rsa.privateKey, 'E_ALG'],
      ['PS256', 'sha256', { key: rsa.privateKey, padding, saltLength: 32 }, 'E_ALG'],
      ['ES384', 'sha384', { key: p384, dsaEncoding: 'ieee-p1363' }, 'E_SIGLEN'],
      ['EdDSA', null, ed25519, 'E_ALG'],
    ];
    for (const [alg, hash, key, reason] of others) {
      const input = `${encode({ alg, kid: rsa.kid })}.${encode(claimsWith())}`;
      await assertRefused(app, `${input}.${crypto.sign(hash, Buffer.from(input), key).toString('base64url')}`, reason);
    }
  });

  it('two algorithms in one, in either order', async () => {
    const app = await start();
    for (const header of ['{"alg":"RS256","alg":"none"}', '{"alg":"none","alg":"RS256"}', '{"alg":"RS256","\\u0061lg":"RS256"}']) {
      await assertRefused(app, signRaw(rsa, header, claimsWith()), 'E_DUP');
    }
  });

  it('keys that the token brings along or points to', async () => {
    const app = await start();
    const own = makeKey('RS256', rsa.kid);
    const jwks = await startIdentity([own]);
    try {
      for (const header of [{ jwk: own.jwk }, { jku: jwks.url }, { x5u: jwks.url }, { x5c: ['MIIB'] }]) {
        await assertRefused(app, makeToken(own, {}, header), 'E_SIG');
      }
      assert.equal(jwks.hits, 0);
    } finally {
      await jwks.stop();
    }
  });

  it('a kid that is a path, a query or a very long text', async () => {
    const app = await start({ jwks: { cooldown: 60_000 } });
    for (const kid of ['../../etc/passwd', "' OR 1=1 --", 'x'.repeat(256)]) {
      await assertRefused(app, makeToken(rsa, {}, { kid }), 'E_NOKEY');
    }
    for (const kid of ['x'.repeat(257), '', null, 1, ['rsa'], 'a\nb', 'a\u007f']) await assertRefused(app, makeToken(rsa, {}, { kid }), 'E_KID');
  });
});

describe('adversarial: claims', () => {
  const payload = (text) => signRaw(rsa, { alg: 'RS256', kid: rsa.kid }, text);
  const rest = () => `"aud":"${AUDIENCE}","sub":"alice","exp":${Math.floor(now()) + 600}`;

  it('NUL in a value and in a name', async () => {
    const app = await start();
    await assertRefused(app, payload(`{"iss":"${ISSUER}\\u0000.evil",${rest()}}`), 'E_NUL');
    await assertRefused(app, payload(`{"iss\\u0000x":"${ISSUER}",${rest()}}`), 'E_NUL');
    await assertRefused(app, payload(`{"iss":"${ISSUER}",${rest()},"a\\u0000":1}`), 'E_NUL');
  });

  it('names in another case', async () => {
    const app = await start();
    await assertRefused(app, makeToken(rsa, { iss: undefined, ISS: ISSUER }), 'E_ISS');
    await assertRefused(app, makeToken(rsa, { aud: undefined, Aud: AUDIENCE }), 'E_AUD');
    await assertRefused(app, makeToken(rsa, { exp: undefined, EXP: now() + 600 }), 'E_EXP');
    await assertRefused(app, makeToken(rsa, { sub: undefined, Sub: 'alice' }), 'E_SUB');
  });

  it('no object', async () => {
    const app = await start();
    for (const text of ['[]', '"x"', 'null', '1', 'true']) await assertRefused(app, payload(text), 'E_JSON');
    await assertRefused(app, payload(''), 'E_SEGMENTS');
  });

  it('members twice, and what two parsers read differently', async () => {
    const app = await start();
    await assertRefused(app, payload(`{"iss":"evil","iss":"${ISSUER}",${rest()}}`), 'E_DUP');
    await assertRefused(app, payload(`{"iss":"${ISSUER}",${rest()},"\\u0073ub":"admin"}`), 'E_DUP');
    await assertRefused(app, payload(`{"iss":"${ISSUER}",${rest()}} {}`), 'E_JSON');
    await assertRefused(app, payload(`{"iss":"${ISSUER}","aud":"${AUDIENCE}","sub":"alice","exp":1e999}`), 'E_JSON');
  });

  it('times at the very edge of the skew', async () => {
    const app = await start();
    // Time goes on meanwhile, so that each is tried until it was quick enough.
    await waitFor(() => opens(app, makeToken(rsa, { exp: now() - 59 })));
    await assertRefused(app, makeToken(rsa, { exp: now() - 61 }), 'E_EXP');
    assert.ok(await opens(app, makeToken(rsa, { nbf: now() + 59 })));
    await waitFor(async () => !(await opens(app, makeToken(rsa, { nbf: now() + 61 }))));
    await assertRefused(app, makeToken(rsa, { nbf: now() + 600 }), 'E_NBF');
    await assertRefused(app, makeToken(rsa, { iat: now() + 600 }), 'E_IAT');
  });

  it('audiences that are nearly ours', async () => {
    const app = await start();
    for (const aud of [[AUDIENCE, 1], [], undefined, null, {}, AUDIENCE.slice(0, -1), `${AUDIENCE}/`, ` ${AUDIENCE}`,
      [[AUDIENCE]], [AUDIENCE, null], Array(65).fill(AUDIENCE)]) {
      await assertRefused(app, makeToken(rsa, { aud }), 'E_AUD');
    }
    assert.ok(await opens(app, makeToken(rsa, { aud: ['x', AUDIENCE] })));
    for (const iss of [`${ISSUER}/`, ISSUER.toUpperCase(), ` ${ISSUER}`]) await assertRefused(app, makeToken(rsa, { iss }), 'E_ISS');
  });

  it('of a prototype: nothing is polluted, and hooks get them deeply frozen', async () => {
    const users = [];
    const keep = (user) => users.push(user) > 0;
    const app = await start({ hooks: { authorizeChannel: keep } });
    for (const name of ['__proto__', '\\u005f_proto__']) {
      await assertRefused(app, payload(`{"iss":"${ISSUER}",${rest()},"${name}":{"isAdmin":true}}`), 'E_JSON');
      await assertRefused(app, payload(`{"iss":"${ISSUER}",${rest()},"a":[{"${name}":{"isAdmin":true}}]}`), 'E_JSON');
    }
    const hostile = { constructor: { prototype: { isAdmin: true } }, prototype: { isAdmin: true }, toString: 'x', hasOwnProperty: [{}] };
    await app.open({ token: makeToken(rsa, hostile), channels: ['__proto__', 'constructor'] });
    assert.equal(users.length, 2);
    for (const user of users) {
      assert.equal(user.constructor.prototype.isAdmin, true);
      assert.equal(Object.getPrototypeOf(user), Object.prototype);
      for (const value of [user, user.constructor, user.constructor.prototype, user.prototype, user.hasOwnProperty, user.hasOwnProperty[0]]) {
        assert.ok(Object.isFrozen(value));
      }
      assert.throws(() => {
        user.sub = 'admin';
      }, TypeError);
    }
    await app.sse.publish('__proto__', { type: 't', data: { isAdmin: true } });
    assert.equal({}.isAdmin, undefined);
    assert.equal([].isAdmin, undefined);
    assert.equal(Function.prototype.isAdmin, undefined);
  });
});

describe('adversarial: signatures', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

  for (const key of [rsa, ec]) {
    it(`of ${key.alg}, spelt in another way`, async () => {
      const app = await start();
      const token = makeToken(key);
      // 256 and 64 bytes both leave bits over in the last character.
      const stray = token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)) + 1];
      for (const text of [stray, `${token}=`, `${token}==`, token.replace(/\.(?=[^.]*$)/, '. '), `${token}+`]) {
        await assertRefused(app, text, 'E_B64');
      }
      assert.ok(await opens(app, token));
    });
  }

  it('of tokens with 8192 bytes and one more', async () => {
    const app = await start();
    const sized = (bytes) => {
      let pad = 5000;
      for (;;) {
        const token = makeToken(ec, { pad: 'x'.repeat(pad) });
        if (token.length === bytes) return token;
        if (token.length > bytes) return undefined;
        pad += Math.max(1, Math.floor((bytes - token.length) * 0.7));
      }
    };
    const fits = sized(8192) ?? sized(8191);
    assert.equal((await app.open({ token: fits })).hello.userId, 'alice');
    await assertRefused(app, `${fits}${'A'.repeat(8193 - fits.length)}`, 'E_TOO_LARGE');
  });
});

describe('adversarial: a flood of unknown keys', () => {
  it('10,000 random kids cost 2 fetches at most, and those with a known one come in meanwhile', async () => {
    // The cooldown as it is by default: it may end once while this runs.
    const app = await startServer({ jwks: identity.options() });
    await app.sse.ready();
    const signature = crypto.randomBytes(256).toString('base64url');
    const claims = encode(claimsWith());
    const requests = () => Array.from({ length: 500 }, () => {
      const token = `${encode({ alg: 'RS256', kid: crypto.randomUUID() })}.${claims}.${signature}`;
      return `GET /sse HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`;
    });
    const flood = Array.from({ length: 20 }, async () => {
      const socket = net.connect(app.address.port, '127.0.0.1');
      socket.write(requests().join(''));
      let text = '';
      let bodies = 0;
      // However long it takes: the time of the whole test is limited.
      for await (const chunk of socket.setEncoding('latin1')) {
        text += chunk;
        bodies += chunk.split('}').length - 1;
        if (bodies === 500) break;
      }
      return text.split('HTTP/1.1 401 ').length - 1;
    });
    for (let i = 0; i < 20; i++) await app.open({ token: makeToken(i % 2 ? rsa : ec, { sub: `user${i}` }) });
    assert.deepEqual(await Promise.all(flood), Array(20).fill(500));
    assert.ok(identity.hits <= 2, `${identity.hits} fetches`);
    assert.equal(app.sse.stats().auth.refused.E_NOKEY, 10_000);
    assert.equal(app.sse.stats().auth.signatureChecks, 20);
  }).timeout(60_000);
});

describe('adversarial: a place of keys that has gone bad', () => {
  const MIB = 1024 * 1024;
  let child;
  let url;

  // In a process of its own: what it needs for its answers must not be counted as ours.
  beforeEach(async () => {
    child = fork(path.join(__dirname, 'helpers/bad-idp.js'));
    [url] = await once(child, 'message');
  });

  afterEach(async () => {
    const gone = once(child, 'exit');
    child.kill();
    await gone;
  });

  const tell = async (mode) => {
    child.send({ mode, jwk: rsa.jwk });
    await once(child, 'message');
  };

  async function rss() {
    for (let i = 0; i < 3; i++) {
      globalThis.gc();
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    return process.memoryUsage.rss();
  }

  const modes = ['redirect', 'large', 'bomb', 'drip', 'html', 'empty object', 'status 500', 'cut'];
  for (const mode of modes) {
    it(`is 503, takes no memory, and heals: ${mode}`, async () => {
      assert.ok(globalThis.gc, 'run with --expose-gc');
      await tell(mode);
      const app = await startServer({ jwks: identity.options({ url, backoff: 1, timeout: 200 }) });
      const fail = async (times) => {
        for (let i = 0; i < times; i++) {
          const { status, json } = await app.request({ token: makeToken(ec) });
          assert.deepEqual([status, json.error], [503, 'ERR_SSE_KEYS_UNAVAILABLE']);
        }
      };
      await fail(8); // what Node loads when it is first needed
      let grown;
      // Up to three rounds: other things in this process move as well, but only a leak grows each time.
      for (let round = 0; round < 3 && !(grown < 4 * MIB); round++) {
        const before = await rss();
        await fail(8);
        grown = (await rss()) - before;
      }
      assert.ok(grown < 4 * MIB, `${grown / MIB} MiB`);
      await tell('good');
      await waitFor(() => opens(app, makeToken(rsa)));
    });
  }
});
