'use strict';

// snippets.test.js - every js and ts block of README.md and docs/ is run. A
// comment above a block names its scenario, and the scenario says what must
// happen; a block without one fails, and so does a scenario without a block.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const findChromium = require('../../tools/find-chromium');
const { createSseServer } = require('../..');
const { endRedis, findRedis, startRedis } = require('./backplane/redis-server');
const { RUN, documents, fences, Workspace } = require('./helpers/snippets');

const ISSUER = 'https://id.example.com/';
const AUDIENCE = 'my-api';

/** An identity provider by other people's code: keys and tokens are made by jose. */
async function startIssuer() {
  const { SignJWT, exportJWK, generateKeyPair } = await import('jose');
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }] };
  const server = http.createServer((req, res) => {
    res.setHeader('Content-Type', 'application/json');
    res.end(JSON.stringify(jwks));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${server.address().port}/jwks.json`;
  return {
    env: { JWKS_URL: url, JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE },
    token: (sub, claims = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'one' })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(sub)
        .setExpirationTime('5m')
        .sign(privateKey),
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Events of a stream, read by the npm package `eventsource`. */
async function subscribe(url, headers, types) {
  const { EventSource } = await import('eventsource');
  const source = new EventSource(url, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
  });
  const queue = [];
  const waiting = [];
  const put = (item) => {
    const next = waiting.shift();
    if (next) next(item);
    else queue.push(item);
  };
  for (const type of ['connected', 'closing', ...types]) {
    source.addEventListener(type, ({ data, lastEventId }) => put({ type, data: JSON.parse(data), lastEventId }));
  }
  source.addEventListener('error', ({ code, message }) => put({ type: 'error', code, message }));
  return {
    next: async () => queue.shift() ?? new Promise((resolve) => waiting.push(resolve)),
    close: () => source.close(),
  };
}

async function json(url, options = {}) {
  const response = await fetch(url, options);
  return { status: response.status, body: await response.json() };
}

const bearer = (token) => ({ Authorization: `Bearer ${token}` });

function post(body) {
  return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}

describe('snippets', () => {
  const all = documents().flatMap(fences);
  const blocks = all.filter(({ language }) => RUN.includes(language));
  const blockOf = (name) => all.find((block) => block.name === name);
  let issuer;
  let workspace;
  let cleanUp;

  before(async () => {
    issuer = await startIssuer();
  });

  after(() => issuer.close());

  beforeEach(() => {
    workspace = new Workspace();
    cleanUp = [];
  });

  afterEach(async () => {
    for (const undo of cleanUp.reverse()) await undo();
    await workspace.remove();
  });

  /** Starts a block; servers listen on a free port. */
  function start(block, env = {}) {
    return workspace.start(workspace.write(block), { PORT: '0', ...issuer.env, ...env });
  }

  async function open(url, headers, types = []) {
    const stream = await subscribe(url, headers, types);
    cleanUp.push(stream.close);
    return stream;
  }

  const scenarios = {
    async 'quick-start'(block) {
      const program = start(block);
      const url = await program.origin();
      const alice = await issuer.token('alice', { roles: ['staff'] });

      const mallory = bearer(await issuer.token('mallory'));
      assert.equal((await json(`${url}/sse?channel=news`)).body.error, 'ERR_SSE_UNAUTHORIZED');
      assert.equal((await json(`${url}/sse?channel=staff`, { headers: mallory })).body.error, 'ERR_SSE_FORBIDDEN');

      const stream = await open(`${url}/sse?channel=news&channel=staff`, bearer(alice), ['order', 'receipt']);
      const connected = await stream.next();
      assert.equal(connected.type, 'connected');
      assert.deepEqual(connected.data.channels, ['news', 'staff']);
      assert.deepEqual(await json(`${url}/sse/health`), { status: 200, body: { status: 'healthy', clients: 1 } });

      const { status, body } = await json(`${url}/orders`, post({ total: 3 }));
      assert.equal(status, 201);
      assert.deepEqual(await stream.next(), { type: 'order', data: { total: 3 }, lastEventId: String(body.id) });
      const receipt = await stream.next();
      assert.deepEqual([receipt.type, receipt.data], ['receipt', { order: body.id }]);

      const ended = program.ends('SIGTERM');
      const closing = await stream.next();
      assert.deepEqual([closing.type, closing.data], ['closing', { reason: 'shutdown', reconnect: true }]);
      stream.close();
      const { code, signal, stderr } = await ended;
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr);
    },

    async redis(block) {
      if (findRedis() === null) return this.skip();
      const redis = await startRedis();
      cleanUp.push(endRedis);
      const file = workspace.write(block);
      const programs = [0, 1].map(() => workspace.start(file, { PORT: '0', REDIS_URL: redis.url }));
      const [one, two] = [await programs[0].origin(), await programs[1].origin()];
      const stream = await open(`${two}/sse?channel=orders`, bearer('alice'), ['order']);
      assert.equal((await stream.next()).type, 'connected');
      const order = () => json(`${one}/orders`, { ...post({ total: 3 }), headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'k' } });
      const { status, body } = await order();
      assert.equal(status, 201);
      assert.deepEqual((await order()).body, body);
      assert.deepEqual(await stream.next(), { type: 'order', data: { total: 3 }, lastEventId: String(body.id) });
      stream.close();
      for (const program of programs) {
        const { code, stderr } = await program.ends('SIGTERM');
        assert.deepEqual([code, stderr], [0, '']);
      }
    },

    async browser(block) {
      this.timeout(60_000);
      const executablePath = findChromium();
      if (executablePath === null) return this.skip();
      const { chromium } = require('playwright-core');
      const url = await start(blockOf('quick-start')).origin();
      const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
      cleanUp.push(() => browser.close());
      const page = await browser.newPage();
      const errors = [];
      page.on('pageerror', (error) => errors.push(error.message));
      await page.route('**/page', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
      await page.goto(`${url}/page`);
      await page.evaluate((token) => {
        const shown = [];
        const state = { token, shown, reloads: 0, show: (...args) => shown.push(args) };
        Object.assign(globalThis, state, { reload: () => (globalThis.reloads += 1) });
      }, await issuer.token('bob'));
      await page.addScriptTag({ content: block.code });
      await page.waitForFunction('source.readyState === EventSource.OPEN');
      const { body } = await json(`${url}/orders`, post({ total: 5 }));
      await page.waitForFunction('shown.length > 0');
      assert.deepEqual(await page.evaluate('shown'), [[{ total: 5 }, String(body.id)]]);
      assert.equal(await page.evaluate('reloads'), 0);
      assert.deepEqual(errors, []);
      return undefined;
    },

    async 'own-authenticator'(block) {
      const program = start(block);
      const url = await program.origin();
      assert.equal((await json(`${url}/sse`, { headers: { cookie: 'sid=guess' } })).status, 401);
      assert.equal((await json(`${url}/sse`)).status, 401);
      const stream = await open(`${url}/sse?channel=a`, { cookie: 'theme=dark; sid=s3cret' });
      assert.equal((await stream.next()).data.userId, 'alice');
      await program.prints(/^\+ alice \[ 'a' \]$/m);
      stream.close();
      await program.prints(/^- alice (client|reset)$/m);
    },

    async 'durable-history'(block) {
      const { code, stdout, stderr } = await start(block).ends();
      assert.deepEqual([code, stdout, stderr], [0, '', '']);
    },

    async topics(block) {
      const program = start(block);
      const url = await program.origin();
      const cookie = { cookie: 'sid=s3cret' };
      assert.equal((await fetch(`${url}/tools/stream`)).status, 401);
      const stream = await open(`${url}/tools/stream`, cookie, ['security-alert', 'notification']);
      assert.deepEqual((await stream.next()).data.topics,
        ['global', 'tenant:acme', 'tenant:acme:role:admin', 'user:alice']);
      assert.equal((await fetch(`${url}/password`, { method: 'POST', headers: cookie })).status, 204);
      const alert = await stream.next();
      assert.deepEqual([alert.type, alert.data.topic, alert.data.userId], ['security-alert', 'user:alice', 'alice']);
      const notification = await stream.next();
      assert.deepEqual([notification.data.data, notification.data.tenantId],
        [{ text: 'alice changed the password' }, 'acme']);
    },

    async 'topics-browser'(block) {
      this.timeout(60_000);
      const executablePath = findChromium();
      if (executablePath === null) return this.skip();
      const { chromium } = require('playwright-core');
      const url = await start(blockOf('topics')).origin();
      const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
      cleanUp.push(() => browser.close());
      const page = await browser.newPage();
      await page.context().addCookies([{ name: 'sid', value: 's3cret', url }]);
      await page.route('**/page', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
      await page.goto(`${url}/page`);
      await page.evaluate(() => {
        const shown = [];
        Object.assign(globalThis, { shown, show: (...args) => shown.push(args) });
      });
      await page.addScriptTag({ content: block.code });
      await page.waitForFunction('source.readyState === EventSource.OPEN');
      await page.evaluate(() => fetch('/password', { method: 'POST' }));
      await page.waitForFunction('shown.length === 3');
      const shown = await page.evaluate('shown');
      assert.deepEqual(shown.map(([what, event]) => [what, event.type]),
        [['alert', undefined], ['every event', 'security-alert'], ['every event', 'notification']]);
      assert.deepEqual(shown[0][1], { text: 'your password was changed' });
      return undefined;
    },

    async 'without-express'(block) {
      const url = await start(block).origin();
      assert.equal((await fetch(`${url}/other`)).status, 404);
      const stream = await open(`${url}/events?channel=a`, bearer(await issuer.token('carol')));
      assert.equal((await stream.next()).data.userId, 'carol');
    },

    async typescript(block) {
      const file = workspace.compile(workspace.write(block));
      const { code, stderr } = await workspace.start(file).ends();
      assert.equal(code, 0, stderr);
    },

    async thrown(block) {
      const { code, stdout, stderr } = await start(block).ends();
      assert.equal(code, 0, stderr);
      assert.equal(stdout, 'event.data is 2002 bytes as JSON; maxEventBytes is 1000.\n');
    },

    async diagnostics(block) {
      const { code, stdout, stderr } = await start(block).ends();
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^refused: E_[A-Z0-9]+\n401 ERR_SSE_UNAUTHORIZED\n$/);
    },
  };

  for (const block of blocks) {
    it(`${block.file}:${block.line} (${block.name})`, async function () {
      const scenario = scenarios[block.name];
      assert.ok(scenario, `no scenario runs this block: name one above it, as <!-- run: name -->`);
      await scenario.call(this, block);
    });
  }

  it('has exactly one block for each scenario', () => {
    assert.deepEqual(blocks.map(({ name }) => name).sort(), Object.keys(scenarios).sort());
  });

  it('shows the head and the first line as they are', async () => {
    const sse = createSseServer({ hooks: { authenticateSubscriber: () => ({ sub: 'alice' }) } });
    const server = http.createServer(sse.handler).listen(0, '127.0.0.1');
    cleanUp.push(() => sse.stop(), () => server.close());
    await once(server, 'listening');
    const { port } = server.address();
    const [response] = await once(http.get({ port, host: '127.0.0.1', path: '/?token=a' }), 'response');
    const [first] = await once(response, 'data');
    response.destroy();
    const fields = [];
    for (let i = 0; i < response.rawHeaders.length; i += 2) {
      const [name, value] = response.rawHeaders.slice(i, i + 2);
      if (name !== 'Date') fields.push(`${name}: ${value}\n`);
    }
    const status = `HTTP/1.1 ${response.statusCode} ${response.statusMessage}\n`;
    assert.equal([status, ...fields].join(''), blockOf('head').code);
    assert.ok(String(first).startsWith(blockOf('opening').code), String(first));
  });
});
