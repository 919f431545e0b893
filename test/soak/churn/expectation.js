'use strict';

// expectation.js - what one subscriber must receive, from connection to connection. Every event says its number
// in its channel and the id of the one before it there, so that nothing else has to be known to see a loss.

class Expectation {
  constructor() {
    /** Channel -> the number of the last event that it got; without, its place is not known. */
    this._last = new Map();
    this._lastId = 0;
    this._cursor = null;
  }

  /** The id to come back with. */
  get lastEventId() {
    return this._lastId;
  }

  /** How far it got in a channel. */
  position(channel) {
    return this._last.get(channel);
  }

  /**
   * `connected` has come.
   * @param {{ sent: number | null, recovered: boolean, id: number | null }} hello `sent`: the id that it came back
   *   with; `id`: the id of `connected` itself
   * @returns {string | null} what is wrong
   */
  greeted({ sent, recovered, id }) {
    if (sent === null) {
      this._last.clear();
      this._cursor = id;
      this._lastId = id ?? 0;
      if (!recovered) return 'was told of a loss although it came without an id';
      return id === null ? 'came without an id and got no id to start from' : null;
    }
    // Told of a loss: the next numbers may be any above.
    this._cursor = recovered ? sent : null;
    this._isOpen = !recovered;
    if (!recovered) for (const [channel, n] of this._last) this._last.set(channel, { above: n.above ?? n });
    if (id !== null && id < this._lastId) return `starts at ${id} after ${this._lastId}`;
    if (id !== null) this._lastId = id;
    return null;
  }

  /**
   * An event has come.
   * @param {{ channel: string, n: number, before: number, id: number }} event `before`: the id of the one before it
   *   in the channel, 0 for the first
   * @returns {string | null} what is wrong
   */
  received({ channel, n, before, id }) {
    const last = this._last.get(channel);
    this._last.set(channel, n);
    if (id <= this._lastId) return `doubled: id ${id} after ${this._lastId}`;
    this._lastId = id;
    if (typeof last === 'number') {
      if (n <= last) return `doubled: ${channel} ${n} after ${last}`;
      return n === last + 1 ? null : `missed: ${channel} ${n} after ${last}`;
    }
    if (last !== undefined) return n > last.above ? null : `doubled: ${channel} ${n} after ${last.above}`;
    if (this._cursor !== null && before > this._cursor) return `missed: ${channel} ${n - 1}, id ${before}, after the cursor ${this._cursor}`;
    return null;
  }
}

module.exports = { Expectation };
