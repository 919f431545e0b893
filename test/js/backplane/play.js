'use strict';

// play.js - scenes of what can go wrong between nodes and their Redis, played before a crowd.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { clockEnvironment } = require('../chaos/clock');
const { makeRandom } = require('../helpers/seeded-random');
const { waitFor } = require('../helpers/wait');
const { Crowd } = require('./crowd');
const { endLines, startLine } = require('./cut-line');
const { endNodes, startNode } = require('./nodes');
const { endRedis, startRedis } = require('./redis-server');

const CHANNELS = Array.from({ length: 12 }, (_, i) => `channel ${i}`);
const PUBLISHERS = 30;

const given = (url, more = {}) => ({
  backplane: { redis: { url }, publishTimeout: 2000, ...more },
  server: { readyTimeout: 3000, history: { size: 1000 } },
});

/** What a scene has at hand. */
class Stage {
  constructor(random, redis, size) {
    this.random = random;
    this.redis = redis;
    this.crowd = new Crowd({ random, size, channels: CHANNELS, each: 3 });
    this.files = [];
  }

  async addNode(url = this.redis.url, more = {}, env = {}) {
    const node = await startNode(given(url, more), env);
    this.crowd.add(node);
    return node;
  }

  async addNodes(count = 3) {
    for (let i = 0; i < count; i++) await this.addNode();
  }

  /** A node whose clock is off. */
  addNodeWithClock(offset) {
    const file = path.join(os.tmpdir(), `native-sse-clock-${process.pid}-${this.files.length}`);
    this.files.push(file);
    const env = clockEnvironment(file);
    fs.writeFileSync(file, `${offset}\n`);
    return this.addNode(undefined, {}, env);
  }

  /** The crowd comes, and the publishers begin. */
  async begin(events, pause = 2) {
    this.crowd.run();
    await waitFor(() => this.crowd.hasCome, 'the crowd to come');
    this._publishers = new Map();
    this.publish(events, pause);
  }

  /** All publishers, on these nodes in turn: by default all that there are. */
  publish(events, pause = 2, nodes = this.crowd.nodes.filter(({ hasEnded }) => !hasEnded)) {
    for (let i = 0; i < PUBLISHERS; i++) {
      const node = nodes[i % nodes.length];
      node.publish(this.crowd.plan(events), pause);
      this._publishers.set(node, (this._publishers.get(node) ?? 0) + 1);
    }
  }

  /** So many events have an id. */
  hasPublished(count) {
    return waitFor(() => this.crowd.published.size >= count, () => `${count} events, not ${this.crowd.published.size}`);
  }

  /** Everything was published, and came or was told of. */
  async finish() {
    for (const [node, publishers] of this._publishers) await node.isDone(publishers);
    await waitFor(() => this.crowd.isComplete, () => `the crowd to be complete: ${this.crowd.report()}`);
    // Whoever is told of something at the last moment comes back once more.
    return this.crowd.judge();
  }

  async end() {
    await this.crowd.end();
    for (const file of this.files) fs.rmSync(file, { force: true });
  }
}

/**
 * `isTold`: false when nobody may be told of a loss, true when somebody has to be.
 * @type {Record<string, { title: string, redis?: object, isTold?: boolean, mayRepeat?: boolean, needsFaketime?: boolean, run: (stage: Stage) => Promise<void> }>}
 */
const SCENES = {
  calm: {
    title: 'deliver every event once and in order',
    isTold: false,
    async run(stage) {
      await stage.addNodes();
      await stage.begin(20);
    },
  },
  restart: {
    title: 'outlive a Redis that is killed and comes back with its data',
    redis: { appendonly: true },
    isTold: true,
    async run(stage) {
      await stage.addNodes();
      await stage.begin(15);
      await stage.hasPublished(100);
      await stage.redis.kill();
      await stage.redis.start();
    },
  },
  loss: {
    title: 'tell whoever may have missed something when Redis comes back without its data',
    isTold: true,
    // The idempotency keys are gone as well.
    mayRepeat: true,
    async run(stage) {
      await stage.addNodes();
      await stage.begin(15);
      await stage.hasPublished(100);
      await stage.redis.kill();
      await stage.redis.start();
    },
  },
  cut: {
    title: 'outlive a line that is silent for 5 s, and one that is closed',
    async run(stage) {
      const lines = [await startLine(stage.redis.port), await startLine(stage.redis.port)];
      await stage.addNode();
      for (const line of lines) await stage.addNode(line.url);
      await stage.begin(15);
      await stage.hasPublished(100);
      lines[0].cut('silent');
      lines[1].cut('closed');
      await sleep(5000);
      for (const line of lines) line.mend();
    },
  },
  late: {
    title: 'have a node that comes late serve what was before it, from the histories',
    isTold: false,
    async run(stage) {
      await stage.addNodes(2);
      await stage.begin(30);
      await stage.hasPublished(600);
      // Its log begins long after the cursors of those that come to it. It publishes nothing: that would cut the log off.
      const others = [...stage.crowd.nodes];
      await stage.addNode(undefined, { maxLogLength: 10 });
      stage.publish(3, 2, others);
    },
  },
  trim: {
    title: 'tell of a gap when the log was cut off past a node that could not read it',
    async run(stage) {
      const line = await startLine(stage.redis.port);
      for (const url of [stage.redis.url, stage.redis.url, line.url]) await stage.addNode(url, { maxLogLength: 100 });
      await stage.begin(5);
      await stage.hasPublished(60);
      line.cut('closed');
      stage.crowd.nodes[0].publish(stage.crowd.plan(600));
      await stage.hasPublished(500);
      line.mend();
    },
  },
  clocks: {
    title: 'do not mind clocks that are 10 s apart',
    isTold: false,
    needsFaketime: true,
    async run(stage) {
      await stage.addNodeWithClock('-5');
      await stage.addNodeWithClock('+5');
      await stage.addNode();
      await stage.begin(15);
    },
  },
  death: {
    title: 'lose nothing that was published by a node that is killed',
    isTold: false,
    async run(stage) {
      await stage.addNodes();
      await stage.begin(20);
      await stage.hasPublished(100);
      await stage.crowd.nodes[1].kill();
      await stage.addNode();
    },
  },
};

let stage;

/**
 * @param {{ scene: keyof typeof SCENES, seed: number, size?: number }} how
 * @returns {Promise<{ told: number, connections: number, events: number }>}
 */
async function play({ scene: name, seed, size = 300 }) {
  const scene = SCENES[name];
  const redis = await startRedis(scene.redis);
  stage = new Stage(makeRandom(seed), redis, size);
  await scene.run(stage);
  // All may have been published and have come before Redis was killed: the news of that is then still to come.
  if (scene.isTold === true) await waitFor(() => stage.crowd.isTold, 'somebody to be told');
  const result = await stage.finish();
  const { told, repeats } = result;
  if (scene.isTold === false) assert.equal(told, 0, 'somebody was told of a loss that there was not');
  if (!scene.mayRepeat) assert.equal(repeats, 0, 'events came twice, under two ids');
  return result;
}

/** For afterEach. */
async function endPlay() {
  await stage?.end();
  stage = undefined;
  await endNodes();
  await endLines();
  await endRedis();
}

module.exports = { SCENES, play, endPlay };
