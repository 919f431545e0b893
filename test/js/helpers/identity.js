'use strict';

// identity.js - an identity provider on loopback: real keys, tokens signed by them, and a JWKS endpoint
// that counts who asks.

const { generateKeyPairSync, sign } = require('node:crypto');
const http = require('node:http');

const ISSUER = 'https://id.example';
const AUDIENCE = 'https://api.example';

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

let lastKey = 0;

/** @param {'RS256' | 'ES256'} alg */
function makeKey(alg, kid = `key-${++lastKey}`) {
  const { privateKey, publicKey } = alg === 'RS256'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { alg, kid, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg } };
}

/** Any header and claims, whatever they are worth, with the signature of `key`. */
function signRaw(key, header, claims) {
  const input = `${encode(header)}.${encode(claims)}`;
  const signature = sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
  return `${input}.${signature.toString('base64url')}`;
}

/** Claims that are right, with `changes`; undefined takes one away. */
function claimsWith(changes = {}) {
  const now = Math.floor(Date.now() / 1000);
  return { iss: ISSUER, aud: AUDIENCE, sub: 'alice', iat: now, exp: now + 600, ...changes };
}

/** A token of `key`, right in all but `changes` of its claims and header. */
function makeToken(key, changes, header = {}) {
  return signRaw(key, { alg: key.alg, typ: 'JWT', kid: key.kid, ...header }, claimsWith(changes));
}

class Identity {
  constructor(keys) {
    this.keys = keys;
    this.hits = 0;
    /** Replace it to answer otherwise. */
    this.answer = (req, res) => {
      res.setHeader('Content-Type', 'application/json');
      res.end(JSON.stringify({ keys: this.keys.map(({ jwk }) => jwk) }));
    };
    this.server = http.createServer((req, res) => {
      this.hits++;
      this.answer(req, res);
    });
  }

  async start() {
    await new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', resolve);
    });
    this.url = `http://127.0.0.1:${this.server.address().port}/jwks.json`;
    return this;
  }

  async stop() {
    const closed = new Promise((resolve) => {
      this.server.close(resolve);
    });
    this.server.closeAllConnections();
    await closed;
  }

  /** The `jwks` option that trusts this provider. */
  options(changes = {}) {
    return { url: this.url, issuer: ISSUER, audience: AUDIENCE, ...changes };
  }
}

/** @param {object[]} keys of makeKey @returns {Promise<Identity>} */
const startIdentity = (keys) => new Identity(keys).start();

module.exports = { ISSUER, AUDIENCE, encode, makeKey, makeToken, signRaw, claimsWith, startIdentity };
