'use strict';

// authenticator.test.js - from token to claims against a real key set on
// loopback: what passes, what does not, and that what is wrong by itself costs
// no fetch.

const assert = require('node:assert');
const crypto = require('node:crypto');
const diagnostics = require('node:diagnostics_channel');
const { createJwksAuthenticator } = require('../../lib/authenticator');
const { FakeTime, base64url, makeKey, serveKeys, sign, signText } = require('./helpers/idp');

const ISSUER = 'https://idp.example';
const NOW = 1_700_000_000;
const UNAUTHORIZED = { code: 'ERR_SSE_UNAUTHORIZED', status: 401 };
const UNAVAILABLE = { code: 'ERR_SSE_KEYS_UNAVAILABLE', status: 503 };

const rsa = makeKey('RS256', 'rsa-1');
const ec = makeKey('ES256', 'ec-1');
const other = makeKey('RS256', 'other');

const claims = (more = {}) => ({ iss: ISSUER, aud: 'api', sub: 'alice', exp: NOW + 100, ...more });

describe('createJwksAuthenticator', () => {
  let idp;
  let time;
  let authenticate;

  /** An authenticator over `idp`, at NOW. */
  function make(options = {}, parts = {}) {
    return createJwksAuthenticator(
      { url: idp.url, issuer: ISSUER, audience: 'api', clock: time.clock, ...options },
      { timers: time.api, random: () => 0.5, ...parts },
    );
  }

  beforeEach(async () => {
    idp = await serveKeys([rsa.jwk, ec.jwk]);
    time = new FakeTime(NOW * 1000);
    authenticate = make();
    await authenticate.ready();
  });

  afterEach(async () => {
    authenticate.close();
    await idp.close();
  });

  /** Moves on to the background refresh and waits until its set is in use. */
  async function refreshed() {
    const loaded = new Promise((resolve) => {
      const listen = () => {
        diagnostics.unsubscribe('native-sse:jwks', listen);
        resolve();
      };
      diagnostics.subscribe('native-sse:jwks', listen);
    });
    await time.advance(480_000);
    await loaded;
  }

  /** Refused without anyone having asked the issuer. */
  async function refuses(token, reason) {
    const hits = idp.hits;
    const reasons = [];
    const listen = (message) => reasons.push(message.reason);
    diagnostics.subscribe('native-sse:auth', listen);
    try {
      await assert.rejects(authenticate(token), UNAUTHORIZED, `accepted: ${token}`);
    } finally {
      diagnostics.unsubscribe('native-sse:auth', listen);
    }
    assert.strictEqual(idp.hits, hits);
    assert.strictEqual(reasons.length, 1);
    if (reason !== undefined) assert.strictEqual(reasons[0], reason, token);
  }

  describe('good tokens', () => {
    it('takes RS256 and ES256 and returns the claims', async () => {
      for (const key of [rsa, ec]) {
        const user = await authenticate(sign(claims({ roles: ['a', { b: 1 }] }), key));
        assert.deepStrictEqual(user, claims({ roles: ['a', { b: 1 }] }));
      }
      assert.strictEqual(idp.hits, 1);
    });

    it('returns them deeply frozen, with ordinary prototypes', async () => {
      const user = await authenticate(sign(claims({ a: [{ b: {} }], constructor: { prototype: 1 } }), rsa));
      assert.ok(Object.isFrozen(user) && Object.isFrozen(user.a) && Object.isFrozen(user.a[0].b));
      assert.strictEqual(Object.getPrototypeOf(user), Object.prototype);
      assert.strictEqual({}.isAdmin, undefined);
    });

    it('keeps text as it was signed', async () => {
      const text = `{"iss":"${ISSUER}","aud":["x","api"],\r\n "exp":${NOW + 5}.5,"sub":"\\u00e9 \\ud834\\udd1e 😀"}`;
      const user = await authenticate(signText('{"alg":"RS256","kid":"rsa-1"}', text, rsa));
      assert.strictEqual(user.sub, 'é 𝄞 😀');
      assert.strictEqual(user.exp, NOW + 5.5);
    });

    it('verifies many at once', async () => {
      const tokens = Array.from({ length: 300 }, (_, i) => sign(claims({ sub: `user-${i}` }), i % 2 ? rsa : ec));
      const users = await Promise.all(tokens.map((token) => authenticate(token)));
      assert.deepStrictEqual(users.map(({ sub }) => sub), tokens.map((_, i) => `user-${i}`));
    });
  });

  describe('bad tokens (401, no fetch)', () => {
    it('refuses what is no token', async () => {
      for (const value of [undefined, null, 1, {}, []]) await refuses(value, 'E_TOO_LARGE');
      await refuses('', 'E_TOO_LARGE');
      await refuses('x', 'E_SEGMENTS');
      await refuses('a.b.c.d.e', 'E_SEGMENTS');
      await refuses('Bearer aa.bb.cc', 'E_B64');
      await refuses('\u0000', 'E_B64');
      await refuses('aé.bb.cc', 'E_B64');
      await refuses('\ud800.bb.cc', 'E_B64');
    });

    it('refuses alg none, with and without a signature', async () => {
      const input = `${base64url('{"alg":"none"}')}.${base64url(JSON.stringify(claims()))}`;
      await refuses(`${input}.`, 'E_SEGMENTS');
      await refuses(`${input}.${base64url(Buffer.alloc(256))}`, 'E_ALG');
    });

    it('refuses HS256 keyed with the public key', async () => {
      const input = `${base64url('{"alg":"HS256","kid":"rsa-1"}')}.${base64url(JSON.stringify(claims()))}`;
      const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
      await refuses(`${input}.${crypto.createHmac('sha256', pem).update(input).digest('base64url')}`);
    });

    it('refuses other algorithms, rightly signed', async () => {
      const body = base64url(JSON.stringify(claims()));
      const cases = [
        ['RS384', 'sha384', rsa.privateKey],
        ['RS512', 'sha512', rsa.privateKey],
        ['PS256', 'sha256', { key: rsa.privateKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING }],
        ['ES384', 'sha384', { key: makeKey('ES256', 'x', { namedCurve: 'P-384' }).privateKey, dsaEncoding: 'ieee-p1363' }],
        ['EdDSA', null, crypto.generateKeyPairSync('ed25519').privateKey],
      ];
      for (const [alg, hash, key] of cases) {
        const input = `${base64url(JSON.stringify({ alg, kid: 'rsa-1' }))}.${body}`;
        await refuses(`${input}.${crypto.sign(hash, Buffer.from(input), key).toString('base64url')}`);
      }
    });

    it('refuses a wrong signature, a changed payload and a foreign key', async () => {
      const token = sign(claims(), rsa);
      const [header, payload, signature] = token.split('.');
      const changed = base64url(JSON.stringify(claims({ sub: 'mallory' })));
      await refuses(`${header}.${changed}.${signature}`, 'E_SIG');
      await refuses(`${header}.${payload}.${base64url(Buffer.alloc(256))}`, 'E_SIG');
      await refuses(sign(claims(), { ...other, kid: 'rsa-1' }), 'E_SIG');
      await refuses(sign(claims(), { ...makeKey('ES256', 'ec-1') }), 'E_SIG');
    });

    it('refuses a second spelling of a good signature', async () => {
      const token = sign(claims(), ec);
      const last = token.at(-1);
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      const stray = alphabet[alphabet.indexOf(last) + 1];
      await refuses(token.slice(0, -1) + stray, 'E_B64');
      await refuses(`${token}=`, 'E_B64');
      await refuses(`${token} `, 'E_B64');
      await refuses(` ${token}`, 'E_B64');
    });

    it('refuses a signature by the key that the token brings along', async () => {
      await refuses(sign(claims(), { ...other, kid: 'rsa-1' }, { jwk: other.jwk }), 'E_SIG');
      await refuses(sign(claims(), { ...other, kid: 'rsa-1' }, { jku: idp.url, x5u: idp.url }), 'E_SIG');
    });

    it('refuses extensions, other types and nested tokens', async () => {
      await refuses(sign(claims(), rsa, { crit: ['exp'] }), 'E_CRIT');
      await refuses(sign(claims(), rsa, { crit: [] }), 'E_CRIT');
      await refuses(sign(claims(), rsa, { b64: false }), 'E_CRIT');
      await refuses(sign(claims(), rsa, { typ: 'logout+jwt' }), 'E_TYP');
      await refuses(sign(claims(), rsa, { cty: 'JWT' }), 'E_TYP');
      await refuses(sign(claims(), rsa, { kid: 7 }), 'E_KID');
      await refuses(sign(claims(), rsa, { kid: 'a\nb' }), 'E_KID');
    });

    it('refuses what two parsers would read differently', async () => {
      const header = '{"alg":"RS256","kid":"rsa-1"}';
      const rest = `"aud":"api","sub":"a","exp":${NOW + 9}`;
      const payloads = [
        [`{"iss":"evil","iss":"${ISSUER}",${rest}}`, 'E_DUP'],
        [`{"iss":"${ISSUER}","\\u0069ss":"evil",${rest}}`, 'E_DUP'],
        [`{"iss":"${ISSUER}\\u0000.evil",${rest}}`, 'E_NUL'],
        [`{"iss\\u0000x":"${ISSUER}",${rest}}`, 'E_NUL'],
        [`{"iss":"${ISSUER}",${rest},"__proto__":{"isAdmin":true}}`, 'E_JSON'],
        [`{"iss":"${ISSUER}",${rest},"a":{"\\u005f_proto__":{}}}`, 'E_JSON'],
        [`{"iss":"${ISSUER}","aud":"api","sub":"a","exp":1e999}`, 'E_JSON'],
        [`{"iss":"${ISSUER}",${rest},}`, 'E_JSON'],
        [`\ufeff{"iss":"${ISSUER}",${rest}}`, 'E_UTF8'],
        [Buffer.concat([Buffer.from(`{"x":"`), Buffer.from([0xff]), Buffer.from(`",${rest}}`)]), 'E_UTF8'],
        ['[]', 'E_JSON'], ['"x"', 'E_JSON'], ['null', 'E_JSON'], ['1', 'E_JSON'],
      ];
      for (const [payload, reason] of payloads) await refuses(signText(header, payload, rsa), reason);
      await refuses(signText('{"alg":"RS256","alg":"none"}', JSON.stringify(claims()), rsa), 'E_DUP');
      await refuses(signText('{"alg":"none","alg":"RS256"}', JSON.stringify(claims()), rsa), 'E_DUP');
    });

    it('refuses wrong claims', async () => {
      const cases = [
        [{ iss: undefined }, 'E_ISS'], [{ iss: `${ISSUER}/` }, 'E_ISS'], [{ iss: ISSUER.toUpperCase() }, 'E_ISS'],
        [{ iss: undefined, ISS: ISSUER }, 'E_ISS'], [{ iss: [ISSUER] }, 'E_ISS'],
        [{ aud: undefined }, 'E_AUD'], [{ aud: [] }, 'E_AUD'], [{ aud: ['api', 1] }, 'E_AUD'],
        [{ aud: 'ap' }, 'E_AUD'], [{ aud: 'api2' }, 'E_AUD'], [{ aud: { api: true } }, 'E_AUD'],
        [{ exp: undefined }, 'E_EXP'], [{ exp: `${NOW + 9}` }, 'E_EXP'], [{ exp: null }, 'E_EXP'],
        [{ exp: (NOW + 9) * 1000 }, 'E_EXP'], [{ exp: NOW - 60 }, 'E_EXP'], [{ exp: NOW - 61 }, 'E_EXP'],
        [{ nbf: NOW + 61 }, 'E_NBF'], [{ nbf: '0' }, 'E_NBF'], [{ iat: NOW + 61 }, 'E_IAT'],
        [{ sub: undefined }, 'E_SUB'], [{ sub: '' }, 'E_SUB'], [{ sub: 7 }, 'E_SUB'],
        [{ sub: 'a\nb' }, 'E_SUB'], [{ sub: 'x'.repeat(256) }, 'E_SUB'], [{ sub: '\u2028' }, 'E_SUB'],
      ];
      for (const [more, reason] of cases) await refuses(sign(claims(more), rsa), reason);
    });

    it('gives clocks 60 seconds by default', async () => {
      await authenticate(sign(claims({ exp: NOW - 59 }), rsa));
      await authenticate(sign(claims({ nbf: NOW + 59, iat: NOW + 60 }), rsa));
      await authenticate(sign(claims({ nbf: NOW + 60 }), rsa));
    });

    it('limits the length in bytes', async () => {
      const token = sign(claims({ pad: 'x'.repeat(6000) }), ec);
      assert.ok(token.length > 8192);
      await refuses(token, 'E_TOO_LARGE');
      await refuses('x'.repeat(5_000_000), 'E_TOO_LARGE');
      const wide = make({}, { maxTokenBytes: token.length });
      assert.strictEqual((await wide(token)).sub, 'alice');
      wide.close();
      const tight = make({}, { maxTokenBytes: token.length - 1 });
      await assert.rejects(tight(token), UNAUTHORIZED);
      tight.close();
    });
  });

  describe('keys', () => {
    it('takes a new kid after the cooldown with one fetch', async () => {
      idp.answer = [other.jwk];
      const token = sign(claims({ exp: NOW + 1000 }), other);
      await refuses(token, 'E_NOKEY');
      await time.advance(30_000);
      assert.strictEqual((await authenticate(token)).sub, 'alice');
      assert.strictEqual(idp.hits, 2);
      await refuses(sign(claims({ exp: NOW + 1000 }), rsa), 'E_NOKEY'); // gone with the refresh
    });

    it('10,000 random kids cost at most 2 fetches, and known ones pass meanwhile', async () => {
      for (let round = 0; round < 100; round++) {
        const bad = Array.from({ length: 100 }, () => {
          const kid = crypto.randomUUID();
          const input = `${base64url(JSON.stringify({ alg: 'RS256', kid }))}.${base64url(JSON.stringify(claims()))}`;
          return assert.rejects(authenticate(`${input}.${base64url(Buffer.alloc(256))}`), UNAUTHORIZED);
        });
        await authenticate(sign(claims(), rsa));
        await Promise.all(bad);
        await time.advance(100);
      }
      assert.ok(idp.hits <= 2, `${idp.hits}`);
    });

    it('goes by alg where an RSA and an EC key share a kid, and refuses two of one type', async () => {
      idp.answer = [{ ...rsa.jwk, kid: 'k' }, { ...ec.jwk, kid: 'k' }];
      await refreshed();
      const exp = NOW + 5000;
      await authenticate(sign(claims({ exp }), { ...rsa, kid: 'k' }));
      await authenticate(sign(claims({ exp }), { ...ec, kid: 'k' }));
      await authenticate(sign(claims({ exp }), { ...ec, kid: undefined }));
      idp.answer = [{ ...rsa.jwk, kid: 'k' }, { ...other.jwk, kid: 'k' }];
      await refreshed();
      await refuses(sign(claims({ exp }), { ...rsa, kid: 'k' }), 'E_AMBIGUOUS');
      await refuses(sign(claims({ exp }), { ...rsa, kid: undefined }), 'E_AMBIGUOUS');
    });

    it('skips bad entries and weak keys, and warns of private ones', async () => {
      const weak = makeKey('RS256', 'weak', { modulusLength: 1024 });
      const leaked = makeKey('RS256', 'leaked');
      idp.answer = [
        null, { kty: 'oct', k: 'AAAA' }, weak.jwk, { ...leaked.privateKey.export({ format: 'jwk' }), kid: 'leaked' },
        { ...rsa.jwk, kid: 'enc', use: 'enc' }, { ...rsa.jwk, n: '!' }, rsa.jwk,
      ];
      const warning = new Promise((resolve) => { process.once('warning', resolve); });
      await refreshed();
      assert.strictEqual((await warning).code, 'SSE_JWKS_PRIVATE_KEY');
      const exp = NOW + 5000;
      await authenticate(sign(claims({ exp }), rsa));
      await refuses(sign(claims({ exp }), leaked), 'E_NOKEY');
      await refuses(sign(claims({ exp }), { ...rsa, kid: 'enc' }), 'E_NOKEY');
      await refuses(`${sign(claims({ exp }), { ...other, kid: 'weak' })}`, 'E_KEY_WEAK');
    });

    it('is 503 while there are no keys, yet 401 for what is wrong by itself', async () => {
      idp.answer = (req, res) => res.writeHead(500).end();
      const cold = make();
      await assert.rejects(cold(sign(claims(), rsa)), { ...UNAVAILABLE, retryAfter: 1 });
      const hits = idp.hits;
      const began = performance.now();
      for (let i = 0; i < 50; i++) await assert.rejects(cold(sign(claims(), ec)), UNAVAILABLE);
      assert.ok(performance.now() - began < 500);
      await assert.rejects(cold(sign(claims({ aud: 'x' }), rsa)), UNAUTHORIZED);
      await assert.rejects(cold('garbage'), UNAUTHORIZED);
      assert.strictEqual(idp.hits, hits);
      idp.answer = [rsa.jwk];
      await time.advance(1000);
      assert.strictEqual((await cold(sign(claims(), rsa))).sub, 'alice');
      cold.close();
    });

    it('looks at exp again after a fetch', async () => {
      idp.answer = (req, res) => {
        time.now += 200_000;
        res.end(JSON.stringify({ keys: [rsa.jwk] }));
      };
      const cold = make();
      await assert.rejects(cold(sign(claims(), rsa)), UNAUTHORIZED);
      cold.close();
    });

    it('close() answers those who wait with 503', async () => {
      idp.answer = () => {};
      const cold = make();
      const waiting = cold(sign(claims(), rsa));
      await FakeTime.settle();
      cold.close();
      await assert.rejects(waiting, UNAVAILABLE);
      await assert.rejects(cold.ready(), UNAVAILABLE);
    });
  });

  describe('options', () => {
    const good = () => ({ url: idp.url, issuer: ISSUER, audience: 'api' });

    function throws(options, code, pattern) {
      assert.throws(() => {
        createJwksAuthenticator(options).close();
      }, (error) => {
        assert.ok(error instanceof TypeError, `${error}`);
        assert.strictEqual(error.code, code, JSON.stringify(options));
        if (pattern) assert.match(error.message, pattern);
        return true;
      }, JSON.stringify(options));
    }

    it('names a missing option and its environment variable', () => {
      throws({ ...good(), url: undefined }, 'ERR_SSE_MISSING_OPTION', /jwks\.url.*JWKS_URL/);
      throws({ ...good(), issuer: undefined }, 'ERR_SSE_MISSING_OPTION', /jwks\.issuer.*JWT_ISSUER/);
      throws({ ...good(), audience: undefined }, 'ERR_SSE_MISSING_OPTION', /jwks\.audience.*JWT_AUDIENCE/);
      throws({ ...good(), url: '' }, 'ERR_SSE_MISSING_OPTION');
      throws({ ...good(), issuer: '' }, 'ERR_SSE_MISSING_OPTION');
      throws({ ...good(), audience: '' }, 'ERR_SSE_MISSING_OPTION');
      throws({ ...good(), audience: [] }, 'ERR_SSE_MISSING_OPTION');
      throws(undefined, 'ERR_SSE_MISSING_OPTION');
      throws({}, 'ERR_SSE_MISSING_OPTION');
    });

    it('reads the environment where an option is undefined', async () => {
      process.env.JWKS_URL = idp.url;
      process.env.JWT_ISSUER = ISSUER;
      process.env.JWT_AUDIENCE = 'api';
      try {
        const made = createJwksAuthenticator();
        const exp = Math.floor(Date.now() / 1000) + 100;
        assert.strictEqual((await made(sign(claims({ exp }), rsa))).sub, 'alice');
        made.close();
        process.env.JWT_AUDIENCE = '';
        throws({}, 'ERR_SSE_MISSING_OPTION', /JWT_AUDIENCE/);
      } finally {
        delete process.env.JWKS_URL;
        delete process.env.JWT_ISSUER;
        delete process.env.JWT_AUDIENCE;
      }
    });

    it('takes https anywhere, http on this machine only', () => {
      const fine = [
        'https://idp.example/keys', 'http://localhost:1/', 'http://127.0.0.1:1', 'http://127.1:1', 'http://0x7f000001:1',
        'http://127.9.9.9:1', 'http://[::1]:1/', 'HTTP://LOCALHOST:1', new URL('https://idp.example'),
      ];
      const never = async () => { throw new Error('offline'); };
      for (const url of fine) createJwksAuthenticator({ ...good(), url }, { fetch: never }).close();
      createJwksAuthenticator({ ...good(), url: 'http://10.0.0.1', allowInsecureUrl: true }, { fetch: never }).close();
      for (const url of [
        'http://idp.example', 'http://localhost.evil.com', 'http://127.0.0.1.nip.io', 'http://localhost.',
        'http://[::ffff:7f00:1]', 'http://127.0.0.1@evil.com', 'http://user:pw@127.0.0.1', 'https://user@idp.example',
        'ftp://idp.example', 'file:///keys.json', 'data:application/json,{}', 'idp.example', '/keys', 7, {}, null,
      ]) throws({ ...good(), url }, 'ERR_SSE_INVALID_OPTION');
      throws({ ...good(), url: 'ftp://x', allowInsecureUrl: true }, 'ERR_SSE_INVALID_OPTION');
    });

    it('never shows a password of the URL', () => {
      assert.throws(() => createJwksAuthenticator({ ...good(), url: 'https://u:s3cret@x' }), (error) => !/s3cret/.test(error.message));
    });

    it('refuses wrong values', () => {
      const wrong = {
        issuer: [1, [ISSUER], {}, null],
        audience: [1, {}, null, [''], [undefined], ['api', 1], Array(65).fill('a')],
        algorithms: [['HS256'], [], 'RS256', ['RS256', 'none'], ['rs256'], null],
        clockSkew: [61, -1, NaN, Infinity, '60', 1.5, null],
        maxAge: [0, -1, NaN, Infinity, '1', null, 86_400_001],
        cooldown: [0, -1, NaN, '1'],
        backoff: [0, 30_001, '1'],
        timeout: [0, -1, 60_001, '1'],
        staleIfError: [-1, 86_400_001, '0'],
        allowInsecureUrl: [1, 'true', null],
        typ: ['', 1, null],
        clock: [1, null],
      };
      for (const [name, values] of Object.entries(wrong)) {
        for (const value of values) {
          throws({ ...good(), [name]: value }, 'ERR_SSE_INVALID_OPTION', new RegExp(`jwks\\.${name}`));
        }
      }
      for (const value of [null, [], 'x', 1]) throws(value, 'ERR_SSE_INVALID_OPTION');
      for (const maxTokenBytes of [0, 16_385, 1.5, '1', NaN]) {
        assert.throws(() => createJwksAuthenticator(good(), { maxTokenBytes }), { code: 'ERR_SSE_INVALID_OPTION' });
      }
    });

    it('refuses unknown names, with the nearest known one', () => {
      throws({ ...good(), audiance: 'x' }, 'ERR_SSE_UNKNOWN_OPTION', /audience/);
      throws({ ...good(), uri: 'x' }, 'ERR_SSE_UNKNOWN_OPTION', /url/);
    });

    it('narrows the algorithms', async () => {
      const only = make({ algorithms: ['ES256'] });
      await assert.rejects(only(sign(claims(), rsa)), UNAUTHORIZED);
      assert.strictEqual((await only(sign(claims(), ec))).sub, 'alice');
      only.close();
    });

    it('takes any of several audiences', async () => {
      const many = make({ audience: ['web', 'api'] });
      assert.strictEqual((await many(sign(claims({ aud: 'web' }), rsa))).sub, 'alice');
      assert.strictEqual((await many(sign(claims({ aud: ['x', 'api'] }), rsa))).sub, 'alice');
      await assert.rejects(many(sign(claims({ aud: 'webapi' }), rsa)), UNAUTHORIZED);
      many.close();
    });

    it('demands the one typ that is set', async () => {
      const typed = make({ typ: 'at+jwt' });
      await assert.rejects(typed(sign(claims(), rsa)), UNAUTHORIZED);
      await assert.rejects(typed(sign(claims(), rsa, { typ: 'JWT' })), UNAUTHORIZED);
      await typed(sign(claims(), rsa, { typ: 'at+jwt' }));
      await typed(sign(claims(), rsa, { typ: 'application/AT+JWT' }));
      typed.close();
    });

    it('goes by its clockSkew, and tells it', async () => {
      const exact = make({ clockSkew: 0 });
      assert.strictEqual(exact.clockSkew, 0);
      await assert.rejects(exact(sign(claims({ exp: NOW }), rsa)), UNAUTHORIZED);
      await exact(sign(claims({ exp: NOW + 1, nbf: NOW }), rsa));
      exact.close();
    });
  });

  it('keeps no trace of our failures in OpenSSL\'s error queue', async () => {
    await refuses(sign(claims(), { ...other, kid: 'rsa-1' }), 'E_SIG');
    idp.answer = [{ kty: 'EC', kid: 'x', crv: 'P-256', x: base64url(Buffer.alloc(32, 1)), y: base64url(Buffer.alloc(32, 2)) }];
    await refreshed();
    assert.throws(() => crypto.createHash('nosuch'), /Digest method not supported|unsupported|invalid digest/i);
    assert.throws(() => crypto.createPublicKey('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'), (error) => !/EC_|point/i.test(error.message));
  });
});
