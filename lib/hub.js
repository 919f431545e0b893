'use strict';

// hub.js - the JS side of one native core: streams it writes to, its timer,
// its ends. Both public systems (createSseServer, SseManager) stand on this;
// neither talks to the addon itself.

const { randomUUID } = require('node:crypto');
// Not the global one, which a test may have replaced.
const { setImmediate, setTimeout } = require('node:timers');

const binding = require('./binding');
const { closing } = require('./closing');
const { Drain } = require('./drain');
const { HistoryFile } = require('./history-file');
const { SocketResponse } = require('./socket-response');
const { Stream, REASON } = require('./stream');

const native = binding.hub;

/**
 * Every hub by its number. One that has clients, or is stopping, is held; any other goes with the server object, and
 * its core and threads with it.
 * @type {Map<number, WeakRef<Hub>>}
 */
const hubs = new Map();
/** @type {Set<Hub>} */
const held = new Set();
const collected = new FinalizationRegistry((number) => hubs.delete(number));
let lastNumber = 0;

const hubOf = (number) => hubs.get(number)?.deref();

binding.onEvent('disconnected', (number, client, reason) => hubOf(number)?._onDisconnected(client, reason));
binding.onEvent('stopped', (number) => hubOf(number)?._onStopped());
binding.onEvent('stored', (number, ...news) => hubOf(number)?._onStored(news));

/** Infinity is "none"; the core says 0 for that. */
const orNone = (value) => (value === Infinity ? 0 : value);

/** How an event is written, as csrc/napi/hub_binding.c numbers it. */
const FORM = Object.freeze({ named: 0, unnamed: 1, both: 2 });

/** How often one that takes no bytes is looked at, as csrc/hub/limits.h has it. */
const LOOK_MS = 250;

/** After so many new clients a thread has work enough to be woken before the turn is over. */
const MAX_UNWOKEN = 32;

/** A wall clock that was set, or that slept, is noticed within this time. */
const MAX_SLEEP_MS = 60_000;

/** What a client is told whose time has come. */
const LAST_WORDS = new Map([
  [REASON.token_expired, Buffer.from(closing('token_expired', false))],
  [REASON.max_age, Buffer.from(closing('max_age', true))],
]);

/** A timer that keeps neither the process nor the hub alive. */
function setWeakTimeout(ref, method, ms) {
  return setTimeout(() => ref.deref()?.[method](), ms).unref();
}

/** Not in the constructor: what a closure there refers to, the core's functions would hold as well. */
function historyFileOf(history, listener) {
  if (history.file === undefined) return undefined;
  return new HistoryFile(history, (error) => listener.onHistoryError?.(error));
}

class Hub {
  /**
   * @param {object} options checked by lib/options.js
   * @param {{ onDisconnect: (client: object, reason: string) => void, onHistoryError?: (error: Error) => void }} listener
   * @param {{ birth?: number, newest?: number } | null} [start] ids that the hubs are made with, where they are not the
   *   clock's: below `birth` nothing is known, `newest` is the highest one given. null: they are not known yet, and
   *   `open` follows
   */
  constructor(options, listener, start = {}) {
    lastNumber += 1;
    this._number = lastNumber;
    this._listener = listener;
    /** @type {Map<number, Stream>} */
    this._streams = new Map();
    /** @type {Map<number, SocketResponse>} only those somebody asked for */
    this._socketResponses = new Map();
    /** Clients whose end has begun and was not told yet. @type {Set<number>} */
    this._ending = new Set();
    this._closed = Object.fromEntries(native.reasons.map((name) => [name, 0]));
    this._ref = new WeakRef(this);
    this._timer = undefined;
    this._tickAt = Infinity;
    this._endTimer = undefined;
    this._endAt = Infinity;
    this._peerTimeout = orNone(options.peerTimeout);
    this._ttl = options.history.ttl;
    /** What is told of it; undefined without one. @type {HistoryFile | undefined} */
    this._file = historyFileOf(options.history, listener);
    this._stopped = undefined;
    this._isOver = false;
    /** Clients attached in this turn. */
    this._unwoken = 0;
    this._wokenAt = 0;
    this._options = options;
    this._core = undefined;
    if (start !== null) this.open(start);
  }

  /** Makes the hubs. Until then there are no clients, and the rest of the methods is for afterwards. */
  open({ birth = 0, newest = 0 }) {
    const options = this._options;
    this._options = undefined;
    const { file, sync } = options.history;
    const ref = this._ref;
    this._core = native.create(
      {
        number: this._number,
        birth,
        newest,
        threads: options.threads,
        heartbeatMs: options.heartbeatInterval,
        historySize: options.history.size,
        historySizes: Object.entries(options.history.sizes ?? {}).flat(),
        historyTtlMs: orNone(options.history.ttl),
        historyFile: file ?? '',
        historySyncMs: sync === 'always' ? 0 : sync,
        historyMaxBytes: orNone(options.history.maxBytes),
        historyTotalBytes: orNone(options.history.totalBytes),
        maxRings: options.maxChannels,
        maxQueuedBytes: options.maxQueuedBytes,
        maxClients: orNone(options.maxClients),
        maxClientsPerUser: orNone(options.maxClientsPerUser),
        peerTimeoutMs: this._peerTimeout,
      },
      // The core holds these: through them it must not hold the hub, which holds it.
      (handle, buffer) => ref.deref()?._write(handle, buffer) ?? -1,
      (handle) => ref.deref()?._endStream(handle),
      (handle) => ref.deref()?._streams.get(handle)?.pending() ?? 0,
    );
    hubs.set(this._number, ref);
    collected.register(this, this._number);
    if (this._ttl !== Infinity) this._startTimer(1);
  }

  /** @returns {number} a slot, or 0 when maxClients is reached */
  reserve() {
    return native.reserve(this._core);
  }

  /** @returns {boolean} false when the user has maxClientsPerUser already */
  assign(handle, issuer, userId) {
    return native.assign(this._core, handle, issuer, userId);
  }

  /** Frees a slot that did not become a client. */
  release(handle) {
    native.release(this._core, handle);
  }

  /** The highest event id so far: what a page that is rendered now is up to date with. */
  get newest() {
    return this._core === undefined ? 0 : native.newest(this._core);
  }

  /** stop() was called: nobody new is let in. */
  get isStopping() {
    return this._stopped !== undefined;
  }

  /** Everybody was sent away: nothing is published any more. */
  get isStopped() {
    return this._isOver;
  }

  /**
   * Turns a reserved slot into a client.
   * @param {number} handle
   * @param {object} subscription { id of the client or none, keys, hello: (id) => data of `connected`, cursor, end: { at ms since 1970, reason }
   *   | undefined, retry }
   * @param {{ fd: number, opening: string } | { res: object }} transport `opening` is sent before everything else
   * @returns {string | null} the client's id; null when the fd could not be duplicated
   */
  attach(handle, { id = randomUUID(), keys, hello, cursor, end, retry = -1 }, { fd = -1, opening = '', res }) {
    const endsAt = end?.at ?? 0;
    if (fd < 0) this._addStream(handle, res);
    const rc = native.attach(
      this._core,
      handle,
      fd,
      id,
      keys,
      Date.now(),
      endsAt,
      REASON[end?.reason] ?? 0,
      cursor.kind,
      cursor.id,
      // The hub closes the object with what only it knows.
      JSON.stringify(hello(id)).slice(0, -1),
      retry,
      opening,
    );
    if (rc !== 0) {
      if (fd < 0) this._streams.delete(handle);
      this._ending.delete(handle);
      return null;
    }
    held.add(this);
    if (fd >= 0) this._wakeSoon();
    if (endsAt > 0 && endsAt < this._endAt) this._armEnd();
    return id;
  }

  /**
   * @param {string} type
   * @param {string} json
   * @param {(number | string)[]} keys flat: scope, owner, name, …
   * @param {number} [form] of FORM: under its type, without one, or once each
   * @returns {number} the event id
   */
  publish(type, json, keys, form = FORM.named) {
    return native.publish(this._core, type, json, keys, form);
  }

  /**
   * @param {number} id of an event that was just published
   * @returns {Promise<number>} the id, once the event is as safe as `history.sync` asks for; it may be ignored
   */
  settled(id) {
    if (this._file === undefined) return Promise.resolve(id);
    const promise = this._file.settled(id);
    if (this._file.isAwaited) held.add(this);
    return promise;
  }

  /**
   * Events that were given their ids elsewhere, in one step for every hub.
   * @param {[id: number, type: string, json: string, form: number, keys: (number | string)[]][]} records ascending
   */
  ingest(records) {
    native.ingest(this._core, records);
  }

  /**
   * Older events of one key from elsewhere. A key that has no event above `floor` here must be hydrated before it is
   * published to.
   * @param {(number | string)[]} key
   * @param {[id: number, type: string, json: string, form: number][]} records ascending, complete above `floor`
   * @param {number} floor
   */
  hydrate(key, records, floor) {
    native.hydrate(this._core, key, records, floor);
  }

  /** Events up to the id `floor` may have been missed: clients are told, those that come back too. */
  gap(floor) {
    native.gap(this._core, floor);
  }

  /** An event without an id to one client, past every history. @returns {boolean} false when it is not there */
  send(handle, type, json) {
    return native.send(this._core, handle, type, json);
  }

  /** @returns {boolean} whether the client is there and did not have the key */
  subscribe(handle, key) {
    return native.subscribe(this._core, handle, key);
  }

  /** @returns {boolean} whether the client is there and had the key */
  unsubscribe(handle, key) {
    return native.unsubscribe(this._core, handle, key);
  }

  /**
   * Ends a client after what is queued and `last`.
   * @returns {boolean} false when there is no such client
   */
  detach(handle, reason, last = null) {
    const isKnown = native.detach(this._core, handle, REASON[reason] ?? REASON.server, last);
    if (isKnown) this._ending.add(handle);
    return isKnown;
  }

  /** Ends every client of a user. @returns {number} how many */
  detachUser(issuer, userId, last) {
    return this.handlesOf(issuer, userId).filter((handle) => this.detach(handle, 'server', last)).length;
  }

  /** Numbers of the clients of a user. */
  handlesOf(issuer, userId) {
    return this._core === undefined ? [] : native.clientsOf(this._core, issuer, userId);
  }

  /** @returns {object | undefined} { handle, id, userId, channels, connectedAt, isSocket } */
  describe(idOrHandle) {
    return this._core === undefined ? undefined : native.client(this._core, idOrHandle);
  }

  /** The same for one that is not on its way out. */
  describeStaying(idOrHandle) {
    const client = this.describe(idOrHandle);
    return client !== undefined && this._ending.has(client.handle) ? undefined : client;
  }

  /** Numbers of all clients in the order of their arrival. */
  handles() {
    return this._core === undefined ? [] : native.clients(this._core);
  }

  /** The response object of a client: the real one, or one that writes through the core. */
  responseOf({ handle, isSocket }) {
    if (!isSocket) return this._streams.get(handle)?.res;
    let response = this._socketResponses.get(handle);
    if (response === undefined) {
      response = new SocketResponse(
        (chunk) => native.write(this._core, handle, chunk),
        () => this.detach(handle, 'server'),
      );
      // One that is asked for after the end is not kept.
      if (native.client(this._core, handle) === undefined) response.closed_();
      else this._socketResponses.set(handle, response);
    }
    return response;
  }

  get size() {
    const [socket, stream] = this._counts();
    return socket + stream;
  }

  /** Clients without those that are on their way out. */
  get staying() {
    return this.size - this._ending.size;
  }

  _counts() {
    return this._core === undefined ? [0, 0, 0, 0] : native.counts(this._core);
  }

  stats() {
    const [socket, stream, published, delivered] = this._counts();
    return { clients: { socket, stream }, events: { published, delivered }, closed: { ...this._closed } };
  }

  /**
   * Ends every client within `drainMs`, then the threads.
   * @param {number} drainMs
   * @returns {Promise<void>} once the threads are joined and every end was told
   */
  stop(drainMs) {
    if (this._stopped === undefined) {
      held.add(this);
      this._stopped = new Promise((resolve) => {
        this._onStopped = resolve;
      }).then(() => this._forget());
      this._drain = new Drain({
        handles: () => this.handles(),
        isEmpty: () => this.size === 0,
        end: (handle, retry) => this.detach(handle, 'shutdown', Buffer.from(closing('shutdown', true, retry))),
        done: () => this._end(),
      });
    }
    this._drain.within(drainMs);
    return this._stopped;
  }

  _end() {
    this._isOver = true;
    clearTimeout(this._timer);
    clearTimeout(this._endTimer);
    if (this._core === undefined) this._onStopped();
    else native.stop(this._core);
  }

  _onStopped() {}

  _onStored(news) {
    this._file.onStored(...news);
    this._letGo();
  }

  /** A hub that nobody needs goes with its server. */
  _letGo() {
    if (this.size === 0 && !this.isStopping && !this._file?.isAwaited) held.delete(this);
  }

  _forget() {
    this._file?.end();
    hubs.delete(this._number);
    held.delete(this);
  }

  _addStream(handle, res) {
    const listener = {
      closed: (reason) => {
        // A mock goes on telling after its end.
        if (this._streams.has(handle)) this._ending.add(handle);
        native.streamClosed(this._core, handle, reason);
      },
      drained: () => native.streamDrained(this._core, handle),
    };
    this._streams.set(handle, new Stream(res, listener, this._peerTimeout));
    if (this._timer === undefined) this._startTimer(1);
  }

  _write(handle, buffer) {
    const answer = this._streams.get(handle)?.write(buffer) ?? -1;
    if (answer === 0 && this._tickAt - performance.now() > LOOK_MS) this._startTimer(LOOK_MS);
    return answer;
  }

  _endStream(handle) {
    const stream = this._streams.get(handle);
    if (stream === undefined) return;
    stream.end();
    // The entry stays until onDisconnect has been told: it answers client.res.
  }

  /**
   * An I/O thread hears of new clients once for all of this turn of the event loop, and where many come no more than
   * once a millisecond: to wake a thread costs about as much as all else that is done for a client.
   */
  _wakeSoon() {
    this._unwoken += 1;
    if (this._unwoken === 1) setImmediate(() => this._wakeInTime());
    else if (this._unwoken % MAX_UNWOKEN === 0) native.wake(this._core);
  }

  _wakeInTime() {
    if (performance.now() - this._wokenAt < 1) setTimeout(() => this._wake(), 1);
    else this._wake();
  }

  _wake() {
    this._unwoken = 0;
    this._wokenAt = performance.now();
    native.wake(this._core);
  }

  /** Heartbeats, stalls and expiry of what the JS thread owns. */
  _startTimer(ms) {
    clearTimeout(this._timer);
    this._tickAt = performance.now() + ms;
    this._timer = setWeakTimeout(this._ref, '_tick', ms);
  }

  _tick() {
    this._timer = undefined;
    this._tickAt = Infinity;
    if (this._isOver) return;
    const wait = native.tick(this._core);
    // What the tick has run may have started it already.
    const isNeeded = this._streams.size > 0 || this._ttl !== Infinity;
    if (isNeeded && !this._isOver && performance.now() + wait < this._tickAt) this._startTimer(wait);
  }

  /** Sleeps until the next client's time has come. */
  _armEnd() {
    clearTimeout(this._endTimer);
    const at = native.nextEnd(this._core);
    this._endAt = at === 0 ? Infinity : at;
    if (at === 0 || this._isOver) return;
    this._endTimer = setWeakTimeout(this._ref, '_endDue', Math.min(Math.max(at - Date.now(), 1), MAX_SLEEP_MS));
  }

  _endDue() {
    try {
      for (;;) {
        const due = native.takeDue(this._core, Date.now());
        if (due === undefined) break;
        const [handle, reason] = due;
        this.detach(handle, native.reasons[reason], LAST_WORDS.get(reason));
      }
    } finally {
      // Memory that is out for one must not keep the others for ever.
      this._armEnd();
    }
  }

  _onDisconnected(client, reason) {
    this._closed[reason] += 1;
    this._ending.delete(client.handle);
    const stream = this._streams.get(client.handle);
    const response = client.isSocket ? this.responseOf.bind(this, client) : () => stream?.res;
    this._streams.delete(client.handle);
    this._socketResponses.get(client.handle)?.closed_();
    try {
      this._listener.onDisconnect(client, reason, response);
    } finally {
      this._socketResponses.delete(client.handle);
      this._drain?.check();
      this._letGo();
    }
  }
}

module.exports = { Hub, FORM };
