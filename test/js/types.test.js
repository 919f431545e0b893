// types.test.js - index.d.ts against the programs in test/types, which hold what
// must compile and, after @ts-expect-error, what must not.
'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '../..');
const TSC = path.join(ROOT, 'node_modules/typescript/bin/tsc');
const PROJECT = path.join(ROOT, 'test/types/tsconfig.json');

/** @returns {{ status: number, output: string }} */
function tsc(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [TSC, '--pretty', 'false', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

function assertCompiles(...args) {
  const { status, output } = tsc(...args);
  assert.equal(status, 0, `tsc ${args.join(' ')}\n${output}`);
  return output;
}

describe('index.d.ts', () => {
  it('types what must compile and refuses what must not', () => {
    const files = assertCompiles('--project', PROJECT, '--listFiles');
    // Else a tsconfig that matches nothing would pass as well.
    for (const name of fs.readdirSync(path.join(ROOT, 'test/types')).filter((file) => /\.[cm]?ts$/.test(file))) {
      assert.ok(files.includes(`/test/types/${name}`), `${name} was not compiled`);
    }
    assert.ok(files.includes(`${path.sep}index.d.ts`));
  });

  it('does so for bundlers, too', () => {
    assertCompiles('--project', PROJECT, '--module', 'preserve', '--moduleResolution', 'bundler');
  });

  it('reports a wrong program, so that the above can fail', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-types-'));
    try {
      const lines = [
        "import { createSseServer } from 'native-sse';",
        'createSseServer({ heartbeet: 5 });',
        '// @ts-expect-error - nothing is wrong here',
        'createSseServer();',
      ];
      fs.writeFileSync(path.join(folder, 'wrong.mts'), lines.join('\n'));
      const config = {
        extends: PROJECT,
        compilerOptions: {
          paths: { 'native-sse': [path.join(ROOT, 'index.d.ts')] },
          typeRoots: [path.join(ROOT, 'node_modules/@types')],
        },
        include: ['wrong.mts'],
      };
      fs.writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(config));
      const { status, output } = tsc('--project', folder);
      assert.notEqual(status, 0);
      assert.match(output, /wrong\.mts\(2,.*heartbeet/s);
      assert.match(output, /wrong\.mts\(3,.*TS2578/s);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });

  it('needs no types but those of Node', () => {
    const text = fs.readFileSync(path.join(ROOT, 'index.d.ts'), 'utf8');
    const modules = [...text.matchAll(/(?:from|import\(|require\()\s*['"]([^'"]+)['"]/g)].map((match) => match[1]);
    assert.ok(modules.length > 0);
    for (const name of modules) assert.match(name, /^node:/);
    assert.doesNotMatch(text, /\/\/\/\s*<reference/);
  });
});
