'use strict';

// manager.js - SseManager: the server decides which topics a connection gets.
// The same hub, transports and limits as createSseServer; what is of its own is
// which keys a connection holds and under which an event goes.

const { randomUUID } = require('node:crypto');
const { EventEmitter } = require('node:events');

const { makeFeed } = require('./backplane/make-feed');
const { closing, RETRY_AFTER } = require('./closing');
const { createError, httpError, isHttpError, show } = require('./errors');
const { SCOPE, checkEvent, checkUserId } = require('./event');
const { isTaken, wireOf, hasLeft, onceClosed, drained } = require('./handover');
const { Hub, FORM } = require('./hub');
const { managerOptions, stopOptions } = require('./options');
const { refuse, setStreamHead } = require('./refusal');
const { errorReporter, historyReporter, warnOfCluster } = require('./reporter');
const { queryOf, readCursor, CURSOR } = require('./request');
const { openSubscription, drawMaxAge } = require('./subscription');
const { topics: TOPICS, checkTenantId } = require('./topics');

const EVENT_MEMBERS = ['type', 'data', 'userId', 'tenantId', 'metadata'];
/** An event that was received may be given again; these are made anew. */
const FILLED_IN = ['id', 'timestamp', 'topic'];
const META_MEMBERS = ['userId', 'tenantId'];

/** The members of an object that were set; null and undefined are the same. */
function membersOf(given, known, what, ignored = []) {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw createError('ERR_SSE_INVALID_ARG', `${what} must be an object, not ${show(given)}.`);
  }
  const extra = Object.keys(given).find((name) => !known.includes(name) && !ignored.includes(name));
  if (extra !== undefined) {
    throw createError('ERR_SSE_INVALID_ARG', `${what} has no member ${show(extra)}. It has: ${known.join(', ')}.`);
  }
  return Object.fromEntries(known.filter((name) => given[name] != null).map((name) => [name, given[name]]));
}

/** @returns {{ userId?: string, tenantId?: string }} checked */
function checkMeta(given, what) {
  const meta = membersOf(given, META_MEMBERS, what);
  if (meta.userId !== undefined) checkUserId(meta.userId);
  if (meta.tenantId !== undefined) checkTenantId(meta.tenantId);
  return meta;
}

function checkTopic(topic, maxBytes) {
  TOPICS.parse(topic);
  if (Buffer.byteLength(topic) > maxBytes) {
    throw createError('ERR_SSE_INVALID_TOPIC', `The topic ${show(topic)} is longer than maxChannelNameLength, ${maxBytes} bytes.`);
  }
}

/** @returns {string[]} each topic once */
function checkTopics(given, maxBytes) {
  if (!Array.isArray(given)) throw createError('ERR_SSE_INVALID_ARG', `topics must be an array, not ${show(given)}.`);
  const unique = [...new Set(given)];
  for (const topic of unique) checkTopic(topic, maxBytes);
  return unique;
}

/** Of two that an event could be for, none is guessed. */
function checkNamesNoOther(event, name, value) {
  const other = event?.[name];
  if (other != null && other !== value) {
    throw createError('ERR_SSE_INVALID_ARG', `event.${name} is ${show(other)}, but the event is for ${show(value)}.`);
  }
}

/** A response needs only what a mock of a unit test has. */
function checkResponse(res) {
  for (const method of ['setHeader', 'write', 'end', 'on']) {
    if (typeof res?.[method] !== 'function') {
      throw createError('ERR_SSE_INVALID_ARG', `res must be a response: it has no method ${method}.`);
    }
  }
  if (res.headersSent || res.writableEnded) {
    throw createError('ERR_SSE_INVALID_ARG', 'res has a head already. addConnection writes it.');
  }
}

/** Routers let a HEAD come where a GET may. */
function answerHead(req, res) {
  setStreamHead(req, res);
  res.end();
}

/** A topic's key: of all, or of one tenant alone. */
const topicKey = (topic, tenantId) =>
  tenantId === undefined ? [SCOPE.topic, '', topic] : [SCOPE.tenantTopic, tenantId, topic];

/** A user's key: wherever it is, or in one tenant alone. */
const userKey = (userId, tenantId = '') => [SCOPE.user, tenantId, userId];

const tenantKey = (tenantId) => [SCOPE.tenant, '', tenantId];

/** Everything a connection is to receive. */
function keysOf(topics, { userId, tenantId }) {
  const keys = topics.flatMap((topic) => topicKey(topic));
  if (userId !== undefined) keys.push(...userKey(userId));
  if (tenantId === undefined) return keys;
  keys.push(...tenantKey(tenantId), ...topics.flatMap((topic) => topicKey(topic, tenantId)));
  if (userId !== undefined) keys.push(...userKey(userId, tenantId));
  return keys;
}

/** Where a connection resumes. A mock has no request, or only a part of one. */
function cursorOf(req, newest) {
  if (req?.headers === undefined) return { kind: CURSOR.none, id: newest };
  return readCursor(req, typeof req.url === 'string' ? queryOf(req) : new URLSearchParams(), newest);
}

/** Bytes that still come behind the request are the core's to lose: Node has to read them. */
function hasBody(req) {
  if (req === undefined || req.complete) return false;
  return req.headers?.['transfer-encoding'] !== undefined || Number(req.headers?.['content-length']) > 0;
}

class SseManager {
  #options;
  #hub;
  #feed;
  /** Connections that wait for the backplane, and whose they are. @type {Map<string, object>} */
  #pending = new Map();
  #stopped;
  #emitter = new EventEmitter();
  #report;

  /** @param {object} [given] see index.d.ts */
  constructor(given) {
    this.#options = managerOptions(given);
    this.#report = errorReporter(this.#emitter, 'Something failed');
    const { backplane } = this.#options;
    if (backplane === undefined) warnOfCluster('SseManager');
    this.#hub = new Hub(this.#options, { onDisconnect() {}, onHistoryError: historyReporter(this.#emitter) }, backplane === undefined ? undefined : null);
    this.#feed = makeFeed(this.#hub, this.#options, {
      onOrder: ({ userId, tenantId }) => this.#detachUser(userId, tenantId),
      onError: this.#report,
    });
    Object.defineProperty(this, 'heartbeatIntervalMs', { value: this.#options.heartbeatInterval, enumerable: true });
  }

  /** @returns {number} */
  get connectionCount() {
    return this.#hub.staying + this.#pending.size;
  }

  /**
   * Answers with a stream of the topics.
   * @param {object} res a response of Express or node:http, HTTP/2 and mocks included
   * @param {string[]} topics may be empty
   * @param {{ userId?: string, tenantId?: string }} [meta]
   * @returns {string} the connection's id
   */
  addConnection(res, topics, meta = {}) {
    checkResponse(res);
    const given = { topics: checkTopics(topics, this.#options.maxChannelNameLength), meta: checkMeta(meta, 'meta') };
    const { req } = res;
    // The peer has left, or sent this behind a subscription, which never ends: nobody would read it.
    if (hasLeft(res, wireOf(req, res)) || isTaken(req, res)) return randomUUID();
    const id = randomUUID();
    const wait = this.#feed.whenReady();
    if (wait === undefined) this.#openNow(res, id, given);
    else this.#openLater(res, id, given, wait, false);
    return id;
  }

  /** @param {string} connectionId of one that may have gone */
  removeConnection(connectionId) {
    this.#pending.delete(connectionId);
    const connection = typeof connectionId === 'string' ? this.#hub.describe(connectionId) : undefined;
    if (connection !== undefined) this.#hub.detach(connection.handle, 'server');
  }

  /**
   * To every connection that has the topic; with a tenantId to those of that tenant alone.
   * @param {string} topic
   * @param {object} event
   */
  broadcast(topic, event) {
    checkTopic(topic, this.#options.maxChannelNameLength);
    const members = this.#check(event);
    this.#publish(topic, members, topicKey(topic, members.tenantId));
  }

  /** To every connection of the user, and to those that have the user's topic. */
  broadcastToUser(userId, event) {
    const topic = TOPICS.user(userId);
    checkNamesNoOther(event, 'userId', userId);
    const members = this.#check(event, { userId });
    this.#publish(topic, members, [...userKey(userId, members.tenantId), ...topicKey(topic, members.tenantId)]);
  }

  /** To every connection of the tenant. */
  broadcastToTenant(tenantId, event) {
    const topic = TOPICS.tenant(tenantId);
    checkNamesNoOther(event, 'tenantId', tenantId);
    const members = this.#check(event, { tenantId });
    this.#publish(topic, members, tenantKey(tenantId));
  }

  /** One event under all that it names; for AuthTools. @internal */
  track(event, { sessionId } = {}) {
    const members = this.#check(event);
    const { userId, tenantId } = members;
    const keys = [];
    const named = [];
    const add = (topic, ...more) => {
      named.push(topic);
      keys.push(...topicKey(topic, tenantId), ...more);
    };
    if (userId !== undefined) add(TOPICS.user(userId), ...userKey(userId, tenantId));
    if (sessionId != null) add(TOPICS.session(sessionId));
    if (userId === undefined && tenantId !== undefined) add(TOPICS.tenant(tenantId), ...tenantKey(tenantId));
    if (named.length === 0) add(TOPICS.global());
    this.#publish(named[0], members, keys);
  }

  stats() {
    return this.#feed.stats();
  }

  /** Resolves when the log of the backplane was read, and without one at once. */
  ready() {
    return this.#feed.ready();
  }

  /** Whether it is in touch with the backplane, and not stopping. */
  get isReady() {
    return this.#feed.isReady;
  }

  /** @param {{ drainMs?: number }} [given] */
  stop(given) {
    const stopping = this.#hub.stop(stopOptions(given).drainMs);
    this.#stopped ??= stopping.then(() => this.#feed.close());
    return this.#stopped;
  }

  /** @internal */
  get isStopped() {
    return this.#hub.isStopped;
  }

  /**
   * Ends every connection of a user; with a tenantId those in that tenant alone.
   * @param {string} userId
   * @param {{ tenantId?: string }} [where]
   * @returns {number} how many
   */
  disconnectUser(userId, where = {}) {
    checkUserId(userId);
    const { tenantId } = membersOf(where, ['tenantId'], 'The options of disconnectUser');
    if (tenantId !== undefined) checkTenantId(tenantId);
    this.#feed.orderOthers({ op: 'disconnect', userId, tenantId }).catch(this.#report);
    return this.#detachUser(userId, tenantId);
  }

  #detachUser(userId, tenantId) {
    const last = Buffer.from(closing('server', false));
    for (const [id, meta] of this.#pending) {
      if (meta.userId === userId && (tenantId === undefined || meta.tenantId === tenantId)) this.#pending.delete(id);
    }
    if (tenantId !== undefined) return this.#hub.detachUser(tenantId, userId, last);
    const isTheirs = (handle) => this.#hub.describe(handle)?.userId === userId;
    return this.#hub.handles().filter(isTheirs).filter((handle) => this.#hub.detach(handle, 'server', last)).length;
  }

  /** Tells an error that no call can throw; for AuthTools and its router. @internal */
  report(error) {
    this.#report(error);
  }

  on(name, listener) {
    this.#emitter.on(name, listener);
    return this;
  }

  off(name, listener) {
    this.#emitter.off(name, listener);
    return this;
  }

  #reserve() {
    if (this.#hub.isStopping) throw httpError('ERR_SSE_STOPPING', { retryAfter: RETRY_AFTER });
    const handle = this.#hub.reserve();
    if (handle === 0) throw httpError('ERR_SSE_FULL', { retryAfter: RETRY_AFTER });
    return handle;
  }

  /** Reserves a slot, and frees it where that does not end in a client. */
  #openNow(res, id, given, isPrepared = false) {
    const { req } = res;
    const handle = this.#reserve();
    let isOpen = false;
    try {
      if (req?.method === 'HEAD') {
        answerHead(req, res);
        return;
      }
      const keys = keysOf(given.topics, given.meta);
      const cursor = cursorOf(req, this.#hub.newest);
      const wait = isPrepared ? undefined : this.#feed.prepare(keys, cursor);
      if (wait !== undefined) {
        this.#openLater(res, id, given, wait, true);
        return;
      }
      this.#open(res, handle, { ...given, id, keys, cursor });
      isOpen = true;
    } finally {
      if (!isOpen) this.#hub.release(handle);
    }
  }

  /** Opens a connection when the backplane has answered. What then goes wrong is answered too. */
  #openLater(res, id, given, wait, isPrepared) {
    const { req } = res;
    const wire = wireOf(req, res);
    this.#pending.set(id, given.meta);
    const forget = onceClosed(wire, () => this.#pending.delete(id));
    wait.then(() => {
      forget();
      const wasRemoved = !this.#pending.delete(id);
      if (hasLeft(res, wire)) return;
      if (wasRemoved) answerHead(req, res);
      else this.#openNow(res, id, given, isPrepared);
    }).catch((error) => {
      forget();
      this.#pending.delete(id);
      if (!isHttpError(error)) this.#report(error);
      if (!hasLeft(res, wire)) refuse(res, isHttpError(error) ? error : httpError('ERR_SSE_HOOK_FAILED', { cause: error }));
    });
  }

  #open(res, handle, { id, topics, meta, keys, cursor }) {
    const { req } = res;
    if (meta.userId !== undefined && !this.#hub.assign(handle, meta.tenantId ?? '', meta.userId)) {
      throw httpError('ERR_SSE_TOO_MANY_CONNECTIONS', { retryAfter: RETRY_AFTER });
    }
    const endsAt = drawMaxAge(this.#options.maxConnectionAge);
    const subscription = {
      id,
      keys,
      hello: (connectionId) => ({ connectionId, topics, ...meta }),
      cursor,
      end: endsAt === Infinity ? undefined : { at: endsAt, reason: 'max_age' },
      retry: this.#options.retry,
    };
    const { transport } = this.#options;
    if (transport === 'socket' && hasBody(req)) throw httpError('ERR_SSE_TRANSPORT');
    const options = { transport: hasBody(req) ? 'stream' : transport };
    // A request that Node has not read to its end would be called aborted.
    const wait = req === undefined ? undefined : drained(req);
    req?.resume?.();
    const { finish } = openSubscription(this.#hub, { req, res, handle, check() {} }, options, subscription);
    if (wait === undefined) finish();
    else wait.then(finish);
  }

  /** @returns {object} the members of a StreamEvent that a caller gives */
  #check(event, to) {
    const members = { ...membersOf(event, EVENT_MEMBERS, 'event', FILLED_IN), ...to };
    if (members.userId !== undefined) checkUserId(members.userId);
    if (members.tenantId !== undefined) checkTenantId(members.tenantId);
    if (event.data === undefined) throw createError('ERR_SSE_INVALID_DATA', 'event.data is missing. Use null for "no data".');
    return { ...members, data: event.data };
  }

  #publish(topic, { type, data, ...more }, keys) {
    const { maxEventBytes } = this.#options;
    // By itself: what JSON leaves out as a member is refused.
    const payload = checkEvent({ type, data }, maxEventBytes);
    const head = { id: randomUUID(), type, timestamp: new Date().toISOString(), topic, ...more };
    const envelope = checkEvent({ type, data: head }, maxEventBytes);
    const json = `${envelope.json.slice(0, -1)},"data":${payload.json}}`;
    if (this.#hub.isStopped) {
      this.#report(createError('ERR_SSE_STOPPED', 'The manager was stopped; nothing was broadcast.', Error));
      return;
    }
    // An event of type `message` reaches onmessage under every setting, and is no other by name.
    const form = type === 'message' ? FORM.unnamed : FORM[this.#options.frames];
    this.#feed.publish({ type, json }, keys, { form }).catch(this.#report);
  }
}

module.exports = { SseManager };
