'use strict';

// recent-ids.js - idempotency keys and the ids that were given to them, for a while.

class RecentIds {
  /** @param {{ ttl: number, most: number }} limits ms, and how many are remembered */
  constructor({ ttl, most }) {
    this._ttl = ttl;
    this._most = most;
    /** In the order of their coming. @type {Map<string, { id: number, until: number }>} */
    this._ids = new Map();
  }

  /** @returns {number | undefined} the id that the key has */
  get(key) {
    this._forget();
    return this._ids.get(key)?.id;
  }

  set(key, id) {
    this._ids.set(key, { id, until: performance.now() + this._ttl });
    this._forget();
  }

  _forget() {
    const now = performance.now();
    for (const [key, { until }] of this._ids) {
      if (until > now && this._ids.size <= this._most) return;
      this._ids.delete(key);
    }
  }
}

module.exports = { RecentIds };
