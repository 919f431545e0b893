'use strict';

// reporter.js - what is told to the process and not to a caller: errors of hooks,
// and a set-up that cannot work.

const cluster = require('node:cluster');

const { show } = require('./errors');

let hasWarnedOfCluster = false;

/** @param {string} who is made there */
function warnOfCluster(who) {
  if (!cluster.isWorker || hasWarnedOfCluster) return;
  hasWarnedOfCluster = true;
  process.emitWarning(
    `${who} runs in a cluster worker without a backplane: an event reaches only the clients of the worker ` +
      'that publishes it, and a client that reconnects may land on another one.',
    { type: 'SseWarning', code: 'SSE_WARN_CLUSTER' },
  );
}

/** What a hook threw may be anything, an object that throws when looked at included. */
function messageOf(thrown) {
  try {
    return String(thrown?.message ?? show(thrown));
  } catch {
    return 'something that cannot be shown was thrown';
  }
}

/**
 * Errors that no call can throw go to 'error' listeners; without one to a single warning.
 * @param {import('node:events').EventEmitter} emitter
 * @param {string} what begins the warning
 * @param {string} [code] of the warning
 */
function errorReporter(emitter, what, code = 'SSE_WARN_HOOK') {
  let hasWarned = false;
  const warn = (error) => {
    if (hasWarned) return;
    hasWarned = true;
    process.emitWarning(
      `${what}: ${messageOf(error).replace(/\.$/, '')}. Listen with on('error') to see all of them; this is said once.`,
      { type: 'SseWarning', code },
    );
  };
  // A listener that throws is the app's own uncaught exception, outside of ours.
  // Only then is it known whether there is one: the last may have left.
  return (error) => process.nextTick(() => {
    if (emitter.listenerCount('error') > 0) emitter.emit('error', error);
    else warn(error);
  });
}

/** The same for what the history file tells. */
const historyReporter = (emitter) => errorReporter(emitter, 'The history file failed', 'SSE_WARN_HISTORY');

module.exports = { errorReporter, historyReporter, warnOfCluster };
