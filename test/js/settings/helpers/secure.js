'use strict';

// secure.js - the settings in which a connection is never handed over: how a server is made for each, and a
// client for each that is Node's own.

const { once } = require('node:events');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');

const { adopt } = require('../../helpers/app');
const { makeCertificate } = require('./certificate');
const { Reader } = require('./reader');

const pem = makeCertificate();

/** The router without an Express application, which knows no HTTP/2. */
const byRouter = (sse) => (req, res) => sse.router(req, res, (error) => {
  res.statusCode = error ? 500 : 404;
  res.end(error?.stack);
});

/** TLS ends in a server of its own, which gives its sockets to a plain HTTP server. */
function twoServers(handler) {
  const inner = http.createServer(handler);
  return tls.createServer(pem, (socket) => inner.emit('connection', socket));
}

/**
 * `create(sse, app)` makes a server; `path` is where it subscribes.
 * @type {Record<string, { create: Function, path: string, isHttp2?: boolean, isTls?: boolean }>}
 */
const SETTINGS = {
  'HTTPS, Express': { create: (sse, app) => https.createServer(pem, app), path: '/sse', isTls: true },
  'HTTPS, handler': { create: (sse) => https.createServer(pem, sse.handler), path: '/', isTls: true },
  'TLS sockets given to an HTTP server': { create: (sse, app) => twoServers(app), path: '/sse', isTls: true },
  'HTTP/1.1 on an HTTP/2 server': {
    create: (sse, app) => http2.createSecureServer({ ...pem, allowHTTP1: true }, app), path: '/sse', isTls: true,
  },
  'HTTP/2 over TLS, handler': {
    create: (sse) => http2.createSecureServer(pem, sse.handler), path: '/', isHttp2: true, isTls: true,
  },
  'HTTP/2 over TLS, router': {
    create: (sse) => http2.createSecureServer(pem, byRouter(sse)), path: '/', isHttp2: true, isTls: true,
  },
  'cleartext HTTP/2, handler': { create: (sse) => http2.createServer(sse.handler), path: '/', isHttp2: true },
  'cleartext HTTP/2, router': { create: (sse) => http2.createServer(byRouter(sse)), path: '/', isHttp2: true },
};

function target(path, { channels = [], query = {} }) {
  const search = new URLSearchParams([...channels.map((name) => ['channel', name]), ...Object.entries(query)]).toString();
  return search === '' ? path : `${path}?${search}`;
}

const credentials = ({ token = 'alice' }) => (token === null ? {} : { authorization: `Bearer ${token}` });

/** HTTP/1.1 over TLS: a connection for each request. */
class Http1Peer {
  constructor(path, port) {
    Object.assign(this, { path, port, requests: [] });
  }

  /** @param {{ channels?: string[], query?: object, token?: string | null, headers?: object, method?: string }} [what] */
  async send(what = {}) {
    const request = https.request({
      host: '127.0.0.1', port: this.port, ca: pem.cert, agent: false, method: what.method ?? 'GET',
      path: target(this.path, what), headers: { ...credentials(what), ...what.headers },
    });
    this.requests.push(request);
    request.end();
    const [response] = await once(request, 'response');
    const reader = new Reader(response);
    return {
      status: response.statusCode, headers: response.headers, reader,
      /** Gives up this one subscription. */
      leave: () => {
        request.on('error', () => {});
        request.destroy();
      },
    };
  }

  /** Cuts the connections. */
  close() {
    for (const request of this.requests) {
      request.on('error', () => {});
      request.destroy();
    }
  }
}

/** HTTP/2: one connection for all requests. */
class Http2Peer {
  constructor(path, port, isTls) {
    this.path = path;
    this.session = http2.connect(`${isTls ? 'https' : 'http'}://localhost:${port}`, {
      ca: pem.cert,
      // `localhost` may be ::1 first; the servers listen on IPv4.
      createConnection: isTls
        ? () => tls.connect({ host: '127.0.0.1', port, ca: pem.cert, ALPNProtocols: ['h2'], servername: 'localhost' })
        : () => net.connect(port, '127.0.0.1'),
    });
    this.session.on('error', () => {});
  }

  async send(what = {}) {
    const stream = this.session.request({
      ':method': what.method ?? 'GET', ':path': target(this.path, what), ...credentials(what), ...what.headers,
    });
    const reader = new Reader(stream);
    const [headers] = await once(stream, 'response');
    return {
      status: headers[':status'], headers, reader, stream,
      leave: () => stream.close(http2.constants.NGHTTP2_CANCEL),
    };
  }

  close() {
    this.session.destroy();
  }
}

/**
 * @param {{ path: string, isHttp2?: boolean, isTls?: boolean }} setting
 * @param {{ port: number }} address of the server, or of what stands before it
 */
function peerOf({ path, isHttp2, isTls }, { port }) {
  return adopt(isHttp2 ? new Http2Peer(path, port, isTls) : new Http1Peer(path, port));
}

module.exports = { SETTINGS, peerOf, pem };
