'use strict';

// oracle.js - holds what every connection has got against everything that was published. It knows no time
// but as a bound, so that a verdict depends on nothing but what was said and received.
//
// Two judges, on purpose. The contract needs the log of publishes alone: whoever was told `recovered: true`
// has everything since its Last-Event-ID. The model says exactly what the history must have held, so that
// nobody is told `recovered: false`, or given less, without need.

const { HistoryModel } = require('./model');

const EVENT_ID = /^(?:0|[1-9]\d{0,15})$/;

/** What a Last-Event-ID is to the server: none, an id, or nothing of ours. */
function readSent(text) {
  if (text === '') return { kind: 'none' };
  if (!EVENT_ID.test(text) || !Number.isSafeInteger(Number(text))) return { kind: 'bad' };
  return { kind: 'id', id: Number(text) };
}

const show = (list) => JSON.stringify(list.map(({ id, n }) => ({ id, n })).slice(0, 3));

/** Index of the first id above. */
function firstAbove(list, id) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].id > id) high = middle;
    else low = middle + 1;
  }
  return low;
}

const count = (counts, name) => {
  counts[name] = (counts[name] ?? 0) + 1;
};

class Oracle {
  /**
   * @param {{ options: object, lives: object[], log: { id: number, n: number, key: string, life: number }[] }} run
   *   the server's options, what each of its lives reported, everything that was published
   */
  constructor({ options, lives, log }) {
    this._options = options;
    this._ttl = (options.history.ttl ?? Infinity) * 1000;
    this.problems = [];
    /** For a run that should have met something: how often. */
    this.met = { connections: 0, events: 0, lost: 0, replayed: 0, told: 0, closing: {}, reasons: {} };
    this._lives = new Map(lives.map((life) => [life.number, { ...life, log: [] }]));
    this._byId = new Map();
    for (const event of log) this._note(event);
    for (const life of this._lives.values()) this._checkLife(life);
    this._clients = new Map(lives.flatMap(({ clients }) => clients.map((client) => [client.id, client])));
  }

  _note(event) {
    const { log } = this._lives.get(event.life);
    if (log.length > 0 && event.id <= log.at(-1).id) this._complain(`id ${event.id} of event ${event.n} is not above ${log.at(-1).id}`);
    log.push(event);
    this._byId.set(event.n, event);
  }

  _complain(text, about) {
    const who = about === undefined ? '' : `${about.sid} (${[...about.keys]}, Last-Event-ID ${about.sent || 'none'}, ` +
      `${JSON.stringify(about.hello)}): `;
    this.problems.push(who + text);
  }

  /** A server begins at its wall clock's time, and above all that came before unless that clock went back. */
  _checkLife({ number, birth, wall, problems, stats, clients }) {
    for (const text of problems) this._complain(text);
    const [before, after] = [wall[0] * 1000, (wall[1] + 1) * 1000];
    if (birth < before || birth > after) this._complain(`the ids of life ${number} begin at ${birth}, not in ${before} to ${after}`);
    const closed = Object.values(stats.closed).reduce((sum, n) => sum + n, 0);
    const ended = clients.filter(({ reason }) => reason !== null);
    // The last life is asked while it runs; those before it have stopped.
    if (closed !== ended.length) this._complain(`stats().closed of life ${number} is ${closed}, onDisconnect was called ${ended.length} times`);
    for (const { reason } of ended) count(this.met.reasons, reason);
  }

  /** After the stop of all lives: each connection was told once of its begin and once of its end. */
  checkEnds(lives) {
    for (const { number, clients, stats, problems } of lives) {
      for (const text of problems) this._complain(text);
      for (const { id, sid, reason } of clients) if (reason === null) this._complain(`no onDisconnect for ${id} of ${sid}`);
      const closed = Object.values(stats.closed).reduce((sum, n) => sum + n, 0);
      if (closed !== clients.length) this._complain(`stats().closed of life ${number} sums up to ${closed} for ${clients.length} connections`);
      const { socket, stream } = stats.clients;
      if (socket + stream !== 0) this._complain(`stats().clients of life ${number}: ${socket} and ${stream}`);
    }
  }

  /** @param {import('./subscriber').Connection[]} connections @param {Set<object>} survivors who must have everything */
  check(connections, survivors) {
    for (const connection of connections) {
      for (const text of connection.problems) this._complain(text, connection);
    }
    const greeted = connections.filter(({ hello }) => hello !== null);
    for (const life of this._lives.values()) this._checkLifeOf(life, greeted, survivors);
    for (const connection of greeted) {
      if (!this._clients.has(connection.hello.clientId)) this._complain('onConnect was never called', connection);
    }
  }

  /** The histories grow with the log, so connections are judged in the order of their attach. */
  _checkLifeOf(life, greeted, survivors) {
    const model = new HistoryModel({
      birth: life.birth, size: this._options.history.size ?? 100, most: this._options.maxChannels ?? Infinity,
    });
    const own = greeted
      .map((connection) => ({ connection, client: this._clients.get(connection.hello.clientId) }))
      .filter(({ client }) => client?.life === life.number)
      .sort((a, b) => a.client.attached - b.client.attached);
    let at = 0;
    for (const { connection, client } of own) {
      while (at < life.log.length && life.log[at].id <= client.attached) model.push(life.log[at++]);
      this._checkConnection({ connection, client, life, model, isSurvivor: survivors.has(connection) });
    }
  }

  _checkConnection(subject) {
    const { connection, client } = subject;
    this.met.connections += 1;
    if (connection.closing !== null) count(this.met.closing, connection.closing);
    const sent = readSent(connection.sent);
    const isOurs = sent.kind === 'id' && sent.id <= client.attached;
    const cursor = isOurs ? sent.id : sent.kind === 'id' ? client.attached : client.reserved;
    const replay = { sent, isOurs, cursor };
    this._checkHello(subject, replay);
    this._checkReceived(subject);
    this._checkReplay(subject, replay);
    this._checkLive(subject);
    this._checkComments(subject);
  }

  _checkHello({ connection, client, life, model }, { sent, isOurs }) {
    const { hello } = connection;
    const complain = (text) => this._complain(text, connection);
    if (client.userId !== connection.user || hello.userId !== connection.user) complain('is another user');
    const channels = JSON.stringify(connection.channels);
    if (JSON.stringify(hello.channels) !== channels || JSON.stringify(client.channels) !== channels) complain('has other channels');
    if (hello.lastEventId !== (isOurs ? sent.id : null)) complain('has another lastEventId than was sent');
    if (sent.kind === 'none') {
      if (!hello.recovered) complain('told a loss although no Last-Event-ID was sent');
      return;
    }
    const floor = model.floorOf(connection.keys);
    // The server's clock when it judged is not known; it was at most this.
    const expired = life.birth + (connection.helloAt - life.startedAt) - this._ttl;
    const mayBeLost = !isOurs || sent.id < Math.max(floor, expired);
    if (hello.recovered && (!isOurs || sent.id < floor)) complain(`told no loss although the history begins after ${floor}`);
    if (!hello.recovered && !mayBeLost) complain(`told a loss although the history reaches back to ${floor}`);
    if (!hello.recovered) this.met.told += 1;
  }

  /** Each event is one that was published, to one of the keys, with this id, and ids ascend. */
  _checkReceived({ connection, life }) {
    let last = 0;
    for (const { gap, id, n, key } of connection.received) {
      if (gap !== undefined) continue;
      this.met.events += 1;
      const event = this._byId.get(n);
      if (!event || event.id !== id || event.key !== key || event.life !== life.number) {
        this._complain(`got event ${n} with id ${id}, which was published as ${JSON.stringify(event)}`, connection);
      } else if (!connection.keys.has(key)) {
        this._complain(`got event ${n} of ${key}, which it did not ask for`, connection);
      }
      if (id <= last) this._complain(`got id ${id} after ${last}`, connection);
      last = id;
    }
  }

  /** What came before the client was attached. */
  _checkReplay({ connection, client, life, model, isSurvivor }, { sent, isOurs, cursor }) {
    const events = connection.received.filter(({ gap }) => gap === undefined);
    const got = events.slice(0, firstAbove(events, client.attached));
    const isWhole = isSurvivor || got.length < events.length;
    const held = model.after(connection.keys, cursor);
    const { hello } = connection;
    if (hello.id !== undefined && (Number(hello.id) !== client.attached || got.length > 0)) {
      this._complain(`connected has an id although ${got.length} events follow`, connection);
    }
    const expiredBelow = life.birth + (connection.helloAt - life.startedAt) - this._ttl;
    const isRequired = ({ id }) => id >= expiredBelow;
    this._compare(connection, 'the replay', { got, allowed: held, isRequired, isWhole: isWhole || hello.id !== undefined });
    this.met.replayed += got.length;
    if (sent.kind !== 'id') return;
    const missed = this._published(connection.keys, isOurs ? cursor : Infinity, client.attached);
    if (!hello.recovered) {
      this.met.lost += missed.length - got.length;
    } else {
      // The contract, without the model: nothing is missing, from this life or any before.
      this._compare(connection, 'what was missed', { got, allowed: missed, isRequired: () => true, isWhole });
    }
  }

  _published(keys, after, upTo) {
    return [...this._lives.values()].flatMap(({ log }) => (
      log.slice(firstAbove(log, after), firstAbove(log, upTo)).filter(({ key }) => keys.has(key))
    ));
  }

  /** What came after: everything, up to where the connection was cut. */
  _checkLive({ connection, client, life, isSurvivor }) {
    const live = connection.received.filter(({ id, gap }) => gap !== undefined || id > client.attached);
    const gaps = live.filter(({ gap }) => gap !== undefined);
    // Told to have been missed: allowed, not required.
    const isRequired = ({ id }) => !gaps.some(({ gap }) => id <= gap);
    const got = live.filter(({ gap }) => gap === undefined);
    const detached = client.reason === 'server' ? client.detached : null;
    const allowed = life.log
      .slice(firstAbove(life.log, client.attached), firstAbove(life.log, detached ?? Infinity))
      .filter(({ key }) => connection.keys.has(key));
    this._compare(connection, 'the live events', { got, allowed, isRequired, isWhole: isSurvivor });
    // Who reads `closing` has read all that was published before the server was told to end it.
    const end = client.reason === 'shutdown' ? life.stopCursor : detached;
    if (connection.closing === null || end === null) return;
    const upToEnd = (list) => list.slice(0, firstAbove(list, end));
    this._compare(connection, 'what came before `closing`', { got: upToEnd(got), allowed: upToEnd(allowed), isRequired, isWhole: true });
  }

  /** `got` is `allowed` without any that is not required; to its end when `isWhole`, else as far as it goes. */
  _compare(connection, what, { got, allowed, isRequired, isWhole }) {
    let at = 0;
    for (const event of got) {
      while (at < allowed.length && allowed[at].id < event.id) {
        if (isRequired(allowed[at])) {
          this._complain(`${what}: ${show([allowed[at]])} is missing before ${show([event])}`, connection);
          return;
        }
        at += 1;
      }
      if (at === allowed.length || allowed[at].id !== event.id) {
        this._complain(`${what}: ${show([event])} should not be there`, connection);
        return;
      }
      at += 1;
    }
    const missing = isWhole ? allowed.slice(at).filter(isRequired) : [];
    if (missing.length > 0) this._complain(`${what}: ${missing.length} are missing at the end, ${show(missing)}`, connection);
  }

  _checkComments({ connection, client }) {
    const { comments } = connection;
    const isPrefix = comments.every((text, i) => text === client.comments[i]);
    if (!isPrefix) this._complain(`comments ${comments.slice(0, 5)} of ${client.comments.slice(0, 5)}`, connection);
  }
}

module.exports = { Oracle };
