'use strict';

// drain-child.js - a server in a process of its own, as one that is deployed: told to drain, it closes its
// HTTP server, drains, and must end by itself. Its argument is the transport.

const http = require('node:http');
const { createInterface } = require('node:readline');
const express = require('express');

const { createSseServer } = require('../../..');

const [, , transport] = process.argv;
const say = (text) => process.stdout.write(`${text}\n`);

const sse = createSseServer({
  transport,
  hooks: {
    authenticateSubscriber: (token) => ({ sub: token }),
    onDisconnect: (client, reason) => say(`disconnected ${reason}`),
  },
});
const app = express();
app.get('/page', (req, res) => {
  res.type('html').send('<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>client</title>');
});
app.use('/sse', sse.router);
const server = http.createServer(app);

const commands = {
  publish: async (text) => say(`published ${await sse.publish('a', { type: 'update', data: text })}`),
  drain: async (drainMs) => {
    server.close();
    await sse.stop({ drainMs: Number(drainMs) });
    say('stopped');
    server.closeAllConnections(); // a browser keeps the page's
  },
};

createInterface({ input: process.stdin }).on('line', (line) => {
  const [name, ...rest] = line.split(' ');
  commands[name](rest.join(' '));
});
process.stdin.unref();
server.listen(0, '127.0.0.1', () => say(`listening ${server.address().port}`));
