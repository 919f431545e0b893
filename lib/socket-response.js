'use strict';

// socket-response.js - what `client.res` is for a connection the core owns: a
// Writable whose bytes go through the core, in order with its events.

const { Writable } = require('node:stream');

class SocketResponse extends Writable {
  /**
   * @param {(chunk: Buffer) => boolean} send false when the client is gone
   * @param {() => void} end closes after what was sent
   */
  constructor(send, end) {
    super({ decodeStrings: true });
    this._send = send;
    this._end = end;
    // A write after the end is a matter of the peer's timing: told to whoever
    // listens, never an uncaught exception.
    this.on('error', () => {});
  }

  _write(chunk, encoding, callback) {
    // A peer that went away is told by 'close', as on a real response.
    this._send(chunk);
    callback();
  }

  _final(callback) {
    this._end();
    callback();
  }

  _destroy(error, callback) {
    this._end();
    callback(error);
  }

  /** The connection has ended: emits 'close'. */
  closed_() {
    this._end = () => {};
    this.destroy();
  }
}

module.exports = { SocketResponse };
