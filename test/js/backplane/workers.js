'use strict';

// workers.js - the test's side of a primary and its workers: each worker looks like a node of nodes.js.

const { EventEmitter } = require('node:events');
const { fork } = require('node:child_process');
const path = require('node:path');

const { waitFor } = require('../helpers/wait');
const { Node } = require('./nodes');

const PROGRAM = path.join(__dirname, 'cluster-primary.js');

let primaries = [];

class Primary {
  constructor(given) {
    this._given = given;
    this._forked = [];
    this._workers = new Map();
    this.process = fork(PROGRAM, { env: { ...process.env, SSE_TEST_NODE: JSON.stringify(given) }, silent: true });
    this.process.on('exit', () => {
      this.hasEnded = true;
    });
    this.output = '';
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (text) => {
        this.output += text;
      });
    }
    this.process.on('message', ({ forked, worker, node, hasEnded }) => {
      if (forked !== undefined) this._forked.push(forked);
      if (node !== undefined) this._worker(worker).emit('message', { node });
      if (hasEnded) this._worker(worker).emit('exit');
    });
  }

  /** What looks like a child process to a Node. */
  _worker(id) {
    let worker = this._workers.get(id);
    if (worker === undefined) {
      worker = Object.assign(new EventEmitter(), {
        send: (message) => this.process.send({ command: 'tell', worker: id, message }, () => {}),
        kill: () => this.process.send({ command: 'kill', worker: id }),
      });
      this._workers.set(id, worker);
    }
    return worker;
  }

  /** @returns {Promise<Node>} a worker that listens */
  async fork(env = {}) {
    const count = this._forked.length;
    this.process.send({ command: 'fork', env });
    await waitFor(() => this._forked.length > count, () => `the primary to fork: ${this.output}`);
    const node = new Node(this._worker(this._forked[count]));
    await node.listens();
    return node;
  }

  /** Of one that was started without. */
  setUp() {
    this.process.send({ command: 'setUp' });
  }

  async end() {
    this.process.kill('SIGKILL');
    await waitFor(() => this.hasEnded, 'the primary to end');
  }
}

/** @param {{ backplane: object, server?: object, primary?: object }} given see cluster-primary.js and node-process.js */
function startPrimary(given) {
  const primary = new Primary(given);
  primaries.push(primary);
  return primary;
}

/** For afterEach. */
async function endPrimaries() {
  const ended = primaries;
  primaries = [];
  await Promise.all(ended.map((primary) => primary.end()));
}

module.exports = { startPrimary, endPrimaries };
