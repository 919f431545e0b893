'use strict';

// make-feed.js - where a server's events come from: a backplane's log, or this process alone.

const { Feed } = require('./feed');
const { LocalFeed } = require('./local-feed');

/**
 * @param {import('../hub').Hub} hub with a backplane one that is not open yet
 * @param {object} options checked by lib/options.js
 * @param {{ onOrder: (order: object) => void, onError: (error: unknown) => void }} server
 */
function makeFeed(hub, options, server) {
  return options.backplane === undefined ? new LocalFeed(hub, server) : new Feed(hub, options, server);
}

module.exports = { makeFeed };
