#!/usr/bin/env node
// tools/check-mutants.js - holds tools/mutants-jose.js to the sources: every text
// that a fault replaces is there, once. Running the faults is `make mutants`.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { mutants, mutate } = require('./mutants-jose.js');

const SOURCES = path.resolve(__dirname, '../csrc/jose');

const complaints = [];
const names = new Set();
for (const mutant of mutants) {
  try {
    mutate(fs.readFileSync(path.join(SOURCES, mutant.file), 'utf8'), mutant);
    if (names.has(mutant.name)) throw new Error('there are two of this name');
    names.add(mutant.name);
  } catch (error) {
    complaints.push(`tools/mutants-jose.js: ${mutant.file}: ${mutant.name}: ${error.message}`);
  }
}
for (const complaint of complaints) console.error(complaint);
process.exitCode = complaints.length > 0 ? 1 : 0;
