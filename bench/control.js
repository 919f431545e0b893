// bench/control.js: the child process around one server of bench/servers/.
// It obeys run.js over IPC: { id, command, ...arguments } is answered with
// { id, result } or { id, error }.
'use strict';

const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { promisify } = require('node:util');

const { measureMemory } = require('./memory');
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
  encode: (channel, type, data) => void Buffer.from(`id: 1\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`),
};

/** Where event n goes, as bench/loadgen/loadgen.h has it. */
function channelOf(n, { base, k, stride }) {
  return `c${base + ((((n - 1) % k) * stride) % k)}`;
}

/** Waits for the moment of event i. */
function paceOf(spacing, start) {
  if (spacing === 'turn') return nextTurn;
  if (spacing > 0) return (i) => sleep(Math.max(0, start + i * spacing - performance.now()));
  return () => undefined;
}

async function publishAll({ first, count, spacing, pad, instead, spread }) {
  const act = instead ? insteads[instead] : server.publish;
  const padding = 'x'.repeat(pad);
  const called = new Array(count).fill(0);
  const pending = [];
  const wait = paceOf(spacing, performance.now());
  for (let i = 0; i < count; i++) {
    const n = first + i;
    const waited = wait(i);
    if (waited) await waited;
    const channel = channelOf(n, spread);
    const data = { n, t: String(process.hrtime.bigint()), pad: padding };
    const before = process.hrtime.bigint();
    const returned = act(channel, 'tick', data);
    called[i] = microseconds(before, process.hrtime.bigint());
    if (returned && typeof returned.then === 'function') pending.push(returned);
  }
  await Promise.all(pending);
  return { called };
}

const commands = {
  async start({ host, backlog, heartbeat }) {
    server = await definition.start({ host, backlog, heartbeat });
    return {
      title: definition.title,
      path: definition.path,
      ready: definition.ready,
      ids: definition.ids ?? 'number',
      replays: definition.replays === true,
      hasEvents: definition.hasEvents !== false,
      isExternal: definition.isExternal === true,
      hasTokens: server.tokens !== undefined,
      port: server.port,
    };
  },

  count: () => server.count(),

  memory: () => measureMemory(server.pids?.()),

  // Opens a window over everything the server does until `measured`. The
  // monitor of delays wakes the loop all the time, so it has windows of its own.
  measure({ delayResolution }) {
    closeWindow = openWindow({ delayResolution, pids: server.pids?.() });
  },

  measured: () => closeWindow(),

  // Of a server with its own authentication.
  tokens: ({ count }) => server.tokens(count),
  signatureChecks: () => server.signatureChecks?.(),

  // `count` events, the first with the number `first`: every `spacing` ms, with
  // 'turn' one each turn of the event loop, with 0 all in one tick. `instead` of
  // the publish itself: 'nothing', or 'encode', the least that JavaScript has
  // to do for an event. Answers with the time that each call took, in µs.
  async publish(plan) {
    if (!server.publishAll) return publishAll(plan);
    await server.publishAll(plan);
    return { called: [] };
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
