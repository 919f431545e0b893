'use strict';

// program.js - the tests' end of child.js and worker.js, and the states that a program with a server can be in
// when its end comes.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const path = require('node:path');
const { createInterface } = require('node:readline');

const { TRANSPORTS, adopt } = require('./app');
const { connect } = require('./client');
const { waitFor } = require('./wait');

const CHILD = path.join(__dirname, 'child.js');
const WORKER = path.join(__dirname, 'worker.js');

let programs = [];

/** A subscribe request to a server on this machine. */
function subscribe(port, { token = 'alice', channels = ['a'] } = {}) {
  const query = new URLSearchParams(channels.map((name) => ['channel', name]));
  return adopt(connect({ port, path: `/?${query}`, headers: { Authorization: `Bearer ${token}`, Connection: 'close' } }));
}

class Program {
  /** @param {{ transport?: string, inWorker?: boolean }} [how] */
  constructor({ transport = 'auto', inWorker = false } = {}) {
    const args = ['--expose-gc', inWorker ? WORKER : CHILD, transport];
    this.process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.lines = [];
    this.stderr = '';
    createInterface({ input: this.process.stdout }).on('line', (line) => this.lines.push(line));
    this.process.stderr.on('data', (text) => {
      this.stderr += text;
    });
    this.process.stdin.on('error', () => {});
    // Not 'exit': what it said last may still be on its way then.
    this.process.on('close', (code, signal) => {
      this.end = { code, signal };
    });
  }

  tell(command) {
    this.process.stdin.write(`${command}\n`);
  }

  /** Waits for a line that begins with `start` and answers the rest of it. */
  async says(start) {
    const line = await waitFor(() => {
      const found = this.lines.find((text) => text.startsWith(start));
      if (!found && this.end) throw new Error(`it ended without saying ${start}: ${this.lines.join(' | ')} ${this.stderr}`);
      return found;
    }, () => `the program to say ${start}: ${this.lines.join(' | ')} ${this.stderr}`);
    return line.slice(start.length + 1);
  }

  /** Has it make its server. */
  async create() {
    this.tell('create');
    this.port = Number(await this.says('listening'));
  }

  /** Sends a subscribe request and waits for nothing. */
  subscribe(what) {
    return subscribe(this.port, what);
  }

  async open(what) {
    const client = this.subscribe(what);
    await client.connected();
    return client;
  }

  /** Waits for its end, which must be this one, with nothing on stderr but what `expected` fits. */
  async ends(code, signal, expected = /^$/) {
    await waitFor(() => this.end, () => `the program to end, which said: ${this.lines.join(' | ')} ${this.stderr}`);
    assert.deepEqual(this.end, { code, signal }, `${this.lines.join(' | ')} ${this.stderr}`);
    assert.match(this.stderr, expected);
  }
}

/** Starts a program that `endPrograms` looks after. */
function start(how) {
  const program = new Program(how);
  programs.push(program);
  return program;
}

/** For afterEach: what a test has left running. */
async function endPrograms() {
  const started = programs;
  programs = [];
  for (const { end, process } of started) if (!end) process.kill('SIGKILL');
  await waitFor(() => started.every(({ end }) => end), 'the programs to end');
}

/**
 * The states that a program can be in when its end comes. Each function brings one about, and answers its
 * clients: those that read, the one that does not, the one whose hook has not answered.
 * @type {Record<string, (program: Program, drainMs: number) => Promise<{ readers?: object[], stuck?: object, waiting?: object }>>}
 */
const STATES = {
  async loaded(program) {
    program.tell('ping');
    await program.says('pong');
    return {};
  },

  async started(program) {
    await program.create();
    return {};
  },

  async connecting(program) {
    await program.create();
    const waiting = program.subscribe({ token: 'waiting' });
    await program.says('asked');
    return { waiting };
  },

  async connected(program) {
    await program.create();
    return { readers: [await program.open()] };
  },

  async streaming(program) {
    await program.create();
    const [stuck, ...readers] = await Promise.all([
      program.open({ channels: ['a', 'flood'] }), program.open(), program.open(), program.open(),
    ]);
    stuck.socket.pause();
    program.tell('flood');
    await program.says('flooded');
    program.tell('stream');
    await Promise.all(readers.map((client) => client.data(10)));
    return { readers, stuck };
  },

  async draining(program, drainMs) {
    const clients = await STATES.streaming(program);
    program.tell(`stop ${drainMs}`);
    await program.says('stopping');
    return clients;
  },

  async stopped(program) {
    const { readers } = await STATES.connected(program);
    program.tell('stop');
    await program.says('stopped');
    await readers[0].closed();
    return {};
  },
};

/** Those of them in which there is a connection, and so a transport. */
const CONNECTED_STATES = ['connecting', 'connected', 'streaming', 'draining'];

/** Waits until the connections of all clients have ended, that of the one that did not read too. */
async function allClosed({ readers = [], stuck, waiting }) {
  // What it would be sent now is not looked at.
  stuck?.socket.removeAllListeners('data').resume();
  await Promise.all([...readers, stuck, waiting].map((client) => client?.closed()));
}

/** As the browsers' users leave. */
function leave({ readers = [], stuck, waiting }) {
  for (const client of [...readers, waiting]) client?.end();
  stuck?.close();
}

/** Declares one test a state, and where there is a connection one a transport. */
function inEachState(run) {
  for (const [state, enter] of Object.entries(STATES)) {
    const transports = CONNECTED_STATES.includes(state) ? TRANSPORTS : ['socket'];
    for (const transport of transports) {
      const title = transports.length > 1 ? `${state} (${transport})` : state;
      it(title, () => run({ state, transport, enter }));
    }
  }
}

module.exports = { Program, start, endPrograms, subscribe, STATES, inEachState, allClosed, leave };
