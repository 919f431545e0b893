'use strict';

// hooks-storm.test.js - clients that vanish at every point of their request: who is told of them, which slots
// come back, and what is left; over both transports.

const assert = require('node:assert/strict');

const { TRANSPORTS, startServer, cleanUp } = require('./helpers/app');
const { requestText } = require('./helpers/client');
const { gate, turn, waitFor } = require('./helpers/wait');

const WAYS = ['end', 'close', 'reset'];

afterEach(cleanUp);

/**
 * Where a client vanishes. `blind` ones do so without anybody being sure how far the server has got;
 * `seen` ones only once the server has heard of it, so that nobody may ever be told of them.
 */
const POINTS = ['half a head', 'half a body', 'after the request', 'blind in authenticate', 'seen in authenticate',
  'blind in authorize', 'seen in authorize', 'after the head', 'after connected'];
const UNTOLD = ['half a head', 'half a body', 'seen in authenticate', 'seen in authorize'];

/** A crowd in which every client has a fate; the token is its name. */
class Crowd {
  /** @param {(number: number) => string} userOf */
  constructor(userOf = (number) => `user${number}`) {
    this._fates = new Map();
    this._userOf = userOf;
    /** [what, client id, name] in the order of the calls. */
    this.told = [];
    const nameOf = (req) => /\d+/.exec(req.headers.authorization)[0];
    const names = new Map();
    this.hooks = {
      authenticateSubscriber: async (token, req) => {
        await this._meetFate(token, 'authenticate', req);
        return { sub: this._userOf(Number(token)) };
      },
      authorizeChannel: async (user, channel, req) => {
        await this._meetFate(nameOf(req), 'authorize', req);
        return true;
      },
      onConnect: ({ id }, req) => {
        names.set(id, nameOf(req));
        this.told.push(['connect', id, names.get(id)]);
      },
      onDisconnect: ({ id }) => void this.told.push(['disconnect', id, names.get(id)]),
    };
  }

  async _meetFate(name, where, req) {
    const { client, point, vanish } = this._fates.get(name) ?? {};
    if (!point?.endsWith(where)) return;
    const isSeen = point.startsWith('seen') && new Promise((resolve) => {
      req.socket.on('close', resolve);
    });
    vanish(await client);
    await isSeen;
  }

  /** Sends one client to where it vanishes. */
  async send(app, point, way) {
    const name = String(this._fates.size);
    const { opened: client, open } = gate();
    const vanish = (one) => one[way]();
    this._fates.set(name, { point, client, vanish });
    const sent = app.send({ token: name, channels: ['a'], raw: this._raw(name, point) });
    open(sent);
    if (point === 'after the head') await sent.head().catch(() => {});
    if (point === 'after connected') await sent.connected().catch(() => {});
    if (!/authenticate|authorize/.test(point)) vanish(sent);
    await sent.closed();
    return sent;
  }

  _raw(name, point) {
    const headers = { Authorization: `Bearer ${name}` };
    if (point === 'half a head') return requestText({ path: '/sse?channel=a', headers }).slice(0, -2);
    if (point !== 'half a body') return undefined;
    return `${requestText({ path: '/sse?channel=a', headers: { ...headers, 'Content-Length': 10 } })}half`;
  }

  of(what) {
    return this.told.filter(([kind]) => kind === what).map(([, id]) => id);
  }

  /** Every connect has one disconnect, later, and those that vanished before have none of both. */
  assertTold() {
    const [connected, disconnected] = [this.of('connect'), this.of('disconnect')];
    assert.equal(new Set(connected).size, connected.length, 'onConnect once each');
    assert.deepEqual([...disconnected].sort(), [...connected].sort());
    const place = new Map(this.told.map(([what, id], i) => [what + id, i]));
    for (const id of connected) assert.ok(place.get(`connect${id}`) < place.get(`disconnect${id}`));
    for (const [, , name] of this.told) {
      const { point } = this._fates.get(name);
      assert.ok(!UNTOLD.includes(point), `told of one that had vanished: ${point}`);
    }
  }
}

/** Opens clients until one is refused; each gets the time that freeing a slot may take. */
async function fill(app, expected, what = {}) {
  for (let i = 0; i < expected; i++) {
    await waitFor(async () => {
      const client = app.send(what);
      const { status } = await client.head();
      if (status !== 200) client.close();
      return status === 200;
    }, `slot ${i + 1} of ${expected} to be free`);
  }
}

for (const transport of TRANSPORTS) {
  describe(`a storm of clients that vanish (${transport})`, () => {
    for (const point of POINTS) {
      it(`${point}: the hooks are told once, and the slots come back once`, async () => {
        const crowd = new Crowd();
        const app = await startServer({ transport, maxClients: 6, hooks: crowd.hooks });
        for (let round = 0; round < 3; round++) {
          await Promise.all([...WAYS, ...WAYS].map((way) => crowd.send(app, point, way)));
          await app.hasClients(0);
        }
        await waitFor(() => crowd.of('disconnect').length === crowd.of('connect').length);
        await turn();
        crowd.assertTold();
        if (point === 'after connected') assert.ok(crowd.told.length > 0);
        await fill(app, 6, { token: 'x9999', channels: ['a'] });
        assert.equal((await app.request()).status, 503);
        assert.equal(app.sse.clients.size, 6);
      });
    }

    it('at all points at once: exactly maxClients and maxClientsPerUser fit afterwards', async () => {
      const crowd = new Crowd((number) => `user${number % 3}`);
      const app = await startServer({ transport, maxClients: 9, maxClientsPerUser: 3, hooks: crowd.hooks });
      const jobs = WAYS.flatMap((way) => POINTS.map((point) => [point, way]));
      for (let round = 0; round < 4; round++) {
        // Twice as many as there is room for: some are refused, and vanish as well.
        await Promise.all(jobs.map(([point, way]) => crowd.send(app, point, way)));
      }
      await app.hasClients(0);
      await waitFor(() => crowd.of('disconnect').length === crowd.of('connect').length);
      await turn();
      crowd.assertTold();
      for (const first of [900, 901, 902]) {
        await fill(app, 3, { token: String(first), channels: ['a'] });
        const answer = await app.request({ token: String(first) });
        assert.equal(answer.status, first === 902 ? 503 : 429);
      }
      assert.equal(app.sse.clients.size, 9);
      assert.equal((await app.request({ token: '903' })).status, 503);
    });

    it('leaves no timer and no socket', async () => {
      const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      const crowd = new Crowd();
      const app = await startServer({ transport, hooks: crowd.hooks, hookTimeout: 60_000 });
      const before = timers();
      await Promise.all(POINTS.flatMap((point) => WAYS.map((way) => crowd.send(app, point, way))));
      await app.hasClients(0);
      const connections = () => new Promise((resolve) => {
        app.server.getConnections((error, count) => resolve(count));
      });
      await waitFor(async () => (await connections()) === 0, 'no connection to be left');
      // The helper's own timers, and Node's for its HTTP server, come and go.
      await waitFor(() => timers() <= before + 1, () => `${before} timers, not ${timers()}`);
    });
  });

  describe(`clients that had gone before the handler was called (${transport})`, () => {
    for (const way of WAYS) {
      it(`(${way}) are nobody's clients`, async () => {
        const crowd = new Crowd();
        const held = gate();
        let req;
        const use = async (request, res, next) => {
          req = request;
          await held.opened;
          next();
        };
        const app = await startServer({ transport, maxClients: 1, hookTimeout: 60_000, hooks: crowd.hooks }, { use: [use] });
        const client = app.send({ token: '1' });
        await waitFor(() => req !== undefined);
        client[way]();
        await waitFor(() => req.socket.destroyed);
        await turn();
        held.open();
        await turn();
        await fill(app, 1, { token: '2' });
        assert.deepEqual(crowd.told.map(([what, , name]) => [what, name]), [['connect', '2']]);
      });

      it(`(${way}) and waited behind another answer are nobody's clients`, async () => {
        const crowd = new Crowd();
        const held = gate();
        const requests = [];
        const use = async (request, res, next) => {
          requests.push(request);
          if (request.url === '/held') return;
          await held.opened;
          next();
        };
        const app = await startServer({ transport, maxClients: 1, hookTimeout: 60_000, hooks: crowd.hooks }, { use: [use] });
        const client = app.send({ raw: requestText({ path: '/held' }) + requestText({ path: '/sse', headers: { Authorization: 'Bearer 1' } }) });
        await waitFor(() => requests.length === 2);
        client[way]();
        await waitFor(() => requests[1].socket.destroyed);
        await turn();
        held.open();
        await turn();
        await turn();
        assert.equal(app.sse.clients.size, 0);
        assert.deepEqual(crowd.told, []);
        await fill(app, 1, { token: '2' });
      });
    }
  });
}
