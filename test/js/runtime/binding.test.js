'use strict';

// binding.test.js - loading the native core: where that cannot be, an error says what is wrong, for which
// platform and what to do, and the process lives on.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const ROOT = path.join(__dirname, '../../..');
const ADDON = path.join(ROOT, 'build/Release/native_sse.node');
const CODE = 'ERR_SSE_UNSUPPORTED_RUNTIME';
const HERE = `on ${process.platform}-${process.arch} with Node.js ${process.versions.node}`;

/** Runs a program; what it prints must be all. */
function run(args, { binding, cwd = os.tmpdir() }) {
  const env = { ...process.env };
  delete env.NATIVE_SSE_BINDING;
  if (binding !== undefined) env.NATIVE_SSE_BINDING = binding;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { cwd, env, encoding: 'utf8' });
  return { status, signal, stdout, stderr };
}

/**
 * Requires the package in a process of its own, which must live on.
 * @param {{ root?: string, before?: string, binding?: string, cwd?: string }} [how] `before`: code to run first
 * @returns {{ exports?: string[], name?: string, code?: string, message?: string, cause?: string }}
 */
function load({ root = ROOT, before = '', ...how } = {}) {
  const program = `
    ${before};
    try {
      console.log(JSON.stringify({ exports: Object.keys(require(${JSON.stringify(root)})) }));
    } catch ({ name, code, message, cause }) {
      console.log(JSON.stringify({ name, code, message, cause: cause?.code }));
    }
  `;
  const { stdout, ...rest } = run(['--eval', program], how);
  assert.deepEqual(rest, { status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout);
}

/** Code that makes process.versions what it is elsewhere; undefined takes an entry away. */
function pretend(changes) {
  const lines = Object.entries(changes).map(([name, value]) => (value === undefined ? `delete versions.${name}` : `versions.${name} = '${value}'`));
  return `const versions = { ...process.versions }; ${lines.join(';')}; Object.defineProperty(process, 'versions', { value: versions })`;
}

describe('the native core', () => {
  let folder;

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-binding-'));
  });

  afterEach(() => fs.rmSync(folder, { recursive: true }));

  /** A copy of the package with something else, or nothing, where the addon is built. */
  function copy(addon) {
    for (const name of ['index.js', 'package.json', 'lib']) {
      fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
    }
    const place = path.join(folder, 'build/Release/native_sse.node');
    if (addon !== undefined) {
      fs.mkdirSync(path.dirname(place), { recursive: true });
      fs.writeFileSync(place, addon);
    }
    return place;
  }

  function assertUnsupported({ name, code, message }, ...texts) {
    assert.deepEqual({ name, code }, { name: 'Error', code: CODE });
    for (const text of texts) assert.ok(message.includes(text), `${text} is not in: ${message}`);
    assert.match(message, /\.$/);
  }

  it('loads', () => {
    assert.ok(load().exports.includes('createSseServer'));
  });

  describe('in a runtime that has not what it needs', () => {
    const ABSENT = path.join(ROOT, 'there-is-no-such.node');

    for (const [entry, name] of [['bun', 'Bun'], ['deno', 'Deno'], ['electron', 'Electron'], ['nw', 'NW.js']]) {
      it(`refuses ${name} without touching the addon`, () => {
        const error = load({ before: pretend({ [entry]: '1.2.3' }), binding: ABSENT });
        assertUnsupported(error, 'OpenSSL and libuv', `which ${name} does not offer`, 'Node.js 20 or newer');
        assert.ok(!error.message.includes(ABSENT));
      });
    }

    it('refuses it in an import, too', () => {
      fs.writeFileSync(path.join(folder, 'pretend.cjs'), pretend({ bun: '1.2.3' }));
      const entry = pathToFileURL(path.join(ROOT, 'index.mjs')).href;
      fs.writeFileSync(path.join(folder, 'app.mjs'), `import './pretend.cjs'; import ${JSON.stringify(entry)};`);
      const { status, stderr } = run([path.join(folder, 'app.mjs')], {});
      assert.equal(status, 1);
      assert.match(stderr, /Error: native-sse needs .* Bun[^]*ERR_SSE_UNSUPPORTED_RUNTIME/);
    });

    for (const [entry, name] of [['openssl', 'OpenSSL'], ['uv', 'libuv']]) {
      it(`refuses a Node without ${name}`, () => {
        assertUnsupported(load({ before: pretend({ [entry]: undefined }), binding: ABSENT }), `needs ${name}`, process.versions.node);
      });
    }

    it('refuses a Node that is too old', () => {
      assertUnsupported(load({ before: pretend({ node: '18.20.8' }), binding: ABSENT }), 'needs Node.js 20 or newer', '18.20.8');
    });
  });

  it('says where it was looked for when it was not built', () => {
    const place = copy();
    assertUnsupported(load({ root: folder }), HERE, `no native_sse.node in ${path.dirname(place)}`, '`npm rebuild native-sse`', 'libcjson-dev');
  });

  for (const [what, bytes] of [['is empty', ''], ['is no library', 'x'.repeat(4096)], ['is for another system', 'MZ\x90\0'.padEnd(4096, '\0')]]) {
    it(`says which file ${what}`, () => {
      const place = copy(bytes);
      const error = load({ root: folder });
      assertUnsupported(error, HERE, place, '`npm rebuild native-sse`');
      assert.equal(error.cause, 'ERR_DLOPEN_FAILED');
    });
  }

  it('takes no Debug build in place of a Release build that does not load', () => {
    const place = copy('');
    fs.mkdirSync(path.join(folder, 'build/Debug'));
    fs.copyFileSync(ADDON, path.join(folder, 'build/Debug/native_sse.node'));
    assertUnsupported(load({ root: folder }), place);
    fs.rmSync(place);
    assert.ok(load({ root: folder }).exports.includes('createSseServer'));
  });

  describe('named by NATIVE_SSE_BINDING', () => {
    it('is loaded from there, by an absolute path or from the working directory', () => {
      copy('');
      fs.copyFileSync(ADDON, path.join(folder, 'other.node'));
      for (const binding of [path.join(folder, 'other.node'), 'other.node']) {
        assert.ok(load({ root: folder, binding, cwd: folder }).exports.includes('createSseServer'), binding);
      }
    });

    it('is not replaced by another when it is not there', () => {
      const binding = path.join(folder, 'none.node');
      assertUnsupported(load({ binding }), HERE, `there is no ${binding}`, 'NATIVE_SSE_BINDING');
    });

    it('must be ours', () => {
      const binding = path.join(folder, 'foreign.node');
      const source = path.join(folder, 'foreign.c');
      fs.writeFileSync(source, 'void *napi_register_module_v1(void *env, void *exports) { (void)env; return exports; }\n');
      assert.equal(spawnSync('cc', ['-shared', '-fPIC', '-o', binding, source]).status, 0);
      assertUnsupported(load({ binding }), HERE, `${binding} is another addon`, 'NATIVE_SSE_BINDING');
    });

    it('is none when it is empty', () => {
      assert.ok(load({ binding: '' }).exports.includes('createSseServer'));
    });
  });

  it('is the same for every Node: it takes nothing of V8 and no C++ from it', function test() {
    const { status, stdout } = spawnSync('nm', ['-D', '--undefined-only', ADDON], { encoding: 'utf8' });
    if (process.platform !== 'linux' || status !== 0) return this.skip();
    const names = stdout.trim().split('\n').map((line) => line.trim().split(/\s+/).at(-1));
    assert.ok(names.some((name) => name.startsWith('napi_')));
    assert.deepEqual(names.filter((name) => name.startsWith('_Z')), []);
  });
});
