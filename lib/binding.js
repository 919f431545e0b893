'use strict';

// binding.js - the only file that loads the native addon, and the only ear for
// its events: one native batch is dispatched here to who asked for its kind.
//
// The environment variable NATIVE_SSE_BINDING names another file to load: a build
// kept elsewhere, or one with sanitizers. Nothing is then looked for in its place.

const fs = require('node:fs');
const path = require('node:path');

const { createError } = require('./errors');

const BUILD = path.join(__dirname, '..', 'build');

/** Where a build leaves the addon; the first that is there is taken. */
const CANDIDATES = ['Release', 'Debug'].map((name) => path.join(BUILD, name, 'native_sse.node'));

/** Runtimes that load Node's addons, by what they call themselves in process.versions. */
const OTHER_RUNTIMES = { bun: 'Bun', deno: 'Deno', electron: 'Electron', nw: 'NW.js' };

const OLDEST_NODE = 20;

function unsupported(message, cause) {
  const error = createError('ERR_SSE_UNSUPPORTED_RUNTIME', message, Error);
  if (cause !== undefined) error.cause = cause;
  return error;
}

/**
 * Throws where the addon's symbols cannot all be there: it takes OpenSSL and libuv
 * from the program that loads it, and where one is another build of them, a call
 * into it would end the process instead of failing.
 */
function assertRuntime() {
  const { versions } = process;
  const other = Object.keys(OTHER_RUNTIMES).find((name) => versions[name] !== undefined);
  if (other !== undefined) {
    throw unsupported(
      `native-sse needs the OpenSSL and libuv of Node.js, which ${OTHER_RUNTIMES[other]} does not offer to addons. ` +
        `Run it on Node.js ${OLDEST_NODE} or newer.`,
    );
  }
  for (const [name, library] of [['openssl', 'OpenSSL'], ['uv', 'libuv']]) {
    if (versions[name] !== undefined) continue;
    throw unsupported(`native-sse needs ${library}, which this build of Node.js ${versions.node} is without. Run it on another build.`);
  }
  if (parseInt(versions.node, 10) < OLDEST_NODE) {
    throw unsupported(`native-sse needs Node.js ${OLDEST_NODE} or newer; this is ${versions.node}.`);
  }
}

/** What to do, for the end of a message. */
function fix(isChosen) {
  return isChosen
    ? 'NATIVE_SSE_BINDING names that file: correct it, or unset it to use the addon that was built on installation.'
    : 'Build it with `npm rebuild native-sse`; that takes a C compiler, make, python3, pkg-config and the cJSON headers ' +
      '(Debian, Ubuntu: gcc make python3 pkg-config libcjson-dev).';
}

function load() {
  assertRuntime();
  const chosen = process.env.NATIVE_SSE_BINDING;
  const candidates = chosen ? [path.resolve(chosen)] : CANDIDATES;
  const { platform, arch, versions } = process;
  const where = `The native core of native-sse cannot be loaded on ${platform}-${arch} with Node.js ${versions.node}`;
  const file = candidates.find((name) => fs.existsSync(name));
  if (file === undefined) {
    const searched = chosen ? `there is no ${candidates[0]}` : `there is no native_sse.node in ${path.dirname(CANDIDATES[0])}`;
    throw unsupported(`${where}: ${searched}. ${fix(chosen)}`);
  }
  const loaded = { exports: {} };
  try {
    // Not require: of a file that another copy of the package has loaded it would answer that copy's exports, and
    // only one of the two would hear its events.
    process.dlopen(loaded, file);
  } catch (cause) {
    // A loader's message names the file more often than not, but not always.
    const reason = cause.message.includes(file) ? cause.message : `${file}: ${cause.message}`;
    throw unsupported(`${where}: ${reason}. ${fix(chosen)}`, cause);
  }
  if (typeof loaded.exports.onEvents !== 'function') throw unsupported(`${where}: ${file} is another addon. ${fix(chosen)}`);
  return { addon: loaded.exports, file };
}

const { addon, file } = load();

/** @type {Map<string, (...args: any[]) => void>} */
const listeners = new Map();

addon.onEvents((batch) => {
  for (const [kind, ...args] of batch) {
    try {
      listeners.get(kind)(...args);
    } catch (error) {
      // One bad event must not take the rest of its batch along.
      process.nextTick(() => {
        throw error;
      });
    }
  }
});

/**
 * Sets who hears one kind of native event. One listener a kind.
 * @param {'disconnected' | 'stopped' | 'verified'} kind
 * @param {(...args: any[]) => void} listener
 */
function onEvent(kind, listener) {
  listeners.set(kind, listener);
}

module.exports = { ...addon, file, onEvent };
