'use strict';

// authenticator.js - from a token to its claims, by the keys of the issuer that it names.

const { AuthStats } = require('./auth-stats');
const binding = require('./binding');
const { createError, httpError, show } = require('./errors');
const { JwksClient } = require('./jwks');
const { readIssuers } = require('./jwks-options');
const { SignatureCache } = require('./signature-cache');

const { jose } = binding;

const MAX_TOKEN_BYTES = 16_384;

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
    this._signatures = new SignatureCache(settings.cacheSize);
    this.keys = new JwksClient(settings, { ...parts, load: jose.loadJwks, now: settings.clock });
  }

  /**
   * @param {string} text the bare token
   * @returns {Promise<{ reason: string, isCached?: boolean, token?: object }>} `token` when it is good
   * @throws {Error} ERR_SSE_KEYS_UNAVAILABLE
   */
  async verify(text) {
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
    const verdict = await this._signatures.verify(text, jose.thumbprint(token, set), () => {
      this._stats.checkSignature();
      return verifySignature(token, set);
    });
    return { ...verdict, token };
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

  /**
   * @param {string} given the bare token
   * @returns {Promise<Readonly<Record<string, unknown>>>} its claims, deeply frozen
   * @throws {Error} ERR_SSE_UNAUTHORIZED (401), ERR_SSE_KEYS_UNAVAILABLE (503, retryAfter)
   */
  async function authenticate(given) {
    const text = typeof given === 'string' ? given : '';
    const { reason, isCached, token } = await providerOf(text).verify(text);
    if (reason !== 'OK') throw refusal(reason, stats);
    stats.accept(isCached);
    // The very bytes that were checked and signed: nothing else is ever parsed.
    return deepFreeze(JSON.parse(jose.claimsText(token)));
  }

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
