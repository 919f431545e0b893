'use strict';

// server.js - createSseServer: puts hub, endpoint, authenticator and hooks
// together and is the whole public surface of a server.

const { EventEmitter } = require('node:events');

const { AuthStats } = require('./auth-stats');
const { createJwksAuthenticator } = require('./authenticator');
const { makeFeed } = require('./backplane/make-feed');
const { ClientsView, clientView } = require('./clients');
const { closing } = require('./closing');
const { Endpoint } = require('./endpoint');
const { createError, show } = require('./errors');
const { SCOPE, checkChannel, checkUserId, checkEvent, checkIdempotencyKey } = require('./event');
const { requireExpress } = require('./express');
const { tell } = require('./hooks');
const { Hub } = require('./hub');
const { Issuers } = require('./issuers');
const { LiveChannels } = require('./live-channels');
const { readIssuers } = require('./jwks-options');
const { checkKnown, serverOptions, stopOptions } = require('./options');
const { errorReporter, historyReporter, warnOfCluster } = require('./reporter');

/**
 * The default authenticator, or the app's own. An own one needs no `jwks`; an array of it says which
 * issuers its users may have.
 */
function authenticatorOf(options, stats) {
  const own = options.hooks.authenticateSubscriber;
  if (own !== undefined) {
    const named = Array.isArray(options.jwks) ? readIssuers(options.jwks) : [];
    const issuers = new Issuers(named.map(({ issuer }) => ({ issuer, clockSkew: 0 })));
    return { authenticate: own, issuers, ready: () => Promise.resolve(), close: () => {} };
  }
  const byJwks = createJwksAuthenticator(options.jwks, { maxTokenBytes: options.maxTokenBytes, stats });
  return {
    authenticate: byJwks.now,
    issuers: new Issuers(byJwks.issuers),
    ready: () => byJwks.ready(),
    close: () => byJwks.close(),
  };
}

function checkClientId(clientId) {
  if (typeof clientId === 'string') return;
  throw createError('ERR_SSE_INVALID_ARG', `clientId must be a string, not ${show(clientId)}.`);
}

/** What a client that is ended is told. */
function checkReason(reason) {
  if (typeof reason === 'string' && reason !== '') return;
  throw createError('ERR_SSE_INVALID_ARG', `reason must be a string that says something, not ${show(reason)}.`);
}

/** A promise that the caller may ignore. */
function ignorable(promise) {
  promise.catch(() => {});
  return promise;
}

/** The last argument of what names a user, and of what publishes. */
function checkMore(given, known, where) {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw createError('ERR_SSE_INVALID_ARG', `The options of ${where} must be an object, not ${show(given)}.`);
  }
  checkKnown(given, known, where);
  if (given.idempotencyKey !== undefined) checkIdempotencyKey(given.idempotencyKey);
  return given;
}

/**
 * Takes a subscription past the router's own matching, which costs a tenth of a connect. What an app has added to the
 * router comes first, as anywhere.
 */
function shorten(router, handler) {
  const { handle } = router;
  const own = router.stack.length;
  router.handle = function handleShortly(req, res, next) {
    const { url } = req;
    const isSubscription = url.charCodeAt(0) === 0x2f && (url.length === 1 || url.charCodeAt(1) === 0x3f); // `/` and `/?`
    if (isSubscription && router.stack.length === own) handler(req, res);
    else handle.call(router, req, res, next);
  };
}

/** The Express router, made when first asked for: `handler` alone needs no Express. */
function makeRouter(handler, hub, feed) {
  const express = requireExpress('server.router', ' Without Express use server.handler(req, res).');
  const router = express.Router();
  router.all('/', handler);
  const answer = (res, status, body) => {
    res.statusCode = status;
    res.setHeader('Cache-Control', 'no-store');
    // Not res.json: an HTTP/2 pair that is given to the router has no Express in it.
    res.setHeader('Content-Type', 'application/json; charset=utf-8');
    res.end(JSON.stringify(body));
  };
  router.get('/health', (req, res) => answer(res, 200, { status: 'healthy', clients: hub.size }));
  router.get('/ready', (req, res) => {
    if (feed.isReady) answer(res, 200, { status: 'ready' });
    else answer(res, 503, { status: 'unready' });
  });
  shorten(router, handler);
  return router;
}

/**
 * Makes a server of Server-Sent Events. See index.d.ts for the options.
 * @param {object} [given]
 */
function createSseServer(given) {
  const options = serverOptions(given);
  const emitter = new EventEmitter();
  const onError = errorReporter(emitter, options.backplane === undefined ? 'A hook failed' : 'Something failed');
  const stats = new AuthStats();
  const authenticator = authenticatorOf(options, stats);
  const { issuers } = authenticator;
  if (options.backplane === undefined) warnOfCluster('createSseServer');

  const hub = new Hub(options, {
    onDisconnect(description, reason, response) {
      channels.left(description.handle);
      const { onDisconnect } = options.hooks;
      if (onDisconnect !== undefined) tell(() => onDisconnect(clientView(description, response), reason), onError);
    },
    onHistoryError: historyReporter(emitter),
  }, options.backplane === undefined ? undefined : null);
  const channels = new LiveChannels(hub, options);
  const feed = makeFeed(hub, options, { onOrder: obey, onError });
  const clients = new ClientsView(hub);
  const endpoint = new Endpoint(hub, feed, options, {
    authenticate: authenticator.authenticate,
    issuers,
    stats,
    clientOf: (id) => clients.get(id),
    onArrival: (handle, user) => channels.arrived(handle, user),
    onError,
  });
  const handler = (req, res) => {
    endpoint.handle(req, res).catch(onError);
  };
  let router;
  let stopped;

  /** @returns {number} connections that were there */
  function endUser(owner, userId, reason) {
    endpoint.dismiss(owner, userId);
    return hub.detachUser(owner, userId, Buffer.from(closing(reason, false)));
  }

  /** What is done on every node: it was checked where it was called. */
  function obey({ op, owner, userId, reason, channel }) {
    if (op === 'disconnect') endUser(owner, userId, reason);
    else if (op === 'subscribe') channels.subscribeAll(hub.handlesOf(owner, userId), channel, onError);
    else if (op === 'unsubscribe') channels.unsubscribeAll(hub.handlesOf(owner, userId), channel);
  }

  /** Publishes what was checked; the promise is the caller's to ignore. */
  function send(event, key, { idempotencyKey }) {
    if (hub.isStopped) {
      return ignorable(Promise.reject(createError('ERR_SSE_STOPPED', 'The server was stopped; nothing was published.', Error)));
    }
    return ignorable(feed.publish(event, key, { idempotencyKey }));
  }

  /** Gives a user's connections a channel, or takes it, wherever they are. */
  function changeUser(op, where, [userId, channel, more = {}]) {
    checkUserId(userId);
    checkChannel(channel, options.maxChannelNameLength);
    const owner = issuers.named(checkMore(more, ['issuer'], where).issuer);
    return ignorable(feed.order({ op, owner, userId, channel }).then(() => {}));
  }

  return {
    get router() {
      router ??= makeRouter(handler, hub, feed);
      return router;
    },
    handler,
    clients,
    publish(channel, event, more = {}) {
      checkChannel(channel, options.maxChannelNameLength);
      checkMore(more, ['idempotencyKey'], 'publish');
      return send(checkEvent(event, options.maxEventBytes), [SCOPE.channel, '', channel], more);
    },
    publishToUser(userId, event, more = {}) {
      checkUserId(userId);
      const owner = issuers.named(checkMore(more, ['issuer', 'idempotencyKey'], 'publishToUser').issuer);
      return send(checkEvent(event, options.maxEventBytes), [SCOPE.user, owner, userId], more);
    },
    publishToClient(clientId, event) {
      checkClientId(clientId);
      const { type, json } = checkEvent(event, options.maxEventBytes);
      const client = hub.describeStaying(clientId);
      return client !== undefined && hub.send(client.handle, type, json);
    },
    subscribe(clientId, channel) {
      checkClientId(clientId);
      checkChannel(channel, options.maxChannelNameLength);
      return ignorable(channels.subscribe(clientId, channel));
    },
    unsubscribe(clientId, channel) {
      checkClientId(clientId);
      checkChannel(channel, options.maxChannelNameLength);
      return channels.unsubscribe(clientId, channel);
    },
    disconnect(clientId, reason) {
      checkClientId(clientId);
      if (reason !== undefined) checkReason(reason);
      const client = hub.describe(clientId);
      const last = reason === undefined ? null : Buffer.from(closing(reason, false));
      return client !== undefined && hub.detach(client.handle, 'server', last);
    },
    disconnectUser(userId, reason = 'server', more = {}) {
      checkUserId(userId);
      const owner = issuers.named(checkMore(more, ['issuer'], 'disconnectUser').issuer);
      checkReason(reason);
      feed.orderOthers({ op: 'disconnect', owner, userId, reason }).catch(onError);
      return endUser(owner, userId, reason);
    },
    subscribeUser: (...args) => changeUser('subscribe', 'subscribeUser', args),
    unsubscribeUser: (...args) => changeUser('unsubscribe', 'unsubscribeUser', args),
    cursor: () => hub.newest,
    stats: () => ({ ...feed.stats(), auth: stats.snapshot() }),
    ready: () => Promise.all([authenticator.ready(), feed.ready()]).then(() => {}),
    stop(given) {
      const { drainMs } = stopOptions(given);
      authenticator.close();
      const stopping = hub.stop(drainMs);
      stopped ??= stopping.then(() => feed.close());
      return stopped;
    },
    on(name, listener) {
      emitter.on(name, listener);
      return this;
    },
    off(name, listener) {
      emitter.off(name, listener);
      return this;
    },
  };
}

module.exports = { createSseServer };
