'use strict';

// authenticator.js - from a token to its claims, by the keys of the issuer that it names.

const crypto = require('node:crypto');

const { AuthStats } = require('./auth-stats');
const binding = require('./binding');
const { createError, httpError, show } = require('./errors');
const { JwksClient } = require('./jwks');
const { readIssuers } = require('./jwks-options');
const { TokenCache } = require('./token-cache');

const { jose } = binding;

const MAX_TOKEN_BYTES = 16_384;

/** What a token is remembered by: not itself. `hash` came with Node 20.12. */
const digestOf = crypto.hash === undefined
  ? (text) => crypto.createHash('sha256').update(text).digest('base64')
  : (text) => crypto.hash('sha256', text, 'base64');

/** Signature checks under way, by the id that their verdict carries. */
const pending = new Map();
let lastId = 0;

binding.onEvent('verified', (id, reason) => {
  const resolve = pending.get(id);
  pending.delete(id);
  resolve?.(reason);
});

/**
 * Checks a signature on the thread pool.
 * @param {object} token
 * @param {object} set
 * @returns {Promise<string>} a reason, 'OK' when it is right
 */
function verifySignature(token, set) {
  return new Promise((resolve) => {
    lastId += 1;
    const id = lastId;
    pending.set(id, resolve);
    const started = jose.verify(token, set, id);
    if (started === 'OK') return;
    pending.delete(id);
    resolve(started);
  });
}

/**
 * @template T
 * @param {T} value parsed JSON, whose depth the native scan has bounded
 * @returns {T}
 */
function deepFreeze(value) {
  if (value === null || typeof value !== 'object') return value;
  for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}

/** @param {unknown} maxTokenBytes */
function checkMaxTokenBytes(maxTokenBytes) {
  if (!Number.isInteger(maxTokenBytes) || maxTokenBytes < 1 || maxTokenBytes > MAX_TOKEN_BYTES) {
    throw createError(
      'ERR_SSE_INVALID_OPTION',
      `maxTokenBytes must be a whole number from 1 to ${MAX_TOKEN_BYTES}, `
        + `not ${show(maxTokenBytes)}.`,
    );
  }
}

/** A token was refused: for the counters and for operators, never for the peer. */
function refusal(reason, stats) {
  stats.refuse(reason);
  // Memory that is out says nothing about the token: no 401 for it.
  if (reason === 'E_OOM') return createError('ERR_SSE_INTERNAL', 'out of memory', Error);
  return httpError('ERR_SSE_UNAUTHORIZED');
}

/** One issuer, with rules, keys and a cache of its own: nothing of it vouches for another's token. */
class Provider {
  /**
   * @param {object} settings one of readIssuers
   * @param {number} maxTokenBytes
   * @param {AuthStats} stats
   * @param {object} parts for tests
   */
  constructor(settings, maxTokenBytes, stats, parts) {
    this._clock = settings.clock ?? Date.now;
    this._stats = stats;
    this._config = jose.createConfig({
      issuers: [settings.issuer],
      audiences: settings.audience,
      algorithms: settings.algorithms,
      typ: settings.typ ?? '',
      clockSkew: settings.clockSkew,
      maxTokenBytes,
    });
    this._maxBytes = maxTokenBytes;
    this._tokens = new TokenCache(settings.cacheSize);
    this.keys = new JwksClient(settings, { ...parts, load: jose.loadJwks, now: settings.clock });
  }

  /**
   * @param {string} text the bare token
   * @returns {Verdict | Promise<Verdict>} at once where nothing has to be waited for; rejects with
   *   ERR_SSE_KEYS_UNAVAILABLE
   * @typedef {{ reason: string, isCached?: boolean, claims?: object }} Verdict `claims` when it is good
   */
  verify(text) {
    // Not a byte more of a huge one is looked at than that it is huge.
    const digest = text.length > this._maxBytes ? '' : digestOf(text);
    const known = this._tokens.find(digest);
    if (known === undefined) return this._verifyNew(text, digest);
    const { claims } = known;
    const { exp, nbf = 0, iat = 0 } = claims;
    const reason = jose.checkTimes(this._config, exp, nbf, iat, this._clock() / 1000);
    if (reason !== 'OK') return { reason };
    if (known.set !== this.keys.current()) return this._verifyNew(text, digest);
    this._tokens.touch(digest);
    return { reason, isCached: true, claims };
  }

  async _verifyNew(text, digest) {
    // Everything that needs no key, so that a token that is wrong by itself costs no fetch.
    const token = jose.parseToken(text, this._config, this._clock() / 1000);
    if (typeof token === 'string') return { reason: token };
    let set = await this.keys.keys();
    let reason = jose.selectKey(token, set);
    if (reason === 'E_NOKEY') {
      set = await this.keys.newerThan(set);
      reason = jose.selectKey(token, set);
    }
    // A fetch may have taken longer than the token had left.
    if (reason === 'OK') reason = jose.recheck(token, this._config, this._clock() / 1000);
    if (reason !== 'OK') return { reason };
    const verdict = await this._tokens.verify(digest, jose.thumbprint(token, set), () => {
      this._stats.checkSignature();
      return verifySignature(token, set);
    });
    if (verdict.reason !== 'OK') return verdict;
    // The very bytes that were checked and signed: nothing else is ever parsed.
    const claims = deepFreeze(JSON.parse(jose.claimsText(token)));
    this._tokens.learn(digest, set, claims);
    return { ...verdict, claims };
  }
}

/**
 * Makes the function that a server uses by default as `authenticateSubscriber`. The keys are
 * fetched from now on; a network failure is not an error here but a 503 to whoever needs them.
 *
 * @param {object | object[]} [jwks] see the `jwks` option of createSseServer
 * @param {{ maxTokenBytes?: number, stats?: AuthStats, random?: () => number, timers?: object,
 *   fetch?: typeof fetch }} [parts] all but maxTokenBytes for the server and for tests
 * @returns {((token: string) => Promise<Readonly<Record<string, unknown>>>) &
 *   { ready(): Promise<void>, close(): void, stats(): object, clockSkew: number,
 *     issuers: readonly { issuer: string, clockSkew: number }[] }}
 */
function createJwksAuthenticator(jwks, { maxTokenBytes = 8192, stats = new AuthStats(), ...parts } = {}) {
  const issuers = readIssuers(jwks);
  checkMaxTokenBytes(maxTokenBytes);
  const providers = new Map(
    issuers.map((settings) => [settings.issuer, new Provider(settings, maxTokenBytes, stats, parts)]),
  );
  const [first] = providers.values();

  /** By whose rules to look at a token; they check the issuer again, with everything else. */
  function providerOf(text) {
    if (providers.size === 1) return first;
    return providers.get(jose.peekIssuer(text, maxTokenBytes)) ?? first;
  }

  function conclude({ reason, isCached, claims }) {
    if (reason !== 'OK') throw refusal(reason, stats);
    stats.accept(isCached);
    return claims;
  }

  /**
   * @param {string} given the bare token
   * @returns {Promise<Readonly<Record<string, unknown>>>} its claims, deeply frozen
   * @throws {Error} ERR_SSE_UNAUTHORIZED (401), ERR_SSE_KEYS_UNAVAILABLE (503, retryAfter)
   */
  async function authenticate(given) {
    return now(given);
  }

  /** The same at once where nothing has to be waited for: for the server, no part of the public face. */
  const now = (given) => {
    const text = typeof given === 'string' ? given : '';
    const verdict = providerOf(text).verify(text);
    return verdict instanceof Promise ? verdict.then(conclude) : conclude(verdict);
  };
  Object.defineProperty(authenticate, 'now', { value: now });

  authenticate.ready = async () => {
    await Promise.all([...providers.values()].map(({ keys }) => keys.ready()));
  };
  authenticate.close = () => {
    for (const { keys } of providers.values()) keys.close();
  };
  authenticate.stats = () => stats.snapshot();
  authenticate.issuers = Object.freeze(
    issuers.map(({ issuer, clockSkew }) => Object.freeze({ issuer, clockSkew })),
  );
  authenticate.clockSkew = Math.max(...issuers.map(({ clockSkew }) => clockSkew));
  return authenticate;
}

module.exports = { createJwksAuthenticator };
