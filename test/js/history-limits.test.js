'use strict';

// history-limits.test.js - how much history is kept: by number and prefix, by bytes, by age; and that its memory
// goes back to the system.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');

const { createSseServer, SseManager } = require('../..');
const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');

afterEach(cleanUp);

const resume = (id) => ({ headers: { 'Last-Event-ID': String(id) } });

/** What a client gets that comes back to `channel` with the id before the first of `ids`. */
async function replayed(app, channel, firstId) {
  const client = app.send({ channels: [channel], ...resume(firstId - 1) });
  await client.until(() => client.events.length > 0);
  const { recovered } = JSON.parse(client.events[0].data);
  const end = await app.sse.publish(channel, { type: 'end', data: 0 });
  await client.until(() => client.events.at(-1).lastEventId === String(end));
  return { recovered, data: client.events.slice(1, -1).map(({ data }) => JSON.parse(data)) };
}

for (const transport of TRANSPORTS) {
  describe(`limits of history, over ${transport}`, () => {
    it('are by the longest prefix of the name', async () => {
      const app = await startServer({ transport, history: { size: 2, sizes: { 'chat:': 5, 'chat:vip:': 7, 'price:': 1, off: 0 } } });
      for (const [channel, kept] of [['chat:1', 5], ['chat:vip:1', 7], ['price:x', 1], ['other', 2], ['off', 0], ['chat', 2]]) {
        const ids = [];
        for (let i = 0; i < 10; i++) ids.push(await app.sse.publish(channel, { type: 't', data: i }));
        const all = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert.deepEqual(await replayed(app, channel, ids[0]), { recovered: false, data: all.slice(10 - kept) }, channel);
      }
    });

    it('are the bytes of a channel', async () => {
      const app = await startServer({ transport, history: { maxBytes: 1000 } });
      const ids = [];
      for (let i = 0; i < 10; i++) ids.push(await app.sse.publish('a', { type: 't', data: 'x'.repeat(200) }));
      const few = await replayed(app, 'a', ids[0]);
      assert.equal(few.recovered, false);
      assert.ok(few.data.length >= 3 && few.data.length < 5, String(few.data.length));
      const other = await app.sse.publish('b', { type: 't', data: 1 });
      assert.deepEqual(await replayed(app, 'b', other), { recovered: true, data: [1] });
    });

    it('are the bytes of all, from the channel that was idle longest', async () => {
      const app = await startServer({ transport, history: { totalBytes: 1000 } });
      const old = await app.sse.publish('old', { type: 't', data: 'x'.repeat(500) });
      const late = await app.sse.publish('late', { type: 't', data: 'x'.repeat(500) });
      assert.deepEqual(await replayed(app, 'old', old), { recovered: false, data: [] });
      assert.equal((await replayed(app, 'late', late)).recovered, true);
      assert.equal((await replayed(app, 'never', old)).recovered, true);
    });
  });
}

describe('options of history', () => {
  const hooks = { authenticateSubscriber: () => ({ sub: 'alice' }) };
  const refused = (history, message) => {
    const isIt = (error) => error.code === 'ERR_SSE_INVALID_OPTION' && error instanceof TypeError && message.test(error.message);
    assert.throws(() => createSseServer({ hooks, history }), isIt);
    assert.throws(() => new SseManager({ history }), isIt);
  };

  it('are checked', () => {
    refused({ sizes: ['chat:'] }, /^history\.sizes must be an object/);
    refused({ sizes: { 'chat:': -1 } }, /^history\.sizes\["chat:"\] must be an integer from 0 to 1000000/);
    refused({ sizes: { 'chat:': '5' } }, /^history\.sizes\["chat:"\]/);
    refused({ sizes: { '': 5 } }, /history\.size is for every other channel/);
    refused({ sizes: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`p${i}`, 1])) }, /at most 100 prefixes/);
    refused({ maxBytes: 0 }, /^history\.maxBytes/);
    refused({ totalBytes: -Infinity }, /^history\.totalBytes/);
  });
});

describe('the memory of history', () => {
  it('goes back to the system when channels have expired', async () => {
    const program = spawn(process.execPath, ['--expose-gc', path.join(__dirname, 'helpers', 'many-channels.js'), '60000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    program.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    const [code] = await once(program, 'close');
    assert.equal(code, 0, text);
    const { grown, left } = JSON.parse(text);
    assert.ok(left < grown / 4, text);
  });
});
