// bench/servers/floor.js: what the kernel allows, bench/floor.c: one send() for each event and subscriber.
'use strict';

const { once } = require('node:events');
const { spawn } = require('node:child_process');
const readline = require('node:readline');
const { pathOf } = require('../build');

module.exports = {
  title: 'bench/floor.c, one send() for each event and subscriber',
  path: '/sse',
  ready: 'connected',
  replays: true,
  isExternal: true,

  async start({ backlog, heartbeat }) {
    const child = spawn(pathOf('floor'), [String(backlog)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = readline.createInterface({ input: child.stdout });
    const answer = () => once(lines, 'line').then(([line]) => line);
    const command = (...words) => {
      child.stdin.write(`${words.join(' ')}\n`);
      return answer();
    };
    const port = Number(await answer());
    if (heartbeat > 0) await command('heartbeat', heartbeat);

    return {
      port,
      pids: () => [child.pid],
      /** It makes its events itself, so that no pipe is between the clock and the first send. */
      publishAll({ first, count, spacing, pad, spread: { base, k, stride } }) {
        const spacingUs = typeof spacing === 'number' ? Math.round(spacing * 1000) : 0;
        return command('publish', first, count, spacingUs, pad, base, k, stride);
      },
      count: async () => Number(await command('count')),
      async stop() {
        child.stdin.end();
        await once(child, 'exit');
      },
    };
  },
};
