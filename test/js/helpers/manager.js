'use strict';

// manager.js - an SseManager behind Express on a real socket: the query of a request says which topics it gets and
// who it is from. And responses that are none, as unit tests of an application have them.

const assert = require('node:assert/strict');
const http = require('node:http');
const express = require('express');

const { SseManager } = require('../../..');
const { adopt, cleanUp: cleanUpSockets, listen } = require('./app');
const { connect } = require('./client');
const { waitFor } = require('./wait');

let started = [];

/** What the query says: `topic` any number of times, `user`, `tenant`. */
function subscriptionOf(url) {
  const query = new URL(url, 'http://localhost').searchParams;
  return [query.getAll('topic'), { userId: query.get('user'), tenantId: query.get('tenant') }];
}

function pathOf({ path = '/stream', topics = [], user, tenant, lastEventId }) {
  const query = new URLSearchParams(topics.map((topic) => ['topic', topic]));
  for (const [name, value] of Object.entries({ user, tenant, lastEventId })) {
    if (value !== undefined) query.set(name, value);
  }
  return `${path}?${query}`;
}

class ManagerApp {
  constructor(manager, server) {
    this.manager = manager;
    this.server = server;
    /** What on('error') said and no test has taken away. */
    this.errors = [];
    manager?.on('error', (error) => this.errors.push(error));
  }

  get port() {
    return this.server.address().port;
  }

  /**
   * Sends a request and waits for nothing.
   * @param {{ topics?: string[], user?: string, tenant?: string, lastEventId?: number, path?: string, method?: string,
   *   headers?: object, raw?: string }} [what]
   */
  send(what = {}) {
    const { method, headers, raw } = what;
    return adopt(connect({ port: this.port, path: pathOf(what), method, headers, raw }));
  }

  /** Subscribes and waits for `connected`. */
  async open(what) {
    const client = this.send(what);
    client.hello = await client.connected();
    return client;
  }

  /** A request that is answered and over. */
  async request(what = {}) {
    const client = this.send({ ...what, headers: { ...what.headers, Connection: 'close' } });
    await client.closed();
    const head = await client.head();
    const isJson = /json/.test(head.headers['content-type'] ?? '') && client.body !== '';
    return { ...head, body: client.body, json: isJson ? JSON.parse(client.body) : undefined };
  }

  /** Waits until so many are there, and the end of every other was told. */
  hasConnections(count) {
    const now = () => {
      const { socket, stream } = this.manager.stats().clients;
      return [this.manager.connectionCount, socket + stream];
    };
    return waitFor(() => now().every((n) => n === count), () => `${count} connections, not ${now()}`);
  }

  /** Takes away what on('error') has said, once it said so much. */
  async takeErrors(count) {
    await waitFor(() => this.errors.length >= count, () => `${count} errors, not ${this.errors.length}`);
    return this.errors.splice(0);
  }
}

/** Has `cleanUp` end a server and its manager. @param {SseManager | null} manager */
async function startApp(manager, handler, create = http.createServer) {
  const server = create(handler);
  const app = new ManagerApp(manager, server);
  started.push(app);
  await listen(server, { port: 0, host: '127.0.0.1' });
  return app;
}

/**
 * Starts an Express application that adds every connection to a manager.
 * @param {object} [options] of SseManager
 * @param {{ use?: Function[] }} [setup] middleware in front
 */
function startManager(options, { use = [] } = {}) {
  const manager = new SseManager(options);
  const handler = express();
  handler.set('env', 'test'); // finalhandler then logs nothing
  for (const middleware of use) handler.use(middleware);
  handler.all('/stream', (req, res) => {
    res.locals.id = manager.addConnection(res, ...subscriptionOf(req.url));
  });
  return startApp(manager, handler);
}

async function end({ manager, server, errors }) {
  await manager?.stop();
  const isClosed = new Promise((resolve) => {
    server.close(resolve);
  });
  server.closeAllConnections?.();
  await isClosed;
  if (manager) assert.deepEqual(manager.stats().clients, { socket: 0, stream: 0 }, 'connections after stop()');
  assert.deepEqual(errors, [], 'errors that no test has looked at');
}

/** For afterEach. */
async function cleanUp() {
  const apps = started;
  started = [];
  // At the same time: an HTTP/2 server ends when its clients have gone.
  const results = await Promise.allSettled([cleanUpSockets(), ...apps.map(end)]);
  for (const { reason } of results) if (reason) throw reason;
}

/**
 * A response as a unit test of an application has it: setHeader, write, end, on, and nothing else.
 * @param {object} [more] such as `req`
 */
function mockResponse(more = {}) {
  const listeners = {};
  const seen = { headers: {}, text: '', isEnded: false, emit: (name, ...args) => listeners[name]?.forEach((f) => f(...args)) };
  const res = {
    setHeader(name, value) {
      seen.headers[name.toLowerCase()] = value;
    },
    write(chunk) {
      seen.text += chunk;
      return true;
    },
    end() {
      seen.isEnded = true;
    },
    on(name, listener) {
      (listeners[name] ??= []).push(listener);
    },
    ...more,
  };
  return { res, seen };
}

/** The data of the events in a text, without the manager's own. */
function eventsIn(text) {
  return text.split('\n\n').filter((block) => /^(id|event): /m.test(block)).map((block) => {
    const field = (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
    return { id: field('id'), type: field('event'), data: JSON.parse(field('data')) };
  }).filter(({ type }) => !['connected', 'closing'].includes(type));
}

module.exports = { startManager, startApp, subscriptionOf, cleanUp, mockResponse, eventsIn };
