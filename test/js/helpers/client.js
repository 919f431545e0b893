'use strict';

// client.js - an HTTP/1.1 and event-stream client over a bare socket: every byte of the head is seen,
// nothing is retried, and the connection is cut exactly as a test says.

const net = require('node:net');

const { EventStreamParser } = require('./event-stream');
const { LIMIT } = require('./wait');

/** Undoes `Transfer-Encoding: chunked`, fed piece by piece. */
class Dechunker {
  constructor() {
    this._rest = Buffer.alloc(0);
    this._left = -1; // bytes to come of the chunk under way, -1 between two
    this.isDone = false;
  }

  /** @param {Buffer} bytes @returns {Buffer} */
  push(bytes) {
    const out = [];
    this._rest = Buffer.concat([this._rest, bytes]);
    while (!this.isDone && this._step(out)) continue;
    return Buffer.concat(out);
  }

  _step(out) {
    if (this._left === -1) return this._readSize();
    const piece = this._rest.subarray(0, this._left);
    out.push(piece);
    this._rest = this._rest.subarray(piece.length);
    this._left -= piece.length;
    if (this._left > 0 || this._rest.length < 2) return false;
    this._rest = this._rest.subarray(2);
    this._left = -1;
    return true;
  }

  _readSize() {
    const end = this._rest.indexOf('\r\n');
    if (end === -1) return false;
    this._left = parseInt(this._rest.toString('latin1', 0, end), 16);
    if (Number.isNaN(this._left)) throw new Error('the chunked encoding is broken');
    this._rest = this._rest.subarray(end + 2);
    this.isDone = this._left === 0;
    return true;
  }
}

function parseHead(text) {
  const [statusLine, ...lines] = text.split('\r\n');
  const fields = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(statusLine.split(' ')[1]), fields, headers: Object.fromEntries(fields), text };
}

/** @param {object | [string, string][]} headers repeated ones as pairs */
function requestText({ method = 'GET', path, headers = {} }) {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost', ...pairs.map(([name, value]) => `${name}: ${value}`)];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

class Client {
  constructor(options) {
    this.items = [];
    this.body = '';
    this.error = null;
    this.isClosed = false;
    this.headInfo = null;
    this._consumed = 0;
    this._waiting = new Set();
    this._received = Buffer.alloc(0);
    this.parser = new EventStreamParser((item) => this.items.push(item));
    this.socket = net.connect(options.socketPath ? { path: options.socketPath } : { host: '127.0.0.1', port: options.port });
    this.socket.setNoDelay?.(true);
    this.socket.on('data', (bytes) => this._onData(bytes));
    this.socket.on('error', (error) => {
      this.error = error;
    });
    this.socket.on('close', () => {
      this.isClosed = true;
      this._changed();
    });
    this.socket.write(options.raw ?? requestText(options), 'latin1');
  }

  _onData(bytes) {
    if (this.headInfo === null) {
      this._received = Buffer.concat([this._received, bytes]);
      const end = this._received.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.headInfo = parseHead(this._received.toString('latin1', 0, end));
      if (/chunked/i.test(this.headInfo.headers['transfer-encoding'] ?? '')) this._dechunker = new Dechunker();
      bytes = this._received.subarray(end + 4);
    }
    const content = this._dechunker ? this._dechunker.push(bytes) : bytes;
    this.body += content.toString('utf8');
    this.parser.push(content);
    this._changed();
  }

  _changed() {
    for (const look of [...this._waiting]) look();
  }

  get events() {
    return this.items.filter(({ kind }) => kind === 'event');
  }

  /** Events without the server's own. */
  get published() {
    return this.events.filter(({ type }) => !['connected', 'closing', 'gap'].includes(type));
  }

  get comments() {
    return this.items.filter(({ kind }) => kind === 'comment').map(({ text }) => text);
  }

  get heartbeats() {
    return this.comments.filter((text) => text === 'heartbeat').length;
  }

  /**
   * Waits until `condition(client)` answers something truthy; fails at once when the connection ends before.
   * @template T
   * @param {(client: Client) => T} condition
   * @returns {Promise<T>}
   */
  until(condition) {
    return new Promise((resolve, reject) => {
      const finish = (settle, value) => {
        clearTimeout(timer);
        this._waiting.delete(look);
        settle(value);
      };
      const look = () => {
        const answer = condition(this);
        if (answer) finish(resolve, answer);
        else if (this.isClosed) finish(reject, this._problem('the connection ended before', condition));
      };
      const timer = setTimeout(() => finish(reject, this._problem(`waited ${LIMIT} ms in vain for`, condition)), LIMIT);
      this._waiting.add(look);
      look();
    });
  }

  _problem(what, condition) {
    const got = JSON.stringify({ head: this.headInfo?.text, body: this.body.slice(-2000), error: this.error?.message });
    return new Error(`${what}: ${condition}\ngot ${got}`);
  }

  /** @returns {Promise<{ status: number, headers: object, fields: [string, string][], text: string }>} */
  head() {
    return this.until(() => this.headInfo);
  }

  /**
   * The next event not asked for yet that fits; those in between are passed over.
   * @param {string | ((event: object) => boolean)} [wanted] a type, or a condition
   */
  async next(wanted = () => true) {
    const fits = typeof wanted === 'string' ? ({ type }) => type === wanted : wanted;
    const findNext = () => this.items.findIndex((item, i) => i >= this._consumed && item.kind === 'event' && fits(item)) + 1;
    this._consumed = await this.until(findNext);
    return this.items[this._consumed - 1];
  }

  /** The content of the `connected` event. */
  async connected() {
    const head = await this.head();
    if (head.status !== 200) throw this._problem('refused', () => 'connected');
    const event = await this.until(() => this.events[0]);
    if (event.type !== 'connected') throw this._problem('the first event is another one than', () => 'connected');
    return { ...JSON.parse(event.data), id: event.id };
  }

  /** Waits until `count` events have arrived and answers their data. */
  async data(count) {
    await this.until(() => this.published.length >= count);
    return this.published.map(({ data }) => JSON.parse(data));
  }

  /** Waits for the end of the connection. */
  closed() {
    return this.until(() => this.isClosed);
  }

  /** Goes away politely: a FIN. */
  end() {
    this.socket.end();
  }

  /** Goes away at once, whatever is still unread. */
  close() {
    this.socket.destroy();
  }

  /** Goes away with a reset. */
  reset() {
    this.socket.resetAndDestroy();
  }
}

/**
 * Opens a connection and sends one request.
 * @param {{ port?: number, socketPath?: string, method?: string, path: string, headers?: object, raw?: string }} options
 */
function connect(options) {
  return new Client(options);
}

module.exports = { connect, requestText, Dechunker };
