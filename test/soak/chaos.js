#!/usr/bin/env node
// test/soak/chaos.js - the runs of test/js/chaos.test.js for long, from seeds of chance.
//
//   SOAK_MINUTES=60 node test/soak/chaos.js          an hour (the default)
//   SOAK_SEED=123 node test/soak/chaos.js            the seeds of a soak again, from its first
//   SOAK_SEED=123 SOAK_RUNS=1 node test/soak/chaos.js   one run again, as its failure prints it
//
// One server process serves many runs, so that what leaks little by little shows. Exit code 1 when one failed.
'use strict';

const { randomInt } = require('node:crypto');

const { findFaketime } = require('../js/chaos/clock');
const { playSeed } = require('../js/chaos/run');
const { ServerProcess } = require('../js/chaos/server');

const MINUTE = 60_000;
/** Runs that one server process serves. */
const RUNS_EACH = 40;
/** Until its pools have the size that they keep. */
const RUNS_TO_SETTLE = 8;
/**
 * What a process may grow after that. V8 and malloc keep free pages, more or less of them at each look; a run
 * publishes tens of MiB in some thousand events, so that a leak of them passes this within RUNS_EACH runs.
 */
const ALLOWANCE = 32 * 2 ** 20;

const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Fails when the process has grown since its pools had settled. */
class Growth {
  constructor() {
    this._rss = [];
  }

  note(rss) {
    this._rss.push(rss);
    if (this._rss.length <= RUNS_TO_SETTLE) return;
    const settled = Math.max(...this._rss.slice(0, RUNS_TO_SETTLE));
    if (rss > settled + ALLOWANCE) throw new Error(`the server process grew from ${mebibytes(settled)} to ${mebibytes(rss)}`);
  }
}

function lineOf(run, seed, { settings, met, after }) {
  const { wire, options } = settings;
  const { connections, events, replayed, told, reasons } = met;
  return `${run} seed ${seed} ${wire} ${JSON.stringify(options)}: ${connections} connections, ${events} events, ` +
    `${replayed} replayed, ${told} told of a loss, ${JSON.stringify(reasons)}; ${mebibytes(after.rss)}, ${after.descriptors} descriptors`;
}

/** Runs with one process after the other until the time is up. @returns {Promise<number>} how many runs */
async function soak({ seed, most, end }) {
  let run = 0;
  const hasClock = findFaketime() !== null;
  const isDone = () => run >= most || Date.now() >= end;
  while (!isDone()) {
    const server = new ServerProcess({ hasClock });
    const growth = new Growth();
    try {
      for (let i = 0; i < RUNS_EACH && !isDone(); i++) {
        const own = (seed + run) >>> 0;
        const result = await playSeed({ seed: own, moves: 400, server, fixed: hasClock ? {} : { hasClock } });
        run += 1;
        console.log(lineOf(run, own, result));
        growth.note(result.after.rss);
      }
    } finally {
      await server.end();
    }
  }
  return run;
}

async function main() {
  const minutes = Number(process.env.SOAK_MINUTES ?? 60);
  const most = Number(process.env.SOAK_RUNS ?? Infinity);
  const seed = Number(process.env.SOAK_SEED ?? randomInt(2 ** 32));
  console.log(`chaos: seed ${seed}, ${minutes} minutes`);
  try {
    const runs = await soak({ seed, most, end: Date.now() + minutes * MINUTE });
    console.log(`chaos: ${runs} runs from seed ${seed} passed`);
  } catch (error) {
    console.error(error);
    console.log(`chaos: FAILED, soak seed ${seed}`);
    process.exitCode = 1;
  }
}

main();
