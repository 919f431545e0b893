'use strict';

// memory-log.js - a log and its histories in memory: what Redis keeps for redisBackplane, the primary of a cluster keeps
// here for its workers.

const { RecentIds } = require('./recent-ids');

const IDEMPOTENCY = { ttl: 600_000, most: 100_000 };
/** Histories; one more drops the one that was idle longest, and whoever asks for it is told that it may have had events. */
const MAX_HISTORIES = 100_000;
/** Of payloads (characters): of the log, and of one history. The newest record is kept whatever its size. */
const MAX_BYTES = { log: 64 * 1024 * 1024, history: 8 * 1024 * 1024 };

class MemoryLog {
  /** @param {{ maxLogLength: number, maxBytes?: { log: number, history: number } }} options */
  constructor({ maxLogLength, maxBytes = MAX_BYTES }) {
    this._maxBytes = maxBytes;
    this._maxLength = maxLogLength;
    /** @type {{ id: number, before: number, payload: string }[]} the first `_head` of them were dropped */
    this._entries = [];
    this._head = 0;
    /** Of those that were not dropped. */
    this._bytes = 0;
    /** Nothing was published before. */
    this._floor = Date.now() * 1000;
    this._last = this._floor;
    /** The longest idle first. @type {Map<string, { records: { id: number, payload: string }[], bytes: number, floor: number }>} */
    this._histories = new Map();
    this._recent = new RecentIds(IDEMPOTENCY);
    this._waiters = new Set();
  }

  /** Id of the last entry; at first of a moment before all. */
  get last() {
    return this._last;
  }

  /**
   * @param {{ keys: string[], payload: string, idempotencyKey?: string }} record
   * @param {number} historySize
   * @returns {number} its id
   */
  append({ keys, payload, idempotencyKey }, historySize) {
    const first = idempotencyKey === undefined ? undefined : this._recent.get(idempotencyKey);
    if (first !== undefined) return first;
    const id = Math.max(this._last + 1, Date.now() * 1000);
    for (const key of keys) this._keep(key, { id, payload }, historySize);
    this._entries.push({ id, before: this._last, payload });
    this._last = id;
    if (idempotencyKey !== undefined) this._recent.set(idempotencyKey, id);
    this._bytes += payload.length;
    while (this._entries.length - this._head > this._maxLength || (this._bytes > this._maxBytes.log && this._head < this._entries.length - 1)) {
      const { id: dropped, before, payload: text } = this._entries[this._head];
      this._bytes -= text.length;
      // Its place stays for a while, its text does not.
      this._entries[this._head] = { id: dropped, before, payload: '' };
      this._head += 1;
    }
    // Not one by one: that would move all the others each time.
    if (this._head > Math.min(this._maxLength, this._entries.length / 2)) {
      this._entries.splice(0, this._head);
      this._head = 0;
    }
    for (const wake of this._waiters) wake();
    return id;
  }

  _keep(key, record, historySize) {
    const history = this._histories.get(key) ?? { records: [], bytes: 0, floor: this._floor };
    this._histories.delete(key);
    this._histories.set(key, history);
    history.records.push(record);
    history.bytes += record.payload.length;
    while (history.records.length > historySize || (history.bytes > this._maxBytes.history && history.records.length > 1)) {
      const { id, payload } = history.records.shift();
      history.bytes -= payload.length;
      history.floor = id;
    }
    if (this._histories.size <= MAX_HISTORIES) return;
    const [idle, { records, floor }] = this._histories.entries().next().value;
    this._histories.delete(idle);
    this._floor = Math.max(this._floor, floor, records.at(-1)?.id ?? 0);
  }

  /** @returns {number} the id that came before the last `count` */
  before(count) {
    return this._entries[Math.max(this._head, this._entries.length - count)]?.before ?? this._last;
  }

  /** @returns {{ id: number, before: number, payload: string }[]} the first `count` after `position` */
  after(position, count) {
    let low = this._head;
    let high = this._entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this._entries[middle].id > position) high = middle;
      else low = middle + 1;
    }
    return this._entries.slice(low, low + count);
  }

  /** @returns {{ records: { id: number, payload: string }[], floor: number }} complete above the floor */
  history(key) {
    const { records, floor } = this._histories.get(key) ?? { records: [], floor: this._floor };
    return { records: [...records], floor };
  }

  /**
   * Calls back at every entry that is appended.
   * @param {() => void} wake
   * @returns {() => void} to hear no more
   */
  watch(wake) {
    this._waiters.add(wake);
    return () => this._waiters.delete(wake);
  }
}

module.exports = { MemoryLog };
