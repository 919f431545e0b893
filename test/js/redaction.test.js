'use strict';

// redaction.test.js - a token of the query is in nothing that a logger, a hook or an error can see once the
// request has reached us, and everything else of the URL is there byte for byte.

const assert = require('node:assert/strict');
const http = require('node:http');
const { Writable } = require('node:stream');
const { inspect } = require('node:util');
const express = require('express');
const morgan = require('morgan');
const pinoHttp = require('pino-http');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { makeKey, makeToken, startIdentity } = require('./helpers/identity');
const { fences } = require('./helpers/snippets');
const { waitFor } = require('./helpers/wait');
const { SETTINGS, peerOf } = require('./settings/helpers/secure');

/** The one that Express uses. */
const parseurl = require(require.resolve('parseurl', { paths: [require.resolve('express')] }));

const SECRET = 'S3CRET';

// Whom the token is for must not be told by what is sent, which would be found as well.
const authenticateSubscriber = (token) => {
  if (!token.includes(SECRET)) throw Object.assign(new Error('no'), { status: 401 });
  return { sub: 'alice' };
};

afterEach(cleanUp);

/** Fails when the secret is anywhere in a request: in a property, a cache or a list of headers. */
function assertClean(req, where) {
  // What the bytes of the connection were is not looked at: a depth of 3 ends before sockets and parsers do.
  const text = inspect(req, { depth: 3, maxArrayLength: null, maxStringLength: null, getters: true, showHidden: true });
  const at = text.indexOf(SECRET);
  assert.equal(at, -1, `${where}: ${text.slice(Math.max(0, at - 300), at + 100)}`);
}

/** Middleware that keeps what a logger sees when the answer has ended. */
function recorder(seen) {
  return (req, res, next) => {
    // What others in front may have parsed and kept by now.
    parseurl(req);
    parseurl.original(req);
    void req.query;
    res.on('finish', () => {
      assertClean(req, 'when the answer is over');
      seen.push({ url: req.originalUrl, inside: req.url, query: { ...req.query }, status: res.statusCode });
    });
    next();
  };
}

const URLS = {
  'token=S3CRET': 'token=redacted',
  'token=S3CRET&channel=a': 'token=redacted&channel=a',
  'channel=a%20b+c&token=S3CRET&x=%e4%E4&&y&=z&channel=b': 'channel=a%20b+c&token=redacted&x=%e4%E4&&y&=z&channel=b',
  '%74oken=S3CRET': 'token=redacted',
  'x=1&%74%6F%6b%65%6E=S3CRET': 'x=1&token=redacted',
  'token=S3CRET=S3CRET?S3CRET': 'token=redacted',
  'token=S3CRET%26x%3D1': 'token=redacted',
  '?token=S3CRET': 'token=redacted',
  'x=?token&token=S3CRET': 'x=?token&token=redacted',
  '&token=S3CRET&': '&token=redacted&',
  'token=S3CRET&?token=5': 'token=redacted&?token=5',
};

for (const transport of TRANSPORTS) {
  describe(`redaction (${transport})`, () => {
    const start = (use, options = {}) => startServer({ transport, ...options, hooks: { authenticateSubscriber, ...options.hooks } }, { use });

    for (const [query, expected] of Object.entries(URLS)) {
      it(`of ?${query}`, async () => {
        const seen = [];
        const app = await start([recorder(seen)]);
        const client = await app.open({ token: null, path: `/sse?${query}` });
        client.close();
        await waitFor(() => seen.length === 1);
        assert.equal(seen[0].url, `/sse?${expected}`);
        assert.equal(seen[0].inside, `/?${expected}`);
        assert.equal(seen[0].query.token, 'redacted');
      });
    }

    it('leaves alone what is no token, byte for byte', async () => {
      const seen = [];
      const app = await start([recorder(seen)], { hooks: { authenticateSubscriber: (token) => ({ sub: token }) } });
      const paths = ['/sse', '/sse?', '/sse?a=token&Token=1&token2=2&xtoken=3&token%00=4&%2574oken=5&to+ken=6&token[]=7', '/sse?channel=token%3Da&%'];
      for (const path of paths) {
        const client = await app.open({ token: 'alice', path });
        client.close();
      }
      await waitFor(() => seen.length === paths.length);
      assert.deepEqual(seen.map(({ url }) => url).sort(), [...paths].sort());
    });

    it('where the request is refused, whatever for', async () => {
      const seen = [];
      const hooks = {
        authorizeChannel: (user, channel) => {
          if (channel === 'boom') throw new Error('boom');
          return channel === 'mine';
        },
      };
      const app = await start([recorder(seen)], { hooks, maxClients: 1, maxClientsPerUser: 1 });
      const path = (more = '') => `/sse?token=${SECRET}${more}`;
      const refusals = [
        [{ path: path(`&token=${SECRET}2`) }, 401],
        [{ path: path(`&%74oken=${SECRET}2`) }, 401],
        [{ path: `/sse?token=${SECRET}`, headers: { Authorization: 'Basic x' } }, 401],
        [{ path: path('&channel=') }, 400],
        [{ path: path('&channel=yours') }, 403],
        [{ path: path('&channel=boom') }, 500],
        [{ method: 'POST', path: path() }, 405],
      ];
      for (const [request, status] of refusals) assert.equal((await app.request({ token: null, ...request })).status, status);
      assert.equal(app.errors.splice(0).length, 1);
      await app.open({ token: null, path: path() });
      assert.equal((await app.request({ token: null, path: path() })).status, 503);
      await app.sse.stop();
      assert.equal((await app.request({ token: null, path: path() })).status, 503);
      await waitFor(() => seen.length === refusals.length + 3);
      for (const { url } of seen) assert.match(url, /^\/sse\?token=redacted(&|$)/);
    });

    it('where it is not read: the header wins, or queryToken is off', async () => {
      const hooks = { authenticateSubscriber: (token) => ({ sub: token }) };
      for (const queryToken of [true, false]) {
        const seen = [];
        const app = await start([recorder(seen)], { queryToken, hooks });
        const client = await app.open({ token: 'alice', path: `/sse?a=1&token=${SECRET}&token=${SECRET}` });
        client.close();
        await waitFor(() => seen.length === 1);
        assert.equal(seen[0].url, '/sse?a=1&token=redacted&token=redacted');
      }
    });

    it('before any hook, which gets the token as its argument', async () => {
      const given = [];
      const hooks = {
        authenticateSubscriber: (token, req) => {
          given.push(token);
          assertClean(req, 'authenticateSubscriber');
          return { sub: 'alice' };
        },
        authorizeChannel: (user, channel, req) => {
          assertClean(req, 'authorizeChannel');
          given.push(req.query.token);
          return true;
        },
        onConnect: (client, req) => {
          assertClean(req, 'onConnect');
          given.push(req.originalUrl);
        },
      };
      const app = await start([recorder([])], { hooks });
      await app.open({ token: null, path: `/sse?channel=a&token=${SECRET}%20x` });
      assert.deepEqual(given, [`${SECRET} x`, 'redacted', '/sse?channel=a&token=redacted']);
    });

    it('of a query that another framework has parsed already', async () => {
      let query;
      const parse = (req, res, next) => {
        query = { token: SECRET, a: '1' };
        Object.defineProperty(req, 'query', { value: query, writable: true, configurable: true, enumerable: true });
        next();
      };
      const app = await start([parse]);
      await app.open({ token: null, path: `/sse?a=1&token=${SECRET}` });
      assert.deepEqual(query, { token: 'redacted', a: '1' });
    });
  });

  describe(`redaction: loggers (${transport})`, () => {
    /** What a logger has written when one subscription and one refusal are over. */
    async function linesOf(makeLogger) {
      let text = '';
      const stream = new Writable({
        write(chunk, encoding, callback) {
          text += chunk;
          callback();
        },
      });
      const app = await startServer({ transport, hooks: { authenticateSubscriber } }, { use: [makeLogger(stream)] });
      const client = await app.open({ token: null, path: `/sse?x=1&token=${SECRET}&channel=a` });
      client.close();
      await app.hasClients(0);
      assert.equal((await app.request({ token: null, path: `/sse?token=${SECRET}&token=${SECRET}` })).status, 401);
      await waitFor(() => text.includes('401'), () => text);
      await waitFor(() => text.includes('200'), () => text);
      assert.doesNotMatch(text, new RegExp(SECRET));
      return text;
    }

    for (const format of ['combined', 'common', 'dev', 'short', 'tiny']) {
      it(`morgan, ${format}`, async () => {
        const text = await linesOf((stream) => morgan(format, { stream }));
        assert.match(text, /\/sse\?x=1&token=redacted&channel=a/);
        assert.match(text, /\/sse\?token=redacted&token=redacted/);
      });
    }

    it('pino-http, as SECURITY.md sets it up', async () => {
      const { code } = fences('SECURITY.md').find(({ name }) => name === 'pino-http');
      const text = await linesOf((stream) => {
        const router = express.Router();
        const body = code.replace(/^import .*$/m, '');
        new Function('app', 'pinoHttp', body)(router, (options) => pinoHttp(options, stream));
        router.use((req, res, next) => {
          req.log.info('a line of the app');
          next();
        });
        return router;
      });
      const lines = text.trim().split('\n').map((line) => JSON.parse(line));
      assert.equal(lines.filter(({ msg }) => msg === 'a line of the app').length, 2);
      const done = lines.filter(({ msg }) => msg === 'request completed').map(({ method, url, res }) => [method, url, res.statusCode]);
      assert.deepEqual(done, [
        ['GET', '/sse?x=1&token=redacted&channel=a', 200],
        ['GET', '/sse?token=redacted&token=redacted', 401],
      ]);
    });
  });
}

for (const [name, setting] of Object.entries(SETTINGS)) {
  it(`redaction: ${name}`, async () => {
    const seen = [];
    const hooks = { authenticateSubscriber, onConnect: (client, req) => {
      assertClean(req, 'onConnect');
      seen.push([req.url, req.headers[':path']]);
    } };
    const app = await startServer({ hooks }, { create: setting.create });
    const { status, reader } = await peerOf(setting, app.address).send({ token: null, channels: ['a'], query: { token: SECRET, x: '1' } });
    assert.equal(status, 200);
    await reader.connected();
    const query = '?channel=a&token=redacted&x=1';
    assert.deepEqual(seen, [[`/${query}`, setting.isHttp2 ? `${setting.path}${query}` : undefined]]);
  });
}

it('redaction: errors are without the token, in the answer and for on(error)', async () => {
  const key = makeKey('ES256');
  const identity = await startIdentity([key]);
  try {
    const authorizeChannel = () => {
      throw new Error('boom');
    };
    const app = await startServer({ jwks: identity.options(), hooks: { authorizeChannel } });
    const good = makeToken(key);
    for (const [token, expected] of [[good, 500], [`${good}A`, 401], ['a.b.c4tch', 401]]) {
      const { status, text, body } = await app.request({ token: null, channels: ['a'], query: { token } });
      assert.equal(status, expected);
      for (const part of token.split('.').slice(-2)) assert.ok(part === 'b' || !(text + body).includes(part));
    }
    const [error, ...more] = app.errors.splice(0);
    assert.deepEqual(more, []);
    assert.equal(error.message, 'boom');
    assert.ok(!inspect(error, { depth: null }).includes(good));
  } finally {
    await identity.stop();
  }
});

it('redaction: without Express there is no originalUrl to look after', async () => {
  let seen;
  const hooks = { authenticateSubscriber, onConnect: (client, req) => {
    seen = [req.url, 'originalUrl' in req];
  } };
  const app = await startServer({ hooks }, { create: (sse) => http.createServer(sse.handler) });
  await app.open({ token: null, path: `/?token=${SECRET}` });
  assert.deepEqual(seen, ['/?token=redacted', false]);
});
