'use strict';

// frames.js - reads an event stream of whole ASCII lines that end with LF, as this server writes them. Lean,
// since a run receives hundreds of megabytes; helpers/event-stream.js reads by the standard.

class Frames {
  /** @param {(frame: { comment?: string, type?: string, id?: string, data?: string }) => void} emit */
  constructor(emit) {
    this._emit = emit;
    this._rest = [];
    this._block = {};
  }

  /** @param {Buffer} bytes */
  push(bytes) {
    const text = bytes.toString('latin1');
    const end = text.lastIndexOf('\n');
    if (end === -1) {
      this._rest.push(text);
      return;
    }
    const lines = (this._rest.join('') + text.slice(0, end)).split('\n');
    this._rest = [text.slice(end + 1)];
    for (const line of lines) this._take(line);
  }

  _take(line) {
    if (line.startsWith(':')) {
      this._emit({ comment: line.slice(2) });
    } else if (line === '') {
      if (this._block.data !== undefined) this._emit(this._block);
      this._block = {};
    } else {
      const colon = line.indexOf(': ');
      const name = line.slice(0, colon);
      this._block[name === 'event' ? 'type' : name] = line.slice(colon + 2);
    }
  }
}

module.exports = { Frames };
