'use strict';

// clock.js - a wall clock that can be stepped while a process runs: libfaketime, preloaded, reads its offset
// from a file at every look. The monotonic clock stays the kernel's.

const fs = require('node:fs');
const path = require('node:path');

const NAME = 'faketime/libfaketime.so.1';

/** Where Debian, Fedora, Alpine and others put it. */
function findFaketime() {
  if (process.platform !== 'linux') return null;
  const folders = ['/usr/lib', '/usr/lib64', '/usr/local/lib'];
  const multiarch = fs.readdirSync('/usr/lib').filter((name) => name.includes('-linux-')).map((name) => `/usr/lib/${name}`);
  return [...multiarch, ...folders].map((folder) => path.join(folder, NAME)).find((file) => fs.existsSync(file)) ?? null;
}

/** @param {string} file holds the offset; made here */
function clockEnvironment(file) {
  fs.writeFileSync(file, '+0\n');
  return {
    LD_PRELOAD: findFaketime(),
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1', // its newer name
  };
}

module.exports = { findFaketime, clockEnvironment };
