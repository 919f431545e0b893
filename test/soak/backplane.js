#!/usr/bin/env node
// test/soak/backplane.js - the scenes of test/js/backplane-redis.test.js for long, from seeds of chance.
//
//   SOAK_MINUTES=60 node test/soak/backplane.js                          an hour (the default)
//   SOAK_SEED=123 SOAK_SCENE=late SOAK_RUNS=1 node test/soak/backplane.js  one run again, as its failure prints it
//
// Exit code 1 when one failed.
'use strict';

const { randomInt } = require('node:crypto');

const { play, endPlay, SCENES } = require('../js/backplane/play');
const { findRedis } = require('../js/backplane/redis-server');
const { findFaketime } = require('../js/chaos/clock');

const MINUTE = 60_000;

async function main() {
  if (findRedis() === null) throw new Error('there is no redis-server');
  const minutes = Number(process.env.SOAK_MINUTES ?? 60);
  const most = Number(process.env.SOAK_RUNS ?? Infinity);
  const first = Number(process.env.SOAK_SEED ?? randomInt(2 ** 32));
  const names = process.env.SOAK_SCENE ? [process.env.SOAK_SCENE] : Object.keys(SCENES);
  const scenes = names.filter((name) => !SCENES[name].needsFaketime || findFaketime() !== null);
  const end = Date.now() + minutes * MINUTE;
  console.log(`backplane: seed ${first}, ${minutes} minutes`);
  let run = 0;
  for (; run < most && Date.now() < end; run++) {
    const seed = (first + run) >>> 0;
    const scene = scenes[run % scenes.length];
    try {
      const { told, connections, events } = await play({ scene, seed });
      console.log(`${run + 1} ${scene} seed ${seed}: ${connections} connections, ${events} events, ${told} told of a loss`);
    } catch (error) {
      console.error(error);
      console.log(`backplane: FAILED, SOAK_SEED=${seed} SOAK_SCENE=${scene} SOAK_RUNS=1`);
      process.exitCode = 1;
      return;
    } finally {
      await endPlay();
    }
  }
  console.log(`backplane: ${run} runs from seed ${first} passed`);
}

main();
