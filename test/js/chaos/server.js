'use strict';

// server.js - starts server-process.js and asks it for things.

const { fork } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { clockEnvironment } = require('./clock');

/**
 * glibc keeps what was freed: with these fixed thresholds big blocks go back to the system at once, so that
 * the process's memory can be compared with what it was.
 */
const MALLOC = { MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_ARENA_MAX: '2' };

/** V8 gives back the pages of its young generation some 10 s after the last collection; so let it be small. */
const NODE = ['--expose-gc', '--max-semi-space-size=2'];

/** For an answer. */
const LIMIT = 45_000;

class ServerProcess {
  /** @param {{ hasClock: boolean }} settings */
  constructor({ hasClock }) {
    this._folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-chaos-'));
    const clock = hasClock ? clockEnvironment(path.join(this._folder, 'clock')) : {};
    this._waiting = new Map();
    this._last = 0;
    this.stderr = '';
    this._process = fork(path.join(__dirname, 'server-process.js'), {
      // 'advanced' knows Infinity.
      serialization: 'advanced', execArgv: NODE, env: { ...process.env, ...MALLOC, ...clock }, stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this._process.stderr.on('data', (text) => {
      this.stderr += text;
    });
    this._process.on('message', (answer) => this._answered(answer));
    this._ended = new Promise((resolve) => {
      this._process.on('exit', (code, signal) => {
        this._fail(`the server process ended: ${signal ?? code}\n${this.stderr}`);
        resolve();
      });
    });
  }

  /** @returns {Promise<any>} rejects when there is no answer for long, as of a stop() that never ends */
  ask(name, argument) {
    const number = ++this._last;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name} is not answered`)), LIMIT);
      const done = (settle) => (value) => {
        clearTimeout(timer);
        settle(value);
      };
      this._waiting.set(number, { resolve: done(resolve), reject: done(reject) });
      if (this._process.connected) this._process.send({ number, name, argument });
      else this._fail(`the server process has ended\n${this.stderr}`);
    });
  }

  _answered({ number, value, error }) {
    const { resolve, reject } = this._waiting.get(number);
    this._waiting.delete(number);
    if (error === undefined) resolve(value);
    else reject(new Error(`in the server process: ${error}`));
  }

  _fail(text) {
    for (const { reject } of this._waiting.values()) reject(new Error(text));
    this._waiting.clear();
  }

  async end() {
    if (this._process.connected) this._process.disconnect();
    await this._ended;
    fs.rmSync(this._folder, { recursive: true, force: true });
  }
}

module.exports = { ServerProcess };
