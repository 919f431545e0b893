#!/usr/bin/env node
// tools/coverage.js - which lines of csrc/{hub,io,jose} the C and the JavaScript tests reach together.
//
//   node tools/coverage.js                 runs the C tests and test/js on this Node, then reports
//   node tools/coverage.js --run FILTER... runs those tests only (labels of tools/run-tests.js, or `c`); adds up
//   node tools/coverage.js --report        reports what the runs so far have counted
//
// Both are built with gcov's counters: the C tests into build/c-cov, the addon into build/coverage. gcov gives what
// each build has counted as JSON; a line is reached when it is in one of them. A process that a test kills takes its
// counts along. Exit code 1 when a test fails, or a layer is below what it must have.
//
// csrc/jose must be whole but for the lines that docs/coverage-jose.md argues for, one by one; a line that is argued
// for and is reached, or is no longer there, is a fault as well.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '..');
const ADDON = path.join(ROOT, 'build/coverage/build/Release/native_sse.node');
const COUNTED = ['build/c-cov/csrc', 'build/coverage/build/Release/obj.target'];
/** Percent of the lines of a layer; the rest of jose is argued for. */
const LEAST = { hub: 90, io: 90, jose: 100, store: 90 };
const ARGUED = 'docs/coverage-jose.md';

function fail(message) {
  console.error(`coverage: ${message}`);
  process.exit(1);
}

function make(...args) {
  const env = { ...process.env, SSE_WERROR: '1' };
  for (const name of ['MAKEFLAGS', 'MAKELEVEL', 'MFLAGS']) delete env[name];
  return spawnSync('make', ['-s', ...args], { cwd: ROOT, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

function filesIn(folder, end) {
  const absolute = path.join(ROOT, folder);
  if (!fs.existsSync(absolute)) return [];
  return fs.readdirSync(absolute, { recursive: true }).filter((name) => name.endsWith(end)).map((name) => path.join(absolute, name));
}

// ---- running --------------------------------------------------------------------

function resetCounts() {
  for (const folder of COUNTED) for (const file of filesIn(folder, '.gcda')) fs.rmSync(file);
}

function runC() {
  const programs = make('coverage-list').stdout.split('\n').filter(Boolean);
  if (make(`-j${os.cpus().length}`, ...programs).status !== 0) fail('the C tests do not build');
  for (const program of programs) {
    const { status, stdout, stderr } = spawnSync(path.join(ROOT, program), { cwd: ROOT, encoding: 'utf8' });
    if (status !== 0) fail(`${program} has failed:\n${stdout}${stderr}`);
  }
  console.log(`coverage: ${programs.length} C programs`);
}

function runJs(filters) {
  const built = spawnSync(process.execPath, ['tools/build.js', '--werror', '--sanitize=coverage'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  if (built.status !== 0) fail('the addon does not build');
  const env = { ...process.env, NATIVE_SSE_BINDING: ADDON };
  const { status, stdout } = spawnSync(process.execPath, ['tools/run-tests.js', ...filters], { cwd: ROOT, env, encoding: 'utf8', maxBuffer: 1 << 30 });
  const lines = stdout.trimEnd().split('\n');
  console.log(`coverage: test/js: ${lines.at(-1)}`);
  if (status !== 0) fail(`tests have failed:\n${lines.filter((line) => line.startsWith('failed: ')).join('\n')}`);
}

// ---- counts ---------------------------------------------------------------------

/** What gcov knows of one object: [{ file, lines: [{ line_number, count }] }], with files relative to ROOT. */
function readCounts(data) {
  const { status, stdout, stderr } = spawnSync('gcov', ['--json-format', '--stdout', data], { cwd: path.dirname(data), encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) fail(`gcov cannot read ${data}: ${stderr}`);
  return stdout.split('\n').filter(Boolean).map((text) => JSON.parse(text)).flatMap(({ current_working_directory: cwd, files }) => (
    files.map(({ file, lines }) => {
      const absolute = path.resolve(cwd, file);
      return { file: fs.existsSync(absolute) ? path.relative(ROOT, fs.realpathSync(absolute)) : absolute, lines };
    })
  ));
}

/** @returns {Map<string, Map<number, number>>} how often each line of each file of a layer was run */
function readAll() {
  const all = new Map();
  const notes = COUNTED.flatMap((folder) => filesIn(folder, '.gcno'));
  for (const note of notes) {
    const data = note.replace(/gcno$/, 'gcda');
    for (const { file, lines } of readCounts(fs.existsSync(data) ? data : note)) {
      if (!(file.split('/')[1] in LEAST) || !file.startsWith('csrc/')) continue;
      if (!all.has(file)) all.set(file, new Map());
      const counts = all.get(file);
      for (const { line_number: number, count } of lines) counts.set(number, (counts.get(number) ?? 0) + count);
    }
  }
  return all;
}

// ---- the lines that are argued for ----------------------------------------------

/**
 * @typedef {{ file: string, text: string, why: string, isUsed?: boolean }} Argument
 * @returns {Argument[]} rows of the table in ARGUED: file, line, why
 */
function readArguments() {
  const text = fs.existsSync(path.join(ROOT, ARGUED)) ? fs.readFileSync(path.join(ROOT, ARGUED), 'utf8') : '';
  return [...text.matchAll(/^\| `(csrc\/[^`]+)` \| `(.+?)` \| (.+?) \|$/gm)].map(([, file, line, why]) => ({ file, text: line.replaceAll('\\|', '|'), why }));
}

/** @param {Argument[]} list of which one is used up */
function isArgued(list, file, text) {
  const found = list.find((argument) => !argument.isUsed && argument.file === file && argument.text === text);
  if (found) found.isUsed = true;
  return found !== undefined;
}

// ---- the report -----------------------------------------------------------------

function judgeFile(file, counts, list) {
  const lines = fs.readFileSync(path.join(ROOT, file), 'utf8').split('\n');
  const missed = [...counts].filter(([, count]) => count === 0).map(([number]) => number).sort((a, b) => a - b);
  const open = missed.filter((number) => !isArgued(list, file, lines[number - 1].trim()));
  return { file, total: counts.size, reached: counts.size - missed.length, argued: missed.length - open.length, open };
}

const percent = ({ reached, total }) => (total === 0 ? 100 : (100 * reached) / total);

/** 12, 15-18 */
function ranges(numbers) {
  const parts = [];
  for (const number of numbers) {
    const last = parts.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else parts.push([number, number]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}

function row(name, { total, reached, argued = 0 }, rest = '') {
  const share = percent({ total, reached }).toFixed(1);
  return `${name.padEnd(30)} ${String(total).padStart(6)} ${String(reached).padStart(7)} ${share.padStart(6)} % ${String(argued || '').padStart(6)}  ${rest}`;
}

function sum(results) {
  const of = (key) => results.reduce((total, result) => total + result[key], 0);
  return { total: of('total'), reached: of('reached'), argued: of('argued') };
}

/** @returns {string[]} what is wrong */
function judgeLayer(layer, results) {
  const all = sum(results);
  console.log(row(`csrc/${layer}`, all, `at least ${LEAST[layer]} %${layer === 'jose' ? ', or argued for' : ''}`));
  const share = layer === 'jose' ? percent({ total: all.total, reached: all.reached + all.argued }) : percent(all);
  return share < LEAST[layer] ? [`csrc/${layer} has ${share.toFixed(1)} %, ${LEAST[layer]} % are needed`] : [];
}

function report() {
  const all = readAll();
  if (all.size === 0) fail('nothing was counted yet');
  const list = readArguments();
  const results = [...all].map(([file, counts]) => judgeFile(file, counts, list)).sort((a, b) => (a.file < b.file ? -1 : 1));
  console.log(`\n${'file'.padEnd(30)}  lines reached          argued  not reached`);
  for (const result of results) console.log(row(result.file, result, ranges(result.open)));
  console.log('');
  const layers = [...new Set(results.map(({ file }) => file.split('/')[1]))];
  const faults = layers.flatMap((layer) => judgeLayer(layer, results.filter(({ file }) => file.split('/')[1] === layer)));
  for (const { file, text } of list.filter(({ isUsed }) => !isUsed)) faults.push(`${ARGUED} argues for a line of ${file} that is reached, or not there: ${text}`);
  for (const fault of faults) console.log(`coverage: ${fault}`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}

function main([mode, ...filters]) {
  if (mode === undefined) {
    resetCounts();
    runC();
    runJs(['js']);
    report();
  } else if (mode === '--report') {
    report();
  } else if (mode === '--run') {
    const others = filters.filter((name) => name !== 'c');
    if (filters.includes('c')) runC();
    if (others.length > 0) runJs(others);
  } else {
    fail(`unknown argument ${mode}`);
  }
}

main(process.argv.slice(2));
