'use strict';

// hub-feed.test.js - events that a hub is given with their ids: a batch of a log (ingest), the past of one key
// (hydrate), and the news that some were missed (gap). What a backplane and a stored history stand on.

const assert = require('node:assert/strict');

const { Hub, FORM } = require('../../lib/hub');
const { SCOPE } = require('../../lib/event');
const { serverOptions } = require('../../lib/options');
const { CURSOR } = require('../../lib/request');
const { mockResponse } = require('./helpers/manager');
const { EventStreamParser } = require('./helpers/event-stream');

const A = [SCOPE.channel, '', 'a'];
const B = [SCOPE.channel, '', 'b'];
const BIRTH = 1000;

/** A server's hub over responses that are none: whatever it writes is there when the call returns. */
function makeHub(start = { birth: BIRTH }, options = {}) {
  const hub = new Hub(serverOptions({ hooks: { authenticateSubscriber: () => ({ sub: 'x' }) }, ...options }),
    { onDisconnect() {} }, start);
  const attach = (keys, lastEventId) => {
    const items = [];
    const parser = new EventStreamParser((item) => items.push(item));
    const { res } = mockResponse({ write(chunk) {
      parser.push(Buffer.from(chunk));
      return true;
    } });
    const cursor = lastEventId === undefined ? { kind: CURSOR.none, id: hub.newest } : { kind: CURSOR.id, id: lastEventId };
    hub.attach(hub.reserve(), { keys: keys.flat(), hello: (clientId) => ({ clientId }), cursor }, { res });
    const events = () => items.filter(({ type }) => type !== undefined);
    return {
      recovered: () => JSON.parse(events()[0].data).recovered,
      got: () => events().slice(1).map(({ type, data }) => [type, JSON.parse(data)]),
    };
  };
  return { hub, attach };
}

const record = (id, keys, type = 'n') => [id, type, JSON.stringify(id), FORM.named, keys];
const past = (...ids) => ids.map((id) => record(id).slice(0, 4));
const numbers = (...ids) => ids.map((id) => ['n', id]);

describe('a hub that is given events with their ids', () => {
  let made = [];
  const make = (...args) => {
    const it = makeHub(...args);
    made.push(it.hub);
    return it;
  };
  afterEach(async () => {
    await Promise.all(made.map((hub) => hub.stop(0)));
    made = [];
  });

  it('takes a batch in one step and in order', () => {
    const { hub, attach } = make();
    const client = attach([A, B]);
    hub.ingest([record(1001, A), record(1002, [...A, ...B]), record(1003, B), [1004, 'typed', '{"x":1}', FORM.unnamed, A]]);
    assert.deepEqual(client.got(), [...numbers(1001, 1002, 1003), ['message', { x: 1 }]]);
    assert.equal(hub.newest, 1004);
    hub.ingest([]);
    // What comes twice is sent once.
    hub.ingest([record(1003, A), record(1004, A), record(1005, A)]);
    assert.deepEqual(client.got().slice(4), numbers(1005));
  });

  it('continues behind the highest id that it was given', () => {
    const { hub } = make({ birth: BIRTH, newest: Number.MAX_SAFE_INTEGER - 10 });
    assert.equal(hub.newest, Number.MAX_SAFE_INTEGER - 10);
    assert.equal(hub.publish('n', '1', A), Number.MAX_SAFE_INTEGER - 9);
    const clock = make().hub;
    assert.equal(clock.newest, BIRTH);
    assert.ok(clock.publish('n', '1', A) > 1e15, 'the clock, in microseconds');
  });

  it('takes nothing of a batch that holds no events', () => {
    const { hub, attach } = make();
    const client = attach([A]);
    for (const batch of [[record(1001, A), 7], [record(1001, A), [1002, 'n', 5, 0, A]], [record(1001, A), [1002, 'n', '1', 0, 'a']]]) {
      assert.throws(() => hub.ingest(batch));
    }
    assert.deepEqual(client.got(), []);
    assert.equal(hub.newest, BIRTH);
  });

  it('replays what a key was hydrated with, and knows how far back that reaches', () => {
    const { hub, attach } = make({ birth: BIRTH, newest: 2000 });
    hub.hydrate(A, past(400, 500, 1500), 300);
    for (const [cursor, recovered, got] of [[299, false, [400, 500, 1500]], [300, true, [400, 500, 1500]], [500, true, [1500]]]) {
      const client = attach([A], cursor);
      assert.equal(client.recovered(), recovered, `from ${cursor}`);
      assert.deepEqual(client.got(), numbers(...got));
    }
    // Of the other key nothing is known below the birth.
    assert.equal(attach([B], 999).recovered(), false);
    assert.equal(attach([B], 1000).recovered(), true);
  });

  it('tells of a gap, live and to those that come back', () => {
    const { hub, attach } = make();
    const client = attach([A]);
    hub.ingest([record(1001, A)]);
    hub.gap(1500);
    hub.ingest([record(1600, A)]);
    assert.deepEqual(client.got(), [['n', 1001], ['gap', { floor: 1500 }], ['n', 1600]]);
    assert.equal(attach([A], 1499).recovered(), false);
    assert.equal(attach([A], 1500).recovered(), true);
    assert.equal(hub.newest, 1600);
  });
});
