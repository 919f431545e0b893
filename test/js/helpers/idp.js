'use strict';

// idp.js - an issuer for tests: real keys, tokens made with them, and a key set
// served over loopback HTTP with a counter of its hits.

const crypto = require('node:crypto');
const http = require('node:http');

const base64url = (value) => Buffer.from(value).toString('base64url');

/**
 * A key pair with the public JWK under `kid`.
 * @param {'RS256' | 'ES256'} alg
 * @param {string} kid
 * @param {object} [options] for generateKeyPairSync
 */
function makeKey(alg, kid, options = {}) {
  // By way of PEM: where a garbage collection frees the generating job while its key is being
  // exported as a JWK, Node 20 waits for itself for ever.
  const pem = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  };
  const pair = alg === 'RS256'
    ? crypto.generateKeyPairSync('rsa', { modulusLength: 2048, ...pem, ...options })
    : crypto.generateKeyPairSync('ec', { namedCurve: 'P-256', ...pem, ...options });
  const publicKey = crypto.createPublicKey(pair.publicKey);
  const privateKey = crypto.createPrivateKey(pair.privateKey);
  return { alg, kid, publicKey, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid } };
}

/**
 * A compact JWS over any header and payload text.
 * @param {string} header JSON text
 * @param {string | Buffer} payload
 * @param {{ alg: string, privateKey: crypto.KeyObject }} key
 */
function signText(header, payload, { alg, privateKey }) {
  const input = `${base64url(header)}.${base64url(payload)}`;
  const key = alg === 'ES256' ? { key: privateKey, dsaEncoding: 'ieee-p1363' } : privateKey;
  return `${input}.${crypto.sign('sha256', Buffer.from(input), key).toString('base64url')}`;
}

/**
 * A token.
 * @param {object} claims
 * @param {ReturnType<typeof makeKey>} key
 * @param {object} [header] more header members
 */
function sign(claims, key, header = {}) {
  return signText(JSON.stringify({ alg: key.alg, kid: key.kid, ...header }), JSON.stringify(claims), key);
}

/**
 * Serves a key set on a free port of 127.0.0.1.
 * @param {object[] | ((req: http.IncomingMessage, res: http.ServerResponse) => void)} answer the
 *   JWKs, or a handler; may be replaced while it runs
 * @returns {Promise<{ url: string, hits: number, answer: unknown, close(): Promise<void> }>}
 */
async function serveKeys(answer) {
  const idp = { hits: 0, answer };
  const server = http.createServer((req, res) => {
    idp.hits += 1;
    if (typeof idp.answer === 'function') idp.answer(req, res);
    else res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: idp.answer }));
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  idp.url = `http://127.0.0.1:${server.address().port}/jwks.json`;
  idp.close = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return idp;
}

/** A clock and timers that stand still until told. */
class FakeTime {
  constructor(now = 1_700_000_000_000) {
    this.now = now;
    this.timers = new Map();
    this.lastId = 0;
    this.clock = () => this.now;
    this.api = {
      setTimeout: (fn, delay) => {
        this.lastId += 1;
        this.timers.set(this.lastId, { fn, due: this.now + delay });
        return this.lastId;
      },
      clearTimeout: (id) => this.timers.delete(id),
    };
  }

  /** Moves on by `ms`, running what falls due on the way, in order. */
  async advance(ms) {
    const end = this.now + ms;
    for (;;) {
      await FakeTime.settle();
      const next = [...this.timers].sort(([, a], [, b]) => a.due - b.due)[0];
      if (!next || next[1].due > end) break;
      this.timers.delete(next[0]);
      this.now = Math.max(this.now, next[1].due);
      next[1].fn();
    }
    this.now = end;
    await FakeTime.settle();
  }

  /** Lets promises run. */
  static settle() {
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

module.exports = { makeKey, sign, signText, serveKeys, FakeTime, base64url };
