'use strict';

// conformance.test.js - the single steps behind lib/conformance.js, and two
// oracles: JSON.parse for the scan, `jose` for whole tokens.

const assert = require('node:assert');
const crypto = require('node:crypto');
const { createJwksAuthenticator } = require('../../lib/authenticator');
const { scanJson, verifyJws, verifySignature } = require('../../lib/conformance');
const { FakeTime, makeKey, sign, signText, serveKeys } = require('./helpers/idp');

/** Numbers that are the same in every run. */
function makeRandom(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe('conformance', () => {
  const rsa = makeKey('RS256', 'r');
  const ec = makeKey('ES256', 'e');
  const set = JSON.stringify({ keys: [rsa.jwk, ec.jwk] });

  it('verifyJws takes any payload, and no claim is looked at', () => {
    for (const key of [rsa, ec]) {
      for (const payload of ['foo', '', '123400', '{"exp":1}', Buffer.from([0xff, 0])]) {
        const token = signText(JSON.stringify({ alg: key.alg, kid: key.kid }), payload, key);
        assert.strictEqual(verifyJws(token, set), 'OK');
        assert.notStrictEqual(verifyJws(`${token}A`, set), 'OK');
      }
    }
    assert.strictEqual(verifyJws('a.b', set), 'E_SEGMENTS');
    assert.strictEqual(verifyJws(sign({}, rsa), '{"keys":[]}'), 'E_NOKEY');
    assert.strictEqual(verifyJws(sign({}, rsa), 'x'), 'E_JSON');
  });

  it('verifySignature takes raw signatures only', () => {
    const message = Buffer.from('message');
    const der = crypto.sign('sha256', message, ec.privateKey);
    const raw = crypto.sign('sha256', message, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
    const jwk = JSON.stringify(ec.jwk);
    assert.strictEqual(verifySignature('ES256', jwk, message, raw), 'OK');
    assert.strictEqual(verifySignature('ES256', jwk, message, der), 'E_SIGLEN');
    assert.strictEqual(verifySignature('ES256', jwk, Buffer.from('other'), raw), 'E_SIG');
    assert.strictEqual(verifySignature('RS256', jwk, message, raw), 'E_NOKEY');
    assert.strictEqual(verifySignature('HS256', jwk, message, raw), 'E_ALG');
    const pkcs1 = crypto.sign('sha256', message, rsa.privateKey);
    assert.strictEqual(verifySignature('RS256', JSON.stringify(rsa.jwk), message, pkcs1), 'OK');
    const sha512 = crypto.sign('sha512', message, rsa.privateKey);
    assert.strictEqual(verifySignature('RS256', JSON.stringify(rsa.jwk), message, sha512), 'E_SIG');
    assert.strictEqual(verifySignature('RS256', JSON.stringify(rsa.jwk), Buffer.alloc(0), Buffer.alloc(0)), 'E_SIGLEN');
  });

  it('scanJson takes any root, and nothing that JSON.parse does not', () => {
    for (const text of ['0', '"x"', 'null', ' [1] ', '{"a":{}}']) {
      assert.strictEqual(scanJson(Buffer.from(text)), 'OK');
    }
    const random = makeRandom(7);
    const pieces = [
      '{', '}', '[', ']', ',', ':', '"', '"a"', '"b"', '\\', '\\u0041', '\\ud83d', '\\ude00', '\\n', '1', '-', '0', '.5', 'e9',
      'e+', 'true', 'null', ' ', '\n', '\t', 'é', '😀', '\ufeff', '\u0000', '"__proto__"', '1e308', '"a":1',
    ];
    let accepted = 0;
    for (let i = 0; i < 50_000; i++) {
      let text = '';
      for (let n = random(8) + 1; n > 0; n--) text += pieces[random(pieces.length)];
      const reason = scanJson(Buffer.from(text));
      if (reason === 'OK') {
        accepted += 1;
        assert.doesNotThrow(() => JSON.parse(text), text);
      }
    }
    assert.ok(accepted > 1000, `${accepted}`);
  });

  it('accepts no mutated token that jose rejects', async () => {
    const { createLocalJWKSet, jwtVerify } = await import('jose');
    const now = 1_700_000_000;
    const idp = await serveKeys([rsa.jwk, ec.jwk]);
    const time = new FakeTime(now * 1000);
    const authenticate = createJwksAuthenticator(
      { url: idp.url, issuer: 'i', audience: 'a', clock: time.clock }, { timers: time.api },
    );
    await authenticate.ready();
    const keys = createLocalJWKSet({ keys: [rsa.jwk, ec.jwk] });
    const random = makeRandom(42);
    const claims = { iss: 'i', aud: ['a', 'b'], sub: 'u', exp: now + 9, nbf: now - 9 };
    const base = [sign(claims, rsa), sign(claims, ec)];
    const alphabet = 'ABab01-_.=+/ \n"{é';
    const mutate = (token) => {
      const at = random(token.length);
      const c = alphabet[random(alphabet.length)];
      const kind = random(4);
      if (kind === 0) return token.slice(0, at) + c + token.slice(at + 1);
      if (kind === 1) return token.slice(0, at) + c + token.slice(at);
      if (kind === 2) return token.slice(0, at) + token.slice(at + 1);
      return token.slice(0, at);
    };
    const members = [
      ['iss', ['i', 'I', '', null, ['i'], undefined]], ['aud', ['a', ['a'], ['x'], [], null, ['a', 1], 'aa', undefined]],
      ['exp', [now, now - 60, now - 61, now + 1, '9', null, 1e12, undefined]], ['nbf', [now, now + 60, now + 61, '1', null, undefined]],
      ['iat', [now, now + 61, 'x', undefined]], ['sub', ['u', '', 1, undefined]],
    ];
    const vary = () => {
      const changed = { ...claims };
      for (let n = random(3); n >= 0; n--) {
        const [name, values] = members[random(members.length)];
        changed[name] = values[random(values.length)];
      }
      return sign(changed, random(8) === 0 ? rsa : ec);
    };
    let accepted = 0;
    for (let i = 0; i < 3000; i++) {
      const token = i % 2 ? mutate(base[random(2)]) : vary();
      const ours = await authenticate(token).then((user) => user, () => null);
      if (ours === null) continue;
      accepted += 1;
      const theirs = await jwtVerify(token, keys, {
        issuer: 'i', audience: 'a', clockTolerance: 60, currentDate: new Date(now * 1000), algorithms: ['RS256', 'ES256'],
      });
      assert.deepStrictEqual(theirs.payload, { ...ours });
    }
    authenticate.close();
    await idp.close();
    assert.ok(accepted > 50, `${accepted}`);
  });
});
