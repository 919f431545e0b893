'use strict';

// topics.test.js - the browser's side of createToolsRouter, as it is documented, in Chromium with a cookie session: one
// stream on which onmessage and addEventListener both see an event. CHROMIUM_PATH names the browser, unless it is on
// the PATH.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const express = require('express');

const { AuthEventBus, AuthTools, createToolsRouter } = require('../..');
const findChromium = require('../../tools/find-chromium');
const { waitFor } = require('../js/helpers/wait');

const CHROMIUM = findChromium();
const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** As an application's page has it. */
const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>topics</title><script>
const seen = [];
const es = new EventSource('/tools/stream', { withCredentials: true });
es.onmessage = (e) => seen.push(['onmessage', e.lastEventId, JSON.parse(e.data)]);
es.addEventListener('security-alert', (e) => seen.push(['security-alert', e.lastEventId, JSON.parse(e.data)]));
es.addEventListener('connected', (e) => seen.push(['connected', e.lastEventId, JSON.parse(e.data)]));
</script>`;

const PEOPLE = { alice: { id: 'alice', tenantId: 'acme', roles: ['admin'] }, bob: { id: 'bob', tenantId: 'globex' } };

describe('the topics of a session in Chromium', function suite() {
  this.timeout(60_000);
  let browser;
  let server;
  let tools;
  let streams = 0;

  before(async function start() {
    if (!CHROMIUM) this.skip();
    browser = await require('playwright-core').chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  });

  after(() => browser?.close());

  beforeEach(async () => {
    tools = new AuthTools(new AuthEventBus(), { sse: true });
    streams = 0;
    const app = express();
    const authMiddleware = (req, res, next) => {
      streams += 1;
      req.user = PEOPLE[/(?:^|; )sid=(\w+)/.exec(req.headers.cookie ?? '')?.[1]];
      if (req.user) next();
      else res.sendStatus(401);
    };
    app.get('/login/:name', (req, res) => {
      res.set('Set-Cookie', `sid=${req.params.name}; Path=/; HttpOnly; SameSite=Strict`).redirect('/page');
    });
    app.get('/page', (req, res) => res.type('html').send(PAGE));
    app.use('/tools', createToolsRouter(tools, { authMiddleware }));
    server = http.createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(async () => {
    await tools?.stop();
    server?.close();
    server?.closeAllConnections();
  });

  async function open(name) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/login/${name}`);
    const look = () => page.evaluate('seen');
    const has = (count) => waitFor(async () => (await look()).length >= count, async () => `${count} events: ${JSON.stringify(await look())}`);
    await has(1);
    return { context, page, look, has };
  }

  it('has both handlers see an event, with one id, on one stream', async () => {
    const alice = await open('alice');
    const bob = await open('bob');
    assert.equal(streams, 2);
    tools.track('security-alert', { text: 'your password was changed' }, { userId: 'alice', tenantId: 'acme' });
    tools.track('security-alert', { text: 'not for you' }, { userId: 'alice', tenantId: 'globex' });
    tools.track('other', 1, { tenantId: 'globex' });
    tools.notify('global', 2, { type: 'message' });
    await Promise.all([alice.has(4), bob.has(3)]);
    const [connected, ...events] = await alice.look();
    assert.deepEqual(connected[2].topics, ['global', 'tenant:acme', 'tenant:acme:role:admin', 'user:alice']);
    assert.deepEqual(events.map(([handler, , { type, data }]) => [handler, type, data]), [
      ['security-alert', 'security-alert', { text: 'your password was changed' }],
      ['onmessage', 'security-alert', { text: 'your password was changed' }],
      ['onmessage', 'message', 2],
    ]);
    assert.deepEqual(events[0].slice(1), events[1].slice(1), 'the two are not the same event');
    assert.match(events[0][1], /^\d+$/);
    const atBob = (await bob.look()).slice(1);
    assert.deepEqual(atBob.map(([handler, , { data }]) => [handler, data]), [['onmessage', 1], ['onmessage', 2]]);
    await Promise.all([alice.context.close(), bob.context.close()]);
  });

  it('has them see what they missed, once, when it comes back', async () => {
    const alice = await open('alice');
    tools.track('security-alert', 1, { userId: 'alice' });
    await alice.has(3);
    const { connectionId } = (await alice.look())[0][2];
    tools.sseManager.removeConnection(connectionId);
    tools.track('security-alert', 2, { userId: 'alice' });
    tools.track('security-alert', 'not for you', { userId: 'alice', tenantId: 'globex' });
    await alice.has(6);
    tools.track('security-alert', 3, { userId: 'alice' });
    await alice.has(8);
    const events = (await alice.look()).map(([handler, , { data }]) => [handler, data]);
    assert.deepEqual(events.filter(([handler]) => handler === 'onmessage').map(([, data]) => data), [1, 2, 3]);
    assert.deepEqual(events.filter(([handler]) => handler === 'security-alert').map(([, data]) => data), [1, 2, 3]);
    assert.equal(events.filter(([handler]) => handler === 'connected').length, 2);
    await alice.context.close();
  });
});
