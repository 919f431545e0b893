'use strict';

// cluster-primary.js - a primary of node:cluster with the log of clusterBackplane(). Its workers run node-process.js; what
// they say is passed on, and what they are told, with their numbers.

const cluster = require('node:cluster');
const path = require('node:path');

const { clusterBackplane } = require('../../..');

const given = JSON.parse(process.env.SSE_TEST_NODE);

if (!given.isWithoutSetup) clusterBackplane.setupPrimary(given.primary);
cluster.setupPrimary({ exec: path.join(__dirname, 'node-process.js') });

cluster.on('message', (worker, message) => {
  if (message?.node !== undefined) process.send({ worker: worker.id, node: message.node });
});
cluster.on('exit', (worker) => process.send({ worker: worker.id, hasEnded: true }));

const commands = {
  fork({ env }) {
    process.send({ forked: cluster.fork({ ...process.env, ...env }).id });
  },
  setUp() {
    clusterBackplane.setupPrimary(given.primary);
  },
  tell({ worker, message }) {
    cluster.workers[worker]?.send(message, () => {});
  },
  kill({ worker }) {
    cluster.workers[worker]?.process.kill('SIGKILL');
  },
};

process.on('message', ({ command, ...rest }) => commands[command](rest));
process.on('disconnect', () => process.exit());
