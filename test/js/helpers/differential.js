'use strict';

// differential.js - our verifier beside `jose`, over odd tokens: whatever we accept
// jose must accept too, as the same claims. Where jose is content and we are not, the
// reason must be one of the rules in which we are stricter on purpose.

const assert = require('node:assert');
const diagnostics = require('node:diagnostics_channel');
const { createJwksAuthenticator } = require('../../../lib/authenticator');
const { FakeTime, makeKey, serveKeys } = require('./idp');
const { AUDIENCE, ISSUER, NOW, makeOddTokens } = require('./odd-tokens');
const { makeRandom } = require('./seeded-random');

/** Where jose reads on and we stop; never the form, alg, the issuer, the key or the signature. */
const STRICTER = {
  E_B64: 'one spelling only',
  E_UTF8: 'no byte order mark, no lone surrogate',
  E_JSON: 'no __proto__, no number beyond a double or of more than 63 characters',
  E_DUP: 'no name twice',
  E_NUL: 'no U+0000',
  E_DEPTH: 'limits of depth, values and members',
  E_CRIT: 'no crit and no b64 in any form',
  E_TYP: 'no token of another type, no nested one',
  E_AUD: 'nothing but strings in aud',
  E_EXP: 'exp is there, and within reason',
  E_NBF: 'nbf is within reason',
  E_IAT: 'iat is not in the future',
  E_SUB: 'sub is a name',
};

/** What the two are asked for, and the keys that there are. */
function makeSettings({ rsa, ec }) {
  const spare = makeKey('ES256', 'twice');
  const weak = makeKey('RS256', 'weak', { modulusLength: 1024 });
  const both = [rsa.jwk, ec.jwk];
  return [
    { keys: both },
    { keys: both, clockSkew: 0, audience: ['other', AUDIENCE], algorithms: ['ES256'] },
    { keys: both, typ: 'at+jwt', clockSkew: 5 },
    // The weak key is the only one of its type: jose counts it among those that a token without
    // kid could mean, where we know that it cannot be.
    { keys: [ec.jwk, { ...spare.jwk, kid: 'enc', use: 'enc' }, weak.jwk] },
    { keys: [...both, spare.jwk, spare.jwk] },
  ];
}

/** @returns {Promise<{ ours(token: string): Promise<object>, theirs(token: string): Promise<object>, close(): Promise<void> }>} */
async function makePair({ keys, clockSkew = 60, audience = AUDIENCE, algorithms = ['RS256', 'ES256'], typ }) {
  const { createLocalJWKSet, jwtVerify } = await import('jose');
  const idp = await serveKeys(keys);
  const time = new FakeTime(NOW * 1000);
  const authenticate = createJwksAuthenticator(
    { url: idp.url, issuer: ISSUER, audience, algorithms, typ, clockSkew, clock: time.clock },
    { timers: time.api },
  );
  await authenticate.ready();
  const getKey = createLocalJWKSet({ keys });
  const options = { issuer: ISSUER, audience, algorithms, clockTolerance: clockSkew, currentDate: new Date(NOW * 1000) };
  if (typ !== undefined) options.typ = typ;
  return {
    ours: authenticate,
    theirs: async (token) => (await jwtVerify(token, getKey, options)).payload,
    close: async () => {
      authenticate.close();
      await idp.close();
    },
  };
}

/**
 * @param {{ seed: number, count: number, onProgress?: (done: number) => void }} run
 * @returns {Promise<{ tried: number, both: number, stricter: number, neither: number, kinds: Record<string, number> }>}
 *   how many were accepted by both, by jose alone and by none; `kinds`: those accepted by both
 */
async function compare({ seed, count, onProgress = () => {} }) {
  const random = makeRandom(seed);
  const keys = { rsa: makeKey('RS256', 'r'), ec: makeKey('ES256', 'e'), foreign: makeKey('ES256', 'f') };
  const nextToken = makeOddTokens(random, keys);
  const pairs = await Promise.all(makeSettings(keys).map(makePair));
  const counts = { tried: 0, both: 0, stricter: 0, neither: 0, kinds: {} };
  const refusals = [];
  const listen = ({ reason }) => refusals.push(reason);
  diagnostics.subscribe('native-sse:auth', listen);
  try {
    for (; counts.tried < count; counts.tried += 1) {
      const { ours, theirs } = random.of(pairs);
      const { kind, token } = nextToken();
      const [user, payload] = await Promise.all([ours(token), theirs(token)].map((wait) => wait.catch(() => null)));
      const told = `seed ${seed}, token ${counts.tried} (${kind}): ${JSON.stringify(token)}`;
      if (user) {
        assert.ok(payload, `accepted by us alone: ${told}`);
        assert.deepStrictEqual(payload, JSON.parse(JSON.stringify(user)), told);
        counts.both += 1;
        counts.kinds[kind] = (counts.kinds[kind] ?? 0) + 1;
      } else if (payload) {
        assert.ok(refusals.at(-1) in STRICTER, `refused by us alone for ${refusals.at(-1)}: ${told}`);
        counts.stricter += 1;
      } else {
        counts.neither += 1;
      }
      refusals.length = 0;
      if (counts.tried % 1000 === 999) onProgress(counts.tried + 1);
    }
  } finally {
    diagnostics.unsubscribe('native-sse:auth', listen);
    await Promise.all(pairs.map((pair) => pair.close()));
  }
  return counts;
}

module.exports = { compare };
