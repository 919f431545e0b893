// bench/servers/lib/listen.js: starts an HTTP server on a free port of loopback.
'use strict';

/**
 * @param {import('node:http').Server} server
 * @param {{ host: string, backlog: number }} where
 * @returns {Promise<number>} the port
 */
async function listen(server, { host, backlog }) {
  await new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen({ host, port: 0, backlog }, resolve);
  });
  return server.address().port;
}

module.exports = { listen };
