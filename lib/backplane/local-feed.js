'use strict';

// local-feed.js - where events come from without a backplane: from this process alone. What lib/backplane/feed.js does
// with a log, done at once.

const { RecentIds } = require('./recent-ids');

const REMEMBERED = { ttl: 600_000, most: 10_000 };

class LocalFeed {
  /**
   * @param {import('../hub').Hub} hub
   * @param {{ onOrder: (order: object) => void }} server
   */
  constructor(hub, { onOrder }) {
    this._hub = hub;
    this._onOrder = onOrder;
    this._recent = undefined;
  }

  publish(event, keys, { form, idempotencyKey } = {}) {
    if (idempotencyKey === undefined) return this._hub.settled(this._hub.publish(event.type, event.json, keys, form));
    this._recent ??= new RecentIds(REMEMBERED);
    let id = this._recent.get(idempotencyKey);
    if (id === undefined) {
      id = this._hub.publish(event.type, event.json, keys, form);
      this._recent.set(idempotencyKey, id);
    }
    return this._hub.settled(id);
  }

  order(order) {
    this._onOrder(order);
    return Promise.resolve();
  }

  orderOthers() {
    return Promise.resolve();
  }

  get isReady() {
    return !this._hub.isStopping;
  }

  ready() {
    return Promise.resolve();
  }

  stats() {
    return this._hub.stats();
  }

  whenReady() {
    return undefined;
  }

  prepare() {
    return undefined;
  }

  close() {
    return Promise.resolve();
  }
}

module.exports = { LocalFeed };
