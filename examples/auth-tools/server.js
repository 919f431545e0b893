'use strict';

// server.js - who sees what: four people of two tenants log in with cookies, each
// gets a stream of the topics that the server gives them, and buttons send events.
//
//   node examples/auth-tools/server.js    PORT and HOST change where it listens
//
// FOR DEVELOPMENT ONLY: there are no passwords, and anybody may press the buttons.
// That is why it listens on loopback.

const { randomUUID } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');
const path = require('node:path');
const express = require('express');
const { AuthEventBus, AuthTools, createToolsRouter, topics } = require('../..');

/** What a user database would have. */
const PEOPLE = new Map([
  ['alice', { id: 'alice', tenantId: 'acme', roles: ['admin'], groups: ['sales'] }],
  ['bob', { id: 'bob', tenantId: 'acme', roles: [], groups: ['sales'] }],
  ['carol', { id: 'carol', tenantId: 'globex', roles: ['admin'], groups: [] }],
  ['dave', { id: 'dave', tenantId: 'globex', roles: [], groups: [] }],
]);

/** What each button does; its name is its text. */
const ACTIONS = {
  'everybody': (tools) => tools.track('news', { text: 'to everybody' }),
  'tenant acme': (tools) => tools.track('news', { text: 'to acme' }, { tenantId: 'acme' }),
  'admins of acme': (tools) => tools.notify(topics.role('acme', 'admin'), { text: 'to the admins of acme' }, { tenantId: 'acme' }),
  'sales of acme': (tools) => tools.notify(topics.group('acme', 'sales'), { text: 'to sales of acme' }, { tenantId: 'acme' }),
  'global, but of globex': (tools) => tools.notify(topics.global(), { text: 'global, within globex' }, { tenantId: 'globex' }),
  'bob': (tools) => tools.track('security-alert', { text: 'to bob' }, { userId: 'bob', tenantId: 'acme' }),
};

/** Cookie sessions. Each person has a path, so that one browser can be all of them at once. */
class Sessions {
  constructor() {
    this._people = new Map();
  }

  /** @returns {string} for Set-Cookie */
  begin(name) {
    const id = randomUUID();
    this._people.set(id, { ...PEOPLE.get(name), sessionId: id });
    return `sid=${id}; Path=/as/${name}/; HttpOnly; SameSite=Strict`;
  }

  /** For createToolsRouter: sets `req.user`, or refuses. */
  get middleware() {
    return (req, res, next) => {
      const id = /(?:^|; )sid=([^;]+)/.exec(req.headers.cookie ?? '')?.[1];
      req.user = this._people.get(id);
      if (req.user) next();
      else res.status(401).json({ error: 'ERR_DEMO_LOGIN', message: 'Log in first.' });
    };
  }
}

/** @param {AuthTools} tools */
function createApp(tools) {
  const app = express();
  const sessions = new Sessions();
  app.disable('x-powered-by');
  app.use((req, res, next) => {
    res.set('Content-Security-Policy', 'default-src \'self\'; frame-ancestors \'none\'');
    next();
  });
  app.use(express.static(path.join(__dirname, 'public')));
  app.get('/people', (req, res) => {
    res.json([...PEOPLE.values()]);
  });
  app.get('/actions', (req, res) => {
    res.json(Object.keys(ACTIONS));
  });
  app.post('/as/:name/login', (req, res) => {
    if (!PEOPLE.has(req.params.name)) return res.sendStatus(404);
    res.set('Set-Cookie', sessions.begin(req.params.name));
    return res.sendStatus(204);
  });
  // The library. `new EventSource('/as/alice/tools/stream')` ends up here.
  app.use('/as/:name/tools', createToolsRouter(tools, { authMiddleware: sessions.middleware }));
  app.post('/do/:action', (req, res) => {
    if (!Object.hasOwn(ACTIONS, req.params.action)) return res.sendStatus(404);
    ACTIONS[req.params.action](tools);
    return res.sendStatus(204);
  });
  return app;
}

/**
 * @param {{ port?: number, host?: string }} [where]
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
async function start({ port = 3000, host = '127.0.0.1' } = {}) {
  const tools = new AuthTools(new AuthEventBus(), { sse: true });
  const server = http.createServer(createApp(tools));
  server.listen(port, host);
  await once(server, 'listening');
  return {
    url: `http://${host}:${server.address().port}`,
    async close() {
      server.close();
      await tools.stop();
      server.closeAllConnections();
    },
  };
}

async function main() {
  const app = await start({ port: Number(process.env.PORT ?? 3000), host: process.env.HOST });
  console.log(`Open ${app.url}`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close());
}

if (require.main === module) {
  main().catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}

module.exports = { start };
