'use strict';

// wiretap.js - a TCP proxy that keeps every byte that a server sends, and can tell what of it is HTTP/2.

const net = require('node:net');

/** @param {{ port: number } | { socketPath: string }} target */
async function startWiretap({ port, socketPath }) {
  const pieces = [];
  const sockets = new Set();
  const server = net.createServer((client) => {
    const upstream = socketPath ? net.connect(socketPath) : net.connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    upstream.on('data', (bytes) => pieces.push(bytes));
    client.pipe(upstream).pipe(client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: server.address().port,
    /** What the server has sent, as it was on the wire. */
    get bytes() {
      return Buffer.concat(pieces);
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

const DATA = 0;
const LAST_KNOWN_TYPE = 9; // CONTINUATION (RFC 9113, section 6); Node sends no extension unasked
const DEFAULT_MAX_FRAME = 16_384;

/**
 * Reads what a server has sent as HTTP/2 frames (RFC 9113, section 4.1). A byte that is in none is an error.
 * @param {Buffer} bytes
 * @returns {{ type: number, stream: number, payload: Buffer }[]} the last may not be whole and is then left out
 */
function readFrames(bytes) {
  const frames = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    const type = bytes[at + 3];
    if (length > DEFAULT_MAX_FRAME || type > LAST_KNOWN_TYPE) {
      throw new Error(`no HTTP/2 frame at byte ${at}: ${JSON.stringify(bytes.toString('latin1', at, at + 60))}`);
    }
    const payload = bytes.subarray(at + 9, at + 9 + length);
    if (payload.length === length) frames.push({ type, stream: bytes.readUInt32BE(at + 5) & 0x7fffffff, payload });
    at += 9 + length;
  }
  return frames;
}

/** The content that DATA frames carry. Node pads nothing unasked. */
function dataOf(frames) {
  return Buffer.concat(frames.filter(({ type }) => type === DATA).map(({ payload }) => payload)).toString();
}

module.exports = { startWiretap, readFrames, dataOf };
