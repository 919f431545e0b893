'use strict';

// remote.js - functions in a process of their own, called by a test as if they were here: `Remote` in the test,
// `answer` in the process.

const { spawn } = require('node:child_process');
const { once } = require('node:events');

class Remote {
  /**
   * @param {string} file a module that calls `answer`
   * @param {string[]} [prefix] the command that is to start the process, such as `ip netns exec NAME`
   */
  constructor(file, prefix = []) {
    const [command, ...args] = [...prefix, process.execPath, '--expose-gc', file];
    this.output = '';
    this._calls = new Map();
    this._lastCall = 0;
    this.child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], serialization: 'advanced' });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (chunk) => (this.output += chunk));
    this.child.on('message', (message) => this._onAnswer(message));
    this._closed = once(this.child, 'close').catch((error) => (this.output += error.message));
    this._closed.then(() => this._onClosed());
  }

  _onAnswer({ call, value, error }) {
    const { resolve, reject } = this._calls.get(call);
    this._calls.delete(call);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  }

  _onClosed() {
    this.isClosed = true;
    for (const { reject } of this._calls.values()) reject(new Error(`the process has ended:\n${this.output}`));
    this._calls.clear();
  }

  /** @returns {Promise<unknown>} what the function answers there */
  call(name, ...args) {
    if (this.isClosed) return Promise.reject(new Error(`the process has ended before ${name}:\n${this.output}`));
    this._lastCall += 1;
    const call = this._lastCall;
    return new Promise((resolve, reject) => {
      this._calls.set(call, { resolve, reject });
      this.child.send({ call, name, args }, (error) => error && reject(error));
    });
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this._closed;
  }
}

/**
 * In the process: answers calls until the test has gone.
 * @param {Record<string, Function>} functions
 */
function answer(functions) {
  process.on('message', async ({ call, name, args }) => {
    try {
      process.send({ call, value: await functions[name](...args) });
    } catch (error) {
      process.send({ call, error: error.stack });
    }
  });
  process.on('disconnect', () => process.exit());
}

module.exports = { Remote, answer };
