// bench/report.js: the machine, the figures of several rounds, and the table.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// ---- the machine -----------------------------------------------------------------

function git(...args) {
  try {
    return execFileSync('git', ['--no-optional-locks', ...args], { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

function machine() {
  const cpus = os.cpus();
  const commit = git('rev-parse', '--short', 'HEAD');
  const changed = commit && git('status', '--porcelain', '--untracked-files=no') !== '';
  return {
    cpu: cpus[0]?.model.trim(),
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    commit: commit ? `${commit}${changed ? ' with local changes' : ''}` : 'none',
    date: new Date().toISOString(),
  };
}

// Time that the host took away from this machine: it spoils figures.
function stolen() {
  try {
    const fields = fs.readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1).map(Number);
    return { steal: fields[7], all: fields.slice(0, 8).reduce((sum, n) => sum + n, 0) };
  } catch {
    return { steal: 0, all: 0 };
  }
}

// How disturbed the machine was between two moments.
function watchMachine() {
  const loadBefore = os.loadavg()[0].toFixed(2);
  const before = stolen();
  return function watched() {
    const after = stolen();
    return {
      loadAverage: [loadBefore, os.loadavg()[0].toFixed(2)],
      stealPercent: ((100 * (after.steal - before.steal)) / Math.max(1, after.all - before.all)).toFixed(1),
    };
  };
}

// Figures of a debug or sanitizer build would be worth nothing.
function refuseSlowBuild() {
  const { buildInfo, file } = require('../lib/binding');
  const bytes = fs.readFileSync(file);
  const sanitized = ['__asan_init', '__tsan_init', '__ubsan_handle'].some((symbol) => bytes.includes(symbol));
  if (sanitized || buildInfo?.sanitized) throw new Error('the addon is built with a sanitizer: build it without');
  if (file.includes(`${path.sep}Debug${path.sep}`)) throw new Error('the addon is a debug build: build it for release');
}

// ---- the figures -----------------------------------------------------------------

function format(value, digits) {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function spread(values, digits) {
  const known = values.filter((value) => Number.isFinite(value));
  if (known.length === 0) return 'n/a';
  const middle = format(median(known), digits);
  if (known.length === 1) return middle;
  return `${middle} (${format(Math.min(...known), digits)} to ${format(Math.max(...known), digits)})`;
}

function figures(runs, workload, metric) {
  return runs.map((run) => run[workload.name]?.[metric.key]);
}

// How many times better than the other in the same round.
function ratios(own, other, { better }) {
  if (!better) return '-';
  const values = own
    .map((value, i) => (better === 'higher' ? value / other[i] : other[i] / value))
    .filter((value) => Number.isFinite(value) && value > 0);
  return values.length > 0 ? spread(values, median(values) < 10 ? 2 : 0) : '-';
}

// `runs`: for each name one result a round. `comparisons`: [name, other, title of the column].
function table({ runs, workloads, comparisons }) {
  const names = Object.keys(runs);
  const rows = [['', 'goal', ...names, ...comparisons.map(([, , title]) => title)]];
  for (const workload of workloads) {
    for (const metric of workload.metrics) {
      const of = (name) => figures(runs[name], workload, metric);
      rows.push([
        metric.label, metric.goal ?? '', ...names.map((name) => spread(of(name), metric.digits)),
        ...comparisons.map(([name, other]) => ratios(of(name), of(other), metric)),
      ]);
    }
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row
    .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
    .join('  ').trimEnd()).join('\n');
}

// The first lines of a report.
function heading({ machine: m, loadAverage, stealPercent }) {
  return [
    `${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.kernel}`,
    `Node ${m.node}, commit ${m.commit}, ${m.date}`,
    `load average ${loadAverage.join(' to ')}, ${stealPercent} % of the CPU time stolen by the host`,
  ].join('\n');
}

function rounds(count) {
  return `${count} interleaved ${count === 1 ? 'run' : 'runs, median (min to max)'}`;
}

module.exports = { median, machine, watchMachine, refuseSlowBuild, format, rounds, table, heading };
