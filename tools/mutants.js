#!/usr/bin/env node
// tools/mutants.js - proves that the tests of csrc/jose notice faults. Each fault
// of tools/mutants-jose.js is put into a copy of the sources, alone; the copy is
// compiled and the C tests of jose run against it. A fault that no test notices
// has survived, and that is a failure.
//
//   node tools/mutants.js [NAME...]   only the faults whose name or file contains NAME
//
// The unmutated copy must pass first. Sanitizers are on, as in `make test-c`, since
// some faults only show as a leak or as a read out of bounds.
'use strict';

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { mutants, mutate } = require('./mutants-jose.js');

const ROOT = path.resolve(__dirname, '..');
const BUILD = path.join(ROOT, 'build/mutants');
const SOURCES = path.join(ROOT, 'csrc/jose');
const TESTS = path.join(ROOT, 'test/c/jose');
/** A mutant that loops for ever is noticed too. */
const TIME_LIMIT = 60_000;
const CC = process.env.CC ?? 'cc';

const words = (text) => text.split(/\s+/).filter(Boolean);
const pkgConfig = (...args) => words(execFileSync('pkg-config', args, { encoding: 'utf8' }));
const LIBRARIES = ['libcjson', 'libcrypto', 'cmocka'];
const SANITIZE = ['-fsanitize=address,undefined,float-cast-overflow', '-fno-sanitize-recover=all'];
const COMPILE = ['-std=c11', '-D_GNU_SOURCE', '-O0', '-w', ...SANITIZE, ...pkgConfig('--cflags', ...LIBRARIES)];
const LINK = [...SANITIZE, ...pkgConfig('--libs', ...LIBRARIES), '-lpthread'];

const cFilesOf = (folder) => fs.readdirSync(folder).filter((name) => name.endsWith('.c')).sort();
const objectOf = (name) => name.replace(/\.c$/, '.o');
const SOURCE_FILES = cFilesOf(SOURCES);
const PROGRAMS = cFilesOf(TESTS).filter((name) => name.startsWith('test_')).map((name) => name.replace(/\.c$/, ''));
const HELPERS = cFilesOf(TESTS).filter((name) => !name.startsWith('test_'));
/** The program that mostly decides, where it is not the one named like the source. */
const DECIDING = { json_scan: 'test_json', signature: 'test_verify', thumbprint: 'test_jwk' };

/** Runs a command to its end; resolves to its exit code, or to what ended it. */
function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'ignore', timeout: TIME_LIMIT, killSignal: 'SIGKILL', ...options });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve(status ?? signal));
  });
}

/** Compiles `file` against the headers below `include`. */
async function compile(file, include, object) {
  const args = [...COMPILE, `-I${include}`, `-I${path.join(ROOT, 'test/c')}`, `-I${TESTS}`, '-c', file, '-o', object];
  const status = await run(CC, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`does not compile: ${path.basename(file)}`);
}

/** The tests and helpers, and the sources as they are: compiled once for all mutants. */
async function compileBase() {
  const base = path.join(BUILD, 'base');
  fs.mkdirSync(base, { recursive: true });
  const tests = [...HELPERS, ...PROGRAMS.map((name) => `${name}.c`)].map((name) => path.join(TESTS, name));
  const jobs = [...SOURCE_FILES.map((name) => path.join(SOURCES, name)), ...tests];
  await inParallel(jobs, (file) => compile(file, path.join(ROOT, 'csrc'), path.join(base, objectOf(path.basename(file)))));
  return base;
}

/** The test programs, the likeliest to notice a fault in `file` first. */
function programsFor(file) {
  const name = file.replace(/\.[ch]$/, '');
  const first = DECIDING[name] ?? `test_${name}`;
  return PROGRAMS.toSorted((a, b) => (b === first) - (a === first));
}

/** @returns {Promise<string | null>} the program that failed and how, or null: none did */
async function runTests(objects, folder, base, file) {
  const helpers = HELPERS.map((name) => path.join(base, objectOf(name)));
  for (const program of programsFor(file)) {
    const binary = path.join(folder, program);
    const link = [path.join(base, `${program}.o`), ...helpers, ...objects, '-o', binary, ...LINK];
    if ((await run(CC, link, { stdio: ['ignore', 'ignore', 'inherit'] })) !== 0) throw new Error(`does not link: ${program}`);
    const status = await run(binary, [], { env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=1' } });
    fs.rmSync(binary);
    if (status !== 0) return status === 'SIGKILL' ? `${program} (did not end)` : program;
  }
  return null;
}

/** Compiles what the fault is in (a header: everything) and runs the tests. */
async function tryMutant(mutant, index, base) {
  const folder = path.join(BUILD, String(index));
  const copy = path.join(folder, 'jose');
  fs.cpSync(SOURCES, copy, { recursive: true });
  const target = path.join(copy, mutant.file);
  fs.writeFileSync(target, mutate(fs.readFileSync(target, 'utf8'), mutant));
  const objects = [];
  for (const name of SOURCE_FILES) {
    const isChanged = mutant.file === name || mutant.file.endsWith('.h');
    const object = path.join(isChanged ? folder : base, objectOf(name));
    if (isChanged) await compile(path.join(copy, name), folder, object);
    objects.push(object);
  }
  const killer = await runTests(objects, folder, base, mutant.file);
  fs.rmSync(folder, { recursive: true });
  return killer;
}

async function inParallel(items, work) {
  const queue = [...items.entries()];
  const worker = async () => {
    while (queue.length > 0) {
      const [index, item] = queue.shift();
      await work(item, index);
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker));
}

async function main(names) {
  const chosen = mutants.filter(({ name, file }) => names.length === 0 || names.some((part) => `${file} ${name}`.includes(part)));
  if (chosen.length === 0) throw new Error('no such mutant');
  fs.rmSync(BUILD, { recursive: true, force: true });
  const base = await compileBase();
  const unmutated = SOURCE_FILES.map((name) => path.join(base, objectOf(name)));
  const failing = await runTests(unmutated, base, base, '');
  if (failing) throw new Error(`the sources as they are do not pass: ${failing}`);

  const survivors = [];
  await inParallel(chosen, async (mutant, index) => {
    const killer = await tryMutant(mutant, index, base);
    if (!killer) survivors.push(mutant);
    console.log(`${(killer ?? 'SURVIVED').padEnd(24)} ${mutant.file.padEnd(16)} ${mutant.name}`);
  });
  console.log(`\n${chosen.length} mutants, ${chosen.length - survivors.length} killed, ${survivors.length} survived`);
  for (const { file, name } of survivors) console.log(`survived: ${file}: ${name}`);
  process.exitCode = survivors.length > 0 ? 1 : 0;
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`tools/mutants.js: ${error.message}`);
  process.exitCode = 1;
});
