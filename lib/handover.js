'use strict';

// handover.js - moves a connection from Node to the core (design: Node answers,
// then the core owns a duplicate of the descriptor). Decides whether that may
// be, writes the head so that it can be, and lets Node's objects go without
// anyone in the middleware chain seeing more than a finished 200.

const net = require('node:net');

/** Written with the head, so that whoever rewrites bodies shows before it. */
const OPENING = ': ok\n';

/** Everything but `Connection`, which HTTP/2 forbids (RFC 9113, section 8.2.2). */
const HEADERS = Object.freeze({
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
});

/**
 * Its request says what a response is. What is not there is not looked for: with Node 20 each response of Express has a
 * hidden class of its own, so that V8 walks all of its prototypes each time.
 */
const streamOf = (req, res) => (req?.httpVersionMajor === 1 ? undefined : res.stream);

const isHttp2 = (req, res) => req?.httpVersionMajor >= 2 || streamOf(req, res) !== undefined;

/** HTTP/1 connections that carry a subscription, whoever owns them by now. */
const taken = new WeakSet();

/**
 * Says that a subscription has begun. It runs to the close of its connection,
 * so a request that was pipelined behind it can never be answered.
 */
function take(req, res) {
  if (!isHttp2(req, res) && req?.socket instanceof net.Socket) taken.add(req.socket);
}

/** Whether the request is one behind a subscription. */
function isTaken(req, res) {
  return !isHttp2(req, res) && req?.socket != null && taken.has(req.socket);
}

/** What carries the answer: the HTTP/2 stream, or the connection. A mock has none. */
const wireOf = (req, res) => streamOf(req, res) ?? res.socket ?? req?.socket;

/**
 * Whether nobody is left to answer.
 * @param {object} res
 * @param {object | undefined} wire as wireOf had it when the request came
 */
function hasLeft(res, wire) {
  // 'close' comes some ticks after the end, and never to who listens too late.
  if (wire?.destroyed || wire?.errored) return true;
  // Node ends the HTTP/2 stream of a HEAD itself.
  if (wire?.writableEnded && wire !== res.stream) return true;
  // A middleware with a time limit may have answered meanwhile.
  return Boolean(res.destroyed || res.writableEnded);
}

/** Connection -> who wants to hear that it has closed. */
const watchers = new WeakMap();

/**
 * Calls back once when the connection closes. One listener for all: of requests that are pipelined a peer may send
 * any number.
 * @param {object | undefined} wire
 * @param {() => void} callback
 * @returns {() => void} to hear no more
 */
function onceClosed(wire, callback) {
  if (typeof wire?.once !== 'function') return () => {};
  let all = watchers.get(wire);
  if (all === undefined) {
    all = new Set();
    watchers.set(wire, all);
    wire.once('close', () => {
      for (const each of all) each();
    });
  }
  all.add(callback);
  return () => all.delete(callback);
}

/**
 * Whether the connection is one whose bytes are exactly what we write: plain
 * HTTP/1 on a TCP or Unix-domain socket. TLS and HTTP/2 have a descriptor too,
 * so each condition counts.
 */
function isCandidate(req, res) {
  if (req?.httpVersionMajor !== 1 || res.stream !== undefined) return false;
  const { socket } = res;
  if (!(socket instanceof net.Socket) || socket.encrypted || socket.destroyed) return false;
  const handle = socket._handle;
  const kind = handle?.constructor?.name;
  return (kind === 'TCP' || kind === 'Pipe') && handle.fd >= 0 && socket.writableLength === 0;
}

/** Asked for before anybody can have put something of his own in its place. */
const plainWrite = net.Socket.prototype.write;

/**
 * Collects what is written to the socket while `work` runs, instead of sending it.
 * @returns {[chunk: unknown, encoding?: string, callback?: () => void][]}
 */
function collect(socket, work) {
  const writes = [];
  socket.write = (...write) => {
    writes.push(write);
    return true;
  };
  try {
    work();
  } finally {
    delete socket.write;
  }
  return writes;
}

/**
 * Has Node make the head and one comment line, and takes them before they are sent: the core sends them with the first
 * events, which spares a system call and a packet. What nobody may take is sent as ever.
 * @param {boolean} mayBeHandedOver whether the connection may be handed over
 * @returns {string | undefined} what the core has to send first; undefined when the connection must not be handed over
 */
function writeHead(req, res, mayBeHandedOver) {
  if ('statusCode' in res) res.statusCode = 200;
  for (const name in HEADERS) res.setHeader(name, HEADERS[name]);
  if (!isHttp2(req, res) && typeof res.removeHeader === 'function') {
    res.setHeader('Connection', 'close');
    // The body runs to the close: an event is the same bytes for everybody, and one write.
    res.removeHeader('Transfer-Encoding');
  }
  const { socket } = res;
  if (!mayBeHandedOver || socket.write !== plainWrite) {
    res.write(OPENING);
    return undefined;
  }
  const writes = collect(socket, () => res.write(OPENING));
  const [[chunk, encoding, callback] = []] = writes;
  const isOurs = writes.length === 1 && typeof res._header === 'string' && chunk === res._header + OPENING;
  if (isOurs && (encoding === undefined || encoding === 'utf8')) {
    if (typeof callback === 'function') process.nextTick(callback);
    return chunk;
  }
  // Somebody rewrites what we write.
  for (const write of writes) socket.write(...write);
  return undefined;
}

/**
 * Node forgets a connection whose duplicate the core has. `destroy` closes
 * Node's descriptor, never the connection; only then `end`, which finds nobody
 * to shut down and emits 'finish' before the socket's 'close', so that loggers
 * see a response that completed.
 */
function letGo(res, socket) {
  socket.destroy();
  if (!res.writableEnded) res.end();
}

/** Waits for the end of a request that was resumed; without it Node calls it aborted later. */
function drained(req) {
  if (req.readableEnded || req.complete === undefined || typeof req.once !== 'function') return undefined;
  return new Promise((resolve) => {
    req.once('end', resolve);
    req.once('close', resolve);
    req.once('error', resolve);
  });
}

module.exports = { take, isTaken, wireOf, hasLeft, onceClosed, isCandidate, writeHead, letGo, drained, isHttp2, HEADERS };
