// bench/machine.js: what a run ran on, and how disturbed it was.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');

function git(...args) {
  try {
    return execFileSync('git', ['--no-optional-locks', ...args], { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

function describe() {
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
function watch() {
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

// The first lines of a report.
function heading({ machine: m, loadAverage, stealPercent }) {
  return [
    `${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.kernel}`,
    `Node ${m.node}, commit ${m.commit}, ${m.date}`,
    `load average ${loadAverage.join(' to ')}, ${stealPercent} % of the CPU time stolen by the host`,
  ].join('\n');
}

module.exports = { describe, watch, refuseSlowBuild, heading };
