// bench/servers/native-stream.js: native-sse behind Express, every client through its response.
'use strict';

module.exports = require('./native').define('stream');
