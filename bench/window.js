// bench/window.js: a window over everything that a process does, and what its
// threads took meanwhile: of this process, or of others whose ids are given.
'use strict';

const fs = require('node:fs');
const { monitorEventLoopDelay, performance } = require('node:perf_hooks');

// Of the main thread alone, in ns (Linux): on a core, and ready but without one.
function mainThread() {
  const [cpu, wait] = fs.readFileSync('/proc/self/schedstat', 'utf8').split(' ').map(Number);
  return { cpu, wait };
}

/** Of all threads of other processes, in ns (Linux). */
function cpuOf(pids) {
  let sum = 0;
  for (const pid of pids) {
    for (const task of fs.readdirSync(`/proc/${pid}/task`)) {
      sum += Number(fs.readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    }
  }
  return sum;
}

/** A server that is no Node program has its CPU time alone. */
function openExternalWindow(pids) {
  const cpu = cpuOf(pids);
  return () => ({ processCpuUs: (cpuOf(pids) - cpu) / 1e3 });
}

// The monitor of delays wakes the loop every `delayResolution` ms: only where it is asked for.
function openWindow({ delayResolution = 0, pids } = {}) {
  if (pids) return openExternalWindow(pids);
  const delay = delayResolution > 0 ? monitorEventLoopDelay({ resolution: delayResolution }) : null;
  delay?.enable();
  const elu = performance.eventLoopUtilization();
  const main = mainThread();
  const cpu = process.cpuUsage();

  return function close() {
    const used = process.cpuUsage(cpu);
    const mainNow = mainThread();
    delay?.disable();
    return {
      activeUs: performance.eventLoopUtilization(elu).active * 1e3,
      mainCpuUs: (mainNow.cpu - main.cpu) / 1e3,
      mainWaitUs: (mainNow.wait - main.wait) / 1e3,
      processCpuUs: used.user + used.system,
      delayMaxUs: delay ? Math.max(0, delay.max / 1e3 - delayResolution * 1e3) : undefined,
    };
  };
}

module.exports = { openWindow };
