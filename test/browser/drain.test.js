'use strict';

// drain.test.js - a deployment as a browser sees it: the process that an EventSource of Chromium is connected
// to drains and ends, another one takes over behind the same port, and the page goes on by itself.

const assert = require('node:assert/strict');
const net = require('node:net');

const findChromium = require('../../tools/find-chromium');
const { startDrainChild, endDrainChildren } = require('../js/helpers/drain');
const { waitFor } = require('../js/helpers/wait');

const CHROMIUM = findChromium();
const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** Holds the port, which any process could take between two servers, and passes every byte to the one of now. */
class Front {
  constructor() {
    this.target = undefined;
    this._sockets = new Set();
    this._server = net.createServer((down) => this._connect(down));
  }

  _connect(down) {
    const up = this.target === undefined ? undefined : net.connect(this.target, '127.0.0.1');
    for (const socket of [down, up ?? down]) {
      this._sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this._sockets.delete(socket));
    }
    if (up === undefined) {
      down.destroy();
      return;
    }
    down.pipe(up).pipe(down);
    up.on('error', () => down.destroy());
    down.on('close', () => up.destroy());
  }

  async listen() {
    await new Promise((resolve) => {
      this._server.listen(0, '127.0.0.1', resolve);
    });
    this.port = this._server.address().port;
    return this;
  }

  close() {
    for (const socket of this._sockets) socket.destroy();
    return new Promise((resolve) => {
      this._server.close(resolve);
    });
  }
}

/** What the page runs: everything that its EventSource tells, with the time of it. */
function watch() {
  const seen = [];
  const source = new EventSource('/sse?channel=a&token=alice');
  const note = (type, rest) => seen.push({ type, at: performance.now(), ...rest });
  for (const type of ['connected', 'update', 'closing']) {
    source.addEventListener(type, ({ data, lastEventId }) => note(type, { data: JSON.parse(data), lastEventId }));
  }
  source.onopen = () => note('open');
  source.onerror = () => note('error', { isOver: source.readyState === EventSource.CLOSED });
  window.look = () => seen;
}

// Without a browser there is nothing to see; in CI a skip is a failure.
(CHROMIUM ? describe : describe.skip)('an EventSource in Chromium whose server drains', function suite() {
  this.timeout(60_000);
  let browser;
  let front;

  beforeEach(async () => {
    front = await new Front().listen();
  });

  afterEach(() => front.close());

  before(async () => {
    const { chromium } = require('playwright-core');
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  });

  after(() => browser?.close());
  afterEach(endDrainChildren);

  for (const transport of ['socket', 'stream']) {
    it(`comes back to the next server by itself, and knows that it may have missed something (${transport})`, async () => {
      const first = await startDrainChild(transport);
      front.target = first.port;
      const page = await browser.newPage();
      const faults = [];
      page.on('pageerror', (error) => faults.push(error.message));
      await page.goto(`http://127.0.0.1:${front.port}/page`);
      await page.evaluate(watch);
      const look = () => page.evaluate(() => window.look());
      const seenOf = async (type) => (await look()).filter((event) => event.type === type);
      const has = (type, count) => waitFor(async () => (await seenOf(type)).length >= count, `${count} of ${type}`);

      await has('connected', 1);
      first.tell('publish one');
      const id = await first.says('published');
      await has('update', 1);
      first.tell('drain 300');
      assert.deepEqual(await first.exit, [0, null]);
      front.target = undefined;
      assert.ok(first.lines.includes('disconnected shutdown'), first.lines.join(' | '));
      const second = await startDrainChild(transport);
      front.target = second.port;
      await has('connected', 2);
      second.tell('publish two');
      await has('update', 2);

      const seen = await look();
      const types = seen.map(({ type }) => type).filter((type, i, all) => type !== 'error' || all[i - 1] !== 'error');
      assert.deepEqual(types, ['open', 'connected', 'update', 'closing', 'error', 'open', 'connected', 'update']);
      assert.ok(seen.every(({ isOver }) => !isOver), 'it never gives up');
      const [, again] = await seenOf('connected');
      // The new process knows nothing of what the old one published, and says so.
      assert.equal(again.data.lastEventId, Number(id));
      assert.equal(again.data.recovered, false);
      assert.deepEqual((await seenOf('closing'))[0].data, { reason: 'shutdown', reconnect: true });
      const [one, two] = await seenOf('update');
      assert.deepEqual([one.data, two.data], ['one', 'two']);
      assert.ok(Number(two.lastEventId) > Number(one.lastEventId));
      // It obeys `retry:`, which is a second at least.
      const [left] = await seenOf('error');
      const [, back] = await seenOf('open');
      assert.ok(back.at - left.at >= 990, `back after ${back.at - left.at} ms`);
      assert.deepEqual(faults, []);
      await page.close();
    });
  }
});
