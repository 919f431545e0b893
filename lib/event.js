'use strict';

// event.js - checks what is published and where to, before anything is queued.
// Everything here throws synchronously.

const { createError, show } = require('./errors');

/** The scopes of a key, as csrc/hub/key.h numbers them. */
const SCOPE = Object.freeze({ channel: 0, user: 1, topic: 2, tenant: 3, tenantTopic: 4 });

/** Event types that the server itself sends. */
const RESERVED_TYPES = new Set(['connected', 'closing', 'gap']);

const CONTROL = /[\u0000-\u001f\u007f]/; // eslint-disable-line no-control-regex
const LINE_BREAKING = /[\r\n\0]/;

const MAX_USER_ID_BYTES = 255;
const MAX_IDEMPOTENCY_KEY_BYTES = 255;

/**
 * Why a name cannot be a key's, or null.
 * @param {string} name
 * @param {number} maxBytes of its UTF-8
 */
function nameFault(name, maxBytes) {
  if (name === '') return 'is empty';
  if (name.length > maxBytes || Buffer.byteLength(name) > maxBytes) return `is longer than ${maxBytes} bytes`;
  if (CONTROL.test(name)) return 'holds a control character';
  // Two different broken strings would otherwise become the same UTF-8.
  if (!name.isWellFormed()) return 'holds a lone surrogate';
  return null;
}

/** @param {unknown} channel @param {number} maxBytes */
function checkChannel(channel, maxBytes) {
  if (typeof channel !== 'string') {
    throw createError('ERR_SSE_INVALID_ARG', `channel must be a string, not ${show(channel)}.`);
  }
  const fault = nameFault(channel, maxBytes);
  if (fault !== null) throw createError('ERR_SSE_INVALID_CHANNEL', `The channel name ${show(channel)} ${fault}.`);
}

/** @param {unknown} userId */
function checkUserId(userId) {
  if (typeof userId !== 'string') {
    throw createError('ERR_SSE_INVALID_ARG', `userId must be a string, not ${show(userId)}.`);
  }
  const fault = nameFault(userId, MAX_USER_ID_BYTES);
  if (fault !== null) throw createError('ERR_SSE_INVALID_USER', `The user id ${show(userId)} ${fault}.`);
}

/** @param {unknown} key */
function checkIdempotencyKey(key) {
  const fault = typeof key === 'string' ? nameFault(key, MAX_IDEMPOTENCY_KEY_BYTES) : 'is no string';
  if (fault !== null) throw createError('ERR_SSE_INVALID_ARG', `The idempotencyKey ${show(key)} ${fault}.`);
}

/** @param {unknown} type */
function checkType(type) {
  if (typeof type !== 'string') {
    throw createError('ERR_SSE_INVALID_ARG', `event.type must be a string, not ${show(type)}.`);
  }
  if (type === '' || LINE_BREAKING.test(type)) {
    const fault = type === '' ? 'is empty' : 'holds CR, LF or NUL, which would break the stream';
    throw createError('ERR_SSE_INVALID_EVENT_TYPE', `The event type ${show(type)} ${fault}.`);
  }
  if (RESERVED_TYPES.has(type)) {
    throw createError(
      'ERR_SSE_RESERVED_EVENT_TYPE',
      `The event type ${show(type)} is sent by the server itself. Choose another name.`,
    );
  }
}

/**
 * @param {unknown} data
 * @param {number} maxBytes of the JSON as UTF-8
 * @returns {string} JSON
 */
function encodeData(data, maxBytes) {
  let json;
  try {
    json = JSON.stringify(data);
  } catch (cause) {
    const error = createError('ERR_SSE_INVALID_DATA', `event.data cannot be written as JSON: ${cause?.message ?? show(cause)}`);
    error.cause = cause;
    throw error;
  }
  if (json === undefined) {
    throw createError('ERR_SSE_INVALID_DATA', `event.data cannot be written as JSON: it is ${show(data)}. Use null for "no data".`);
  }
  // A UTF-16 unit is at most three bytes of UTF-8: most events need no count.
  if (json.length * 3 > maxBytes && Buffer.byteLength(json) > maxBytes) {
    throw createError(
      'ERR_SSE_EVENT_TOO_LARGE',
      `event.data is ${Buffer.byteLength(json)} bytes as JSON; maxEventBytes is ${maxBytes}.`,
    );
  }
  return json;
}

/**
 * @param {unknown} event { type, data }
 * @param {number} maxBytes
 * @returns {{ type: string, json: string }}
 */
function checkEvent(event, maxBytes) {
  if (event === null || typeof event !== 'object' || Array.isArray(event)) {
    throw createError('ERR_SSE_INVALID_ARG', `event must be an object { type, data }, not ${show(event)}.`);
  }
  const { type, data } = event;
  checkType(type);
  return { type, json: encodeData(data, maxBytes) };
}

module.exports = { SCOPE, MAX_USER_ID_BYTES, nameFault, checkChannel, checkUserId, checkEvent, checkIdempotencyKey };
