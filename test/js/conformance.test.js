'use strict';

// conformance.test.js - the single steps behind lib/conformance.js: vectors of the
// RFCs, forgeries of the kinds that third-party vectors have, and JSON.parse as the
// oracle of the scan. (`jose` is the oracle of whole tokens: differential.test.js.)

const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const diagnostics = require('node:diagnostics_channel');
const { createJwksAuthenticator } = require('../../lib/authenticator');
const { scanJson, verifyJws, verifySignature } = require('../../lib/conformance');
const { FakeTime, base64url, makeKey, sign, signText, serveKeys } = require('./helpers/idp');
const { makeRandom } = require('./helpers/seeded-random');
const { P256, bytesOf, keyOfSmallR, numberOf } = require('./helpers/p256');

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
      for (let n = random.below(8) + 1; n > 0; n--) text += random.of(pieces);
      const reason = scanJson(Buffer.from(text));
      if (reason === 'OK') {
        accepted += 1;
        assert.doesNotThrow(() => JSON.parse(text), text);
      }
    }
    assert.ok(accepted > 1000, `${accepted}`);
  });

  it('scanJson refuses what cJSON takes of JSONTestSuite', () => {
    const texts = [
      '123\u0000', '[-01]', '[-2.]', '[0.e1]', '[2.e+3]', '[2.e-3]', '[2.e3]', '[-012]', '[-.123]', '[1.]', '[012]',
      '["\\uqqqq"]', '["a\u0000a"]', '["new\nline"]', '["\t"]', '[\u0000]', '[\f]',
    ];
    assert.strictEqual(new Set(texts).size, 17);
    for (const text of texts) {
      assert.throws(() => JSON.parse(text), JSON.stringify(text));
      const expected = text.includes('\u0000') ? 'E_NUL' : 'E_JSON';
      assert.strictEqual(scanJson(Buffer.from(text)), expected, JSON.stringify(text));
    }
  });

  describe('examples of the RFCs', () => {
    const rsaSet = (kid, n) => JSON.stringify({ keys: [{ kty: 'RSA', kid, n, e: 'AQAB' }] });

    it('RFC 7515 A.2 (RS256) and A.3 (ES256)', () => {
      const payload = base64url('{"iss":"joe",\r\n "exp":1300819380,\r\n "http://example.com/is_root":true}');
      const n = 'ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs'
        + 'D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD'
        + 'Zlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ';
      const a2 = 'cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZ'
        + 'cAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqt'
        + 'FZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw';
      const ecJwk = { kty: 'EC', crv: 'P-256', x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU', y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0' };
      const a3 = 'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q';
      assert.strictEqual(verifyJws(`${base64url('{"alg":"RS256"}')}.${payload}.${a2}`, rsaSet('any', n)), 'OK');
      assert.strictEqual(verifyJws(`${base64url('{"alg":"ES256"}')}.${payload}.${a3}`, JSON.stringify({ keys: [ecJwk] })), 'OK');
      assert.strictEqual(verifyJws(`${base64url('{"alg":"RS256"}')}.${payload}.${a3}`, rsaSet('any', n)), 'E_SIGLEN');
    });

    describe('RFC 7520', () => {
      const kid = 'bilbo.baggins@hobbiton.example';
      const payload = base64url('It\u2019s a dangerous business, Frodo, going out your door. You step onto the road, and if you '
        + "don't keep your feet, there\u2019s no knowing where you might be swept off to.");
      const n = 'n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_Ns'
        + 'YOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzw'
        + 'OHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw';
      const signature = 'MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-'
        + 'Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGd'
        + 'jluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg';
      const header = base64url(JSON.stringify({ alg: 'RS256', kid }));

      it('4.1 (RS256) is good', () => {
        assert.strictEqual(verifyJws(`${header}.${payload}.${signature}`, rsaSet(kid, n)), 'OK');
        assert.strictEqual(verifyJws(`${header}.${payload}.${signature}`, rsaSet('other', n)), 'E_NOKEY');
      });

      it('4.1 with the modulus added to the signature is not', () => {
        const sum = numberOf(Buffer.from(signature, 'base64url')) + numberOf(Buffer.from(n, 'base64url'));
        const forged = base64url(bytesOf(sum, 256));
        assert.strictEqual(verifyJws(`${header}.${payload}.${forged}`, rsaSet(kid, n)), 'E_SIG');
      });

      it('4.3 (ES512) and 4.4 (HS256) are of no algorithm of ours', () => {
        const es512 = 'AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0l'
          + 'w-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2';
        const ecKey = {
          kty: 'EC', kid, crv: 'P-521',
          x: 'AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt',
          y: 'AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1',
        };
        const input = `${base64url(JSON.stringify({ alg: 'ES512', kid }))}.${payload}`;
        const publicKey = crypto.createPublicKey({ key: ecKey, format: 'jwk' });
        assert.ok(crypto.verify('sha512', Buffer.from(input), { key: publicKey, dsaEncoding: 'ieee-p1363' }, Buffer.from(es512, 'base64url')));
        assert.strictEqual(verifyJws(`${input}.${es512}`, JSON.stringify({ keys: [ecKey] })), 'E_ALG');

        const macKey = { kty: 'oct', kid: '018c0ae5-4d9b-471b-bfd6-eef314bc7037', k: 'hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg' };
        const macInput = `${base64url(JSON.stringify({ alg: 'HS256', kid: macKey.kid }))}.${payload}`;
        const mac = crypto.createHmac('sha256', Buffer.from(macKey.k, 'base64url')).update(macInput).digest('base64url');
        assert.strictEqual(mac, 's0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0');
        assert.strictEqual(verifyJws(`${macInput}.${mac}`, JSON.stringify({ keys: [macKey] })), 'E_ALG');
      });
    });

    it('RFC 7797 4.1 and 4.2, and the same under our algorithms', () => {
      const macKey = { kty: 'oct', k: 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow' };
      const macOf = (input) => crypto.createHmac('sha256', Buffer.from(macKey.k, 'base64url')).update(input).digest('base64url');
      const keys = JSON.stringify({ keys: [macKey, ...JSON.parse(set).keys] });
      const plain = base64url('{"alg":"HS256"}');
      const unencoded = base64url('{"alg":"HS256","b64":false,"crit":["b64"]}');
      assert.strictEqual(macOf(`${plain}.${base64url('$.02')}`), '5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ');
      assert.strictEqual(macOf(`${unencoded}.$.02`), 'A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY');
      assert.strictEqual(verifyJws(`${plain}.${base64url('$.02')}.${macOf(`${plain}.${base64url('$.02')}`)}`, keys), 'E_ALG');
      assert.strictEqual(verifyJws(`${unencoded}..${macOf(`${unencoded}.$.02`)}`, keys), 'E_ALG');
      for (const header of ['"b64":false,"crit":["b64"]', '"b64":true,"crit":["b64"]', '"b64":false', '"crit":["b64"]']) {
        const token = signText(`{"alg":"ES256","kid":"e",${header}}`, 'payload', ec);
        assert.strictEqual(verifyJws(token, keys), 'E_CRIT', header);
      }
    });
  });

  describe('forged RS256 signatures', () => {
    const SHA256 = '3031300d060960864801650304020105000420';
    const message = Buffer.from('message');
    const digest = crypto.createHash('sha256').update(message).digest();
    const jwk = JSON.stringify(rsa.jwk);

    /** Encrypts `block`, 256 bytes, with the private key: what a signer does last. */
    const signBlock = (block, key = rsa) => crypto.privateEncrypt({ key: key.privateKey, padding: crypto.constants.RSA_NO_PADDING }, block);
    /** 00 01 ff ... ff 00 and then `tail`. */
    const blockOf = (tail) => Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(253 - tail.length, 0xff), Buffer.from([0]), tail]);
    const info = (prefix, bytes) => Buffer.concat([Buffer.from(prefix, 'hex'), bytes]);
    const good = blockOf(info(SHA256, digest));
    const check = (signature, key = jwk) => verifySignature('RS256', key, message, signature);

    it('are made like the good one', () => {
      assert.strictEqual(check(signBlock(good)), 'OK');
      assert.deepStrictEqual(signBlock(good), crypto.sign('sha256', message, rsa.privateKey));
    });

    it('have another padding or encoding', () => {
      const changed = (index, value) => {
        const block = Buffer.from(good);
        block[index] = value;
        return block;
      };
      const short = info(SHA256, digest); // of 8 bytes of padding and with rubbish behind: Bleichenbacher 2006
      const blocks = {
        'block type 0': changed(1, 0),
        'block type 2': changed(1, 2),
        'a byte of the padding': changed(9, 0xfe),
        'padding that ends early': changed(100, 0),
        'no end of the padding': changed(255 - short.length, 0xff),
        'the last byte of the digest': changed(255, good[255] ^ 1),
        'rubbish behind the digest': Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(8, 0xff), Buffer.from([0]), short, Buffer.alloc(245 - short.length)]),
        'no NULL parameters': blockOf(info('302f300b0609608648016503040201' + '0420', digest)),
        'parameters in their place': blockOf(info('3033300f0609608648016503040201' + '05020000' + '0420', digest)),
        'a long form of length': blockOf(info('308131300d060960864801650304020105000420', digest)),
        'no DigestInfo': blockOf(digest),
        'the OID of SHA-384': blockOf(info('3031300d060960864801650304020205000420', digest)),
        'SHA-1': blockOf(info('3021300906052b0e03021a05000414', crypto.createHash('sha1').update(message).digest())),
      };
      for (const [name, block] of Object.entries(blocks)) {
        assert.strictEqual(block.length, 256, name);
        assert.strictEqual(check(signBlock(block)), 'E_SIG', name);
      }
      assert.strictEqual(check(crypto.sign('sha384', message, rsa.privateKey)), 'E_SIG');
      const pss = { key: rsa.privateKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING };
      assert.strictEqual(check(crypto.sign('sha256', message, pss)), 'E_SIG');
    });

    it('are 0, 1, n - 1, n, all ones, or of another length', () => {
      const n = numberOf(Buffer.from(rsa.jwk.n, 'base64url'));
      for (const value of [0n, 1n, n - 1n, n, n + 1n, 2n ** 2048n - 1n]) {
        assert.strictEqual(check(bytesOf(value, 256)), 'E_SIG', `${value}`);
      }
      const signature = signBlock(good);
      const zero = Buffer.from([0]);
      for (const other of [signature.subarray(1), signature.subarray(0, 255), Buffer.concat([zero, signature]), Buffer.concat([signature, zero]), Buffer.alloc(0)]) {
        assert.strictEqual(check(other), 'E_SIGLEN');
      }
    });

    it('come from keys that are too weak', () => {
      for (const options of [{ publicExponent: 3 }, { publicExponent: 17 }, { modulusLength: 1024 }, { modulusLength: 2040 }]) {
        const key = makeKey('RS256', 'w', options);
        const signature = crypto.sign('sha256', message, key.privateKey);
        assert.ok(crypto.verify('sha256', message, key.publicKey, signature));
        assert.strictEqual(check(signature, JSON.stringify(key.jwk)), 'E_KEY_WEAK', JSON.stringify(options));
      }
      // e = 1: the block is its own signature, and OpenSSL says that it is good.
      assert.strictEqual(check(good, JSON.stringify({ ...rsa.jwk, e: 'AQ' })), 'E_KEY_WEAK');
    });
  });

  describe('forged ES256 signatures', () => {
    const message = Buffer.from('message');
    const jwk = JSON.stringify(ec.jwk);
    const signature = crypto.sign('sha256', message, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
    const [r, s] = [numberOf(signature.subarray(0, 32)), numberOf(signature.subarray(32))];
    const raw = (a, b) => Buffer.concat([bytesOf(a, 32), bytesOf(b, 32)]);
    const check = (bytes, key = jwk) => verifySignature('ES256', key, message, bytes);

    it('have an r or s out of range', () => {
      assert.strictEqual(check(raw(r, s)), 'OK');
      assert.strictEqual(check(raw(r, P256.n - s)), 'OK'); // RFC 7518 asks for no low s
      const { n, p } = P256;
      const max = 2n ** 256n - 1n;
      for (const bad of [0n, 1n, n - 1n, n, n + 1n, p, max]) {
        assert.strictEqual(check(raw(bad, s)), 'E_SIG', `r ${bad}`);
        assert.strictEqual(check(raw(r, bad)), 'E_SIG', `s ${bad}`);
        for (const worse of [0n, 1n, n, max]) assert.strictEqual(check(raw(bad, worse)), 'E_SIG', `${bad} ${worse}`);
      }
      assert.strictEqual(check(raw(s, r)), 'E_SIG');
      assert.strictEqual(check(raw(P256.n - r, s)), 'E_SIG');
    });

    it('have n added to an r that leaves room for it', () => {
      const { jwk: small, r: smallR, s: smallS } = keyOfSmallR(message);
      const key = JSON.stringify(small);
      assert.strictEqual(check(raw(smallR, smallS), key), 'OK');
      assert.strictEqual(check(raw(smallR + P256.n, smallS), key), 'E_SIG');
    });

    it('have another length or encoding', () => {
      const zero = Buffer.from([0]);
      const lengths = [
        signature.subarray(0, 63), signature.subarray(1), Buffer.concat([signature, zero]), Buffer.concat([zero, signature]),
        Buffer.concat([zero, signature.subarray(0, 32), zero, signature.subarray(32)]), signature.subarray(0, 32), Buffer.alloc(0),
        Buffer.concat([signature, signature]),
      ];
      for (const other of lengths) assert.strictEqual(check(other), 'E_SIGLEN', `${other.length}`);
      for (let i = 0; i < 50; i++) assert.notStrictEqual(check(crypto.sign('sha256', message, ec.privateKey)), 'OK');
      // DER of 64 bytes: r and s of 29 bytes each.
      const der = Buffer.concat([Buffer.from('303e021d', 'hex'), Buffer.alloc(29, 1), Buffer.from('021d', 'hex'), Buffer.alloc(29, 1)]);
      assert.strictEqual(check(der), 'E_SIG');
      assert.strictEqual(check(crypto.sign('sha384', message, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })), 'E_SIG');
    });

    it('come with keys that are no point, or one of another form', () => {
      const [x, y] = [ec.jwk.x, ec.jwk.y].map((text) => Buffer.from(text, 'base64url'));
      const compressed = Buffer.concat([Buffer.from([2 + (y[31] & 1)]), x]);
      const keys = {
        'the point at infinity': [Buffer.alloc(0), Buffer.alloc(0)],
        'its one byte': [Buffer.from([0]), Buffer.alloc(0)],
        zeros: [Buffer.alloc(32), Buffer.alloc(32)],
        'a compressed point': [compressed, Buffer.alloc(0)],
        'a compressed point and y': [compressed, y],
        'an uncompressed point': [Buffer.concat([Buffer.from([4]), x, y]), y],
        'x of 31 bytes': [x.subarray(1), y],
        'x of 33 bytes': [Buffer.concat([Buffer.from([0]), x]), y],
        'x of 34 bytes': [Buffer.concat([Buffer.alloc(2), x]), y],
        'y of 33 bytes': [x, Buffer.concat([y, Buffer.from([0])])],
        'a point beside the curve': [x, bytesOf(numberOf(y) ^ 1n, 32)],
        'x + p': [bytesOf(P256.p, 32), y],
        'the largest': [Buffer.alloc(32, 255), Buffer.alloc(32, 255)],
      };
      for (const [name, point] of Object.entries(keys)) {
        const key = JSON.stringify({ ...ec.jwk, x: base64url(point[0]), y: base64url(point[1]) });
        assert.strictEqual(check(signature, key), 'E_KEY_WEAK', name);
      }
      // The inverse point is a key, but another one.
      const inverse = { ...ec.jwk, y: base64url(bytesOf(P256.p - numberOf(y), 32)) };
      assert.strictEqual(check(signature, JSON.stringify(inverse)), 'E_SIG');
      assert.strictEqual(check(signature, JSON.stringify({ ...ec.jwk, crv: 'P-384' })), 'E_NOKEY');
    });
  });

  describe('every reason of csrc/jose/reason.h', () => {
    const NOW = 1_700_000_000;
    const claims = { iss: 'i', aud: 'a', sub: 'u', exp: NOW + 9 };
    const goodToken = sign(claims, ec);
    const keySet = (...keys) => JSON.stringify({ keys });
    const withHeader = (more) => verifyJws(sign({}, ec, more), set);
    const message = Buffer.from('m');
    const raw = (key, length) => verifySignature(key.alg, JSON.stringify(key.jwk), message, Buffer.alloc(length));
    let authenticate;
    let idp;

    /** The reason for which the authenticator refuses a token with these claims. */
    async function withClaims(more) {
      const reasons = [];
      const listen = ({ reason }) => reasons.push(reason);
      diagnostics.subscribe('native-sse:auth', listen);
      try {
        await authenticate(sign({ ...claims, ...more }, ec));
      } catch {
        return reasons[0];
      } finally {
        diagnostics.unsubscribe('native-sse:auth', listen);
      }
      return 'OK';
    }

    /** What gives each of them. */
    const producers = {
      OK: () => verifyJws(goodToken, set),
      E_TOO_LARGE: () => verifyJws('A'.repeat(16385), set),
      E_SEGMENTS: () => verifyJws('aa.bb', set),
      E_B64: () => verifyJws(`${goodToken}=`, set),
      E_UTF8: () => scanJson(Buffer.from('"\xff"', 'latin1')),
      E_JSON: () => scanJson(Buffer.from('{"a":01}')),
      E_DUP: () => scanJson(Buffer.from('{"a":1,"\\u0061":1}')),
      E_NUL: () => scanJson(Buffer.from('"\\u0000"')),
      E_DEPTH: () => scanJson(Buffer.from('['.repeat(17) + ']'.repeat(17))),
      E_ALG: () => withHeader({ alg: 'none' }),
      E_CRIT: () => withHeader({ crit: ['exp'] }),
      E_TYP: () => withHeader({ typ: 'dpop+jwt' }),
      E_KID: () => withHeader({ kid: '' }),
      E_ISS: () => withClaims({ iss: 'I' }),
      E_AUD: () => withClaims({ aud: ['b'] }),
      E_EXP: () => withClaims({ exp: NOW - 60 }),
      E_NBF: () => withClaims({ nbf: NOW + 61 }),
      E_IAT: () => withClaims({ iat: NOW + 61 }),
      E_SUB: () => withClaims({ sub: '' }),
      E_NOKEY: () => withHeader({ kid: 'x' }),
      E_AMBIGUOUS: () => verifyJws(goodToken, keySet(ec.jwk, ec.jwk)),
      E_KEY_WEAK: () => verifyJws(goodToken, keySet({ ...ec.jwk, x: '', y: '' })),
      E_SIGLEN: () => raw(ec, 63),
      E_SIG: () => raw(rsa, 256),
    };

    before(async () => {
      idp = await serveKeys([rsa.jwk, ec.jwk]);
      const time = new FakeTime(NOW * 1000);
      authenticate = createJwksAuthenticator({ url: idp.url, issuer: 'i', audience: 'a', clock: time.clock }, { timers: time.api });
      await authenticate.ready();
    });

    after(async () => {
      authenticate.close();
      await idp.close();
    });

    it('has a way to get it, but for E_OOM, which test/c/jose has', () => {
      const text = fs.readFileSync(path.join(__dirname, '../../csrc/jose/reason.h'), 'utf8');
      const names = [...text.matchAll(/^ {2}X\((\w+)\)/gm)].map((match) => match[1]);
      assert.ok(names.length > 20, `${names}`);
      assert.deepStrictEqual(names.filter((name) => name !== 'E_OOM').sort(), Object.keys(producers).sort());
    });

    for (const [reason, produce] of Object.entries(producers)) {
      it(reason, async () => {
        assert.strictEqual(await produce(), reason);
      });
    }

    it('OK, by the authenticator', async () => {
      assert.strictEqual(await withClaims({}), 'OK');
    });
  });
});
