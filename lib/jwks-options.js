'use strict';

// jwks-options.js - checks and defaults everything under `jwks`, of one issuer or
// of several. An empty allow-list never means "allow all", and a value that is
// there but wrong never falls back to a default.

const { createError, show } = require('./errors');
const { checkKnown } = require('./options');

const KNOWN = [
  'url', 'issuer', 'audience', 'algorithms', 'typ', 'clockSkew', 'maxAge', 'cooldown', 'backoff',
  'timeout', 'staleIfError', 'cacheSize', 'allowInsecureUrl', 'clock',
];

const ENVIRONMENT = { url: 'JWKS_URL', issuer: 'JWT_ISSUER', audience: 'JWT_AUDIENCE' };

const ALGORITHMS = ['RS256', 'ES256'];

const MAX_ISSUERS = 8;
const MAX_AUDIENCES = 64;
const MAX_CACHE_SIZE = 1_000_000;

const DAY = 86_400_000;

/** Milliseconds: default, least and most. */
const DURATIONS = {
  maxAge: { value: 600_000, min: 1, max: DAY },
  cooldown: { value: 30_000, min: 1, max: DAY },
  backoff: { value: 1000, min: 1, max: 30_000 },
  timeout: { value: 5000, min: 1, max: 60_000 },
  staleIfError: { value: 3_600_000, min: 0, max: DAY },
};

/**
 * @param {string} name how messages call the option
 * @param {string} rule what the value has to be
 * @param {unknown} value
 */
function invalid(name, rule, value) {
  return createError('ERR_SSE_INVALID_OPTION', `${name} must be ${rule}, not ${show(value)}.`);
}

/** One object of options, and how messages call what is in it. */
class Given {
  /**
   * @param {Record<string, unknown>} values
   * @param {string} where 'jwks', or 'jwks[1]' where it is one of several
   */
  constructor(values, where) {
    this.values = values;
    this.where = where;
  }

  invalid(name, rule) {
    return invalid(`${this.where}.${name}`, rule, this.values[name]);
  }

  /**
   * An option that has to be set. The environment stands in for a single issuer only: it has one
   * URL, and the keys behind that must not come to vouch for a second issuer by accident.
   * @param {'url' | 'issuer' | 'audience'} name
   * @returns {unknown} never undefined nor empty
   */
  required(name) {
    const variable = this.where === 'jwks' ? ENVIRONMENT[name] : undefined;
    const own = this.values[name];
    const value = own === undefined && variable !== undefined ? process.env[variable] : own;
    // '' and [] are what a forgotten setting looks like; they must not pass as a choice.
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) {
      const or = variable === undefined ? '' : `, or the environment variable ${variable}`;
      throw createError('ERR_SSE_MISSING_OPTION', `${this.where}.${name} is needed: set the option${or}.`);
    }
    return value;
  }
}

/** @param {URL} url */
function isLoopback(url) {
  // The parser has normalised IPv4 (127.1, 0x7f000001), so that a name that only looks like it
  // (127.0.0.1.nip.io, localhost.evil.com) does not match.
  return url.hostname === 'localhost' || url.hostname === '[::1]'
    || /^127(\.\d{1,3}){3}$/.test(url.hostname);
}

/**
 * @param {Given} given
 * @param {boolean} allowInsecure
 * @returns {string}
 */
function readUrl(given, allowInsecure) {
  const value = given.required('url');
  const name = `${given.where}.url`;
  let url;
  try {
    url = new URL(value instanceof URL ? value.href : value);
  } catch {
    throw invalid(name, 'an absolute URL', value);
  }
  // Not shown in the message: it may hold a password.
  if (url.username !== '' || url.password !== '') {
    throw createError('ERR_SSE_INVALID_OPTION', `${name} must not carry a user name or password.`);
  }
  const secure = url.protocol === 'https:'
    || (url.protocol === 'http:' && (allowInsecure || isLoopback(url)));
  if (!secure) {
    throw invalid(
      name,
      'an https: URL (http: only for localhost, 127.0.0.0/8, [::1], or with jwks.allowInsecureUrl)',
      value,
    );
  }
  return url.href;
}

/** @param {Given} given */
function readIssuer(given) {
  const issuer = given.required('issuer');
  // With a lone surrogate it would equal another string as UTF-8.
  if (typeof issuer !== 'string' || !issuer.isWellFormed()) {
    throw invalid(`${given.where}.issuer`, 'a non-empty string', issuer);
  }
  return issuer;
}

/**
 * @param {Given} given
 * @returns {string[]} one or more non-empty strings
 */
function readAudience(given) {
  const value = given.required('audience');
  const list = typeof value === 'string' ? [value] : value;
  const ok = Array.isArray(list) && list.length <= MAX_AUDIENCES
    && list.every((item) => typeof item === 'string' && item !== '');
  if (!ok) {
    const rule = `a non-empty string, or an array of 1 to ${MAX_AUDIENCES} of them`;
    throw invalid(`${given.where}.audience`, rule, value);
  }
  return [...list];
}

/**
 * @param {Given} given
 * @param {string} name a key of DURATIONS
 */
function readDuration(given, name) {
  const { value: fallback, min, max } = DURATIONS[name];
  const { [name]: value = fallback } = given.values;
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw given.invalid(name, `a number of milliseconds from ${min} to ${max}`);
  }
  return value;
}

/**
 * @param {Given} given
 * @param {string} name
 * @param {{ fallback: number, max: number, what: string }} rule
 */
function readCount(given, name, { fallback, max, what }) {
  const { [name]: value = fallback } = given.values;
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw given.invalid(name, `a whole number of ${what} from 0 to ${max}`);
  }
  return value;
}

/** @param {Given} given */
function readAlgorithms(given) {
  const { algorithms = ALGORITHMS } = given.values;
  const ok = Array.isArray(algorithms) && algorithms.length > 0
    && algorithms.every((name) => ALGORITHMS.includes(name));
  if (!ok) throw given.invalid('algorithms', "an array of 'RS256' and 'ES256', not empty");
  return [...algorithms];
}

/**
 * @param {Given} given
 * @returns {object} every setting of one issuer, checked
 */
function readOne(given) {
  const { values, where } = given;
  checkKnown(values, KNOWN, where);
  const { allowInsecureUrl = false, typ, clock } = values;
  if (typeof allowInsecureUrl !== 'boolean') throw given.invalid('allowInsecureUrl', 'true or false');
  if (typ !== undefined && (typeof typ !== 'string' || typ === '')) {
    throw given.invalid('typ', 'a non-empty string');
  }
  if (clock !== undefined && typeof clock !== 'function') {
    throw given.invalid('clock', 'a function that returns milliseconds since 1970');
  }
  return {
    url: readUrl(given, allowInsecureUrl),
    issuer: readIssuer(given),
    audience: readAudience(given),
    algorithms: readAlgorithms(given),
    typ,
    clock,
    clockSkew: readCount(given, 'clockSkew', { fallback: 60, max: 60, what: 'seconds' }),
    cacheSize: readCount(given, 'cacheSize', { fallback: 10_000, max: MAX_CACHE_SIZE, what: 'tokens' }),
    maxAge: readDuration(given, 'maxAge'),
    cooldown: readDuration(given, 'cooldown'),
    backoff: readDuration(given, 'backoff'),
    timeout: readDuration(given, 'timeout'),
    staleIfError: readDuration(given, 'staleIfError'),
  };
}

/**
 * @param {unknown} values
 * @param {string} where
 */
function asGiven(values, where) {
  if (values === null || typeof values !== 'object' || Array.isArray(values)) {
    throw createError('ERR_SSE_INVALID_OPTION', `${where} must be an object, not ${show(values)}.`);
  }
  return new Given(values, where);
}

/** @param {unknown[]} list */
function readSeveral(list) {
  if (list.length < 1 || list.length > MAX_ISSUERS) {
    throw createError('ERR_SSE_INVALID_OPTION', `jwks must be an object, or an array of 1 to ${MAX_ISSUERS} of them.`);
  }
  const all = Array.from(list, (values, i) => readOne(asGiven(values, `jwks[${i}]`)));
  all.forEach(({ issuer }, i) => {
    const first = all.findIndex((other) => other.issuer === issuer);
    if (first === i) return;
    throw createError(
      'ERR_SSE_INVALID_OPTION',
      `jwks[${i}].issuer is that of jwks[${first}]: each issuer has one place where its keys are.`,
    );
  });
  return all;
}

/**
 * @param {unknown} given the user's `jwks`; undefined reads the environment
 * @returns {object[]} every setting of each issuer, checked
 * @throws {TypeError & { code: string }}
 */
function readIssuers(given = {}) {
  return Array.isArray(given) ? readSeveral(given) : [readOne(asGiven(given, 'jwks'))];
}

module.exports = { readIssuers };
