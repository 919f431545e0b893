// bench/servers/native-jwks.js: native-sse with its default authentication, and
// the issuer of its tokens (in the same process: its keys are fetched once).
'use strict';

const http = require('node:http');
const express = require('express');
const { createSseServer } = require('../..');
const { AUDIENCE, ISSUER, makeIssuer } = require('../tokens');
const { listen } = require('./lib/listen');

module.exports = {
  title: `native-sse ${require('../../package.json').version} behind Express, tokens checked`,
  path: '/sse',
  ready: 'connected',

  async start({ host, backlog, heartbeat }) {
    const issuer = await makeIssuer();
    const sse = createSseServer({
      transport: 'socket',
      heartbeatInterval: heartbeat,
      jwks: { url: issuer.url, issuer: ISSUER, audience: AUDIENCE },
    });
    await sse.ready();

    const app = express();
    app.use('/sse', sse.router);
    const server = http.createServer(app);
    return {
      port: await listen(server, { host, backlog }),
      publish: (channel, type, data) => sse.publish(channel, { type, data }),
      count: () => sse.clients.size,
      tokens: (count) => issuer.tokens('RS256', count),
      signatureChecks: () => sse.stats().auth?.signatureChecks,
      async stop() {
        await sse.stop();
        await issuer.close();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};
