'use strict';

// idp.js - a development identity provider: it makes its own keys when it
// starts and signs a token for whoever asks, without a password.
//
// FOR DEVELOPMENT ONLY. A real application points `jwks.url` at its real
// identity provider and has no file like this one.

const { generateKeyPair, randomBytes, randomUUID, sign } = require('node:crypto');
const { promisify } = require('node:util');

const makeKeyPair = promisify(generateKeyPair);

/** Seconds that a token is valid. */
const LIFETIME = 3600;

/**
 * @param {object} value
 * @returns {string} the value as JSON, in base64url
 */
function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/**
 * @param {'RS256' | 'ES256'} alg
 * @returns {Promise<{ alg: string, kid: string, privateKey: import('node:crypto').KeyObject, jwk: object }>}
 */
async function makeKey(alg) {
  const { publicKey, privateKey } = alg === 'RS256'
    ? await makeKeyPair('rsa', { modulusLength: 2048 })
    : await makeKeyPair('ec', { namedCurve: 'P-256' });
  const kid = `dev-${alg.toLowerCase()}-${randomBytes(4).toString('hex')}`;
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
  return { alg, kid, privateKey, jwk };
}

/**
 * @typedef {object} DevIdentityProvider
 * @property {() => { keys: object[] }} jwks the public keys, as a JSON Web Key Set
 * @property {(sub: string, alg?: string) => string} token a signed JWT for this user
 * @property {(alg: string) => boolean} supports whether tokens can be signed with this algorithm
 */

/**
 * Makes fresh keys (gone when the process ends) and what signs with them.
 *
 * @param {{ issuer: string, audience: string }} options what `iss` and `aud` of every token say
 * @returns {Promise<DevIdentityProvider>}
 */
async function createDevIdentityProvider({ issuer, audience }) {
  const keys = await Promise.all([makeKey('RS256'), makeKey('ES256')]);
  const find = (alg) => keys.find((key) => key.alg === alg);

  return {
    jwks: () => ({ keys: keys.map((key) => key.jwk) }),

    supports: (alg) => find(alg) !== undefined,

    token(sub, alg = 'RS256') {
      const { kid, privateKey } = find(alg);
      const now = Math.floor(Date.now() / 1000);
      const claims = { iss: issuer, aud: audience, sub, iat: now, exp: now + LIFETIME, jti: randomUUID() };
      const input = `${encode({ alg, typ: 'JWT', kid })}.${encode(claims)}`;
      // JOSE wants an ECDSA signature as r || s, not as DER; RSA has but one form.
      const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return `${input}.${signature.toString('base64url')}`;
    },
  };
}

module.exports = { createDevIdentityProvider };
