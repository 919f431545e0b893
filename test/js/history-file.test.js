'use strict';

// history-file.test.js - history.file: a history that survives a kill, a stop and a clock that was set back; what it
// promises and what it says when it cannot keep it; and what it refuses to open.

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { Worker } = require('node:worker_threads');

const { createSseServer, SseManager } = require('../..');
const { HistoryFile } = require('../../lib/history-file');
const { clockEnvironment, findFaketime } = require('./chaos/clock');
const { TRANSPORTS, adopt, cleanUp, listen, startServer } = require('./helpers/app');
const { connect } = require('./helpers/client');
const { waitFor } = require('./helpers/wait');

const CHILD = path.join(__dirname, 'helpers', 'history-child.js');
const QUIET = 1; // of csrc/store/mark.h
const CLOSED = 3;

let folder;
let programs = [];

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-history-'));
});

afterEach(async () => {
  const started = programs;
  programs = [];
  for (const program of started) if (!program.end) program.kill();
  for (const program of started) await program.ended();
});
afterEach(cleanUp);
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

class Program {
  constructor(options, env = {}) {
    this.lines = [];
    this.stderr = '';
    this.process = spawn(process.execPath, [CHILD, JSON.stringify(options)], { env: { ...process.env, ...env } });
    createInterface({ input: this.process.stdout }).on('line', (line) => this.lines.push(JSON.parse(line)));
    this.process.stderr.on('data', (text) => {
      this.stderr += text;
    });
    this.process.stdin.on('error', () => {});
    this.process.on('close', (code, signal) => {
      this.end = { code, signal };
    });
    programs.push(this);
  }

  tell(command, more = {}) {
    this.process.stdin.write(`${JSON.stringify({ command, ...more })}\n`);
  }

  /** Takes the first line that has this member, and answers it. */
  async says(member) {
    const find = () => this.lines.findIndex((line) => member in line);
    const about = () => `the program to say ${member}: ${JSON.stringify(this.lines)} ${this.stderr}`;
    await waitFor(() => {
      if (find() === -1 && this.end) throw new Error(about());
      return find() !== -1;
    }, about);
    return this.lines.splice(find(), 1)[0][member];
  }

  async started() {
    this.port = await this.says('port');
    return this;
  }

  async publish(channel, ...texts) {
    this.tell('publish', { channel, texts });
    return this.says('ids');
  }

  open(channels, lastEventId) {
    const query = new URLSearchParams(channels.map((name) => ['channel', name]));
    const headers = { Authorization: 'Bearer alice', Connection: 'close' };
    if (lastEventId !== undefined) headers['Last-Event-ID'] = String(lastEventId);
    return adopt(connect({ port: this.port, path: `/?${query}`, headers }));
  }

  /** What a client gets that comes back: the verdict, and the data of `count` events. */
  async resume(channels, lastEventId, count) {
    const client = this.open(channels, lastEventId);
    await client.until(() => client.events.length > count);
    const [hello, ...events] = client.events;
    client.close();
    return { recovered: JSON.parse(hello.data).recovered, data: events.map(({ data }) => JSON.parse(data)) };
  }

  kill() {
    this.process.kill('SIGKILL');
  }

  ended() {
    return waitFor(() => this.end, () => `the program to end: ${JSON.stringify(this.lines)} ${this.stderr}`);
  }
}

const start = (options, env) => new Program(options, env).started();

const fileIn = () => path.join(folder, 'history');
const stateOf = (file) => fs.readFileSync(`${file}-mark`)[8];
const isQuiet = (file) => waitFor(() => stateOf(file) === QUIET, 'everything to be written');

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

for (const transport of TRANSPORTS) {
  describe(`history.file, over ${transport}`, () => {
    for (const sync of ['always', 3_600_000]) {
      it(`survives kill -9 with sync ${sync}: recovered, and nothing is missing`, async () => {
        const file = fileIn();
        const before = await start({ transport, history: { file, sync } });
        const [first] = await before.publish('a', 1);
        const client = before.open(['a', 'b'], first - 1);
        await client.until(() => client.events.length === 2);
        const seen = Number(client.events[1].lastEventId);
        client.close();
        const ids = await before.publish('a', ...numbers(2, 60));
        await before.publish('b', 'other');
        // With 'always' the promise says it; else a moment has to pass, and no sync.
        if (sync !== 'always') await isQuiet(file);
        before.kill();
        await before.ended();
        const after = await start({ transport, history: { file, sync } });
        assert.deepEqual(await after.resume(['a', 'b'], seen, 60), { recovered: true, data: [...numbers(2, 60), 'other'] });
        assert.deepEqual(await after.resume(['never'], seen, 0), { recovered: true, data: [] });
        const [next] = await after.publish('a', 61);
        assert.ok(next > ids.at(-1));
        assert.deepEqual(await after.resume(['a'], ids.at(-1), 1), { recovered: true, data: [61] });
      });
    }

    it('is not there without the option: not recovered, and ids go on', async () => {
      const before = await start({ transport });
      const ids = await before.publish('a', 1, 2);
      before.kill();
      await before.ended();
      const after = await start({ transport });
      assert.deepEqual(await after.resume(['a'], ids[0], 0), { recovered: false, data: [] });
      const [next] = await after.publish('a', 3);
      assert.ok(next > ids[1]);
    });

    it('survives stop(), a natural end and process.exit()', async () => {
      const file = fileIn();
      let last = 0;
      for (const [i, command] of ['stop', 'return', 'exit'].entries()) {
        const program = await start({ transport, history: { file } });
        if (i > 0) assert.deepEqual(await program.resume(['a'], last, 1), { recovered: true, data: [i - 1] });
        const [before, id] = await program.publish('a', 'x', i);
        assert.ok(before > last);
        last = id - 1;
        // The end that gives no time: what was published must have been written by then.
        if (command === 'exit') await isQuiet(file);
        program.tell(command);
        if (command === 'stop') {
          await program.says('stopped');
          assert.equal(stateOf(file), CLOSED);
          program.tell('return');
        }
        assert.deepEqual(await program.ended(), { code: 0, signal: null });
        assert.equal(stateOf(file), command === 'exit' ? QUIET : CLOSED);
      }
      const program = await start({ transport, history: { file } });
      assert.deepEqual(await program.resume(['a'], last, 1), { recovered: true, data: [2] });
    });

    it('says so when something may be lost, and replays what there is', async () => {
      const file = fileIn();
      const before = await start({ transport, history: { file, sync: 'always' } });
      const ids = await before.publish('a', 1, 2, 3);
      before.kill();
      await before.ended();
      fs.rmSync(`${file}-mark`); // nothing shows any more that this was all
      const after = await start({ transport, history: { file } });
      assert.deepEqual(await after.resume(['a'], ids[0], 2), { recovered: false, data: [2, 3] });
      const [next] = await after.publish('a', 4);
      assert.deepEqual(await after.resume(['a'], next - 1, 1), { recovered: true, data: [4] });
      after.tell('stop');
      await after.says('stopped');
      const third = await start({ transport, history: { file } });
      assert.equal((await third.resume(['a'], ids[0], 3)).recovered, false);
      assert.equal((await third.resume(['a'], next - 1, 1)).recovered, true);
    });

    it('goes on live when the disk is full, tells it once, and then what is missing', async function () {
      if (spawnSync('prlimit', ['--version']).error) this.skip();
      const file = fileIn();
      const program = await start({ transport, history: { file, sync: 'always' } });
      const limit = (size) => {
        const { status, stderr } = spawnSync('prlimit', ['--pid', String(program.process.pid), `--fsize=${size}:unlimited`]);
        assert.equal(status, 0, String(stderr));
      };
      const [first] = await program.publish('a', 1);
      const client = program.open(['a'], first);
      await client.connected();
      limit(64);
      assert.deepEqual(await program.publish('a', 2), ['ERR_SSE_HISTORY_IO']);
      assert.equal(await program.says('error'), 'ERR_SSE_HISTORY_IO');
      program.tell('publish', { channel: 'a', texts: [3] }); // waits, and is written later
      await client.until(() => client.events.length === 3); // all are live
      limit('unlimited');
      const [third] = await program.says('ids');
      assert.ok(third > first);
      const [fourth] = await program.publish('a', 4);
      assert.deepEqual(program.lines, []); // no second error
      program.kill();
      await program.ended();
      const after = await start({ transport, history: { file } });
      assert.deepEqual(await after.resume(['a'], first, 2), { recovered: false, data: [3, 4] });
      assert.deepEqual(await after.resume(['a'], third, 1), { recovered: true, data: [4] });
      assert.ok(fourth > third);
    });
  });
}

describe('history.file', () => {
  const create = (history) => createSseServer({ hooks: { authenticateSubscriber: () => ({ sub: 'a' }) }, history });

  it('gives no id twice when the clock was set back', async function () {
    if (findFaketime() === null) this.skip();
    const file = fileIn();
    const options = { history: { file, sync: 'always' } };
    const before = await start(options);
    const ids = await before.publish('a', 1, 2);
    before.kill();
    await before.ended();
    const env = clockEnvironment(path.join(folder, 'clock'));
    fs.writeFileSync(env.FAKETIME_TIMESTAMP_FILE, '-86400\n');
    const after = await start(options, env);
    after.tell('cursor');
    assert.ok((await after.says('cursor')) >= ids[1]);
    assert.deepEqual(await after.resume(['a'], ids[0], 1), { recovered: true, data: [2] });
    const [next] = await after.publish('a', 3);
    assert.ok(next > ids[1]);
    assert.deepEqual(await after.resume(['a'], ids[1], 1), { recovered: true, data: [3] });
  });

  it('warns where nobody listens to its errors', async function () {
    if (spawnSync('prlimit', ['--version']).error) this.skip();
    const program = await start({ isSilent: true, history: { file: fileIn() } });
    spawnSync('prlimit', ['--pid', String(program.process.pid), '--fsize=64:unlimited']);
    const [id] = await program.publish('a', 1); // by default the promise does not wait for the disk
    assert.ok(id > 0);
    assert.equal(await program.says('warning'), 'SSE_WARN_HISTORY');
  });

  it('keeps what its limits say, and the events of users', async () => {
    const file = fileIn();
    const history = { file, size: 3, sizes: { 'price:': 1 } };
    let app = await startServer({ history });
    const [first] = [await app.sse.publish('a', { type: 't', data: 0 })];
    for (let i = 1; i < 10; i++) {
      await app.sse.publish('a', { type: 't', data: i });
      await app.sse.publish('price:x', { type: 't', data: i });
      await app.sse.publishToUser('alice', { type: 't', data: `user ${i}` });
    }
    await app.sse.stop();
    app = await startServer({ history });
    const client = app.send({ channels: ['a', 'price:x'], lastEventId: first });
    await client.until(() => client.events.length === 8);
    assert.equal(JSON.parse(client.events[0].data).recovered, false);
    const data = client.events.slice(1).map((event) => JSON.parse(event.data));
    assert.deepEqual(data, [7, 'user 7', 8, 'user 8', 9, 9, 'user 9']);
  });

  it('is a manager\'s too', async () => {
    const history = { file: fileIn() };
    const first = new SseManager({ history, frames: 'named' });
    first.broadcast('global', { type: 't', data: 1 });
    await first.stop();
    const second = new SseManager({ history, frames: 'named' });
    const server = http.createServer((req, res) => second.addConnection(res, ['global'], {}));
    await listen(server, { port: 0, host: '127.0.0.1' });
    const client = adopt(connect({ port: server.address().port, path: '/', headers: { 'Last-Event-ID': '1' } }));
    await client.until(() => client.events.length === 2);
    assert.equal(JSON.parse(client.events[1].data).data, 1);
    await second.stop();
    server.close();
  });

  it('can be opened again at once, many times', async () => {
    const history = { file: fileIn(), size: 1000 };
    for (let i = 0; i < 20; i++) {
      const sse = create(history);
      for (let n = 0; n < 10; n++) sse.publish('a', { type: 't', data: n });
      await sse.stop();
    }
    const app = await startServer({ history });
    const client = app.send({ channels: ['a'], lastEventId: 1 });
    await client.until(() => client.events.length === 201);
  });

  it('is closed by the end of a worker, and when its server is collected', async () => {
    const file = fileIn();
    const program = `
      const { createSseServer } = require(${JSON.stringify(path.join(__dirname, '../..'))});
      const { parentPort } = require('node:worker_threads');
      const sse = createSseServer({
        hooks: { authenticateSubscriber: () => ({ sub: 'a' }) }, history: { file: ${JSON.stringify(file)} },
      });
      sse.publish('a', { type: 't', data: 1 }).then((id) => parentPort.postMessage(id));
      setInterval(() => {}, 1000);`;
    const worker = new Worker(program, { eval: true });
    const [id] = await once(worker, 'message');
    await worker.terminate();
    assert.equal(stateOf(file), CLOSED);
    const drop = () => {
      const sse = create({ file, sync: 'always' });
      return sse.publish('a', { type: 't', data: 2 }); // the promise alone keeps it until it is settled
    };
    assert.ok((await drop()) > id);
    await waitFor(() => {
      globalThis.gc();
      return stateOf(file) === CLOSED;
    }, 'the server to be collected');
    const app = await startServer({ history: { file } });
    const client = app.send({ channels: ['a'], lastEventId: id - 1 });
    await client.until(() => client.events.length === 3);
    assert.equal(JSON.parse(client.events[0].data).recovered, true);
  });

  it('settles every promise of \'always\' by the end of stop()', async () => {
    const sse = create({ file: fileIn(), sync: 'always' });
    const settled = [];
    for (let i = 0; i < 100; i++) sse.publish('a', { type: 't', data: i }).then((id) => settled.push(id));
    await sse.stop();
    assert.equal(settled.length, 100);
    assert.deepEqual(settled, [...settled].sort((x, y) => x - y));
  });
});

describe('history.file refuses', () => {
  const hooks = { authenticateSubscriber: () => ({ sub: 'a' }) };
  const create = (history) => createSseServer({ hooks, history });

  function refused(history, code, message, Class = Error) {
    const isIt = (error) => error.code === code && error.constructor === Class && message.test(error.message);
    assert.throws(() => create(history), isIt);
    assert.throws(() => new SseManager({ history }), isIt);
  }

  it('options that are none', () => {
    refused({ file: '' }, 'ERR_SSE_INVALID_OPTION', /^history\.file must be the path of a file/, TypeError);
    refused({ file: 5 }, 'ERR_SSE_INVALID_OPTION', /^history\.file/, TypeError);
    refused({ file: 'a\0b' }, 'ERR_SSE_INVALID_OPTION', /^history\.file/, TypeError);
    refused({ file: 'x', sync: 0 }, 'ERR_SSE_INVALID_OPTION', /^history\.sync must be 'always', or milliseconds/, TypeError);
    refused({ file: 'x', sync: 'never' }, 'ERR_SSE_INVALID_OPTION', /^history\.sync/, TypeError);
  });

  it('a file that another has open, and leaves it alone', async () => {
    const file = fileIn();
    const sse = create({ file, sync: 'always' });
    refused({ file }, 'ERR_SSE_HISTORY_LOCKED', /locked.*each needs a file of its own/);
    const program = new Program({ history: { file } });
    assert.equal((await program.ended()).code, 1);
    assert.match(program.stderr, /ERR_SSE_HISTORY_LOCKED/);
    await sse.publish('a', { type: 't', data: 1 });
    await sse.stop();
    await create({ file }).stop();
  });

  it('what is no history', () => {
    const file = fileIn();
    fs.writeFileSync(file, 'somebody\'s text, and a good deal of it\n'.repeat(100));
    refused({ file }, 'ERR_SSE_HISTORY_CORRUPT', /not a database.*Move it away/);
    assert.match(fs.readFileSync(file, 'utf8'), /^somebody's text/);
  });

  it('a file of another version', async () => {
    const file = fileIn();
    await create({ file }).stop();
    const bytes = fs.readFileSync(file);
    bytes.writeUInt32BE(99, 60); // user_version, in the header of SQLite
    fs.writeFileSync(file, bytes);
    refused({ file }, 'ERR_SSE_HISTORY_VERSION', /version 99/);
  });

  it('a damaged one', async () => {
    const file = fileIn();
    const sse = create({ file });
    for (let i = 0; i < 50; i++) sse.publish('a', { type: 't', data: `the text of event ${i}` });
    await sse.stop();
    const bytes = fs.readFileSync(file);
    bytes[bytes.indexOf('the text of event 25')] ^= 1;
    fs.writeFileSync(file, bytes);
    refused({ file }, 'ERR_SSE_HISTORY_CORRUPT', /malformed.*-mark/);
  });

  it('a place where it cannot be', () => {
    refused({ file: path.join(folder, 'no', 'folder', 'history') }, 'ERR_SSE_HISTORY_IO', /No such file or directory/);
    refused({ file: folder }, 'ERR_SSE_HISTORY_IO', /cannot be used/);
  });
});

describe('history.file: what is told of events that are waited for', () => {
  it('is told of each by itself, whichever is first', async () => {
    const file = new HistoryFile({ file: 'x', sync: 'always' }, () => {});
    const told = [];
    const all = [1, 2, 3, 4, 5].map((id) => file.settled(id).then(() => told.push(id), ({ code }) => told.push(`${id} ${code}`)));
    // No place for the fifth, while the others wait for the disk.
    file.onStored(0, 5, 5, '', '');
    await Promise.race(all);
    assert.deepEqual(told, ['5 ERR_SSE_HISTORY_IO']);
    assert.equal(file.isAwaited, true);
    file.onStored(2, 0, 0, '', '');
    await Promise.all(all.slice(0, 2));
    file.onStored(2, 3, 3, '', '');
    await all[2];
    assert.deepEqual(told.slice(1), [1, 2, '3 ERR_SSE_HISTORY_IO']);
    file.end();
    await all[3];
    assert.deepEqual(told.slice(4), ['4 ERR_SSE_HISTORY_IO']);
    assert.equal(file.isAwaited, false);
  });
});
