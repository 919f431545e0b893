'use strict';

// live-channels.test.js - what changes for a client while it is connected: subscribe, unsubscribe,
// publishToClient, disconnect with a reason; over both transports.

const assert = require('node:assert/strict');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { waitFor } = require('./helpers/wait');

afterEach(cleanUp);

const typesOf = (client) => client.events.map(({ type }) => type);

for (const transport of TRANSPORTS) {
  const open = async (options = {}, what = { channels: ['a'] }) => {
    const app = await startServer({ transport, ...options });
    const client = await app.open(what);
    return { app, sse: app.sse, client, id: client.hello.clientId };
  };
  /** Everything that was sent to the client before this is there. */
  const settle = async ({ sse, client, id }) => {
    assert.equal(sse.publishToClient(id, { type: 'mark', data: null }), true);
    const before = client.events.filter(({ type }) => type === 'mark').length;
    await waitFor(() => client.events.filter(({ type }) => type === 'mark').length > before);
  };

  describe(`channels of a live client (${transport})`, () => {
    it('are more after subscribe, for what is published from then on', async () => {
      const it = await open();
      await it.sse.publish('b', { type: 'early', data: 1 });
      assert.equal(await it.sse.subscribe(it.id, 'b'), true);
      assert.deepEqual(it.sse.clients.get(it.id).channels, ['a', 'b']);
      await it.sse.publish('b', { type: 'late', data: 2 });
      await it.sse.publish('a', { type: 'also', data: 3 });
      await settle(it);
      assert.deepEqual(typesOf(it.client), ['connected', 'late', 'also', 'mark']);
    });

    it('are fewer after unsubscribe', async () => {
      const it = await open({}, { channels: ['a', 'b'] });
      assert.equal(it.sse.unsubscribe(it.id, 'a'), true);
      assert.deepEqual(it.sse.clients.get(it.id).channels, ['b']);
      await it.sse.publish('a', { type: 'no', data: 1 });
      await it.sse.publish('b', { type: 'yes', data: 2 });
      await settle(it);
      assert.deepEqual(typesOf(it.client), ['connected', 'yes', 'mark']);
      assert.equal(it.sse.unsubscribe(it.id, 'a'), false);
      assert.equal(it.sse.unsubscribe('nobody', 'b'), false);
    });

    it('is subscribed once, however often it is asked for', async () => {
      const it = await open();
      assert.deepEqual(await Promise.all([1, 2, 3].map(() => it.sse.subscribe(it.id, 'b'))), [true, true, true]);
      assert.equal(await it.sse.subscribe(it.id, 'a'), true);
      await it.sse.publish('b', { type: 'once', data: 1 });
      await it.sse.publish('a', { type: 'once', data: 2 });
      await settle(it);
      assert.deepEqual(typesOf(it.client), ['connected', 'once', 'once', 'mark']);
      assert.deepEqual(it.sse.clients.get(it.id).channels, ['a', 'b']);
    });

    it('are those of the URL again after a reconnect', async () => {
      const it = await open();
      await it.sse.subscribe(it.id, 'b');
      const id = await it.sse.publish('b', { type: 'seen', data: 1 });
      await waitFor(() => it.client.events.length === 2);
      it.client.close();
      await it.sse.publish('b', { type: 'missed', data: 2 });
      await it.sse.publish('a', { type: 'replayed', data: 3 });
      const again = await it.app.open({ channels: ['a'], lastEventId: id });
      await waitFor(() => again.events.length === 2);
      assert.deepEqual(typesOf(again), ['connected', 'replayed']);
      assert.equal(again.hello.recovered, true);
    });

    it('are authorised by the hook, with the user that connected', async () => {
      const asked = [];
      const it = await open({
        hooks: {
          authorizeChannel(user, channel, req) {
            asked.push([user.sub, channel, req === undefined]);
            if (channel === 'throws') throw new Error('secret');
            if (channel === 'teapot') throw Object.assign(new Error('no'), { status: 418 });
            return channel === 'a' || channel === 'b';
          },
        },
      });
      assert.equal(await it.sse.subscribe(it.id, 'b'), true);
      await assert.rejects(it.sse.subscribe(it.id, 'c'), { code: 'ERR_SSE_FORBIDDEN' });
      await assert.rejects(it.sse.subscribe(it.id, 'throws'), { code: 'ERR_SSE_HOOK_FAILED' });
      await assert.rejects(it.sse.subscribe(it.id, 'teapot'), { code: 'ERR_SSE_HOOK_REJECTED' });
      assert.deepEqual(asked.slice(1), ['b', 'c', 'throws', 'teapot'].map((name) => ['alice', name, true]));
      assert.deepEqual(it.sse.clients.get(it.id).channels, ['a', 'b']);
    });

    it('are not changed for a client that leaves while the hook is asked', async () => {
      let answer;
      const it = await open({
        hooks: { authorizeChannel: (user, channel) => channel === 'a' || new Promise((resolve) => { answer = resolve; }) },
      });
      const asked = it.sse.subscribe(it.id, 'b');
      assert.equal(it.sse.disconnect(it.id), true);
      answer(true);
      assert.equal(await asked, false);
      assert.equal(await it.sse.subscribe('nobody', 'b'), false);
    });

    it('are at most maxChannelsPerClient', async () => {
      const it = await open({ maxChannelsPerClient: 2 });
      assert.equal(await it.sse.subscribe(it.id, 'b'), true);
      await assert.rejects(it.sse.subscribe(it.id, 'c'), { code: 'ERR_SSE_TOO_MANY_CHANNELS', name: 'Error' });
      // Ignored, that is no unhandled rejection.
      it.sse.subscribe(it.id, 'c');
      assert.equal(it.sse.unsubscribe(it.id, 'a'), true);
      assert.equal(await it.sse.subscribe(it.id, 'c'), true);
    });

    it('are names like those of publish', async () => {
      const it = await open();
      for (const method of ['subscribe', 'unsubscribe']) {
        for (const [name, code] of [['', 'ERR_SSE_INVALID_CHANNEL'], ['a\n', 'ERR_SSE_INVALID_CHANNEL'], [7, 'ERR_SSE_INVALID_ARG']]) {
          assert.throws(() => it.sse[method](it.id, name), { code });
        }
        assert.throws(() => it.sse[method](7, 'a'), { code: 'ERR_SSE_INVALID_ARG' });
      }
    });
  });

  describe(`one live client (${transport})`, () => {
    it('gets an event of its own, without an id and past the history', async () => {
      const it = await open();
      const other = await it.app.open({ channels: ['a'] });
      assert.equal(it.sse.publishToClient(it.id, { type: 'hint', data: { x: 'ä\n' } }), true);
      const id = await it.sse.publish('a', { type: 'all', data: 1 });
      await waitFor(() => it.client.events.length === 3 && other.events.length === 2);
      const [, hint, all] = it.client.events;
      assert.deepEqual([hint.type, JSON.parse(hint.data)], ['hint', { x: 'ä\n' }]);
      // The position is still that of `connected`.
      assert.equal(hint.lastEventId, it.client.events[0].lastEventId);
      assert.equal(Number(all.lastEventId), id);
      assert.equal(it.sse.publishToClient('nobody', { type: 'hint', data: 1 }), false);
      assert.throws(() => it.sse.publishToClient(it.id, { type: 'gap', data: 1 }), { code: 'ERR_SSE_RESERVED_EVENT_TYPE' });
      assert.throws(() => it.sse.publishToClient(it.id, { type: 'x' }), { code: 'ERR_SSE_INVALID_DATA' });
      assert.throws(() => it.sse.publishToClient(7, { type: 'x', data: 1 }), { code: 'ERR_SSE_INVALID_ARG' });
    });

    it('is not let in when its user is disconnected while a hook decides', async () => {
      let answer;
      const app = await startServer({
        transport,
        hooks: { authorizeChannel: () => new Promise((resolve) => { answer = resolve; }) },
      });
      const client = app.send({ channels: ['a'] });
      await waitFor(() => answer !== undefined);
      assert.equal(app.sse.disconnectUser('bob'), 0);
      assert.equal(app.sse.disconnectUser('alice'), 0);
      answer(true);
      assert.equal((await client.head()).status, 403);
      assert.equal(app.sse.clients.size, 0);
      const again = app.send({ channels: ['a'] });
      answer = undefined;
      await waitFor(() => answer !== undefined);
      answer(true);
      assert.equal((await again.head()).status, 200);
    });

    it('is told why it is disconnected where a reason is given', async () => {
      const reasons = [];
      const it = await open({ hooks: { onDisconnect: (client, reason) => reasons.push([client.id, reason]) } });
      assert.equal(it.sse.disconnect(it.id, 'banned'), true);
      assert.equal(it.sse.publishToClient(it.id, { type: 'late', data: 1 }), false);
      await it.client.closed();
      assert.deepEqual(typesOf(it.client), ['connected', 'closing']);
      assert.deepEqual(JSON.parse(it.client.events[1].data), { reason: 'banned', reconnect: false });
      await waitFor(() => reasons.length === 1);
      assert.deepEqual(reasons, [[it.id, 'server']]);
      for (const reason of ['', 7, null]) {
        assert.throws(() => it.sse.disconnect(it.id, reason), { code: 'ERR_SSE_INVALID_ARG' });
      }
    });
  });
}
