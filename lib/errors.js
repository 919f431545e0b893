'use strict';

// errors.js - every error a user can meet, with its stable code. The table is
// the source of docs/errors.md, which a test holds against it.

/**
 * Codes thrown at the caller (always a `TypeError` unless said otherwise).
 * @type {Readonly<Record<string, string>>}
 */
const CODES = Object.freeze({
  ERR_SSE_UNKNOWN_OPTION: 'an option name that does not exist',
  ERR_SSE_MISSING_OPTION: 'an option is needed and neither it nor its environment variable is set',
  ERR_SSE_INVALID_OPTION: 'an option has the wrong type or is out of range',
  ERR_SSE_INVALID_ARG: 'an argument has the wrong type',
  ERR_SSE_INVALID_CHANNEL: 'a channel name is empty, too long or holds control characters',
  ERR_SSE_INVALID_USER: 'a user id is empty, too long or holds control characters',
  ERR_SSE_INVALID_TOPIC: 'a topic has no known shape, or one of its parts is empty, too long or holds what it must not',
  ERR_SSE_INVALID_EVENT_TYPE: 'an event type is empty, or holds CR, LF or NUL',
  ERR_SSE_RESERVED_EVENT_TYPE: 'the event types connected, closing and gap are the server\'s own',
  ERR_SSE_INVALID_DATA: 'event data that JSON.stringify cannot hold',
  ERR_SSE_EVENT_TOO_LARGE: 'an event is larger than maxEventBytes',
  ERR_SSE_TOO_MANY_CHANNELS: 'a client has maxChannelsPerClient channels already (an Error; subscribe rejects with it)',
  ERR_SSE_STOPPED: 'the server was stopped (an Error; publish rejects with it)',
  ERR_SSE_BACKPLANE_UNAVAILABLE: 'the backplane did not answer in time, or the connection to it broke (an Error)',
  ERR_SSE_BACKPLANE_FULL: 'more than maxQueuedBytes wait for the backplane (an Error)',
  ERR_SSE_BACKPLANE_REFUSED: 'the backplane answered that it will not take the event (an Error)',
  ERR_SSE_HISTORY_LOCKED: 'another process or server has the history file open (an Error)',
  ERR_SSE_HISTORY_VERSION: 'the history file is of another version, or no history at all (an Error)',
  ERR_SSE_HISTORY_CORRUPT: 'the history file is damaged (an Error)',
  ERR_SSE_HISTORY_IO: 'the history file cannot be opened, read or written (an Error)',
  ERR_SSE_UNSUPPORTED_RUNTIME: 'this runtime or platform cannot load the native core (an Error)',
  ERR_SSE_INTERNAL: 'a bug in native-sse; please report it (an Error)',
});

/**
 * Codes answered over HTTP as `{ "error": CODE, "message": … }`.
 * @type {Readonly<Record<string, { status: number, message: string }>>}
 */
const HTTP = Object.freeze({
  ERR_SSE_FULL: { status: 503, message: 'The server has reached its limit of clients. Try again later.' },
  ERR_SSE_NOT_READY: { status: 503, message: 'The server is not ready yet. Try again later.' },
  ERR_SSE_STOPPING: { status: 503, message: 'The server is stopping. Try again later.' },
  ERR_SSE_UNAUTHORIZED: { status: 401, message: 'A valid access token is required.' },
  ERR_SSE_BAD_REQUEST: { status: 400, message: 'A query parameter is malformed.' },
  ERR_SSE_FORBIDDEN: { status: 403, message: 'This channel is not allowed for this user.' },
  ERR_SSE_TOO_MANY_CONNECTIONS: { status: 429, message: 'This user has too many open connections.' },
  ERR_SSE_HOOK_FAILED: { status: 500, message: 'The request could not be processed.' },
  ERR_SSE_HOOK_REJECTED: { status: 400, message: 'The request was refused.' },
  ERR_SSE_HOOK_TIMEOUT: { status: 503, message: 'The request took too long to authorise. Try again later.' },
  ERR_SSE_KEYS_UNAVAILABLE: { status: 503, message: 'The signing keys cannot be obtained at the moment. Try again later.' },
  ERR_SSE_TRANSPORT: { status: 500, message: 'This connection cannot be handed over, and transport is \'socket\'.' },
  ERR_SSE_DISABLED: { status: 503, message: 'Server-Sent Events are switched off here.' },
  ERR_SSE_METHOD_NOT_ALLOWED: { status: 405, message: 'Only GET and HEAD are supported here.' },
});

/**
 * @param {string} code a key of CODES
 * @param {string} message what was wrong with which value, and what to do
 * @param {ErrorConstructor} [Ctor]
 * @returns {Error & { code: string }}
 */
function createError(code, message, Ctor = TypeError) {
  const error = new Ctor(message);
  error.code = code;
  return error;
}

/** Every error made by httpError: a hook's error is never taken for one by its looks. */
const httpErrors = new WeakSet();

/** @param {unknown} value */
const isHttpError = (value) => value !== null && typeof value === 'object' && httpErrors.has(value);

/**
 * An error that ends a subscribe request with an HTTP status.
 * @param {string} code a key of HTTP
 * @param {{ message?: string, retryAfter?: number, cause?: unknown, status?: number }} [detail] `retryAfter` in seconds
 * @returns {Error & { code: string, status: number, retryAfter?: number }}
 */
function httpError(code, { message, retryAfter, cause, status } = {}) {
  const error = new Error(message ?? HTTP[code].message, cause === undefined ? undefined : { cause });
  error.code = code;
  error.status = status ?? HTTP[code].status;
  if (retryAfter !== undefined) {
    error.retryAfter = retryAfter;
    // Where the app lets Express answer.
    error.headers = { 'Retry-After': String(Math.ceil(retryAfter)) };
  }
  httpErrors.add(error);
  return error;
}

/**
 * How a value is named in a message: short, on one line, never the whole of it.
 * @param {unknown} value
 */
function show(value) {
  if (typeof value === 'string') {
    const text = JSON.stringify(value);
    return text.length > 66 ? `${text.slice(0, 63)}…"` : text;
  }
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  if (value === null || typeof value !== 'object') return String(value);
  return Array.isArray(value) ? 'an array' : `an instance of ${value.constructor?.name ?? 'Object'}`;
}

module.exports = { CODES, HTTP, createError, httpError, isHttpError, show };
