'use strict';

// manager-secure.test.js - SseManager over HTTPS and HTTP/2, over TLS and in clear text: never handed over, and the
// same as everywhere.

const assert = require('node:assert/strict');
const http2 = require('node:http2');
const https = require('node:https');

const { SseManager } = require('../../..');
const { startApp, subscriptionOf, cleanUp } = require('../helpers/manager');
const { waitFor } = require('../helpers/wait');
const { peerOf, pem } = require('./helpers/secure');

const SETTINGS = {
  HTTPS: { create: (handler) => https.createServer(pem, handler), isTls: true },
  'HTTP/1.1 on an HTTP/2 server': {
    create: (handler) => http2.createSecureServer({ ...pem, allowHTTP1: true }, handler), isTls: true,
  },
  'HTTP/2 over TLS': { create: (handler) => http2.createSecureServer(pem, handler), isTls: true, isHttp2: true },
  'cleartext HTTP/2': { create: (handler) => http2.createServer(handler), isHttp2: true },
};

const UUID = /^[0-9a-f-]{36}$/;

afterEach(cleanUp);

for (const [name, { create, ...setting }] of Object.entries(SETTINGS)) {
  describe(`SseManager: ${name}`, () => {
    /** @param {(res: object, add: () => string) => unknown} [handle] instead of adding the connection at once */
    async function start(options = {}, handle = (res, add) => add()) {
      const manager = new SseManager({ frames: 'named', ...options });
      const app = await startApp(manager, (req, res) => handle(res, () => manager.addConnection(res, ...subscriptionOf(req.url))), create);
      const query = 'topic=global&topic=custom:c&user=u&tenant=a';
      return { manager, app, peer: peerOf({ path: `/?${query}`, ...setting }, { port: app.port }) };
    }

    it('streams, in the form of every event', async () => {
      const { manager, peer } = await start({ frames: 'both' });
      const { status, headers, reader } = await peer.send();
      assert.deepEqual([status, headers['content-type']], [200, 'text/event-stream']);
      if (setting.isHttp2) assert.equal(headers.connection, undefined);
      const hello = await reader.connected();
      assert.deepEqual([hello.topics, hello.userId, hello.tenantId], [['global', 'custom:c'], 'u', 'a']);
      assert.deepEqual(manager.stats().clients, { socket: 0, stream: 1 });
      manager.broadcast('global', { type: 't', data: 1 });
      manager.broadcastToUser('u', { type: 't', data: 2, tenantId: 'b' });
      manager.broadcastToTenant('a', { type: 't', data: 3 });
      const got = await reader.data(4);
      assert.deepEqual(got.map(({ data }) => data), [1, 1, 3, 3]);
      assert.deepEqual(reader.published.map(({ type }) => type), ['t', 'message', 't', 'message']);
    });

    it('replays after Last-Event-ID', async () => {
      const { manager, peer } = await start();
      const { reader } = await peer.send();
      await reader.connected();
      for (let i = 0; i < 4; i++) manager.broadcast('custom:c', { type: 't', data: i });
      await reader.data(4);
      const again = await peer.send({ headers: { 'last-event-id': reader.published[1].lastEventId } });
      assert.deepEqual((await again.reader.data(2)).map(({ data }) => data), [2, 3]);
    });

    it('sends heartbeats, is removed, and notices who leaves', async () => {
      const { manager, app, peer } = await start({ heartbeatIntervalMs: 20 });
      const [one, two] = [await peer.send(), await peer.send()];
      await one.reader.beats(2);
      manager.removeConnection((await one.reader.connected()).connectionId);
      assert.equal(await one.reader.ended(), 'end');
      two.leave();
      await app.hasConnections(0);
    });

    it('answers a HEAD with the head alone', async () => {
      const { manager, peer } = await start({ maxClients: 1 });
      for (let i = 0; i < 2; i++) {
        const { status, headers, reader } = await peer.send({ method: 'HEAD' });
        assert.equal(await reader.ended(), 'end');
        assert.deepEqual([status, headers['content-type'], reader.body], [200, 'text/event-stream', '']);
      }
      assert.equal(manager.connectionCount, 0);
    });

    it('throws for a response that was answered', async () => {
      let thrown;
      const { manager, peer } = await start({}, (res, add) => {
        res.end('mine');
        try {
          add();
        } catch (error) {
          thrown = error;
        }
      });
      const { reader } = await peer.send();
      assert.equal(await reader.ended(), 'end');
      assert.deepEqual([reader.body, thrown.code, manager.connectionCount], ['mine', 'ERR_SSE_INVALID_ARG', 0]);
    });

    it('answers the id of nobody for a peer that has left', async () => {
      let proceed;
      const { manager, peer } = await start({}, (res, add) => {
        let isClosed = false;
        res.on('close', () => {
          isClosed = true;
        });
        proceed = { add, isClosed: () => isClosed };
      });
      peer.send().catch(() => {});
      await waitFor(() => proceed);
      peer.close();
      await waitFor(() => proceed.isClosed());
      assert.match(proceed.add(), UUID);
      assert.deepEqual(manager.stats().clients, { socket: 0, stream: 0 });
    });
  });
}
