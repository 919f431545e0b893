'use strict';

// eventsource.test.js - the clients that browsers have: Chromium's own EventSource, and
// @microsoft/fetch-event-source inside of it. Each client is a tab of one browser context.
// CHROMIUM_PATH names the browser, unless it is on the PATH.

const path = require('node:path');
const express = require('express');

const findChromium = require('../../tools/find-chromium');
const { describeClient, END, TYPES, OWN_TYPES } = require('../js/clients-real/scenarios');

const CHROMIUM = findChromium();
const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

/** Serves an empty page, and the library as it was published. */
function pages() {
  const router = express.Router();
  const library = path.join(path.dirname(require.resolve('@microsoft/fetch-event-source/package.json')), 'lib/esm');
  // Its modules import each other without the extension.
  router.use('/library', express.static(library, { extensions: ['js'] }));
  router.get('/page', (req, res) => {
    res.type('html').send('<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>client</title>');
  });
  return router;
}

/** What the pages run; `look` is asked from outside. */
const CLIENTS = {
  native({ url, token, types, END: end }) {
    const seen = [];
    const source = new EventSource(`${url}&token=${token}`);
    for (const type of types) {
      source.addEventListener(type, (event) => {
        seen.push({ type, data: JSON.parse(event.data), lastEventId: event.lastEventId });
      });
    }
    source.onerror = () => seen.push({ type: end });
    window.look = () => ({ seen, isOver: source.readyState === EventSource.CLOSED });
  },

  async library({ url, token, END: end }) {
    const { fetchEventSource } = await import('/library/index.js');
    const seen = [];
    let isOver = false;
    let status;
    class Refused extends Error {}
    fetchEventSource(url, {
      headers: { Authorization: `Bearer ${token}` },
      openWhenHidden: true,
      async onopen(response) {
        status = response.status;
        if (!response.ok) throw new Refused();
      },
      onmessage: ({ event, data, id }) => seen.push({ type: event || 'message', data: data === '' ? undefined : JSON.parse(data), lastEventId: id }),
      // Only an error makes it come back.
      onclose() {
        throw new Error();
      },
      onerror(error) {
        seen.push({ type: end, error: error.message || undefined });
        if (error instanceof Refused) throw error;
      },
    }).catch(() => {
      isOver = true;
    });
    window.look = () => ({ seen, isOver, status });
  },
};

/** One browser with one context, so that every client is a tab of the same user. */
class Browser {
  constructor(name, client) {
    this.name = name;
    this.use = [pages()];
    this._client = client;
  }

  async start() {
    const { chromium } = require('playwright-core');
    this._browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
    this._context = await this._browser.newContext();
    this._context.setDefaultTimeout(20_000);
  }

  stop() {
    return this._browser?.close();
  }

  async open(url, token) {
    const page = await this._context.newPage();
    const faults = [];
    page.on('pageerror', (error) => faults.push(error.message));
    // Such as an encoding that ends half-way. A refusal is one line, too, and none of these.
    page.on('console', (message) => {
      if (message.type() === 'error' && /net::ERR_/.test(message.text())) faults.push(message.text());
    });
    await page.goto(new URL('/page', url).href);
    await page.evaluate(CLIENTS[this._client], { url, token, types: [...TYPES, ...OWN_TYPES], END });
    return {
      look: async () => ({ faults, ...await page.evaluate(() => window.look()) }),
      close: () => page.close(),
    };
  }
}

if (CHROMIUM) {
  describeClient(Object.assign(new Browser("Chromium's EventSource", 'native'), { tellsStatus: false }));
  // It sends the id of an event that had only begun to arrive: half an event is lost to it.
  describeClient(Object.assign(new Browser('@microsoft/fetch-event-source', 'library'), { survivesHalfEvents: false }));
} else {
  describe('clients in Chromium (skipped: there is no Chromium; CHROMIUM_PATH may name one)', () => {
    it('see what they must', function test() {
      this.skip();
    });
  });
}
