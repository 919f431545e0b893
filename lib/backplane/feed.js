'use strict';

// feed.js - a server's end of a backplane. What is published goes into the log and reaches the hubs, of this process
// too, only by way of the log's tail: every node sees one order. What a node's rings cannot know of the time before it
// came is read from the histories.

const { randomUUID } = require('node:crypto');

const { RETRY_AFTER } = require('../closing');
const { createError, httpError } = require('../errors');
const { CURSOR } = require('../request');
const { unavailable } = require('./outbox');
const { historyNames, encodeEvent, encodeOrder, decode } = require('./record');

/** Histories that are read at once. */
const MAX_READS = 64;
/** Keys that are known to have been read; past this it is forgotten of all, which costs only another read. */
const MAX_HYDRATED = 100_000;
/** How often a history is asked for where the tail has missed something meanwhile. */
const MAX_TRIES = 3;
/** Between two reports that a history could not be read. */
const QUIET_MS = 1000;
/** µs that a cursor may be ahead of all clocks and still be one that is waited for. */
const MAX_AHEAD = 60_000_000;

class Feed {
  /**
   * @param {import('../hub').Hub} hub not open yet
   * @param {object} options checked by lib/options.js
   * @param {{ onOrder: (order: object) => void, onError: (error: unknown) => void }} server
   */
  constructor(hub, options, { onOrder, onError }) {
    this._hub = hub;
    this._backplane = options.backplane;
    this._readyTimeout = options.readyTimeout;
    this._historySize = Math.max(options.history.size, ...Object.values(options.history.sizes ?? {}));
    this._onOrder = onOrder;
    this._onError = onError;
    this._name = randomUUID();
    /** Id of the last record, whatever it was. */
    this._position = 0;
    /** Below this no key without a ring is known, unless it is among those that were read. */
    this._floor = 0;
    this._hydrated = new Set();
    /** Histories on their way. @type {Map<string, { done: Promise<void>, since: object[] }>} */
    this._reads = new Map();
    this._running = 0;
    this._turns = [];
    /** Who waits for the tail. @type {Set<{ id: number, go: () => void }>} */
    this._waiters = new Set();
    this._published = 0;
    this._isOpen = false;
    this._aliveAt = -Infinity;
    this._isDown = false;
    this._unreadAt = -Infinity;
    this._closed = undefined;
    this._backplane.tail({
      start: (birth) => this._start(birth),
      records: (records) => this._take(records),
      gap: (floor) => this._gap(floor),
      alive: () => this._alive(),
      error: (error) => this._failed(error),
    }, { historySize: this._historySize, probeInterval: Math.max(10, Math.min(1000, Math.floor(options.readyTimeout / 4))) });
  }

  // ---- what the server asks for

  /**
   * @param {{ type: string, json: string }} event
   * @param {(number | string)[]} keys flat
   * @param {{ form?: number, idempotencyKey?: string }} [more]
   * @returns {Promise<number>} the id that the log has given
   */
  publish(event, keys, { form = 0, idempotencyKey } = {}) {
    const id = this._append({ keys: historyNames(keys), payload: encodeEvent(event, keys, form), idempotencyKey });
    return id.then((given) => {
      this._published += 1;
      return given;
    });
  }

  stats() {
    const stats = this._hub.stats();
    return { ...stats, events: { ...stats.events, published: this._published } };
  }

  /** Something to be done on every node, this one included, in the order of the log. */
  order(order) {
    return this._append({ keys: [], payload: encodeOrder(order) });
  }

  /** Something that was done here and is to be done on the others. */
  orderOthers(order) {
    return this.order({ ...order, from: this._name });
  }

  /** The log was read to its end, or on, not long ago. */
  get isReady() {
    return this._isOpen && !this._hub.isStopping && performance.now() - this._aliveAt <= this._readyTimeout;
  }

  /** @returns {Promise<void> | undefined} undefined when there is nothing to wait for; rejects with a 503 */
  whenReady() {
    if (this._isOpen) return undefined;
    return this._wait(0, this._readyTimeout).then(() => {
      if (!this._isOpen) throw httpError('ERR_SSE_NOT_READY', { retryAfter: RETRY_AFTER });
    });
  }

  /** @returns {Promise<void>} rejects when the log could not be read within readyTimeout */
  async ready() {
    if (!this._isOpen) await this._wait(0, this._readyTimeout);
    if (!this._isOpen) throw unavailable(`The log of the backplane could not be read within ${this._readyTimeout} ms.`, { cause: this._cause });
  }

  /**
   * Makes ready for a client that comes back, so that its verdict is as good as can be.
   * @param {(number | string)[]} keys flat
   * @param {{ kind: number, id: number }} cursor
   * @returns {Promise<void> | undefined} undefined when nothing is to be done. Never rejects
   */
  prepare(keys, cursor) {
    if (cursor.kind !== CURSOR.id) return undefined;
    const isAhead = cursor.id > this._position && cursor.id <= Math.max(this._position, Date.now() * 1000) + MAX_AHEAD;
    const isCold = cursor.id < this._floor && this._historySize > 0;
    const cold = isCold ? historyNames(keys).filter((name) => !this._hydrated.has(name)) : [];
    if (!isAhead && cold.length === 0) return undefined;
    const reads = cold.map((name) => this._hydrate(name, keys));
    if (isAhead) reads.push(this._wait(cursor.id, this._readyTimeout));
    return within(this._readyTimeout, Promise.all(reads));
  }

  close() {
    this._closed ??= this._close();
    return this._closed;
  }

  async _close() {
    for (const waiter of this._waiters) waiter.go();
    await this._backplane.close();
  }

  // ---- what the backplane tells

  _start(birth) {
    this._position = birth;
    this._floor = birth;
    if (!this._hub.isStopping) this._hub.open({ birth, newest: birth });
  }

  _take(records) {
    if (records.length === 0) return;
    let events = [];
    for (const record of records) {
      let found;
      try {
        found = decode(record);
      } catch (error) {
        this._ingest(events);
        events = [];
        this._onError(error);
        this._gap(record.id);
        continue;
      }
      if (found.event !== undefined) {
        events.push(found.event);
      } else {
        this._ingest(events);
        events = [];
        this._obey(found.order);
      }
    }
    this._ingest(events);
    this._moved(records.at(-1).id);
  }

  _ingest(events) {
    if (events.length === 0 || this._hub.isStopped) return;
    if (this._reads.size > 0) this._noteForReads(events);
    try {
      this._hub.ingest(events);
    } catch (error) {
      // Memory is out: all of them, or none.
      this._onError(error);
      this._gap(events.at(-1)[0]);
    }
  }

  _obey(order) {
    if (this._hub.isStopped) return;
    try {
      if (order.from !== this._name) this._onOrder(order);
    } catch (error) {
      this._onError(error);
    }
  }

  _gap(floor) {
    this._floor = Math.max(this._floor, floor);
    this._hydrated.clear();
    if (!this._hub.isStopped) this._hub.gap(floor);
    this._moved(floor);
  }

  _moved(position) {
    this._position = Math.max(this._position, position);
    for (const waiter of this._waiters) if (waiter.id <= this._position && this._isOpen) waiter.go();
  }

  _alive() {
    this._aliveAt = performance.now();
    this._isDown = false;
    if (this._isOpen) return;
    // The first time: what the log had was taken.
    this._isOpen = true;
    this._moved(this._position);
  }

  /** Once an outage. */
  _failed(cause) {
    this._cause = cause;
    if (this._isDown) return;
    this._isDown = true;
    this._onError(unavailable(`The log of the backplane cannot be read, and is tried again: ${cause?.message ?? cause}`, { cause }));
  }

  // ---- the rest

  _append(record) {
    if (this._hub.isStopped || this._closed !== undefined) {
      return Promise.reject(createError('ERR_SSE_STOPPED', 'The server was stopped; nothing was published.', Error));
    }
    return this._backplane.publish(record);
  }

  /** Waits until the tail has passed `id`, the log was taken for the first time, or the time is up. */
  _wait(id, ms) {
    return new Promise((resolve) => {
      const waiter = {
        id,
        go: () => {
          clearTimeout(timer);
          this._waiters.delete(waiter);
          resolve();
        },
      };
      const timer = setTimeout(waiter.go, ms);
      this._waiters.add(waiter);
    });
  }

  /** Reads the history of one of `keys` into the hubs, once for all who ask. */
  _hydrate(name, keys) {
    let read = this._reads.get(name);
    if (read === undefined) {
      const at = historyNames(keys).indexOf(name) * 3;
      read = { since: [], done: undefined };
      this._reads.set(name, read);
      read.done = this._read(name, keys.slice(at, at + 3), read).catch((error) => this._unread(error)).finally(() => {
        this._reads.delete(name);
      });
    }
    return read.done;
  }

  /** A storm of reconnects during an outage fails for one reason. */
  _unread(error) {
    if (performance.now() - this._unreadAt < QUIET_MS) return;
    this._unreadAt = performance.now();
    this._onError(error);
  }

  async _read(name, key, read) {
    if (this._running >= MAX_READS) {
      await new Promise((resolve) => {
        this._turns.push(resolve);
      });
    }
    this._running += 1;
    try {
      const { records, floor, isWhole } = await this._readWhole(name, read);
      if (this._hub.isStopped) return;
      // What the tail has not brought yet it will: an id above the newest would hide those between from who comes now.
      const known = records.filter(({ id }) => id <= this._position).map((record) => decode(record).event.slice(0, 4));
      const last = known.at(-1)?.[0] ?? 0;
      const since = read.since.filter(([id]) => id > last);
      // It must not take back what a gap has said.
      this._hub.hydrate(key, [...known, ...since], isWhole ? floor : Math.max(floor, this._floor));
      if (!isWhole) return;
      if (this._hydrated.size >= MAX_HYDRATED) this._hydrated.clear();
      this._hydrated.add(name);
    } finally {
      this._running -= 1;
      this._turns.shift()?.();
    }
  }

  /** Records that the tail has missed meanwhile may not be in a history that was asked for before: again. */
  async _readWhole(name, read) {
    for (let tries = 1; ; tries++) {
      const floorBefore = this._floor;
      read.since = [];
      const history = await this._backplane.history(name);
      const isWhole = floorBefore === this._floor;
      if (isWhole || tries === MAX_TRIES || this._hub.isStopped) return { ...history, isWhole };
    }
  }

  /** The hubs may forget a ring between its event and the end of a read that began before: the read has it too. */
  _noteForReads(events) {
    for (const event of events) {
      for (const name of historyNames(event[4])) this._reads.get(name)?.since.push(event.slice(0, 4));
    }
  }
}

function within(ms, promise) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return Promise.race([promise, late]).then(() => clearTimeout(timer));
}

module.exports = { Feed };
