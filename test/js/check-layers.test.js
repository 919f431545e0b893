// check-layers.test.js - the layer check accepts a sound tree and names what is
// wrong in an unsound one: each rule is shown to be able to fail.
'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const checkLayers = require('../../tools/check-layers.js');

const C = (name, ...lines) => `/* ${name} - a fixture. */\n${lines.join('\n')}\n`;
const JS = (name, ...lines) => `// ${name} - a fixture.\n'use strict';\n${lines.join('\n')}\n`;

/** The smallest tree that uses every arrow there is. */
const SOUND = {
  'package.json': '{ "peerDependencies": { "express": "^5.0.0" } }',
  'binding.gyp': `# 'csrc/hub/not-listed.c'
{ 'targets': [{ 'sources': ['csrc/hub/ring.c', 'csrc/io/thread.c', 'csrc/jose/json.c', 'csrc/napi/addon.c'] }] }`,
  'csrc/hub/ring.h': C('ring.h', '#include <stdint.h>'),
  'csrc/hub/ring.c': C('ring.c', '#include "hub/ring.h"', '#include <string.h>'),
  'csrc/io/thread.h': C('thread.h', '#include <uv.h>'),
  'csrc/io/thread.c': C('thread.c', '#include "thread.h"', '#include "hub/ring.h"', '#include <unistd.h>'),
  'csrc/jose/json.h': C('json.h'),
  'csrc/jose/json.c': C('json.c', '#include "jose/json.h"', '#include <cjson/cJSON.h>', '#include <openssl/evp.h>'),
  'csrc/napi/addon.c': C('addon.c', '#include <node_api.h>', '#include "io/thread.h"', '#include "jose/json.h"'),
  'lib/binding.js': JS('binding.js', "module.exports = require('../build/Release/native_sse.node');"),
  'lib/server.js': JS('server.js', "require('./binding.js');", "require('node:http');", "require('express');"),
  'index.js': JS('index.js', "module.exports = require('./lib/server.js');"),
  'index.mjs': "// index.mjs - a fixture.\nimport sse from './index.js';\nexport default sse;\n",
};

describe('tools/check-layers.js', () => {
  let root;

  beforeEach(() => {
    root = fs.mkdtempSync(path.join(os.tmpdir(), 'check-layers-'));
  });

  afterEach(() => {
    fs.rmSync(root, { recursive: true, force: true });
  });

  function lay(tree) {
    for (const [name, text] of Object.entries(tree)) {
      const file = path.join(root, name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, text);
    }
  }

  /** A sound tree, changed: which complaints does it get? */
  function complaints(changes) {
    lay({ ...SOUND, ...changes });
    return checkLayers(root);
  }

  it('accepts a sound tree', () => {
    assert.deepEqual(complaints({}), []);
  });

  it('refuses an empty tree: a check that sees nothing proves nothing', () => {
    assert.equal(checkLayers(root).length, 1);
  });

  const hub = (...lines) => ({ 'csrc/hub/ring.c': C('ring.c', ...lines) });
  const io = (...lines) => ({ 'csrc/io/thread.c': C('thread.c', ...lines) });
  const jose = (...lines) => ({ 'csrc/jose/json.c': C('json.c', ...lines) });
  const napi = (...lines) => ({ 'csrc/napi/addon.c': C('addon.c', ...lines) });
  const lib = (...lines) => ({ 'lib/server.js': JS('server.js', ...lines) });

  const UNSOUND = [
    ['hub that includes io', hub('#include "io/thread.h"'), 'csrc/hub/ring.c:2: hub may not include csrc/io/thread.h'],
    ['hub that includes jose', hub('', '#include "../jose/json.h"'), 'csrc/hub/ring.c:3: hub may not include csrc/jose/json.h'],
    ['hub with libuv', hub('#include <uv.h>'), 'hub may not include <uv.h>'],
    ['hub with threads', hub('#include <pthread.h>'), 'hub may not include <pthread.h>'],
    ['hub with a clock', hub('#  include <time.h>'), 'hub may not include <time.h>'],
    ['hub with Node', hub('#include <node_api.h>'), 'hub may not include <node_api.h>'],
    ['hub with OpenSSL', hub('#include <openssl/evp.h>'), 'hub may not include <openssl/evp.h>'],
    ['hub with cJSON', hub('#include <cjson/cJSON.h>'), 'hub may not include <cjson/cJSON.h>'],
    ['io that includes napi', { ...io('#include "napi/x.h"'), 'csrc/napi/x.h': C('x.h') }, 'io may not include csrc/napi/x.h'],
    ['io that includes jose', io('#include "jose/json.h"'), 'io may not include csrc/jose/json.h'],
    ['io with Node', io('#include <node_api.h>'), 'io may not include <node_api.h>'],
    ['jose that includes hub', jose('#include "hub/ring.h"'), 'jose may not include csrc/hub/ring.h'],
    ['jose that includes io', jose('#include "io/thread.h"'), 'jose may not include csrc/io/thread.h'],
    ['jose with a clock', jose('#include <time.h>'), 'jose may not include <time.h>'],
    ['cJSON outside json.c', { 'csrc/jose/json.h': C('json.h', '#include <cJSON.h>') }, 'csrc/jose/json.h:2: jose may not include <cJSON.h>'],
    ['napi with OpenSSL', napi('#include <openssl/evp.h>'), 'napi may not include <openssl/evp.h>'],
    ['a .c that is included', napi('#include "hub/ring.c"'), 'napi may not include csrc/hub/ring.c'],
    ['a header that is nowhere', napi('#include "hub/gone.h"'), '"hub/gone.h" is not in csrc'],
    ['a header behind a macro', napi('#include HEADER'), 'an #include must name its header'],
    ['a header from outside csrc', { ...napi('#include "../../x.h"'), 'x.h': '' }, 'napi may not include x.h'],
    ['a file in no layer', { 'csrc/other/x.h': C('x.h') }, 'csrc/other/x.h:1: is in no layer'],

    ['a lookup that ignores case', jose('x = cJSON_GetObjectItem(o, "k");'), 'ignores case'],
    ['a clamped integer', jose('x = item->valueint;'), 'valueint is clamped'],
    ['strcpy', hub('  strcpy(a, b);'), 'csrc/hub/ring.c:2: writes without a bound'],
    ['sprintf', hub('sprintf (a, b);'), 'writes without a bound'],
    ['strcat', hub('strcat(a, b);'), 'writes without a bound'],
    ['an unchecked verification', jose('if (EVP_DigestVerify(c, f(s), n, d, m)) ok();'), 'compare it with 1'],
    ['a verification compared with 0', jose('ok = EVP_DigestVerify(c, s, n, d, m) != 0;'), 'compare it with 1'],
    ['a computed property name', napi('napi_set_named_property(env, f(o, "x"), name, v);'), 'only with a literal name'],
    ['a long .c', hub(...Array(500).fill('')), 'csrc/hub/ring.c:501: has 501 lines: 500 at most'],
    ['a long .h', { 'csrc/hub/ring.h': C('ring.h', ...Array(150).fill('')) }, 'has 151 lines: 150 at most'],
    ['a nameless file', { 'csrc/hub/ring.c': '#include <string.h>\n' }, 'csrc/hub/ring.c:1: must start with a comment'],
    ['another file\'s name', { 'csrc/hub/ring.c': C('table.c') }, 'csrc/hub/ring.c:1: must start with a comment'],

    ['a source that is not built', { 'csrc/hub/key.c': C('key.c') }, 'binding.gyp:1: does not list csrc/hub/key.c'],
    ['a source that is not there', { 'binding.gyp': SOUND['binding.gyp'].replace('[{', "[{ 'more': ['csrc/hub/gone.c'],") }, 'lists csrc/hub/gone.c, which is not there'],

    ['a second loader', lib("require('../build/Release/native_sse.node');"), 'only lib/binding.js loads the addon'],
    ['a loader in disguise', lib('process.dlopen(module, file);'), 'only lib/binding.js loads the addon'],
    ['a computed module name', lib('require(name);'), 'a module must be named by a literal'],
    ['lib that loads the root', lib("require('../index.js');"), 'may not load index.js'],
    ['lib that loads a test', lib("require('../test/js/helper.js');"), 'may not load test/js/helper.js'],
    ['lib that imports csrc', lib("import('../csrc/x.js');"), 'may not load csrc/x.js'],
    ['the root that loads a tool', { 'index.js': JS('index.js', "require('./tools/x.js');") }, 'index.js:3: may not load tools/x.js'],
    ['a package nobody declared', lib("require('left-pad/x');"), 'left-pad is neither a dependency nor a peer'],
    ['a builtin without node:', lib("require('fs');"), 'fs is neither a dependency nor a peer'],
    ['an import of a package', { 'index.mjs': "// index.mjs - x.\nimport {\n  a,\n} from 'left-pad';\n" }, 'left-pad is neither'],
    ['a nameless script', { 'lib/server.js': "'use strict';\n" }, 'lib/server.js:1: must start with a comment'],
  ];
  for (const [what, changes, expected] of UNSOUND) {
    it(`refuses ${what}`, () => {
      const found = complaints(changes);
      assert.equal(found.length, 1, found.join('\n'));
      assert.ok(found[0].includes(expected), found[0]);
    });
  }

  const ALLOWED = [
    ['what a comment says', hub('// strcpy(a, b) and', '/* #include <uv.h>', '#include <uv.h> */')],
    ['what a string says', hub('const char *s = "strcpy(a, b)";')],
    ['the safer neighbours', jose('cJSON_GetObjectItemCaseSensitive(o, "k");', 'snprintf(a, n, "x");')],
    ['a verification compared with 1', jose('ok = EVP_DigestVerify(c, f(s), n, d, m) == 1;', 'if (EVP_DigestVerify(c, s, n, d, m) != 1) no();')],
    ['a literal property name', napi('napi_set_named_property(env, f(o, p), "a,b", v);')],
    ['an export that only looks like an import', { 'index.mjs': "// index.mjs - x.\nexport const a = 'left-pad';\n" }],
    ['500 lines', hub(...Array(499).fill(''))],
  ];
  for (const [what, changes] of ALLOWED) {
    it(`allows ${what}`, () => {
      assert.deepEqual(complaints(changes), []);
    });
  }

  it('exits with 1 and prints each complaint', () => {
    lay({ ...SOUND, ...hub('#include <uv.h>') });
    const { status, stderr } = spawnSync(process.execPath, [require.resolve('../../tools/check-layers.js'), root], { encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /^csrc\/hub\/ring\.c:2: hub may not include <uv\.h>$/m);
  });

  it('exits with 0 when all is well', () => {
    lay(SOUND);
    const { status } = spawnSync(process.execPath, [require.resolve('../../tools/check-layers.js'), root]);
    assert.equal(status, 0);
  });
});
