#!/usr/bin/env node
// tools/run-tests.js - runs every test of the project and counts real results.
//
//   node tools/run-tests.js [FILTER...]
//
// FILTER is a group (checks, lint, c, js, browser, nodes) or a part of a label, such
// as `c-tsan`, `test/js/publish.test.js` or, for the same file on another Node (group
// nodes), `node-24/publish.test.js`. A label is a program, a test file or a check;
// each runs in a process of its own, so one that crashes takes only its own tests
// along. Counted as failed, besides failing tests: a process that crashes, does not
// end in time, ran no test, or ends badly although its tests passed; a group without
// any test; and with CI=true every skip.
// The last line is `N passed, N failed` (without CI=true also `, N skipped`); above
// it are the results of each area: of each Node, among others.
'use strict';

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const findChromium = require('./find-chromium.js');
const { otherNodes } = require('./nodes.js');

const ROOT = path.resolve(__dirname, '..');
const RESULT_FILE = path.join(ROOT, 'build/test-result.txt');
const IN_CI = process.env.CI === 'true';
const MINUTE = 60_000;
/** All of it must end within this: what has had no turn by then has failed. */
const DEADLINE = Date.now() + 14 * MINUTE;
/** After mocha's last test, how long the process may take to end by itself. */
const EXIT_GRACE = 10_000;
/**
 * Files for which one Node is enough: what they test is no code of the product, the kernel's part, C alone, or several
 * processes together.
 */
const ONCE = [
  'check-layers', 'docs', 'run-tests', 'types', 'types-resolution',
  'chaos', 'dead-peers', 'slow-readers', 'storm',
  'adversarial', 'conformance', 'differential', 'fuzz-request', 'soak',
  'backplane-cluster', 'backplane-redis', 'cluster-example',
].map((name) => `${name}.test.js`);

const totals = { passed: 0, failed: 0 };
const failures = [];
const skips = [];
/** Of each area, in the order of their first results. */
const areas = new Map();

/** @returns {{ passed: number, failed: number }} of the first part of a label or name: `test/js`, `node-24`, `c-asan` */
function areaOf(name) {
  const [area] = /^test\/\w+|^[\w-]+/.exec(name);
  if (!areas.has(area)) areas.set(area, { passed: 0, failed: 0 });
  return areas.get(area);
}

function pass(label, count) {
  totals.passed += count;
  areaOf(label).passed += count;
}

function fail(name) {
  totals.failed += 1;
  areaOf(name).failed += 1;
  failures.push(name);
}

function skip(name) {
  skips.push(name);
  if (IN_CI) fail(`${name} (skipped)`);
}

// ---- processes ----------------------------------------------------------------

/** Each child leads its own process group, so that ending it ends what it started. */
const running = new Set();

function endGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    for (const child of running) endGroup(child);
    process.exit(128 + os.constants.signals[signal]);
  });
}

/**
 * Runs a command, shows what it prints, and resolves to
 * { problem, output }: `problem` is null when it ended with 0, else one phrase.
 * With `isDone`, the process must end within EXIT_GRACE of `isDone()` being true.
 * With `isQuiet` what it prints is not shown, but all of it is in `output`.
 */
function run(command, args, { limit, env = {}, capture = false, isQuiet = false, isDone = null }) {
  const remaining = Math.min(limit, DEADLINE - Date.now());
  if (remaining <= 0) return Promise.resolve({ problem: 'no time left', output: '' });
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      detached: true,
      env: { ...process.env, ...env },
      stdio: ['ignore', capture || isQuiet ? 'pipe' : 'inherit', isQuiet ? 'pipe' : 'inherit'],
    });
    running.add(child);
    let output = '';
    let killedFor = null;
    const kill = (reason) => {
      killedFor ??= reason;
      endGroup(child);
    };
    const timer = setTimeout(() => kill(`did not end within ${Math.round(remaining / 1000)} s`), remaining);
    let doneSince = null;
    const watch = setInterval(() => {
      if (!isDone || !isDone()) return;
      doneSince ??= Date.now();
      if (Date.now() - doneSince > EXIT_GRACE) kill('did not exit after its last test: something keeps the process alive');
    }, 1000);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        output += chunk;
        if (!isQuiet) process.stdout.write(chunk);
      });
    }
    const finish = (problem) => {
      clearTimeout(timer);
      clearInterval(watch);
      running.delete(child);
      resolve({ problem, output });
    };
    child.on('error', (error) => finish(`cannot run: ${error.message}`));
    child.on('exit', () => endGroup(child)); // what it left behind may hold its pipes open
    child.on('close', (status, signal) => {
      if (killedFor) finish(killedFor);
      else if (signal) finish(`killed by ${signal}`);
      else finish(status === 0 ? null : `exit code ${status}`);
    });
  });
}

function heading(text) {
  console.log(`\n== ${text}`);
}

// ---- one kind of result each ----------------------------------------------------

/** A check or a linter: its exit code is one result. */
async function runPlain(label, command, args) {
  heading(label);
  const { problem } = await run(command, args, { limit: 3 * MINUTE });
  if (problem) fail(`${label}: ${problem}`);
  else pass(label, 1);
}

/**
 * Adds up the TAP that cmocka printed. A planned test without a result line has
 * failed: the program died in it.
 */
function readTap(output) {
  const tap = { passed: 0, failed: [], skipped: [], missing: 0 };
  let planned = 0;
  let seen = 0;
  for (const line of output.split('\n')) {
    const plan = /^1\.\.(\d+)\s*$/.exec(line);
    const result = /^(not )?ok (\d+)(.*)$/.exec(line);
    if (plan) planned += Number(plan[1]);
    if (!result) continue;
    seen += 1;
    const name = result[3].replace(/^\s*(# SKIP\b)?[\s-]*/, '').trim();
    if (/^\s*# SKIP\b/.test(result[3])) tap.skipped.push(name);
    else if (result[1]) tap.failed.push(name);
    else tap.passed += 1;
  }
  tap.missing = Math.max(0, planned - seen);
  return tap;
}

async function runCmocka(label, program) {
  heading(label);
  const build = spawnSync('make', ['-s', program], { cwd: ROOT, env: makeEnv(), stdio: 'inherit' });
  if (build.status !== 0) return fail(`${label}: does not build`);
  const command = [...addressLayoutFix(label), path.join(ROOT, program)];
  const { problem, output } = await run(command[0], command.slice(1), {
    limit: 2 * MINUTE,
    capture: true,
    env: {
      CMOCKA_MESSAGE_OUTPUT: 'TAP',
      ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:handle_segv=2:handle_abort=0',
      UBSAN_OPTIONS: 'print_stacktrace=1',
      TSAN_OPTIONS: 'second_deadlock_stack=1:halt_on_error=0',
    },
  });
  const tap = readTap(output);
  pass(label, tap.passed);
  for (const name of tap.skipped) skip(`${label}: ${name}`);
  for (const name of tap.failed) fail(`${label}: ${name}`);
  for (let i = 0; i < tap.missing; i++) fail(`${label}: a test without a result${problem ? ` (${problem})` : ''}`);
  const bad = tap.failed.length + tap.missing;
  if (problem && bad === 0) fail(`${label}: ${problem}`);
  else if (!problem && bad + tap.passed + tap.skipped.length === 0) fail(`${label}: ran no test`);
}

/** ThreadSanitizer of older compilers cannot start where addresses are too random. */
function addressLayoutFix(label) {
  const fix = ['setarch', os.machine(), '-R'];
  const isNeeded = label.startsWith('c-tsan') && process.platform === 'linux';
  return isNeeded && spawnSync(fix[0], [...fix.slice(1), 'true']).status === 0 ? fix : [];
}

/** A make inside a make must not look for the outer one's job server. */
function makeEnv() {
  const env = { ...process.env, SSE_WERROR: '1' };
  delete env.MAKEFLAGS;
  delete env.MAKELEVEL;
  delete env.MFLAGS;
  return env;
}

function readResults(file) {
  try {
    return fs
      .readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

/**
 * Runs one file of tests.
 * @param {string} label
 * @param {string} file
 * @param {{ program?: string, isQuiet?: boolean }} [options] the Node to use; what it prints is shown at its end
 */
async function runMocha(label, file, { program = process.execPath, isQuiet = false } = {}) {
  if (!isQuiet) heading(label);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-test-'));
  const results = path.join(folder, 'results');
  const hasEnded = () => readResults(results).some(({ result }) => result === 'end');
  const mocha = ['node_modules/mocha/bin/mocha.js', '--reporter', 'tools/mocha-reporter.js'];
  if (IN_CI) mocha.push('--forbid-only');
  if (!process.stdout.isTTY) mocha.push('--no-color');
  const { problem, output } = await run(program, ['--expose-gc', ...mocha, file], {
    limit: 3 * MINUTE,
    env: { SSE_RESULTS: results },
    isDone: hasEnded,
    isQuiet,
  });
  if (isQuiet) {
    heading(label);
    process.stdout.write(output);
  }
  const lines = readResults(results);
  const of = (kind) => lines.filter(({ result }) => result === kind);
  pass(label, of('passed').length);
  for (const { name } of of('skipped')) skip(`${label}: ${name}`);
  for (const { name } of of('failed')) fail(`${label}: ${name}`);
  const ended = of('end').length > 0;
  if (!ended) fail(`${label}: stopped half-way (${problem ?? 'no reason given'})`);
  else if (problem && of('failed').length === 0) fail(`${label}: ${problem}`);
  else if (lines.length === 1) fail(`${label}: ran no test`);
  fs.rmSync(folder, { recursive: true, force: true });
}

// ---- what there is --------------------------------------------------------------

function filesIn(folder, pattern) {
  const absolute = path.join(ROOT, folder);
  if (!fs.existsSync(absolute)) return [];
  return fs
    .readdirSync(absolute, { recursive: true })
    .map((name) => path.join(folder, name))
    .filter((name) => pattern.test(name) && !name.includes('node_modules'))
    .sort();
}

function checkUnits() {
  return filesIn('tools', /^tools\/check-[^/]+\.js$/).map((file) => ({
    label: file,
    start: () => runPlain(file, process.execPath, [file]),
  }));
}

function lintUnits() {
  const eslint = 'node_modules/eslint/bin/eslint.js';
  return [{ label: 'lint', start: () => runPlain('lint', process.execPath, [eslint, '.']) }];
}

/** Why no C test can run here, or null. */
function missingForC() {
  for (const library of ['cmocka', 'libuv', 'libcjson', 'libcrypto', 'sqlite3']) {
    if (spawnSync('pkg-config', ['--exists', library]).status !== 0) return `${library} is not installed`;
  }
  return null;
}

function cUnits() {
  const make = (...args) => spawnSync('make', args, { cwd: ROOT, env: makeEnv(), encoding: 'utf8' });
  const programs = make('-s', 'c-list').stdout.split('\n').filter(Boolean);
  const missing = missingForC();
  let built = false;
  return programs.map((program) => {
    const label = program.replace(/^build\//, '').replace(/\/test\/(c\/)?/, '/');
    const start = () => {
      if (missing) return skip(`${label} (${missing})`);
      if (!built) {
        heading('building the C tests');
        // What does not build is told, program by program, when its turn comes.
        spawnSync('make', ['-s', '-k', `-j${os.cpus().length}`, 'c-programs'], {
          cwd: ROOT,
          env: makeEnv(),
          stdio: ['ignore', 'inherit', 'ignore'],
        });
        built = true;
      }
      return runCmocka(label, program);
    };
    return { label, start };
  });
}

function jsUnits() {
  return filesIn('test/js', /\.test\.m?js$/).map((file) => ({
    label: file,
    start: (options) => runMocha(file, file, options),
  }));
}

function browserUnits() {
  const chromium = findChromium();
  return filesIn('test/browser', /\.test\.m?js$/).map((file) => ({
    label: file,
    start: () => (chromium ? runMocha(file, file) : skip(`${file} (no Chromium found)`)),
  }));
}

/** The tests of test/js on the other Nodes, with the addon that was built for this one. */
function nodesUnits() {
  const files = filesIn('test/js', /\.test\.m?js$/).filter((file) => !ONCE.includes(path.basename(file)));
  return otherNodes().flatMap(({ major, program, problem }) => {
    const leg = `node-${major}`;
    if (!program) return [{ label: leg, start: () => skip(`${leg} (${problem})`) }];
    return files.map((file) => {
      const label = `${leg}/${path.relative('test/js', file)}`;
      return { label, start: () => runMocha(label, file, { program, isQuiet: true }) };
    });
  });
}

const GROUPS = { checks: checkUnits, lint: lintUnits, c: cUnits, js: jsUnits, browser: browserUnits, nodes: nodesUnits };
/** How many of a group run at once; one, unless it is here. */
const AT_ONCE = { js: 2, nodes: 2 };

// ---- all of it ------------------------------------------------------------------

async function runGroup(group, labelFilters) {
  const all = GROUPS[group]();
  if (all.length === 0 && !labelFilters) fail(`${group}: there is no test`);
  const chosen = labelFilters ? all.filter(({ label }) => labelFilters.some((part) => label.includes(part))) : all;
  const queue = [...chosen];
  // What runs beside others prints when it is over.
  const options = { isQuiet: chosen.length > 1 && AT_ONCE[group] > 1 };
  const work = async () => {
    while (queue.length > 0) await queue.shift().start(options);
  };
  await Promise.all(Array.from({ length: AT_ONCE[group] ?? 1 }, work));
}

function areaLine([area, { passed, failed }]) {
  const name = area === 'test/js' ? `${area} (Node ${process.versions.node})` : area;
  return `${name}: ${passed} of ${passed + failed} passed`;
}

function closingLine() {
  const line = `${totals.passed} passed, ${totals.failed} failed`;
  return skips.length > 0 && !IN_CI ? `${line}, ${skips.length} skipped` : line;
}

async function main(filters) {
  const groups = filters.filter((name) => name in GROUPS);
  const labels = filters.filter((name) => !(name in GROUPS));
  for (const group of Object.keys(GROUPS)) {
    if (filters.length === 0 || groups.includes(group)) await runGroup(group, null);
    else if (labels.length > 0) await runGroup(group, labels);
  }
  if (totals.passed + totals.failed + skips.length === 0) fail('no test ran');

  console.log('');
  for (const area of areas) console.log(areaLine(area));
  for (const name of skips) console.log(`skipped: ${name}`);
  for (const name of failures) console.log(`failed: ${name}`);
  const line = closingLine();
  fs.mkdirSync(path.dirname(RESULT_FILE), { recursive: true });
  fs.writeFileSync(RESULT_FILE, `${line}\n`);
  console.log(line);
  process.exitCode = totals.failed > 0 ? 1 : 0;
}

main(process.argv.slice(2));
