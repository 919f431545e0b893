'use strict';

// backplane-cluster.test.js - clusterBackplane(): the workers of a node:cluster share one order of events, and one that
// dies takes nothing with it that was published.

const assert = require('node:assert/strict');

const { Crowd } = require('./backplane/crowd');
const { startPrimary, endPrimaries } = require('./backplane/workers');
const { connect } = require('./helpers/client');
const { makeRandom } = require('./helpers/seeded-random');
const { waitFor } = require('./helpers/wait');

const CHANNELS = ['a', 'b', 'c', 'd', 'e'];
const SEED = 5;

const given = {
  backplane: { kind: 'cluster', publishTimeout: 2000 },
  server: { readyTimeout: 2000, history: { size: 1000 } },
};

describe('workers of one node:cluster', () => {
  let crowd;

  afterEach(async () => {
    await crowd?.end();
    crowd = undefined;
    await endPrimaries();
  });

  async function begin(primary, { workers = 3, size = 100 } = {}) {
    crowd = new Crowd({ random: makeRandom(SEED), size, channels: CHANNELS, each: 2 });
    for (let i = 0; i < workers; i++) crowd.add(await primary.fork());
    crowd.run();
    await waitFor(() => crowd.hasCome, 'the crowd to come');
    return crowd.nodes;
  }

  const isComplete = () => waitFor(() => crowd.isComplete, () => `the crowd to be complete: ${crowd.report()}`);

  it('deliver every event once and in one order, to whoever moves between them', async function () {
    this.timeout(40_000);
    const nodes = await begin(startPrimary(given));
    for (const node of nodes) for (let i = 0; i < 5; i++) node.publish(crowd.plan(30), 1);
    for (const node of nodes) await node.isDone(5);
    await isComplete();
    const { told, events } = crowd.judge();
    assert.equal(told, 0);
    assert.ok(events > 5000, `${events}`);
    assert.deepEqual(nodes.flatMap(({ errors }) => errors), []);
  });

  it('lose nothing that was published when one is killed, and fill the one that takes its place', async function () {
    this.timeout(40_000);
    const primary = startPrimary(given);
    const nodes = await begin(primary);
    for (const node of nodes) for (let i = 0; i < 5; i++) node.publish(crowd.plan(20), 1);
    await waitFor(() => crowd.published.size > 50, 'events to be published');
    const [first, ...others] = nodes;
    await first.kill();
    const last = await primary.fork();
    crowd.add(last);
    for (const node of others) await node.isDone(5);
    for (const node of others) await node.kill();
    // Only the new one is left, and was there for none of the first events.
    last.publish(crowd.plan(20));
    await last.isDone(1);
    await isComplete();
    assert.equal(crowd.judge().told, 0);
  });

  it('serve from the histories of the primary what its log has no more', async function () {
    this.timeout(40_000);
    const primary = startPrimary({ ...given, primary: { maxLogLength: 20 } });
    const nodes = await begin(primary, { workers: 1 });
    for (let i = 0; i < 5; i++) nodes[0].publish(crowd.plan(40), 1);
    await waitFor(() => crowd.published.size > 100, 'events to be published');
    crowd.add(await primary.fork());
    await nodes[0].isDone(5);
    await isComplete();
    assert.equal(crowd.judge().told, 0);
  });

  it('carry out on all what is ordered by user on one', async () => {
    const primary = startPrimary(given);
    const [one, two] = [await primary.fork(), await primary.fork()];
    const open = async ({ port }) => {
      const client = connect({ port, path: '/?channel=a', headers: { Authorization: 'Bearer alice' } });
      await client.connected();
      return client;
    };
    const clients = [await open(one), await open(two)];
    await one.call('subscribeUser', 'alice', 'extra');
    await two.call('publish', 'extra', { type: 'e', data: 1 });
    for (const client of clients) await client.next('e');
    await two.call('unsubscribeUser', 'alice', 'extra');
    await one.call('publish', 'extra', { type: 'e', data: 2 });
    await one.call('publish', 'a', { type: 'e', data: 3 });
    for (const client of clients) assert.equal((await client.next('e')).data, '3');
    assert.equal(await one.call('disconnectUser', 'alice', 'banned'), 1);
    for (const client of clients) {
      assert.deepEqual(JSON.parse((await client.next('closing')).data), { reason: 'banned', reconnect: false });
      await client.closed();
    }
  });

  it('say what is missing when the primary was not set up', async () => {
    const primary = startPrimary({ ...given, isWithoutSetup: true, server: { readyTimeout: 300 }, backplane: { kind: 'cluster', publishTimeout: 300 } });
    const node = await primary.fork();
    await assert.rejects(node.call('ready'), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE' });
    await assert.rejects(node.call('publish', 'a', { type: 'e', data: 1 }), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE' });
    assert.equal((await node.get('/ready')).status, 503);
    assert.deepEqual(await node.get('/health'), { status: 200, body: '{"status":"healthy","clients":0}' });
    await waitFor(() => node.errors.some((text) => /setupPrimary/.test(text)), 'the node to say it');
  });

  it('publish once the primary is set up, however late', async () => {
    const primary = startPrimary({ ...given, isWithoutSetup: true, server: { readyTimeout: 300 }, backplane: { kind: 'cluster', publishTimeout: 100 } });
    const node = await primary.fork();
    const publish = () => node.call('publish', 'a', { type: 'e', data: 1 });
    // More than there may be batches on their way.
    for (let i = 0; i < 6; i++) await assert.rejects(publish(), { code: 'ERR_SSE_BACKPLANE_UNAVAILABLE' });
    primary.setUp();
    await waitFor(() => publish().then(() => true, () => false), 'a publish to succeed');
  });

  it('end when their server is stopped', async () => {
    const primary = startPrimary(given);
    const [one, two] = [await primary.fork(), await primary.fork()];
    await one.call('ready');
    await one.stop();
    await two.call('publish', 'a', { type: 'e', data: 1 });
    await two.stop();
  });
});
