'use strict';

// redis.js - redisBackplane: the log is a Redis Stream, ids are given by one script, and each key has a history stream of
// its own for nodes that were not there. Two connections: one reads the log, the other does all else.

const { createError } = require('../errors');
const { redisOptions } = require('../options');
const { Follower } = require('./follower');
const { Outbox, Unsent, unavailable } = require('./outbox');
const { redisConnector, isReplyError } = require('./redis-connection');
const scripts = require('./redis-scripts');

/** Time that an answer may take beyond what was asked for. */
const GRACE = 2000;
/** How often it is asked whether the log is still the one that it was. */
const JOIN_INTERVAL = 10_000;
/** Of one question at the start, and of all answers to it: what is older than that a node reads from histories. */
const PAGE = 128;
const START_RECORDS = 10_000;
const START_BYTES = 64 * 1024 * 1024;
/** Of a history: of the first question, of one, and of all answers to them, the newest first. */
const FIRST_HISTORY_PAGE = 16;
const MAX_HISTORY_PAGE = 512;
const HISTORY_BYTES = 8 * 1024 * 1024;
const MIN_BACKOFF = 50;
const MAX_BACKOFF = 2000;

/** Refusals that say that the connection leads to the wrong server, or to one that is not there yet. */
const ELSEWHERE = /^!?-?(READONLY|MASTERDOWN|LOADING)/;

/** @param {string} text `<id>-0` */
const idOf = (text) => Number.parseInt(text, 10);

/** @param {[string, string[]][]} reply of XRANGE: its entries are [id, [name, value, …]] */
function entriesOf(reply) {
  return reply.map(([id, [, before, name, value]]) => ({ id: idOf(id), before: Number(before), payload: name === 'p' ? value : null }));
}

/** A reply of XINFO. */
function infoOf(reply) {
  const info = new Map();
  for (let i = 0; i < reply.length; i += 2) info.set(reply[i], reply[i + 1]);
  return info;
}

class RedisBackplane {
  /** @param {object} options checked */
  constructor(options) {
    this._options = options;
    const tag = `{${options.prefix}}`;
    this._keys = { seq: `${tag}:seq`, log: `${tag}:log`, run: `${tag}:run`, floor: `${tag}:floor`, ttl: `${tag}:ttl` };
    this._historyKey = (key) => `${tag}:h:${key}`;
    this._idempotencyKey = (key) => `${tag}:i:${key}`;
    this._connect = redisConnector(options, this._keys.log);
    /** @type {import('./redis-connection').RedisConnection | undefined} */
    this._writer = undefined;
    this._opening = undefined;
    this._retry = undefined;
    this._backoff = 0;
    /** The last answer was that of a wrong server: it is not asked again at once. */
    this._wasElsewhere = false;
    /** Of the servers that both connections lead to, as far as they are known. */
    this._runs = { writer: undefined, tail: undefined };
    this._aborter = new AbortController();
    this._follower = undefined;
    this._historySize = 0;
    this._outbox = new Outbox(
      { timeout: options.publishTimeout, maxBytes: options.maxQueuedBytes, name: 'Redis backplane' },
      { transmit: (records) => this._append(records), onStall: () => this._writer?.close() },
    );
  }

  tail(listener, { historySize, probeInterval }) {
    if (this._follower !== undefined) {
      throw createError('ERR_SSE_INVALID_OPTION', 'This backplane has a server already. Make one for each, with a prefix of its own.');
    }
    this._historySize = historySize;
    this._listener = listener;
    this._log = new RedisLog(this, probeInterval);
    this._follower = new Follower(this._log, listener, Math.min(this._options.maxLogLength, START_RECORDS));
    this._openWriter();
  }

  publish(record) {
    return this._outbox.push(record);
  }

  async history(key) {
    const writer = this._writer;
    if (writer === undefined) throw unavailable('The Redis backplane is not connected.');
    const [found] = await this._within(writer, this._options.publishTimeout, [this._readHistory(writer, this._historyKey(key))]);
    return found;
  }

  async _readHistory(writer, stream) {
    // In this order: what is trimmed or lost in between makes the floor higher than it need be, never lower.
    const records = await this._newestOf(writer, stream);
    const [info, floor, [seconds, micros]] = await Promise.all([
      writer.send(['XINFO', 'STREAM', stream]).catch((error) => {
        if (isReplyError(error)) return null;
        throw error;
      }),
      writer.send(['GET', this._keys.floor]),
      writer.send(['TIME']),
    ]);
    const now = Number(seconds) * 1e6 + Number(micros);
    // Without its floor the log is not the one that it was.
    const lost = floor === null ? now : Number(floor);
    return { records, floor: Math.max(lost, this._historyFloor(records, info, now)) };
  }

  /** @returns {Promise<{ id: number, payload: string }[]>} ascending, HISTORY_BYTES and the rest of a record at most */
  async _newestOf(writer, stream) {
    const records = [];
    let end = '+';
    let count = FIRST_HISTORY_PAGE;
    let bytes = 0;
    for (;;) {
      const page = await writer.send(['XREVRANGE', stream, end, '-', 'COUNT', String(count)]);
      for (const [id, [, payload]] of page) {
        records.push({ id: idOf(id), payload });
        bytes += payload.length;
        if (bytes >= HISTORY_BYTES) return records.reverse();
      }
      if (page.length < count) return records.reverse();
      end = `(${page.at(-1)[0]}`;
      // As many as fit if they are like the others, which older ones need not be.
      const fit = Math.ceil((HISTORY_BYTES - bytes) / (bytes / records.length));
      count = Math.min(fit, 2 * count, MAX_HISTORY_PAGE);
    }
  }

  /** Ids of a key at or below which its stream says nothing. */
  _historyFloor(records, info, now) {
    const ttl = this._options.historyTtl * 1000;
    // Had there been an event within its ttl, the stream would be there.
    if (records.length === 0) return info === null ? now - ttl : now;
    if (info === null) return records.at(-1).id;
    if (Number(infoOf(info).get('entries-added')) === records.length) return records[0].id - ttl;
    // One was cut off or not read, with an id that is not known; all after the oldest one that is left are there.
    return records[0].id - 1;
  }

  async close() {
    const isDone = this._outbox.close();
    await this._follower?.close();
    await isDone;
    this._aborter.abort();
    clearTimeout(this._retry);
    this._writer?.close();
    await this._opening;
  }

  /** Rejects, and gives the connection up, when an answer takes too long: what is cut without a word never ends. */
  _within(connection, ms, promises) {
    let timer;
    const late = new Promise((resolve, reject) => {
      timer = setTimeout(() => {
        connection.close();
        reject(unavailable(`Redis did not answer within ${ms} ms.`));
      }, ms);
    });
    return Promise.race([Promise.all(promises), late]).finally(() => clearTimeout(timer));
  }

  // ---- what is written

  _openWriter() {
    let opened;
    const closed = () => {
      if (opened === undefined || opened === this._writer) this._writerClosed();
    };
    this._opening = this._connect(closed, this._aborter.signal).then(async (connection) => {
      opened = connection;
      this._writer = connection;
      const run = await this._runOf(connection);
      await this._load(connection, scripts.append);
      if (!connection.isOpen) return;
      this._runs.writer = run;
      if (this._leadApart()) {
        // Nobody knows which of them is late.
        this._log.leave();
        connection.close();
        return;
      }
      if (!this._wasElsewhere) this._backoff = 0;
      this._outbox.isUp = true;
    }).catch(() => {
      if (opened === undefined) this._writerClosed();
      else opened.close();
    });
  }

  /** @returns {Promise<string | undefined>} which run of which server a connection leads to; undefined where that is not told */
  async _runOf(connection) {
    const [info] = await this._within(connection, GRACE, [connection.send(['INFO', 'server']).catch((error) => {
      if (isReplyError(error)) return '';
      throw error;
    })]);
    return /run_id:(\w+)/.exec(String(info))?.[1];
  }

  /** Before it is needed: of batches that are under way when it is not there, later ones could overtake. */
  async _load(connection, { text }) {
    await this._within(connection, GRACE, [connection.send(['SCRIPT', 'LOAD', text]).catch((error) => {
      // Without the right to do so it is loaded by the first EVAL.
      if (!isReplyError(error)) throw error;
    })]);
  }

  _leadApart() {
    const { writer, tail } = this._runs;
    return writer !== undefined && tail !== undefined && writer !== tail;
  }

  /** The tail has joined on this connection: what is written has to go to the same server. */
  async _checkRuns(tail, isAgain) {
    this._runs.tail = await this._runOf(tail);
    const writer = this._writer;
    if (writer === undefined) return;
    if (this._runs.tail === undefined) {
      if (isAgain) writer.close();
      return;
    }
    // One that is being opened compares by itself.
    if (!this._leadApart()) return;
    writer.close();
    // The tail may be the one that is late.
    if (!isAgain) throw unavailable('The connections to Redis led to different servers.');
  }

  _writerClosed() {
    this._writer = undefined;
    this._runs.writer = undefined;
    this._outbox.isUp = false;
    if (this._aborter.signal.aborted || this._retry !== undefined) return;
    this._backoff = Math.min(Math.max(this._backoff * 2, MIN_BACKOFF), MAX_BACKOFF);
    this._retry = setTimeout(() => {
      this._retry = undefined;
      this._openWriter();
    }, this._backoff * (0.5 + Math.random() / 2));
  }

  async _append(records) {
    const { maxLogLength, historyTtl, idempotencyTtl } = this._options;
    const keys = [this._keys.seq, this._keys.log];
    const position = this._follower?.position ?? 0;
    // One more than a ring holds: the oldest says whether anything was cut.
    const args = [maxLogLength, this._historySize + 1, historyTtl, idempotencyTtl, position, records.length].map(String);
    for (const record of records) {
      const hasKey = record.idempotencyKey !== undefined;
      if (hasKey) keys.push(this._idempotencyKey(record.idempotencyKey));
      for (const key of record.keys) keys.push(this._historyKey(key));
      args.push(record.payload, String(record.keys.length), hasKey ? '1' : '0');
    }
    const writer = this._writer;
    if (writer === undefined) throw unavailable('The Redis backplane is not connected.');
    let answers;
    try {
      answers = await runScript(writer, scripts.append, keys, args, (isLost) => {
        // Those under way are sent again in their order; a new one must not come between them.
        if (writer === this._writer && writer.isOpen) this._outbox.isUp = !isLost;
      });
    } catch (error) {
      if (!isReplyError(error)) {
        writer.close();
        throw error;
      }
      if (ELSEWHERE.test(error.message)) this._leaveWriter(writer, error.message);
      // The whole script was refused: memory is out, rights are missing.
      return records.map(() => error);
    }
    // A replica refuses all but those whose idempotency key it has, and these may be sent again.
    const elsewhere = answers.find((answer) => ELSEWHERE.test(answer));
    if (elsewhere !== undefined) this._leaveWriter(writer, elsewhere.slice(1));
    this._wasElsewhere = false;
    return answers.map((answer) => (answer.startsWith('!') ? new Error(answer.slice(1)) : Number(answer)));
  }

  /** To be opened anew, where the name or the cluster leads to by then. @throws {Unsent} */
  _leaveWriter(writer, message) {
    this._wasElsewhere = true;
    writer.close();
    throw new Unsent(message);
  }
}

/**
 * By its hash; Redis is told the text again when it has forgotten it.
 * @param {(isLost: boolean) => void} [onLost] with true before the text is sent, with false when it has arrived
 */
async function runScript(connection, { text, sha }, keys, args, onLost = () => {}) {
  const rest = [String(keys.length), ...keys, ...args];
  try {
    return await connection.send(['EVALSHA', sha, ...rest]);
  } catch (error) {
    if (!isReplyError(error) || !/^NOSCRIPT/.test(error.message)) throw error;
    onLost(true);
    try {
      return await connection.send(['EVAL', text, ...rest]);
    } finally {
      onLost(false);
    }
  }
}

/** The log as a Follower reads it, on a connection of its own that waits for records. */
class RedisLog {
  constructor(backplane, block) {
    this._backplane = backplane;
    this._block = block;
    this._connection = undefined;
    this._closing = undefined;
    this._joinedAt = 0;
  }

  async open(known) {
    this._aborter = new AbortController();
    const { signal } = this._aborter;
    this._connection = await this._backplane._connect(() => {}, signal);
    return this._join(known, known.wasOpen);
  }

  async _join({ position, wasOpen }, isAgain) {
    // First: what is published elsewhere from now on is not before the mark that a join may leave.
    const connection = this._connection;
    if (connection === undefined) throw unavailable('The Redis backplane is not connected.');
    await this._backplane._checkRuns(connection, isAgain);
    const { _keys: { seq, log, run, floor, ttl }, _options: { maxLogLength, historyTtl } } = this._backplane;
    const args = [position, wasOpen ? 1 : 0, maxLogLength, historyTtl].map(String);
    this._joinedAt = performance.now();
    return Number(await this._ask((connection) => runScript(connection, scripts.join, [seq, log, run, floor, ttl], args)));
  }

  async newest(count) {
    const entries = [];
    let end = '+';
    let bytes = 0;
    while (entries.length < count && bytes < START_BYTES) {
      const args = ['XREVRANGE', this._backplane._keys.log, end, '-', 'COUNT', String(Math.min(PAGE, count - entries.length))];
      const page = await this._ask((connection) => connection.send(args));
      if (page.length === 0) break;
      entries.push(...entriesOf(page));
      for (const [, [, , , payload]] of page) bytes += payload.length;
      end = `(${page.at(-1)[0]}`;
    }
    return entries.reverse();
  }

  async after(position, count) {
    const { log } = this._backplane._keys;
    const args = ['XREAD', 'COUNT', String(count), 'BLOCK', String(this._block), 'STREAMS', log, `${position}-0`];
    const reply = await this._ask((connection) => connection.send(args), this._block);
    if (performance.now() - this._joinedAt > JOIN_INTERVAL) await this._join({ position, wasOpen: false }, false);
    return reply === null ? [] : entriesOf(reply[0][1]);
  }

  _ask(send, patience = 0) {
    const connection = this._connection;
    if (connection === undefined) throw unavailable('The Redis backplane is not connected.');
    return this._backplane._within(connection, patience + GRACE, [send(connection)]).then(([reply]) => reply);
  }

  /** The connection may lead to the wrong server: the follower opens another one. */
  leave() {
    this._connection?.close();
  }

  close() {
    this._aborter?.abort();
    this._connection?.close();
    this._connection = undefined;
    this._backplane._runs.tail = undefined;
  }
}

/**
 * A backplane over Redis 7 or newer, or Valkey. See index.d.ts.
 * @param {object} given
 */
function redisBackplane(given) {
  return new RedisBackplane(redisOptions(given));
}

module.exports = { redisBackplane };
