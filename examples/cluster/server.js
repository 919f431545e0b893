'use strict';

// server.js - two workers of node:cluster behind one port, and a page whose stream moves between them.
//
//   node examples/cluster/server.js                                  PORT changes where it listens
//   REDIS_URL=redis://127.0.0.1:6379 node examples/cluster/server.js the same over Redis; start it on several machines
//
// Every second each worker publishes a tick. The page is sent away every few seconds, comes back to whichever worker
// takes it, and misses nothing; its buttons end a worker, which is replaced.
//
// FOR DEVELOPMENT ONLY: anybody is let in. That is why it listens on loopback.

const cluster = require('node:cluster');
const path = require('node:path');
const express = require('express');
const { clusterBackplane, createSseServer, redisBackplane } = require('../..');

const { PORT = 3000, REDIS_URL } = process.env;
const WORKERS = 2;

function primary() {
  if (REDIS_URL === undefined) clusterBackplane.setupPrimary();
  for (let i = 0; i < WORKERS; i++) cluster.fork();
  let isEnding = false;
  cluster.on('exit', () => {
    if (!isEnding) cluster.fork();
  });
  cluster.on('listening', ({ id }, { port }) => {
    console.log(`worker ${id} listens on http://127.0.0.1:${port}`);
  });
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      isEnding = true;
      for (const worker of Object.values(cluster.workers)) worker.send('stop');
    });
  }
}

function worker() {
  const { id } = cluster.worker;
  const sse = createSseServer({
    backplane: REDIS_URL === undefined ? clusterBackplane() : redisBackplane({ url: REDIS_URL }),
    requireToken: false,
    maxConnectionAge: 5000,
    retry: 200,
    hooks: {
      authenticateSubscriber: () => ({ sub: 'anybody' }),
      // Only its own: which worker serves it.
      onConnect: (client) => sse.publishToClient(client.id, { type: 'served-by', data: id }),
    },
  });
  sse.on('error', (error) => console.error(`worker ${id}: ${error.message}`));

  let count = 0;
  const ticks = setInterval(() => {
    count += 1;
    sse.publish('ticks', { type: 'tick', data: { worker: id, count } });
  }, 1000);

  const app = express();
  app.use('/sse', sse.router);
  app.post('/publish', express.json(), async (req, res) => {
    res.json({ worker: id, id: await sse.publish('ticks', { type: 'tick', data: { worker: id, count: req.body.count } }) });
  });
  app.post('/end-worker', (req, res) => {
    res.json({ worker: id });
    res.once('finish', () => process.exit());
  });
  app.use(express.static(path.join(__dirname, 'public')));
  const server = app.listen(Number(PORT), '127.0.0.1');

  const stop = async () => {
    clearInterval(ticks);
    server.close();
    await sse.stop();
    process.exit();
  };
  process.on('message', (message) => {
    if (message === 'stop') stop();
  });
  // A Ctrl-C reaches every process of the terminal: the primary says when.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
}

if (cluster.isPrimary) primary();
else worker();
