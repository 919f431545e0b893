'use strict';

// world.js - one run's server, its subscribers, and the log of all that was published; what moves.js acts on.

const { waitFor } = require('../helpers/wait');
const { channelKey, userKey } = require('./payload');
const { CHANNELS, USERS } = require('./settings');
const { Subscriber } = require('./subscriber');

const KEYS = [...CHANNELS.map(channelKey), ...USERS.map(userKey)];

const beatsOf = ({ connections }) => connections.reduce((sum, { beats }) => sum + beats, 0);

class World {
  /** @param {import('./server').ServerProcess} server @param {object} settings @param {import('./random').Random} random */
  constructor(server, settings, random) {
    Object.assign(this, { server, settings, random });
    /** Everybody there ever was, and those who have not left. */
    this.everybody = [];
    this.present = [];
    this.log = [];
    this.offset = 0;
    this.port = 0;
    this._lastN = 0;
    /** What the server process was asked and has not answered; its failures are told by `answered`. */
    this._asked = [];
  }

  async start() {
    ({ port: this.port } = await this.server.ask('start', this.settings));
  }

  /** Asks without waiting, and has the answer noted: the server process does it in its turn. */
  ask(name, argument, note = () => {}) {
    const answer = this.server.ask(name, argument).then(note);
    answer.catch(() => {});
    this._asked.push(answer);
    return answer;
  }

  async answered() {
    while (this._asked.length > 0) await this._asked.shift();
  }

  /** Subscribes somebody new. */
  open({ user, channels, wait }) {
    const sid = `s${this.everybody.length + 1}`;
    const subscriber = new Subscriber({ sid, user, channels, wait }, () => ({ kind: this.settings.wire, port: this.port }));
    this.everybody.push(subscriber);
    this.present.push(subscriber);
    return subscriber;
  }

  leave(subscriber, how) {
    this.present = this.present.filter((one) => one !== subscriber);
    subscriber.leave(how);
  }

  /** After a failure too: they would come back for ever. */
  dismiss() {
    for (const subscriber of this.everybody) subscriber.leave('close');
  }

  /** Room in the numbers of events. */
  number(count) {
    this._lastN += count;
    return this._lastN - count + 1;
  }

  /** Publishes all of it in one tick. @param {{ key: string, size: number }[]} what */
  publish(what) {
    const first = this.number(what.length);
    const events = what.map((event, i) => ({ ...event, n: first + i }));
    return this.ask('publish', events, (answer) => this._note(events, answer));
  }

  /** Enters what the server took. */
  _note(events, { life, ids }) {
    ids.forEach((id, i) => {
      if (id !== null) this.log.push({ id, life, n: events[i].n, key: events[i].key });
    });
  }

  /** Publishes big events until the server ends the client of somebody who reads none. */
  choke({ sid }, key, size, most) {
    const firstN = this.number(most);
    return this.ask('choke', { sid, key, size, firstN, most }, (answer) => {
      this._note(answer.ids.map((_, i) => ({ n: firstN + i, key })), answer);
    });
  }

  /** Everybody reads on, and has everything: the last event of each key is seen by all who asked for it. */
  async settle() {
    for (const subscriber of this.present) subscriber.resume();
    await this.answered();
    await this._everybody('to be connected', (subscriber) => subscriber.isConnected);
    const start = this.log.length;
    await this.publish(KEYS.map((key) => ({ key, size: 1 })));
    await this.answered();
    const last = new Map(this.log.slice(start).map(({ key, id }) => [key, id]));
    await this._everybody('to have the last event', (subscriber) => {
      const ids = [...subscriber.connection.keys].map((key) => last.get(key));
      return subscriber.isConnected && Number(subscriber.lastEventId) >= Math.max(...ids);
    });
    await this._heartbeats();
  }

  /** The server's clock may have been stepped: its timers must not have stopped. */
  async _heartbeats() {
    if (this.settings.options.heartbeatInterval === 0) return;
    const before = new Map(this.present.map((subscriber) => [subscriber, beatsOf(subscriber)]));
    await this._everybody('to get a heartbeat', (subscriber) => beatsOf(subscriber) > before.get(subscriber));
  }

  async _everybody(what, isDone) {
    for (const subscriber of this.present) {
      const state = () => JSON.stringify({ ...subscriber.connection, keys: [...subscriber.connection.keys], received: subscriber.connection.received.slice(-3) });
      await waitFor(() => isDone(subscriber), () => `${subscriber.sid} ${what}; last id ${subscriber.lastEventId}, ${state()}`);
    }
  }

  get connections() {
    return this.everybody.flatMap(({ connections }) => connections);
  }

  /** The connections that are still there, and so must have everything. */
  get survivors() {
    return new Set(this.present.map(({ connection }) => connection));
  }
}

module.exports = { World, KEYS };
