'use strict';

// child.js - a server in a process of its own, driven by lines on stdin. Nothing of the driving keeps the
// process alive: only the server and its clients may.

const http = require('node:http');
const { createInterface } = require('node:readline');
const express = require('express');

const { createSseServer } = require('../../..');

const say = (text) => process.stdout.write(`${text}\n`);

const sse = createSseServer({
  transport: process.argv[2],
  hooks: {
    authenticateSubscriber: (token) => ({ sub: token }),
    onDisconnect: (client, reason) => say(`disconnected ${reason}`),
  },
});
const app = express();
app.use('/sse', sse.router);
const server = http.createServer(app);

const commands = {
  listen: () => server.listen(0, '127.0.0.1', () => say(`listening ${server.address().port}`)),
  close: () => server.close(() => say('closed')),
  publish: async (text) => {
    globalThis.gc();
    say(`published ${await sse.publish('a', { type: 't', data: text })}`);
  },
  stop: () => sse.stop().then(() => say('stopped')),
  throw: () => {
    setImmediate(() => {
      throw new Error('an error of the app');
    });
  },
  exit: () => process.exit(7),
};

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [name, ...rest] = line.split(' ');
  commands[name](rest.join(' '));
});
process.stdin.unref();
if (process.argv[3] === 'listen') commands.listen();
