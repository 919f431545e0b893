'use strict';

// closing.js - the last event of a stream that the server ends: why, and whether
// coming back makes sense.

/** Seconds a client that was refused is asked to wait. */
const RETRY_AFTER = 5;

/**
 * @param {string} reason
 * @param {boolean} reconnect
 * @param {number} [retry] ms that an EventSource waits before it comes back
 * @returns {string} the frame
 */
function closing(reason, reconnect, retry) {
  const lines = retry === undefined ? '' : `retry: ${retry}\n`;
  return `${lines}event: closing\ndata: ${JSON.stringify({ reason, reconnect })}\n\n`;
}

module.exports = { closing, RETRY_AFTER };
