'use strict';

// cluster.js - clusterBackplane: the workers of one node:cluster share a log that their primary keeps in memory. Workers
// ask and the primary answers, over the channel that they have anyway; it pushes nothing, so that nothing piles up for a
// worker that is slow.

const cluster = require('node:cluster');

const { createError } = require('../errors');
const { clusterOptions, primaryOptions } = require('../options');
const { Follower } = require('./follower');
const { MemoryLog } = require('./memory-log');
const { Outbox, Unsent, unavailable } = require('./outbox');

/** The one member of our messages, among those of the app. */
const MARK = 'native-sse';
/** Time that an answer may take beyond what was asked for. */
const GRACE = 2000;

/** Of one answer at the start, and of all of them. */
const PAGE = 128;
const START_RECORDS = 10_000;

const HINT = 'Is clusterBackplane.setupPrimary() called in the primary? Under pm2, whose primary is its own, use redisBackplane.';

// ---- the primary

class Primary {
  constructor(options) {
    this._options = options;
    /** By prefix. @type {Map<string, MemoryLog>} */
    this._logs = new Map();
  }

  _log(prefix) {
    let log = this._logs.get(prefix);
    if (log === undefined) this._logs.set(prefix, log = new MemoryLog(this._options));
    return log;
  }

  /** @returns {unknown} what the worker asked for */
  answer([op, prefix, ...args]) {
    const log = this._log(prefix);
    if (op === 'join') return log.last;
    if (op === 'append') return args[0].map((record) => log.append(record, args[1]));
    if (op === 'before') return log.before(args[0]);
    if (op === 'after') return this._after(log, ...args);
    return log.history(args[0]);
  }

  /** Waits for `ms` while there is none. */
  async _after(log, position, count, ms) {
    if (log.last <= position) {
      await new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          forget();
          resolve();
        };
        const timer = setTimeout(done, ms);
        const forget = log.watch(() => setImmediate(done));
      });
    }
    return log.after(position, count);
  }
}

let primary;

function onWorkerMessage(worker, message) {
  const question = message?.[MARK];
  if (!Array.isArray(question)) return;
  const [number, ...rest] = question;
  Promise.resolve(primary.answer(rest)).then((value) => {
    // It may have died meanwhile.
    if (worker.isConnected()) worker.send({ [MARK]: [number, value] }, () => {});
  });
}

/**
 * To be called in the primary, before it forks.
 * @param {{ maxLogLength?: number }} [given]
 */
function setupPrimary(given) {
  const options = primaryOptions(given);
  if (!cluster.isPrimary) {
    throw createError('ERR_SSE_INVALID_ARG', 'clusterBackplane.setupPrimary() is for the primary of a cluster; this is a worker.');
  }
  if (primary === undefined) cluster.on('message', onWorkerMessage);
  primary ??= new Primary(options);
}

// ---- a worker

/** What this worker has asked its primary for and was not answered, by number. @type {Map<number, object>} */
const questions = new Map();
let lastNumber = 0;

function onPrimaryMessage(message) {
  const answer = message?.[MARK];
  if (!Array.isArray(answer)) return;
  const [number, value] = answer;
  questions.get(number)?.resolve(value);
}

function failAll() {
  for (const { reject } of questions.values()) reject(unavailable('The primary of the cluster is gone.'));
}

/**
 * With a limit of time, and an end from here. Whatever ends it, the question is forgotten then.
 * @param {number} ms
 * @param {AbortSignal | undefined} signal
 * @param {unknown[]} question
 */
function ask(ms, signal, question) {
  return new Promise((resolve, reject) => {
    if (questions.size === 0 && process.listeners('message').indexOf(onPrimaryMessage) === -1) {
      process.on('message', onPrimaryMessage);
      process.on('disconnect', failAll);
    }
    lastNumber += 1;
    const number = lastNumber;
    const settle = (end) => (value) => {
      questions.delete(number);
      clearTimeout(late);
      signal?.removeEventListener('abort', abort);
      end(value);
    };
    const refuse = settle(reject);
    const late = setTimeout(() => refuse(unavailable(`The primary of the cluster did not answer within ${ms} ms. ${HINT}`)), ms);
    const abort = () => refuse(unavailable('The cluster backplane was closed.'));
    signal?.addEventListener('abort', abort, { once: true });
    questions.set(number, { resolve: settle(resolve), reject: refuse });
    const failed = (error) => {
      if (error) questions.get(number)?.reject(unavailable('The primary of the cluster cannot be reached.', { cause: error }));
    };
    if (process.connected) process.send({ [MARK]: [number, ...question] }, failed);
    else failed(new Error('The channel is closed.'));
  });
}

class ClusterBackplane {
  constructor(options) {
    this._options = options;
    this._follower = undefined;
    this._historySize = 0;
    this._outbox = new Outbox(
      { timeout: options.publishTimeout, maxBytes: options.maxQueuedBytes, name: 'cluster backplane' },
      { transmit: (records) => this._append(records), onStall() {} },
    );
  }

  async _append(records) {
    try {
      return await this._send(records);
    } catch (error) {
      // Closed once, the channel is closed for good.
      if (!process.connected) this._outbox.isUp = false;
      throw error;
    }
  }

  _send(records) {
    if (!process.connected) throw new Unsent('The channel to the primary is closed.');
    const { prefix, publishTimeout } = this._options;
    return ask(publishTimeout, undefined, ['append', prefix, records, this._historySize]);
  }

  tail(listener, { historySize, probeInterval }) {
    if (this._follower !== undefined) {
      throw createError('ERR_SSE_INVALID_OPTION', 'This backplane has a server already. Make one for each, with a prefix of its own.');
    }
    const { prefix } = this._options;
    this._historySize = historySize;
    let aborter = new AbortController();
    const request = (ms, op, ...args) => ask(ms + GRACE, aborter.signal, [op, prefix, ...args]);
    const source = {
      open() {
        aborter = new AbortController();
        return request(0, 'join');
      },
      async newest(count) {
        const entries = [];
        let position = await request(0, 'before', count);
        for (let page = []; entries.length === 0 || page.length === PAGE; position = page.at(-1).id) {
          page = await request(0, 'after', position, PAGE, 0);
          entries.push(...page);
          if (page.length === 0) break;
        }
        return entries;
      },
      after: (position, count) => request(probeInterval, 'after', position, count, probeInterval),
      close: () => aborter.abort(),
    };
    this._follower = new Follower(source, listener, START_RECORDS);
    this._outbox.isUp = true;
  }

  publish(record) {
    return this._outbox.push(record);
  }

  history(key) {
    return ask(this._options.publishTimeout, undefined, ['history', this._options.prefix, key]);
  }

  async close() {
    await this._follower?.close();
    await this._outbox.close();
  }
}

/**
 * A backplane of the workers of one node:cluster. See index.d.ts.
 * @param {object} [given]
 */
function clusterBackplane(given) {
  const options = clusterOptions(given);
  if (!cluster.isWorker) {
    throw createError(
      'ERR_SSE_INVALID_OPTION',
      'clusterBackplane() is for the workers of node:cluster, and this process is none. For processes that are started otherwise use redisBackplane.',
    );
  }
  return new ClusterBackplane(options);
}

module.exports = { clusterBackplane: Object.assign(clusterBackplane, { setupPrimary }) };
