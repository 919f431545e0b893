'use strict';

// app.js - servers under test on real sockets, and the clean-up that proves that nothing is left of them.

const assert = require('node:assert/strict');
const http = require('node:http');
const express = require('express');

const { createSseServer } = require('../../..');
const { connect } = require('./client');
const { waitFor } = require('./wait');

const TRANSPORTS = ['socket', 'stream'];

let servers = [];
let clients = [];

/** What keeps this process alive and could be ours. */
function openHandles() {
  return process.getActiveResourcesInfo().filter((name) => /TCP|Pipe|TLS|HTTP/i.test(name)).length;
}

const handlesAtStart = openHandles();

/** By default a token is the name of its user. */
const userOfToken = (token) => ({ sub: token });

function pathOf({ path = '/sse', channels = [], query = {}, lastEventId }) {
  const pairs = [...channels.map((name) => ['channel', name]), ...Object.entries(query)];
  if (lastEventId !== undefined) pairs.push(['lastEventId', lastEventId]);
  const search = new URLSearchParams(pairs).toString();
  return search === '' ? path : `${path}?${search}`;
}

function headersOf({ token = 'alice', headers = [] }) {
  const pairs = Array.isArray(headers) ? [...headers] : Object.entries(headers);
  if (token !== null) pairs.push(['Authorization', `Bearer ${token}`]);
  return pairs;
}

class App {
  constructor(sse, server) {
    this.sse = sse;
    this.server = server;
    /** What server.on('error') said and no test has taken away. */
    this.errors = [];
  }

  get address() {
    const address = this.server.address();
    return typeof address === 'string' ? { socketPath: address } : { port: address.port };
  }

  /**
   * Sends a subscribe request and waits for nothing.
   * @param {{ channels?: string[], token?: string | null, lastEventId?: number | string, query?: object,
   *   headers?: object | [string, string][], method?: string, path?: string, raw?: string }} [what]
   *   lastEventId goes into the query
   */
  send(what = {}) {
    const { method, raw } = what;
    const client = connect({ ...this.address, method, raw, path: pathOf(what), headers: headersOf(what) });
    clients.push(client);
    return client;
  }

  /** Subscribes and waits for `connected`. */
  async open(what = {}) {
    const client = this.send(what);
    client.hello = await client.connected();
    return client;
  }

  /** A request that is answered and over: { status, headers, body, json }. */
  async request(what = {}) {
    const client = this.send({ ...what, headers: [...headersOf({ ...what, token: null }), ['Connection', 'close']] });
    await client.closed();
    const head = await client.head();
    const isJson = /json/.test(head.headers['content-type'] ?? '') && client.body !== '';
    return { ...head, body: client.body, json: isJson ? JSON.parse(client.body) : undefined, client };
  }

  /** Waits until so many clients are there. */
  hasClients(count) {
    return waitFor(() => this.sse.clients.size === count, () => `${count} clients, not ${this.sse.clients.size}`);
  }
}

/** @param {http.Server} server @param {object} where */
function listen(server, where) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, resolve);
  });
}

/**
 * Starts a server under test: Express with the router at /sse.
 * @param {object} [options] of createSseServer; without `jwks` a token is the name of its user
 * @param {{ use?: Function[], where?: object, isSilent?: boolean, create?: (sse: object, app: Function) => http.Server }}
 *   [setup] middleware in front, where to listen, no listener of 'error', another kind of HTTP server
 * @returns {Promise<App>}
 */
async function startServer({ hooks, ...options } = {}, setup = {}) {
  const { use = [], where = { port: 0, host: '127.0.0.1' }, isSilent = false } = setup;
  const authentication = options.jwks === undefined ? { authenticateSubscriber: userOfToken } : {};
  const sse = createSseServer({ ...options, hooks: { ...authentication, ...hooks } });
  const handler = express();
  for (const middleware of use) handler.use(middleware);
  handler.use('/sse', sse.router);
  const server = setup.create ? setup.create(sse, handler) : http.createServer(handler);
  const app = new App(sse, server);
  if (!isSilent) sse.on('error', (error) => app.errors.push(error));
  servers.push(app);
  await listen(server, where);
  return app;
}

async function end({ sse, server, errors }) {
  await sse.stop();
  const isClosed = server.listening ? new Promise((resolve) => {
    server.close(resolve);
  }) : Promise.resolve();
  server.closeAllConnections?.();
  await isClosed;
  assert.equal(sse.clients.size, 0, 'clients are left after stop()');
  assert.deepEqual(sse.stats().clients, { socket: 0, stream: 0 }, 'stats() counts clients after stop()');
  assert.deepEqual(errors, [], 'errors that no test has looked at');
}

/** For afterEach: ends what the test has started and fails when something of it stays. */
async function cleanUp() {
  const [endedServers, endedClients] = [servers, clients];
  servers = [];
  clients = [];
  for (const client of endedClients) client.close();
  const results = await Promise.allSettled(endedServers.map(end));
  for (const { reason } of results) if (reason) throw reason;
  await waitFor(() => openHandles() <= handlesAtStart, 'no socket to be left open');
}

/** Has `cleanUp` look after a client or a server made elsewhere. */
function adopt(client) {
  clients.push(client);
  return client;
}

module.exports = { TRANSPORTS, startServer, cleanUp, adopt, listen };
