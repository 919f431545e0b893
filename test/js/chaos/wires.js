'use strict';

// wires.js - one subscription on the wire, over HTTP/1.1, TLS or HTTP/2: a request whose answer can be left
// unread, read on, and cut in every way there is.

const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const tls = require('node:tls');

const ignore = () => {};

class Http1Wire {
  /**
   * @param {{ port: number, path: string, headers: object, isTls: boolean }} target
   * @param {{ head: (status: number) => void, bytes: (bytes: Buffer) => void, over: () => void }} listener
   */
  constructor({ port, path, headers, isTls }, listener) {
    this._isPaused = false;
    this._isHalfClosed = false;
    this._raw = net.connect({ host: '127.0.0.1', port });
    this._raw.on('error', ignore);
    const connection = isTls ? tls.connect({ socket: this._raw, rejectUnauthorized: false }) : this._raw;
    this._socket = connection;
    this._request = http.request({ path, headers, createConnection: () => connection });
    this._request.on('error', ignore);
    this._request.on('close', () => listener.over());
    this._request.on('response', (response) => {
      this._response = response;
      response.on('error', ignore);
      listener.head(response.statusCode);
      response.on('data', (bytes) => listener.bytes(bytes));
      if (this._isPaused) response.pause();
    });
    this._request.end();
  }

  pause() {
    this._isPaused = true;
    this._response?.pause();
  }

  resume() {
    this._isPaused = false;
    this._response?.resume();
  }

  /** Closes one direction; what is still sent can be read. */
  halfClose() {
    this._isHalfClosed = true;
    this._socket.end();
  }

  reset() {
    // libuv refuses to reset what is being shut down, and Node then forgets the descriptor without closing it.
    if (this._isHalfClosed) {
      this.close();
      return;
    }
    this._raw.resetAndDestroy();
    this._request.destroy();
  }

  close() {
    this._request.destroy();
  }
}

class Http2Wire {
  /** As Http1Wire; every subscription has a connection of its own. */
  constructor({ port, path, headers }, listener) {
    this._session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    this._session.on('error', ignore);
    this._stream = this._session.request({ ':path': path, ...headers });
    this._stream.on('error', ignore);
    this._stream.on('response', (fields) => listener.head(fields[':status']));
    this._stream.on('data', (bytes) => listener.bytes(bytes));
    this._stream.on('close', () => {
      this._session.destroy();
      listener.over();
    });
  }

  pause() {
    this._stream.pause();
  }

  resume() {
    this._stream.resume();
  }

  /** HTTP/2 ends the request with its head; the nearest is to give up the stream. */
  halfClose() {
    this._stream.resume(); // unread, it would never be over
    this._stream.close(http2.constants.NGHTTP2_CANCEL);
  }

  reset() {
    this._session.destroy();
  }

  close() {
    this.halfClose();
    this._session.close();
  }
}

/** @param {'http1' | 'tls' | 'http2'} kind */
function openWire(kind, target, listener) {
  if (kind === 'http2') return new Http2Wire(target, listener);
  return new Http1Wire({ ...target, isTls: kind === 'tls' }, listener);
}

module.exports = { openWire };
