'use strict';

// live-channels.js - the channels of a client that is connected: more, or fewer.
// A change lasts as long as the connection, since an EventSource comes back with
// its first URL; so does a user that is kept here to be asked about.

const { createError, httpError } = require('./errors');
const { SCOPE } = require('./event');
const { Deadline, decide } = require('./hooks');

const keyOf = (channel) => [SCOPE.channel, '', channel];

class LiveChannels {
  /**
   * @param {import('./hub').Hub} hub
   * @param {object} options checked by lib/options.js
   */
  constructor(hub, options) {
    this._hub = hub;
    this._options = options;
    this._authorize = options.hooks.authorizeChannel;
    /** Who each client is, for the hook; empty without one. @type {Map<number, object>} */
    this._users = new Map();
  }

  /** A client has come. */
  arrived(handle, user) {
    if (this._authorize !== undefined) this._users.set(handle, user);
  }

  /** A client has gone. */
  left(handle) {
    this._users.delete(handle);
  }

  /**
   * @param {string} clientId
   * @param {string} channel
   * @returns {Promise<boolean>} false when there is no such client; rejects when it may not have the channel
   */
  async subscribe(clientId, channel) {
    const client = this._hub.describeStaying(clientId);
    if (client === undefined) return false;
    if (client.channels.includes(channel)) return true;
    await this._check(client, channel);
    // While the hook was asked the client may have left, or been given the channel.
    const now = this._hub.describeStaying(clientId);
    if (now === undefined) return false;
    if (now.channels.includes(channel)) return true;
    this._checkCount(now);
    return this._hub.subscribe(now.handle, keyOf(channel));
  }

  /** @returns {boolean} whether it was there and had the channel */
  unsubscribe(clientId, channel) {
    const client = this._hub.describeStaying(clientId);
    return client !== undefined && this._hub.unsubscribe(client.handle, keyOf(channel));
  }

  /** Those of a user: nobody is asked, the app has decided. Each that has too many channels is reported. */
  subscribeAll(handles, channel, onError) {
    for (const handle of handles) {
      const client = this._hub.describeStaying(handle);
      if (client === undefined || client.channels.includes(channel)) continue;
      try {
        this._checkCount(client);
        this._hub.subscribe(handle, keyOf(channel));
      } catch (error) {
        onError(error);
      }
    }
  }

  /** Those of a user. */
  unsubscribeAll(handles, channel) {
    for (const handle of handles) if (this._hub.describeStaying(handle) !== undefined) this._hub.unsubscribe(handle, keyOf(channel));
  }

  async _check(client, channel) {
    this._checkCount(client);
    if (this._authorize === undefined) return;
    const user = this._users.get(client.handle);
    const deadline = new Deadline(this._options.hookTimeout);
    const allowed = await decide(deadline, () => this._authorize(user, channel, undefined));
    if (allowed !== true) throw httpError('ERR_SSE_FORBIDDEN');
  }

  _checkCount({ channels }) {
    const { maxChannelsPerClient } = this._options;
    if (channels.length < maxChannelsPerClient) return;
    throw createError(
      'ERR_SSE_TOO_MANY_CHANNELS',
      `The client has ${channels.length} channels; maxChannelsPerClient is ${maxChannelsPerClient}. Unsubscribe it from another.`,
      Error,
    );
  }
}

module.exports = { LiveChannels };
