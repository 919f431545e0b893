'use strict';

// auth-tools.js - AuthTools: what happens on an event bus reaches those whom it
// names, each event once.

const { emit, stamp } = require('./auth-event-bus');
const { createError, show } = require('./errors');
const { SseManager } = require('./manager');
const { checkKnown, objectOption } = require('./options');

/** An event bus is whatever emits. */
function checkBus(bus) {
  if (typeof bus?.on === 'function' && typeof bus.emit === 'function' && typeof bus.listenerCount === 'function') return bus;
  throw createError('ERR_SSE_INVALID_ARG', `bus must be an EventEmitter, not ${show(bus)}.`);
}

function checkTrackOptions(given, where) {
  const options = objectOption(given, `The options of ${where}`);
  checkKnown(options, ['userId', 'tenantId', 'sessionId'], where);
  return options;
}

class AuthTools {
  #bus;
  /** Payloads that track() has emitted, which are not forwarded again. */
  #own = new WeakSet();
  #forward = (payload) => this.#onEvent(payload);

  /**
   * @param {import('node:events').EventEmitter} bus
   * @param {{ sse?: boolean, sseOptions?: object }} [given]
   */
  constructor(bus, given) {
    const options = objectOption(given, 'The options of AuthTools');
    checkKnown(options, ['sse', 'sseOptions'], 'AuthTools');
    const { sse = false, sseOptions } = options;
    if (typeof sse !== 'boolean') {
      throw createError('ERR_SSE_INVALID_OPTION', `sse must be true or false, not ${show(sse)}.`);
    }
    this.#bus = checkBus(bus);
    /** @readonly @type {SseManager | null} */
    this.sseManager = sse ? new SseManager(sseOptions) : null;
    Object.defineProperty(this, 'sseManager', { writable: false });
    if (sse) bus.on('*', this.#forward);
  }

  /** @returns {import('node:events').EventEmitter} */
  get eventBus() {
    return this.#bus;
  }

  /**
   * Emits an event on the bus and sends it to whom it names: to the user and the session where there is a user, else
   * to the tenant, and to everybody only where nobody is named.
   * @param {string} eventName
   * @param {unknown} [data]
   * @param {{ userId?: string, tenantId?: string, sessionId?: string }} [given]
   */
  track(eventName, data = null, given = {}) {
    const options = checkTrackOptions(given, 'track');
    const payload = stamp(eventName, { data, ...options });
    this.#own.add(payload);
    // First to those it names: a listener of the bus that throws does not keep it from them.
    this.#send(payload);
    emit(this.#bus, payload);
  }

  /**
   * Broadcasts to a topic.
   * @param {string} topic
   * @param {unknown} data
   * @param {{ type?: string, tenantId?: string, userId?: string, metadata?: object }} [given]
   */
  notify(topic, data, given = {}) {
    const options = objectOption(given, 'The options of notify');
    checkKnown(options, ['type', 'tenantId', 'userId', 'metadata'], 'notify');
    const { type = 'notification', ...more } = options;
    this.sseManager?.broadcast(topic, { type, data, ...more });
  }

  /**
   * Leaves the bus and ends every connection.
   * @param {{ drainMs?: number }} [options] of SseManager.stop
   */
  async stop(options) {
    await this.sseManager?.stop(options);
    this.#bus.off?.('*', this.#forward);
  }

  #send({ event, data, userId, tenantId, sessionId }) {
    this.sseManager?.track({ type: event, data: data ?? null, userId, tenantId }, { sessionId });
  }

  /** What others publish. One that cannot be sent is no fault of theirs to hear of. */
  #onEvent(payload) {
    if (payload === null || typeof payload !== 'object' || this.#own.has(payload)) return;
    if (this.sseManager.isStopped) return;
    try {
      this.#send(payload);
    } catch (error) {
      this.sseManager.report(error);
    }
  }
}

module.exports = { AuthTools };
