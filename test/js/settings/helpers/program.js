'use strict';

// program.js - a program of this repository in a process of its own, from its start to its end.

const { spawn } = require('node:child_process');
const { once } = require('node:events');

const { waitFor } = require('../../helpers/wait');

class Program {
  /** @param {string} command @param {string[]} args @param {import('node:child_process').SpawnOptions} options */
  constructor(command, args, options) {
    this.output = '';
    this.child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (chunk) => (this.output += chunk));
    this._closed = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
    this._closed.then(() => {
      this.isClosed = true;
    }, (error) => {
      this.output += error.message;
      this.isClosed = true;
    });
  }

  /** Waits until what it prints matches. */
  async prints(pattern) {
    let match;
    await waitFor(() => (match = pattern.exec(this.output)) || this.isClosed, () => `${pattern} in ${this.output}`);
    if (!match) throw new Error(`it ended without printing ${pattern}:\n${this.output}`);
    return match;
  }

  /** @param {NodeJS.Signals} [signal] sent first @returns {Promise<{ code: number | null, signal: string | null }>} */
  ends(signal) {
    if (signal !== undefined) this.child.kill(signal);
    return this._closed;
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this._closed.catch(() => {});
  }
}

module.exports = { Program };
