'use strict';

// nodes.js - the test's side of processes that run node-process.js.

const { fork } = require('node:child_process');
const http = require('node:http');
const path = require('node:path');

const { waitFor } = require('../helpers/wait');

const PROGRAM = path.join(__dirname, 'node-process.js');

let nodes = [];

class Node {
  /** @param {import('node:child_process').ChildProcess} child */
  constructor(child) {
    this.process = child;
    this.errors = [];
    this.refused = [];
    this.output = '';
    this._answers = new Map();
    this._done = 0;
    this._number = 0;
    /** Told every event that has an id. @type {(event: { n: number, id: number }) => void} */
    this.onPublished = () => {};
    child.on('message', (message) => this._take(message?.node));
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text) => {
        this.output += text;
      });
    }
    child.on('exit', () => {
      this.hasEnded = true;
    });
  }

  _take(message) {
    if (message === undefined) return;
    const { port, published, refused, done, error, answer } = message;
    if (port !== undefined) this.port = port;
    if (published !== undefined) this.onPublished(published);
    if (refused !== undefined) this.refused.push(refused);
    if (done) this._done += 1;
    if (error !== undefined) this.errors.push(error);
    if (answer !== undefined) this._answers.get(answer.number)(answer);
  }

  tell(command, rest = {}) {
    this.process.send({ command, ...rest }, () => {});
  }

  /** Calls a method of its server. */
  call(name, ...args) {
    this._number += 1;
    const number = this._number;
    return new Promise((resolve, reject) => {
      this._answers.set(number, ({ value, error }) => {
        this._answers.delete(number);
        if (error === undefined) resolve(value);
        else reject(Object.assign(new Error(error.message), error));
      });
      this.tell('call', { name, args, number });
    });
  }

  /** Publishes as one publisher; `isDone` answers when so many have ended. */
  publish(events, pause) {
    this.tell('publish', { events, pause });
  }

  async isDone(publishers) {
    await waitFor(() => this._done >= publishers || this.hasEnded, () => `${publishers} publishers, not ${this._done}: ${this.errors} ${this.output}`);
  }

  async listens() {
    await waitFor(() => {
      if (this.hasEnded) throw new Error(`the node has ended: ${this.output}`);
      return this.port !== undefined;
    }, 'the node to listen');
  }

  /** @returns {Promise<{ status: number, body: string }>} of a GET */
  get(url) {
    return new Promise((resolve, reject) => {
      http.get({ host: '127.0.0.1', port: this.port, path: url, agent: false }, (res) => {
        let body = '';
        res.setEncoding('utf8').on('data', (text) => {
          body += text;
        }).on('end', () => resolve({ status: res.statusCode, body }));
      }).on('error', reject);
    });
  }

  async kill() {
    this.process.kill('SIGKILL');
    await waitFor(() => this.hasEnded, 'the node to end');
  }

  /** As it should end: by itself, after stop(). */
  async stop() {
    this.tell('stop');
    await waitFor(() => this.hasEnded, () => `the node to end by itself: ${this.errors} ${this.output}`);
  }
}

/**
 * @param {{ backplane: object, server?: object }} given see node-process.js
 * @param {object} [env]
 */
async function startNode(given, env = {}) {
  const child = fork(PROGRAM, { env: { ...process.env, ...env, SSE_TEST_NODE: JSON.stringify(given) }, silent: true });
  const node = new Node(child);
  nodes.push(node);
  await node.listens();
  return node;
}

/** For afterEach. */
async function endNodes() {
  const ended = nodes;
  nodes = [];
  await Promise.all(ended.filter(({ hasEnded }) => !hasEnded).map((node) => node.kill()));
}

module.exports = { Node, PROGRAM, startNode, endNodes };
