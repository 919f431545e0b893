'use strict';

// tools-router.test.js - createToolsRouter: which topics a request gets, who may notify, and what is answered to all
// others.

const assert = require('node:assert/strict');
const express = require('express');

const { AuthEventBus, AuthTools, createToolsRouter } = require('../..');
const { TRANSPORTS } = require('./helpers/app');
const { startApp, cleanUp } = require('./helpers/manager');
const { gate, turn, waitFor } = require('./helpers/wait');

const PEOPLE = {
  alice: { id: 'alice', tenantId: 'a', roles: ['admin', 'staff'], groups: ['g'], sessionId: 's1' },
  bob: { sub: 'did:web:bob', tenantId: 'b' },
  nobody: {},
};

/** Takes the user from a header. */
const authMiddleware = (req, res, next) => {
  const name = req.headers['x-user'];
  if (name === undefined) res.status(401).json({ error: 'login' });
  else {
    req.user = PEOPLE[name];
    next();
  }
};

const alice = { headers: { 'X-User': 'alice' } };
const ALICE = ['global', 'tenant:a', 'tenant:a:role:admin', 'tenant:a:role:staff', 'tenant:a:group:g', 'user:alice', 'session:s1'];

afterEach(cleanUp);

/** An application with the router at /tools. */
async function startRouter(options, { sseOptions = { frames: 'named' }, sse = true, use = [] } = {}) {
  const tools = new AuthTools(new AuthEventBus(), sse ? { sse, sseOptions } : {});
  const handler = express();
  handler.set('env', 'test');
  for (const middleware of use) handler.use(middleware);
  handler.use('/tools', createToolsRouter(tools, options));
  const app = await startApp(tools.sseManager, handler);
  return Object.assign(app, {
    tools,
    stream: (what = {}) => app.open({ path: '/tools/stream', ...what }),
    get: (what = {}) => app.request({ path: '/tools/stream', ...what }),
    notify: async (topic, body, headers = {}) => {
      const answer = await fetch(`http://127.0.0.1:${app.port}/tools/notify/${encodeURIComponent(topic)}`, {
        method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'Content-Type': 'application/json', Connection: 'close', ...headers },
      });
      const text = await answer.text();
      return { status: answer.status, text, json: /json/.test(answer.headers.get('content-type')) ? JSON.parse(text) : undefined };
    },
  });
}

const topicsOf = async (app, what) => {
  const client = await app.stream(what);
  client.close();
  return client.hello.topics;
};

describe('createToolsRouter and its options', () => {
  const tools = new AuthTools(new AuthEventBus());

  it('takes AuthTools and options that there are', () => {
    for (const wrong of [undefined, null, {}, new AuthEventBus()]) {
      assert.throws(() => createToolsRouter(wrong), { name: 'TypeError', code: 'ERR_SSE_INVALID_ARG' });
    }
    assert.throws(() => createToolsRouter(tools, { auth: authMiddleware }), { code: 'ERR_SSE_UNKNOWN_OPTION', message: /authMiddleware/ });
    for (const wrong of [{ stream: 1 }, { notify: 'yes', authMiddleware }, { authMiddleware: 'a' }, { authorizeTopics: [] }, null]) {
      assert.throws(() => createToolsRouter(tools, wrong), { name: 'TypeError', code: 'ERR_SSE_INVALID_OPTION' });
    }
  });

  it('refuses notify without authMiddleware', () => {
    assert.throws(() => createToolsRouter(tools, { notify: true }), { name: 'TypeError', code: 'ERR_SSE_MISSING_OPTION' });
    assert.throws(() => createToolsRouter(tools, { notify: true, authorizeTopics: () => [] }), { code: 'ERR_SSE_MISSING_OPTION' });
    createToolsRouter(tools, { notify: false });
    createToolsRouter(tools, { notify: true, authMiddleware });
  });

  it('has only the routes that are asked for', async () => {
    const app = await startRouter({ authMiddleware, stream: false });
    assert.equal((await app.get(alice)).status, 404);
    assert.equal((await app.notify('global', { data: 1 }, { 'X-User': 'alice' })).status, 404);
    const other = await startRouter({ authMiddleware });
    assert.equal((await other.notify('global', { data: 1 }, { 'X-User': 'alice' })).status, 404);
    assert.equal((await other.get({ ...alice, method: 'POST' })).status, 404);
  });
});

describe('createToolsRouter without SSE', () => {
  it('answers 503 as JSON', async () => {
    const app = await startRouter({ authMiddleware, notify: true }, { sse: false });
    const answer = await app.get(alice);
    assert.deepEqual([answer.status, answer.json.error], [503, 'ERR_SSE_DISABLED']);
    assert.equal(answer.headers['cache-control'], 'no-store');
    const notified = await app.notify('global', { data: 1 }, { 'X-User': 'alice' });
    assert.deepEqual([notified.status, notified.json.error], [503, 'ERR_SSE_DISABLED']);
    assert.equal((await app.get({ ...alice, method: 'HEAD' })).status, 503);
  });

  it('asks authMiddleware first', async () => {
    const app = await startRouter({ authMiddleware, notify: true }, { sse: false });
    assert.equal((await app.get()).status, 401);
    assert.equal((await app.notify('global', { data: 1 })).status, 401);
  });
});

for (const transport of TRANSPORTS) {
  describe(`GET /stream (${transport})`, () => {
    const sseOptions = { transport, frames: 'named' };

    it('gives global alone without authMiddleware, whoever req.user is', async () => {
      const app = await startRouter({}, { sseOptions, use: [authMiddleware] });
      const client = await app.stream(alice);
      assert.deepEqual(client.hello.topics, ['global']);
      assert.deepEqual([client.hello.userId, client.hello.tenantId], [undefined, undefined]);
      app.tools.track('e', 1, { userId: 'alice' });
      app.tools.track('e', 2, { tenantId: 'a' });
      app.tools.track('e', 3);
      assert.deepEqual((await client.data(1)).map(({ data }) => data), [3]);
      assert.deepEqual(await topicsOf(app, { ...alice, topics: [], path: '/tools/stream?topics=tenant:a,user:alice&x=' }), []);
    });

    it('gives what req.user belongs to, and sends what is for it', async () => {
      const app = await startRouter({ authMiddleware }, { sseOptions });
      const client = await app.stream(alice);
      assert.deepEqual(client.hello.topics, ALICE);
      assert.deepEqual([client.hello.userId, client.hello.tenantId], ['alice', 'a']);
      assert.equal(app.manager.stats().clients[transport], 1);
      const bob = await app.stream({ headers: { 'X-User': 'bob' } });
      assert.deepEqual(bob.hello.topics, ['global', 'tenant:b', 'user:did:web:bob']);
      ALICE.forEach((topic, i) => app.tools.notify(topic, i));
      app.manager.broadcastToTenant('a', { type: 't', data: 7 });
      app.manager.broadcastToUser('alice', { type: 't', data: 8, tenantId: 'a' });
      app.manager.broadcastToUser('alice', { type: 't', data: 9, tenantId: 'b' });
      app.tools.notify('global', 10);
      assert.deepEqual((await client.data(10)).map(({ data }) => data), [0, 1, 2, 3, 4, 5, 6, 7, 8, 10]);
      assert.deepEqual((await bob.data(2)).map(({ data }) => data), [0, 10]);
    });

    it('replays what is for it, and nothing else', async () => {
      const app = await startRouter({ authMiddleware }, { sseOptions });
      const first = await app.stream(alice);
      first.close();
      await app.hasConnections(0);
      app.tools.track('e', 1, { userId: 'alice', tenantId: 'a' });
      app.tools.track('e', 2, { userId: 'alice', tenantId: 'b' });
      app.tools.track('e', 3, { tenantId: 'b' });
      app.tools.track('e', 4, { tenantId: 'a' });
      const again = await app.stream({ headers: { ...alice.headers, 'Last-Event-ID': first.hello.id } });
      assert.equal(again.hello.recovered, true);
      assert.deepEqual((await again.data(2)).map(({ data }) => data), [1, 4]);
      const stranger = await app.stream({ headers: { 'X-User': 'nobody', 'Last-Event-ID': first.hello.id } });
      app.tools.track('e', 5);
      assert.deepEqual((await stranger.data(1)).map(({ data }) => data), [5]);
    });

    it('refuses what authMiddleware refuses', async () => {
      const app = await startRouter({ authMiddleware }, { sseOptions });
      assert.equal((await app.get()).status, 401);
      const failing = await startRouter({ authMiddleware: (req, res, next) => next(new Error('secret')) }, { sseOptions });
      assert.equal((await failing.get()).status, 500);
      assert.equal(app.manager.connectionCount + failing.manager.connectionCount, 0);
    });

    it('answers a HEAD with the head alone', async () => {
      const app = await startRouter({ authMiddleware }, { sseOptions: { ...sseOptions, maxClients: 1 } });
      for (let i = 0; i < 3; i++) {
        const { status, headers, body } = await app.get({ ...alice, method: 'HEAD' });
        assert.deepEqual([status, headers['content-type'], body], [200, 'text/event-stream', '']);
      }
      assert.equal((await app.get({ method: 'HEAD' })).status, 401);
      assert.equal(app.manager.connectionCount, 0);
      await app.stream(alice);
    });

    it('answers limits and the end as JSON, with Retry-After', async () => {
      const app = await startRouter({ authMiddleware }, { sseOptions: { ...sseOptions, maxClients: 2, maxClientsPerUser: 1 } });
      await app.stream(alice);
      const tooMany = await app.get(alice);
      assert.deepEqual([tooMany.status, tooMany.json.error, tooMany.headers['retry-after']], [429, 'ERR_SSE_TOO_MANY_CONNECTIONS', '5']);
      await app.stream({ headers: { 'X-User': 'bob' } });
      assert.deepEqual((await app.get({ headers: { 'X-User': 'nobody' } })).json.error, 'ERR_SSE_FULL');
      app.tools.stop();
      const stopping = await app.get(alice);
      assert.deepEqual([stopping.status, stopping.json.error], [503, 'ERR_SSE_STOPPING']);
    });

    it('holds nothing for a peer that vanishes while authorizeTopics is asked', async () => {
      for (const way of ['close', 'end', 'reset']) {
        const { opened, open } = gate();
        let asked = 0;
        let over = 0;
        const authorizeTopics = async (req, topics) => {
          asked += 1;
          await opened;
          over += 1;
          return topics;
        };
        const app = await startRouter({ authMiddleware, authorizeTopics }, { sseOptions: { ...sseOptions, maxClients: 1 } });
        const clients = Array.from({ length: 5 }, () => app.send({ path: '/tools/stream', ...alice }));
        await waitFor(() => asked === 5);
        for (const client of clients) client[way]();
        const connections = () => new Promise((resolve) => {
          app.server.getConnections((error, count) => resolve(count));
        });
        await waitFor(async () => await connections() === 0);
        open();
        await waitFor(() => over === 5);
        await turn();
        assert.deepEqual(app.manager.stats().clients, { socket: 0, stream: 0 }, way);
        assert.deepEqual(Object.values(app.manager.stats().closed).filter((count) => count > 0), [], way);
        await app.stream(alice);
      }
    });

    it('leaves alone what a middleware has answered meanwhile', async () => {
      const { opened, open } = gate();
      let response;
      const use = [(req, res, next) => {
        response = res;
        next();
      }];
      let isAsked = false;
      const authorizeTopics = async (req, topics) => {
        isAsked = true;
        await opened;
        return topics;
      };
      const app = await startRouter({ authMiddleware, authorizeTopics }, { sseOptions, use });
      const answer = app.get(alice);
      await waitFor(() => isAsked);
      response.status(504).end('too late');
      open();
      assert.deepEqual([(await answer).status, (await answer).body], [504, 'too late']);
      assert.equal(app.manager.connectionCount, 0);
    });
  });
}

describe('GET /stream and req.user', () => {
  /** [user, topics] */
  const USERS = [
    [undefined, ['global']], [null, ['global']], ['alice', ['global']], [5, ['global']], [{}, ['global']],
    [{ id: 7 }, ['global', 'user:7']], [{ id: 0 }, ['global', 'user:0']], [{ sub: 's' }, ['global', 'user:s']],
    [{ id: 'i', sub: 's' }, ['global', 'user:i']], [{ id: null, sub: 's' }, ['global', 'user:s']],
    [{ id: 'i', roles: ['r'], groups: ['g'] }, ['global', 'user:i']],
    [{ tenantId: 'a', roles: 'r', groups: 'g' }, ['global', 'tenant:a', 'tenant:a:role:r', 'tenant:a:group:g']],
    [{ tenantId: 5, groups: [1, 2] }, ['global', 'tenant:5', 'tenant:5:group:1', 'tenant:5:group:2']],
    [{ tenantId: 'a', roles: null, groups: [] }, ['global', 'tenant:a']],
    [{ tenantId: 'a', roles: ['r', 'r'] }, ['global', 'tenant:a', 'tenant:a:role:r']],
    [{ sessionId: 'x:y' }, ['global', 'session:x:y']],
    [{ tenantId: 'a', groups: ['cn=x,dc=y'] }, ['global', 'tenant:a', 'tenant:a:group:cn=x,dc=y']],
  ];

  it('derives the topics', async () => {
    let user;
    const app = await startRouter({ authMiddleware: (req, res, next) => {
      req.user = user;
      next();
    } });
    for (const [given, expected] of USERS) {
      user = given;
      assert.deepEqual(await topicsOf(app), expected, JSON.stringify(given));
    }
  });

  it('answers 500 without details for a user that cannot be, and takes none of it', async () => {
    let user;
    const app = await startRouter({ authMiddleware: (req, res, next) => {
      req.user = user;
      next();
    } });
    const wrong = [
      { id: '' }, { id: {} }, { id: NaN }, { id: 2 ** 53 }, { id: 'a', tenantId: NaN }, { id: 'a\nb' }, { id: true }, { id: 'a', tenantId: 'a:b' }, { tenantId: '' }, { tenantId: ['a'] },
      { tenantId: 'a', roles: [{}] }, { tenantId: 'a', roles: ['secret\n'] }, { sessionId: '' },
      { get id() {
        throw new Error('secret');
      } },
    ];
    for (const given of wrong) {
      user = given;
      const { status, body, json } = await app.get();
      assert.deepEqual([status, json], [500, { error: 'ERR_SSE_HOOK_FAILED', message: 'The request could not be processed.' }], body);
    }
    assert.equal((await app.takeErrors(wrong.length)).length, wrong.length);
    assert.equal(app.manager.connectionCount, 0);
  });
});

describe('GET /stream and ?topics=', () => {
  /** [query, topics of alice] */
  const QUERIES = [
    ['', ALICE], ['?topics=global', ['global']], ['?topics=global,user:alice', ['global', 'user:alice']],
    ['?topics=user:alice&topics=global', ['global', 'user:alice']], ['?topics=user:bob', []], ['?topics=', []],
    ['?topics=tenant:b,custom:x,global', ['global']], ['?topics=%20global%20,', ['global']], ['?topics=garbage%0a', []],
    ['?topics=tenant:a', ['tenant:a']], ['?topic=global', ALICE],
  ];

  it('only narrows', async () => {
    const app = await startRouter({ authMiddleware });
    for (const [query, expected] of QUERIES) {
      const { hello } = await app.stream({ ...alice, path: `/tools/stream${query}${query ? '&' : '?'}z=` });
      assert.deepEqual(hello.topics, expected, query);
    }
  });

  it('names topics with a comma, too', async () => {
    const topic = 'tenant:a:group:cn=x,dc=y';
    const app = await startRouter({ authMiddleware, authorizeTopics: (req, topics) => [...topics, topic] });
    const { hello } = await app.stream({ ...alice, path: `/tools/stream?topics=${encodeURIComponent(topic)}&topics=global&z=` });
    assert.deepEqual(hello.topics, ['global', topic]);
  });

  it('keeps from nobody what is sent to the user or the tenant as such', async () => {
    const app = await startRouter({ authMiddleware });
    const client = await app.stream({ ...alice, path: '/tools/stream?topics=global&z=' });
    app.tools.notify('user:alice', 1);
    app.tools.notify('tenant:a', 2);
    app.manager.broadcastToUser('alice', { type: 't', data: 3 });
    app.manager.broadcastToTenant('a', { type: 't', data: 4 });
    assert.deepEqual((await client.data(2)).map(({ data }) => data), [3, 4]);
  });
});

describe('GET /stream and authorizeTopics', () => {
  for (const [kind, wrap] of [['at once', (f) => f], ['with a promise', (f) => async (...args) => f(...args)]]) {
    it(`narrows and extends ${kind}`, async () => {
      const seen = [];
      const app = await startRouter({ authMiddleware, authorizeTopics: wrap((req, topics) => {
        seen.push([req.user.id, topics]);
        return [...topics.filter((topic) => !topic.startsWith('tenant:')), 'custom:extra'];
      }) });
      assert.deepEqual(await topicsOf(app, alice), ['global', 'user:alice', 'session:s1', 'custom:extra']);
      assert.deepEqual(seen, [['alice', ALICE]]);
      assert.deepEqual(await topicsOf(app, { ...alice, path: '/tools/stream?topics=custom:extra,tenant:a&z=' }), ['custom:extra']);
    });

    it(`answers 500 without details for what it throws ${kind} without a status`, async () => {
      let thrown;
      const app = await startRouter({ authMiddleware, authorizeTopics: wrap(() => {
        throw thrown;
      }) });
      for (const value of [new Error('secret'), Object.assign(new Error('secret'), { status: 200 }), 'secret', null, undefined]) {
        thrown = value;
        const { status, headers, json } = await app.get(alice);
        assert.deepEqual([status, json], [500, { error: 'ERR_SSE_HOOK_FAILED', message: 'The request could not be processed.' }]);
        assert.equal(headers['cache-control'], 'no-store');
      }
      const errors = await app.takeErrors(5);
      assert.equal(errors[0].message, 'secret');
      assert.equal(app.manager.connectionCount, 0);
    });

    it(`answers the status of what it throws ${kind}, and no more of it`, async () => {
      const app = await startRouter({ authMiddleware, authorizeTopics: wrap(() => {
        throw Object.assign(new Error('secret'), { status: 403, code: 'ERR_SSE_FULL' });
      }) });
      const { status, json, body } = await app.get(alice);
      assert.deepEqual([status, json.error], [403, 'ERR_SSE_FORBIDDEN']);
      assert.doesNotMatch(body, /secret/);
      assert.equal(app.manager.connectionCount, 0);
    });

    it(`answers 500 for what it answers ${kind} that is no list of topics`, async () => {
      let answer;
      const app = await startRouter({ authMiddleware, authorizeTopics: wrap(() => answer) });
      const wrong = [undefined, null, true, 'global', { 0: 'global', length: 1 }, new Set(['global']), ['nothing'], [5], ['tenant:a:b']];
      for (const value of wrong) {
        answer = value;
        assert.equal((await app.get(alice)).status, 500, String(value));
        if (!Array.isArray(value)) assert.equal((await app.get({ ...alice, path: '/tools/stream?topics=global&z=' })).status, 500);
      }
      await app.takeErrors(wrong.length + 6);
      assert.equal(app.manager.connectionCount, 0);
    });
  }

  it('may give anything to those without authMiddleware, too', async () => {
    const app = await startRouter({ authorizeTopics: (req, topics) => [...topics, 'custom:public'] });
    assert.deepEqual(await topicsOf(app), ['global', 'custom:public']);
  });
});

describe('POST /notify/:topic', () => {
  const start = () => startRouter({ authMiddleware, notify: true });
  const asAlice = { 'X-User': 'alice' };

  it('broadcasts', async () => {
    const app = await start();
    const client = await app.stream(alice);
    const answer = await app.notify('tenant:a:role:admin', { data: { x: 1 }, type: 't', tenantId: 'a', userId: 'u', metadata: { m: 1 } }, asAlice);
    assert.deepEqual([answer.status, answer.json], [202, { ok: true }]);
    await app.notify('user:alice', { data: 2 }, asAlice);
    await app.notify('global', {}, asAlice);
    const [first, second, third] = await client.data(3);
    const { type, topic, data, userId, tenantId, metadata } = first;
    assert.deepEqual({ type, topic, data, userId, tenantId, metadata }, {
      type: 't', topic: 'tenant:a:role:admin', data: { x: 1 }, userId: 'u', tenantId: 'a', metadata: { m: 1 },
    });
    assert.deepEqual([second.type, second.data], ['notification', 2]);
    assert.equal(third.data, null);
  });

  it('takes topics with colons and slashes', async () => {
    const app = await start();
    PEOPLE.odd = { id: 'oidc:https://id.example.com/|4 2' };
    const client = await app.stream({ headers: { 'X-User': 'odd' } });
    assert.equal((await app.notify(`user:${PEOPLE.odd.id}`, { data: 1 }, asAlice)).status, 202);
    assert.equal((await client.data(1))[0].data, 1);
  });

  it('is for those whom authMiddleware lets pass', async () => {
    const app = await start();
    const client = await app.stream(alice);
    assert.equal((await app.notify('global', { data: 1 })).status, 401);
    await app.notify('global', { data: 2 }, asAlice);
    assert.deepEqual((await client.data(1)).map(({ data }) => data), [2]);
  });

  it('answers 400, and says what is wrong, to what it cannot send', async () => {
    const app = await start();
    const client = await app.stream(alice);
    for (const [topic, body, says] of [
      ['nothing', { data: 1 }, /no topic/], ['tenant:a:b', { data: 1 }, /no topic/], ['user:\n', { data: 1 }, /control character/],
      ['global', [], /JSON object/], ['global', { data: 1, other: 1 }, /other/], ['global', { data: 1, type: 'connected' }, /server itself/],
      ['global', { data: 1, type: 5 }, /type/], ['global', { data: 1, tenantId: 'a:b' }, /colon/], ['global', { data: 1, userId: {} }, /userId/],
    ]) {
      const { status, json } = await app.notify(topic, body, asAlice);
      assert.deepEqual([status, json?.error], [400, 'ERR_SSE_BAD_REQUEST'], JSON.stringify([topic, body]));
      assert.match(json.message, says);
    }
    for (const text of ['{', '5', 'null']) assert.equal((await app.notify('global', text, asAlice)).status, 400, text);
    const asText = await app.notify('global', '{"data":1}', { ...asAlice, 'Content-Type': 'text/plain' });
    assert.equal(asText.status, 400);
    await app.notify('global', { data: 'end' }, asAlice);
    assert.deepEqual((await client.data(1)).map(({ data }) => data), ['end']);
  });
});

describe('POST /notify after stop()', () => {
  it('is a 503, not a promise that is not kept', async () => {
    const app = await startRouter({ authMiddleware, notify: true });
    await app.manager.stop();
    const response = await fetch(`http://127.0.0.1:${app.server.address().port}/tools/notify/global`, {
      method: 'POST', headers: { 'Content-Type': 'application/json', 'x-user': 'alice' }, body: '{"data":1}',
    });
    assert.equal(response.status, 503);
    assert.match(response.headers.get('retry-after'), /^[1-9]\d*$/);
    assert.equal((await response.json()).error, 'ERR_SSE_STOPPING');
  });
});
