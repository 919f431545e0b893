'use strict';

// drain.js - how the clients of a server that stops are sent away: in waves, and
// each told to come back at a time of its own, when this process has gone.

const WAVE_MS = 100;

/** The least time over which those who were sent away come back. */
const MIN_SPREAD_MS = 5000;

/** A process needs this long to be gone for certain. */
const MARGIN_MS = 1000;

/**
 * @param {number} left ms until the process goes
 * @param {number} spread ms
 * @returns {number} a `retry:`, in ms
 */
function drawRetry(left, spread) {
  return Math.ceil(left) + MARGIN_MS + Math.floor(Math.random() * spread);
}

class Drain {
  /**
   * @param {{ handles: () => number[], isEmpty: () => boolean, end: (handle: number, retry: number) => void,
   *   done: () => void }} clients `done` is called once: when the time is up, or all have gone before
   */
  constructor(clients) {
    this._clients = clients;
    this._endsAt = Infinity;
    this._spread = MIN_SPREAD_MS;
    this._isDone = false;
    /** Told to go, and maybe still there: one that does not read has to be waited for. */
    this._told = new Set();
  }

  /** Gives the clients so long; a later call may only shorten it. */
  within(ms) {
    const endsAt = performance.now() + ms;
    if (this._isDone || endsAt >= this._endsAt) return;
    this._endsAt = endsAt;
    this._spread = Math.max(ms, MIN_SPREAD_MS);
    this._wave();
  }

  /** To be called when a client has gone. */
  check() {
    if (this._clients.isEmpty()) this._finish();
  }

  _finish() {
    if (this._isDone) return;
    this._isDone = true;
    clearTimeout(this._timer);
    this._clients.done();
  }

  _wave() {
    clearTimeout(this._timer);
    const left = Math.max(0, this._endsAt - performance.now());
    const untold = this._clients.handles().filter((handle) => !this._told.has(handle));
    const waves = Math.max(1, Math.ceil(left / WAVE_MS));
    const count = Math.ceil(untold.length / waves);
    for (const handle of untold.slice(0, count)) {
      this._told.add(handle);
      this._clients.end(handle, drawRetry(left, this._spread));
    }
    if (left === 0) this._finish();
    // What was ended may have shortened the time, or been the last of all.
    if (this._isDone) return;
    clearTimeout(this._timer);
    // A few clients have no wave each: they get longer pauses.
    const pause = Math.max(WAVE_MS, left / (untold.length - count + 1));
    this._timer = setTimeout(() => this._wave(), Math.min(pause, left));
    this.check();
  }
}

module.exports = { Drain };
