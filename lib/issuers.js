'use strict';

// issuers.js - which issuers a server trusts, and what that makes of a user: with one it is its
// `sub`, with several the pair of issuer and `sub`, since two issuers may well have the same `sub`.

const { createError, httpError, show } = require('./errors');

class Issuers {
  /** Issuer -> seconds that its clock may differ by. */
  #skews;

  /** @param {{ issuer: string, clockSkew: number }[]} list none when an own authenticator names none */
  constructor(list) {
    this.#skews = new Map(list.map(({ issuer, clockSkew }) => [issuer, clockSkew]));
  }

  /** Whether a user is more than its `sub`. */
  get #isNeeded() {
    return this.#skews.size > 1;
  }

  /**
   * The owner of a user's keys.
   * @param {{ iss?: unknown }} user
   * @returns {string} '' with one issuer
   * @throws 401 when it is needed and none of ours
   */
  ownerOf({ iss }) {
    if (!this.#isNeeded) return '';
    if (!this.#skews.has(iss)) throw httpError('ERR_SSE_UNAUTHORIZED');
    return iss;
  }

  /** @returns {number} seconds that the user's `exp` may be past */
  skewOf({ iss }) {
    if (this.#isNeeded) return this.#skews.get(iss) ?? 0;
    const [only = 0] = this.#skews.values();
    return only;
  }

  /**
   * The owner of the keys of the user that the app names: never a guess.
   * @param {unknown} issuer
   * @returns {string} '' with one issuer
   */
  named(issuer) {
    const names = [...this.#skews.keys()].map(show).join(', ');
    if (issuer === undefined) {
      if (!this.#isNeeded) return '';
      throw createError('ERR_SSE_MISSING_OPTION', `issuer is needed, since a user is its issuer and its id here. One of: ${names}.`);
    }
    if (!this.#skews.has(issuer)) {
      const rule = names === '' ? 'left out, since none is configured' : `one of those configured: ${names}`;
      throw createError('ERR_SSE_INVALID_ARG', `issuer must be ${rule}; not ${show(issuer)}.`);
    }
    return this.#isNeeded ? issuer : '';
  }
}

module.exports = { Issuers };
