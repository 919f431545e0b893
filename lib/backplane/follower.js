'use strict';

// follower.js - reads a log from its tail on, without leaving a record out unnoticed: each says which id came before it.
// Where one is missing the listener is told of a gap. It goes on by itself when the log cannot be reached.

const { setTimeout: sleep } = require('node:timers/promises');

const MIN_BACKOFF = 50;
const MAX_BACKOFF = 2000;
const FIRST_RECORDS = 64;
const MAX_RECORDS = 512;
/** Of one answer; the next is asked for fewer records when it was more. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * A log as a follower sees it.
 * @typedef {object} Source
 * @property {(known: { position: number, wasOpen: boolean }) => Promise<number>} open joins the log; the id given last
 * @property {(count: number) => Promise<Entry[]>} newest ascending
 * @property {(position: number, count: number) => Promise<Entry[]>} after waits a while when there is none
 * @property {() => void} close ends what is under way; `open` may follow
 *
 * @typedef {{ id: number, before: number, payload: string | null }} Entry `payload` null: a mark, all before it may be incomplete
 */

class Follower {
  /**
   * @param {Source} source
   * @param {object} listener see BackplaneListener in index.d.ts
   * @param {number} startLength how many records to begin with
   */
  constructor(source, listener, startLength) {
    this._source = source;
    this._listener = listener;
    this._startLength = startLength;
    /** Id of the last entry read. */
    this.position = 0;
    this._hasStarted = false;
    this._wasOpen = false;
    this._isClosed = false;
    this._count = FIRST_RECORDS;
    this._aborter = new AbortController();
    this._done = this._run();
  }

  async close() {
    this._isClosed = true;
    this._aborter.abort();
    this._source.close();
    await this._done;
  }

  async _run() {
    let backoff = 0;
    while (!this._isClosed) {
      try {
        await this._join();
        backoff = 0;
        for (;;) {
          const entries = await this._source.after(this.position, this._count);
          if (this._isClosed) return;
          this._take(entries);
          this._adapt(entries);
          this._listener.alive();
        }
      } catch (error) {
        this._source.close();
        if (this._isClosed) return;
        this._listener.error(error);
      }
      backoff = Math.min(Math.max(backoff * 2, MIN_BACKOFF), MAX_BACKOFF);
      // Not all nodes at once.
      await sleep(backoff * (0.5 + Math.random() / 2), undefined, { signal: this._aborter.signal }).catch(() => {});
    }
  }

  async _join() {
    const last = await this._source.open({ position: this.position, wasOpen: this._wasOpen });
    this._wasOpen = true;
    if (this._hasStarted) return;
    const entries = await this._source.newest(this._startLength);
    if (this._isClosed) return;
    this._start(entries, last);
    this._listener.alive();
  }

  _start(entries, last) {
    this._hasStarted = true;
    const [oldest] = entries;
    const birth = oldest === undefined ? last : oldest.before || oldest.id - 1;
    this._listener.start(birth);
    this.position = oldest === undefined ? last : oldest.before;
    this._take(entries);
  }

  _take(entries) {
    let records = [];
    const flush = () => {
      if (records.length > 0) this._give(records);
      records = [];
    };
    for (const { id, before, payload } of entries) {
      if (before !== this.position) {
        flush();
        // What came before it was trimmed, or is lost with ids that nobody knows.
        this._listener.gap(before > this.position ? before : id - 1);
      }
      this.position = id;
      if (payload !== null) {
        records.push({ id, payload });
        continue;
      }
      flush();
      this._listener.gap(id);
    }
    flush();
  }

  /** Once only: what a listener throws at, it would throw at again, and some of it may be delivered. */
  _give(records) {
    try {
      this._listener.records(records);
    } catch (error) {
      this._listener.error(error);
      this._listener.gap(records.at(-1).id);
    }
  }

  _adapt(entries) {
    let bytes = 0;
    for (const { payload } of entries) bytes += payload?.length ?? 0;
    if (entries.length === 0) return;
    const fit = Math.floor(MAX_BYTES / Math.max(bytes / entries.length, 1));
    this._count = Math.max(1, Math.min(MAX_RECORDS, fit));
  }
}

module.exports = { Follower };
