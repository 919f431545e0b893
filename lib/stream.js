'use strict';

// stream.js - one client of the stream transport: what is written to its response,
// and what is listened for there and on the connection below it.

const { OutgoingMessage } = require('node:http');

const { hub: native } = require('./binding');
const { wireOf } = require('./handover');

/** Reason name -> its number in csrc/hub/reason.h. */
const REASON = Object.freeze(Object.fromEntries(native.reasons.map((name, i) => [name, i])));

/** The peer does not answer any more, as csrc/io/peer.c has it. */
const TIMED_OUT = ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN'];

const reasonOfError = (error) => (TIMED_OUT.includes(error?.code) ? REASON.timeout : REASON.reset);

/** What a client may send after its request, as csrc/io/socket_sink.c has it. */
const MAX_DISCARDED = 16 * 1024;

/** How long an ended response may stand still, as SSE_STALL_US has it for clients. */
const STALL_MS = 1000;

/** A number, whatever a response of the app's answers. */
const toBytes = (value) => (Number.isFinite(value) && value > 0 ? value : 0);

class Stream {
  /**
   * @param {object} res
   * @param {{ closed: (reason: number) => void, drained: () => void }} listener
   * @param {number} peerTimeout ms, 0 for none
   */
  constructor(res, { closed, drained }, peerTimeout) {
    this.res = res;
    this.isWriting = false;
    this.discarded = 0;
    this._known = this._learn();
    this.onDrain = () => {
      // A drain told from inside write would be overtaken by write's answer.
      if (this.isWriting) queueMicrotask(this.onDrain);
      else drained();
    };
    this.onError = (error) => closed(reasonOfError(error));
    this.onClose = () => closed(this._reasonOfClose());
    this.onData = ({ length }) => {
      // The body of a POST is the app's to have, and ends with the request.
      if (res.req?.complete === false) return;
      this.discarded += length;
      if (this.discarded > MAX_DISCARDED) closed(REASON.protocol);
    };
    res.on('drain', this.onDrain);
    res.on('close', this.onClose);
    res.on('error', this.onError);
    this._watch();
    const { fd } = this._handle() ?? {};
    if (peerTimeout > 0 && fd >= 0) native.setPeerTimeout(fd, peerTimeout);
  }

  /** What Node writes to: of HTTP/2 that of the whole connection; a mock has none. */
  _handle() {
    const { res } = this;
    const socket = res.stream?.session?.socket ?? res.socket ?? res.req?.socket;
    return socket?._handle;
  }

  /**
   * Bytes written that the peer has not taken: in the response, in libuv's queue and in the kernel. On HTTP/2 the
   * last two are the connection's, so that another stream's progress counts as this one's.
   * @returns {number}
   */
  pending() {
    const handle = this._handle();
    const written = this._unwritten() + toBytes(handle?.writeQueueSize);
    return written + (handle?.fd >= 0 ? native.unacked(handle.fd) : 0);
  }

  /**
   * What a write needs of the response, looked up once: with Node 20 each response of Express has a hidden class of
   * its own, so that every look at one is slow. Only of a response of node:http that no other on its connection is in
   * front of: that one says at once when the app ends it.
   * @returns {{ write: Function, flush: Function | undefined } | undefined} undefined: look each time
   */
  _learn() {
    const { res } = this;
    if (!(res instanceof OutgoingMessage) || res.outputData?.length !== 0 || res.socket == null) return undefined;
    this.onPrefinish = () => {
      this._known = undefined;
    };
    res.on('prefinish', this.onPrefinish);
    return { write: res.write, flush: typeof res.flush === 'function' ? res.flush : undefined };
  }

  /** Writes to a response that may have been ended, or changed. @returns {boolean} as `write` does */
  _writeCarefully(buffer) {
    const { res } = this;
    const more = res.write(buffer);
    // compression() gathers what it is not told to let go.
    if (typeof res.flush === 'function') res.flush();
    return more;
  }

  _writeKnown(buffer, { write, flush }) {
    const more = write.call(this.res, buffer);
    if (flush !== undefined) flush.call(this.res);
    return more;
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
    this.wire = wireOf(res.req, res);
    if (typeof this.wire?.prependListener !== 'function') return;
    this.wire.prependListener('close', this.onClose);
    // On an HTTP/2 stream these are about the request's body.
    if (res.stream !== undefined) return;
    this.wire.prependListener('end', this.onClose);
    // Before the parser: it would call a request complete that ends with these very bytes.
    this.wire.prependListener('data', this.onData);
  }

  _reasonOfClose() {
    if (this.res.writableEnded) return REASON.server; // the app ended it
    const error = this.wire?.errored;
    return error ? reasonOfError(error) : REASON.client;
  }

  /** @returns {number} 1 taken, 0 taken but wait for drain, -1 broken */
  write(buffer) {
    const known = this._known;
    if (known === undefined && (this.res.destroyed || this.res.writableEnded)) {
      this.onClose(); // says why, before the core takes it for a broken connection
      return -1;
    }
    this.isWriting = true;
    try {
      const more = known === undefined ? this._writeCarefully(buffer) : this._writeKnown(buffer, known);
      return more === false ? 0 : 1;
    } catch {
      return -1;
    } finally {
      this.isWriting = false;
    }
  }

  /** A mock may have no more than `on`. */
  _unwatch() {
    const { res } = this;
    res.off?.('drain', this.onDrain);
    res.off?.('close', this.onClose);
    if (this.onPrefinish !== undefined) res.off('prefinish', this.onPrefinish);
    this.wire?.off?.('close', this.onClose);
    this.wire?.off?.('end', this.onClose);
    this.wire?.off?.('data', this.onData);
  }

  end() {
    const { res } = this;
    try {
      this._unwatch();
    } catch {
      // What stays attached is harmless; the response has to be ended all the same.
    }
    try {
      if (!res.writableEnded) res.end();
    } catch {
      // The response is the app's; it is over either way.
    }
    if (this._unwritten() > 0) this._destroyWhenStalled();
  }

  /** Bytes that this process still has. */
  _unwritten() {
    const { res } = this;
    return toBytes((res.stream ?? res).writableLength);
  }

  /** An ended response whose peer takes no more of it would hold its connection, and keep the process alive, for good. */
  _destroyWhenStalled() {
    const { res } = this;
    let before = this.pending();
    const watch = setInterval(() => {
      const left = this.pending();
      const isWritten = this._unwritten() === 0;
      const isStalled = left >= before;
      before = left;
      if (isWritten || isStalled) clearInterval(watch);
      if (isStalled && !isWritten) (res.stream ?? res).destroy?.();
    }, STALL_MS);
    watch.unref();
  }
}

module.exports = { Stream, REASON };
