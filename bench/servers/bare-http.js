// bench/servers/bare-http.js: a handler of node:http that writes the head of a stream, and nothing else.
'use strict';

const { define } = require('./lib/bare');

module.exports = define(`node:http of Node ${process.version}, a bare handler`, (answer) => answer);
