#!/usr/bin/env node
// tools/fuzz.js - runs the fuzz targets of test/fuzz, one after the other.
//
//   node tools/fuzz.js [--seconds=60] [TARGET...]    each for so long
//   node tools/fuzz.js --minimise [TARGET...]        makes the corpus in git anew, as small as it covers the same
//
// C targets (fuzz_*.c) run under libFuzzer, with the sanitizers of clang; request.js by itself. What they find on
// their way stays in build/fuzz/corpus/TARGET and is where the next run goes on. One line a target; exit code 1 when
// one has failed, with the input that did it in build/fuzz/crashes.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '..');
const SEEDS = 'test/fuzz/corpus';
const FOUND = 'build/fuzz/corpus';
const CRASHES = 'build/fuzz/crashes';
/** Longer inputs cost more than they find. */
const MOST_BYTES = { hub: 600, jwks: 8192, store: 1024 };

const C_TARGETS = fs
  .readdirSync(path.join(ROOT, 'test/fuzz'))
  .map((name) => /^fuzz_(\w+)\.c$/.exec(name)?.[1])
  .filter(Boolean)
  .sort();
const TARGETS = [...C_TARGETS, 'request'];

const programOf = (target) => `build/c-fuzz/test/fuzz/fuzz_${target}`;
const filesIn = (folder) => fs.readdirSync(path.join(ROOT, folder)).filter((name) => !name.startsWith('.'));
const makeFolder = (folder) => fs.mkdirSync(path.join(ROOT, folder), { recursive: true });

function fail(message) {
  console.error(`fuzz: ${message}`);
  process.exit(1);
}

function build(targets) {
  const programs = targets.filter((name) => C_TARGETS.includes(name)).map(programOf);
  if (programs.length === 0) return;
  const { status } = spawnSync('make', ['-s', '-j2', ...programs], { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) fail('the targets do not build. They need clang with libFuzzer: tools/setup.sh fuzz installs it.');
}

/** Runs libFuzzer. @returns {{ status: number | null, output: string }} */
function libFuzzer(target, args) {
  const { status, stderr, error } = spawnSync(path.join(ROOT, programOf(target)), args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (error) fail(`cannot run ${programOf(target)}: ${error.message}`);
  return { status, output: stderr };
}

/** @returns {{ execs: number, edges: number | string, inputs: number | string, crash: string | null, output: string }} */
function runC(target, seconds) {
  const [found, seeds] = [`${FOUND}/${target}`, `${SEEDS}/${target}`];
  for (const folder of [found, seeds, CRASHES]) makeFolder(folder);
  const { status, output } = libFuzzer(target, [
    `-max_total_time=${seconds}`, `-max_len=${MOST_BYTES[target] ?? 4096}`, '-print_final_stats=1', '-timeout=20',
    `-artifact_prefix=${CRASHES}/${target}-`, found, seeds,
  ]);
  const [edges] = output.match(/(?<=cov: )\d+(?![^]*cov: )/) ?? ['?'];
  const execs = Number(/number_of_executed_units: (\d+)/.exec(output)?.[1] ?? 0);
  const crash = status === 0 ? null : (/Test unit written to (\S+)/.exec(output)?.[1] ?? 'unknown');
  return { execs, edges, inputs: filesIn(found).length, crash, output };
}

function runRequest(seconds) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['test/fuzz/request.js', `--seconds=${seconds}`], { cwd: ROOT, encoding: 'utf8' });
  const execs = Number(/(\d+) execs/.exec(stdout)?.[1] ?? 0);
  const crash = status === 0 ? null : (/input (\S+)/.exec(stdout)?.[1] ?? 'unknown');
  return { execs, edges: '-', inputs: '-', crash, output: stdout + stderr };
}

function explain(target, { crash, output }) {
  const again = target === 'request' ? `node test/fuzz/request.js ${crash}` : `${programOf(target)} ${crash}`;
  console.log(output.split('\n').filter((line) => !/^#\d+/.test(line)).slice(-80).join('\n'));
  console.log(`fuzz: ${target} failed. Its input: ${crash}`);
  console.log(`fuzz: again: ${again}`);
  console.log(`fuzz: when it is fixed, keep it: cp ${crash} ${SEEDS}/${target}/NAME-OF-THE-FAULT (make test replays it)`);
}

/** @returns {number} how many have failed */
function runAll(targets, seconds) {
  let failed = 0;
  console.log('target        seconds       execs   edges  inputs  crashes');
  for (const target of targets) {
    const started = Date.now();
    const result = target === 'request' ? runRequest(seconds) : runC(target, seconds);
    const took = Math.round((Date.now() - started) / 1000);
    const columns = [String(took).padStart(7), String(result.execs).padStart(11), String(result.edges).padStart(7), String(result.inputs).padStart(7)];
    console.log(`${target.padEnd(13)} ${columns.join(' ')} ${result.crash === null ? '       0' : '       1'}`);
    if (result.crash === null) continue;
    failed += 1;
    explain(target, result);
  }
  return failed;
}

/** Seeds that somebody has named are kept: each is the input of a fault. */
const isNamed = (name) => !/^[0-9a-f]{12}$/.test(name);

/** As few inputs as cover all edges beside those that are named: by libFuzzer's counters every loop that ran once more would keep one. */
function minimise(target) {
  const [found, seeds, out] = [`${FOUND}/${target}`, `${SEEDS}/${target}`, `build/fuzz/merged/${target}`];
  fs.rmSync(path.join(ROOT, out), { recursive: true, force: true });
  for (const folder of [out, found, seeds]) makeFolder(folder);
  for (const name of filesIn(seeds).filter(isNamed)) fs.copyFileSync(path.join(ROOT, seeds, name), path.join(ROOT, out, name));
  const { status, output } = libFuzzer(target, ['-set_cover_merge=1', '-use_counters=0', '-use_cmp=0', `-max_len=${MOST_BYTES[target] ?? 4096}`, out, seeds, found]);
  if (status !== 0) fail(`the corpus of ${target} cannot be merged:\n${output}`);
  for (const name of filesIn(seeds)) if (!isNamed(name)) fs.rmSync(path.join(ROOT, seeds, name));
  for (const name of filesIn(out).filter((file) => /^[0-9a-f]{40}$/.test(file))) fs.copyFileSync(path.join(ROOT, out, name), path.join(ROOT, seeds, name.slice(0, 12)));
  console.log(`${target}: ${filesIn(seeds).length} files`);
}

function main(args) {
  const seconds = Number(args.find((arg) => arg.startsWith('--seconds='))?.split('=')[1] ?? 60);
  const chosen = args.filter((arg) => !arg.startsWith('--'));
  const unknown = chosen.find((name) => !TARGETS.includes(name));
  if (unknown) fail(`there is no target ${unknown}: ${TARGETS.join(', ')}`);
  if (!(seconds > 0)) fail('--seconds is a number above 0');
  const targets = chosen.length > 0 ? chosen : TARGETS;
  build(targets);
  if (args.includes('--minimise')) {
    for (const target of targets.filter((name) => C_TARGETS.includes(name))) minimise(target);
    return;
  }
  const failed = runAll(targets, seconds);
  console.log(`fuzz: ${targets.length} targets, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

main(process.argv.slice(2));
