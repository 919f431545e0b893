'use strict';

// auth-stats.js - what became of the tokens that were presented: counted for stats().auth, and
// published for operators. The peer is never told: issuer and audience are checked before the
// signature, and an answer that told them apart could be asked for both.

const diagnostics = require('node:diagnostics_channel');
const { jose } = require('./binding');

/** Publishes { reason } for each token refused; nothing of the token. */
const channel = diagnostics.channel('native-sse:auth');

const REASONS = jose.reasons.filter((name) => name !== 'OK');

class AuthStats {
  #accepted = 0;
  #cached = 0;
  #signatureChecks = 0;
  #refused = Object.fromEntries(REASONS.map((name) => [name, 0]));

  /** @param {boolean} isCached whether a signature check was spared */
  accept(isCached) {
    this.#accepted += 1;
    if (isCached) this.#cached += 1;
  }

  /** @param {string} reason one of REASONS */
  refuse(reason) {
    this.#refused[reason] += 1;
    if (channel.hasSubscribers) channel.publish({ reason });
  }

  checkSignature() {
    this.#signatureChecks += 1;
  }

  /** @returns {object} as `stats().auth` has it */
  snapshot() {
    return {
      accepted: this.#accepted,
      cached: this.#cached,
      signatureChecks: this.#signatureChecks,
      refused: { ...this.#refused },
    };
  }
}

module.exports = { AuthStats };
