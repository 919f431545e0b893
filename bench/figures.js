// bench/figures.js: medians, spreads and ratios, and how they are written. Pure functions.
'use strict';

/** @param {number[]} values */
function median(values) {
  const sorted = values.filter((value) => Number.isFinite(value)).sort((a, b) => a - b);
  if (sorted.length === 0) return undefined;
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * @param {(number | undefined)[]} values of the rounds
 * @returns {{ median: number, min: number, max: number, runs: number } | null} null where there are none
 */
function spread(values) {
  const known = values.filter((value) => Number.isFinite(value));
  if (known.length === 0) return null;
  return { median: median(known), min: Math.min(...known), max: Math.max(...known), runs: known.length };
}

/** One number by another, round by round: a slow minute of the machine meets both. */
function ratios(above, below) {
  return spread(above.map((value, i) => value / below[i]));
}

/** For each round the best of several: the highest, or the lowest. */
function bestOf(columns, better) {
  const rounds = Math.max(0, ...columns.map((column) => column.length));
  return Array.from({ length: rounds }, (_, i) => {
    const known = columns.map((column) => column[i]).filter((value) => Number.isFinite(value));
    if (known.length === 0) return undefined;
    return better === 'higher' ? Math.max(...known) : Math.min(...known);
  });
}

const SUFFIXES = [[1e9, 'G', 0.9995], [1e6, 'M', 0.9995], [1e3, 'k', 9.995]];

/** Three digits that count: 148668 is 149k, 2.345 is 2.35, 12345.6 is 12.3k. */
function short(value) {
  if (!Number.isFinite(value)) return 'n/a';
  const size = Math.abs(value);
  for (const [unit, suffix, from] of SUFFIXES) {
    if (size >= unit * from) return digits(value / unit) + suffix;
  }
  if (size >= 999.5) return value.toFixed(0);
  return digits(value);
}

function digits(value) {
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 99.95) return value.toFixed(0);
  if (size >= 9.995) return value.toFixed(1);
  if (size >= 0.0995) return value.toFixed(2);
  if (size >= 0.00995) return value.toFixed(3);
  return value.toPrecision(2);
}

/** The median, with the range where there is one. */
function write(figure) {
  if (figure === null) return 'n/a';
  if (figure.runs === 1) return short(figure.median);
  return `${short(figure.median)} (${short(figure.min)} to ${short(figure.max)})`;
}

module.exports = { median, spread, ratios, bestOf, short, write };
