'use strict';

// hooks-faults.test.js - hooks that throw, reject and return what no hook should: one report each, nothing
// left behind, and a process that goes on; over both transports.

const assert = require('node:assert/strict');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { turn, waitFor } = require('./helpers/wait');

const HOOKS = ['authenticateSubscriber', 'authorizeChannel', 'onConnect', 'onDisconnect'];

/** Throws whatever is done with it. */
const hostile = () => {
  const trap = () => {
    throw new Error('a trap of the proxy');
  };
  const traps = ['get', 'has', 'getPrototypeOf', 'ownKeys', 'getOwnPropertyDescriptor', 'set', 'defineProperty'];
  return new Proxy({}, Object.fromEntries(traps.map((name) => [name, trap])));
};

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

/** What may be thrown: each is made anew for each throw. */
const THROWN = {
  undefined: () => undefined,
  null: () => null,
  'a string': () => 'text',
  'a number': () => 0,
  'a symbol': () => Symbol('text'),
  'a BigInt': () => 1n,
  'a function': () => () => {},
  'an object without prototype': () => Object.create(null),
  'a frozen error': () => Object.freeze(new Error('frozen')),
  'an error whose message is a symbol': () => Object.assign(new Error(), { message: Symbol('text') }),
  'an error whose message throws': () => Object.defineProperty(new Error(), 'message', {
    get() {
      throw new Error('a getter of the message');
    },
  }),
  'an object whose constructor throws': () => ({
    get constructor() {
      throw new Error('a getter of the constructor');
    },
  }),
  'a hostile proxy': hostile,
  'a revoked proxy': revoked,
};

/** The ways of failing with a value. */
const FAILING = {
  throws: (value) => {
    throw value;
  },
  rejects: (value) => Promise.reject(value),
  'returns a thenable that throws in `then`': (value) => ({
    then() {
      throw value;
    },
  }),
  'returns a thenable that rejects later': (value) => ({ then: (resolve, reject) => void setImmediate(reject, value) }),
  'returns a thenable that fails twice and then succeeds': (value) => ({
    then(resolve, reject) {
      reject(value);
      reject(new Error('twice'));
      resolve(true);
      throw new Error('three times');
    },
  }),
};

/** Has one client come and go, however far the hooks let it. */
async function visit(app) {
  const client = app.send({ channels: ['a'] });
  const { status } = await client.head();
  if (status === 200) await client.connected();
  client.close();
  await client.closed();
  await app.hasClients(0);
  return status;
}

/** Collects process warnings while `run` runs, in place of Node, which would print them. */
async function warningsOf(run) {
  const warnings = [];
  const printers = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => warnings.push(warning));
  try {
    await run();
    await waitFor(() => warnings.length > 0, 'a warning');
    await turn();
  } finally {
    process.removeAllListeners('warning');
    for (const printer of printers) process.on('warning', printer);
  }
  return warnings.map(({ name, code }) => [name, code]);
}

afterEach(cleanUp);

for (const transport of TRANSPORTS) {
  for (const hook of HOOKS) {
    const isDeciding = hook.startsWith('auth');

    describe(`${hook} that fails (${transport})`, () => {
      for (const [how, fail] of Object.entries(FAILING)) {
        it(`${how}, with anything: one report each, and the slot comes back`, async () => {
          let make;
          const app = await startServer({ transport, maxClients: 1, maxClientsPerUser: 1, hooks: { [hook]: () => fail(make()) } });
          for (const [name, thrown] of Object.entries(THROWN)) {
            make = thrown;
            assert.equal(await visit(app), isDeciding ? 500 : 200, name);
            await waitFor(() => app.errors.length > 0, `a report of ${name}`);
            await turn();
            assert.equal(app.errors.splice(0).length, 1, name);
          }
        });
      }

      it('is one warning where nobody listens, whatever is thrown first', async () => {
        for (const [name, make] of Object.entries(THROWN)) {
          const fail = () => FAILING.throws(make());
          const app = await startServer({ transport, hooks: { [hook]: fail } }, { isSilent: true });
          const warnings = await warningsOf(async () => {
            await visit(app);
            await visit(app);
          });
          assert.deepEqual(warnings, [['SseWarning', 'SSE_WARN_HOOK']], name);
        }
      });

      it('is no exception when the listener of `error` leaves at the first of many', async () => {
        const fail = () => FAILING.throws(new Error('boom'));
        const app = await startServer({ transport, hooks: { [hook]: fail } }, { isSilent: true });
        let heard = 0;
        const leave = () => {
          heard++;
          app.sse.off('error', leave);
        };
        app.sse.on('error', leave);
        const warnings = await warningsOf(async () => {
          const clients = Array.from({ length: 5 }, () => app.send({ channels: ['a'] }));
          await Promise.all(clients.map((client) => client.head()));
          for (const client of clients) client.close();
          await app.hasClients(0);
        });
        assert.equal(heard, 1);
        assert.deepEqual(warnings, [['SseWarning', 'SSE_WARN_HOOK']]);
      });
    });
  }

  describe(`odd answers of hooks (${transport})`, () => {
    const odd = {
      'a thenable that answers twice': (value, other) => ({
        then(resolve) {
          resolve(value);
          resolve(other);
        },
      }),
      'a thenable that answers and then throws': (value) => ({
        then(resolve) {
          resolve(value);
          throw new Error('too late');
        },
      }),
      'a thenable that answers and then fails': (value) => ({
        then(resolve, reject) {
          resolve(value);
          reject(new Error('too late'));
        },
      }),
      'a thenable in a thenable': (value) => ({ then: (resolve) => resolve({ then: (inner) => setImmediate(inner, value) }) }),
    };
    for (const [name, answer] of Object.entries(odd)) {
      it(`${name}: the first one counts, once`, async () => {
        const calls = { authenticateSubscriber: 0, authorizeChannel: 0, onConnect: 0, onDisconnect: 0 };
        const app = await startServer({ transport, hooks: {
          authenticateSubscriber: () => {
            calls.authenticateSubscriber++;
            return answer({ sub: 'first' }, { sub: 'second' });
          },
          authorizeChannel: (user, channel) => {
            calls.authorizeChannel++;
            return channel === 'b' ? answer(false, true) : answer(true, false);
          },
          onConnect: () => {
            calls.onConnect++;
            return answer(1, 2);
          },
          onDisconnect: () => {
            calls.onDisconnect++;
            return answer(1, 2);
          },
        } });
        const client = await app.open({ channels: ['a'] });
        assert.equal(client.hello.userId, 'first');
        assert.equal((await app.request({ channels: ['b'] })).status, 403);
        client.close();
        await app.hasClients(0);
        await waitFor(() => calls.onDisconnect > 0);
        await turn();
        assert.deepEqual(calls, { authenticateSubscriber: 2, authorizeChannel: 2, onConnect: 1, onDisconnect: 1 });
      });
    }

    const users = {
      'a hostile proxy': hostile,
      'a revoked proxy': revoked,
      'a user whose sub throws': () => ({
        get sub() {
          throw new Error('a getter of sub');
        },
      }),
      'a user whose exp throws': () => ({
        sub: 'alice',
        get exp() {
          throw new Error('a getter of exp');
        },
      }),
      'a user whose sub throws the second time': () => {
        let reads = 0;
        return {
          get sub() {
            reads++;
            if (reads > 1) throw new Error('a getter of sub');
            return 'alice';
          },
        };
      },
    };
    for (const [name, make] of Object.entries(users)) {
      it(`${name} is no client for long, and no slot is lost`, async () => {
        const app = await startServer({ transport, maxClients: 1, maxClientsPerUser: 1, hooks: { authenticateSubscriber: make } });
        for (let i = 0; i < 3; i++) {
          const client = app.send({ channels: ['a'] });
          const { status } = await client.head();
          assert.ok(status === 200 || status === 500, `${status}`);
          client.close();
          await app.hasClients(0);
        }
        app.errors.splice(0);
        assert.notEqual((await app.request({ method: 'HEAD' })).status, 503);
        app.errors.splice(0);
      });
    }

    it('a hook that never ends holds its slot for hookTimeout and no longer, and leaves no timer', async () => {
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      for (const hook of ['authenticateSubscriber', 'authorizeChannel']) {
        const app = await startServer({ transport, maxClients: 4, hookTimeout: 20, hooks: { [hook]: () => new Promise(() => {}) } });
        const before = timers();
        for (let round = 0; round < 3; round++) {
          const answers = await Promise.all(Array.from({ length: 4 }, () => app.request({ channels: ['a'] })));
          assert.deepEqual(answers.map(({ json }) => json.error), Array(4).fill('ERR_SSE_HOOK_TIMEOUT'));
        }
        await waitFor(() => timers() <= before + 1, () => `${before} timers, not ${timers()}`);
        assert.equal(app.sse.clients.size, 0);
      }
    });

    it('onConnect and onDisconnect that never end hold nothing', async () => {
      const never = () => new Promise(() => {});
      const app = await startServer({ transport, maxClients: 1, hooks: { onConnect: never, onDisconnect: never } });
      for (let i = 0; i < 5; i++) assert.equal(await visit(app), 200);
      await app.sse.stop();
    });
  });
}
