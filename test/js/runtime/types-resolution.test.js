'use strict';

// types-resolution.test.js - what "Are the types wrong?" says of the package: every way to resolve it finds
// types, and of the module kind that is then loaded.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '../../..');

describe('the types of the package', function suite() {
  this.timeout(60_000);
  let result;

  before(async () => {
    const { checkPackage, createPackageFromTarballData } = await import('@arethetypeswrong/core');
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-types-'));
    try {
      const pack = spawnSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { cwd: ROOT, encoding: 'utf8' });
      assert.equal(pack.status, 0, pack.stderr);
      const [tarball] = fs.readdirSync(folder);
      result = await checkPackage(createPackageFromTarballData(fs.readFileSync(path.join(folder, tarball))));
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
  });

  it('are there, without a problem', () => {
    assert.equal(result.types?.kind, 'included');
    assert.deepEqual(result.problems, []);
  });

  for (const [kind, types, program] of [
    ['node10', 'index.d.ts', 'index.js'],
    ['node16-cjs', 'index.d.ts', 'index.js'],
    ['node16-esm', 'index.d.mts', 'index.mjs'],
    ['bundler', 'index.d.mts', 'index.mjs'],
  ]) {
    it(`are ${types} for ${program} (${kind})`, () => {
      const { resolution, implementationResolution } = result.entrypoints['.'].resolutions[kind];
      assert.equal(path.basename(resolution.fileName), types);
      assert.equal(path.basename(implementationResolution.fileName), program);
    });
  }
});
