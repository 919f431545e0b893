'use strict';

// jwks-options.js - checks and defaults everything under `jwks`. An empty
// allow-list never means "allow all", and a value that is there but wrong never
// falls back to a default.

const { createError, show } = require('./errors');
const { checkKnown } = require('./options');

const KNOWN = [
  'url', 'issuer', 'audience', 'algorithms', 'typ', 'clockSkew', 'maxAge', 'cooldown', 'backoff',
  'timeout', 'staleIfError', 'allowInsecureUrl', 'clock',
];

const ENVIRONMENT = { url: 'JWKS_URL', issuer: 'JWT_ISSUER', audience: 'JWT_AUDIENCE' };

const ALGORITHMS = ['RS256', 'ES256'];

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
 * @param {string} name option name below `jwks`
 * @param {string} rule what the value has to be
 * @param {unknown} value
 */
function invalid(name, rule, value) {
  return createError('ERR_SSE_INVALID_OPTION', `jwks.${name} must be ${rule}, not ${show(value)}.`);
}

/**
 * An option that has to be set, here or in the environment.
 * @param {Record<string, unknown>} given
 * @param {'url' | 'issuer' | 'audience'} name
 * @returns {unknown} never undefined nor empty
 */
function required(given, name) {
  const variable = ENVIRONMENT[name];
  const value = given[name] === undefined ? process.env[variable] : given[name];
  // '' and [] are what a forgotten setting looks like; they must not pass as a choice.
  if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) {
    throw createError(
      'ERR_SSE_MISSING_OPTION',
      `jwks.${name} is needed: set the option, or the environment variable ${variable}.`,
    );
  }
  return value;
}

/** @param {URL} url */
function isLoopback(url) {
  // The parser has normalised IPv4 (127.1, 0x7f000001), so that a name that only looks like it
  // (127.0.0.1.nip.io, localhost.evil.com) does not match.
  return url.hostname === 'localhost' || url.hostname === '[::1]'
    || /^127(\.\d{1,3}){3}$/.test(url.hostname);
}

/**
 * @param {Record<string, unknown>} given
 * @param {boolean} allowInsecure
 * @returns {string}
 */
function readUrl(given, allowInsecure) {
  const value = required(given, 'url');
  let url;
  try {
    url = new URL(value instanceof URL ? value.href : value);
  } catch {
    throw invalid('url', 'an absolute URL', value);
  }
  // Not shown in the message: it may hold a password.
  if (url.username !== '' || url.password !== '') {
    throw createError('ERR_SSE_INVALID_OPTION', 'jwks.url must not carry a user name or password.');
  }
  const secure = url.protocol === 'https:'
    || (url.protocol === 'http:' && (allowInsecure || isLoopback(url)));
  if (!secure) {
    throw invalid(
      'url',
      'an https: URL (http: only for localhost, 127.0.0.0/8, [::1], or with jwks.allowInsecureUrl)',
      value,
    );
  }
  return url.href;
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} most
 * @returns {string[]} one or more non-empty strings
 */
function readStrings(name, value, most) {
  const list = typeof value === 'string' ? [value] : value;
  const ok = Array.isArray(list) && list.length >= 1 && list.length <= most
    && list.every((item) => typeof item === 'string' && item !== '');
  if (!ok) {
    throw invalid(name, `a non-empty string, or an array of 1 to ${most} of them`, value);
  }
  return [...list];
}

/**
 * @param {Record<string, unknown>} given
 * @param {string} name a key of DURATIONS
 */
function readDuration(given, name) {
  const { value: fallback, min, max } = DURATIONS[name];
  const value = given[name] === undefined ? fallback : given[name];
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw invalid(name, `a number of milliseconds from ${min} to ${max}`, value);
  }
  return value;
}

/** @param {Record<string, unknown>} given */
function readAlgorithms({ algorithms }) {
  if (algorithms === undefined) return [...ALGORITHMS];
  const ok = Array.isArray(algorithms) && algorithms.length > 0
    && algorithms.every((name) => ALGORITHMS.includes(name));
  if (!ok) throw invalid('algorithms', "an array of 'RS256' and 'ES256', not empty", algorithms);
  return [...algorithms];
}

/** @param {Record<string, unknown>} given */
function readClockSkew({ clockSkew = 60 }) {
  if (!Number.isInteger(clockSkew) || clockSkew < 0 || clockSkew > 60) {
    throw invalid('clockSkew', 'a whole number of seconds from 0 to 60', clockSkew);
  }
  return clockSkew;
}

/**
 * @param {unknown} given the user's `jwks`; undefined reads the environment
 * @returns {object} every setting, checked
 * @throws {TypeError & { code: string }}
 */
function readJwksOptions(given = {}) {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw createError('ERR_SSE_INVALID_OPTION', `jwks must be an object, not ${show(given)}.`);
  }
  checkKnown(given, KNOWN, 'jwks');
  const { allowInsecureUrl = false, typ, clock } = given;
  if (typeof allowInsecureUrl !== 'boolean') {
    throw invalid('allowInsecureUrl', 'true or false', allowInsecureUrl);
  }
  if (typ !== undefined && (typeof typ !== 'string' || typ === '')) {
    throw invalid('typ', 'a non-empty string', typ);
  }
  if (clock !== undefined && typeof clock !== 'function') {
    throw invalid('clock', 'a function that returns milliseconds since 1970', clock);
  }
  const url = readUrl(given, allowInsecureUrl);
  const issuer = required(given, 'issuer');
  if (typeof issuer !== 'string') throw invalid('issuer', 'a non-empty string', issuer);
  return {
    url,
    issuer,
    audience: readStrings('audience', required(given, 'audience'), 64),
    algorithms: readAlgorithms(given),
    typ,
    clock,
    clockSkew: readClockSkew(given),
    maxAge: readDuration(given, 'maxAge'),
    cooldown: readDuration(given, 'cooldown'),
    backoff: readDuration(given, 'backoff'),
    timeout: readDuration(given, 'timeout'),
    staleIfError: readDuration(given, 'staleIfError'),
  };
}

module.exports = { readJwksOptions };
