'use strict';

// docs.test.js - README, docs/ and index.d.ts against the code: exports, options
// and defaults, codes, dependencies, commands and links. What the code accepts is
// asked of the code, never read from its source.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const native = require('../..');
const binding = require('../../lib/binding');
const { CODES, HTTP } = require('../../lib/errors');
const { readIssuers } = require('../../lib/jwks-options');
const { serverOptions } = require('../../lib/options');
const { ROOT, documents, read, fences } = require('./helpers/snippets');

const README = read('README.md');
const TYPES = read('index.d.ts');
const ERRORS = read('docs/errors.md');
const manifest = JSON.parse(read('package.json'));

const sorted = (names) => [...new Set(names)].sort();
const matches = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1]);

/** The text below a heading, up to the next of the same or a higher rank. */
function section(text, heading) {
  const rank = /^#+/.exec(heading)[0].length;
  const lines = text.split('\n');
  const start = lines.indexOf(heading);
  assert.notEqual(start, -1, `there is no heading "${heading}"`);
  const end = lines.findIndex((line, i) => i > start && /^#+ /.test(line) && /^#+/.exec(line)[0].length <= rank);
  return lines.slice(start + 1, end === -1 ? undefined : end).join('\n');
}

/** The rows of the tables in a text, as arrays of cells, without their heads. */
function rows(text) {
  const found = [];
  const lines = text.split('\n');
  lines.forEach((line, i) => {
    if (/^\|[-| ]+\|$/.test(line)) found.push(i);
  });
  return found.flatMap((head) => {
    const end = lines.findIndex((line, i) => i > head && !line.startsWith('|'));
    const body = lines.slice(head + 1, end === -1 ? undefined : end);
    return body.map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
  });
}

const codes = (cell) => matches(cell, /`([^`]+)`/g);

/** What `pick` takes from each row, by the first `code` of its first cell. */
function byName(table, pick = () => '') {
  return new Map(table.map((cells) => [codes(cells[0])[0], pick(cells)]));
}

/** A text without its fenced blocks. */
const proseOf = (text) => text.replace(/^(`{3,})[\s\S]*?^\1$/gm, '');

function includes(names, name, where) {
  assert.ok(names.includes(name), `${where} has ${name}, which does not exist`);
}

/** The members of an interface of index.d.ts, each with the comment before it. */
function members(name) {
  const start = TYPES.search(new RegExp(`^export interface ${name}\\b`, 'm'));
  assert.notEqual(start, -1, `index.d.ts has no interface ${name}`);
  const body = TYPES.slice(start, TYPES.indexOf('\n}', start));
  const found = new Map();
  const pattern = /(?:^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {2}(?:readonly )?(\w+)\??[:(]/gm;
  for (const [, comment = '', member] of body.matchAll(pattern)) found.set(member, comment);
  return found;
}

/** The strings of a union type of index.d.ts. */
function union(name) {
  const found = new RegExp(`^export type ${name} =([^;]*);`, 'm').exec(TYPES);
  assert.ok(found, `index.d.ts has no type ${name}`);
  return sorted(matches(found[1].replace(/\/\*\*[\s\S]*?\*\//g, ''), /'([^']+)'/g));
}

/** A default as the documents write it. */
function written(value) {
  if (Array.isArray(value)) return `[${value.map((item) => `'${item}'`).join(', ')}]`;
  return typeof value === 'string' ? `'${value}'` : String(value);
}

/** What a server accepts, as its complaint about a name that nobody has says. */
function known(given, read_ = serverOptions) {
  try {
    read_(given);
  } catch (error) {
    assert.equal(error.code, 'ERR_SSE_UNKNOWN_OPTION');
    return /Known: (.*)\.$/.exec(error.message)[1].split(', ');
  }
  return assert.fail('an unknown name was accepted');
}

function withoutEnvironment(run) {
  const { SSE_HEARTBEAT_INTERVAL: kept } = process.env;
  delete process.env.SSE_HEARTBEAT_INTERVAL;
  try {
    return run();
  } finally {
    if (kept !== undefined) process.env.SSE_HEARTBEAT_INTERVAL = kept;
  }
}

/** The files below a folder, relative to the root. */
function sources(folder, pattern) {
  return fs
    .readdirSync(path.join(ROOT, folder), { recursive: true })
    .filter((name) => pattern.test(name))
    .map((name) => path.posix.join(folder, name));
}

const hooks = { authenticateSubscriber: () => ({ sub: 'alice' }) };

/** Option -> default; an option that is looked up elsewhere has none. */
function serverDefaults() {
  const { history, ...options } = withoutEnvironment(() => serverOptions({ hooks }));
  const found = new Map();
  for (const name of known({ '?': 1 })) found.set(name, options[name]);
  for (const name of ['jwks', 'hooks', 'history']) found.delete(name);
  for (const name of known({ history: { '?': 1 } })) found.set(`history.${name}`, history[name]);
  return found;
}

function jwksDefaults() {
  const needed = { url: 'https://id.example.com/', issuer: 'https://id.example.com/', audience: 'api' };
  const options = { allowInsecureUrl: false, ...readIssuers(needed)[0] };
  const found = new Map();
  for (const name of known({ '?': 1 }, readIssuers)) if (!(name in needed)) found.set(name, options[name]);
  return found;
}

describe('documentation', () => {
  describe('of options', () => {
    const defaultOf = ([, , value]) => codes(value)[0];

    it('has every option of a server in README.md, with its default', () => {
      const listed = byName(rows(section(README, '### `createSseServer(options?)`')), defaultOf);
      const defaults = serverDefaults();
      assert.ok(defaults.size > 10);
      for (const [name, value] of defaults) {
        assert.ok(listed.has(name), `README.md does not list ${name}`);
        assert.equal(listed.get(name), written(value), `the default of ${name} in README.md`);
      }
      assert.deepEqual(sorted(listed.keys()), sorted([...defaults.keys(), 'jwks', 'hooks']));
    });

    it('has every option of jwks in README.md, with its default', () => {
      const listed = byName(rows(section(README, '### `jwks`')), defaultOf);
      for (const [name, value] of jwksDefaults()) {
        assert.equal(listed.get(name), written(value), `the default of ${name} in README.md`);
      }
      assert.deepEqual(sorted(listed.keys()), sorted(known({ '?': 1 }, readIssuers)));
      const variables = ['url', 'issuer', 'audience'].map((name) => listed.get(name));
      assert.deepEqual(variables, ['JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE']);
    });

    it('has the same in index.d.ts', () => {
      const typed = new Map([...members('SseServerSettings'), ...members('SseServerOptions')]);
      for (const [name, comment] of members('HistoryOptions')) typed.set(`history.${name}`, comment);
      const jwks = members('JwksOptions');
      const check = (comments, name, value) => {
        assert.ok(comments.has(name), `index.d.ts has no ${name}`);
        const text = comments.get(name).replace(/\n\s*\*/g, ' ');
        const stated = /@defaultValue\s+(\[[^\]]*\]|\S+)/.exec(text)?.[1].replace(/_/g, '');
        assert.equal(stated, written(value), `@defaultValue of ${name}`);
      };
      for (const [name, value] of serverDefaults()) check(typed, name, value);
      for (const [name, value] of jwksDefaults()) check(jwks, name, value);
      const names = [...typed.keys()].filter((name) => !name.startsWith('history.'));
      assert.deepEqual(sorted(names), sorted(known({ '?': 1 })));
      assert.deepEqual(sorted(members('HistoryOptions').keys()), sorted(known({ history: { '?': 1 } })));
      assert.deepEqual(sorted(jwks.keys()), sorted(known({ '?': 1 }, readIssuers)));
    });

    it('has every hook', () => {
      const names = known({ hooks: { '?': 1 } });
      assert.deepEqual(sorted(members('SseHooks').keys()), sorted(names));
      const listed = rows(section(README, '### Hooks')).map(([cell]) => /^`(\w+)\(/.exec(cell)[1]);
      assert.deepEqual(sorted(listed), sorted(names));
    });
  });

  describe('of the public surface', () => {
    it('has every export in index.d.ts, README.md and index.mjs', async () => {
      const functions = matches(TYPES, /^export (?:declare )?(?:function|class|const) (\w+)/gm);
      assert.deepEqual(sorted(functions), sorted(Object.keys(native)));
      for (const name of Object.keys(native)) {
        assert.match(README, new RegExp(`\`(?:new )?${name}[(.]`), `README.md does not have ${name}`);
      }
      const esm = await import('../../index.mjs');
      assert.deepEqual(sorted(Object.keys(esm)), sorted([...Object.keys(native), 'default']));
      for (const [name, value] of Object.entries(native)) assert.equal(esm[name], value);
      assert.equal(esm.default, native);
    });

    it('has every member of a server', async () => {
      const server = native.createSseServer({ hooks });
      try {
        const names = Object.keys(server);
        assert.deepEqual(sorted(members('SseServer').keys()), sorted(names));
        const table = rows(section(README, '### The server')).flatMap(([cell]) => codes(cell));
        assert.deepEqual(sorted(table.map((text) => /^\w+/.exec(text)[0])), sorted(names));
        assert.deepEqual(sorted(members('SseStats').keys()), sorted(Object.keys(server.stats())));
      assert.deepEqual(sorted(members('AuthStats').keys()), sorted(Object.keys(server.stats().auth)));
      } finally {
        await server.stop();
      }
    });

    it('has every member of an authenticator', () => {
      const jwks = { url: 'https://id.example.com/', issuer: 'https://id.example.com/', audience: 'api' };
      // A fetch that never answers: no network, and nothing to wait for.
      const authenticate = native.createJwksAuthenticator(jwks, { fetch: () => new Promise(() => {}) });
      authenticate.close();
      assert.deepEqual(sorted(members('JwksAuthenticator').keys()), sorted(Object.keys(authenticate)));
    });
  });

  describe('of errors', () => {
    const isCode = /`(ERR_SSE_[A-Z_]+)`/g;

    it('has exactly the codes that are thrown in docs/errors.md and index.d.ts', () => {
      const table = byName(rows(section(ERRORS, '## Thrown at the caller')));
      assert.deepEqual(sorted(table.keys()), sorted(Object.keys(CODES)));
      assert.deepEqual(union('SseErrorCode'), sorted(Object.keys(CODES)));
    });

    it('has exactly the codes that are answered, with their status', () => {
      const table = byName(rows(section(ERRORS, '## Answered over HTTP')), ([, status]) => status);
      assert.deepEqual(sorted(table.keys()), sorted(Object.keys(HTTP)));
      assert.deepEqual(union('SseHttpErrorCode'), sorted(Object.keys(HTTP)));
      for (const [code, status] of table) {
        // A hook may choose the status of this one.
        const expected = code === 'ERR_SSE_HOOK_REJECTED' ? '400 to 599' : String(HTTP[code].status);
        assert.equal(status, expected, `the status of ${code} in docs/errors.md`);
      }
      const readme = rows(section(README, '## HTTP answers'));
      for (const [code, status] of table) {
        const row = readme.find(([, cell]) => codes(cell).includes(code));
        assert.equal(row?.[0], status, `the status of ${code} in README.md`);
      }
    });

    it('has every code in README.md, and no other anywhere', () => {
      const all = sorted([...Object.keys(CODES), ...Object.keys(HTTP)]);
      assert.deepEqual(sorted(matches(README, isCode)), all);
      for (const file of [...documents(), 'SECURITY.md', 'index.d.ts']) {
        for (const code of matches(read(file), /\b(ERR_SSE_[A-Z_]+)/g)) includes(all, code, file);
      }
      for (const file of [...sources('lib', /\.js$/), ...sources('csrc', /\.[ch]$/)]) {
        for (const code of matches(read(file), /['"](ERR_SSE_[A-Z_]+)['"]/g)) includes(all, code, file);
      }
    });

    it('has every warning', () => {
      const inFile = (file) => matches(read(file), /'(SSE_(?!HEARTBEAT)[A-Z_]+)'/g);
      const used = sorted(sources('lib', /\.js$/).flatMap(inFile));
      assert.ok(used.length > 0);
      assert.deepEqual(sorted(byName(rows(section(ERRORS, '## Warnings'))).keys()), used);
      assert.deepEqual(union('SseWarningCode'), used);
    });

    it('has every reason for which a token is refused', () => {
      const reasons = sorted(binding.jose.reasons.filter((name) => name !== 'OK'));
      assert.deepEqual(sorted(rows(section(ERRORS, '## Why a token was refused')).flatMap(([cell]) => codes(cell))), reasons);
      assert.deepEqual(union('AuthReason'), reasons);
    });

    it('has every close reason', () => {
      const reasons = sorted(binding.hub.reasons);
      assert.deepEqual(sorted(rows(section(ERRORS, '## Close reasons')).flatMap(([cell]) => codes(cell))), reasons);
      assert.deepEqual(union('CloseReason'), reasons);
    });
  });

  it('has every dependency in docs/dependencies.md, with its range', () => {
    const text = read('docs/dependencies.md');
    const table = byName(rows(section(text, '## To develop')), ([, range]) => range);
    assert.deepEqual(Object.fromEntries(table), manifest.devDependencies);
    assert.deepEqual(manifest.dependencies ?? {}, {}, 'the package has dependencies now: say so');
    const peers = rows(section(text, '## At run time'));
    for (const [name, range] of Object.entries(manifest.peerDependencies)) {
      assert.ok(peers.some(([cell, version]) => cell.includes(`[${name}]`) && version.includes(range)), name);
    }
  });

  it('names commands that exist', () => {
    const makefile = read('Makefile');
    const targets = matches(makefile, /^([a-z][\w -]*):(?!=| export)/gm).flatMap((names) => names.split(' '));
    const scripts = Object.keys(manifest.scripts);
    let count = 0;
    const check = (file, command) => {
      const [program, first = '', second] = command.replace(/#.*/, '').trim().split(/\s+/);
      let exists;
      if (program === 'make' && first !== '') exists = targets.includes(first);
      else if (program === 'npm' && first === 'run') exists = scripts.includes(second);
      else if (program === 'npm' && /^(start|test)$/.test(first)) exists = scripts.includes(first);
      else if (program === 'node' && first.includes('/')) exists = fs.existsSync(path.join(ROOT, first));
      else return;
      assert.ok(exists, `${file}: ${command}`);
      count += 1;
    };
    for (const file of [...documents(), 'CONTRIBUTING.md', 'SECURITY.md']) {
      const blocks = fences(file).filter(({ language }) => /^(sh|bash|shell|console)$/.test(language));
      for (const command of blocks.flatMap(({ code }) => code.split(/\n|&&/))) check(file, command);
      for (const command of matches(proseOf(read(file)), /`((?:make|npm|node)\s[^`]+)`/g)) check(file, command);
    }
    assert.ok(count > 5);
    assert.match(read('.ci/run'), /^make test\b/m);
    assert.match(README, /^make test\b/m);
  });

  it('names files that exist', () => {
    const isPath = /`((?:\.ci|bench|csrc|docs|examples|lib|test|tools)\/[\w./-]*)`/g;
    let count = 0;
    for (const file of [...documents(), 'CONTRIBUTING.md', 'SECURITY.md']) {
      for (const name of matches(proseOf(read(file)), isPath)) {
        assert.ok(fs.existsSync(path.join(ROOT, name)), `${file}: there is no ${name}`);
        count += 1;
      }
    }
    assert.ok(count > 5);
  });

  it('links to what is there', () => {
    const slug = (heading) => heading.toLowerCase().replace(/[^\w\- ]/g, '').replace(/ /g, '-');
    const slugs = (file) => matches(proseOf(read(file)), /^#+ (.*)$/gm).map(slug);
    let count = 0;
    for (const file of [...documents(), 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']) {
      for (const link of matches(read(file), /\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(link)) continue;
        const [target, anchor] = link.split('#');
        const resolved = target === '' ? file : path.posix.join(path.posix.dirname(file), target);
        assert.ok(fs.existsSync(path.join(ROOT, resolved)), `${file}: ${link} leads nowhere`);
        if (anchor !== undefined) assert.ok(slugs(resolved).includes(anchor), `${file}: ${link} has no such heading`);
        count += 1;
      }
    }
    assert.ok(count > 10);
  });
});
