'use strict';

// auth-event-bus.js - an EventEmitter on which every event is also emitted as `*`.

const { EventEmitter } = require('node:events');

const { createError, show } = require('./errors');

/**
 * What listeners get: the payload with the name of the event and a time.
 * @param {unknown} eventName
 * @param {unknown} payload
 */
function stamp(eventName, payload = {}) {
  if (typeof eventName !== 'string' || eventName === '') {
    throw createError('ERR_SSE_INVALID_ARG', `eventName must be a string that says something, not ${show(eventName)}.`);
  }
  if (payload === null || typeof payload !== 'object' || Array.isArray(payload)) {
    throw createError('ERR_SSE_INVALID_ARG', `The payload of ${show(eventName)} must be an object, not ${show(payload)}.`);
  }
  return { ...payload, event: eventName, timestamp: payload.timestamp ?? new Date().toISOString() };
}

/** Emits under the name and as `*`. An `error` that nobody listens for does not throw. */
function emit(bus, full) {
  if (full.event !== 'error' || bus.listenerCount('error') > 0) bus.emit(full.event, full);
  if (full.event !== '*') bus.emit('*', full);
}

class AuthEventBus extends EventEmitter {
  /**
   * @param {string} eventName
   * @param {object} [payload] { data, userId, tenantId, sessionId, … }
   */
  publish(eventName, payload) {
    emit(this, stamp(eventName, payload));
  }
}

module.exports = { AuthEventBus, stamp, emit };
