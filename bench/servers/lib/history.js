// bench/servers/lib/history.js: channels with subscribers and the last 100 events of each, for peers that bring
// none.
'use strict';

const SIZE = 100;

/** @template T what a subscriber is, @template E what is kept of an event */
class Channel {
  constructor() {
    /** @type {Set<T>} */
    this.subscribers = new Set();
    /** @type {{ id: number, event: E }[]} */
    this.history = [];
  }

  remember(id, event) {
    this.history.push({ id, event });
    if (this.history.length > SIZE) this.history.shift();
  }

  /** @returns {E[]} what came after an id, as a client sends it */
  since(lastId) {
    const after = Number(lastId);
    return this.history.filter(({ id }) => id > after).map(({ event }) => event);
  }
}

class Channels {
  constructor() {
    this._byName = new Map();
    this.size = 0; // subscriptions, in all of them
  }

  get(name) {
    let channel = this._byName.get(name);
    if (channel === undefined) this._byName.set(name, (channel = new Channel()));
    return channel;
  }

  /** @param {string | string[]} names as a query has them */
  join(names, subscriber) {
    for (const name of [].concat(names)) this.get(name).subscribers.add(subscriber);
    this.size += 1;
  }

  leave(names, subscriber) {
    for (const name of [].concat(names)) this.get(name).subscribers.delete(subscriber);
    this.size -= 1;
  }

  /** Everybody, for a heartbeat. */
  *everybody() {
    for (const { subscribers } of this._byName.values()) yield* subscribers;
  }
}

module.exports = { Channels };
