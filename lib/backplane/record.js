'use strict';

// record.js - events and orders as text in a log, and the names of histories. A backplane looks into neither.

const SCOPES = ['channel', 'user', 'topic', 'tenant', 'tenant-topic'];

/** The first character of a payload says what it is, and in which version of this format. */
const EVENT = 'e';
const ORDER = 'o';

/**
 * Names of the histories of keys. No two keys share one: an owner's name has no colon in it.
 * @param {(number | string)[]} keys flat: scope, owner, name, …
 * @returns {string[]}
 */
function historyNames(keys) {
  const names = [];
  for (let i = 0; i < keys.length; i += 3) names.push(`${SCOPES[keys[i]]}:${encodeURIComponent(keys[i + 1])}:${keys[i + 2]}`);
  return names;
}

/** @returns {string} JSON has no line feed in it */
function encodeEvent({ type, json }, keys, form) {
  return `${EVENT}${JSON.stringify([form, type, ...keys])}\n${json}`;
}

/** @param {object} order something to be done on every node */
function encodeOrder(order) {
  return ORDER + JSON.stringify(order);
}

/**
 * @param {{ id: number, payload: string }} record
 * @returns {{ event: [id: number, type: string, json: string, form: number, keys: (number | string)[]] } | { order: object }}
 * @throws for a payload that is none of ours
 */
function decode({ id, payload }) {
  if (payload[0] === ORDER) return { order: JSON.parse(payload.slice(1)) };
  const end = payload.indexOf('\n');
  if (payload[0] !== EVENT || end === -1) throw new Error(`The record ${id} of the backplane is of an unknown kind.`);
  const [form, type, ...keys] = JSON.parse(payload.slice(1, end));
  return { event: [id, type, payload.slice(end + 1), form, keys] };
}

module.exports = { historyNames, encodeEvent, encodeOrder, decode };
