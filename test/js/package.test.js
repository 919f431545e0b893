'use strict';

// package.test.js - what `npm pack` makes: only what is meant to be in it, all
// that the build needs, and usable by `require` and `import`.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '../..');

const ALLOWED = [
  /^(LICENSE|README\.md|CHANGELOG\.md|SECURITY\.md|package\.json|binding\.gyp|index\.(js|mjs|d\.ts|d\.mts))$/,
  /^lib\/([a-z]+\/)?[a-z-]+\.js$/,
  /^csrc\/(hub|io|jose|napi|store)\/\w+\.[ch]$/,
  /^docs\/[a-z-]+\.md$/,
  /^docs\/images\/[a-z]+\.svg$/,
  /^tools\/build\.js$/,
];

function run(command, args, options) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options });
  assert.equal(error, undefined);
  assert.equal(status, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

describe('the package', () => {
  let folder;
  let app;
  let installed;

  before(function () {
    this.timeout(60_000);
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-package-'));
    run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT });
    const tarballs = fs.readdirSync(folder);
    assert.equal(tarballs.length, 1);
    app = path.join(folder, 'app');
    installed = path.join(app, 'node_modules/native-sse');
    fs.mkdirSync(installed, { recursive: true });
    run('tar', ['-xzf', path.join(folder, tarballs[0]), '-C', installed, '--strip-components=1']);
    fs.symlinkSync(path.join(ROOT, 'node_modules/express'), path.join(app, 'node_modules/express'), 'dir');
  });

  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  function files() {
    return fs
      .readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.posix.relative(installed, path.posix.join(entry.parentPath ?? entry.path, entry.name)));
  }

  /** Runs a program that uses the package, with the addon of this tree. */
  function use(program, ...args) {
    const env = { ...process.env, NATIVE_SSE_BINDING: path.join(ROOT, 'build/Release/native_sse.node') };
    return run(process.execPath, [...args, '--eval', program], { cwd: app, env });
  }

  it('holds what is meant to be in it, and nothing else', () => {
    const names = files();
    for (const name of names) assert.ok(ALLOWED.some((pattern) => pattern.test(name)), `${name} is in the package`);
    for (const name of ['LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md', 'index.d.ts', 'tools/build.js', 'docs/errors.md']) {
      assert.ok(names.includes(name), `${name} is not in the package`);
    }
  });

  it('holds all that is built and loaded', () => {
    const names = files();
    const gyp = fs.readFileSync(path.join(ROOT, 'binding.gyp'), 'utf8');
    const sources = [...gyp.matchAll(/'(csrc\/[^']+\.c)'/g)].map((match) => match[1]);
    assert.ok(sources.length > 10);
    const scripts = fs
      .readdirSync(path.join(ROOT, 'lib'), { recursive: true })
      .filter((name) => name.endsWith('.js'))
      .map((name) => `lib/${name}`);
    const headers = fs
      .readdirSync(path.join(ROOT, 'csrc'), { recursive: true })
      .filter((name) => name.endsWith('.h'))
      .map((name) => `csrc/${name}`);
    const manifest = JSON.parse(fs.readFileSync(path.join(installed, 'package.json'), 'utf8'));
    assert.equal(manifest.scripts.install, 'node tools/build.js');
    const targets = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(targets));
    const exported = targets(manifest.exports).map((target) => target.slice('./'.length));
    for (const name of [...sources, ...headers, ...scripts, ...exported]) {
      assert.ok(names.includes(name), `${name} is not in the package`);
    }
  });

  it('says which package redisBackplane needs', () => {
    const out = use(`
      const { redisBackplane } = require('native-sse');
      try { redisBackplane({ url: 'redis://127.0.0.1' }); } catch (error) { console.log(error.code, error.message); }
    `);
    assert.match(out, /^ERR_SSE_UNSUPPORTED_RUNTIME .*npm install redis/);
  });

  it('works with require', () => {
    const out = use(`
      const { createSseServer } = require('native-sse');
      const sse = createSseServer({ hooks: { authenticateSubscriber: () => ({ sub: 'alice' }) } });
      console.log(typeof sse.router, require('native-sse/package.json').name, require.resolve('native-sse'));
      sse.publish('news', { type: 'update', data: 1 }).then(() => sse.stop());
    `);
    assert.equal(out, `function native-sse ${path.join(fs.realpathSync(installed), 'index.js')}\n`);
  });

  it('works with import', () => {
    const out = use(
      `
      import native, { createSseServer } from 'native-sse';
      const sse = createSseServer({ hooks: { authenticateSubscriber: () => ({ sub: 'alice' }) } });
      console.log(typeof sse.router, native.createSseServer === createSseServer);
      await sse.publish('news', { type: 'update', data: 1 });
      await sse.stop();
    `,
      '--input-type=module',
    );
    assert.equal(out, 'function true\n');
  });

  it('keeps its inside to itself', () => {
    const out = use("try { require('native-sse/lib/binding'); } catch (error) { console.log(error.code); }");
    assert.equal(out, 'ERR_PACKAGE_PATH_NOT_EXPORTED\n');
  });
});
