#!/usr/bin/env node
// test/soak/churn.js - 2,000 connections over both transports, 50 of which leave and come back a second, 500 events
// a second, resets, and readers that stop reading.
//
//   SOAK_MINUTES=20 node test/soak/churn.js         20 minutes; the default is 60
//   SOAK_SEED=123 node test/soak/churn.js           the same choices again
//
// It fails when an event is missed or comes twice and nobody was told; when descriptors, clients or places are left
// in the end; and unless the server's resident set, after a warm-up of a quarter of the time and at most 5 minutes,
// is shown to grow by less than 1 MiB an hour: the slope of a line through it, plus two standard errors (95 %), is
// below that. Where it is neither shown to be below nor above, the run was too short, and that is said.
'use strict';

const { randomInt } = require('node:crypto');

const { run, LIMIT_MIB_PER_HOUR } = require('./churn/run');

const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

async function main() {
  const minutes = Number(process.env.SOAK_MINUTES ?? 60);
  const seed = Number(process.env.SOAK_SEED ?? randomInt(2 ** 32));
  if (!(minutes > 0) || !Number.isInteger(seed)) throw new Error('SOAK_MINUTES and SOAK_SEED are numbers');
  console.log(`churn: seed ${seed}, ${minutes} minutes`);
  const { faults, counts, growth, samples, before, left, reasons } = await run({ seed, ms: minutes * 60_000 }, (line) => console.log(`churn: ${line}`));
  console.log(`churn: ${JSON.stringify(counts)}`);
  console.log(`churn: closed: ${JSON.stringify(reasons)}`);
  console.log(`churn: descriptors ${before.descriptors} before, ${left.descriptors} after; clients left: ${left.clients.join(' and ')}`);
  if (samples.length > 0) console.log(`churn: resident set ${mebibytes(samples[0].value)} at first, ${mebibytes(samples.at(-1).value)} at last`);
  if (growth === null) {
    console.log('churn: too short to tell whether it grows');
  } else {
    const { perHour, error, points, verdict } = growth;
    console.log(`churn: slope ${perHour.toFixed(2)} MiB an hour, standard error ${error.toFixed(2)}, ${points} points; limit ${LIMIT_MIB_PER_HOUR}: ${verdict}`);
  }
  for (const fault of faults) console.log(`churn: FAILED: ${fault}`);
  const isShown = growth?.verdict === 'flat';
  if (faults.length === 0) console.log(isShown ? 'churn: passed' : 'churn: nothing wrong was seen, but it is not shown to be flat: run it for longer');
  process.exitCode = faults.length === 0 && isShown ? 0 : 1;
}

main().catch((error) => {
  console.error(error);
  console.log('churn: FAILED');
  process.exitCode = 1;
});
