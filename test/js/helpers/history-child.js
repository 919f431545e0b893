'use strict';

// history-child.js - a program with a server, driven by lines of JSON on stdin, whose answers are lines of JSON; so
// that it can be killed in the middle, and started again. Its argument: the options of the server, as JSON; with
// `isSilent` nobody listens to 'error'.

const http = require('node:http');
const { createInterface } = require('node:readline');

const { createSseServer } = require('../../..');

const { isSilent, ...options } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

process.on('warning', ({ code, message }) => say({ warning: code, message }));

const sse = createSseServer({ ...options, hooks: { authenticateSubscriber: (token) => ({ sub: token }) } });
if (!isSilent) sse.on('error', ({ code, message }) => say({ error: code, message }));
const server = http.createServer(sse.handler);
const input = createInterface({ input: process.stdin });

const commands = {
  /** Publishes `texts` to `channel`, and says the ids of what is resolved, or the code of what rejects. */
  async publish({ channel, texts, user }) {
    const send = (data) => (user ? sse.publishToUser(user, { type: 't', data }) : sse.publish(channel, { type: 't', data }));
    const results = await Promise.allSettled(texts.map(send));
    say({ ids: results.map(({ value, reason }) => value ?? reason.code) });
  },
  cursor: () => say({ cursor: sse.cursor() }),
  async stop() {
    server.close();
    await sse.stop();
    say({ stopped: true });
  },
  /** Lets go of everything, and ends by itself. */
  return() {
    server.close();
    input.close();
    process.stdin.destroy();
  },
  exit: () => process.exit(0),
};

input.on('line', (line) => {
  const { command, ...rest } = JSON.parse(line);
  commands[command](rest);
});
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
