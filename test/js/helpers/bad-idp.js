'use strict';

// bad-idp.js - a place of keys that does what it is told to: a process of its own, so that what its answers
// take is not counted as its victim's. Sends its URL, and a message for each order that it has taken.

const http = require('node:http');
const zlib = require('node:zlib');

const MIB = 1024 * 1024;
let bomb;

let order = { mode: 'good' };

const MODES = {
  good: (res) => res.end(JSON.stringify({ keys: [order.jwk] })),
  redirect: (res) => res.writeHead(302, { Location: '/elsewhere' }).end(),
  large: (res) => res.end(Buffer.alloc(5 * MIB, ' ')),
  bomb(res) {
    bomb ??= zlib.gzipSync(Buffer.alloc(100 * MIB, ' '));
    res.writeHead(200, { 'Content-Encoding': 'gzip' }).end(bomb);
  },
  drip(res) {
    const timer = setInterval(() => res.write(' '), 5);
    res.on('close', () => clearInterval(timer));
  },
  html: (res) => res.end('<!doctype html><title>Sign in</title>'),
  'empty object': (res) => res.end('{"keys":{}}'),
  'status 500': (res) => res.writeHead(500).end(),
  cut: (res) => res.socket.destroy(),
};

const server = http.createServer((req, res) => MODES[order.mode](res));

server.listen(0, '127.0.0.1', () => process.send(`http://127.0.0.1:${server.address().port}/jwks.json`));

process.on('message', (message) => {
  order = message;
  process.send('done');
});

process.on('disconnect', () => process.exit());
