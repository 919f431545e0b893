'use strict';

// health.test.js - /health through the router where there is no Express around
// it: an HTTP/2 pair has no res.json.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http2 = require('node:http2');

const { startServer, cleanUp } = require('../helpers/app');

describe('/health over cleartext HTTP/2, through the router', () => {
  afterEach(cleanUp);

  it('is the same answer as everywhere', async () => {
    const create = (sse) => http2.createServer((req, res) => sse.router(req, res, (error) => res.destroy(error)));
    const app = await startServer({}, { create });
    const session = http2.connect(`http://127.0.0.1:${app.server.address().port}`);
    try {
      const stream = session.request({ ':path': '/health' });
      const [headers] = await once(stream, 'response');
      let body = '';
      for await (const chunk of stream.setEncoding('utf8')) body += chunk;
      assert.equal(headers[':status'], 200);
      assert.match(headers['content-type'], /^application\/json/);
      assert.equal(body, '{"status":"healthy","clients":0}');
    } finally {
      session.close();
      await once(session, 'close');
    }
  });
});
