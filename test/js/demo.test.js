'use strict';

// demo.test.js - the demo's server without its page, which test/browser drives.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const readline = require('node:readline');
const { start } = require('../../examples/demo/server');

const SERVER = path.join(__dirname, '../../examples/demo/server.js');

describe('the demo over HTTP', () => {
  let demo;

  beforeEach(async () => {
    demo = await start({ port: 0 });
  });

  afterEach(async () => {
    await demo.close();
  });

  /**
   * @param {string} path
   * @param {unknown} body
   */
  const post = (path, body) => fetch(demo.url + path, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });

  it('answers a token as text, signed with a published key', async () => {
    const answer = await fetch(`${demo.url}/token?sub=alice`);
    assert.match(answer.headers.get('content-type'), /^text\/plain/);
    const [head, claims] = (await answer.text()).split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
    assert.equal(claims.sub, 'alice');
    assert.equal(claims.exp - claims.iat, 3600);
    const { keys } = await (await fetch(`${demo.url}/.well-known/jwks.json`)).json();
    assert.deepEqual(keys.map((key) => key.alg), ['RS256', 'ES256']);
    assert.ok(keys.some((key) => key.kid === head.kid));
    assert.ok(keys.every((key) => !('d' in key)), 'a private key is published');
    assert.equal((await fetch(`${demo.url}/token`)).status, 400);
    assert.equal((await fetch(`${demo.url}/token?sub=a&sub=b`)).status, 400);
    assert.equal((await fetch(`${demo.url}/token?sub=alice&alg=none`)).status, 400);
  });

  it('answers the id of what it publishes, and 400 with a code for what it cannot', async () => {
    const first = await (await post('/publish/news', { type: 'update', data: { a: 1 } })).json();
    const second = await (await post('/publish-user/alice', { type: 'update', data: null })).json();
    assert.deepEqual(Object.keys(first), ['id']);
    assert.ok(second.id > first.id);
    for (const [path, body, code] of [
      ['/publish/news', { type: 'closing', data: 1 }, 'ERR_SSE_RESERVED_EVENT_TYPE'],
      ['/publish/news', { type: 'a\nb', data: 1 }, 'ERR_SSE_INVALID_EVENT_TYPE'],
      ['/cut', {}, 'ERR_DEMO_CUT'],
    ]) {
      const answer = await post(path, body);
      assert.equal(answer.status, 400);
      assert.equal((await answer.json()).error, code);
    }
    assert.equal((await post('/cut', { clientId: 'nobody' })).status, 404);
    const broken = await fetch(`${demo.url}/publish/news`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{' });
    assert.equal(broken.status, 400);
    assert.equal((await broken.json()).error, 'entity.parse.failed');
  });

  it('serves the page, which loads nothing from elsewhere, and the router', async () => {
    const page = await fetch(demo.url);
    assert.match(page.headers.get('content-security-policy'), /default-src 'self'/);
    assert.doesNotMatch(await page.text(), /(?:src|href)="(?:https?:)?\/\//);
    assert.deepEqual(await (await fetch(`${demo.url}/sse/health`)).json(), { status: 'healthy', clients: 0 });
  });

  it('runs by itself: says where it listens, and ends its streams and itself on SIGTERM', async () => {
    const child = spawn(process.execPath, [SERVER], { env: { ...process.env, PORT: '0', HOST: '' }, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [line] = await once(readline.createInterface({ input: child.stdout }), 'line');
      const [, url] = /^listening on (http:\/\/127\.0\.0\.1:\d+)$/.exec(line);
      const token = await (await fetch(`${url}/token?sub=alice`)).text();
      const stream = await fetch(`${url}/sse?channel=news`, { headers: { Authorization: `Bearer ${token}` } });
      assert.equal(stream.status, 200);
      const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      while (!text.includes('event: connected')) text += (await reader.read()).value;
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      while (!(await reader.read()).done);
      assert.deepEqual(await exit, [0, null]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('says that a port is taken', async () => {
    const child = spawn(process.execPath, [SERVER], { env: { ...process.env, PORT: new URL(demo.url).port, HOST: '' }, stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (chunk) => { text += chunk; });
    const [code] = await once(child, 'close');
    assert.equal(code, 1);
    assert.match(text, /EADDRINUSE.*Try PORT=0/);
  });
});
