// bench/servers/bare-express.js: an Express route that writes the head of a stream, and nothing else.
'use strict';

const express = require('express');
const { define } = require('./lib/bare');

module.exports = define(`express ${require('express/package.json').version}, a bare route`, (answer) => {
  const app = express();
  app.get('/sse', answer);
  return app;
});
