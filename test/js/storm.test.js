'use strict';

// storm.test.js - thousands of clients come back at once, each with the id of the last event that it saw: all
// are served, and none gets anything twice or misses anything.

const assert = require('node:assert/strict');

const { startServer, cleanUp } = require('./helpers/app');

/** Sockets of both sides are in this process, and a socket that is handed over has two descriptors for a moment. */
const ROUND = 2000;
const EVENTS = 10;

/** transport -> rounds: 10,000 reconnects over the one that is for many. */
const ROUNDS = { socket: 5, stream: 1 };

for (const [transport, rounds] of Object.entries(ROUNDS)) {
  describe(`a storm of ${rounds * ROUND} reconnects (${transport})`, function () {
    this.timeout(120_000);
    afterEach(cleanUp);

    it('serves everyone, once', async () => {
      const app = await startServer({ transport }, { where: { port: 0, host: '127.0.0.1', backlog: 4096 } });
      const publish = (round) => Promise.all(Array.from({ length: EVENTS }, (_, i) =>
        app.sse.publish('a', { type: 't', data: round * EVENTS + i })));
      let lastEventId = app.sse.cursor();
      for (let round = 0; round < rounds; round++) {
        const ids = await publish(round); // while everybody is away
        const clients = Array.from({ length: ROUND }, (_, i) =>
          app.send({ channels: ['a'], token: `user${i}`, headers: [['Last-Event-ID', String(lastEventId)]] }));
        const expected = Array.from({ length: EVENTS }, (_, i) => round * EVENTS + i);
        for (const client of clients) {
          const { recovered } = await client.connected();
          assert.equal(recovered, true);
          assert.deepEqual(await client.data(EVENTS), expected);
        }
        await app.hasClients(ROUND);
        for (const client of clients) client.reset();
        await app.hasClients(0);
        for (const client of clients) assert.equal(client.published.length, EVENTS);
        lastEventId = ids.at(-1);
      }
      const { closed, events } = app.sse.stats();
      assert.equal(events.delivered, rounds * ROUND * EVENTS);
      assert.equal(Object.values(closed).reduce((sum, n) => sum + n), rounds * ROUND);
    });
  });
}
