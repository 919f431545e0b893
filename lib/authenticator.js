'use strict';

// authenticator.js - from a token to its claims, by the keys of a JWKS.

const diagnostics = require('node:diagnostics_channel');
const binding = require('./binding');
const { createError, httpError, show } = require('./errors');
const { JwksClient } = require('./jwks');
const { readJwksOptions } = require('./jwks-options');

/**
 * Publishes { reason } for each token refused. The peer is never told: issuer and audience are
 * checked before the signature, and an answer that told them apart could be asked for both.
 */
const channel = diagnostics.channel('native-sse:auth');

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
    const started = binding.jose.verify(token, set, id);
    if (started === 'OK') return;
    pending.delete(id);
    resolve(started);
  });
}

/**
 * @param {string} reason
 * @returns {Error} what to throw for it
 */
function refusal(reason) {
  if (channel.hasSubscribers) channel.publish({ reason });
  // Memory that is out says nothing about the token: no 401 for it.
  if (reason === 'E_OOM') return createError('ERR_SSE_INTERNAL', 'out of memory', Error);
  return httpError('ERR_SSE_UNAUTHORIZED');
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

/**
 * Makes the function that a server uses by default as `authenticateSubscriber`. The keys are
 * fetched from now on; a network failure is not an error here but a 503 to whoever needs them.
 *
 * @param {object} [jwks] see the `jwks` option of createSseServer
 * @param {{ maxTokenBytes?: number, random?: () => number, timers?: object, fetch?: typeof fetch }}
 *   [parts] all but maxTokenBytes for tests
 * @returns {((token: string) => Promise<Readonly<Record<string, unknown>>>) &
 *   { ready(): Promise<void>, close(): void, clockSkew: number }}
 */
function createJwksAuthenticator(jwks, { maxTokenBytes = 8192, random, timers, fetch } = {}) {
  const settings = readJwksOptions(jwks);
  checkMaxTokenBytes(maxTokenBytes);
  const { jose } = binding;
  const clock = settings.clock ?? Date.now;
  // One entry an issuer, each with keys of its own: a key never vouches for another issuer.
  const parts = { load: jose.loadJwks, now: settings.clock, random, timers, fetch };
  const providers = [{ issuer: settings.issuer, keys: new JwksClient(settings, parts) }];
  const config = jose.createConfig({
    issuers: providers.map(({ issuer }) => issuer),
    audiences: settings.audience,
    algorithms: settings.algorithms,
    typ: settings.typ ?? '',
    clockSkew: settings.clockSkew,
    maxTokenBytes,
  });

  /**
   * @param {string} text the bare token
   * @returns {Promise<Readonly<Record<string, unknown>>>} its claims, deeply frozen
   * @throws {Error} ERR_SSE_UNAUTHORIZED (401), ERR_SSE_KEYS_UNAVAILABLE (503, retryAfter)
   */
  async function authenticate(text) {
    // Everything that needs no key, so that a token that is wrong by itself costs no fetch.
    const token = jose.parseToken(typeof text === 'string' ? text : '', config, clock() / 1000);
    if (typeof token === 'string') throw refusal(token);
    const { keys } = providers[jose.tokenIssuer(token)];
    let set = await keys.keys();
    let reason = jose.selectKey(token, set);
    if (reason === 'E_NOKEY') {
      set = await keys.newerThan(set);
      reason = jose.selectKey(token, set);
    }
    // A fetch may have taken longer than the token had left.
    if (reason === 'OK') reason = jose.recheck(token, config, clock() / 1000);
    if (reason === 'OK') reason = await verifySignature(token, set);
    if (reason !== 'OK') throw refusal(reason);
    // The very bytes that were checked and signed: nothing else is ever parsed.
    return deepFreeze(JSON.parse(jose.claimsText(token)));
  }

  authenticate.ready = async () => {
    await Promise.all(providers.map(({ keys }) => keys.ready()));
  };
  authenticate.close = () => {
    for (const { keys } of providers) keys.close();
  };
  authenticate.clockSkew = settings.clockSkew;
  return authenticate;
}

module.exports = { createJwksAuthenticator };
