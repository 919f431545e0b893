'use strict';

// demo.test.js - drives the demo's page in Chromium: connect, publish, cut from
// the server side, replay without loss or duplicate. CHROMIUM_PATH names the
// browser, unless it is on the PATH.

const assert = require('node:assert/strict');
const { start } = require('../../examples/demo/server');
const findChromium = require('../../tools/find-chromium');

const CHROMIUM = findChromium();
const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** Rounds of cut and replay in the test of many cuts. */
const ROUNDS = 2;


/** @returns {string | null} what there is no browser test without */
function findMissing() {
  if (!CHROMIUM) return 'Chromium; CHROMIUM_PATH may name one';
  try {
    require.resolve('playwright-core');
  } catch {
    return 'playwright-core';
  }
  return null;
}

const missing = findMissing();

/** The page, as a person would use it. */
class DemoPage {
  /**
   * @param {import('playwright-core').Page} page
   * @param {string} url the demo's address
   */
  constructor(page, url) {
    this.page = page;
    this.url = url;
    /** What went wrong inside the page. */
    this.errors = [];
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
  }

  /** @param {string} [search] */
  async open(search = '') {
    await this.page.goto(`${this.url}/${search}`);
  }

  /** @param {string} state */
  async status(state) {
    await this.page.locator(`#status[data-state="${state}"]`).waitFor();
  }

  /**
   * @param {string} user
   * @param {string[]} channels
   */
  async choose(user, channels) {
    const { page } = this;
    await page.getByRole('radio', { name: user, exact: true }).check();
    for (const box of await page.locator('#channels').getByRole('checkbox').all()) {
      await box.setChecked(channels.includes(await box.getAttribute('value')));
    }
  }

  /**
   * @param {string} user
   * @param {string[]} channels
   */
  async connect(user, channels) {
    await this.choose(user, channels);
    await this.page.getByRole('button', { name: 'Connect', exact: true }).click();
  }

  /**
   * Publishes through the form.
   * @param {'channel' | 'user'} target
   * @param {string} name
   * @param {string} type
   * @param {unknown} data
   * @returns {Promise<number>} the id that the page says
   */
  async publish(target, name, type, data) {
    const { page } = this;
    await page.getByRole('radio', { name: target, exact: true }).check();
    await page.locator('#target-name').fill(name);
    const known = await page.locator('#type option').allTextContents();
    if (known.includes(type)) {
      await page.locator('#type').selectOption(type);
    } else {
      await page.locator('#type').selectOption('');
      await page.getByLabel('Other type').fill(type);
    }
    await page.getByLabel('Data, as JSON').fill(JSON.stringify(data));
    const [response] = await Promise.all([
      page.waitForResponse((answer) => answer.url().includes(target === 'user' ? '/publish-user/' : '/publish/')),
      page.getByRole('button', { name: 'Publish', exact: true }).click(),
    ]);
    const { id } = await response.json();
    assert.ok(Number.isSafeInteger(id), `not an id: ${id}`);
    await page.locator('#published', { hasText: String(id) }).waitFor();
    return id;
  }

  /**
   * Presses a button that cuts and sees it through to the next `connected`.
   * @param {string} name of the button
   * @returns {Promise<number[]>} the ids published meanwhile
   */
  async cut(name) {
    const { page } = this;
    const [response] = await Promise.all([
      page.waitForResponse((answer) => answer.url().endsWith('/cut')),
      page.getByRole('button', { name, exact: true }).click(),
    ]);
    const { cut, ids } = await response.json();
    assert.equal(cut, 1);
    await this.status('reconnecting');
    return ids;
  }

  /** @param {number} id */
  async event(id) {
    await this.page.locator(`#events li[data-id="${id}"]`).first().waitFor();
  }

  /** @returns {Promise<number[]>} the ids shown, in the order in which they came, duplicates too */
  ids() {
    return this.page.locator('#events li[data-id]').evaluateAll((rows) => rows.map((row) => Number(row.dataset.id)).reverse());
  }

  /** @param {Record<string, number>} expected by the names of the tiles */
  async counts(expected) {
    for (const [name, value] of Object.entries(expected)) {
      await this.page.waitForFunction(([id, text]) => document.getElementById(id).textContent === text, [`count-${name}`, String(value)])
        .catch(async (error) => {
          throw new Error(`${name} is ${await this.page.locator(`#count-${name}`).textContent()}, not ${value}`, { cause: error });
        });
    }
  }

  /** @param {RegExp} text */
  async banner(text) {
    await this.page.locator('#banner', { hasText: text }).waitFor();
  }
}

describe(`the demo in Chromium${missing ? ` (skipped: there is no ${missing})` : ''}`, function () {
  this.timeout(60000);
  let browser;
  let context;
  let demo;

  before(async function () {
    if (missing) this.skip();
    const { chromium } = require('playwright-core');
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  });

  after(async () => {
    await browser?.close();
  });

  beforeEach(async () => {
    demo = await start({ port: 0 });
    context = await browser.newContext({ reducedMotion: 'reduce' });
    context.setDefaultTimeout(20000);
  });

  afterEach(async () => {
    await context?.close();
    await demo?.close();
    context = demo = undefined;
  });

  /** @returns {Promise<DemoPage>} a new tab */
  async function tab() {
    return new DemoPage(await context.newPage(), demo.url);
  }

  it('connects, publishes, is cut while events are published, and replays without loss or duplicate', async () => {
    const page = await tab();
    await page.open();
    await page.connect('alice', ['news']);
    await page.status('live');

    const connected = page.page.locator('#events li[data-type="connected"]');
    const first = JSON.parse(await connected.locator('.event-data').textContent());
    assert.equal(first.userId, 'alice');
    assert.deepEqual(first.channels, ['news']);
    assert.equal(first.recovered, true);
    assert.equal(first.lastEventId, null);

    const ids = [];
    ids.push(await page.publish('channel', 'news', 'update', { text: 'grüße\nin two lines', n: 1 }));
    await page.event(ids[0]);
    const row = page.page.locator(`#events li[data-id="${ids[0]}"]`);
    assert.equal(await row.locator('.event-type').textContent(), 'update');
    assert.equal(await row.locator('.event-id').textContent(), `id ${ids[0]}`);
    assert.deepEqual(JSON.parse(await row.locator('.event-data').textContent()), { text: 'grüße\nin two lines', n: 1 });

    ids.push(await page.publish('user', 'alice', 'message', 'just a string'));
    ids.push(await page.publish('channel', 'news', 'order.shipped', [1, 2, 3]));
    const elsewhere = [
      await page.publish('user', 'bob', 'message', 'not for alice'),
      await page.publish('channel', 'sports', 'message', 'not for this connection'),
      await page.publish('channel', 'alice', 'message', 'a channel with the name of a user'),
    ];
    await page.counts({ received: 3, missing: 0 });

    const away = await page.cut('Cut, publish 3 meanwhile');
    assert.equal(away.length, 3);
    ids.push(...away);
    await page.counts({ missing: 3 });
    ids.push(await page.publish('user', 'alice', 'chat', { text: 'by name, while away' }));
    await page.status('live');
    await page.banner(/4 events replayed, recovered: true/);
    await page.counts({ received: 7, replayed: 4, missing: 0, duplicates: 0, disorder: 0 });

    ids.push(await page.publish('channel', 'news', 'alert', { text: 'live again' }));
    await page.event(ids.at(-1));
    await page.counts({ received: 8, replayed: 4, missing: 0, duplicates: 0, disorder: 0 });
    assert.deepEqual(await page.ids(), ids);
    assert.ok(ids.every((id) => !elsewhere.includes(id)));

    const second = JSON.parse(await connected.first().locator('.event-data').textContent());
    assert.notEqual(second.clientId, first.clientId);
    assert.equal(second.recovered, true);
    // The browser's own Last-Event-ID: the last one before the cut.
    assert.equal(second.lastEventId, ids[2]);
    assert.deepEqual(page.errors, []);
  });

  it('loses nothing over several cuts, with and without events meanwhile, and from the very first moment', async () => {
    const page = await tab();
    await page.open();
    await page.connect('bob', ['news', 'orders']);
    await page.status('live');

    // Cut before any event: the cursor is the id that `connected` carried.
    const ids = [];
    for (let round = 0; round < ROUNDS; round++) {
      ids.push(...await page.cut('Cut, publish 3 meanwhile'));
      await page.status('live');
      await page.banner(/3 events replayed, recovered: true/);
      await page.cut('Just cut');
      await page.status('live');
      await page.banner(/0 events replayed, recovered: true/);
      ids.push(await page.publish('channel', 'orders', 'update', { round }));
      await page.event(ids.at(-1));
    }
    await page.counts({ received: 4 * ROUNDS, replayed: 3 * ROUNDS, missing: 0, duplicates: 0, disorder: 0 });
    assert.deepEqual(await page.ids(), ids);
    assert.deepEqual(page.errors, []);
  });

  it('brings the events of a user to every tab of that user, and to nobody else', async () => {
    const one = await tab();
    await one.open();
    await one.connect('alice', ['news']);
    await one.status('live');
    const [opened] = await Promise.all([
      context.waitForEvent('page'),
      one.page.getByRole('link', { name: 'Open a second tab' }).click(),
    ]);
    const two = new DemoPage(opened, demo.url);
    await two.status('live');
    const other = await tab();
    await other.open('?user=bob&channel=news&connect');
    await other.status('live');

    const ids = [];
    ids.push(await one.publish('user', 'alice', 'chat', { text: 'to every tab' }));
    await Promise.all([one.event(ids[0]), two.event(ids[0])]);
    ids.push(await two.publish('channel', 'news', 'message', { text: 'to everybody' }));
    await Promise.all([one, two, other].map((page) => page.event(ids[1])));
    assert.deepEqual(await one.ids(), ids);
    assert.deepEqual(await two.ids(), ids);
    assert.deepEqual(await other.ids(), [ids[1]]);

    // Cutting one tab leaves the other alone.
    const away = await one.cut('Cut, publish 3 meanwhile');
    await two.event(away.at(-1));
    assert.equal(await two.page.locator('#status').getAttribute('data-state'), 'live');
    await one.status('live');
    await one.counts({ received: 5, replayed: 3, missing: 0, duplicates: 0, disorder: 0 });
    assert.deepEqual(await one.ids(), [...ids, ...away]);
    assert.deepEqual(await two.ids(), [...ids, ...away]);
  });

  it('takes a token signed with ES256', async () => {
    const page = await tab();
    await page.open();
    await page.page.getByText('Token', { exact: true }).click();
    await page.page.getByLabel('Sign fresh tokens with').selectOption('ES256');
    await page.connect('alice', []);
    await page.status('live');
    const id = await page.publish('user', 'alice', 'message', {});
    await page.event(id);
  });

  it('says why a bad token is refused', async () => {
    const page = await tab();
    await page.open();
    await page.page.getByText('Token', { exact: true }).click();
    await page.page.getByLabel('Use this token').fill('not.a.token');
    await page.connect('alice', ['news']);
    await page.status('refused');
    await page.banner(/Connection refused: .*401, ERR_SSE_UNAUTHORIZED/);

    // A good token again, and all is well.
    await page.page.getByLabel('Use this token').fill('');
    await page.connect('alice', ['news']);
    await page.status('live');
  });

  it('says why a channel is refused', async () => {
    const page = await tab();
    await page.open();
    const staff = page.page.getByRole('checkbox', { name: 'staff (carol only)' });
    await page.choose('alice', []);
    await staff.check();
    await page.page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.status('refused');
    await page.banner(/Connection refused: .*403, ERR_SSE_FORBIDDEN/);
    await page.connect('carol', ['staff']);
    await page.status('live');
  });

  it('says why something cannot be published', async () => {
    const page = await tab();
    await page.open();
    await page.page.getByLabel('Data, as JSON').fill('{ not JSON');
    await page.page.getByRole('button', { name: 'Publish', exact: true }).click();
    await page.page.locator('#published.bad', { hasText: 'not JSON' }).waitFor();
    await page.page.getByLabel('Data, as JSON').fill('{}');
    await page.page.locator('#type').selectOption('');
    await page.page.getByLabel('Other type').fill('connected');
    await page.page.getByRole('button', { name: 'Publish', exact: true }).click();
    await page.page.locator('#published.bad', { hasText: '400, ERR_SSE_RESERVED_EVENT_TYPE' }).waitFor();
  });

  it('shows events whose types the EventSource uses itself, and counts no event of the server\'s own', async () => {
    const page = await tab();
    await page.open();
    await page.connect('alice', ['news']);
    await page.status('live');
    await page.page.locator('#type').selectOption('');
    await page.page.getByLabel('Other type').fill('connected');
    await page.page.getByRole('button', { name: 'Publish', exact: true }).click();
    await page.page.locator('#published.bad').waitFor();
    const ids = [];
    for (const type of ['error', 'open']) {
      ids.push(await page.publish('channel', 'news', type, { type }));
      await page.event(ids.at(-1));
    }
    assert.equal(await page.page.locator('#status').getAttribute('data-state'), 'live');
    ids.push(...await page.cut('Cut, publish 3 meanwhile'));
    await page.status('live');
    await page.counts({ received: 5, replayed: 3, missing: 0, duplicates: 0, disorder: 0 });
    assert.deepEqual(await page.ids(), ids);
  });

  it('comes back by itself after the demo was restarted, and says that the past is gone', async () => {
    const page = await tab();
    await page.open();
    await page.connect('alice', ['news']);
    await page.status('live');
    const id = await page.publish('channel', 'news', 'update', { before: true });
    await page.event(id);
    const port = Number(new URL(demo.url).port);
    await demo.close();
    await page.status('reconnecting');
    // New keys and an empty history: the old token is void.
    demo = await start({ port });
    await page.status('live');
    await page.banner(/0 events replayed, recovered: false/);
    const next = await page.publish('channel', 'news', 'update', { after: true });
    assert.ok(next > id);
    await page.event(next);
    assert.deepEqual(await page.ids(), [id, next]);
  });
});
