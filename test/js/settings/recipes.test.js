'use strict';

// recipes.test.js - every file of examples/recipes is run as it is, and docs/recipes.md shows exactly these.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const { cleanUp, adopt } = require('../helpers/app');
const { connect } = require('../helpers/client');
const { makeKey, makeToken, startIdentity, ISSUER, AUDIENCE } = require('../helpers/identity');
const { waitFor } = require('../helpers/wait');
const { Program } = require('./helpers/program');

const ROOT = path.join(__dirname, '../../..');
const FOLDER = 'examples/recipes';
const RECIPES = fs.readdirSync(path.join(ROOT, FOLDER)).sort();

/** What an app has set before it passes the request on is in the head of the stream. */
const WITH_CORS = ['fastify.js', 'koa.js', 'nest.js'];

describe('recipes', () => {
  const key = makeKey('ES256');
  let identity;
  let program;

  beforeEach(async () => {
    identity = await startIdentity([key]);
  });

  afterEach(async () => {
    await program?.kill();
    program = undefined;
    await identity.stop();
    await cleanUp();
  });

  async function start(recipe, heartbeat = '0') {
    program = new Program(process.execPath, [path.join(FOLDER, recipe)], {
      cwd: ROOT,
      env: {
        ...process.env, PORT: '0', JWKS_URL: identity.url, JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE,
        SSE_HEARTBEAT_INTERVAL: heartbeat, NODE_ENV: 'production',
      },
    });
    const [, port] = await program.prints(/^listening on port (\d+)$/m);
    return Number(port);
  }

  const send = (port, { token = makeToken(key), ...what } = {}) => adopt(connect({
    port, path: '/events?channel=orders', headers: token === null ? {} : { Authorization: `Bearer ${token}` }, ...what,
  }));

  const order = async (port, data) => {
    const answer = await fetch(`http://127.0.0.1:${port}/orders`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(data),
    });
    assert.equal(answer.status, 201);
    return (await answer.json()).id;
  };

  /** The connections that the recipe's process has to its clients, whoever in it holds them. */
  function connectionsOf(port) {
    const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n') : []))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, address, , state]) => address?.endsWith(local) && (state === '01' || state === '08')).length;
  }

  for (const recipe of RECIPES) {
    describe(recipe, () => {
      it('streams what is published, by handed-over connections', async () => {
        const port = await start(recipe, '30');
        const clients = [send(port), send(port)];
        for (const client of clients) {
          const hello = await client.connected();
          assert.deepEqual([hello.userId, hello.channels], ['alice', ['orders']]);
          const { headers } = await client.head();
          assert.equal(headers['content-type'], 'text/event-stream');
          assert.equal(headers['transfer-encoding'], undefined, 'the body runs to the close: it was handed over');
          if (WITH_CORS.includes(recipe)) assert.equal(headers['access-control-allow-origin'], 'https://app.example.com');
        }
        const id = await order(port, { total: 3 });
        for (const client of clients) {
          assert.deepEqual(await client.data(1), [{ total: 3 }]);
          assert.equal(client.published[0].lastEventId, String(id));
          await client.until(() => client.heartbeats > 1);
        }
      });

      it('refuses, answers HEAD and 405, and replays', async () => {
        const port = await start(recipe);
        const refused = send(port, { token: null });
        assert.equal((await refused.head()).status, 401);
        await refused.until(() => refused.body.includes('ERR_SSE_UNAUTHORIZED'));
        const head = send(port, { method: 'HEAD' });
        assert.deepEqual([(await head.head()).status, head.body], [200, '']);
        await head.closed();
        if (recipe === 'bare-http.js' || recipe === 'koa.js') {
          const post = send(port, { method: 'POST' });
          assert.equal((await post.head()).status, 405);
        }
        const first = await order(port, { n: 1 });
        await order(port, { n: 2 });
        const client = send(port, { headers: { Authorization: `Bearer ${makeToken(key)}`, 'Last-Event-ID': String(first) } });
        assert.deepEqual(await client.data(1), [{ n: 2 }]);
        const { status } = await fetch(`http://127.0.0.1:${port}/nothing-here`);
        assert.equal(status, 404);
      });

      it('lets go of a client that goes', async function test() {
        if (process.platform !== 'linux') return this.skip();
        const port = await start(recipe);
        const client = send(port);
        await client.connected();
        assert.equal(connectionsOf(port), 1);
        client.end();
        await client.closed();
        await waitFor(() => connectionsOf(port) === 0, 'the connection to be closed');
      });

      it('ends its streams with `closing` on SIGTERM, and itself', async () => {
        const port = await start(recipe);
        const clients = [send(port), send(port, { method: 'GET' })];
        for (const client of clients) await client.connected();
        const ended = program.ends('SIGTERM');
        for (const client of clients) {
          await client.closed();
          assert.equal(client.events.at(-1).type, 'closing');
          assert.equal(client.error, null);
        }
        const { code, signal } = await ended;
        // Nest ends by the signal that its shutdown hooks have handled.
        assert.ok(code === 0 || (recipe === 'nest.js' && signal === 'SIGTERM'), `${code} ${signal} ${program.output}`);
      });
    });
  }

  it('are all there, and shown by docs/recipes.md as they are', () => {
    assert.deepEqual(RECIPES, ['bare-http.js', 'fastify.js', 'koa.js', 'nest.js']);
    const text = fs.readFileSync(path.join(ROOT, 'docs/recipes.md'), 'utf8');
    const shown = [...text.matchAll(/^```js (\S+)\n([^]*?)^```$/gm)].map(([, file, code]) => [file, code]);
    const blocks = text.match(/^```js/gm);
    assert.equal(shown.length, blocks.length, 'each block of JavaScript names its file');
    assert.deepEqual(
      Object.fromEntries(shown),
      Object.fromEntries(RECIPES.map((name) => [`${FOLDER}/${name}`, fs.readFileSync(path.join(ROOT, FOLDER, name), 'utf8')])),
    );
  });
});
