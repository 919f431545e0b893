'use strict';

// cut-line.js - a TCP line between a node and its Redis that a test cuts and mends.

const net = require('node:net');

/** Characters that are kept of what was sent. */
const MAX_SENT = 4096;

let lines = [];

class CutLine {
  constructor(target) {
    this._target = target;
    this._pairs = new Set();
    /** '' | 'silent': nothing passes, and nobody is told | 'closed': connections end, and new ones are refused */
    this._cut = '';
    this._server = net.createServer((near) => this._connect(near));
  }

  get url() {
    return `redis://127.0.0.1:${this._server.address().port}`;
  }

  listen() {
    return new Promise((resolve) => {
      this._server.listen(0, '127.0.0.1', resolve);
    });
  }

  _connect(near) {
    near.on('error', () => {});
    if (this._cut === 'closed') {
      near.destroy();
      return;
    }
    const far = net.connect(this._target, '127.0.0.1');
    const pair = { near, far, sent: '' };
    const end = () => {
      near.destroy();
      far.destroy();
      this._pairs.delete(pair);
    };
    far.on('error', () => {});
    near.on('close', end);
    far.on('close', end);
    near.on('data', (bytes) => {
      pair.sent = (pair.sent + bytes.toString('latin1')).slice(-MAX_SENT);
      far.write(bytes);
    });
    far.on('data', (bytes) => near.write(bytes));
    this._pairs.add(pair);
    if (this._cut === 'silent') this._hold(pair);
  }

  _hold({ near, far }) {
    near.pause();
    far.pause();
  }

  /** @param {'silent' | 'closed'} how */
  cut(how) {
    this._cut = how;
    for (const pair of this._pairs) {
      if (how === 'silent') this._hold(pair);
      else pair.near.destroy();
    }
  }

  /**
   * From now on it leads elsewhere; what is connected stays where it is.
   * @param {number} target
   */
  leadTo(target) {
    this._target = target;
  }

  /** @param {(sent: string) => boolean} isOne of what was sent last over a connection: whether it is to end */
  cutThose(isOne) {
    for (const { near, sent } of this._pairs) if (isOne(sent)) near.destroy();
  }

  /** What was held passes. */
  mend() {
    this._cut = '';
    for (const { near, far } of this._pairs) {
      near.resume();
      far.resume();
    }
  }

  end() {
    for (const { near } of this._pairs) near.destroy();
    return new Promise((resolve) => {
      this._server.close(resolve);
    });
  }
}

/** @param {number} target port on this machine */
async function startLine(target) {
  const line = new CutLine(target);
  lines.push(line);
  await line.listen();
  return line;
}

/** For afterEach. */
async function endLines() {
  const ended = lines;
  lines = [];
  await Promise.all(ended.map((line) => line.end()));
}

module.exports = { startLine, endLines };
