'use strict';

// auth-tools.test.js - drives the page of examples/auth-tools in Chromium: every button, and who saw it.

const assert = require('node:assert/strict');
const { start } = require('../../examples/auth-tools/server');
const findChromium = require('../../tools/find-chromium');

const executablePath = findChromium();

/** Button -> who sees it. */
const EXPECTED = {
  'everybody': ['alice', 'bob', 'carol', 'dave'],
  'tenant acme': ['alice', 'bob'],
  'admins of acme': ['alice'],
  'sales of acme': ['alice', 'bob'],
  'global, but of globex': ['carol', 'dave'],
  'bob': ['bob'],
};

describe('the page of examples/auth-tools', function () {
  this.timeout(60_000);
  let app;
  let browser;

  before(function () {
    if (executablePath !== null) return;
    if (process.env.CI) throw new Error('Chromium is missing; CHROMIUM_PATH may name one');
    this.skip();
  });

  afterEach(async () => {
    await browser?.close();
    await app?.close();
  });

  it('shows each person what is theirs, and nothing else', async () => {
    app = await start({ port: 0 });
    const { chromium } = require('playwright-core');
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
    const page = await browser.newPage();
    const errors = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(app.url);
    await page.waitForFunction(() => {
      const texts = [...document.querySelectorAll('.topics')].map(({ textContent }) => textContent);
      return texts.length === 4 && texts.every((text) => text.startsWith('global'));
    });
    for (const name of Object.keys(EXPECTED)) await page.getByRole('button', { name, exact: true }).click();
    // Bob's event is the last, and what everybody got was sent before it.
    const count = Object.values(EXPECTED).flat().length;
    await page.waitForFunction((n) => document.querySelectorAll('li').length >= n, count);
    const seen = await page.$$eval('section', (all) => all.map(({ id, children }) => [id, children[2].children.length]));
    for (const [person, events] of seen) {
      assert.equal(events, Object.values(EXPECTED).filter((people) => people.includes(person)).length, person);
    }
    assert.match(await page.locator('#bob li').first().textContent(), /^security-alert: to bob$/);
    assert.deepEqual(errors, []);
    if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
  });
});
