'use strict';

// server.js - the demo: one Express app with a page to watch events on, routes
// to publish them, and a development identity provider (idp.js). It needs no
// network.
//
//   node examples/demo/server.js          PORT and HOST change where it listens
//
// FOR DEVELOPMENT ONLY: anybody who reaches it gets a token for any user, may
// publish, and may cut connections. That is why it listens on loopback.

const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');
const express = require('express');
const { createSseServer } = require('../..');
const { createDevIdentityProvider } = require('./idp');

const AUDIENCE = 'native-sse-demo';

/** Channels that not everybody may read; every other channel is open. */
const MEMBERS = new Map([['staff', ['carol']]]);

/**
 * An error that the caller of a route brought about.
 * @param {string} code
 * @param {string} message
 * @param {number} [status]
 * @returns {Error & { code: string, status: number }}
 */
function refuse(code, message, status = 400) {
  return Object.assign(new Error(message), { code, status });
}

/**
 * @param {unknown} value
 * @returns {boolean}
 */
function isName(value) {
  return typeof value === 'string' && value.length > 0 && Buffer.byteLength(value) <= 255;
}

/**
 * Where this machine reaches the listener.
 * @param {import('node:net').AddressInfo} address
 * @returns {string} the origin, without a slash at the end
 */
function originOf({ address, port }) {
  if (address === '0.0.0.0') return `http://127.0.0.1:${port}`;
  if (address === '::') return `http://[::1]:${port}`;
  return address.includes(':') ? `http://[${address}]:${port}` : `http://${address}:${port}`;
}

/**
 * The app's own routes. All but `/sse` are what your application would do in
 * its own way, and would protect.
 *
 * @param {import('../..').SseServer} sse
 * @param {import('./idp').DevIdentityProvider} idp
 * @returns {import('express').Express}
 */
function createApp(sse, idp) {
  const app = express();
  app.disable('x-powered-by');

  // The library. `new EventSource('/sse?channel=news&token=…')` ends up here.
  app.use('/sse', sse.router);

  app.use((req, res, next) => {
    res.set('Content-Security-Policy', 'default-src \'self\'; frame-ancestors \'none\'');
    res.set('X-Content-Type-Options', 'nosniff');
    next();
  });
  app.use(express.static(path.join(__dirname, 'public')));
  app.use(express.json());

  // The identity provider, for development only: see idp.js.
  app.get('/.well-known/jwks.json', (req, res) => {
    res.json(idp.jwks());
  });
  app.get('/token', (req, res) => {
    const { sub, alg = 'RS256' } = req.query;
    if (!isName(sub)) throw refuse('ERR_DEMO_SUB', 'Say who you are: /token?sub=alice');
    if (!idp.supports(alg)) throw refuse('ERR_DEMO_ALG', 'alg is RS256 or ES256.');
    res.set('Cache-Control', 'no-store').type('text/plain').send(idp.token(sub, alg));
  });

  app.post('/publish/:channel', async (req, res) => {
    const { type, data } = req.body ?? {};
    res.json({ id: await sse.publish(req.params.channel, { type, data }) });
  });
  app.post('/publish-user/:userId', async (req, res) => {
    const { type, data } = req.body ?? {};
    res.json({ id: await sse.publishToUser(req.params.userId, { type, data }) });
  });

  app.get('/clients', (req, res) => {
    const clients = [...sse.clients.values()].map(({ id, userId, channels, connectedAt }) => (
      { id, userId, channels, connectedAt: new Date(connectedAt).getTime() }
    ));
    res.set('Cache-Control', 'no-store').json({ now: Date.now(), clients });
  });

  // Ends one connection ({ clientId }) or all of a user ({ userId }) and, with
  // { publish: [{ channel | userId, type, data }] }, publishes at once, while
  // the browser is still waiting to reconnect: it gets those by replay.
  app.post('/cut', async (req, res) => {
    const { clientId, userId, publish = [] } = req.body ?? {};
    if (!isName(clientId) && !isName(userId)) throw refuse('ERR_DEMO_CUT', 'Send { clientId } or { userId }.');
    if (!Array.isArray(publish) || publish.length > 1000) throw refuse('ERR_DEMO_CUT', 'publish is a list of at most 1000 events.');
    const targets = [...sse.clients.values()].filter((client) => (
      isName(clientId) ? client.id === clientId : client.userId === userId
    ));
    if (targets.length === 0) throw refuse('ERR_DEMO_NOT_CONNECTED', 'There is no such connection.', 404);
    for (const client of targets) sse.disconnect(client.id);
    const ids = await Promise.all(publish.map((event) => {
      const { channel, userId: to, type, data } = event ?? {};
      return to === undefined ? sse.publish(channel, { type, data }) : sse.publishToUser(to, { type, data });
    }));
    res.json({ cut: targets.length, ids });
  });

  app.use((req, res) => {
    res.status(404).json({ error: 'ERR_DEMO_NOT_FOUND', message: 'There is nothing here.' });
  });
  // Four parameters tell Express that this handles errors.
  app.use((error, req, res, next) => {
    if (res.headersSent) {
      next(error);
      return;
    }
    // publish throws a TypeError with a code where the caller's input is bad.
    const bad = error instanceof TypeError && String(error.code).startsWith('ERR_SSE_');
    const status = bad ? 400 : error.status ?? (error.code === 'ERR_SSE_STOPPED' ? 503 : 500);
    if (status === 500) console.error(error);
    res.status(status).json({
      error: error.code ?? error.type ?? 'ERR_DEMO_INTERNAL',
      message: status === 500 ? 'Something went wrong; see the server\'s output.' : error.message,
    });
  });
  return app;
}

/**
 * The library, set up as an application would: where the keys are, who may
 * read what, and what to do when somebody comes or goes.
 *
 * @param {string} url the demo's own address
 * @returns {import('../..').SseServer}
 */
function createSse(url) {
  const presence = (type, { userId, channels }, more) => {
    sse.publish('presence', { type, data: { userId, channels, ...more } }).catch(() => {});
  };
  const sse = createSseServer({
    jwks: { url: `${url}/.well-known/jwks.json`, issuer: url, audience: AUDIENCE },
    heartbeatInterval: 15000,
    hooks: {
      authorizeChannel: (user, channel) => MEMBERS.get(channel)?.includes(user.sub) ?? true,
      onConnect: (client) => presence('join', client),
      onDisconnect: (client, reason) => presence('leave', client, { reason }),
    },
  });
  return sse;
}

/**
 * Starts the demo.
 *
 * @param {{ port?: number, host?: string }} [options] port 0 takes a free one
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
async function start({ port = 3000, host = '127.0.0.1' } = {}) {
  // Listen first: the tokens' issuer is our own address, and native-sse
  // fetches the keys from it as soon as it is made.
  const server = http.createServer();
  server.listen({ port, host, backlog: 1024 });
  await once(server, 'listening');
  const url = originOf(server.address());
  let sse;
  try {
    const idp = await createDevIdentityProvider({ issuer: url, audience: AUDIENCE });
    sse = createSse(url);
    server.on('request', createApp(sse, idp));
  } catch (error) {
    server.close();
    throw error;
  }

  const close = async () => {
    const closed = once(server, 'close');
    server.close();
    await sse.stop();
    server.closeAllConnections();
    await closed;
  };
  let closing;
  return { url, close: () => (closing ??= close()) };
}

/** Runs the demo until SIGINT or SIGTERM. */
async function main() {
  const demo = await start({
    port: Number(process.env.PORT || 3000),
    host: process.env.HOST || '127.0.0.1',
  });
  console.log(`listening on ${demo.url}`);

  const stop = async () => {
    await demo.close();
    process.exit(0);
  };
  // Once: a second signal ends the process as usual.
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
}

if (require.main === module) {
  main().catch((error) => {
    console.error(error.code === 'EADDRINUSE' ? `${error.message}. Try PORT=0.` : error);
    process.exitCode = 1;
  });
}

module.exports = { start };
