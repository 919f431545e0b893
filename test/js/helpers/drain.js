'use strict';

// drain.js - starts helpers/drain-child.js and hears what it says.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { createInterface } = require('node:readline');

const { waitFor } = require('./wait');

class DrainChild {
  constructor(transport) {
    const file = path.join(__dirname, 'drain-child.js');
    this.process = spawn(process.execPath, [file, transport], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.lines = [];
    this.stderr = '';
    createInterface({ input: this.process.stdout }).on('line', (line) => this.lines.push(line));
    this.process.stderr.on('data', (text) => {
      this.stderr += text;
    });
    this.process.stdin.on('error', () => {});
    // 'close' and not 'exit': by then all that it said has been heard.
    this.exit = once(this.process, 'close');
  }

  /** Waits for a line that begins with `start` and answers the rest of it. */
  async says(start) {
    const find = () => this.lines.find((text) => text.startsWith(start));
    await waitFor(() => find() || this.process.exitCode !== null, `the child to say ${start}`);
    if (!find()) throw new Error(`it ended without saying ${start}: ${this.lines.join(' | ')} ${this.stderr}`);
    return find().slice(start.length + 1);
  }

  tell(command) {
    this.process.stdin.write(`${command}\n`);
  }
}

let children = [];

/** @param {'socket' | 'stream' | 'auto'} transport */
async function startDrainChild(transport) {
  const child = new DrainChild(transport);
  children.push(child);
  child.port = Number(await child.says('listening'));
  return child;
}

/** For afterEach. */
async function endDrainChildren() {
  const ended = children;
  children = [];
  for (const child of ended) if (child.process.exitCode === null) child.process.kill('SIGKILL');
  await Promise.all(ended.map(({ exit }) => exit));
}

module.exports = { startDrainChild, endDrainChildren };
