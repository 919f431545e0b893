'use strict';

// cluster.js - two workers that share a port, each with a server; driven by lines on stdin. What happens is
// told as lines of JSON on stdout, with the worker's number, 0 for the primary.

const cluster = require('node:cluster');
const http = require('node:http');
const { createInterface } = require('node:readline');

const { createSseServer } = require('../../../..');

const transport = process.argv[2];
const hooks = { authenticateSubscriber: (token) => ({ sub: token }) };

function primary() {
  const say = (worker, what) => process.stdout.write(`${JSON.stringify({ worker, ...what })}\n`);
  process.on('warning', ({ code }) => say(0, { warning: code }));
  // A server here is one of a process of its own, and needs no warning.
  createSseServer({ hooks });
  for (let i = 0; i < 2; i++) cluster.fork();
  cluster.on('message', (worker, what) => say(worker.id, what));
  cluster.on('exit', (worker, code, signal) => say(worker.id, { exit: code ?? signal }));
  const commands = {
    publish: () => Object.values(cluster.workers).forEach((worker) => worker.send('publish')),
    kill: (id) => cluster.workers[id].process.kill('SIGKILL'),
    stop: () => Object.values(cluster.workers).forEach((worker) => worker.send('stop')),
  };
  createInterface({ input: process.stdin }).on('line', (line) => {
    const [name, argument] = line.split(' ');
    commands[name](argument);
  });
  process.stdin.unref();
}

function worker() {
  process.on('warning', ({ code }) => process.send({ warning: code }));
  const sse = createSseServer({ transport, hooks });
  createSseServer({ hooks });
  const server = http.createServer(sse.handler);
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
  process.on('message', async (message) => {
    if (message === 'publish') {
      await sse.publish('a', { type: 't', data: cluster.worker.id });
    } else {
      await sse.stop();
      cluster.worker.disconnect();
    }
  });
}

if (cluster.isPrimary) primary();
else worker();
