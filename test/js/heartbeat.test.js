'use strict';

// heartbeat.test.js - comment lines for clients that would else hear nothing; over both transports.

const assert = require('node:assert/strict');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  describe(`heartbeat (${transport})`, () => {
    it('is a comment line that no EventSource shows', async () => {
      const app = await startServer({ transport, heartbeatInterval: 20 });
      const client = await app.open();
      await client.until(() => client.heartbeats >= 3);
      assert.equal(client.events.length, 1);
      assert.equal(client.parser.lastEventId, client.hello.id);
      assert.match(client.body, /\n: heartbeat\n/);
    });

    it('goes to every idle client', async () => {
      const app = await startServer({ transport, heartbeatInterval: 20 });
      const all = await Promise.all(Array.from({ length: 30 }, () => app.open()));
      await Promise.all(all.map((client) => client.until(() => client.heartbeats >= 2)));
    });

    it('goes to idle clients only', async () => {
      // Long, so that a machine under load does not make the busy one idle.
      const app = await startServer({ transport, heartbeatInterval: 1000 });
      const idle = await app.open({ token: 'idle' });
      const busy = await app.open({ token: 'busy' });
      const timer = setInterval(() => app.sse.publishToUser('busy', { type: 't', data: 1 }), 10);
      try {
        await idle.until(() => idle.heartbeats >= 2);
      } finally {
        clearInterval(timer);
      }
      assert.equal(busy.heartbeats, 0);
      assert.ok(busy.published.length > 0);
    });

    it('comes again after a client has become idle', async () => {
      const app = await startServer({ transport, heartbeatInterval: 30 });
      const client = await app.open({ channels: ['a'] });
      for (let i = 1; i <= 3; i++) {
        await app.sse.publish('a', { type: 't', data: i });
        await client.data(i);
        const before = client.heartbeats;
        await client.until(() => client.heartbeats > before);
      }
      assert.equal(client.published.length, 3);
    });

    it('does not come with heartbeatInterval 0', async () => {
      const quiet = await (await startServer({ transport, heartbeatInterval: 0 })).open();
      const loud = await (await startServer({ transport, heartbeatInterval: 10 })).open();
      await loud.until(() => loud.heartbeats >= 10);
      assert.equal(quiet.heartbeats, 0);
    });

    it('counts as no event', async () => {
      const app = await startServer({ transport, heartbeatInterval: 10 });
      const client = await app.open();
      await client.until(() => client.heartbeats >= 3);
      assert.deepEqual(app.sse.stats().events, { published: 0, delivered: 0 });
    });

    it('takes its interval from SSE_HEARTBEAT_INTERVAL, which an option overrules', async () => {
      const before = process.env.SSE_HEARTBEAT_INTERVAL;
      process.env.SSE_HEARTBEAT_INTERVAL = '10';
      try {
        const byVariable = await (await startServer({ transport })).open();
        const byOption = await (await startServer({ transport, heartbeatInterval: 600_000 })).open();
        await byVariable.until(() => byVariable.heartbeats >= 5);
        assert.equal(byOption.heartbeats, 0);
      } finally {
        if (before === undefined) delete process.env.SSE_HEARTBEAT_INTERVAL;
        else process.env.SSE_HEARTBEAT_INTERVAL = before;
      }
    });
  });
}
