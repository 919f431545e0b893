'use strict';

// request.js - reads what a subscribe request asks for: token, channels and
// cursor. A request is a peer's: every fault is an HTTP error, nothing throws
// anything else. What it says of a token is taken out of its URL.

const { httpError } = require('./errors');
const { nameFault } = require('./event');

/** How a cursor starts, as csrc/napi/hub_binding.c numbers it. */
const CURSOR = Object.freeze({ none: 0, id: 1, bad: 2 });

const EVENT_ID = /^(?:0|[1-9]\d{0,15})$/;
const BEARER = /^bearer +(\S.*)$/i;

const REDACTED = 'token=redacted';

/** The parser that reads tokens decides what is one: `%74oken=` too. A second `?` is part of a name but at the start. */
const isToken = (part, i) => new URLSearchParams(i === 0 ? part : `&${part}`).has('token');

/**
 * A URL with every query token replaced, and everything else as it was.
 * @param {string} url
 */
function redact(url) {
  const at = url.indexOf('?') + 1;
  if (at === 0) return url;
  const parts = url.slice(at).split('&');
  return url.slice(0, at) + parts.map((part, i) => (isToken(part, i) ? REDACTED : part)).join('&');
}

/** Replaces tokens wherever the request keeps its URL, so that whoever logs it from now on logs none. */
function redactRequest(req) {
  req.url = redact(req.url);
  if (typeof req.originalUrl === 'string') req.originalUrl = redact(req.originalUrl);
  // parseurl, which Express uses, keeps what it has parsed.
  for (const name of ['_parsedUrl', '_parsedOriginalUrl']) if (req[name] != null) req[name] = undefined;
  // Express 4 and others have parsed the query already; Express 5 does when it is asked.
  if (Object.hasOwn(req, 'query') && req.query?.token !== undefined) req.query.token = 'redacted';
  // HTTP/2 has the URL among the headers, which loggers print. `headers` is what `url` is read from.
  if (req.headers?.[':path'] === undefined) return;
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    if (req.rawHeaders[i] === ':path') req.rawHeaders[i + 1] = redact(req.rawHeaders[i + 1]);
  }
}

/** @param {import('node:http').IncomingMessage} req */
function queryOf(req) {
  const at = req.url.indexOf('?');
  return new URLSearchParams(at === -1 ? '' : req.url.slice(at + 1));
}

/**
 * The query of a request, whose URL is without tokens from here on.
 * @param {import('node:http').IncomingMessage} req
 */
function takeQuery(req) {
  const query = queryOf(req);
  if (query.has('token')) redactRequest(req);
  return query;
}

/** Node keeps only the first of several; HTTP/2 has no headersDistinct: count. */
function countHeader(req, name) {
  let n = 0;
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    if (req.rawHeaders[i].toLowerCase() === name) n++;
  }
  return n;
}

/**
 * The access token, or undefined when none is presented. A header wins; the
 * query token is then neither read nor checked.
 * @param {(reason: string) => void} onRefused told where the reason has a name
 * @throws 401 for a credential that is presented but unusable
 */
function readToken(req, query, { queryToken, maxTokenBytes }, onRefused) {
  const header = req.headers.authorization;
  let token;
  if (header !== undefined) {
    token = countHeader(req, 'authorization') === 1 ? BEARER.exec(header)?.[1] : undefined;
    if (token === undefined) throw httpError('ERR_SSE_UNAUTHORIZED');
  } else if (queryToken) {
    const tokens = query.getAll('token');
    if (tokens.length > 1) throw httpError('ERR_SSE_UNAUTHORIZED');
    if (tokens.length === 1 && tokens[0] !== '') [token] = tokens;
  }
  if (token !== undefined && Buffer.byteLength(token) > maxTokenBytes) {
    onRefused('E_TOO_LARGE');
    throw httpError('ERR_SSE_UNAUTHORIZED');
  }
  return token;
}

/**
 * @returns {string[]} each channel once, in the order asked for
 * @throws 400
 */
function readChannels(query, { maxChannelsPerClient, maxChannelNameLength }) {
  const channels = [...new Set(query.getAll('channel'))];
  if (channels.length > maxChannelsPerClient) {
    throw httpError('ERR_SSE_BAD_REQUEST', { message: `At most ${maxChannelsPerClient} channels are allowed per connection.` });
  }
  for (const channel of channels) {
    const fault = nameFault(channel, maxChannelNameLength);
    if (fault !== null) throw httpError('ERR_SSE_BAD_REQUEST', { message: `A channel name ${fault}.` });
  }
  return channels;
}

/**
 * @param {number} newest the highest event id when the request arrived
 * @returns {{ kind: number, id: number }}
 */
function readCursor(req, query, newest) {
  const text = req.headers['last-event-id'] || query.get('lastEventId');
  if (!text) return { kind: CURSOR.none, id: newest };
  if (!EVENT_ID.test(text) || Number(text) > Number.MAX_SAFE_INTEGER) return { kind: CURSOR.bad, id: newest };
  return { kind: CURSOR.id, id: Number(text) };
}

module.exports = { CURSOR, queryOf, takeQuery, readToken, readChannels, readCursor };
