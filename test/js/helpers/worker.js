'use strict';

// worker.js - a server in a worker thread.

const http = require('node:http');
const { parentPort, workerData } = require('node:worker_threads');

const { createSseServer } = require('../../..');

const sse = createSseServer({
  transport: workerData.transport,
  hooks: { authenticateSubscriber: (token) => ({ sub: token }) },
});
const server = http.createServer(sse.handler);
server.listen(0, '127.0.0.1', () => parentPort.postMessage({ port: server.address().port }));
parentPort.on('message', (message) => {
  if (message === 'stop') {
    server.close();
    sse.stop().then(() => parentPort.close());
  } else {
    sse.publish('a', { type: 't', data: message });
  }
});
