'use strict';

// endpoint.js - the subscribe request, from the first check to the attach. The
// order of refusals is the design's: 503, 401, 400, 403, 429. A slot that was
// reserved is freed on every path that does not end in a client.

const { RETRY_AFTER } = require('./closing');
const { httpError, isHttpError } = require('./errors');
const { SCOPE, MAX_USER_ID_BYTES, nameFault } = require('./event');
const { isTaken, wireOf, hasLeft, onceClosed, drained } = require('./handover');
const { Deadline, isThenable, decide, tell } = require('./hooks');
const { pace } = require('./pace');
const { refuse, refuseSoftly, setStreamHead } = require('./refusal');
const { takeQuery, readToken, readChannels, readCursor } = require('./request');
const { openSubscription, drawMaxAge } = require('./subscription');

/** The peer went away while we were busy: nothing is answered, nobody is told. */
const GONE = Symbol('gone');

/** RFC 6750, section 3: without credentials no error code is given. */
function challengeOf(error, hadToken) {
  if (error.status !== 401) return undefined;
  return hadToken ? 'Bearer error="invalid_token"' : 'Bearer';
}

/**
 * What an authenticator's answer must be; the default one's is that already.
 * @param {unknown} user
 * @param {import('./issuers').Issuers} issuers
 * @returns {{ sub: string, exp?: number, iss?: string }}
 */
function checkUser(user, issuers) {
  const sub = user !== null && typeof user === 'object' ? user.sub : undefined;
  if (typeof sub !== 'string' || nameFault(sub, MAX_USER_ID_BYTES) !== null) throw httpError('ERR_SSE_UNAUTHORIZED');
  const { exp } = user;
  // A wrong type is never "no expiry". Skew is the default authenticator's.
  if (exp !== undefined && !(Number.isFinite(exp) && Date.now() / 1000 < exp + issuers.skewOf(user))) {
    throw httpError('ERR_SSE_UNAUTHORIZED');
  }
  return user;
}

class Endpoint {
  /**
   * @param {import('./hub').Hub} hub
   * @param {import('./backplane/feed').Feed} feed
   * @param {object} options checked by lib/options.js
   * @param {{ authenticate: (token: string | undefined, req: object) => unknown,
   *   issuers: import('./issuers').Issuers, stats: import('./auth-stats').AuthStats,
   *   clientOf: (id: string) => object, onArrival: (handle: number, user: object) => void, onError: (error: unknown) => void }} server
   */
  constructor(hub, feed, options, server) {
    this._hub = hub;
    this._feed = feed;
    this._options = options;
    this._hooks = options.hooks;
    this._server = server;
    /** Requests whose user is known and that are no clients yet. @type {Set<object>} */
    this._known = new Set();
  }

  /** The user was disconnected: what it has asked for before, and is still waited for, is not opened either. */
  dismiss(owner, userId) {
    for (const request of this._known) {
      if (request.owner === owner && request.userId === userId) request.isDismissed = true;
    }
  }

  /** GET and HEAD of the stream; answers everything itself. Rejects only for a response that is unusable. */
  async handle(req, res) {
    // Below the response: one that waits behind another is never told.
    const wire = wireOf(req, res);
    const request = { hadToken: false, handle: 0, isGone: false, isDismissed: false, owner: '', userId: '', wire };
    const onGone = () => {
      request.isGone = true;
      this._free(request);
    };
    const forget = onceClosed(wire, onGone);
    try {
      await this._subscribe(req, res, request);
    } catch (error) {
      if (error !== GONE && !request.isGone) this._refuse(req, res, error, request);
    } finally {
      forget();
      this._known.delete(request);
      this._free(request);
    }
  }

  /** A slot is freed when its peer vanishes, not when the hook that it waits for ends. */
  _free(request) {
    if (request.handle !== 0) this._hub.release(request.handle);
    request.handle = 0;
  }

  _refuse(req, res, thrown, { hadToken }) {
    const error = isHttpError(thrown) ? thrown : httpError('ERR_SSE_HOOK_FAILED', { cause: thrown });
    if (error.status === 500) this._server.onError(error.cause ?? error);
    const isSoft = this._options.refusal === 'soft' && error.status === 503 && !res.headersSent;
    if (isSoft && /text\/event-stream/i.test(req.headers.accept ?? '')) refuseSoftly(req, res, error);
    else refuse(res, error, challengeOf(error, hadToken));
  }

  async _subscribe(req, res, request) {
    // First of all, so that no refusal is logged with a token either.
    const query = takeQuery(req);
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      throw Object.assign(httpError('ERR_SSE_METHOD_NOT_ALLOWED'), { allow: 'GET, HEAD' });
    }
    // A GET has no body that matters; read to its end meanwhile, it delays nothing.
    // A request of a unit test may be no stream.
    req.resume?.();
    if (this._hub.isStopping) throw httpError('ERR_SSE_STOPPING', { retryAfter: RETRY_AFTER });
    const ready = this._feed.whenReady();
    if (ready !== undefined) await this._wait(res, request, ready);
    request.handle = this._hub.reserve();
    if (request.handle === 0) throw httpError('ERR_SSE_FULL', { retryAfter: RETRY_AFTER });
    // What is published from here on reaches the client, by replay if need be.
    const cursor = readCursor(req, query, this._hub.newest);
    const turn = pace.enter();
    if (turn !== undefined) await this._wait(res, request, turn);
    const { user, owner, channels } = await this._authorize(req, res, query, request);
    if (!this._hub.assign(request.handle, owner, user.sub)) {
      throw httpError('ERR_SSE_TOO_MANY_CONNECTIONS', { retryAfter: RETRY_AFTER });
    }
    if (req.method === 'HEAD') {
      setStreamHead(req, res);
      res.end();
      return;
    }
    const keys = [SCOPE.user, owner, user.sub];
    for (const channel of channels) keys.push(SCOPE.channel, '', channel);
    const prepared = this._feed.prepare(keys, cursor);
    if (prepared !== undefined) await this._wait(res, request, prepared);
    if (request.isDismissed) throw httpError('ERR_SSE_FORBIDDEN');
    this._open(req, res, request, { user, keys, channels, cursor });
  }

  /** Waits for what the peer may not wait for. */
  async _wait(res, request, promise) {
    await promise;
    this._checkStillThere(res, request);
  }

  /** 401, 400, 403 in this order, all within hookTimeout. */
  async _authorize(req, res, query, request) {
    const deadline = new Deadline(this._options.hookTimeout);
    const token = this._readToken(req, query, request);
    const { authenticate, issuers } = this._server;
    const decided = decide(deadline, () => authenticate(token, req));
    const user = checkUser(isThenable(decided) ? await decided : decided, issuers);
    const owner = issuers.ownerOf(user);
    request.owner = owner;
    request.userId = user.sub;
    this._known.add(request);
    // Whoever did not wait has missed nothing.
    if (isThenable(decided)) this._checkStillThere(res, request);
    const channels = readChannels(query, this._options);
    if (this._hooks.authorizeChannel !== undefined) {
      for (const channel of channels) {
        const answer = decide(deadline, () => this._hooks.authorizeChannel(user, channel, req));
        const allowed = isThenable(answer) ? await answer : answer;
        this._checkStillThere(res, request);
        if (allowed !== true) throw httpError('ERR_SSE_FORBIDDEN');
      }
    }
    // Where nothing was waited for, Node has still to see the end of the request: of a GET that is now.
    await undefined;
    const end = drained(req);
    if (end !== undefined) await deadline.limit(end);
    this._checkStillThere(res, request);
    return { user, owner, channels };
  }

  _readToken(req, query, request) {
    // Until one is found the challenge of a failure has no error code.
    request.hadToken = req.headers.authorization !== undefined || (this._options.queryToken && query.has('token'));
    const token = readToken(req, query, this._options, (reason) => this._server.stats.refuse(reason));
    if (token === undefined) {
      request.hadToken = false;
      if (this._options.requireToken) throw httpError('ERR_SSE_UNAUTHORIZED');
    }
    return token;
  }

  _checkStillThere(res, { isGone, wire }) {
    if (isGone || hasLeft(res, wire)) throw GONE;
    if (this._hub.isStopping) throw httpError('ERR_SSE_STOPPING', { retryAfter: RETRY_AFTER });
  }

  /** From here on nothing waits: head, attach, onConnect and letting go are one step. */
  _open(req, res, request, { user, keys, channels, cursor }) {
    // Pipelined behind a subscription: nobody would ever read the answer.
    if (isTaken(req, res)) throw GONE;
    const subscription = {
      keys,
      hello: (clientId) => ({ clientId, userId: user.sub, channels }),
      cursor,
      end: this._endOf(user),
      retry: this._options.retry,
    };
    const { handle } = request;
    const check = () => this._checkStillThere(res, request);
    const { id, finish } = openSubscription(this._hub, { req, res, handle, check }, this._options, subscription);
    request.handle = 0;
    this._server.onArrival(handle, user);
    if (this._hooks.onConnect !== undefined) {
      tell(() => this._hooks.onConnect(this._server.clientOf(id), req), this._server.onError);
    }
    finish();
  }

  /** When the subscription is to end by itself, and why; undefined: it is not. */
  _endOf(user) {
    const { exp } = user;
    const { enforceTokenExpiry, maxConnectionAge } = this._options;
    const aged = drawMaxAge(maxConnectionAge);
    const expired = enforceTokenExpiry && exp !== undefined ? (exp + this._server.issuers.skewOf(user)) * 1000 : Infinity;
    const at = Math.min(aged, expired);
    if (at === Infinity) return undefined;
    return { at, reason: at === expired ? 'token_expired' : 'max_age' };
  }
}

module.exports = { Endpoint };
