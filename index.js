'use strict';

// index.js - the public exports; wiring only.

const { AuthEventBus } = require('./lib/auth-event-bus');
const { AuthTools } = require('./lib/auth-tools');
const { createJwksAuthenticator } = require('./lib/authenticator');
const { clusterBackplane } = require('./lib/backplane/cluster');
const { redisBackplane } = require('./lib/backplane/redis');
const { SseManager } = require('./lib/manager');
const { createSseServer } = require('./lib/server');
const { createToolsRouter } = require('./lib/tools-router');
const { topics } = require('./lib/topics');

module.exports = {
  createSseServer,
  createJwksAuthenticator,
  SseManager,
  AuthTools,
  AuthEventBus,
  createToolsRouter,
  topics,
  redisBackplane,
  clusterBackplane,
};
