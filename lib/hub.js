'use strict';

// hub.js - the JS side of one native core: streams it writes to, its timer,
// its ends. Both public systems (createSseServer, SseManager) stand on this;
// neither talks to the addon itself.

const { randomUUID } = require('node:crypto');

const binding = require('./binding');
const { SocketResponse } = require('./socket-response');

const native = binding.hub;

/** Reason name -> its number in csrc/hub/reason.h. */
const REASON = Object.freeze(Object.fromEntries(native.reasons.map((name, i) => [name, i])));

/** @type {Map<number, Hub>} every hub that may still hear from its core */
const hubs = new Map();
let lastNumber = 0;

binding.onEvent('disconnected', (number, client, reason) => hubs.get(number)?._onDisconnected(client, reason));
binding.onEvent('stopped', (number) => hubs.get(number)?._onStopped());

/** Infinity is "none"; the core says 0 for that. */
const orNone = (value) => (value === Infinity ? 0 : value);

/** What a client may send after its request, as csrc/io/socket_sink.c has it. */
const MAX_DISCARDED = 16 * 1024;

/** One stream client: what listens on its response, and on what that is written to. */
class Stream {
  constructor(hub, handle, res) {
    this.res = res;
    this.isWriting = false;
    this.discarded = 0;
    const closed = (reason) => native.streamClosed(hub._core, handle, reason);
    this.onDrain = () => {
      // A drain told from inside write would be overtaken by write's answer.
      if (this.isWriting) queueMicrotask(this.onDrain);
      else native.streamDrained(hub._core, handle);
    };
    this.onError = () => closed(REASON.reset);
    this.onClose = () => closed(this._reasonOfClose());
    this.onData = ({ length }) => {
      this.discarded += length;
      if (this.discarded > MAX_DISCARDED) closed(REASON.protocol);
    };
    res.on('drain', this.onDrain);
    res.on('close', this.onClose);
    res.on('error', this.onError);
    this._watch();
  }

  /**
   * Listens below the response too, and first. A client that goes is how a
   * subscription ends: hearing of it here, the hub ends the response before
   * pino-http and others that listen to that would call it aborted. A response
   * that waits behind another on its connection is never told at all.
   */
  _watch() {
    const { res } = this;
    // A mock has none of them.
    this.wire = res.stream ?? res.socket ?? res.req?.socket;
    if (typeof this.wire?.prependListener !== 'function') return;
    this.wire.prependListener('close', this.onClose);
    // On an HTTP/2 stream these are about the request's body.
    if (res.stream !== undefined) return;
    this.wire.prependListener('end', this.onClose);
    this.wire.on('data', this.onData);
  }

  _reasonOfClose() {
    if (this.res.writableEnded) return REASON.server; // the app ended it
    return this.wire?.errored ? REASON.reset : REASON.client;
  }

  /** @returns {number} 1 taken, 0 taken but wait for drain, -1 broken */
  write(buffer) {
    const { res } = this;
    if (res.destroyed || res.writableEnded) {
      this.onClose(); // says why, before the core takes it for a broken connection
      return -1;
    }
    this.isWriting = true;
    try {
      const more = res.write(buffer);
      // compression() gathers what it is not told to let go.
      if (typeof res.flush === 'function') res.flush();
      return more === false ? 0 : 1;
    } catch {
      return -1;
    } finally {
      this.isWriting = false;
    }
  }

  end() {
    const { res } = this;
    // A mock may have no more than `on`; what stays attached is harmless.
    res.off?.('drain', this.onDrain);
    res.off?.('close', this.onClose);
    this.wire?.off?.('close', this.onClose);
    this.wire?.off?.('end', this.onClose);
    this.wire?.off?.('data', this.onData);
    try {
      if (!res.writableEnded) res.end();
    } catch {
      // The response is the app's; it is over either way.
    }
  }
}

class Hub {
  /**
   * @param {object} options checked by lib/options.js
   * @param {{ onDisconnect: (client: object, reason: string) => void }} listener
   */
  constructor(options, listener) {
    lastNumber += 1;
    this._number = lastNumber;
    this._listener = listener;
    /** @type {Map<number, Stream>} */
    this._streams = new Map();
    /** @type {Map<number, SocketResponse>} only those somebody asked for */
    this._socketResponses = new Map();
    this._closed = Object.fromEntries(native.reasons.map((name) => [name, 0]));
    this._timer = undefined;
    this._ttl = options.history.ttl;
    this._stopped = undefined;
    this._core = native.create(
      {
        number: this._number,
        threads: options.threads,
        heartbeatMs: options.heartbeatInterval,
        historySize: options.history.size,
        historyTtlMs: orNone(options.history.ttl),
        maxRings: options.maxChannels,
        maxQueuedBytes: options.maxQueuedBytes,
        maxClients: orNone(options.maxClients),
        maxClientsPerUser: orNone(options.maxClientsPerUser),
      },
      (handle, buffer) => this._streams.get(handle)?.write(buffer) ?? -1,
      (handle) => this._endStream(handle),
    );
    hubs.set(this._number, this);
    if (this._ttl !== Infinity) this._startTimer();
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
    return native.newest(this._core);
  }

  get isStopped() {
    return this._stopped !== undefined;
  }

  /**
   * Turns a reserved slot into a client.
   * @param {number} handle
   * @param {object} subscription { keys, hello, cursor, expiresAt, retry }
   * @param {{ fd: number } | { res: object }} transport
   * @returns {string | null} the client's id; null when the fd could not be duplicated
   */
  attach(handle, { keys, hello, cursor, expiresAt = 0, retry = -1 }, { fd = -1, res }) {
    const id = randomUUID();
    if (fd < 0) this._addStream(handle, res);
    const rc = native.attach(
      this._core,
      handle,
      fd,
      id,
      keys,
      Date.now(),
      expiresAt,
      cursor.kind,
      cursor.id,
      // The hub closes the object with what only it knows.
      JSON.stringify({ clientId: id, ...hello }).slice(0, -1),
      retry,
    );
    if (rc === 0) return id;
    if (fd < 0) this._streams.delete(handle);
    return null;
  }

  /**
   * @param {string} type
   * @param {string} json
   * @param {(number | string)[]} keys flat: scope, owner, name, …
   * @returns {number} the event id
   */
  publish(type, json, keys) {
    return native.publish(this._core, type, json, keys);
  }

  /**
   * Ends a client after what is queued and `last`.
   * @returns {boolean} false when there is no such client
   */
  detach(handle, reason, last = null) {
    return native.detach(this._core, handle, REASON[reason] ?? REASON.server, last);
  }

  /** @returns {object | undefined} { handle, id, userId, channels, connectedAt, isSocket } */
  describe(idOrHandle) {
    return native.client(this._core, idOrHandle);
  }

  /** Numbers of all clients in the order of their arrival. */
  handles() {
    return native.clients(this._core);
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
    const [socket, stream] = native.counts(this._core);
    return socket + stream;
  }

  stats() {
    const [socket, stream, published, delivered] = native.counts(this._core);
    return { clients: { socket, stream }, events: { published, delivered }, closed: { ...this._closed } };
  }

  /**
   * Ends every client and the threads.
   * @param {Buffer} last the last frame of each client
   * @returns {Promise<void>} once the threads are joined and every end was told
   */
  stop(last) {
    if (this._stopped === undefined) {
      this._stopped = new Promise((resolve) => {
        this._onStopped = resolve;
      }).then(() => {
        hubs.delete(this._number);
      });
      clearTimeout(this._timer);
      for (const handle of this.handles()) this.detach(handle, 'shutdown', last);
      native.stop(this._core);
    }
    return this._stopped;
  }

  _onStopped() {}

  _addStream(handle, res) {
    this._streams.set(handle, new Stream(this, handle, res));
    if (this._timer === undefined) this._startTimer();
  }

  _endStream(handle) {
    const stream = this._streams.get(handle);
    if (stream === undefined) return;
    stream.end();
    // The entry stays until onDisconnect has been told: it answers client.res.
  }

  /** Heartbeats, stalls and expiry of what the JS thread owns. */
  _startTimer() {
    const tick = () => {
      this._timer = undefined;
      if (this.isStopped) return;
      const wait = native.tick(this._core);
      if (this._streams.size === 0 && this._ttl === Infinity) return;
      this._timer = setTimeout(tick, wait);
      this._timer.unref();
    };
    this._timer = setTimeout(tick, 1);
    this._timer.unref();
  }

  _onDisconnected(client, reason) {
    this._closed[reason] += 1;
    const stream = this._streams.get(client.handle);
    const response = client.isSocket ? this.responseOf.bind(this, client) : () => stream?.res;
    this._streams.delete(client.handle);
    this._socketResponses.get(client.handle)?.closed_();
    try {
      this._listener.onDisconnect(client, reason, response);
    } finally {
      this._socketResponses.delete(client.handle);
    }
  }
}

module.exports = { Hub };
