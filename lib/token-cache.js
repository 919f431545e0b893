'use strict';

// token-cache.js - what is known of tokens that were good a moment ago, so that a storm of reconnects
// costs one signature check for each token, and no second look at the same bytes.
//
// That a token has a good signature counts only while that is the very key which it was checked with; so
// a cached token is let in exactly where a check would let it in. Its claims count only for the very key
// set that it was good by: form and claims are decided by the bytes and by rules that do not change, what
// may have changed since are the time and the keys. Whoever uses the claims checks the times again.
//
// A wrong signature is not remembered. Whoever sends those has an endless supply of different ones,
// which would push the good ones out.

class TokenCache {
  #size;
  /** Digest of a token -> { thumbprint of the key that signed it, set, claims }; the longest unused first. */
  #good = new Map();
  /** Checks under way, by digest and thumbprint. */
  #checks = new Map();

  /** @param {number} size most tokens remembered; 0: none, and nothing is shared */
  constructor(size) {
    this.#size = size;
  }

  /**
   * @param {string} digest of the token, exactly as it was presented
   * @returns {{ claims: object, set: object } | undefined} `set`: the key set that it was good by
   */
  find(digest) {
    const entry = this.#good.get(digest);
    return entry?.claims === undefined ? undefined : entry;
  }

  /** It was used: of those to be forgotten it is now the last. */
  touch(digest) {
    const entry = this.#good.get(digest);
    if (entry !== undefined) this.#remember(digest, entry);
  }

  /**
   * @param {string} digest
   * @param {string} thumbprint of the key that it has to be signed by
   * @param {() => Promise<string>} check the check itself; answers a reason
   * @returns {Promise<{ reason: string, isCached: boolean }>} `isCached`: no check was made for this call
   */
  async verify(digest, thumbprint, check) {
    if (this.#size === 0) return { reason: await check(), isCached: false };
    if (this.#good.get(digest)?.thumbprint === thumbprint) {
      this.touch(digest);
      return { reason: 'OK', isCached: true };
    }
    const name = `${digest}${thumbprint}`;
    const shared = this.#checks.get(name);
    if (shared !== undefined) return { reason: await shared, isCached: true };
    const started = check();
    this.#checks.set(name, started);
    try {
      const reason = await started;
      if (reason === 'OK') this.#remember(digest, { thumbprint, set: undefined, claims: undefined });
      return { reason, isCached: false };
    } finally {
      this.#checks.delete(name);
    }
  }

  /** The claims of a token whose signature is remembered, good by `set`. */
  learn(digest, set, claims) {
    const entry = this.#good.get(digest);
    if (entry === undefined) return; // pushed out meanwhile
    entry.set = set;
    entry.claims = claims;
  }

  #remember(digest, entry) {
    // Taken out first: a Map keeps the order of insertion.
    this.#good.delete(digest);
    this.#good.set(digest, entry);
    if (this.#good.size > this.#size) this.#good.delete(this.#good.keys().next().value);
  }
}

module.exports = { TokenCache };
