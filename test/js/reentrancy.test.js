'use strict';

// reentrancy.test.js - responses and hooks that call back into the server while it is busy with them: mocks as
// in a unit test, and real responses that are wrapped. For all other clients nothing changes: each event
// once, in the order in which it was published.

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');

const { startServer, cleanUp } = require('./helpers/app');
const { EventStreamParser } = require('./helpers/event-stream');
const { turn, waitFor } = require('./helpers/wait');

const isEvent = (text) => text.includes('event: t\n');

/** A response with no more than it takes: setHeader, write, end and on. */
class MockResponse {
  /** @param {(text: string, sink: MockResponse) => boolean | undefined} onWrite called once the bytes are taken */
  constructor(onWrite, onEnd) {
    this._emitter = new EventEmitter();
    this.items = [];
    this.ends = 0;
    const parser = new EventStreamParser((item) => this.items.push(item));
    this.response = {
      setHeader: () => {},
      on: (name, listener) => void this._emitter.on(name, listener),
      write: (chunk) => {
        assert.equal(this.ends, 0, 'a write after the end');
        parser.push(Buffer.from(chunk));
        return onWrite?.(String(chunk), this) ?? true;
      },
      end: () => {
        this.ends++;
        onEnd?.(this);
      },
    };
  }

  emit(name, ...args) {
    this._emitter.emit(name, ...args);
  }

  get hello() {
    const first = this.items.find(({ kind }) => kind === 'event');
    return first && JSON.parse(first.data);
  }

  get published() {
    return this.items.filter(({ kind, type }) => kind === 'event' && type === 't');
  }

  get isClosed() {
    return this.ends > 0;
  }

  get last() {
    return this.items.at(-1);
  }
}

const requestOf = (token) => ({
  method: 'GET', url: '/?channel=a', headers: { authorization: `Bearer ${token}` }, rawHeaders: ['Authorization', `Bearer ${token}`],
});

/** A server, a sink that calls back, and witnesses that came before and after it. */
class Stage {
  constructor(kind) {
    this.kind = kind;
    this.ids = [];
    this.told = [];
    this._wrappers = new Map();
  }

  async start(options = {}) {
    const hooks = {
      onConnect: ({ id }) => void this.told.push(['connect', id]),
      onDisconnect: ({ id }, reason) => void this.told.push(['disconnect', id, reason]),
      ...options.hooks,
    };
    const use = (req, res, next) => {
      this._wrap(req.headers['x-sink'], res);
      next();
    };
    this.app = await startServer({ ...options, hooks }, { use: [use] });
    this.sse = this.app.sse;
    return this;
  }

  _wrap(name, res) {
    const { onWrite, onEnd } = this._wrappers.get(name) ?? {};
    const { write, end } = res;
    if (onWrite) {
      res.write = (chunk, ...rest) => {
        const answer = write.call(res, chunk, ...rest);
        return onWrite(String(chunk), { emit: (event) => res.emit(event), res }) ?? answer;
      };
    }
    if (onEnd) {
      res.end = (...args) => {
        end.apply(res, args);
        onEnd();
        return res;
      };
    }
  }

  /** A client whose response calls back. */
  async sink(onWrite, onEnd) {
    if (this.kind === 'wrapped') {
      const name = String(this._wrappers.size);
      this._wrappers.set(name, { onWrite, onEnd });
      return this.app.open({ token: 'sink', channels: ['a'], headers: { 'X-Sink': name } });
    }
    const mock = this.mock('sink', onWrite, onEnd);
    await waitFor(() => mock.hello);
    return mock;
  }

  mock(token, onWrite, onEnd) {
    const mock = new MockResponse(onWrite, onEnd);
    this.sse.handler(requestOf(token), mock.response);
    return mock;
  }

  witness(token = 'witness') {
    return this.app.open({ token, channels: ['a'] });
  }

  async witnesses(count = 2) {
    const all = [];
    for (let i = 0; i < count; i++) all.push(await this.witness());
    return all;
  }

  publish(data) {
    const told = this.sse.publish('a', { type: 't', data });
    // One that is made inside of another is told first.
    told.then((id) => this.ids.push(id) && this.ids.sort((a, b) => a - b), () => {});
    return told;
  }

  /** Publishes once more, and holds what every witness got against what was published since `from`. */
  async assertSeen(witnesses, from = 0) {
    await this.publish('the end');
    const expected = this.ids.slice(from);
    for (const client of witnesses) {
      await waitFor(() => client.published.some(({ data }) => data === '"the end"'), 'the end');
      assert.deepEqual(client.published.map(({ id }) => Number(id)), expected);
    }
  }

  /** Waits for the end of one client and holds what its hooks were told. */
  async assertEnded({ hello }, reason) {
    const about = () => this.told.filter(([, id]) => id === hello.clientId).map(([what, , why]) => why ?? what);
    await waitFor(() => about().length >= 2, () => `onDisconnect of ${hello.clientId}`);
    await turn();
    assert.deepEqual(about(), ['connect', reason]);
    assert.equal(this.sse.clients.has(hello.clientId), false);
  }
}

afterEach(cleanUp);

/** The witnesses' transport, and the sink's kind; a real response is only ours to write to as a stream. */
for (const [transport, kind] of [['auto', 'mock'], ['stream', 'mock'], ['stream', 'wrapped']]) {
  const start = (options) => new Stage(kind).start({ transport, ...options });

  describe(`a ${kind} response that calls back (${transport})`, () => {
    it('publishes from write: once each and in order for all', async () => {
      const stage = await start();
      const before = await stage.witnesses();
      let left = 100;
      const again = (text) => {
        if (isEvent(text) && left > 0) stage.publish(left--);
      };
      const sinks = [await stage.sink(again), await stage.sink(again)];
      const after = await stage.witnesses();
      for (let i = 0; i < 10; i++) stage.publish(`first ${i}`);
      await waitFor(() => left === 0);
      await stage.assertSeen([...before, ...sinks, ...after]);
      assert.equal(stage.ids.length, 111);
    });

    it('publishes to users from write, itself included', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      let left = 50;
      const sink = await stage.sink((text) => {
        if (!isEvent(text) || left === 0) return;
        left--;
        for (const user of ['witness', 'sink', 'nobody']) stage.sse.publishToUser(user, { type: 't', data: left });
      });
      stage.publish('first');
      const expected = ['first', ...Array.from({ length: 50 }, (_, i) => 49 - i)].map((data) => JSON.stringify(data));
      for (const client of [...others, sink]) {
        await waitFor(() => client.published.length >= 51);
        await turn();
        assert.deepEqual(client.published.map(({ data }) => data), expected);
      }
    });

    it('publishes from the write of its head: it gets that once, by replay', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      let isDone = false;
      const sink = await stage.sink(() => {
        if (!isDone) stage.publish('from the head');
        isDone = true;
      });
      await stage.assertSeen([...others, sink]);
    });

    it('disconnects itself from write', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      const answers = [];
      const sink = await stage.sink((text) => {
        if (!isEvent(text)) return;
        for (let i = 0; i < 2; i++) answers.push(stage.sse.disconnect(sink.hello.clientId));
      });
      stage.publish('the last it sees');
      stage.publish('not for it');
      await waitFor(() => sink.isClosed);
      await stage.assertEnded(sink, 'server');
      assert.deepEqual(sink.published.map(({ data }) => data), ['"the last it sees"']);
      assert.equal(answers[0], true);
      await stage.assertSeen(others);
    });

    it('disconnects others from write, those before it and those after', async () => {
      const stage = await start();
      const victims = await stage.witnesses(1);
      const others = await stage.witnesses();
      const sink = await stage.sink((text) => {
        if (!isEvent(text)) return;
        for (const { hello } of victims) stage.sse.disconnect(hello.clientId);
      });
      victims.push(await stage.witness());
      others.push(await stage.witness());
      stage.publish('the last they see');
      for (const victim of victims) {
        await victim.closed();
        await stage.assertEnded(victim, 'server');
        assert.deepEqual(victim.published.map(({ data }) => data), ['"the last they see"']);
      }
      await stage.assertSeen([...others, sink]);
    });

    it('stops the server from write', async () => {
      const stage = await start();
      const before = await stage.witnesses();
      let stopped;
      const sink = await stage.sink((text) => {
        if (!isEvent(text)) return;
        stopped ??= stage.sse.stop();
        stage.publish('too late');
      });
      const after = await stage.witnesses();
      const id = await stage.publish('the last');
      await waitFor(() => stopped !== undefined);
      await stopped;
      assert.equal(stage.told.length, 10);
      assert.deepEqual(stage.sse.stats().events, { published: 1, delivered: 5 });
      for (const client of [...before, sink, ...after]) {
        await waitFor(() => client.isClosed);
        await stage.assertEnded(client, 'shutdown');
        assert.deepEqual(client.published.map((event) => event.id), [String(id)]);
        assert.equal((client.items ?? []).filter(({ type }) => type === 'closing').length, 1);
      }
      await assert.rejects(stage.sse.publish('a', { type: 't', data: 1 }), { code: 'ERR_SSE_STOPPED' });
    });

    it('stops the server from the write of its head: nobody becomes a client', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      let stopped;
      const stop = () => {
        stopped ??= stage.sse.stop();
      };
      if (kind === 'mock') {
        stage.mock('sink', stop);
      } else {
        stage._wrappers.set('stops', { onWrite: stop });
        stage.app.send({ token: 'sink', headers: { 'X-Sink': 'stops' } });
      }
      await waitFor(() => stopped !== undefined);
      await stopped;
      for (const client of others) await stage.assertEnded(client, 'shutdown');
      await turn();
      assert.equal(stage.told.length, 4);
      assert.deepEqual(stage.app.errors, []);
    });

    it('opens another subscription from write', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      const opened = [];
      await stage.sink((text) => {
        if (isEvent(text) && opened.length < 5) opened.push(stage.mock('late'));
      });
      for (let i = 0; i < 5; i++) await stage.publish(i);
      await waitFor(() => opened.length === 5 && opened.every(({ hello }) => hello));
      const counts = opened.map(({ published }) => published.length);
      // The one that came with event `i` gets those after it.
      assert.deepEqual(counts, [4, 3, 2, 1, 0]);
      await stage.assertSeen(others);
      for (const [i, mock] of opened.entries()) {
        assert.deepEqual(mock.published.map(({ id }) => Number(id)), stage.ids.slice(i + 1));
      }
    });

    it('throws from write: it is over, and told once', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      const sink = await stage.sink((text) => {
        if (isEvent(text)) throw new Error('a broken write');
      });
      others.push(await stage.witness());
      stage.publish(1);
      stage.publish(2);
      await stage.assertEnded(sink, 'reset');
      await waitFor(() => sink.isClosed);
      assert.equal(sink.published.length, 1);
      await stage.assertSeen(others);
    });

    it('throws from write after it has published and disconnected', async () => {
      const stage = await start();
      const [victim, ...others] = await stage.witnesses(3);
      const sink = await stage.sink((text) => {
        if (!isEvent(text)) return;
        stage.publish('from a broken one');
        stage.sse.disconnect(victim.hello.clientId);
        stage.sse.disconnect(sink.hello.clientId);
        throw new Error('a broken write');
      });
      stage.publish(1);
      await Promise.all([stage.assertEnded(sink, 'reset'), stage.assertEnded(victim, 'server')]);
      await stage.assertSeen(others);
    });

    it('answers false and has drained by then, or a little later', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      const now = (text, sink) => {
        sink.emit('drain');
        sink.emit('drain');
        return false;
      };
      const soon = (text, sink) => {
        queueMicrotask(() => sink.emit('drain'));
        return false;
      };
      const later = (text, sink) => {
        setImmediate(() => sink.emit('drain'));
        return false;
      };
      const sinks = [];
      for (const drain of [now, soon, later]) sinks.push(await stage.sink(drain));
      for (let i = 0; i < 200; i++) {
        stage.publish(i);
        if (i % 20 === 0) await turn();
      }
      await stage.assertSeen([...others, ...sinks]);
    });

    it('drains without need, from write and from outside', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      let outside;
      const sink = await stage.sink((text, response) => {
        outside = response;
        response.emit('drain');
      });
      for (let i = 0; i < 20; i++) {
        stage.publish(i);
        outside.emit('drain');
      }
      await stage.assertSeen([...others, sink]);
    });

    for (const name of ['close', 'error']) {
      it(`emits '${name}' from write, more than once`, async () => {
        const stage = await start();
        const others = await stage.witnesses();
        const sink = await stage.sink((text, response) => {
          if (!isEvent(text)) return;
          for (let i = 0; i < 3; i++) response.emit(name, new Error('gone'));
        });
        stage.publish(1);
        stage.publish(2);
        await stage.assertEnded(sink, name === 'close' ? 'client' : 'reset');
        assert.ok(sink.published.length <= 1);
        await stage.assertSeen(others);
      });
    }

    it('publishes and disconnects from end', async () => {
      const stage = await start();
      const [victim, ...others] = await stage.witnesses(3);
      let ends = 0;
      const sink = await stage.sink(undefined, () => {
        ends++;
        stage.publish('from end');
        stage.sse.disconnect(sink.hello.clientId);
        stage.sse.disconnect(victim.hello.clientId);
      });
      stage.publish('first');
      assert.equal(stage.sse.disconnect(sink.hello.clientId), true);
      await Promise.all([stage.assertEnded(sink, 'server'), stage.assertEnded(victim, 'server')]);
      assert.equal(ends, 1);
      await stage.assertSeen(others);
      assert.equal(stage.ids.length, 3);
      assert.equal(sink.published.length, 1);
    });

    it('stops the server from end', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      let stopped;
      const sink = await stage.sink(undefined, () => {
        stopped ??= stage.sse.stop();
      });
      stage.sse.disconnect(sink.hello.clientId);
      await waitFor(() => stopped !== undefined);
      await stopped;
      await stage.assertEnded(sink, 'server');
      for (const client of others) await stage.assertEnded(client, 'shutdown');
    });

    it('drains from write, publishes from the write of its last words, and stops the drain from end', async () => {
      const stage = await start();
      const before = await stage.witnesses(20);
      let drained;
      let stopped;
      const sink = await stage.sink((text) => {
        if (isEvent(text)) drained ??= stage.sse.stop({ drainMs: 600_000 });
        if (text.includes('event: closing')) stage.publish('from the last words');
      }, () => {
        stopped ??= stage.sse.stop();
      });
      const after = await stage.witnesses(20);
      stage.publish('the last for the first');
      await waitFor(() => drained !== undefined);
      assert.ok(stage.sse.clients.size >= 40);
      stage.publish('for those who are left');
      stage.sse.disconnect(sink.hello.clientId);
      await waitFor(() => stopped !== undefined);
      await Promise.all([drained, stopped]);
      assert.equal(stage.told.length, 82);
      const expected = ['the last for the first', 'for those who are left'];
      for (const client of [...before, ...after]) {
        await waitFor(() => client.isClosed);
        await stage.assertEnded(client, 'shutdown');
        const seen = client.published.map(({ data }) => JSON.parse(data));
        assert.deepEqual(seen, expected.slice(0, seen.length));
        assert.equal(client.events.filter(({ type }) => type === 'closing').length, 1);
      }
      await assert.rejects(stage.sse.publish('a', { type: 't', data: 1 }), { code: 'ERR_SSE_STOPPED' });
    });

    it('publishes and disconnects another from the write of its last words, in every wave of a drain', async () => {
      const stage = await start();
      let extra = 0;
      const sinks = [];
      for (let i = 0; i < 6; i++) {
        sinks.push(await stage.sink((text) => {
          if (!text.includes('event: closing')) return;
          extra++;
          stage.publish(`last words ${i}`);
          stage.sse.disconnect(sinks.at(-1).hello.clientId);
        }));
      }
      const others = await stage.witnesses(6);
      await stage.sse.stop({ drainMs: 500 });
      await waitFor(() => others.every(({ isClosed }) => isClosed));
      assert.ok(extra >= 5);
      assert.equal(stage.told.length, 24);
      for (const client of others) {
        await stage.assertEnded(client, 'shutdown');
        const seen = client.published.map(({ id }) => Number(id));
        assert.deepEqual(seen, stage.ids.slice(0, seen.length));
      }
      await stage.assertEnded(sinks.at(-1), 'server');
    });

    it('throws from end', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      const sink = await stage.sink(undefined, () => {
        throw new Error('a broken end');
      });
      stage.sse.disconnect(sink.hello.clientId);
      await stage.assertEnded(sink, 'server');
      await stage.assertSeen(others);
    });

    it('does all of it, each doing something else, and the others see nothing of that', async () => {
      const stage = await start();
      const others = await stage.witnesses();
      let left = 300;
      const sinks = [];
      const deeds = [
        () => void stage.publish(left),
        () => void stage.sse.publishToUser('nobody', { type: 't', data: left }),
        (sink) => stage.sse.disconnect(sink.hello.clientId) && undefined,
        () => void stage.sse.disconnect(sinks[left % sinks.length].hello.clientId),
        () => void stage.mock('late'),
        () => {
          throw new Error('a broken write');
        },
        (sink, response) => {
          response.emit('drain');
          return false;
        },
        (sink, response) => void response.emit('close'),
      ];
      for (let i = 0; i < 2 * deeds.length; i++) {
        const sink = await stage.sink((text, response) => {
          if (!isEvent(text) || left === 0) return undefined;
          left--;
          return deeds[(i + left) % deeds.length](sink, response);
        });
        sinks.push(sink);
      }
      others.push(await stage.witness());
      for (let i = 0; i < 30; i++) {
        stage.publish(`round ${i}`);
        if (i % 3 === 0) await turn();
      }
      await stage.assertSeen(others);
      await stage.sse.stop();
      const ids = (what) => stage.told.filter(([name]) => name === what).map(([, id]) => id).sort();
      assert.equal(new Set(ids('connect')).size, ids('connect').length);
      assert.deepEqual(ids('disconnect'), ids('connect'));
    });
  });
}

for (const transport of ['auto', 'stream']) {
  describe(`hooks that call back (${transport})`, () => {
    const start = async (makeHooks) => {
      const stage = new Stage();
      const hooks = makeHooks(stage);
      const record = (name) => (client, detail) => {
        stage.told.push(name === 'onConnect' ? ['connect', client.id] : ['disconnect', client.id, detail]);
        hooks[name]?.(client, detail);
      };
      return stage.start({ transport, hooks: { onConnect: record('onConnect'), onDisconnect: record('onDisconnect') } });
    };
    const assertPaired = (stage) => {
      const ids = (what) => stage.told.filter(([name]) => name === what).map(([, id]) => id);
      assert.equal(new Set(ids('connect')).size, ids('connect').length);
      assert.deepEqual(ids('disconnect').sort(), ids('connect').sort());
    };

    it('publish from onConnect: the newcomer gets it once, as do the others', async () => {
      const stage = await start((self) => ({ onConnect: () => void self.publish('hello') }));
      const all = await stage.witnesses(5);
      await stage.publish('the end');
      for (const [i, client] of all.entries()) {
        await client.until(() => client.published.some(({ data }) => data === '"the end"'));
        assert.deepEqual(client.published.map(({ id }) => Number(id)), stage.ids.slice(i));
      }
    });

    it('publish from onDisconnect, once for each that left', async () => {
      const stage = await start((self) => ({ onDisconnect: ({ id }) => void self.publish(id) }));
      const stays = await stage.witness();
      const gone = await stage.witnesses(6);
      gone.forEach((client, i) => client[['end', 'close', 'reset'][i % 3]]());
      const ids = await stays.data(6);
      assert.deepEqual(ids.sort(), gone.map(({ hello }) => hello.clientId).sort());
      await stage.assertSeen([stays]);
    });

    it('disconnect all who were there from onConnect', async () => {
      const stage = await start((self) => ({ onConnect: ({ id }) => {
        for (const other of self.sse.clients.keys()) if (other !== id) self.sse.disconnect(other);
      } }));
      let last;
      for (let i = 0; i < 5; i++) {
        const next = await stage.witness();
        if (last) {
          await last.closed();
          await stage.assertEnded(last, 'server');
        }
        last = next;
      }
      await stage.app.hasClients(1);
      await stage.assertSeen([last]);
    });

    it('disconnect the next one from onDisconnect, until nobody is left', async () => {
      const stage = await start((self) => ({ onDisconnect: () => {
        const [next] = self.sse.clients.keys();
        if (next !== undefined) self.sse.disconnect(next);
      } }));
      const all = await stage.witnesses(10);
      all[0].end();
      for (const client of all) await client.closed();
      await waitFor(() => stage.told.length === 20);
      await turn();
      assertPaired(stage);
      assert.deepEqual(stage.told.filter(([what]) => what === 'disconnect').map(([, , reason]) => reason),
        ['client', ...Array(9).fill('server')]);
    });

    it('stop from onDisconnect', async () => {
      let stopped;
      const stage = await start((self) => ({ onDisconnect: () => {
        stopped = self.sse.stop();
      } }));
      const all = await stage.witnesses(5);
      all[0].end();
      for (const client of all) await client.closed();
      await waitFor(() => stopped !== undefined);
      await stopped;
      assert.equal(stage.told.length, 10);
      assertPaired(stage);
    });

    it('stop from onConnect while others are on their way', async () => {
      let stopped;
      const stage = await start((self) => ({ onConnect: () => {
        if (self.sse.clients.size === 3) stopped ??= self.sse.stop();
      } }));
      const all = Array.from({ length: 10 }, () => stage.app.send({ channels: ['a'] }));
      const heads = await Promise.all(all.map((client) => client.head()));
      await waitFor(() => stopped !== undefined);
      await stopped;
      assert.deepEqual(heads.map(({ status }) => status).sort(), [...Array(3).fill(200), ...Array(7).fill(503)]);
      assertPaired(stage);
      assert.equal(stage.told.length, 6);
    });

    it('open another subscription from onConnect and onDisconnect', async () => {
      let left = 6;
      const mocks = [];
      const open = (self) => {
        if (left-- > 0) mocks.push(self.mock(`late${left}`));
      };
      const stage = await start((self) => ({ onConnect: () => open(self), onDisconnect: () => open(self) }));
      const [client, other] = await stage.witnesses();
      await waitFor(() => mocks.length === 6 && mocks.every(({ hello }) => hello));
      client.end();
      await waitFor(() => stage.told.some(([what]) => what === 'disconnect'));
      await stage.assertSeen([other, ...mocks]);
      await stage.sse.stop();
      assertPaired(stage);
    });
  });
}

describe('a response whose own code throws', () => {
  const { EventEmitter } = require('node:events');
  const { SseManager } = require('../..');

  class Mock extends EventEmitter {
    constructor() {
      super();
      this.text = '';
      this.isEnded = false;
    }

    setHeader() {}

    write(chunk) {
      this.text += chunk;
      return true;
    }

    end() {
      this.isEnded = true;
    }
  }

  it('costs nobody else an event', async () => {
    const manager = new SseManager();
    const mocks = Array.from({ length: 4 }, () => new Mock());
    for (const mock of mocks) manager.addConnection(mock, ['global']);
    Object.defineProperty(mocks[1], 'writableEnded', { get() {
      throw new Error('an error of the response');
    } });
    manager.broadcast('global', { type: 't', data: 1 });
    for (const [i, { text }] of mocks.entries()) assert.equal(text.includes('event: t\n'), i !== 1, `client ${i}`);
    await waitFor(() => manager.connectionCount === 3);
    manager.broadcast('global', { type: 'u', data: 2 });
    for (const [i, { text }] of mocks.entries()) assert.equal(text.includes('event: u\n'), i !== 1, `client ${i}`);
    await manager.stop();
    for (const [i, { isEnded }] of mocks.entries()) assert.equal(isEnded, i !== 1, `client ${i}`);
  });

  it('does not keep stop() from its end', async () => {
    const manager = new SseManager();
    const mocks = Array.from({ length: 3 }, () => new Mock());
    for (const mock of mocks) manager.addConnection(mock, ['global']);
    mocks[0].off = () => {
      throw new Error('an error of the response');
    };
    await manager.stop();
    assert.equal(manager.connectionCount, 0);
    for (const { isEnded } of mocks) assert.equal(isEnded, true);
  });
});
