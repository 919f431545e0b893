// bench/servers/native-jwks.js: native-sse with its default authentication, and
// the issuer of its tokens (in the same process: its keys are fetched once).
'use strict';

const http = require('node:http');
const express = require('express');
const { createSseServer } = require('../..');
const { AUDIENCE, ISSUER, makeIssuer } = require('../tokens');

module.exports = {
  title: `native-sse ${require('../../package.json').version} with its default authentication`,
  path: '/sse?channel=bench',
  ready: 'connected',
  replays: true,

  async start({ host, backlog }) {
    const issuer = await makeIssuer();
    const sse = createSseServer({
      transport: 'socket',
      jwks: { url: issuer.url, issuer: ISSUER, audience: AUDIENCE },
    });
    await sse.ready();

    const app = express();
    app.use('/sse', sse.router);

    const server = http.createServer(app);
    await new Promise((resolve, reject) => {
      server.on('error', reject);
      server.listen({ host, port: 0, backlog }, resolve);
    });

    return {
      port: server.address().port,
      publish: (type, data) => sse.publish('bench', { type, data }),
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
