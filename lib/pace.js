'use strict';

// pace.js - lets so many requests go on in each turn of the event loop. When
// thousands of clients come back at once, Node parses their requests in one turn;
// doing all of our work in that turn too would double the time for which nothing
// else on the event loop runs.

// Not the global one: fake timers of a test would let nobody go on.
const { setImmediate } = require('node:timers');

/** About 3 ms of authorisation and handover. */
const PER_TURN = 32;

class Pace {
  constructor() {
    this._entered = 0;
    this._waiting = [];
    this._first = 0; // of those in _waiting who still wait
    this._isScheduled = false;
  }

  /** @returns {Promise<void> | undefined} what to wait for; undefined: go on at once */
  enter() {
    if (!this._isScheduled) {
      this._isScheduled = true;
      setImmediate(() => this._turn());
    }
    if (this._entered < PER_TURN && this._waiting.length === 0) {
      this._entered += 1;
      return undefined;
    }
    return new Promise((resolve) => {
      this._waiting.push(resolve);
    });
  }

  _turn() {
    const end = Math.min(this._first + PER_TURN, this._waiting.length);
    this._entered = end - this._first;
    for (; this._first < end; this._first++) this._waiting[this._first]();
    // Who went on is forgotten, at the end or when it is many.
    if (end === this._waiting.length || this._first > 1024) {
      this._waiting = this._waiting.slice(this._first);
      this._first = 0;
    }
    this._isScheduled = this._entered > 0;
    if (this._isScheduled) setImmediate(() => this._turn());
  }
}

/** One for the thread: servers share its event loop. */
module.exports = { pace: new Pace(), Pace, PER_TURN };
