'use strict';

// event-stream.js - an independent reading of the WHATWG event stream format (HTML, section 9.2.6),
// for holding what the server sends against the standard instead of against its own encoder.

class EventStreamParser {
  /**
   * @param {(item: { kind: 'event' | 'comment' | 'retry' }) => void} emit an event has `type`, `data`,
   *   `lastEventId` as a browser would show them, and `id`, undefined when its block had none
   */
  constructor(emit) {
    this._emit = emit;
    this._decoder = new TextDecoder('utf-8'); // also drops one leading BOM, as the standard wants
    this._line = '';
    this._isAfterCr = false;
    this.lastEventId = '';
    this._idBuffer = '';
    this._startBlock();
  }

  /** @param {Uint8Array} bytes any piece of the stream, cut anywhere */
  push(bytes) {
    for (const character of this._decoder.decode(bytes, { stream: true })) this._take(character);
  }

  /** True when the bytes so far end between two blocks. */
  get isBetweenBlocks() {
    return this._line === '' && this._data === '' && this._type === '' && this._id === undefined;
  }

  _take(character) {
    const isSecondHalf = character === '\n' && this._isAfterCr;
    this._isAfterCr = character === '\r';
    if (isSecondHalf) return;
    if (character !== '\n' && character !== '\r') {
      this._line += character;
      return;
    }
    const line = this._line;
    this._line = '';
    this._interpret(line);
  }

  _interpret(line) {
    if (line === '') this._dispatch();
    else if (line.startsWith(':')) this._emit({ kind: 'comment', text: line.slice(1).replace(/^ /, '') });
    else this._field(...splitField(line));
  }

  _field(name, value) {
    if (name === 'event') this._type = value;
    else if (name === 'data') this._data += `${value}\n`;
    else if (name === 'id' && !value.includes('\0')) this._id = this._idBuffer = value;
    else if (name === 'retry' && /^[0-9]+$/.test(value)) this._emit({ kind: 'retry', ms: Number(value) });
  }

  _dispatch() {
    const { _type: type, _data: data, _id: id } = this;
    this._startBlock();
    this.lastEventId = this._idBuffer;
    if (data === '') return;
    this._emit({
      kind: 'event', type: type || 'message', data: data.slice(0, -1), id, lastEventId: this.lastEventId,
    });
  }

  _startBlock() {
    this._type = '';
    this._data = '';
    this._id = undefined;
  }
}

/** @param {string} line @returns {[string, string]} */
function splitField(line) {
  const colon = line.indexOf(':');
  if (colon === -1) return [line, ''];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(' ') ? value.slice(1) : value];
}

module.exports = { EventStreamParser };
