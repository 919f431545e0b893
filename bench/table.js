// bench/table.js: columns of equal width, and what a run is called.
'use strict';

/** @param {string[][]} rows the first column is text, the others are figures */
function align(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row
    .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
    .join('  ').trimEnd()).join('\n');
}

function rounds(count) {
  return `${count} interleaved ${count === 1 ? 'run' : 'runs, median (min to max)'}`;
}

module.exports = { align, rounds };
