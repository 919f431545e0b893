'use strict';

// odd-tokens.js - tokens that are nearly right: good ones, and such as a forger, a
// careless issuer or a broken proxy would make of them. Which ones is up to `random`.

const crypto = require('node:crypto');
const { base64url, sign, signText } = require('./idp');

/** Second of all tokens; those who check them must have this clock. */
const NOW = 1_700_000_000;
const ISSUER = 'https://idp';
const AUDIENCE = 'api';

const CLAIM_VALUES = {
  iss: [ISSUER, `${ISSUER}/`, ISSUER.toUpperCase(), '', null, [ISSUER], 1, undefined],
  aud: [AUDIENCE, [AUDIENCE], ['x', AUDIENCE], ['x'], [], null, [AUDIENCE, 1], 'apis', 'ap', { 0: AUDIENCE }, undefined],
  exp: [NOW - 61, NOW - 60, NOW - 59, NOW, NOW + 1, NOW + 0.5, `${NOW + 9}`, null, NOW * 1000, 253402300799, 253402300800, -1, [NOW + 9], true, undefined],
  nbf: [NOW - 9, NOW, NOW + 59, NOW + 60, NOW + 61, NOW + 60.5, '1', null, -1, 1e300, undefined],
  iat: [NOW - 9, NOW, NOW + 60, NOW + 61, 'x', null, -1, undefined],
  sub: ['u', 'é😀', '', 1, null, 'a\nb', '\u2028', 'x'.repeat(255), 'x'.repeat(256), ['u'], undefined],
  extra: [1, null, { a: [{ b: {} }] }, [[[[]]]], 'é\u0001', undefined],
};

const HEADER_VALUES = {
  alg: ['RS256', 'ES256', 'rs256', 'none', 'HS256', 'RS384', 'PS256', 'ES384', '', null, ['ES256'], undefined],
  kid: ['r', 'e', 'R', 'rr', 'weak', 'enc', 'twice', '', null, 1, 'a\nb', 'x'.repeat(257), undefined],
  typ: ['JWT', 'jwt', 'at+jwt', 'application/at+jwt', 'AT+JWT', 'logout+jwt', '', null, 1, ['JWT'], undefined],
  cty: ['JWT', 'json', null, undefined],
  crit: [[], ['exp'], ['b64'], null, 'exp', undefined],
  b64: [true, false, null, undefined],
  jwk: [{ kty: 'oct', k: 'AAAA' }, undefined],
  jku: ['https://evil', undefined],
  exp: [1, undefined],
};

const CHARACTERS = 'ABab01-_.=+/ \n\t"{é\u0000';

/** Ways to write a text of JSON that mean the same to some readers, or to none. */
const SPELLINGS = [
  (text) => `\ufeff${text}`, (text) => `${text} `, (text) => ` \r\n\t${text}\n`, (text) => `${text}\u0000`, (text) => `${text}x`,
  (text) => `${text}{}`, (text) => text.replace('}', ',}'), (text) => text.replace('{', '{/**/'), (text) => text.replaceAll('"', "'"),
  (text) => text.replace(':', ' : '), (text) => text.replaceAll(',', ' ,\n '), (text) => text.replace('{', '{"__proto__":{"sub":"x"},'),
  (text) => text.replace('{', '{"\\u005f_proto__":1,'), (text) => text.replace('"sub"', '"\\u0073ub"'), (text) => text.replace('"exp"', '"e\\u0078p"'),
  (text) => text.replace('{', '{"sub":"first",'), (text) => text.replace(/}$/, ',"sub":"last"}'), (text) => text.replace(/}$/, ',"\\u0073ub":"last"}'),
  (text) => text.replace(/}$/, `,"iss":"${ISSUER}"}`), (text) => text.replace(/}$/, ',"a":{"b":1,"b":2}}'), (text) => text.replace(/}$/, ',"a":"\\ud800"}'),
  (text) => text.replace(/}$/, ',"a":"\\ud83d\\ude00"}'), (text) => text.replace(/}$/, ',"a":"\\u0000"}'), (text) => text.replace(/}$/, ',"a\\u0000":1}'),
  (text) => text.replace(/}$/, ',"a":1e999}'), (text) => text.replace(/}$/, ',"a":-1e999}'), (text) => text.replace(/}$/, ',"a":1e-999}'),
  (text) => text.replace(/}$/, ',"a":01}'), (text) => text.replace(/}$/, ',"a":1.}'), (text) => text.replace(/}$/, ',"a":.5}'),
  (text) => text.replace(/}$/, ',"a":"\t"}'), (text) => text.replace(/}$/, ',"a":"\\x41"}'), (text) => text.replace(/}$/, ',"a":NaN}'),
  (text) => text.replace(/}$/, `,"a":${'['.repeat(15)}${']'.repeat(15)}}`), (text) => text.replace(/}$/, `,"a":${'['.repeat(16)}${']'.repeat(16)}}`),
  (text) => text.replace(/}$/, `,"a":[${'0,'.repeat(1100)}0]}`), (text) => text.replace(/}$/, `,"a":${'1'.repeat(70)}}`),
  (text) => text.replace(/}$/, `,${Array.from({ length: 70 }, (_, i) => `"m${i}":0`).join()}}`),
  (text) => text.replace(/"exp":(\d+)/, '"exp":$1.25'), (text) => text.replace(/"exp":(\d+)/, '"exp":1.7000000099e9'), (text) => text.replace(/"exp":(\d+)/, '"exp":1e999'),
  (text) => text.replace(/"exp":(\d+)/, '"exp":"$1"'), (text) => text.replace(/"exp":(\d+)/, '"EXP":$1'), (text) => `[${text}]`, () => 'null', () => '""', () => '1', () => '',
];

/** Ways to write base64url that some readers take for the same bytes. */
const ENCODINGS = [
  (text) => `${text}=`, (text) => `${text}==`, (text) => `${text}\n`, (text) => ` ${text}`, (text) => text.replaceAll('-', '+').replaceAll('_', '/'),
  (text) => `${text.slice(0, 9)} ${text.slice(9)}`, (text) => `${text}A`, (text) => text.slice(0, -1),
  (text) => text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1),
];

/**
 * @param {{ below(n: number): number, of<T>(list: T[]): T }} random
 * @param {{ rsa: object, ec: object, foreign: object }} keys of helpers/idp.js
 * @returns {() => { kind: string, token: string }}
 */
function makeOddTokens(random, { rsa, ec, foreign }) {
  // Signing by RSA is slow, and the same as by EC but for the length.
  const signer = () => (random.below(8) === 0 ? rsa : ec);
  const goodClaims = () => ({ iss: ISSUER, aud: random.of([AUDIENCE, [AUDIENCE, 'b']]), sub: 'u', exp: NOW + 9, nbf: NOW - 9 });
  const good = (key = signer()) => sign(goodClaims(), key, random.of([{}, { typ: 'JWT' }, { typ: 'at+jwt' }, { typ: 'at+jwt' }, { kid: undefined }]));

  const varied = (values, start) => {
    const changed = { ...start };
    for (let n = random.below(2); n >= 0; n--) {
      const name = random.of(Object.keys(values));
      changed[name] = random.of(values[name]);
    }
    return changed;
  };

  const makers = {
    good,
    claims: () => sign(varied(CLAIM_VALUES, goodClaims()), signer()),
    header: () => {
      const key = signer();
      return signText(JSON.stringify(varied(HEADER_VALUES, { alg: key.alg, kid: key.kid })), JSON.stringify(goodClaims()), key);
    },
    json: () => {
      const key = signer();
      const header = JSON.stringify({ alg: key.alg, kid: key.kid });
      const payload = JSON.stringify(goodClaims());
      if (random.below(4) === 0) return signText(random.of(SPELLINGS)(header), payload, key);
      return signText(header, random.of(SPELLINGS)(payload), key);
    },
    bytes: () => {
      const key = signer();
      const payload = Buffer.from(JSON.stringify({ ...goodClaims(), a: 'é😀é😀é😀' }));
      payload[random.below(payload.length)] = random.below(256);
      return signText(JSON.stringify({ alg: key.alg, kid: key.kid }), payload, key);
    },
    // Odd spellings of a segment, with the signature over just that text.
    encoding: () => {
      const key = signer();
      const parts = good(key).split('.');
      const at = random.below(3);
      parts[at] = random.of(ENCODINGS)(parts[at]);
      if (at === 2 || random.below(3) === 0) return parts.join('.');
      const input = Buffer.from(`${parts[0]}.${parts[1]}`, 'latin1');
      const signature = crypto.sign('sha256', input, { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
      return `${parts[0]}.${parts[1]}.${base64url(signature)}`;
    },
    text: () => {
      const token = good();
      const at = random.below(token.length);
      const c = CHARACTERS[random.below(CHARACTERS.length)];
      return random.of([
        token.slice(0, at) + c + token.slice(at + 1), token.slice(0, at) + c + token.slice(at),
        token.slice(0, at) + token.slice(at + 1), token.slice(0, at),
      ]);
    },
    bits: () => {
      const parts = good().split('.');
      const at = random.below(3);
      const bytes = Buffer.from(parts[at], 'base64url');
      bytes[random.below(bytes.length)] ^= 1 << random.below(8);
      parts[at] = base64url(bytes);
      return parts.join('.');
    },
    segments: () => {
      const [a, b] = [good().split('.'), good(foreign).split('.')];
      return random.of([
        [a[0], a[1], b[2]], [a[0], b[1], a[2]], [b[0], a[1], a[2]], [a[1], a[0], a[2]], [a[2], a[1], a[0]], [a[0], a[1]],
        [a[0], a[1], ''], [a[0], '', a[2]], ['', a[1], a[2]], [...a, a[2]], [...a, ''], [...a, ...a], [a[0], a[0], a[2]],
      ]).join('.');
    },
    foreign: () => sign(goodClaims(), { ...foreign, kid: random.of(['r', 'e', foreign.kid]) }, random.of([{}, { jwk: foreign.jwk }])),
  };
  // Enough of those that may pass.
  const kinds = [...Object.keys(makers), 'good', 'good', 'good', 'claims', 'header', 'json'];
  return () => {
    const kind = random.of(kinds);
    return { kind, token: makers[kind]() };
  };
}

module.exports = { makeOddTokens, NOW, ISSUER, AUDIENCE };
