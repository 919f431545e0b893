// bench/backplane.js - what a backplane over Redis costs: the time from a publish on one node to a client of another, next
// to a bare XADD and XREAD of the same client library in the same run; and the events a second that go through the log
// with 1, 2 and 4 nodes. A real redis-server on loopback, every node a process of its own.
//
//   node bench/backplane.js [--quick] [--out FILE.json]
'use strict';

const { fork } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { createClient } = require('redis');

const { createSseServer, redisBackplane } = require('..');
const { findRedis, startRedis, endRedis } = require('../test/js/backplane/redis-server');

const RESULTS = path.join(__dirname, 'results');
const TEXT = 'x'.repeat(100);
const isQuick = process.argv.includes('--quick');
const SAMPLES = isQuick ? 200 : 2000;
const SECONDS = isQuick ? 1 : 5;
/** Publishes that a node of the second part has under way at a time. */
const IN_FLIGHT = 256;

const now = () => Number(process.hrtime.bigint()) / 1e6;

function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
}

function summary(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), n: sorted.length };
}

// ---- a node: a process that publishes, or that has a client -------------------------------

async function node() {
  const { url } = JSON.parse(process.env.SSE_BENCH);
  const sse = createSseServer({ backplane: redisBackplane({ url }), hooks: { authenticateSubscriber: (token) => ({ sub: token }) } });
  sse.on('error', (error) => console.error(error));
  await sse.ready();
  const server = http.createServer(sse.handler).listen(0, '127.0.0.1');
  const commands = {
    // One at a time, so that each is alone. The clock is the machine's, so that the other process can take the difference.
    async paced({ count, pause }) {
      for (let i = 0; i < count; i++) {
        sse.publish('bench', { type: 't', data: { at: now(), text: TEXT } });
        await sleep(pause);
      }
      process.send({ done: true });
    },
    async flood({ seconds }) {
      const end = now() + seconds * 1000;
      let count = 0;
      const worker = async () => {
        while (now() < end) {
          await sse.publish('bench', { type: 't', data: { text: TEXT } });
          count += 1;
        }
      };
      const cpu = process.cpuUsage();
      await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
      const { user, system } = process.cpuUsage(cpu);
      process.send({ flooded: count, cpu: (user + system) / 1e6 / seconds });
    },
    async stop() {
      await sse.stop();
      server.close();
      process.disconnect();
    },
  };
  process.on('message', ({ command, ...rest }) => commands[command](rest));
  server.once('listening', () => process.send({ port: server.address().port }));
}

async function startNode(redis) {
  const child = fork(__filename, { env: { ...process.env, SSE_BENCH: JSON.stringify({ url: redis.url }) } });
  const next = (name) => new Promise((resolve) => {
    const take = (message) => {
      if (message[name] === undefined) return;
      child.off('message', take);
      resolve(message);
    };
    child.on('message', take);
  });
  const { port } = await next('port');
  return {
    port,
    ask: (command, rest, answer) => {
      const answered = next(answer);
      child.send({ command, ...rest });
      return answered;
    },
    end: () => new Promise((resolve) => {
      child.once('exit', resolve);
      child.send({ command: 'stop' });
    }),
  };
}

/** A client of a node: tells the time of each event. */
function subscribe(port, onEvent) {
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path: '/?channel=bench', headers: { Authorization: 'Bearer a' } }, (res) => {
      let rest = '';
      res.setEncoding('utf8').on('data', (text) => {
        const at = now();
        const lines = (rest + text).split('\n');
        rest = lines.pop();
        for (const line of lines) {
          if (line === 'event: connected') resolve(res);
          else if (line.startsWith('data: {"at":')) onEvent(at - JSON.parse(line.slice(6)).at);
        }
      });
    }).on('error', reject);
  });
}

// ---- what is measured ---------------------------------------------------------------------------

/** From publish on one node to a client of another. The client is in this process: its clock is the machine's too. */
async function throughNodes(redis, pause) {
  const [one, two] = [await startNode(redis), await startNode(redis)];
  const samples = [];
  const stream = await subscribe(two.port, (ms) => samples.push(ms));
  await one.ask('paced', { count: 200, pause }, 'done');
  while (samples.length < 200) await sleep(1);
  samples.splice(0);
  await one.ask('paced', { count: SAMPLES, pause }, 'done');
  while (samples.length < SAMPLES) await sleep(1);
  stream.destroy();
  await Promise.all([one.end(), two.end()]);
  return summary(samples);
}

/** The least that the same library has to do: XADD on one connection, XREAD BLOCK on another, in two processes. */
async function bare(redis, pause, round) {
  const stream = `bare ${round}`;
  const child = fork(__filename, { env: { ...process.env, SSE_BENCH: JSON.stringify({ url: redis.url, bare: { stream, count: SAMPLES + 200, pause } }) } });
  const reader = createClient({ url: redis.url, RESP: 2 });
  await reader.connect();
  const samples = [];
  let last = '0-0';
  await new Promise((resolve) => {
    child.once('message', resolve);
  });
  child.send('go');
  while (samples.length < SAMPLES + 200) {
    const reply = await reader.sendCommand(['XREAD', 'COUNT', '512', 'BLOCK', '5000', 'STREAMS', stream, last]);
    const at = now();
    for (const [id, [, text]] of reply?.[0][1] ?? []) {
      last = id;
      samples.push(at - JSON.parse(text).at);
    }
  }
  reader.destroy();
  await new Promise((resolve) => {
    child.once('exit', resolve);
  });
  return summary(samples.slice(200));
}

async function bareWriter() {
  const { url, bare: { stream, count, pause } } = JSON.parse(process.env.SSE_BENCH);
  const client = createClient({ url, RESP: 2 });
  await client.connect();
  process.send('ready');
  await new Promise((resolve) => {
    process.once('message', resolve);
  });
  let added;
  for (let i = 0; i < count; i++) {
    added = client.sendCommand(['XADD', stream, 'MAXLEN', '~', '10000', '*', 'p', JSON.stringify({ at: now(), text: TEXT })]);
    await sleep(pause);
  }
  await added;
  client.destroy();
  process.disconnect();
}

/** Every node publishes as fast as it can with IN_FLIGHT under way, and every node reads all. */
async function throughput(redis, count) {
  const nodes = [];
  for (let i = 0; i < count; i++) nodes.push(await startNode(redis));
  const before = redis.cpu();
  const floods = await Promise.all(nodes.map((each) => each.ask('flood', { seconds: SECONDS }, 'flooded')));
  const redisCpu = (redis.cpu() - before) / SECONDS;
  await Promise.all(nodes.map((each) => each.end()));
  const published = floods.reduce((sum, { flooded }) => sum + flooded, 0);
  return { nodes: count, perSecond: published / SECONDS, nodeCpu: floods.map(({ cpu }) => cpu), redisCpu };
}

/** Seconds of CPU that a process has had. */
function cpuOf(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const ms = (value) => `${value.toFixed(2)} ms`;

async function main() {
  if (findRedis() === null) {
    console.log('backplane: not measured, there is no redis-server');
    return;
  }
  const redis = await startRedis();
  redis.cpu = () => cpuOf(redis.process.pid);
  const { model } = os.cpus()[0];
  const results = { date: new Date().toISOString(), node: process.version, cpus: os.cpus().length, model, redis: findRedis(), latency: {}, throughput: [] };
  try {
    const pause = 2;
    // In turns: a slow minute of the machine meets both.
    const rounds = isQuick ? 1 : 3;
    const all = { bare: [], nodes: [] };
    for (let i = 0; i < rounds; i++) {
      all.bare.push(await bare(redis, pause, i));
      all.nodes.push(await throughNodes(redis, pause));
    }
    const middle = (list, name) => list.map((each) => each[name]).sort((a, b) => a - b)[list.length >> 1];
    for (const [name, list] of Object.entries(all)) results.latency[name] = { p50: middle(list, 'p50'), p99: middle(list, 'p99'), rounds: list };
    console.log(`${results.cpus} x ${model}, Node ${process.version}, redis-server on the same machine`);
    console.log(`\nOne event of 100 bytes every ${pause} ms, ${rounds} rounds of ${SAMPLES}, medians of the rounds`);
    console.log('                                                   p50        p99');
    const line = (text, { p50, p99 }) => console.log(text.padEnd(45), ms(p50).padStart(9), ms(p99).padStart(10));
    line('XADD to XREAD, bare', results.latency.bare);
    line('publish on a node to a client of another', results.latency.nodes);
    const more = results.latency.nodes.p50 - results.latency.bare.p50;
    console.log(`difference at p50: ${ms(more)} (goal: within 1 ms)`);
    console.log(`\nEvents through the log, ${SECONDS} s, each node with ${IN_FLIGHT} publishes under way, each reads all`);
    console.log('nodes   events/s   CPU of each node   CPU of Redis');
    for (const count of [1, 2, 4]) {
      const result = await throughput(redis, count);
      results.throughput.push(result);
      const cpu = result.nodeCpu.reduce((sum, each) => sum + each, 0) / count;
      console.log(String(count).padStart(5), Math.round(result.perSecond).toLocaleString('en').padStart(10), cpu.toFixed(2).padStart(18), result.redisCpu.toFixed(2).padStart(14));
    }
  } finally {
    await endRedis();
  }
  fs.mkdirSync(RESULTS, { recursive: true });
  const at = process.argv.indexOf('--out');
  const files = [path.join(RESULTS, 'backplane-latest.json'), ...(at === -1 ? [] : [process.argv[at + 1]])];
  for (const file of files) fs.writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
}

if (process.env.SSE_BENCH === undefined) main();
else if (JSON.parse(process.env.SSE_BENCH).bare) bareWriter();
else node();
