'use strict';

// subscription.js - a response becomes a client: head, handover or stream, attach.
// Both public systems subscribe through this.

const { createError, httpError } = require('./errors');
const { take, isCandidate, writeHead, letGo } = require('./handover');

/** The part of maxConnectionAge that is left to chance. */
const MAX_AGE_JITTER = 0.2;

/**
 * When a client that comes now is to leave: a little earlier than it might, by chance, so that those who came
 * together do not leave together.
 * @param {number} maxConnectionAge ms, Infinity for never
 * @returns {number} ms since 1970
 */
function drawMaxAge(maxConnectionAge) {
  return Date.now() + maxConnectionAge * (1 - MAX_AGE_JITTER * Math.random());
}

/**
 * Turns a reserved slot and a response into a client, in one step.
 * @param {import('./hub').Hub} hub
 * @param {{ req: object | undefined, res: object, handle: number, check: () => void }} request `check` throws when the
 *   peer has gone; a reset shows only when the head is written
 * @param {{ transport: 'auto' | 'socket' | 'stream' }} options
 * @param {object} subscription for Hub.attach
 * @returns {{ id: string, finish: () => void }} `finish` lets go of Node's objects; until then they are whole
 * @throws 500 ERR_SSE_TRANSPORT, maybe when the head is out already
 */
function openSubscription(hub, { req, res, handle, check }, { transport }, subscription) {
  const { socket } = res;
  const isSocket = transport !== 'stream' && isCandidate(req, res);
  if (transport === 'socket' && !isSocket) throw httpError('ERR_SSE_TRANSPORT');
  const opening = writeHead(req, res, isSocket);
  check();
  if (transport === 'socket' && opening === undefined) throw httpError('ERR_SSE_TRANSPORT');
  let id = opening === undefined ? null : hub.attach(handle, subscription, { fd: socket._handle.fd, opening });
  const isHandedOver = id !== null;
  // No descriptor left to duplicate: Node's own object still serves.
  if (opening !== undefined && !isHandedOver) socket.write(opening);
  id ??= hub.attach(handle, subscription, { res });
  if (id === null) throw createError('ERR_SSE_INTERNAL', 'The client could not be attached.', Error);
  take(req, res);
  if (!isHandedOver) return { id, finish() {} };
  const finish = () => {
    // An app that has ended the response meanwhile has ended the client.
    if (res.writableEnded) hub.detach(handle, 'server');
    letGo(res, socket);
  };
  // After the ticks that belong to the write of the head: a destroyed socket
  // would tell its callbacks that it has failed.
  return { id, finish: () => process.nextTick(finish) };
}

module.exports = { openSubscription, drawMaxAge };
