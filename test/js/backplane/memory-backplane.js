'use strict';

// memory-backplane.js - the smallest backplane: a log that servers of one process share. It shows what the interface of
// index.d.ts asks for, and stands in for others where a test needs a log that lags, lies or fails when it is told to.

/** What all nodes share. */
class SharedLog {
  constructor() {
    this.records = [];
    this.last = Date.now() * 1000;
    /** Below it nothing is known of any key. */
    this.birth = this.last;
    this.ids = new Map();
    this.tails = new Set();
    /** What publish and history reject with, while it is set. */
    this.failure = undefined;
    /** Reads of histories, by key. */
    this.reads = [];
  }

  append({ keys, payload, idempotencyKey }) {
    const known = this.ids.get(idempotencyKey);
    if (known !== undefined) return known;
    this.last = Math.max(this.last + 1, Date.now() * 1000);
    this.records.push({ id: this.last, keys, payload });
    if (idempotencyKey !== undefined) this.ids.set(idempotencyKey, this.last);
    for (const tail of this.tails) tail.deliver();
    return this.last;
  }
}

class MemoryBackplane {
  /**
   * @param {SharedLog} log
   * @param {{ length?: number, isHeld?: boolean }} [how] how many records a new node begins with; held: nothing is
   *   delivered until `release`
   */
  constructor(log, { length = Infinity, isHeld = false } = {}) {
    this._log = log;
    this._length = length;
    this.isHeld = isHeld;
    this.isClosed = false;
  }

  async publish(record) {
    if (this._log.failure) throw this._log.failure;
    return this._log.append(record);
  }

  tail(listener) {
    this._listener = listener;
    this._log.tails.add(this);
    if (!this.isHeld) queueMicrotask(() => this.release());
  }

  /** Begins, or goes on. */
  release() {
    this.isHeld = false;
    if (this._position === undefined) {
      const newest = this._log.records.slice(-this._length);
      const before = this._log.records.length - newest.length;
      this._position = before === 0 ? this._log.birth : this._log.records[before - 1].id;
      this._listener.start(this._position);
    }
    this.deliver();
  }

  hold() {
    this.isHeld = true;
  }

  deliver() {
    if (this.isHeld || this._position === undefined || this.isClosed) return;
    const records = this._log.records.filter(({ id }) => id > this._position).map(({ id, payload }) => ({ id, payload }));
    if (records.length > 0) {
      this._position = records.at(-1).id;
      this._listener.records(records);
    }
    this._listener.alive();
  }

  async history(key) {
    this._log.reads.push(key);
    await this.beforeHistory?.(key);
    if (this._log.failure) throw this._log.failure;
    const records = this._log.records.filter(({ keys }) => keys.includes(key)).map(({ id, payload }) => ({ id, payload }));
    await this.afterHistory?.(key);
    return { records, floor: this._log.birth };
  }

  async close() {
    this.isClosed = true;
    this._log.tails.delete(this);
  }
}

module.exports = { MemoryBackplane, SharedLog };
