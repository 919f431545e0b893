'use strict';

// clients.js - `server.clients`: a read-only Map over the native directory.
// Entries are made when looked at; two looks give two objects.

const { inspect } = require('node:util');

/**
 * One client as the app sees it. `res` is found when it is asked for.
 * @param {object} description of the directory
 * @param {() => object | undefined} response
 */
function clientView({ id, userId, channels, connectedAt }, response) {
  return {
    id,
    userId,
    channels,
    connectedAt,
    get res() {
      return response();
    },
  };
}

class ClientsView extends Map {
  /** @param {import('./hub').Hub} hub */
  constructor(hub) {
    super();
    Object.defineProperty(this, '_hub', { value: hub });
  }

  get size() {
    return this._hub.size;
  }

  get(id) {
    const description = typeof id === 'string' ? this._hub.describe(id) : undefined;
    return description && this._view(description);
  }

  has(id) {
    return typeof id === 'string' && this._hub.describe(id) !== undefined;
  }

  *values() {
    for (const handle of this._hub.handles()) {
      const description = this._hub.describe(handle);
      // It may have gone while the caller looked at the one before.
      if (description !== undefined) yield this._view(description);
    }
  }

  *keys() {
    for (const client of this.values()) yield client.id;
  }

  *entries() {
    for (const client of this.values()) yield [client.id, client];
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  forEach(callback, thisArg) {
    for (const [id, client] of this) callback.call(thisArg, client, id, this);
  }

  set() {
    throw new TypeError('clients is read-only; use disconnect(clientId) to end a client.');
  }

  delete() {
    return this.set();
  }

  clear() {
    return this.set();
  }

  [inspect.custom](depth, options) {
    return inspect(new Map(this.entries()), options);
  }

  _view(description) {
    return clientView(description, () => this._hub.responseOf(description));
  }
}

module.exports = { ClientsView, clientView };
