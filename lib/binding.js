'use strict';

// binding.js - the only file that loads the native addon, and the only ear for
// its events: one native batch is dispatched here to who asked for its kind.

const path = require('node:path');

const { createError } = require('./errors');

const ROOT = path.join(__dirname, '..');

/** Where a build leaves the addon; the first that exists is taken. */
const CANDIDATES = [
  process.env.NATIVE_SSE_BINDING,
  path.join(ROOT, 'build', 'Release', 'native_sse.node'),
  path.join(ROOT, 'build', 'Debug', 'native_sse.node'),
].filter(Boolean);

function assertRuntime() {
  if (process.versions.bun !== undefined || process.versions.electron !== undefined) {
    const name = process.versions.bun !== undefined ? 'Bun' : 'Electron';
    throw createError(
      'ERR_SSE_UNSUPPORTED_RUNTIME',
      `native-sse needs the OpenSSL and libuv of Node.js, which ${name} does not offer to addons. Run it on Node.js 20 or newer.`,
      Error,
    );
  }
}

function load() {
  assertRuntime();
  const failures = [];
  for (const file of CANDIDATES) {
    try {
      return require(file);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') failures.push(`${file}: ${error.message}`);
    }
  }
  const { platform, arch, versions } = process;
  throw createError(
    'ERR_SSE_UNSUPPORTED_RUNTIME',
    `The native core of native-sse could not be loaded for ${platform}-${arch}, Node.js ${versions.node} ` +
      `(${failures.join('; ') || `nothing was built in ${path.join(ROOT, 'build')}`}). ` +
      'Run `npm rebuild native-sse` with a C compiler, python3 and the cJSON headers (Debian: libcjson-dev) installed.',
    Error,
  );
}

const addon = load();

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

module.exports = { ...addon, onEvent };
