'use strict';

// request.js - reads what a subscribe request asks for: token, channels and
// cursor. A request is a peer's: every fault is an HTTP error, nothing throws
// anything else.

const { httpError } = require('./errors');
const { nameFault } = require('./event');

/** How a cursor starts, as csrc/napi/hub_binding.c numbers it. */
const CURSOR = Object.freeze({ none: 0, id: 1, bad: 2 });

const EVENT_ID = /^(?:0|[1-9]\d{0,15})$/;
const BEARER = /^bearer +(\S.*)$/i;

/** @param {import('node:http').IncomingMessage} req */
function queryOf(req) {
  const at = req.url.indexOf('?');
  return new URLSearchParams(at === -1 ? '' : req.url.slice(at + 1));
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

module.exports = { CURSOR, queryOf, readToken, readChannels, readCursor };
