#!/usr/bin/env node
'use strict';

// tokens.js - our verifier beside `jose` over many odd tokens: whatever we accept
// jose must accept too, as the same claims.
//
//   SOAK_TOKENS=100000 SOAK_SEED=n node test/soak/tokens.js
//
// The seed is printed first; with it a run can be had again, but for the keys.

const crypto = require('node:crypto');
const { compare } = require('../js/helpers/differential');

/** At least this share must be accepted by both, or the run proves little. */
const LEAST_SHARE = 0.15;

async function main() {
  const count = Number(process.env.SOAK_TOKENS ?? 100_000);
  const seed = Number(process.env.SOAK_SEED ?? crypto.randomInt(2 ** 32));
  if (!(count > 0) || !Number.isInteger(seed)) throw new Error('SOAK_TOKENS and SOAK_SEED are numbers');
  console.log(`tokens: seed ${seed}, ${count} tokens`);
  const onProgress = (done) => {
    if (done % 10_000 === 0) console.log(`tokens: ${done}`);
  };
  const { tried, both, stricter, neither, kinds } = await compare({ seed, count, onProgress });
  console.log(`tokens: ${tried} tried: ${both} accepted by both, ${stricter} by jose alone, ${neither} by none, 0 by us alone`);
  console.log(`tokens: accepted by both, by kind: ${JSON.stringify(kinds)}`);
  if (both < tried * LEAST_SHARE) throw new Error(`only ${both} of ${tried} were accepted by both`);
}

main().catch((error) => {
  console.error(`tokens: ${error.message}`);
  process.exitCode = 1;
});
