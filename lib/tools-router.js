'use strict';

// tools-router.js - createToolsRouter: the HTTP side of AuthTools for Express.
// What a connection receives follows from who `req.user` is, never from what the
// request asks for.

const { RETRY_AFTER } = require('./closing');
const { createError, httpError, show } = require('./errors');
const { AuthTools } = require('./auth-tools');
const { requireExpress } = require('./express');
const { hasLeft, wireOf } = require('./handover');
const { hookError } = require('./hooks');
const { checkKnown, objectOption } = require('./options');
const { refuse } = require('./refusal');
const { queryOf } = require('./request');
const { topics: TOPICS } = require('./topics');

const FLAGS = ['stream', 'notify'];
const FUNCTIONS = ['authMiddleware', 'authorizeTopics'];

function checkOptions(given) {
  const options = objectOption(given, 'The options of createToolsRouter');
  checkKnown(options, [...FLAGS, ...FUNCTIONS], 'createToolsRouter');
  const invalid = (name, expected) =>
    createError('ERR_SSE_INVALID_OPTION', `${name} must be ${expected}, not ${show(options[name])}.`);
  for (const name of FLAGS) {
    if (options[name] !== undefined && typeof options[name] !== 'boolean') throw invalid(name, 'true or false');
  }
  for (const name of FUNCTIONS) {
    if (options[name] !== undefined && typeof options[name] !== 'function') throw invalid(name, 'a function');
  }
  if (options.notify && options.authMiddleware === undefined) {
    throw createError('ERR_SSE_MISSING_OPTION', 'notify: true needs authMiddleware: without it anybody could send to everybody.');
  }
  return { stream: true, notify: false, ...options };
}

/** @param {unknown} value a list of names, one, or none */
const listOf = (value) => (value == null ? [] : [value].flat());

/** Many databases number their rows. NaN and the like are no number that anybody has. */
const textOf = (value) => (Number.isSafeInteger(value) ? String(value) : value);

/** Who a request is from, as authMiddleware has put it there. */
function identityOf({ user }) {
  if (user === null || typeof user !== 'object') return {};
  return {
    userId: textOf(user.id ?? user.sub),
    tenantId: textOf(user.tenantId),
    sessionId: textOf(user.sessionId),
    roles: listOf(user.roles).map(textOf),
    groups: listOf(user.groups).map(textOf),
  };
}

/** Everything in the hierarchy that an identity belongs to. */
function topicsOf({ userId, tenantId, sessionId, roles = [], groups = [] }) {
  const topics = [TOPICS.global()];
  if (tenantId != null) {
    topics.push(TOPICS.tenant(tenantId));
    topics.push(...roles.map((role) => TOPICS.role(tenantId, role)));
    topics.push(...groups.map((group) => TOPICS.group(tenantId, group)));
  }
  if (userId != null) topics.push(TOPICS.user(userId));
  if (sessionId != null) topics.push(TOPICS.session(sessionId));
  return topics;
}

/** `?topics=a,b` takes away what it does not name, and adds nothing. */
function narrow(req, topics) {
  const asked = queryOf(req).getAll('topics');
  if (asked.length === 0) return topics;
  // A topic may have a comma in it: the whole is a name, too.
  const names = new Set(asked.flatMap((text) => [text, ...text.split(',').map((name) => name.trim())]));
  return topics.filter((topic) => names.has(topic));
}

/** Answers with what a handler throws, as createSseServer does for its hooks: its status, or a 500 that says nothing. */
function answering(tools, handle) {
  return async (req, res) => {
    try {
      await handle(req, res);
    } catch (thrown) {
      const error = hookError(thrown);
      if (error.status === 500) tools.sseManager?.report(error.cause ?? error);
      refuse(res, error);
    }
  };
}

function streamHandler(tools, { authMiddleware, authorizeTopics }) {
  return answering(tools, async (req, res) => {
    const { sseManager } = tools;
    if (sseManager === null) throw httpError('ERR_SSE_DISABLED');
    const wire = wireOf(req, res);
    const identity = authMiddleware === undefined ? {} : identityOf(req);
    const derived = topicsOf(identity);
    const topics = authorizeTopics === undefined ? derived : await authorizeTopics(req, derived);
    // While authorizeTopics was asked the peer may have left, or a middleware with a time limit have answered.
    if (res.headersSent || hasLeft(res, wire)) return;
    const { userId, tenantId } = identity;
    sseManager.addConnection(res, narrow(req, topics), { userId, tenantId });
  });
}

/** What a body says is a caller's fault, and told. */
function notifyHandler(tools) {
  return answering(tools, (req, res) => {
    const { body } = req;
    if (tools.sseManager === null) throw httpError('ERR_SSE_DISABLED');
    if (body === null || typeof body !== 'object' || Array.isArray(body)) {
      throw httpError('ERR_SSE_BAD_REQUEST', { message: 'The body must be a JSON object { data, type, tenantId, userId, metadata }.' });
    }
    // Said now: a broadcast has no answer, and the caller would think that it went out.
    if (tools.sseManager.isStopped) throw httpError('ERR_SSE_STOPPING', { retryAfter: RETRY_AFTER });
    const { data = null, ...options } = body;
    try {
      tools.notify(req.params.topic, data, options);
    } catch (error) {
      // Every error about an argument is one; ours are not the caller's.
      if (!(error instanceof TypeError) || !String(error.code).startsWith('ERR_SSE_')) throw error;
      throw httpError('ERR_SSE_BAD_REQUEST', { message: error.message });
    }
    res.status(202).json({ ok: true });
  });
}

/**
 * Makes an Express 5 Router with `GET /stream` and, when asked for, `POST /notify/:topic`.
 * @param {AuthTools} tools
 * @param {{ authMiddleware?: Function, stream?: boolean, notify?: boolean, authorizeTopics?: Function }} [given]
 */
function createToolsRouter(tools, given) {
  if (!(tools instanceof AuthTools)) throw createError('ERR_SSE_INVALID_ARG', `tools must be AuthTools, not ${show(tools)}.`);
  const options = checkOptions(given);
  const express = requireExpress('createToolsRouter');
  const router = express.Router();
  const guard = options.authMiddleware === undefined ? [] : [options.authMiddleware];
  if (options.stream) router.get('/stream', ...guard, streamHandler(tools, options));
  if (options.notify) router.post('/notify/:topic', ...guard, express.json(), notifyHandler(tools));
  return router;
}

module.exports = { createToolsRouter };
