// run-tests.test.js - the test runner counts what really happened: it is run over
// small projects made of fixtures that pass, fail, skip, crash, hang or do nothing.
'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '../..');
const SUITE = (body) => `'use strict';\ndescribe('suite', () => { ${body} });\n`;
const PASSES = "it('works', () => {});";

describe('tools/run-tests.js', function () {
  this.timeout(60_000);
  let root;

  beforeEach(() => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), 'run-tests-'));
    fs.mkdirSync(path.join(root, 'tools'));
    for (const name of ['run-tests.js', 'mocha-reporter.js', 'find-chromium.js', 'nodes.js']) {
      fs.copyFileSync(path.join(ROOT, 'tools', name), path.join(root, 'tools', name));
    }
    fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'));
    lay({ Makefile: 'c-list:\n\t@find build/c-asan -type f 2>/dev/null || true\nc-programs:\n' });
  });

  afterEach(() => {
    fs.rmSync(root, { recursive: true, force: true });
  });

  function lay(tree) {
    for (const [name, text] of Object.entries(tree)) {
      const file = path.join(root, name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, text, { mode: 0o755 });
    }
  }

  /** Runs the runner over the fixtures; `last` is the last line that it printed. */
  function runTests(filters, env = {}) {
    const outer = { ...process.env, CI: '', ...env };
    delete outer.SSE_RESULTS;
    const run = spawnSync(process.execPath, ['tools/run-tests.js', ...filters], { cwd: root, env: outer, encoding: 'utf8' });
    return { status: run.status, output: run.stdout, last: run.stdout.trimEnd().split('\n').at(-1) };
  }

  function expect({ status, last, output }, line, complaint = null) {
    assert.equal(last, line, output);
    assert.equal(status, / 0 failed/.test(line) ? 0 : 1);
    if (complaint) assert.ok(output.includes(`failed: ${complaint}`), output);
    assert.equal(fs.readFileSync(path.join(root, 'build/test-result.txt'), 'utf8'), `${line}\n`);
  }

  describe('mocha', () => {
    it('counts passes', () => {
      lay({ 'test/js/a.test.js': SUITE(PASSES), 'test/js/b/c.test.mjs': "describe('c', () => { it('d', () => {}); });" });
      expect(runTests(['js']), '2 passed, 0 failed');
    });

    it('counts failures and names them', () => {
      lay({ 'test/js/a.test.js': SUITE(`${PASSES} it('breaks', () => { throw new Error('no'); });`) });
      expect(runTests(['js']), '1 passed, 1 failed', 'test/js/a.test.js: suite breaks');
    });

    it('counts a broken hook', () => {
      lay({ 'test/js/a.test.js': SUITE(`before(() => { throw new Error('no'); }); ${PASSES}`) });
      expect(runTests(['js']), '0 passed, 1 failed');
    });

    it('names a skip, which is a failure with CI=true', () => {
      lay({ 'test/js/a.test.js': SUITE(`${PASSES} it('later', function () { this.skip(); });`) });
      const user = runTests(['js']);
      expect(user, '1 passed, 0 failed, 1 skipped');
      assert.match(user.output, /^skipped: test\/js\/a\.test\.js: suite later$/m);
      expect(runTests(['js'], { CI: 'true' }), '1 passed, 1 failed', 'test/js/a.test.js: suite later (skipped)');
    });

    it('refuses .only with CI=true', () => {
      lay({ 'test/js/a.test.js': SUITE(`it.only('works', () => {}); it('breaks', () => { throw new Error('no'); });`) });
      const { status, last } = runTests(['js'], { CI: 'true' });
      assert.equal(status, 1);
      assert.match(last, /^0 passed, [1-9]\d* failed$/);
    });

    it('counts a process that dies, and what had passed before', () => {
      lay({ 'test/js/a.test.js': SUITE(`${PASSES} it('dies', () => { process.kill(process.pid, 'SIGKILL'); return new Promise(() => {}); });`) });
      expect(runTests(['js']), '1 passed, 1 failed', 'test/js/a.test.js: stopped half-way (killed by SIGKILL)');
    });

    it('counts a process that ends too early with 0', () => {
      lay({ 'test/js/a.test.js': SUITE(`${PASSES} it('leaves', () => { process.exit(0); });`) });
      expect(runTests(['js']), '1 passed, 1 failed', 'test/js/a.test.js: stopped half-way');
    });

    it('counts a bad ending after tests that passed', () => {
      lay({ 'test/js/a.test.js': SUITE(`${PASSES} after(() => { process.on('exit', () => process.kill(process.pid, 'SIGSEGV')); });`) });
      expect(runTests(['js']), '1 passed, 1 failed', 'test/js/a.test.js: killed by SIGSEGV');
    });

    it('ends and counts a process that something keeps alive', () => {
      lay({ 'test/js/a.test.js': SUITE(`${PASSES} after(() => { setInterval(() => {}, 1000); });`) });
      expect(runTests(['js']), '1 passed, 1 failed', 'test/js/a.test.js: did not exit after its last test');
    });

    it('counts a file that does not load, a file without a test, and a group without a file', () => {
      lay({ 'test/js/a.test.js': 'no such syntax' });
      expect(runTests(['js']), '0 passed, 1 failed', 'test/js/a.test.js: stopped half-way');
      lay({ 'test/js/a.test.js': "'use strict';\n" });
      expect(runTests(['js']), '0 passed, 1 failed', 'test/js/a.test.js: ran no test');
      fs.rmSync(path.join(root, 'test'), { recursive: true });
      expect(runTests(['js']), '0 passed, 1 failed', 'js: there is no test');
    });
  });

  describe('cmocka', () => {
    const program = (...lines) => ({ 'build/c-asan/test/c/hub/test_x': `#!/bin/sh\n${lines.join('\n')}\n` });

    before(function () {
      if (spawnSync('pkg-config', ['--exists', 'cmocka', 'libuv', 'libcjson', 'libcrypto']).status !== 0) this.skip();
    });

    it('counts passes of every group in a program', () => {
      lay(program("printf '1..2\\nok 1 - a\\nok 2 - b\\n# ok - one\\n1..1\\nok 1 - c\\n'"));
      expect(runTests(['c']), '3 passed, 0 failed');
    });

    it('counts failures and skips', () => {
      lay(program("printf '1..3\\nok 1 - a\\nnot ok 2 - b\\n# why\\nnot ok 3 # SKIP c\\n'", 'exit 1'));
      expect(runTests(['c']), '1 passed, 1 failed, 1 skipped', 'c-asan/hub/test_x: b');
      expect(runTests(['c'], { CI: 'true' }), '1 passed, 2 failed', 'c-asan/hub/test_x: c (skipped)');
    });

    it('counts every test that a crash kept from running', () => {
      lay(program("printf '1..3\\nok 1 - a\\n'", 'kill -ABRT $$'));
      expect(runTests(['c']), '1 passed, 2 failed', 'c-asan/hub/test_x: a test without a result (killed by SIGABRT)');
    });

    it('counts a bad ending after tests that passed, such as a leak', () => {
      lay(program("printf '1..1\\nok 1 - a\\n'", 'exit 23'));
      expect(runTests(['c']), '1 passed, 1 failed', 'c-asan/hub/test_x: exit code 23');
    });

    it('counts a program that ran nothing', () => {
      lay(program('exit 0'));
      expect(runTests(['c']), '0 passed, 1 failed', 'c-asan/hub/test_x: ran no test');
    });
  });

  describe('other Nodes', () => {
    // A Node that tells the tests which one it is, and one that is not installed.
    const NODES = {
      'tools/nodes.js': `exports.otherNodes = () => [
        { major: 98, program: require('node:path').resolve('node-98'), problem: null },
        { major: 99, program: null, problem: 'it is not here' },
      ];`,
      'node-98': `#!/bin/sh\nLEG=98 exec '${process.execPath}' "$@"\n`,
    };

    it('run test/js once more, but for the files that test no code of the product', () => {
      lay({ ...NODES, 'test/js/a.test.js': SUITE("it('is 98', () => require('node:assert').equal(process.env.LEG, '98'));") });
      lay({ 'test/js/b/c.test.js': SUITE(PASSES), 'test/js/docs.test.js': SUITE("it('breaks', () => { throw new Error('no'); });") });
      const run = runTests(['nodes']);
      expect(run, '2 passed, 0 failed, 1 skipped');
      assert.match(run.output, /^== node-98\/b\/c\.test\.js$/m);
      assert.match(run.output, /is 98/);
      assert.match(run.output, /^node-98: 2 of 2 passed$/m);
      assert.match(run.output, /^skipped: node-99 \(it is not here\)$/m);
      expect(runTests(['nodes'], { CI: 'true' }), '2 passed, 1 failed', 'node-99 (it is not here) (skipped)');
    });

    it('name their failures, whatever they printed', () => {
      lay({ ...NODES, 'test/js/a.test.js': SUITE(`${PASSES} it('breaks', () => { console.error('because'); throw new Error('no'); });`) });
      lay({ 'test/js/b.test.js': SUITE(`${PASSES} it('dies', () => { process.kill(process.pid, 'SIGKILL'); return new Promise(() => {}); });`) });
      const run = runTests(['node-98']);
      expect(run, '2 passed, 2 failed', 'node-98/a.test.js: suite breaks');
      assert.match(run.output, /because/);
      assert.match(run.output, /^failed: node-98\/b\.test\.js: stopped half-way \(killed by SIGKILL\)$/m);
    });

    it('are chosen by name, and left out where a file of test/js is', () => {
      lay({ ...NODES, 'test/js/a.test.js': SUITE(PASSES), 'test/js/b.test.js': SUITE(PASSES) });
      expect(runTests(['node-98/a']), '1 passed, 0 failed');
      expect(runTests(['test/js/a']), '1 passed, 0 failed');
      expect(runTests(['js']), '2 passed, 0 failed');
    });
  });

  describe('checks', () => {
    it('counts each check as one result', () => {
      lay({ 'tools/check-a.js': '', 'tools/check-b.js': 'process.exitCode = 1;' });
      expect(runTests(['checks']), '1 passed, 1 failed', 'tools/check-b.js: exit code 1');
    });
  });

  describe('choice', () => {
    it('runs what a filter names', () => {
      lay({ 'test/js/a.test.js': SUITE(PASSES), 'test/js/b.test.js': SUITE(PASSES + PASSES) });
      expect(runTests(['test/js/b']), '2 passed, 0 failed');
    });

    it('fails when a filter names nothing', () => {
      lay({ 'test/js/a.test.js': SUITE(PASSES) });
      const { status, last } = runTests(['nowhere']);
      assert.equal(status, 1);
      assert.match(last, /^0 passed, [1-9]\d* failed$/);
    });
  });

  it('skips browser tests by name where there is no browser, but not with CI=true', () => {
    lay({ 'test/browser/a.test.js': SUITE(PASSES), 'tools/find-chromium.js': 'module.exports = () => null;' });
    expect(runTests(['browser']), '0 passed, 0 failed, 1 skipped');
    expect(runTests(['browser'], { CI: 'true' }), '0 passed, 1 failed', 'test/browser/a.test.js (no Chromium found) (skipped)');
  });
});
