'use strict';

// wait.js - waiting for conditions, with a limit that only a fault reaches.

/** Generous: a loaded machine must not fail a test. Below mocha's own, to say what was awaited. */
const LIMIT = 15_000;
const POLL = 2;

/**
 * Waits until `condition` answers something truthy.
 * @template T
 * @param {() => T | Promise<T>} condition
 * @param {string | (() => string)} [what] for the message
 * @returns {Promise<T>}
 */
async function waitFor(condition, what = condition.toString()) {
  const end = Date.now() + LIMIT;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${LIMIT} ms in vain for: ${typeof what === 'function' ? what() : what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, POLL);
    });
  }
}

/** Lets everything that is due by now happen: promises, ticks and one turn of the event loop. */
async function turn() {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** A promise with its two ends, for hooks that a test lets go when it wants. */
function gate() {
  let open;
  let fail;
  const opened = new Promise((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  opened.catch(() => {});
  return { opened, open, fail };
}

module.exports = { LIMIT, waitFor, turn, gate };
