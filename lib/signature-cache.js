'use strict';

// signature-cache.js - remembers which tokens have a good signature, so that a storm of reconnects
// costs one check for each token and not for each connection.
//
// That is all it remembers: form, claims and times of a token are looked at anew each time, and so
// is the key for it. An entry counts only while that is the very key which the signature was checked
// with; so a cached token is let in exactly where a check would let it in.
//
// A wrong signature is not remembered. Whoever sends those has an endless supply of different ones,
// which would push the good ones out.

const { createHash } = require('node:crypto');

class SignatureCache {
  #size;
  /** Digest of a token -> thumbprint of the key that it is signed by; the longest unused first. */
  #good = new Map();
  /** Checks under way, by digest and thumbprint. */
  #checks = new Map();

  /** @param {number} size most tokens remembered; 0: none, and nothing is shared */
  constructor(size) {
    this.#size = size;
  }

  /**
   * @param {string} token exactly as it was presented
   * @param {string} thumbprint of the key that it has to be signed by
   * @param {() => Promise<string>} check the check itself; answers a reason
   * @returns {Promise<{ reason: string, isCached: boolean }>} `isCached`: no check was made for this call
   */
  async verify(token, thumbprint, check) {
    if (this.#size === 0) return { reason: await check(), isCached: false };
    const digest = createHash('sha256').update(token).digest('base64');
    if (this.#good.get(digest) === thumbprint) {
      this.#remember(digest, thumbprint);
      return { reason: 'OK', isCached: true };
    }
    const name = `${digest}${thumbprint}`;
    const shared = this.#checks.get(name);
    if (shared !== undefined) return { reason: await shared, isCached: true };
    const started = check();
    this.#checks.set(name, started);
    try {
      const reason = await started;
      if (reason === 'OK') this.#remember(digest, thumbprint);
      return { reason, isCached: false };
    } finally {
      this.#checks.delete(name);
    }
  }

  #remember(digest, thumbprint) {
    // Taken out first: a Map keeps the order of insertion.
    this.#good.delete(digest);
    this.#good.set(digest, thumbprint);
    if (this.#good.size > this.#size) this.#good.delete(this.#good.keys().next().value);
  }
}

module.exports = { SignatureCache };
