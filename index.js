'use strict';

// index.js - the public exports; wiring only.

const { createJwksAuthenticator } = require('./lib/authenticator');
const { createSseServer } = require('./lib/server');

module.exports = { createSseServer, createJwksAuthenticator };
