// bench/build.js: compiles the C programs of the benchmark into build/bench/ when they are older than a source.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const OUT = path.join(__dirname, '..', 'build', 'bench');
const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Wshadow', '-Wconversion'];

const PROGRAMS = {
  loadgen: { sources: filesOf('loadgen') },
  floor: { sources: [path.join(__dirname, 'floor.c')] },
  // Optional: without Node's headers there is no figure for memory of malloc.
  'heap.node': { sources: [path.join(__dirname, 'heap.c')], isOptional: true, flags: addonFlags },
};

function filesOf(folder) {
  const dir = path.join(__dirname, folder);
  return fs.readdirSync(dir).map((name) => path.join(dir, name));
}

function addonFlags() {
  const prefixes = [path.dirname(path.dirname(process.execPath)), process.config.variables.node_prefix, '/usr'];
  const headers = prefixes.map((prefix) => path.join(prefix ?? '/', 'include', 'node'))
    .find((dir) => fs.existsSync(path.join(dir, 'node_api.h')));
  if (!headers) throw new Error('no node_api.h');
  return ['-fPIC', '-shared', `-I${headers}`];
}

/** @returns {string} where a program is */
function pathOf(name) {
  return path.join(OUT, name);
}

function compile(name, { sources, flags = () => [] }) {
  const target = pathOf(name);
  const built = fs.statSync(target, { throwIfNoEntry: false });
  if (built && sources.every((source) => fs.statSync(source).mtimeMs <= built.mtimeMs)) return;
  const inputs = sources.filter((source) => source.endsWith('.c'));
  execFileSync(process.env.CC || 'cc', [...FLAGS, ...flags(), '-o', target, ...inputs], { stdio: 'inherit' });
}

/** Compiles what is missing; says by name what could not be. */
function compileAll() {
  fs.mkdirSync(OUT, { recursive: true });
  for (const [name, program] of Object.entries(PROGRAMS)) {
    try {
      compile(name, program);
    } catch (error) {
      if (!program.isOptional) throw error;
      process.stderr.write(`bench: ${name} is left out: ${error.message}\n`);
    }
  }
}

module.exports = { compileAll, pathOf };
