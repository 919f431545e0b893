// bench/control.js: the child process around one server of bench/servers/.
// It obeys run.js over IPC: { id, command, ...arguments } is answered with
// { id, result } or { id, error }.
'use strict';

const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { promisify } = require('node:util');

const { openWindow } = require('./window');

const nextTurn = promisify(setImmediate);

const definition = require(path.join(__dirname, 'servers', `${path.basename(process.argv[2])}.js`));
let server = null;
let closeWindow = null;

function microseconds(from, to) {
  return Number(to - from) / 1e3;
}

const insteads = {
  nothing() {},
  encode: (type, data) => void Buffer.from(`id: 1\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`),
};

const commands = {
  async start({ host, backlog }) {
    server = await definition.start({ host, backlog });
    return {
      title: definition.title,
      path: definition.path,
      ready: definition.ready,
      replays: definition.replays === true,
      hasTokens: server.tokens !== undefined,
      port: server.port,
    };
  },

  count: () => server.count(),

  // Bytes that are in use after everything collectable has been collected.
  async heap() {
    for (let i = 0; i < 6; i++) {
      global.gc();
      await sleep(20);
    }
    const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
    return { heapUsed, external, arrayBuffers, rss };
  },

  // Opens a window over everything the process does until `measured`. The
  // monitor of delays wakes the loop all the time, so it has windows of its own.
  measure({ delayResolution }) {
    closeWindow = openWindow({ delayResolution });
  },

  measured: () => closeWindow(),

  // Of a server with its own authentication.
  tokens: ({ count }) => server.tokens(count),
  signatureChecks: () => server.signatureChecks?.(),

  // `count` events, the first with the number `first`: every `spacing` ms, with
  // 'turn' one each turn of the event loop, with 0 all in one tick. `instead` of
  // the publish itself: 'nothing', or 'encode', the least that JavaScript has
  // to do for an event.
  async publish({ first, count, spacing, pad, instead }) {
    const act = instead ? insteads[instead] : server.publish;
    const called = new Array(count).fill(0);
    const settled = new Array(count).fill(0);
    const pending = [];
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      if (spacing === 'turn') await nextTurn();
      else if (spacing > 0) await sleep(Math.max(0, start + i * spacing - performance.now()));
      const data = { n: first + i, t: String(process.hrtime.bigint()), pad };
      const before = process.hrtime.bigint();
      const returned = act('tick', data);
      called[i] = microseconds(before, process.hrtime.bigint());
      if (returned && typeof returned.then === 'function') {
        pending.push(returned.then(() => {
          settled[i] = microseconds(before, process.hrtime.bigint());
        }));
      }
    }
    await Promise.all(pending);
    return { called, settled: pending.length > 0 ? settled : null };
  },

  async stop() {
    await server.stop();
    setImmediate(() => process.disconnect());
  },
};

process.on('message', async ({ id, command, ...args }) => {
  let answer;
  try {
    answer = { id, result: await commands[command](args) };
  } catch (error) {
    answer = { id, error: error.stack };
  }
  if (process.connected) process.send(answer);
});
process.on('disconnect', () => setTimeout(() => process.exit(0), 1000).unref());
