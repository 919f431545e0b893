#!/usr/bin/env node
// tools/build.js - builds the addon, and is the package's install script.
//
//   node tools/build.js [--werror] [--debug] [--sanitize=address|thread|coverage] [--force]
//
// A build that is current is left alone: nothing is newer than the .node file,
// and Node's version and the flags are those of the stamp beside it. Outputs:
//   build/Release/native_sse.node, build/Debug/native_sse.node (--debug)
//   build/<address|thread|coverage>/build/Release/native_sse.node (--sanitize), made
//   in a folder of its own so that it never replaces the plain build.
// It needs no dependency: node-gyp is the one npm brings.
'use strict';

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '..');
const PACKAGES = {
  compiler: { debian: 'gcc', alpine: 'gcc musl-dev', macos: 'Xcode command line tools (xcode-select --install)' },
  make: { debian: 'make', alpine: 'make', macos: 'Xcode command line tools (xcode-select --install)' },
  python3: { debian: 'python3', alpine: 'python3', macos: 'python (Homebrew)' },
  'pkg-config': { debian: 'pkg-config', alpine: 'pkgconf', macos: 'pkgconf (Homebrew)' },
  cJSON: { debian: 'libcjson-dev', alpine: 'cjson-dev', macos: 'cjson (Homebrew)' },
};

function fail(message) {
  console.error(`native-sse: ${message}`);
  process.exit(1);
}

function failMissing(name) {
  const p = PACKAGES[name];
  fail(`cannot build the addon: ${name} is missing. Install it (Debian, Ubuntu: ${p.debian}; Alpine: ${p.alpine}; macOS: ${p.macos}).`);
}

function parseArgs(args) {
  const options = { werror: process.env.SSE_WERROR === '1', debug: false, sanitize: '', force: false };
  for (const arg of args) {
    const sanitize = /^--sanitize=(address|thread|coverage)$/.exec(arg);
    if (sanitize) options.sanitize = sanitize[1];
    else if (arg === '--werror') options.werror = true;
    else if (arg === '--debug') options.debug = true;
    else if (arg === '--force') options.force = true;
    else fail(`tools/build.js: unknown argument ${arg}`);
  }
  return options;
}

function runs(command, args) {
  const result = spawnSync(command, args, { stdio: 'ignore' });
  return !result.error && result.status === 0;
}

function checkTools() {
  if (process.platform === 'win32') {
    fail('cannot build the addon: Windows is not supported yet (see docs).');
  }
  const compiler = (process.env.CC || 'cc').split(/\s+/)[0];
  if (!runs(compiler, ['--version']) && !runs('gcc', ['--version'])) failMissing('compiler');
  if (!runs('make', ['--version'])) failMissing('make');
  if (!runs(process.env.PYTHON || process.env.npm_config_python || 'python3', ['--version'])) failMissing('python3');
  if (!runs('pkg-config', ['--version'])) failMissing('pkg-config');
  if (!runs('pkg-config', ['--exists', 'libcjson'])) failMissing('cJSON');
}

/** The newest modification time among the build's inputs. */
function newestInput() {
  let newest = 0;
  const visit = (file) => {
    const stat = fs.statSync(file);
    if (stat.isDirectory()) {
      for (const name of fs.readdirSync(file)) visit(path.join(file, name));
    } else if (/\.(c|h|gyp|js)$/.test(file)) {
      newest = Math.max(newest, stat.mtimeMs);
    }
  };
  for (const name of ['csrc', 'binding.gyp', 'tools/build.js']) visit(path.join(ROOT, name));
  return newest;
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** `inputs` is from before that build: an edit made during it counts as newer. */
function isCurrent(target, stampFile, wanted) {
  const stamp = readJson(stampFile);
  if (!stamp || !fs.existsSync(target)) return false;
  return Object.keys(wanted).every((key) => stamp[key] === wanted[key]);
}

/** node-gyp: the one npm names, else ours, else the one inside npm beside Node. */
function findNodeGyp() {
  const prefix = path.dirname(path.dirname(fs.realpathSync(process.execPath)));
  const inNpm = 'node_modules/npm/node_modules/node-gyp/bin/node-gyp.js';
  const candidates = [
    process.env.npm_config_node_gyp,
    path.join(ROOT, 'node_modules/node-gyp/bin/node-gyp.js'),
    process.env.npm_execpath && path.join(path.dirname(process.env.npm_execpath), '../node_modules/node-gyp/bin/node-gyp.js'),
    path.join(prefix, 'lib', inNpm),
    path.join('/usr/share/nodejs', 'node-gyp/bin/node-gyp.js'),
  ];
  const found = candidates.find((file) => file && fs.existsSync(file));
  if (!found) fail('cannot build the addon: node-gyp was not found. Install npm, or run `npm install --no-save node-gyp`.');
  return found;
}

/** Headers that came with this Node; without them node-gyp downloads its own. */
function nodeDir() {
  const prefix = path.dirname(path.dirname(fs.realpathSync(process.execPath)));
  return fs.existsSync(path.join(prefix, 'include/node/node_api.h')) ? prefix : null;
}

/** node-gyp always writes to `build/` in its directory: a variant gets one of its own. */
function variantDirectory(sanitize) {
  const directory = path.join(ROOT, 'build', sanitize);
  fs.mkdirSync(directory, { recursive: true });
  fs.copyFileSync(path.join(ROOT, 'binding.gyp'), path.join(directory, 'binding.gyp'));
  fs.writeFileSync(path.join(directory, 'package.json'), '{}\n');
  const link = path.join(directory, 'csrc');
  fs.rmSync(link, { force: true });
  fs.symlinkSync('../../csrc', link);
  return directory;
}

function main() {
  const options = parseArgs(process.argv.slice(2));
  const configuration = options.debug ? 'Debug' : 'Release';
  const directory = options.sanitize ? path.join(ROOT, 'build', options.sanitize) : ROOT;
  const target = path.join(directory, 'build', configuration, 'native_sse.node');
  const stampFile = path.join(directory, 'build', `${configuration}.stamp.json`);
  // A tree that was built with -Werror stays so: flags that change rebuild it all.
  options.werror ||= readJson(stampFile)?.werror === true;
  const wanted = {
    node: process.version,
    arch: process.arch,
    sanitize: options.sanitize,
    werror: options.werror,
    sqlite: runs('pkg-config', ['--exists', 'sqlite3']),
    inputs: newestInput(),
  };
  if (!options.force && isCurrent(target, stampFile, wanted)) return;

  checkTools();
  if (options.sanitize) variantDirectory(options.sanitize);
  const args = [findNodeGyp(), 'configure', 'build', `--directory=${directory}`, '--loglevel=error'];
  args.push('--jobs=max', options.debug ? '--debug' : '--release');
  const headers = nodeDir();
  if (headers) args.push(`--nodedir=${headers}`);
  args.push(`--sse_werror=${options.werror ? 1 : 0}`);
  if (options.sanitize) args.push(`--sse_sanitize=${options.sanitize}`);

  fs.rmSync(target, { force: true });
  const result = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  if (result.error) fail(`cannot run node-gyp: ${result.error.message}`);
  if (result.status !== 0) fail('the addon did not build; the messages above say why.');
  fs.writeFileSync(stampFile, JSON.stringify(wanted) + '\n');
}

main();
