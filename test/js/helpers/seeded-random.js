'use strict';

// seeded-random.js - chance that is the same in every run with one seed.

/**
 * @param {number} seed
 * @returns {{ below(n: number): number, of<T>(list: T[]): T }}
 */
function makeRandom(seed) {
  let state = seed >>> 0;
  /** mulberry32: the low bits are as good as the high ones. */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  const below = (n) => Math.floor((next() / 2 ** 32) * n);
  return { below, of: (list) => list[below(list.length)] };
}

module.exports = { makeRandom };
