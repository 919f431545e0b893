'use strict';

// early-end.test.js - an app that ends the response of a subscription by itself, right after it began: before, in
// and after the ticks in which Node lets go of the connection.

const assert = require('node:assert/strict');
const http = require('node:http');

const { SseManager } = require('../..');
const { TRANSPORTS, startServer, cleanUp, adopt, listen } = require('./helpers/app');
const { connect } = require('./helpers/client');
const { waitFor } = require('./helpers/wait');

const WHEN = {
  'at once': (end) => end(),
  'in a microtask': (end) => queueMicrotask(end),
  'on the next tick': (end) => process.nextTick(end),
  'in the next turn': (end) => setImmediate(end),
};

/** What would take the process down. */
let uncaught;
const listener = (error) => uncaught.push(error);

beforeEach(() => {
  uncaught = [];
  process.prependListener('uncaughtException', listener);
});

afterEach(async () => {
  process.removeListener('uncaughtException', listener);
  await cleanUp();
});

for (const transport of TRANSPORTS) {
  describe(`a response that the app ends early (${transport})`, () => {
    for (const [when, run] of Object.entries(WHEN)) {
      // Node's response has been let go of by then; ending it is ending nothing.
      const isTooLate = transport === 'socket' && when === 'in the next turn';

      it(`${when}, from onConnect`, async () => {
        const reasons = [];
        const app = await startServer({ transport, hooks: {
          onConnect: (client, req) => run(() => req.res.end()),
          onDisconnect: (client, reason) => reasons.push(reason),
        } });
        const client = app.send({ channels: ['a'] });
        if (isTooLate) {
          await client.connected();
          client.end();
        }
        await client.closed();
        await app.hasClients(0);
        await waitFor(() => reasons.length === 1);
        assert.deepEqual(uncaught, []);
      });

      it(`${when}, after addConnection`, async () => {
        const manager = new SseManager({ transport });
        const server = http.createServer((req, res) => {
          manager.addConnection(res, ['global']);
          run(() => res.end());
        });
        await listen(server, { port: 0, host: '127.0.0.1' });
        const client = adopt(connect({ port: server.address().port, path: '/' }));
        if (isTooLate) {
          await client.connected();
          client.end();
        }
        await client.closed();
        await waitFor(() => manager.connectionCount === 0);
        await manager.stop();
        await new Promise((resolve) => {
          server.close(resolve);
        });
        assert.deepEqual(uncaught, []);
      });
    }
  });
}

describe('requests that are pipelined', () => {
  it('have one listener on their connection, however many they are', async () => {
    const warnings = [];
    const onWarning = ({ name }) => warnings.push(name);
    process.on('warning', onWarning);
    try {
      const pending = [];
      const app = await startServer({ hooks: { authenticateSubscriber: () => new Promise((resolve) => {
        pending.push(resolve);
      }) } });
      const one = 'GET /sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\n\r\n';
      const client = app.send({ raw: one.repeat(20) });
      await waitFor(() => pending.length === 20);
      client.reset();
      await app.hasClients(0);
      for (const resolve of pending) resolve({ sub: 'a' });
    } finally {
      process.off('warning', onWarning);
    }
    assert.deepEqual(warnings, []);
  });
});
