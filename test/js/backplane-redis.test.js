'use strict';

// backplane-redis.test.js - three nodes on one Redis and 300 subscribers that go from one to the other, while Redis is
// killed, lines are cut, nodes die and come late, and clocks differ: whoever misses an event was told. `make soak` does
// the same for long, with other seeds.

const assert = require('node:assert/strict');

const { findFaketime } = require('./chaos/clock');
const { endPlay, play, SCENES } = require('./backplane/play');
const { findRedis } = require('./backplane/redis-server');

const SEED = 11;

describe('nodes on one Redis', () => {
  before(function () {
    if (findRedis() === null) this.skip();
  });

  afterEach(endPlay);

  for (const [name, scene] of Object.entries(SCENES)) {
    it(scene.title, async function () {
      this.timeout(60_000);
      if (scene.needsFaketime && findFaketime() === null) this.skip();
      const { connections, events } = await play({ scene: name, seed: SEED });
      assert.ok(connections > 300 && events > 300, `${connections} connections, ${events} events`);
    });
  }
});
