'use strict';

// options.js - every option of the public API: its default, its check, its
// environment variable. Nothing behind this file validates an option again.

const path = require('node:path');

const { createError, show } = require('./errors');

/** Edit distance, for the nearest known name (Levenshtein, one row). */
function distance(a, b) {
  const row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    let corner = row[0];
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j];
      row[j] = Math.min(row[j - 1] + 1, above + 1, corner + (a[i - 1] === b[j - 1] ? 0 : 1));
      corner = above;
    }
  }
  return row[b.length];
}

/** Half a name is nearer to the whole of it than to another of its length. */
function remoteness(name, candidate) {
  const isPart = name.length > 2 && (candidate.includes(name) || name.includes(candidate));
  return isPart ? 0 : distance(name, candidate);
}

function nearest(name, known) {
  return known
    .map((candidate) => ({ candidate, far: remoteness(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)[0].candidate;
}

/**
 * Throws for a name that is not known, with the nearest that is.
 * @param {object} given
 * @param {string[]} known
 * @param {string} where how the object is called in messages
 */
function checkKnown(given, known, where) {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    throw createError(
      'ERR_SSE_UNKNOWN_OPTION',
      `${where} has no option ${show(name)}. Did you mean ${show(nearest(name, known))}? Known: ${known.join(', ')}.`,
    );
  }
}

function invalid(name, value, expected) {
  return createError('ERR_SSE_INVALID_OPTION', `${name} must be ${expected}, not ${show(value)}.`);
}

/**
 * @param {unknown} value
 * @param {string} where
 * @returns {object} the value, or {} when undefined
 */
function objectOption(value, where) {
  if (value === undefined) return {};
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalid(where, value, 'an object');
  }
  return value;
}

const integer = (min, max, orNone = false) => (value, name) => {
  if (orNone && value === Infinity) return value;
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    const none = orNone ? ', or Infinity for none' : '';
    throw invalid(name, value, `an integer from ${min} to ${max}${none}`);
  }
  return value;
};

const boolean = (value, name) => {
  if (typeof value !== 'boolean') throw invalid(name, value, 'true or false');
  return value;
};

const oneOf = (...allowed) => (value, name) => {
  if (!allowed.includes(value)) throw invalid(name, value, allowed.map(show).join(' or '));
  return value;
};

/** It becomes the hash tag of all keys. */
const prefix = (value, name) => {
  if (typeof value !== 'string' || value === '' || /[{}\s]/.test(value)) {
    throw invalid(name, value, 'a string that is not empty, without braces and white space');
  }
  return value;
};

const backplane = (value, name) => {
  const missing = ['publish', 'tail', 'history', 'close'].find((method) => typeof value?.[method] !== 'function');
  if (missing !== undefined) throw invalid(name, value, `a backplane: redisBackplane(), clusterBackplane() or one of your own (it has no method ${missing})`);
  return value;
};

const MAX_MS = 2 ** 31 - 1; // the longest a Node timer can be set to
const MAX_U32 = 2 ** 32 - 1;

/** name -> [default, check] */
const SERVER_OPTIONS = {
  heartbeatInterval: [30_000, integer(0, MAX_MS)],
  transport: ['auto', oneOf('auto', 'socket', 'stream')],
  threads: [1, integer(1, 64)],
  requireToken: [true, boolean],
  queryToken: [true, boolean],
  refusal: ['status', oneOf('status', 'soft')],
  retry: [undefined, integer(0, MAX_MS)],
  maxClients: [Infinity, integer(1, MAX_U32, true)],
  maxClientsPerUser: [Infinity, integer(1, MAX_U32, true)],
  maxChannelsPerClient: [64, integer(1, 10_000)],
  maxChannels: [1_000_000, integer(1, MAX_U32)],
  maxChannelNameLength: [256, integer(1, 65_535)],
  maxEventBytes: [1_048_576, integer(1, 2 ** 30)],
  maxQueuedBytes: [1_048_576, integer(1, 2 ** 40)],
  maxTokenBytes: [8192, integer(1, 16_384)],
  hookTimeout: [10_000, integer(1, MAX_MS)],
  peerTimeout: [30_000, integer(1000, MAX_MS, true)],
  maxConnectionAge: [Infinity, integer(1, Number.MAX_SAFE_INTEGER, true)],
  enforceTokenExpiry: [true, boolean],
  readyTimeout: [5000, integer(1, MAX_MS)],
  backplane: [undefined, backplane],
};

/** Events that one history holds. */
const historySize = integer(0, 1_000_000);

const MAX_SIZES = 100;

/** Prefix -> size. A copy: what the caller does to the object later changes nothing. */
function historySizes(value, name) {
  const sizes = objectOption(value, name);
  const entries = Object.entries(sizes);
  if (entries.length > MAX_SIZES) throw invalid(name, `${entries.length} prefixes`, `at most ${MAX_SIZES} prefixes`);
  for (const [prefix, size] of entries) {
    if (prefix === '') throw invalid(`${name}[""]`, size, 'left out: history.size is for every other channel');
    historySize(size, `${name}[${show(prefix)}]`);
  }
  return Object.fromEntries(entries);
}

/** Absolute: a later chdir of the process changes nothing. */
function fileName(value, name) {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) throw invalid(name, value, 'the path of a file');
  return path.resolve(value);
}

const MAX_SYNC_MS = 3_600_000;

function historySync(value, name) {
  if (value === 'always') return value;
  if (Number.isSafeInteger(value) && value >= 1 && value <= MAX_SYNC_MS) return value;
  throw invalid(name, value, `'always', or milliseconds, an integer from 1 to ${MAX_SYNC_MS}`);
}

const HISTORY_OPTIONS = {
  size: [100, historySize],
  sizes: [undefined, historySizes],
  maxBytes: [8 * 1024 * 1024, integer(1, 2 ** 40, true)],
  totalBytes: [256 * 1024 * 1024, integer(1, 2 ** 40, true)],
  ttl: [Infinity, integer(1, Number.MAX_SAFE_INTEGER, true)],
  file: [undefined, fileName],
  sync: [1000, historySync],
};

const HOOKS = ['authenticateSubscriber', 'authorizeChannel', 'onConnect', 'onDisconnect'];

function applyTable(table, given, prefix) {
  const out = {};
  for (const [name, [fallback, check]] of Object.entries(table)) {
    out[name] = given[name] === undefined ? fallback : check(given[name], prefix + name);
  }
  return out;
}

function checkHooks(given) {
  const hooks = objectOption(given, 'hooks');
  checkKnown(hooks, HOOKS, 'hooks');
  for (const name of HOOKS) {
    if (hooks[name] !== undefined && typeof hooks[name] !== 'function') {
      throw invalid(`hooks.${name}`, hooks[name], 'a function');
    }
  }
  // Bound, since they may be methods of a class; a spread would lose those.
  return Object.fromEntries(HOOKS.filter((name) => hooks[name] !== undefined).map((name) => [name, hooks[name].bind(hooks)]));
}

/** An own variable wins nothing: it stands in only where the option is absent. */
function heartbeatFromEnvironment() {
  const text = process.env.SSE_HEARTBEAT_INTERVAL;
  if (text === undefined || text === '') return undefined;
  if (!/^\d+$/.test(text) || Number(text) > MAX_MS) {
    throw invalid('SSE_HEARTBEAT_INTERVAL', text, `milliseconds, an integer from 0 to ${MAX_MS}`);
  }
  return Number(text);
}

function historyOptions(given) {
  const history = objectOption(given, 'history');
  checkKnown(history, Object.keys(HISTORY_OPTIONS), 'history');
  return applyTable(HISTORY_OPTIONS, history, 'history.');
}

/**
 * Checks what createSseServer was given and fills in the defaults. `jwks` is
 * passed on as it is: lib/jwks-options.js owns it.
 * @param {unknown} given
 */
function serverOptions(given) {
  const options = objectOption(given, 'The options of createSseServer');
  const known = ['jwks', 'hooks', 'history', ...Object.keys(SERVER_OPTIONS)];
  checkKnown(options, known, 'createSseServer');
  const out = applyTable(SERVER_OPTIONS, options, '');
  if (options.heartbeatInterval === undefined) {
    out.heartbeatInterval = heartbeatFromEnvironment() ?? out.heartbeatInterval;
  }
  out.history = historyOptions(options.history);
  out.hooks = checkHooks(options.hooks);
  out.jwks = options.jwks;
  if (!out.requireToken && out.hooks.authenticateSubscriber === undefined) {
    throw createError(
      'ERR_SSE_MISSING_OPTION',
      'requireToken: false needs hooks.authenticateSubscriber, which then decides about requests without a token.',
    );
  }
  checkOneHistory(out);
  return out;
}

/** Of a server's options those that are a manager's too. */
const SHARED_OPTIONS = ['transport', 'threads', 'retry', 'maxClients', 'maxClientsPerUser', 'maxChannels', 'maxEventBytes',
  'maxQueuedBytes', 'peerTimeout', 'maxConnectionAge', 'readyTimeout', 'backplane'];

const MANAGER_OPTIONS = {
  heartbeatIntervalMs: SERVER_OPTIONS.heartbeatInterval,
  frames: ['both', oneOf('both', 'named', 'unnamed')],
  // A topic may name a tenant and a role, of 255 bytes each.
  maxChannelNameLength: [1024, integer(1, 65_535)],
  ...Object.fromEntries(SHARED_OPTIONS.map((name) => [name, SERVER_OPTIONS[name]])),
};

/**
 * Checks what SseManager was given and fills in the defaults.
 * @param {unknown} given
 */
function managerOptions(given) {
  const options = objectOption(given, 'The options of SseManager');
  checkKnown(options, ['history', ...Object.keys(MANAGER_OPTIONS)], 'SseManager');
  const out = applyTable(MANAGER_OPTIONS, options, '');
  const history = historyOptions(options.history);
  checkOneHistory({ ...out, history });
  return { ...out, heartbeatInterval: out.heartbeatIntervalMs, history };
}

const STOP_OPTIONS = {
  drainMs: [0, integer(0, MAX_MS)],
};

/** A file would keep what the log has, under ids that others have given. */
function checkOneHistory({ backplane: given, history: { file } }) {
  if (given === undefined || file === undefined) return;
  throw createError('ERR_SSE_INVALID_OPTION', 'history.file and backplane exclude each other: with a backplane its log is what is kept.');
}

/** @param {unknown} given what stop() was called with */
function stopOptions(given) {
  const options = objectOption(given, 'The options of stop');
  checkKnown(options, Object.keys(STOP_OPTIONS), 'stop');
  return applyTable(STOP_OPTIONS, options, '');
}

/** Of every backplane that keeps a log. */
const LOG_OPTIONS = {
  prefix: ['sse', prefix],
  maxLogLength: [10_000, integer(1, 10_000_000)],
};

/** Of every backplane whose log is elsewhere. */
const REMOTE_OPTIONS = {
  publishTimeout: [5000, integer(1, MAX_MS)],
  maxQueuedBytes: [16_777_216, integer(1, 2 ** 40)],
};

const REDIS_OPTIONS = {
  ...LOG_OPTIONS,
  ...REMOTE_OPTIONS,
  historyTtl: [86_400_000, integer(1000, Number.MAX_SAFE_INTEGER / 1000)],
  idempotencyTtl: [600_000, integer(1000, MAX_MS)],
};

const CLUSTER_OPTIONS = { prefix: LOG_OPTIONS.prefix, ...REMOTE_OPTIONS };

const PRIMARY_OPTIONS = { maxLogLength: LOG_OPTIONS.maxLogLength };

const optionsBy = (table, where) => (given) => {
  const options = objectOption(given, `The options of ${where}`);
  checkKnown(options, Object.keys(table), where);
  return applyTable(table, options, `${where}: `);
};

const clusterOptions = optionsBy(CLUSTER_OPTIONS, 'clusterBackplane');
const primaryOptions = optionsBy(PRIMARY_OPTIONS, 'setupPrimary');

/** What redisBackplane was given: `url` or `client`, which lib/backplane/redis-connection.js looks at. */
function redisOptions(given) {
  const options = objectOption(given, 'The options of redisBackplane');
  checkKnown(options, ['url', 'client', ...Object.keys(REDIS_OPTIONS)], 'redisBackplane');
  const { url, client } = options;
  if ((url === undefined) === (client === undefined)) {
    throw createError('ERR_SSE_MISSING_OPTION', 'redisBackplane needs either a url, such as redis://127.0.0.1:6379, or a client.');
  }
  if (url !== undefined && !/^rediss?:\/\//.test(String(url))) throw invalid('redisBackplane: url', url, 'a URL that begins with redis:// or rediss://');
  const checked = applyTable(REDIS_OPTIONS, options, 'redisBackplane: ');
  const { publishTimeout, idempotencyTtl } = checked;
  // What is sent again after it was forgotten would be published twice.
  if (idempotencyTtl < 2 * publishTimeout) {
    throw invalid('redisBackplane: idempotencyTtl', idempotencyTtl, `at least twice publishTimeout, which is ${publishTimeout}`);
  }
  return { ...checked, url, client };
}

module.exports = {
  checkKnown, objectOption, serverOptions, managerOptions, stopOptions, redisOptions, clusterOptions, primaryOptions,
};
