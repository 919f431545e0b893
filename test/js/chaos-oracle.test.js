'use strict';

// chaos-oracle.test.js - the judge of the chaos runs, itself judged: what is right passes, and each thing
// that can go wrong is found.

const assert = require('node:assert/strict');

const { Oracle } = require('./chaos/oracle');

const BIRTH = 1_000_000;

/** Events 1 to 6 of two channels, ids 10 apart; a history of two keeps 3 to 6. */
const LOG = ['c:a', 'c:b', 'c:a', 'c:b', 'c:a', 'c:b'].map((key, i) => ({ id: BIRTH + 10 * (i + 1), n: i + 1, key, life: 1 }));
const idOf = (n) => LOG[n - 1].id;

/** A client that was attached after event 5, came back from event 2 and got all: 3 to 5, then 6 live. */
function scene() {
  const client = {
    id: 'x', sid: 's1', userId: 'u', channels: ['a', 'b'], life: 1, reserved: idOf(5), attached: idOf(5),
    reason: null, detached: null, comments: ['one', 'two'],
  };
  const connection = {
    sid: 's1', user: 'u', channels: ['a', 'b'], keys: new Set(['u:u', 'c:a', 'c:b']), sent: String(idOf(2)),
    hello: { clientId: 'x', userId: 'u', channels: ['a', 'b'], recovered: true, lastEventId: idOf(2), id: undefined },
    helloAt: 0, received: LOG.slice(2).map(({ id, n, key }) => ({ id, n, key })), comments: ['one'], closing: null, problems: [],
  };
  const life = {
    number: 1, birth: BIRTH, startedAt: 0, wall: [BIRTH / 1000, BIRTH / 1000], stopCursor: null, problems: [],
    stats: { closed: {}, clients: { socket: 0, stream: 0 } }, clients: [client],
  };
  return { client, connection, life, log: [...LOG], isSurvivor: true };
}

function judge({ connection, life, log, isSurvivor }) {
  const oracle = new Oracle({ options: { history: { size: 2 } }, lives: [life], log });
  oracle.check([connection], new Set(isSurvivor ? [connection] : []));
  return oracle.problems;
}

/** Comes back from before the history, which has all but event 1. */
function returnFrom(all, { sent, recovered }) {
  Object.assign(all.connection, { sent: String(sent), received: LOG.slice(1) });
  Object.assign(all.connection.hello, { recovered, lastEventId: sent });
}

const FAULTS = {
  'a live event that is missing': [/live events: 1 are missing/, ({ connection }) => connection.received.pop()],
  'a replayed event that is missing': [/replay: .* is missing before/, ({ connection }) => connection.received.splice(1, 1)],
  'an event that comes twice': [/got id .* after/, ({ connection }) => connection.received.push(connection.received[3])],
  'events out of order': [/got id .* after/, ({ connection }) => connection.received.reverse()],
  'an event of a channel that was not asked for': [/did not ask for/, ({ connection }) => connection.keys.delete('c:b')],
  'an event that nobody published': [/was published as/, ({ connection }) => connection.received.push({ id: idOf(6) + 1, n: 7, key: 'c:a' })],
  'an event with another id': [/was published as/, ({ connection }) => (connection.received[0].id -= 1)],
  'a loss that is not told': [/told no loss although/, (all) => {
    returnFrom(all, { sent: BIRTH, recovered: true });
  }],
  'a loss that is told for nothing': [/told a loss although/, ({ connection }) => (connection.hello.recovered = false)],
  'a loss told to somebody new': [/although no Last-Event-ID/, ({ connection, client }) => {
    connection.sent = '';
    Object.assign(connection.hello, { recovered: false, lastEventId: null });
    client.reserved = idOf(2);
  }],
  'garbage taken for an id': [/told no loss|another lastEventId/, ({ connection }) => (connection.sent = 'abc')],
  'the future taken for an id': [/told no loss|another lastEventId/, ({ connection }) => (connection.sent = String(idOf(6) + 5))],
  '`closing` that overtook an event': [/before `closing`/, ({ connection, client, life }) => {
    connection.closing = 'shutdown';
    client.reason = 'shutdown';
    life.stopCursor = idOf(6);
    life.stats.closed.shutdown = 1;
    connection.received.pop();
  }],
  'an event after a disconnect': [/should not be there/, ({ client, life }) => {
    Object.assign(client, { reason: 'server', detached: idOf(5) });
    life.stats.closed.server = 1;
  }],
  'a comment for somebody else': [/comments/, ({ connection }) => (connection.comments[0] = 'three')],
  'an onDisconnect that stats() does not count': [/stats\(\)\.closed/, ({ client }) => (client.reason = 'client')],
  'an onConnect that was never called': [/onConnect was never called/, ({ life }) => life.clients.pop()],
  'ids that go back': [/is not above/, ({ log }) => log.splice(2, 2, LOG[3], LOG[2])],
  'a server that begins in another time': [/begin at/, ({ life }) => (life.wall = [5, 5])],
  'what the server process has seen': [/twice/, ({ life }) => life.problems.push('onConnect twice')],
};

describe('the oracle of the chaos runs', () => {
  it('finds nothing wrong with what is right', () => {
    assert.deepEqual(judge(scene()), []);
  });

  it('finds nothing wrong with a connection that was cut', () => {
    const all = { ...scene(), isSurvivor: false };
    all.connection.received.length = 1;
    assert.deepEqual(judge(all), []);
  });

  it('finds nothing wrong with a loss that is told', () => {
    const all = scene();
    returnFrom(all, { sent: BIRTH, recovered: false });
    assert.deepEqual(judge(all), []);
  });

  for (const [name, [expected, spoil]] of Object.entries(FAULTS)) {
    it(`finds ${name}`, () => {
      const all = scene();
      spoil(all);
      const problems = judge(all);
      assert.ok(problems.some((text) => expected.test(text)), JSON.stringify(problems));
    });
  }

  it('finds a connection whose end was never told', () => {
    const { life, log } = scene();
    const oracle = new Oracle({ options: { history: { size: 2 } }, lives: [life], log });
    oracle.checkEnds([life]);
    assert.match(oracle.problems.join(), /no onDisconnect for x/);
  });
});
