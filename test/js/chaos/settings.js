'use strict';

// settings.js - what a run is about: the server's options, the transport and the names in use.

/** A channel has the name of a user: neither may hear of the other's events. */
const CHANNELS = ['news', 'sport', 'weather', 'bulk', 'alice'];
const USERS = ['alice', 'bob', 'carol', 'dave'];

/** A wire, and the transport that the server must choose for it. */
const LINES = [
  { wire: 'http1', transport: 'socket' },
  { wire: 'http1', transport: 'stream' },
  { wire: 'tls', transport: 'auto' },
  { wire: 'http2', transport: 'auto' },
];

/**
 * Histories that lose events: small ones, ones that expire, and too few of them. The last two are never
 * mixed: which history is the longest idle would then be a matter of timing, and no oracle could tell.
 */
const HISTORIES = [
  { history: { size: 0 } },
  { history: { size: 1 } },
  { history: { size: 3 } },
  { history: { size: 10 }, maxChannels: 1 },
  { history: { size: 20 }, maxChannels: 3 },
  { history: { size: 20, ttl: 50 } },
  { history: { size: 1000, ttl: 400 } },
  { history: { size: 100 } },
];

/**
 * @param {import('./random').Random} random
 * @param {{ line?: number, history?: number, hasClock?: boolean }} [fixed] what is not left to chance
 */
function settingsOf(random, fixed = {}) {
  const line = LINES[random.integer(0, LINES.length - 1)];
  const history = HISTORIES[random.integer(0, HISTORIES.length - 1)];
  const { wire, transport } = fixed.line === undefined ? line : LINES[fixed.line];
  return {
    wire,
    hasClock: fixed.hasClock ?? random.chance(0.3),
    options: {
      transport,
      ...(fixed.history === undefined ? history : HISTORIES[fixed.history]),
      threads: random.integer(1, 2),
      heartbeatInterval: random.pick([0, 40, 150]),
      maxConnectionAge: random.pick([Infinity, Infinity, 700]),
      maxQueuedBytes: random.pick([128, 256, 512]) * 1024,
      refusal: random.pick(['status', 'soft']),
    },
  };
}

module.exports = { CHANNELS, USERS, LINES, HISTORIES, settingsOf };
