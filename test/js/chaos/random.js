'use strict';

// random.js - the one source of chance of a run: what it draws, the seed fixes (mulberry32).

class Random {
  /** @param {number} seed an unsigned 32-bit integer */
  constructor(seed) {
    this._state = seed | 0;
  }

  /** From 0 up to and without 1. */
  next() {
    this._state = (this._state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this._state ^ (this._state >>> 15), this._state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** From `min` to `max`, both included. */
  integer(min, max) {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(probability) {
    return this.next() < probability;
  }

  /** @template T @param {T[]} list @returns {T} */
  pick(list) {
    return list[this.integer(0, list.length - 1)];
  }

  /** `count` different ones, in an order of chance. */
  sample(list, count) {
    const left = [...list];
    return Array.from({ length: Math.min(count, left.length) }, () => left.splice(this.integer(0, left.length - 1), 1)[0]);
  }

  /** @template {{ weight: number }} T @param {T[]} list @returns {T} */
  weighted(list) {
    let at = this.next() * list.reduce((sum, { weight }) => sum + weight, 0);
    return list.find(({ weight }) => (at -= weight) < 0) ?? list[list.length - 1];
  }
}

module.exports = { Random };
