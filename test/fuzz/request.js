#!/usr/bin/env node
'use strict';

// request.js - fuzzes what lib/request.js reads of a subscribe request (token, channels, Last-Event-ID, and the
// tokens that it takes out of URLs) against the same rules written down once more, without URLSearchParams and
// without regular expressions.
//
//   node test/fuzz/request.js --seconds=60 [--seed=N]     as `make fuzz` does
//   node test/fuzz/request.js FILE...                     requests again, as a failure has left them
//
// There is no coverage to guide it: requests are put together from parts that have a meaning.

const assert = require('node:assert/strict');
const { randomInt } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const { isHttpError } = require('../../lib/errors');
const { CURSOR, takeQuery, readToken, readChannels, readCursor } = require('../../lib/request');
const { makeRandom } = require('../js/helpers/seeded-random');

const SETTINGS = { queryToken: true, maxTokenBytes: 40, maxChannelsPerClient: 4, maxChannelNameLength: 12 };
const NEWEST = 1_700_000_000_000_000;
const CRASHES = path.resolve(__dirname, '../../build/fuzz/crashes');

// ---- requests -------------------------------------------------------------------

const NAMES = [
  'token', '%74oken', 't%6Fken', 'Token', 'token%00', 'to+ken', '?token', '%3Ftoken', 'token[]', 'channel', 'channel', 'channel',
  'ch%61nnel', 'Channel', 'lastEventId', 'lastEventI%64', '', 'a', '%', '%zz', '%E4', 'é', '\ud800',
];
const VALUES = [
  '', 'a', 'news', 'a%20b', 'a+b', 'a=b', '%00', '%0a', '%7f', '%C2%85', '%ff', '%f0%9f%98%80', '%ED%A0%80', 'x'.repeat(12), 'x'.repeat(13),
  'x'.repeat(41), '%', '%4', '%zz', 'é', '€uro', '\udc00', '?', '#', ';', '0', '1', '01', '-1', '1e3', ' 7', '7%20', '1.0',
  '1699999999999999', '1700000000000001', '9007199254740991', '9007199254740992', '9999999999999999', '99999999999999999', '%31', '١',
];
const HEADER_VALUES = [
  'Bearer a.b.c', 'bearer x', 'BEARER  y', 'Bearer', 'Bearer ', 'Bearer   ', 'Bearer \tz', 'Bearer\tz', 'Basic abc', '', ' Bearer a', 'Bearer a b ',
  `Bearer ${'x'.repeat(41)}`, `Bearer ${'é'.repeat(21)}`, 'Bearer a,Bearer b',
];
const IDS = ['', '0', '1', '12', '007', '1699999999999999', '9007199254740991', '9007199254740992', 'abc', '-5', '1e5', '0x10', ' 5', '5\u00a0', '٣'];

/** A character of any kind, now and then. */
function noise(random, text) {
  if (random.below(5) > 0) return text;
  const at = random.below(text.length + 1);
  const code = random.of([0, 9, 37, 38, 43, 61, 63, 128, 233, 0xd800, 0xdc00, 0x2028, 0xfeff, random.below(0x10000)]);
  return text.slice(0, at) + String.fromCharCode(code) + text.slice(at + random.below(2));
}

function makePart(random) {
  const name = noise(random, random.of(NAMES));
  return random.below(8) === 0 ? name : `${name}=${noise(random, random.of(VALUES))}`;
}

function makeUrl(random) {
  const parts = Array.from({ length: random.below(7) }, () => makePart(random));
  const mark = random.of(['?', '?', '?', '?', '??', '?&', '']);
  return `/sse${mark}${parts.join(random.below(10) === 0 ? '&&' : '&')}`;
}

/** A request as a plain object, so that it can be written to a file. */
function makeCase(random) {
  const made = { url: makeUrl(random), headers: [], settings: { ...SETTINGS, queryToken: random.below(4) > 0 } };
  for (let n = random.below(3); n > 0; n--) made.headers.push([random.of(['Authorization', 'authorization']), random.of(HEADER_VALUES)]);
  if (random.below(2) === 0) made.headers.push(['Last-Event-ID', noise(random, random.of(IDS))]);
  made.isHttp2 = random.below(3) === 0;
  made.hasOriginal = random.below(2) === 0;
  made.hasQuery = random.below(3) === 0;
  return made;
}

/** What Node makes of it: the first of several Authorization headers counts. */
function requestOf({ url, headers, isHttp2, hasOriginal, hasQuery }) {
  const req = { url, headers: {}, rawHeaders: [], _parsedUrl: { href: url } };
  for (const [name, value] of headers) {
    req.headers[name.toLowerCase()] ??= value;
    req.rawHeaders.push(name, value);
  }
  if (isHttp2) {
    req.headers[':path'] = url;
    req.rawHeaders.unshift(':path', url);
  }
  if (hasOriginal) req.originalUrl = `/app${url}`;
  if (hasQuery) req.query = { token: 'from the framework' };
  return req;
}

// ---- the rules once more --------------------------------------------------------

const hexValue = (byte) => '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase());

/** application/x-www-form-urlencoded, as the URL standard decodes it. */
function decode(text) {
  const bytes = Buffer.from(text, 'utf8');
  const out = [];
  for (let i = 0; i < bytes.length; i++) {
    const [high, low] = [bytes[i + 1], bytes[i + 2]].map((byte) => (byte === undefined ? -1 : hexValue(byte)));
    if (bytes[i] === 37 && high >= 0 && low >= 0) {
      out.push(high * 16 + low);
      i += 2;
    } else {
      out.push(bytes[i] === 43 ? 32 : bytes[i]);
    }
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(out));
}

/** The raw parts of a query and what they mean: { raw, name, value }; an empty one means nothing. */
function readParts(url) {
  const at = url.indexOf('?');
  if (at === -1) return [];
  return url.slice(at + 1).split('&').map((raw, i) => {
    const text = i === 0 && raw.startsWith('?') ? raw.slice(1) : raw;
    if (text === '') return { raw, name: null };
    const equals = text.indexOf('=');
    const [name, value] = equals === -1 ? [text, ''] : [text.slice(0, equals), text.slice(equals + 1)];
    return { raw, name: decode(name), value: decode(value) };
  });
}

const pairsOf = (parts) => parts.filter(({ name }) => name !== null).map(({ name, value }) => [name, value]);
const valuesOf = (parts, wanted) => parts.filter(({ name }) => name === wanted).map(({ value }) => value);

function bearerOf(header) {
  if (header.slice(0, 7).toLowerCase() !== 'bearer ') return null;
  let rest = header.slice(7);
  while (rest.startsWith(' ')) rest = rest.slice(1);
  const isBroken = [...'\n\r\u2028\u2029'].some((end) => rest.includes(end));
  return rest === '' || rest[0].trim() === '' || isBroken ? null : rest;
}

/** @returns {string | undefined | 401} */
function tokenOf({ headers, settings }, parts) {
  const presented = headers.filter(([name]) => name.toLowerCase() === 'authorization');
  const inQuery = settings.queryToken ? valuesOf(parts, 'token') : [];
  let token;
  if (presented.length > 0) {
    token = presented.length === 1 ? bearerOf(presented[0][1]) : null;
  } else if (inQuery.length > 1) {
    token = null;
  } else if (inQuery.length === 1 && inQuery[0] !== '') {
    [token] = inQuery;
  }
  return token === null || (token !== undefined && Buffer.from(token).length > settings.maxTokenBytes) ? 401 : token;
}

function isGoodName(name, most) {
  const { length } = Buffer.from(name);
  const hasControl = [...name].some((c) => c.charCodeAt(0) < 32 || c.charCodeAt(0) === 127);
  return length > 0 && length <= most && !hasControl;
}

/** @returns {string[] | 400} */
function channelsOf({ settings }, parts) {
  const channels = valuesOf(parts, 'channel').filter((name, i, all) => all.indexOf(name) === i);
  const isFine = channels.length <= settings.maxChannelsPerClient && channels.every((name) => isGoodName(name, settings.maxChannelNameLength));
  return isFine ? channels : 400;
}

function cursorOf({ headers }, parts) {
  const header = headers.find(([name]) => name.toLowerCase() === 'last-event-id')?.[1];
  const text = header || valuesOf(parts, 'lastEventId')[0];
  if (!text) return { kind: CURSOR.none, id: NEWEST };
  const isDigits = [...text].every((c) => c >= '0' && c <= '9') && (text === '0' || text[0] !== '0');
  if (!isDigits || BigInt(text) > BigInt(Number.MAX_SAFE_INTEGER)) return { kind: CURSOR.bad, id: NEWEST };
  return { kind: CURSOR.id, id: Number(BigInt(text)) };
}

const isAscii = (text) => [...text].every((c) => c < '\u0080');

// ---- one case -------------------------------------------------------------------

/** What a reader gives back, or the status that it refuses with. */
function outcome(read) {
  try {
    return read();
  } catch (error) {
    assert.ok(isHttpError(error), `threw ${error.stack}`);
    return error.status;
  }
}

/** No token is left in it, and all else is as it was. */
function checkRedacted(after, before, where) {
  const [left, was] = [readParts(after), readParts(before)];
  assert.equal(after.slice(0, after.indexOf('?') + 1), before.slice(0, before.indexOf('?') + 1), where);
  assert.equal(left.length, was.length, where);
  was.forEach(({ raw, name }, i) => {
    if (name === 'token') assert.equal(left[i].raw, 'token=redacted', where);
    else assert.equal(left[i].raw, raw, where);
  });
}

/** Fails when the readers and the rules differ over a case. */
function check(made) {
  const req = requestOf(made);
  const parts = readParts(made.url);
  const query = takeQuery(req);
  checkRedacted(req.url, made.url, 'url');
  if (made.hasOriginal) checkRedacted(req.originalUrl, `/app${made.url}`, 'originalUrl');
  if (made.isHttp2) checkRedacted(req.rawHeaders[1], made.url, ':path');
  if (valuesOf(parts, 'token').length > 0) {
    assert.equal(req._parsedUrl, undefined);
    if (made.hasQuery) assert.equal(req.query.token, 'redacted');
  }
  let reason;
  const token = outcome(() => readToken(req, query, made.settings, (name) => (reason = name)));
  const channels = outcome(() => readChannels(query, made.settings));
  const cursor = readCursor(req, query, NEWEST);
  assert.ok(reason === undefined || reason === 'E_TOO_LARGE');
  // Where a broken escape and a raw character beyond ASCII meet, Node decodes in a way of its own.
  if (!isAscii(made.url)) return;
  assert.deepEqual([...query], pairsOf(parts));
  assert.equal(token, tokenOf(made, parts));
  assert.deepEqual(channels, channelsOf(made, parts));
  assert.deepEqual(cursor, cursorOf(made, parts));
}

/**
 * Checks cases of chance until there were `count`, or the time is up.
 * @returns {number} how many
 */
function run({ seed, count = Infinity, end = Infinity }) {
  const random = makeRandom(seed);
  let done = 0;
  for (; done < count && (done % 1000 !== 0 || Date.now() < end); done++) {
    const made = makeCase(random);
    try {
      check(made);
    } catch (error) {
      error.made = made;
      throw error;
    }
  }
  return done;
}

/** A case with half a surrogate pair is JSON all the same: written as an escape. */
function replay(file) {
  check(JSON.parse(fs.readFileSync(file, 'utf8')));
}

function main(args) {
  const option = (name, fallback) => Number(args.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? fallback);
  const files = args.filter((arg) => !arg.startsWith('--'));
  for (const file of files) replay(file);
  if (files.length > 0) return;
  const seed = option('seed', randomInt(2 ** 32));
  try {
    const execs = run({ seed, end: Date.now() + option('seconds', 60) * 1000 });
    console.log(`request: seed ${seed}, ${execs} execs`);
  } catch (error) {
    fs.mkdirSync(CRASHES, { recursive: true });
    const file = path.join(CRASHES, `request-${seed}.json`);
    fs.writeFileSync(file, `${JSON.stringify(error.made)}\n`);
    console.error(error);
    console.log(`request: seed ${seed} FAILED, input ${file}`);
    process.exitCode = 1;
  }
}

module.exports = { run, replay, makeCase };

if (require.main === module) main(process.argv.slice(2));
