'use strict';

// remote-clients.js - clients of a test in a process of their own; see remote.js. They are Node's own, for HTTP,
// HTTPS and HTTP/2, and trust any certificate: the server's is made anew in its own process.

const { once } = require('node:events');
const http = require('node:http');
const http2 = require('node:http2');
const https = require('node:https');

const { answer } = require('./remote');
const { Reader } = require('./reader');
const { SETTINGS } = require('./secure');

const streams = new Map();
const readers = new Map();

function getHttp1(isTls, { host, port, path, authorization }) {
  const request = (isTls ? https : http).get({
    host, port, path, headers: { authorization }, agent: false, rejectUnauthorized: false,
  });
  return once(request, 'response').then(([response]) => response);
}

async function getHttp2(isTls, { host, port, path, authorization }) {
  const session = http2.connect(`${isTls ? 'https' : 'http'}://${host}:${port}`, { rejectUnauthorized: false });
  session.on('error', () => {});
  const stream = session.request({ ':path': path, authorization });
  await once(stream, 'response');
  return stream;
}

answer({
  /** Subscribes to the channel `user` as `user` and waits for `connected`. */
  async open(user, { host, port, setting }) {
    const { isHttp2 = false, isTls = false, path = '/sse' } = SETTINGS[setting] ?? {};
    const target = { host, port, path: `${path}?channel=${user}`, authorization: `Bearer ${user}` };
    const stream = await (isHttp2 ? getHttp2 : getHttp1)(isTls, target);
    const reader = new Reader(stream);
    streams.set(user, stream);
    readers.set(user, reader);
    await reader.connected();
  },

  pause: (user) => void streams.get(user).pause(),
  events: (user) => readers.get(user).published.length,
  heartbeats: (user) => readers.get(user).heartbeats,
  ending: (user) => readers.get(user).ending,
});
