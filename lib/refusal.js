'use strict';

// refusal.js - the answers that are no subscription: errors as JSON, the head
// alone, and the stream that sends an EventSource away.

const { closing, RETRY_AFTER } = require('./closing');
const { isHttp2, HEADERS } = require('./handover');

/** Refuses with a JSON body that says what, never why. */
function refuse(res, error, challenge) {
  if (res.headersSent || res.writableEnded) {
    res.destroy?.();
    return;
  }
  const { status, code } = error;
  res.statusCode = status;
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('Cache-Control', 'no-store');
  if (error.retryAfter !== undefined) res.setHeader('Retry-After', String(Math.ceil(error.retryAfter)));
  if (error.allow !== undefined) res.setHeader('Allow', error.allow);
  if (challenge !== undefined) res.setHeader('WWW-Authenticate', challenge);
  res.end(JSON.stringify({ error: code, message: error.message }));
}

/** The head of a stream that ends with this very answer: nothing is handed over. */
function setStreamHead(req, res) {
  res.statusCode = 200;
  for (const [name, value] of Object.entries(HEADERS)) res.setHeader(name, value);
  if (!isHttp2(req, res)) res.setHeader('Connection', 'close');
}

/** `refusal: 'soft'`: a plain 503 stops an EventSource for good; this makes it come back. */
function refuseSoftly(req, res, error) {
  setStreamHead(req, res);
  res.end(closing('unavailable', true, Math.ceil((error.retryAfter ?? RETRY_AFTER) * 1000)));
}

module.exports = { refuse, refuseSoftly, setStreamHead };
