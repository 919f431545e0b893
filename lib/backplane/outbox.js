'use strict';

// outbox.js - what was published and has no id yet: bounded in bytes and in time, sent in order and in batches. A record
// of which nobody knows whether it arrived is sent again only with an idempotency key.

const { createError } = require('../errors');

const BATCH_RECORDS = 64;
const BATCH_BYTES = 256 * 1024;
/** Batches on their way at once: more would only be smaller ones. */
const MAX_BATCHES = 4;
/** Between a loss and the next attempt, unless the connection is opened anew first. */
const MIN_PAUSE = 50;
const MAX_PAUSE = 2000;
/** Of a record, besides its texts. */
const OVERHEAD = 100;

/**
 * @param {string} what
 * @param {{ maybePublished?: boolean, cause?: unknown }} more `maybePublished`: the event may have been published all the same
 */
function unavailable(what, { maybePublished = false, cause } = {}) {
  const error = createError('ERR_SSE_BACKPLANE_UNAVAILABLE', what, Error);
  error.maybePublished = maybePublished;
  if (cause !== undefined) error.cause = cause;
  return error;
}

/** What `transmit` rejects with when it is certain that none of the records arrived: all of them are sent again. */
class Unsent extends Error {}

const sizeOf = ({ payload, keys }) => OVERHEAD + payload.length + keys.reduce((sum, key) => sum + key.length + payload.length, 0);

class Outbox {
  /**
   * @param {{ timeout: number, maxBytes: number, name: string }} limits `name` is how the backplane is called in messages
   * @param {{ transmit: (records: object[]) => Promise<(number | Error)[]>, onStall: () => void }} wire `transmit` answers
   *   for each record its id, or why it was refused; it rejects when the connection broke, with an Unsent when nothing
   *   of them arrived. `onStall`: a record has waited for `timeout` on the wire.
   */
  constructor({ timeout, maxBytes, name }, { transmit, onStall }) {
    this._timeout = timeout;
    this._maxBytes = maxBytes;
    this._name = name;
    this._transmit = transmit;
    this._onStall = onStall;
    /** Not settled, the oldest first. @type {Set<object>} */
    this._entries = new Set();
    /** Not on the wire, in order. @type {object[]} */
    this._waiting = [];
    this._bytes = 0;
    this._batches = 0;
    this._isUp = false;
    this._isScheduled = false;
    this._isClosed = false;
    this._timer = undefined;
    this._pause = 0;
    this._pauseTimer = undefined;
    this._onEmpty = undefined;
  }

  /**
   * @param {{ keys: string[], payload: string, idempotencyKey?: string }} record
   * @returns {Promise<number>} its id
   */
  push(record) {
    if (this._isClosed) return Promise.reject(unavailable(`The ${this._name} was closed; nothing was published.`));
    const bytes = sizeOf(record);
    if (this._entries.size > 0 && this._bytes + bytes > this._maxBytes) {
      return Promise.reject(createError(
        'ERR_SSE_BACKPLANE_FULL',
        `More than ${this._maxBytes} bytes wait for the ${this._name}; nothing was published. Publish slower, or raise maxQueuedBytes.`,
        Error,
      ));
    }
    return new Promise((resolve, reject) => {
      const entry = { record, bytes, resolve, reject, sends: 0, deadline: performance.now() + this._timeout };
      this._entries.add(entry);
      this._bytes += bytes;
      this._waiting.push(entry);
      this._timer ??= setTimeout(() => this._expire(), this._timeout);
      this._schedule();
    });
  }

  /** The connection is there, or it is not. */
  set isUp(isUp) {
    this._isUp = isUp;
    if (!isUp) return;
    this._endPause();
    this._schedule();
  }

  /** Takes nothing more. @returns {Promise<void>} once all is settled, by time at the latest */
  close() {
    this._isClosed = true;
    if (this._entries.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this._onEmpty = resolve;
    });
  }

  get _canSend() {
    return this._isUp && this._pauseTimer === undefined;
  }

  /** After everything that is published in this tick. */
  _schedule() {
    if (this._isScheduled || !this._canSend || this._waiting.length === 0) return;
    this._isScheduled = true;
    process.nextTick(() => {
      this._isScheduled = false;
      while (this._canSend && this._batches < MAX_BATCHES && this._waiting.length > 0) this._sendBatch();
    });
  }

  _sendBatch() {
    let bytes = 0;
    let n = 0;
    while (n < this._waiting.length && n < BATCH_RECORDS && (n === 0 || bytes + this._waiting[n].bytes <= BATCH_BYTES)) {
      bytes += this._waiting[n].bytes;
      n += 1;
    }
    const batch = this._waiting.splice(0, n);
    for (const entry of batch) entry.sends += 1;
    this._batches += 1;
    this._transmit(batch.map(({ record }) => record)).then(
      (answers) => {
        this._pause = 0;
        batch.forEach((entry, i) => this._answer(entry, answers[i]));
      },
      (error) => this._lost(batch, error),
    ).finally(() => {
      this._batches -= 1;
      this._schedule();
    });
  }

  _answer(entry, answer) {
    if (!(answer instanceof Error)) {
      this._settle(entry, entry.resolve, answer);
      return;
    }
    const error = createError('ERR_SSE_BACKPLANE_REFUSED', `The ${this._name} refused the event: ${answer.message}`, Error);
    error.cause = answer;
    this._settle(entry, entry.reject, error);
  }

  _lost(batch, cause) {
    const again = [];
    const isUnsent = cause instanceof Unsent;
    for (const entry of batch) {
      if (!this._entries.has(entry)) continue;
      if (isUnsent) entry.sends -= 1;
      if (isUnsent || entry.record.idempotencyKey !== undefined) {
        again.push(entry);
        continue;
      }
      this._settle(entry, entry.reject, unavailable(
        `The connection to the ${this._name} broke before it answered: the event may have been published. ` +
          'With an idempotencyKey it would have been sent again.',
        { maybePublished: true, cause },
      ));
    }
    // Those that were lost are older than those that wait, and batches are lost in order.
    const position = this._waiting.findIndex(({ deadline }) => again.length > 0 && deadline > again[0].deadline);
    this._waiting.splice(position === -1 ? this._waiting.length : position, 0, ...again);
    this._beginPause();
  }

  /** Not at once: a wire that fails at once would leave no turn to anything else. */
  _beginPause() {
    if (this._waiting.length === 0 || this._pauseTimer !== undefined) return;
    this._pause = Math.min(Math.max(this._pause * 2, MIN_PAUSE), MAX_PAUSE);
    this._pauseTimer = setTimeout(() => {
      this._endPause();
      this._schedule();
    }, this._pause);
  }

  _endPause() {
    clearTimeout(this._pauseTimer);
    this._pauseTimer = undefined;
  }

  _settle(entry, settle, value) {
    if (!this._entries.delete(entry)) return;
    this._bytes -= entry.bytes;
    settle(value);
    if (this._entries.size > 0) return;
    clearTimeout(this._timer);
    this._timer = undefined;
    this._endPause();
    this._onEmpty?.();
  }

  /** All have the same time, so the oldest comes first. */
  _expire() {
    this._timer = undefined;
    const now = performance.now();
    let isStalled = false;
    const expired = new Set();
    for (const entry of this._entries) {
      if (entry.deadline > now) {
        this._timer = setTimeout(() => this._expire(), entry.deadline - now);
        break;
      }
      expired.add(entry);
    }
    this._waiting = this._waiting.filter((entry) => !expired.has(entry));
    for (const entry of expired) {
      const wasSent = entry.sends > 0;
      isStalled ||= wasSent;
      this._settle(entry, entry.reject, unavailable(
        `The ${this._name} did not answer within ${this._timeout} ms${wasSent ? ': the event may have been published.' : '; nothing was published.'}`,
        { maybePublished: wasSent },
      ));
    }
    if (isStalled) this._onStall();
  }
}

module.exports = { Outbox, Unsent, unavailable };
