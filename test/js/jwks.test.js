'use strict';

// jwks.test.js - when keys are fetched, how long they are trusted, and what an
// issuer can do to us. Time is injected; the wire is real where it matters.

const assert = require('node:assert');
const diagnostics = require('node:diagnostics_channel');
const zlib = require('node:zlib');
const { createJwksAuthenticator } = require('../../lib/authenticator');
const { JwksClient } = require('../../lib/jwks');
const { FakeTime, makeKey, serveKeys } = require('./helpers/idp');
const { turn, waitFor } = require('./helpers/wait');

const SETTINGS = {
  url: 'http://127.0.0.1:1/jwks.json',
  issuer: 'https://idp.example',
  maxAge: 600_000,
  cooldown: 30_000,
  backoff: 1000,
  timeout: 5000,
  staleIfError: 3_600_000,
};

/** What the fake issuer's answer becomes natively. */
const load = (body) => {
  const text = body.toString();
  if (!text.startsWith('{')) return { reason: 'E_JSON' };
  return { set: { name: text }, usable: 1, skipped: 0, private: 0 };
};

const answer = (text, status = 200) => new Response(text, { status });

/** A client whose fetches call `respond`, on time that stands still. */
function makeClient(respond, settings = {}) {
  const time = new FakeTime();
  const state = { hits: 0, respond, time };
  state.client = new JwksClient({ ...SETTINGS, ...settings }, {
    load,
    now: time.clock,
    random: () => 0.5, // no jitter
    timers: time.api,
    fetch: async (url, options) => {
      state.hits += 1;
      return state.respond(options, state.hits);
    },
  });
  return state;
}

const UNAVAILABLE = { code: 'ERR_SSE_KEYS_UNAVAILABLE', status: 503 };

describe('JwksClient: age', () => {
  it('fetches at construction, without being asked', async () => {
    const state = makeClient(() => answer('{1}'));
    await FakeTime.settle();
    assert.strictEqual(state.hits, 1);
    assert.strictEqual((await state.client.keys()).name, '{1}');
    assert.strictEqual(state.hits, 1);
    state.client.close();
  });

  it('refreshes in the background at 80 % of the age, so that nobody waits', async () => {
    const state = makeClient((_, n) => answer(`{${n}}`));
    await state.time.advance(479_000);
    assert.strictEqual(state.hits, 1);
    await state.time.advance(2000);
    assert.strictEqual(state.hits, 2);
    assert.strictEqual((await state.client.keys()).name, '{2}');
    await state.time.advance(3_600_000);
    assert.ok(state.hits >= 8 && state.hits <= 10, `${state.hits}`);
    state.client.close();
  });

  it('spreads the background refresh by 10 % either way', async () => {
    for (const [random, due] of [[0, 432_000], [1, 528_000]]) {
      const time = new FakeTime();
      let hits = 0;
      const client = new JwksClient(SETTINGS, {
        load, now: time.clock, random: () => random, timers: time.api,
        fetch: async () => { hits += 1; return answer('{}'); },
      });
      await time.advance(due - 1);
      assert.strictEqual(hits, 1);
      await time.advance(2);
      assert.strictEqual(hits, 2);
      client.close();
    }
  });

  it('waits for a new set when the old one is past its age and nothing has failed', async () => {
    const state = makeClient((_, n) => answer(`{${n}}`));
    await state.client.keys();
    state.time.timers.clear(); // as if the machine had slept
    state.time.now += 600_000;
    assert.strictEqual((await state.client.keys()).name, '{2}');
    state.client.close();
  });

  it('uses the old set for staleIfError past its age while refreshes fail, then 503', async () => {
    const state = makeClient((_, n) => (n === 1 ? answer('{1}') : answer('', 500)));
    await state.client.keys();
    await state.time.advance(600_000 + 3_600_000 - 1000);
    assert.strictEqual((await state.client.keys()).name, '{1}');
    await state.time.advance(1000);
    await assert.rejects(state.client.keys(), UNAVAILABLE);
    state.respond = () => answer('{9}');
    await state.time.advance(31_000);
    assert.strictEqual((await state.client.keys()).name, '{9}');
    state.client.close();
  });

  it('with staleIfError 0 trusts nothing past its age', async () => {
    const state = makeClient((_, n) => (n === 1 ? answer('{1}') : answer('', 500)), { staleIfError: 0 });
    await state.client.keys();
    await state.time.advance(599_000);
    assert.strictEqual((await state.client.keys()).name, '{1}');
    await state.time.advance(1000);
    await assert.rejects(state.client.keys(), UNAVAILABLE);
    state.client.close();
  });
});

describe('JwksClient: unknown kids', () => {
  it('fetches once the cooldown is over, and only then', async () => {
    const state = makeClient((_, n) => answer(`{${n}}`));
    const set = await state.client.keys();
    assert.strictEqual(await state.client.newerThan(set), set);
    await state.time.advance(29_999);
    assert.strictEqual(await state.client.newerThan(set), set);
    assert.strictEqual(state.hits, 1);
    await state.time.advance(1);
    assert.strictEqual((await state.client.newerThan(set)).name, '{2}');
    assert.strictEqual(state.hits, 2);
    state.client.close();
  });

  it('hands out a newer set that came meanwhile, without a fetch', async () => {
    const state = makeClient((_, n) => answer(`{${n}}`));
    const set = await state.client.keys();
    await state.time.advance(481_000);
    assert.strictEqual((await state.client.newerThan(set)).name, '{2}');
    assert.strictEqual(state.hits, 2);
    state.client.close();
  });

  it('lets 1000 a second for a minute cause at most 3 fetches', async () => {
    const state = makeClient((_, n) => answer(`{${n}}`));
    for (let second = 0; second < 60; second++) {
      const set = await state.client.keys();
      const asked = [];
      for (let i = 0; i < 999; i++) asked.push(state.client.newerThan(set));
      await Promise.all(asked);
      await state.time.advance(1000);
    }
    assert.ok(state.hits <= 3, `${state.hits}`);
    state.client.close();
  });

  it('is 503 while the last attempt has failed: a rotated key must not log users out', async () => {
    const state = makeClient((_, n) => (n === 1 ? answer('{1}') : answer('', 500)));
    const set = await state.client.keys();
    await state.time.advance(30_000);
    await assert.rejects(state.client.newerThan(set), UNAVAILABLE);
    assert.strictEqual(state.hits, 2);
    await assert.rejects(state.client.newerThan(set), UNAVAILABLE);
    assert.strictEqual(state.hits, 2); // in backoff: at once
    assert.strictEqual(await state.client.keys(), set); // known kids go on
    state.client.close();
  });

  it('counts an empty set as a success that starts the cooldown', async () => {
    const time = new FakeTime();
    let hits = 0;
    const client = new JwksClient(SETTINGS, {
      load: () => ({ set: {}, usable: 0, skipped: 0, private: 0 }), now: time.clock, timers: time.api,
      fetch: async () => { hits += 1; return answer('{}'); },
    });
    const set = await client.keys();
    for (let i = 0; i < 100; i++) assert.strictEqual(await client.newerThan(set), set);
    assert.strictEqual(hits, 1);
    client.close();
  });
});

describe('JwksClient: failures', () => {
  it('backs off 1, 2, 4 ... 30 seconds, and says how long', async () => {
    const state = makeClient(() => answer('', 500));
    const at = [];
    await FakeTime.settle();
    for (let second = 0; second < 125; second++) {
      if (at.length < state.hits) at.push(second);
      await assert.rejects(state.client.keys(), UNAVAILABLE);
      await state.time.advance(1000);
    }
    assert.deepStrictEqual(at, [0, 1, 3, 7, 15, 31, 61, 91, 121]);
    state.client.close();
  });

  it('starts at most 8 fetches in a minute, whatever the jitter and however many ask', async () => {
    for (const random of [0, 0.5, 1]) {
      const time = new FakeTime();
      let hits = 0;
      const client = new JwksClient(SETTINGS, {
        load, now: time.clock, random: () => random, timers: time.api,
        fetch: async () => { hits += 1; throw new TypeError('fetch failed'); },
      });
      for (let i = 0; i < 600; i++) {
        await Promise.all(Array.from({ length: 10 }, () => assert.rejects(client.keys(), UNAVAILABLE)));
        await time.advance(100);
      }
      assert.ok(hits <= 8, `${hits}`);
      client.close();
    }
  });

  it('tells retryAfter in whole seconds, and the cause', async () => {
    const state = makeClient(() => answer('', 404));
    await FakeTime.settle();
    await assert.rejects(state.client.keys(), (error) => {
      assert.strictEqual(error.retryAfter, 1);
      assert.match(error.cause.message, /404/);
      return true;
    });
    await state.time.advance(3000);
    await assert.rejects(state.client.keys(), { retryAfter: 4 });
    state.client.close();
  });

  it('recovers with the next good answer, and the backoff starts over', async () => {
    const state = makeClient((_, n) => (n < 4 ? answer('', 503) : answer('{ok}')));
    await state.time.advance(6999);
    await assert.rejects(state.client.keys(), UNAVAILABLE);
    await state.time.advance(1);
    assert.strictEqual((await state.client.keys()).name, '{ok}');
    state.client.close();
  });

  it('refuses to queue more than 1000 waiters', async () => {
    let release;
    const state = makeClient(() => new Promise((resolve) => { release = resolve; }));
    const waiting = Array.from({ length: 1000 }, () => state.client.keys());
    await assert.rejects(state.client.keys(), UNAVAILABLE);
    release(answer('{1}'));
    const sets = await Promise.all(waiting);
    assert.ok(sets.every((set) => set.name === '{1}'));
    assert.strictEqual(state.hits, 1);
    assert.strictEqual((await state.client.keys()).name, '{1}');
    state.client.close();
  });

  it('may be asked again by whoever it wakes', async () => {
    const state = makeClient((_, n) => (n === 1 ? answer('', 500) : answer(`{${n}}`)));
    const again = state.client.keys().catch(async () => {
      await state.time.advance(1000);
      return state.client.keys();
    });
    assert.strictEqual((await again).name, '{2}');
    state.client.close();
  });

  it('publishes what happened on native-sse:jwks', async () => {
    const seen = [];
    const listen = (message) => seen.push(message);
    diagnostics.subscribe('native-sse:jwks', listen);
    const state = makeClient((_, n) => (n === 1 ? answer('<html>') : answer('{1}')));
    await state.time.advance(1000);
    diagnostics.unsubscribe('native-sse:jwks', listen);
    state.client.close();
    assert.strictEqual(seen[0].event, 'failed');
    assert.strictEqual(seen[0].failures, 1);
    assert.match(seen[0].error.message, /E_JSON/);
    assert.strictEqual(seen[0].issuer, SETTINGS.issuer);
    assert.deepStrictEqual(seen[1], { event: 'loaded', issuer: SETTINGS.issuer, usable: 1, skipped: 0, private: 0 });
  });

  it('warns once an outage, and of a published private key', async () => {
    const warnings = [];
    const listen = (warning) => warnings.push(warning.code);
    process.on('warning', listen);
    const time = new FakeTime();
    let hits = 0;
    const client = new JwksClient(SETTINGS, {
      load: () => ({ set: {}, usable: 1, skipped: 1, private: 1 }), now: time.clock, timers: time.api,
      fetch: async () => { hits += 1; return hits < 4 ? answer('', 500) : answer('{}'); },
    });
    await time.advance(60_000);
    process.off('warning', listen);
    client.close();
    assert.deepStrictEqual(warnings, ['SSE_JWKS_UNAVAILABLE', 'SSE_JWKS_PRIVATE_KEY']);
  });
});

describe('JwksClient: end', () => {
  it('close() aborts the fetch, wakes the waiters with 503 and starts nothing more', async () => {
    let signal;
    const state = makeClient((options) => new Promise((_, reject) => {
      signal = options.signal;
      signal.addEventListener('abort', () => reject(signal.reason));
    }));
    const waiting = state.client.keys();
    await FakeTime.settle();
    state.client.close();
    state.client.close();
    await assert.rejects(waiting, UNAVAILABLE);
    assert.ok(signal.aborted);
    await assert.rejects(state.client.keys(), UNAVAILABLE);
    await state.time.advance(3_600_000);
    assert.strictEqual(state.hits, 1);
    assert.strictEqual(state.time.timers.size, 0);
  });

  it('ready() resolves with the first set, and rejects when the attempt fails', async () => {
    const good = makeClient(() => answer('{1}'));
    assert.strictEqual(await good.client.ready(), undefined);
    good.client.close();
    const bad = makeClient(() => answer('', 500));
    await assert.rejects(bad.client.ready(), UNAVAILABLE);
    bad.client.close();
  });
});

describe('JwksClient: over HTTP', () => {
  let idp;
  let client;

  afterEach(async () => {
    client.close();
    await idp.close();
  });

  async function start(handler, settings = {}) {
    idp = await serveKeys(handler);
    client = new JwksClient({ ...SETTINGS, url: idp.url, backoff: 10, ...settings }, { load });
  }

  /** The answer is a failure, and the next good one heals it. */
  async function failsThenRecovers(handler, pattern, settings) {
    await start(handler, settings);
    await assert.rejects(client.keys(), (error) => {
      assert.strictEqual(error.code, UNAVAILABLE.code);
      assert.match(error.cause.message, pattern);
      return true;
    });
    idp.answer = [];
    for (let tries = 0; ; tries++) {
      try {
        assert.strictEqual((await client.keys()).name, '{"keys":[]}');
        return;
      } catch (error) {
        if (tries === 100) throw error;
        await new Promise((resolve) => { setTimeout(resolve, 10); });
      }
    }
  }

  it('asks for JSON', async () => {
    let accept;
    await start((req, res) => {
      accept = req.headers.accept;
      res.end('{}');
    });
    await client.keys();
    assert.strictEqual(accept, 'application/json, application/jwk-set+json');
  });

  it('does not follow a redirect', async () => {
    let followed = 0;
    await failsThenRecovers((req, res) => {
      if (req.url === '/other') followed += 1;
      res.writeHead(302, { location: '/other' }).end();
    }, /fetch failed/);
    assert.strictEqual(followed, 0);
  });

  for (const status of [201, 204, 206, 304, 400, 404, 500]) {
    it(`takes 200 only: ${status} is a failure`, async () => {
      await failsThenRecovers((req, res) => res.writeHead(status).end(status === 204 || status === 304 ? undefined : '{}'), /status/);
    });
  }

  it('refuses HTML', async () => {
    await failsThenRecovers((req, res) => res.end('<html>'), /E_JSON/);
  });

  it('refuses an empty body', async () => {
    await failsThenRecovers((req, res) => res.end(), /E_JSON/);
  });

  it('stops reading at 256 KiB', async () => {
    let sent = 0;
    await failsThenRecovers((req, res) => {
      const chunk = Buffer.alloc(65_536, 0x20);
      const more = () => {
        while (sent < 50 * 1024 * 1024 && !res.destroyed) {
          sent += chunk.length;
          if (!res.write(chunk)) {
            res.once('drain', more);
            return;
          }
        }
      };
      more();
    }, /larger than 262144/);
    assert.ok(sent < 20 * 1024 * 1024, `${sent}`);
  });

  it('accepts exactly 256 KiB', async () => {
    await start((req, res) => res.end(`{${' '.repeat(262_142)}}`));
    assert.strictEqual((await client.keys()).name.length, 262_144);
  });

  it('counts after decompression: a bomb is cut short', async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(200 * 1024 * 1024));
    await failsThenRecovers((req, res) => {
      res.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    }, /larger than 262144/);
  });

  it('gives up on an answer that drips', async () => {
    await failsThenRecovers((req, res) => {
      const timer = setInterval(() => res.write(' '), 10);
      res.on('close', () => clearInterval(timer));
    }, /no whole answer in 100 ms/, { timeout: 100 });
  });

  it('gives up on it although garbage is collected meanwhile', async () => {
    let open = 0;
    const drip = (req, res) => {
      open += 1;
      const timer = setInterval(() => res.write(' '), 5);
      res.on('close', () => {
        open -= 1;
        clearInterval(timer);
      });
      // Now that its body is being read: fetch may hold its signal by a weak reference only.
      setTimeout(() => {
        globalThis.gc();
        setImmediate(globalThis.gc);
      }, 50);
    };
    for (let i = 0; i < 3; i++) {
      await failsThenRecovers(drip, /no whole answer in 100 ms/, { timeout: 100 });
      await waitFor(() => open === 0, 'the connection to be let go');
      client.close();
      await idp.close();
    }
    await start([]);
  });

  it('gives up on an answer that never comes', async () => {
    await failsThenRecovers(() => {}, /no whole answer in 100 ms/, { timeout: 100 });
  });

  it('survives a connection that is reset', async () => {
    await failsThenRecovers((req) => req.socket.resetAndDestroy(), /fetch failed/);
  });

  it('shares one fetch among all who wait', async () => {
    await start((req, res) => setTimeout(() => res.end('{}'), 20));
    await Promise.all(Array.from({ length: 500 }, () => client.keys()));
    assert.strictEqual(idp.hits, 1);
  });
});

describe('JwksClient: when nobody has it any more', () => {
  it('is collected, although a refresh is due some day', async () => {
    const collected = [];
    const registry = new FinalizationRegistry((name) => collected.push(name));
    await (async () => {
      const idp = await serveKeys([makeKey('ES256', 'a').jwk]);
      const authenticate = createJwksAuthenticator({ url: idp.url, issuer: 'https://issuer.example', audience: 'api' });
      await authenticate.ready();
      await idp.close();
      registry.register(authenticate, 'authenticator');
    })();
    await waitFor(async () => {
      globalThis.gc();
      await turn();
      return collected.length === 1;
    }, 'the authenticator to be collected');
  });
});
