'use strict';

// express.js - Express, asked for only where a router is made: everything else
// works without it.

const { createError } = require('./errors');

/**
 * @param {string} who needs it
 * @param {string} [instead] what to do without it
 */
function requireExpress(who, instead = '') {
  try {
    return require('express');
  } catch (cause) {
    const error = createError('ERR_SSE_UNSUPPORTED_RUNTIME', `${who} needs Express 5: npm install express.${instead}`, Error);
    error.cause = cause;
    throw error;
  }
}

module.exports = { requireExpress };
