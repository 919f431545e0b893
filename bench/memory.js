// bench/memory.js: bytes in use: of this process by kind, of others, and of the kernel.
'use strict';

const fs = require('node:fs');
const { setTimeout: sleep } = require('node:timers/promises');

const { pathOf } = require('./build');

const PAGE = 4096;
const COLLECTIONS = 4;

/** All that malloc has given out and that is not free again; undefined where the addon is not there. */
function mallocBytes() {
  const file = pathOf('heap.node');
  return fs.existsSync(file) ? require(file).inUse() : undefined;
}

function number(text, pattern) {
  return Number(pattern.exec(text)?.[1] ?? NaN);
}

/** Slabs (sockets, files, epoll entries) and the pages that sockets buffer in; of the whole machine. */
function kernelBytes() {
  const slab = number(fs.readFileSync('/proc/meminfo', 'utf8'), /^Slab: +(\d+) kB/m) * 1024;
  const pages = number(fs.readFileSync('/proc/net/sockstat', 'utf8'), /^TCP:.* mem (\d+)/m);
  return slab + pages * PAGE;
}

function residentBytes(pids) {
  return pids.reduce((sum, pid) => sum + Number(fs.readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * PAGE, 0);
}

/**
 * After everything collectable has been collected.
 * @param {number[]} [pids] of a server that is no Node program
 */
async function measureMemory(pids) {
  if (pids) return { rss: residentBytes(pids), kernel: kernelBytes() };
  for (let i = 0; i < COLLECTIONS; i++) {
    global.gc();
    await sleep(10);
  }
  const malloc = mallocBytes();
  const { heapUsed, rss } = process.memoryUsage();
  return { heapUsed, malloc, rss, kernel: kernelBytes() };
}

module.exports = { measureMemory };
