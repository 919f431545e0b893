'use strict';

// payload.js - the content of the events of a run, made of so little that whoever receives one can tell
// whether it is whole: a number, the key it was published to, and a size.

/** @param {{ n: number, key: string, size: number }} event */
function payloadOf({ n, key, size }) {
  return { n, key, size, pad: String.fromCharCode(97 + (n % 26)).repeat(size) };
}

/** @param {string} data as received @returns {{ n: number, key: string } | null} null for a broken one */
function readPayload(data) {
  try {
    const { n, key, size } = JSON.parse(data);
    return JSON.stringify(payloadOf({ n, key, size })) === data ? { n, key } : null;
  } catch {
    return null;
  }
}

/** A key names a channel (`c:news`) or a user (`u:alice`). */
const channelKey = (name) => `c:${name}`;
const userKey = (name) => `u:${name}`;

module.exports = { payloadOf, readPayload, channelKey, userKey };
