'use strict';

// cluster-example.test.js - examples/cluster: a client moves between two workers, one of which ends, and misses nothing.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const path = require('node:path');

const { findRedis, freePort, startRedis, endRedis } = require('./backplane/redis-server');
const { connect } = require('./helpers/client');
const { waitFor } = require('./helpers/wait');

const SERVER = path.join(__dirname, '../../examples/cluster/server.js');

describe('the example of a cluster', () => {
  let child;
  let output;

  afterEach(async () => {
    if (child !== undefined && child.exitCode === null) child.kill('SIGKILL');
    child = undefined;
    await endRedis();
  });

  async function start(env) {
    const port = await freePort();
    child = spawn(process.execPath, [SERVER], { env: { ...process.env, PORT: String(port), ...env } });
    output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
    await listens(1);
    await listens(2);
    return port;
  }

  const listens = (worker) => waitFor(() => output.includes(`worker ${worker} listens`), () => `worker ${worker} to listen: ${output}`);

  async function post(port, path_, body) {
    const answer = await fetch(`http://127.0.0.1:${port}${path_}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json', Connection: 'close' }, body: JSON.stringify(body),
    });
    return answer.json();
  }

  async function move(port) {
    const workers = new Set();
    const seen = [];
    let last;
    const visit = async (ids) => {
      const client = connect({ port, path: '/sse?channel=ticks', headers: last === undefined ? {} : { 'Last-Event-ID': String(last) } });
      const hello = await client.connected();
      assert.equal(hello.recovered, true);
      workers.add(Number((await client.next('served-by')).data));
      const ids_ = await ids();
      await client.until(() => client.events.some(({ id }) => Number(id) >= ids_.at(-1)));
      for (const { type, id } of client.events) if (type === 'tick' && Number(id) > (last ?? 0)) seen.push(Number(id));
      last = seen.at(-1);
      client.close();
    };
    const published = [];
    const publish = async () => {
      // With that of the client an odd number of connections: workers take turns.
      for (let i = 0; i < 2; i++) published.push((await post(port, '/publish', { count: -1 })).id);
      return published;
    };
    for (let i = 0; i < 30 && (i < 4 || workers.size < 2); i++) await visit(publish);
    assert.equal(workers.size, 2);
    await post(port, '/end-worker');
    await listens(3);
    for (let i = 0; i < 30 && workers.size < 3; i++) await visit(publish);
    assert.equal(workers.size, 3);
    assert.deepEqual(published.filter((id) => !seen.includes(id)), []);
    assert.deepEqual(seen, [...new Set(seen)].sort((a, b) => a - b));
  }

  async function ends() {
    child.kill('SIGTERM');
    await waitFor(() => child.exitCode !== null || child.signalCode !== null, 'the example to end');
    assert.deepEqual([child.exitCode, child.signalCode], [0, null]);
  }

  it('over its primary', async function () {
    this.timeout(40_000);
    await move(await start({ REDIS_URL: undefined }));
    await ends();
  });

  it('over Redis', async function () {
    this.timeout(40_000);
    if (findRedis() === null) this.skip();
    const redis = await startRedis();
    await move(await start({ REDIS_URL: redis.url }));
    await ends();
  });
});
