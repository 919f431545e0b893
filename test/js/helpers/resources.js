'use strict';

// resources.js - what this process has open, as the kernel tells it.

const fs = require('node:fs');

const { waitFor } = require('./wait');

const FOLDERS = { fds: '/proc/self/fd', threads: '/proc/self/task' };

/** How many descriptors and threads there are; nothing is counted where there is no /proc. */
function resources() {
  const count = (folder) => (fs.existsSync(folder) ? fs.readdirSync(folder).length : 0);
  return { fds: count(FOLDERS.fds), threads: count(FOLDERS.threads) };
}

/** What each descriptor is: for the message of a leak. */
function openFiles() {
  return fs.readdirSync(FOLDERS.fds).flatMap((fd) => {
    try {
      return [`${fd}: ${fs.readlinkSync(`${FOLDERS.fds}/${fd}`)}`];
    } catch {
      return []; // the one that the folder was read through
    }
  });
}

/** Waits until no more is open than there was. */
function backAt(before) {
  const isBack = () => {
    const now = resources();
    return now.fds <= before.fds && now.threads <= before.threads;
  };
  return waitFor(isBack, () => `${JSON.stringify(before)}, not ${JSON.stringify(resources())}: ${openFiles().join(', ')}`);
}

module.exports = { resources, backAt };
