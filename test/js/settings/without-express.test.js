'use strict';

// without-express.test.js - the package where Express is not installed: `handler` is all there, `router` says
// what is missing.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '../../..');

/** Subscribes by `handler`, gets an event, and asks for `router`; prints what came of it. */
const PROGRAM = `
const http = require('node:http');
module.exports = async ({ createSseServer }) => {
  const sse = createSseServer({ hooks: { authenticateSubscriber: (token) => ({ sub: token }) } });
  const server = http.createServer(sse.handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const text = await new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path: '/any/where?channel=a&token=alice', agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
        if (body.includes('event: connected') && sse.cursor() === start) sse.publish('a', { type: 't', data: 'hello' });
        if (body.includes('"hello"')) sse.stop();
      });
      response.on('end', () => resolve(body));
      response.on('error', reject);
    });
    const start = sse.cursor();
  });
  server.close();
  let problem;
  try {
    sse.router;
  } catch ({ code, message, name, cause }) {
    problem = { code, message, name, cause: cause?.code };
  }
  const types = text.match(/(?<=^event: ).*$/gm);
  const loaded = Object.keys(require.cache).filter((file) => file.includes('node_modules/express/'));
  console.log(JSON.stringify({ types, problem, loaded }));
};
`;

describe('settings: without Express', () => {
  let folder;

  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-bare-'));
    // Copied, not linked: a link would find what is installed here.
    const installed = path.join(folder, 'node_modules/native-sse');
    fs.mkdirSync(installed, { recursive: true });
    const { main, exports } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
    for (const name of ['package.json', path.basename(main), path.basename(exports['.'].import.default ?? exports['.'].import), 'lib']) {
      fs.cpSync(path.join(ROOT, name), path.join(installed, name), { recursive: true });
    }
    fs.writeFileSync(path.join(folder, 'run.cjs'), PROGRAM);
    fs.writeFileSync(path.join(folder, 'by-require.cjs'), 'require(\'./run.cjs\')(require(\'native-sse\'));\n');
    fs.writeFileSync(path.join(folder, 'by-import.mjs'), 'import run from \'./run.cjs\';\nimport * as sse from \'native-sse\';\nrun(sse);\n');
  });

  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  function run(file) {
    const env = { ...process.env, NATIVE_SSE_BINDING: path.join(ROOT, 'build/Release/native_sse.node') };
    delete env.NODE_PATH;
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: folder, env, encoding: 'utf8', timeout: 15_000 });
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout);
  }

  for (const file of ['by-require.cjs', 'by-import.mjs']) {
    it(`loads and streams, and router says what is missing (${file})`, () => {
      const { types, problem, loaded } = run(file);
      assert.deepEqual(types, ['connected', 't', 'closing']);
      assert.deepEqual(problem, {
        code: 'ERR_SSE_UNSUPPORTED_RUNTIME',
        message: 'server.router needs Express 5: npm install express. Without Express use server.handler(req, res).',
        name: 'Error',
        cause: 'MODULE_NOT_FOUND',
      });
      assert.deepEqual(loaded, []);
    });
  }

  it('loads no Express where there is one, as long as only handler is used', () => {
    const program = `
      const { createSseServer } = require('native-sse');
      const sse = createSseServer({ hooks: { authenticateSubscriber: () => ({ sub: 'a' }) } });
      const count = () => Object.keys(require.cache).filter((file) => file.includes('node_modules/express/')).length;
      const { handler } = sse;
      const before = count();
      sse.router;
      console.log(JSON.stringify([typeof handler, before, count() > 0]));
    `;
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--eval', program], { cwd: ROOT, encoding: 'utf8', timeout: 15_000 });
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(stdout), ['function', 0, true]);
  });
});
