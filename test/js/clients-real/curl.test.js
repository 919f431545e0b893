'use strict';

// curl.test.js - curl, as it is used in a shell: what it prints is what has come.

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');

const { EventStreamParser } = require('../helpers/event-stream');
const { describeClient, END } = require('./scenarios');

const hasCurl = spawnSync('curl', ['--version']).status === 0;
/** Of curl: an answer of 400 or above with --fail. */
const REFUSED = 22;

class Curl {
  constructor(url, token) {
    this._url = url;
    this._token = token;
    this._seen = [];
    this._lastEventId = '';
    this._isOver = false;
    this._start();
  }

  _start() {
    const headers = [`Authorization: Bearer ${this._token}`];
    if (this._lastEventId !== '') headers.push(`Last-Event-ID: ${this._lastEventId}`);
    const args = ['--no-buffer', '--silent', '--show-error', '--fail', '--noproxy', '*'];
    const child = spawn('curl', [...args, ...headers.flatMap((line) => ['--header', line]), this._url]);
    const parser = new EventStreamParser(({ kind, type, data, lastEventId }) => {
      if (kind !== 'event') return;
      this._lastEventId = lastEventId;
      this._seen.push({ type, data: JSON.parse(data), lastEventId });
    });
    let complaints = '';
    child.stdout.on('data', (bytes) => parser.push(bytes));
    child.stderr.on('data', (text) => {
      complaints += text;
    });
    this._child = child;
    this._ended = once(child, 'close').then(([code]) => {
      this._isOver = code === REFUSED;
      this._status = this._isOver ? Number(/error: (\d+)/.exec(complaints)?.[1]) : undefined;
      this._seen.push({ type: END, error: complaints || undefined });
    });
  }

  look() {
    return { seen: [...this._seen], isOver: this._isOver, status: this._status };
  }

  async resume() {
    await this._ended;
    this._start();
  }

  async close() {
    this._child.kill();
    await this._ended;
  }
}

if (hasCurl) {
  describeClient({ name: 'curl', reconnects: false, open: (url, token) => new Curl(url, token) });
} else {
  describe('curl', () => {
    it('is not installed', function test() {
      this.skip();
    });
  });
}

describe('curl in a shell', () => {
  it('needs no more than -N and a header, and ends with 0', async function test() {
    if (!hasCurl) return this.skip();
    const { startServer, cleanUp } = require('../helpers/app');
    const app = await startServer();
    const child = spawn('curl', ['-sN', '-H', 'Authorization: Bearer alice', `http://127.0.0.1:${app.address.port}/sse?channel=news`]);
    const closed = once(child, 'close');
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
    });
    try {
      await app.hasClients(1);
      const id = await app.sse.publish('news', { type: 'update', data: { n: 1 } });
      await app.sse.stop();
      assert.deepEqual(await closed, [0, null]);
      assert.match(text, /^: ok\nid: \d+\nevent: connected\ndata: \{/);
      assert.ok(text.includes(`\n\nid: ${id}\nevent: update\ndata: {"n":1}\n\n`), text);
    } finally {
      child.kill();
      await cleanUp();
    }
  });
});
