'use strict';

// history-file.js - what the writer of history.file tells: which events are safe, for those who wait for them, and
// that the file has failed.

const { createError } = require('./errors');

class HistoryFile {
  /**
   * @param {{ file: string, sync: number | 'always' }} history
   * @param {(error: Error) => void} onError once an incident
   */
  constructor({ file, sync }, onError) {
    this._file = file;
    this._waits = sync === 'always';
    this._onError = onError;
    /** @type {{ id: number, resolve: Function, reject: Function }[]} */
    this._waiting = [];
  }

  /** Somebody waits for an event to be safe. */
  get isAwaited() {
    return this._waiting.length > 0;
  }

  /**
   * @param {number} id of an event that was just published
   * @returns {Promise<number>} the id: at once, or with 'always' when it is safe. It may be ignored.
   */
  settled(id) {
    if (!this._waits) return Promise.resolve(id);
    const promise = new Promise((resolve, reject) => {
      this._waiting.push({ id, resolve, reject });
    });
    promise.catch(() => {});
    return promise;
  }

  /** News of the writer, as csrc/napi/history_file.c has them; ids of events, 0: none. */
  onStored(synced, failedFrom, failedTo, code, text) {
    if (code !== '') this._onError(this._error(code, text));
    // One that found no place in the queue has failed before those that still wait in it are written.
    this._waiting = this._waiting.filter(({ id, resolve, reject }) => {
      if (failedFrom <= id && id <= failedTo) reject(this._notStored());
      else if (id <= synced) resolve(id);
      else return true;
      return false;
    });
  }

  /** The writer has ended: nothing more will be told. */
  end() {
    for (const { reject } of this._waiting.splice(0)) reject(this._notStored());
  }

  _error(code, text) {
    return createError(
      code,
      `history.file ${this._file} cannot be written: ${text}. Events go on reaching the clients; those of this time ` +
        'will be missing after a restart, and clients are told so.',
      Error,
    );
  }

  _notStored() {
    return createError(
      'ERR_SSE_HISTORY_IO',
      `The event went to the clients, but it could not be written to history.file ${this._file}.`,
      Error,
    );
  }
}

module.exports = { HistoryFile };
