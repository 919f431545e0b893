'use strict';

// slope.js - does a process grow? A line through its samples, and how sure its slope is.

const HOUR = 3_600_000;

/**
 * The least of each run of samples, as one sample: what the allocators hold for a moment is above it.
 * @param {{ at: number, value: number }[]} samples
 * @param {number} size
 */
function lowest(samples, size) {
  const out = [];
  for (let i = 0; i + size <= samples.length; i += size) {
    out.push(samples.slice(i, i + size).reduce((least, sample) => (sample.value < least.value ? sample : least)));
  }
  return out;
}

/**
 * Least squares. The standard error counts only as many samples as are independent: what is left beside the line
 * hangs together from one sample to the next (AR(1)), and would otherwise look surer than it is.
 * @param {{ at: number, value: number }[]} samples `at` in ms
 * @returns {{ perHour: number, error: number }} slope and its standard error, in units of `value` an hour
 */
function slopeOf(samples) {
  const n = samples.length;
  if (n < 4) return { perHour: 0, error: Infinity };
  const meanOf = (list) => list.reduce((sum, x) => sum + x, 0) / list.length;
  const xs = samples.map(({ at }) => at / HOUR);
  const ys = samples.map(({ value }) => value);
  const [mx, my] = [meanOf(xs), meanOf(ys)];
  const sxx = xs.reduce((sum, x) => sum + (x - mx) ** 2, 0);
  const perHour = xs.reduce((sum, x, i) => sum + (x - mx) * (ys[i] - my), 0) / sxx;
  const rest = xs.map((x, i) => ys[i] - my - perHour * (x - mx));
  const squares = rest.reduce((sum, r) => sum + r * r, 0);
  const together = squares === 0 ? 0 : rest.slice(1).reduce((sum, r, i) => sum + r * rest[i], 0) / squares;
  const rho = Math.min(Math.max(together, 0), 0.99);
  const independent = Math.max(3, (n * (1 - rho)) / (1 + rho));
  return { perHour, error: Math.sqrt(squares / (independent - 2) / (sxx * (independent / n))) };
}

/**
 * @param {{ at: number, value: number }[]} samples
 * @param {number} limit units an hour
 * @returns {{ perHour: number, error: number, verdict: 'flat' | 'growing' | 'undecided' }} with two standard errors
 *   (95 %): flat is below the limit for sure, growing is above it for sure
 */
function judge(samples, limit) {
  const { perHour, error } = slopeOf(samples);
  let verdict = 'undecided';
  if (perHour + 2 * error < limit) verdict = 'flat';
  else if (perHour - 2 * error > limit) verdict = 'growing';
  return { perHour, error, verdict };
}

module.exports = { lowest, slopeOf, judge };
