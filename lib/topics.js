'use strict';

// topics.js - the topics that a server gives its connections: built, parsed and
// checked. Only a tenant's id may not hold a colon; the last part is taken whole,
// since ids such as `did:web:example` and `urn:…` are common.

const { createError, show } = require('./errors');
const { nameFault } = require('./event');

const MAX_PART_BYTES = 255;

const invalid = (message) => createError('ERR_SSE_INVALID_TOPIC', message);

/** @param {unknown} value @param {string} what */
function checkPart(value, what) {
  if (typeof value !== 'string') throw createError('ERR_SSE_INVALID_ARG', `${what} must be a string, not ${show(value)}.`);
  const fault = nameFault(value, MAX_PART_BYTES);
  if (fault !== null) throw invalid(`The ${what} ${show(value)} ${fault}.`);
  return value;
}

/** @param {unknown} value */
function checkTenantId(value) {
  checkPart(value, 'tenant id');
  if (value.includes(':')) throw invalid(`The tenant id ${show(value)} holds a colon, which parts the topics of a tenant.`);
  return value;
}

const topics = Object.freeze({
  /** Everybody. */
  global: () => 'global',
  tenant: (tenantId) => `tenant:${checkTenantId(tenantId)}`,
  role: (tenantId, role) => `tenant:${checkTenantId(tenantId)}:role:${checkPart(role, 'role')}`,
  group: (tenantId, groupId) => `tenant:${checkTenantId(tenantId)}:group:${checkPart(groupId, 'group id')}`,
  user: (userId) => `user:${checkPart(userId, 'user id')}`,
  session: (sessionId) => `session:${checkPart(sessionId, 'session id')}`,
  custom: (namespace) => `custom:${checkPart(namespace, 'namespace')}`,
  parse,
});

/** What follows the first colon of `text`, or undefined. */
function afterColon(text) {
  const at = text.indexOf(':');
  return at === -1 ? undefined : text.slice(at + 1);
}

function parseTenant(text, rest) {
  const [tenantId] = rest.split(':', 1);
  const tail = afterColon(rest);
  if (tail === undefined) return { kind: 'tenant', tenantId: checkTenantId(tenantId) };
  const [kind] = tail.split(':', 1);
  const value = afterColon(tail);
  if ((kind !== 'role' && kind !== 'group') || value === undefined) throw unknownShape(text);
  return { kind, tenantId: checkTenantId(tenantId), [kind === 'role' ? 'role' : 'groupId']: checkPart(value, `${kind}`) };
}

const unknownShape = (text) => invalid(
  `${show(text)} is no topic. There are global, tenant:{id}, tenant:{id}:role:{role}, tenant:{id}:group:{id}, ` +
    'user:{id}, session:{id} and custom:{namespace}.',
);

/**
 * @param {unknown} text
 * @returns {{ kind: string, tenantId?: string, role?: string, groupId?: string, userId?: string, sessionId?: string,
 *   namespace?: string }}
 * @throws TypeError ERR_SSE_INVALID_ARG, ERR_SSE_INVALID_TOPIC
 */
function parse(text) {
  if (typeof text !== 'string') throw createError('ERR_SSE_INVALID_ARG', `A topic must be a string, not ${show(text)}.`);
  if (text === 'global') return { kind: 'global' };
  const [kind] = text.split(':', 1);
  const rest = afterColon(text);
  if (rest === undefined) throw unknownShape(text);
  switch (kind) {
    case 'tenant':
      return parseTenant(text, rest);
    case 'user':
      return { kind, userId: checkPart(rest, 'user id') };
    case 'session':
      return { kind, sessionId: checkPart(rest, 'session id') };
    case 'custom':
      return { kind, namespace: checkPart(rest, 'namespace') };
    default:
      throw unknownShape(text);
  }
}

module.exports = { topics, checkTenantId };
