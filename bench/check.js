// bench/check.js: the guard, `make bench-check`: a short (a), (b) and (f), as ratios, against bench/thresholds.json.
// What misses its limit is measured once more; what misses it again is a regression, and the exit code is 1.
//
//   node bench/check.js [--record]    --record: what is measured is from now on the usual
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const { compileAll } = require('./build');
const { ratios, short, spread, write } = require('./figures');
const machine = require('./machine');
const { present, runAll } = require('./run');
const { align } = require('./table');
const thresholds = require('./thresholds.json');

const SERVERS = ['native', 'native-stream', 'express', 'floor'];
const SETTINGS = {
  runs: 3,
  sizes: { all: [1000], main: 1000, big: 1000, storm: 1000 },
  idle: { clients: 1000, heartbeat: 1000, ms: 3000, windows: 5 },
};
const WORKLOADS = ['a', 'b', 'f'];

/**
 * @param {Record<string, object[]>} runs for each server its rounds
 * @param {{ of: string, to?: string, key: string }} what a figure of a server, and of whom it is a multiple
 */
function measured(runs, { of, to, key }) {
  const column = (name) => (runs[name] ?? []).map((run) => run[key]);
  return to === undefined ? spread(column(of)) : ratios(column(of), column(to));
}

/** The usual figure and what it may be worse by, as a share of it. */
function limitOf({ usual, margin, better }) {
  return better === 'higher' ? usual * (1 - margin) : usual * (1 + margin);
}

/** @returns {boolean} whether a figure is on the right side of its limit */
function holds(figure, threshold) {
  if (figure === null) return false; // a figure that is not there protects nothing
  const limit = limitOf(threshold);
  return threshold.better === 'higher' ? figure.median >= limit : figure.median <= limit;
}

/** Each threshold with its figure. */
function judge(runs, limits) {
  return limits.map((limit) => {
    const figure = measured(runs, limit);
    return { ...limit, figure, isMet: holds(figure, limit) };
  });
}

function nameOf({ of, to, key }) {
  return `${key}, ${of}${to === undefined ? '' : ` : ${to}`}`;
}

function table(verdicts) {
  return align([['', 'measured', 'usual', 'limit', ''], ...verdicts.map((verdict) => {
    const { figure, usual, better, isMet } = verdict;
    const limit = `${better === 'higher' ? '>=' : '<='} ${short(limitOf(verdict))}`;
    return [nameOf(verdict), figure === null ? 'none' : write(figure), short(usual), limit, isMet ? 'ok' : 'MISSED'];
  })]);
}

/** Three digits of what was measured, in the file that is compared with. */
function record(verdicts) {
  const rows = verdicts.map(({ figure, isMet: _isMet, ...threshold }) => {
    const usual = Number((figure ?? { median: threshold.usual }).median.toPrecision(3));
    return `  ${JSON.stringify({ ...threshold, usual }, null, 1).replace(/\n */g, ' ')}`;
  });
  fs.writeFileSync(path.join(__dirname, 'thresholds.json'), `[\n${rows.join(',\n')}\n]\n`);
}

async function measure(limits) {
  const { runs } = await runAll({ settings: SETTINGS, workloads: WORKLOADS, asked: SERVERS }, []);
  return judge(runs, limits);
}

async function main() {
  const { values: options } = parseArgs({ options: { record: { type: 'boolean', default: false } } });
  compileAll();
  machine.refuseSlowBuild();
  const left = [];
  present(SERVERS, undefined, left);
  if (left.length > 0) throw new Error(`${left.map(({ name, reason }) => `${name}: ${reason}`).join('; ')}`);
  const verdicts = await measure(thresholds);
  process.stdout.write(`\n${table(verdicts)}\n`);
  if (options.record) {
    record(verdicts);
    return;
  }
  const missed = verdicts.filter(({ isMet }) => !isMet);
  if (missed.length === 0) return;
  process.stdout.write('\nOnce more, for what was missed:\n');
  const again = await measure(missed.map(({ figure: _figure, isMet: _isMet, ...threshold }) => threshold));
  process.stdout.write(`\n${table(again)}\n`);
  const twice = again.filter(({ isMet }) => !isMet);
  if (twice.length === 0) return;
  process.stdout.write(`\nbench-check: a regression in ${twice.map(nameOf).join('; ')}\n`);
  process.exitCode = 1;
}

module.exports = { judge, holds, measured };

if (require.main === module) {
  main().catch((error) => {
    process.stderr.write(`bench-check: ${error.stack}\n`);
    process.exitCode = 1;
  });
}
