#!/usr/bin/env node
// tools/check-layers.js - holds the sources to the layers of docs/architecture.md.
//
//   node tools/check-layers.js [ROOT]
//
//   index.js --> lib --> napi --> io --> hub
//                         +-----> store --> hub
//                         `-----> jose
//
// Nothing points upwards, and io, store and jose never meet. It also refuses calls that
// have a safer form here, files that have grown too long or do not say what they
// are, and a binding.gyp that does not list exactly the sources there are.
// Comments do not count; every complaint is `file:line: what is wrong`.
'use strict';

const fs = require('node:fs');
const { builtinModules } = require('node:module');
const path = require('node:path');

// ---- the rules --------------------------------------------------------------------

const LIBC = ['assert', 'ctype', 'errno', 'inttypes', 'limits', 'math', 'stdalign', 'stdarg', 'stdatomic', 'stdbool', 'stddef', 'stdint', 'stdio', 'stdlib', 'stdnoreturn', 'string'];
const POSIX = ['arpa/inet', 'fcntl', 'malloc', 'netinet/in', 'netinet/tcp', 'poll', 'pthread', 'signal', 'strings', 'sys/epoll', 'sys/ioctl', 'sys/resource', 'sys/socket', 'sys/stat', 'sys/types', 'sys/uio', 'sys/un', 'time', 'unistd'];

const isOneOf = (names) => (header) => names.includes(header.replace(/\.h$/, ''));
const isLibc = isOneOf(LIBC);
const isPosix = isOneOf(POSIX);
const isCjson = (header) => /^(cjson\/)?cJSON\.h$/.test(header);

/** What each C layer may include: layers of ours, and headers of others. */
const LAYERS = {
  hub: { ours: ['hub'], others: (header) => isLibc(header) },
  io: { ours: ['io', 'hub'], others: (header) => isLibc(header) || isPosix(header) || header === 'uv.h' },
  jose: {
    ours: ['jose'],
    others: (header, file) =>
      isLibc(header) || header.startsWith('openssl/') || (isCjson(header) && file === 'csrc/jose/json.c'),
  },
  store: {
    ours: ['store', 'hub'],
    others: (header, file) => isLibc(header) || isPosix(header) || (header === 'sqlite3.h' && file === 'csrc/store/db.h'),
  },
  napi: {
    ours: ['napi', 'io', 'store', 'hub', 'jose'],
    others: (header) => isLibc(header) || isPosix(header) || ['node_api.h', 'js_native_api.h', 'uv.h'].includes(header),
  },
};

/** Calls that are refused anywhere in csrc, and what to use. */
const BANNED = [
  [/\bcJSON_GetObjectItem\s*\(/, 'cJSON_GetObjectItem ignores case: use cJSON_GetObjectItemCaseSensitive'],
  [/\bvalueint\b/, 'valueint is clamped: use valuedouble and check its range'],
  [/\b(strcpy|strcat|sprintf|vsprintf|gets)\s*\(/, 'writes without a bound'],
];

const MAX_LINES = { '.c': 500, '.h': 150 };

// ---- reading sources ------------------------------------------------------------

/** Blanks comments out, and keeps every line where it is. Strings stay. */
function withoutComments(text) {
  const pattern = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(pattern, (match, string) => string ?? match.replace(/[^\n]/g, ' '));
}

function withoutStrings(text) {
  return text.replace(/"(?:\\.|[^"\\\n])*"/g, (match) => `"${' '.repeat(match.length - 2)}"`);
}

function lineOf(text, index) {
  return text.slice(0, index).split('\n').length;
}

/** The arguments of the call whose opening parenthesis is at `open`, and what follows it. */
function readCall(text, open) {
  const args = [];
  let depth = 0;
  let start = open + 1;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '"') i = text.slice(i).search(/[^\\]"/) + i + 1;
    else if ('([{'.includes(text[i])) depth += 1;
    else if (text[i] === ',' && depth === 1) {
      args.push(text.slice(start, i).trim());
      start = i + 1;
    } else if (')]}'.includes(text[i]) && --depth === 0) {
      args.push(text.slice(start, i).trim());
      return { args, after: text.slice(i + 1) };
    }
  }
  return { args, after: '' };
}

function listFiles(root, folder, pattern) {
  const absolute = path.join(root, folder);
  if (!fs.existsSync(absolute)) return [];
  return fs
    .readdirSync(absolute, { recursive: true })
    .map((name) => path.posix.join(folder, name.split(path.sep).join('/')))
    .filter((name) => pattern.test(name))
    .sort();
}

// ---- the checks -------------------------------------------------------------------

function checkIncludes(root, file, code, complain) {
  const layer = file.split('/')[1];
  const rule = LAYERS[layer];
  if (!rule || file.split('/').length !== 3) {
    complain(file, 1, `is in no layer: csrc has ${Object.keys(LAYERS).join(', ')}`);
    return;
  }
  for (const match of code.matchAll(/^[ \t]*#[ \t]*(?:include|import|include_next)\b[ \t]*(.*)$/gm)) {
    const line = lineOf(code, match.index);
    const header = /^(?:"([^"]+)"|<([^>]+)>)/.exec(match[1]);
    if (!header) {
      complain(file, line, 'an #include must name its header');
      continue;
    }
    const name = header[1] ?? header[2];
    const candidates = [path.posix.join(path.posix.dirname(file), name), path.posix.join('csrc', name)];
    const own = candidates.find((candidate) => fs.existsSync(path.join(root, candidate)));
    const target = own?.split('/');
    if (target) {
      const allowed = target[0] === 'csrc' && rule.ours.includes(target[1]) && /\.h$/.test(name);
      if (!allowed) complain(file, line, `${layer} may not include ${own}`);
    } else if (header[1] && !isCjson(name)) complain(file, line, `"${name}" is not in csrc`);
    else if (!rule.others(name, file)) complain(file, line, `${layer} may not include <${name}>`);
  }
}

function checkCalls(file, code, complain) {
  const bare = withoutStrings(code);
  for (const [pattern, why] of BANNED) {
    for (const match of bare.matchAll(new RegExp(pattern, 'g'))) complain(file, lineOf(bare, match.index), why);
  }
  for (const match of bare.matchAll(/\bEVP_DigestVerify(?:Final)?\s*\(/g)) {
    const { after } = readCall(bare, match.index + match[0].length - 1);
    if (!/^\s*\)*\s*[!=]=\s*1\b/.test(after)) {
      complain(file, lineOf(bare, match.index), 'EVP_DigestVerify also fails with a negative value: compare it with 1 where it is called');
    }
  }
  for (const match of code.matchAll(/\bnapi_set_named_property\s*\(/g)) {
    const { args } = readCall(code, match.index + match[0].length - 1);
    if (!/^"/.test(args[2] ?? '')) {
      complain(file, lineOf(code, match.index), 'napi_set_named_property stops at a NUL: only with a literal name');
    }
  }
}

/** Every file says in its first line what it is: its own name, and a dash. */
function checkShape(file, text, complain) {
  const name = path.posix.basename(file);
  const opening = text.replace(/^#!.*\n/, '').split('\n')[0];
  const isComment = /^(\/\*|\/\/)/.test(opening) || /^\/\*\*?\n/.test(text);
  const head = text.split('\n').slice(0, 3).join('\n');
  if (!isComment || !head.includes(name)) complain(file, 1, `must start with a comment: ${name} - what it is`);
  const lines = text.replace(/\n$/, '').split('\n').length;
  const limit = MAX_LINES[path.posix.extname(file)];
  if (limit && lines > limit) complain(file, limit + 1, `has ${lines} lines: ${limit} at most`);
}

function modulesIn(code) {
  const patterns = [
    /\brequire(?:\.resolve)?\s*\(\s*(?:(["'`])([^"'`\n]*)\1\s*\)|)/g,
    /\bimport\s*\(\s*(?:(["'`])([^"'`\n]*)\1\s*\)|)/g,
    /^\s*(?:import|(?:import|export)\b[^;'"(]*\bfrom)\s*(["'])([^"'\n]*)\1/gm,
  ];
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((m) => ({ name: m[2] ?? null, index: m.index })));
}

function checkModules(file, code, packages, complain) {
  const isLoader = file === 'lib/binding.js';
  for (const { name, index } of modulesIn(code)) {
    const line = lineOf(code, index);
    if (isLoader) continue;
    if (name === null) complain(file, line, 'a module must be named by a literal');
    else if (/\.node$/.test(name)) complain(file, line, 'only lib/binding.js loads the addon');
    else if (name.startsWith('.')) {
      const target = path.posix.join(path.posix.dirname(file), name);
      const fromRoot = !file.startsWith('lib/');
      const allowed = target.startsWith('lib/') || target === 'package.json' || target === '../package.json' || (fromRoot && target === 'index.js');
      if (!allowed) complain(file, line, `may not load ${target}: only lib is below it`);
    } else if (path.isAbsolute(name)) complain(file, line, `may not load ${name}`);
    else if (name.startsWith('node:')) {
      if (!builtinModules.includes(name.slice(5)) && !builtinModules.includes(name)) complain(file, line, `${name} is not a module of Node`);
    } else {
      const owner = name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/');
      if (!packages.includes(owner)) complain(file, line, `${owner} is neither a dependency nor a peer (Node's own: node:${name})`);
    }
  }
  if (!isLoader) {
    for (const match of code.matchAll(/\bprocess\s*\.\s*(dlopen|_linkedBinding|binding)\b|\bcreateRequire\b/g)) {
      complain(file, lineOf(code, match.index), 'only lib/binding.js loads the addon');
    }
  }
}

function checkSourceList(root, sources, complain) {
  const file = 'binding.gyp';
  if (!fs.existsSync(path.join(root, file))) return;
  const text = fs.readFileSync(path.join(root, file), 'utf8').replace(/^\s*#.*$/gm, '');
  const listed = [...text.matchAll(/'(csrc\/[^']+\.c)'/g)].map((match) => match[1]);
  for (const source of sources) if (!listed.includes(source)) complain(file, 1, `does not list ${source}`);
  for (const source of listed) if (!sources.includes(source)) complain(file, 1, `lists ${source}, which is not there`);
  for (const source of listed.filter((name, i) => listed.indexOf(name) !== i)) complain(file, 1, `lists ${source} twice`);
}

function knownPackages(root) {
  const file = path.join(root, 'package.json');
  if (!fs.existsSync(file)) return [];
  const manifest = JSON.parse(fs.readFileSync(file, 'utf8'));
  return Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies });
}

/** All complaints about the tree at `root`, as `file:line: what is wrong`. */
function checkLayers(root) {
  const complaints = [];
  const complain = (file, line, what) => complaints.push(`${file}:${line}: ${what}`);

  const native = listFiles(root, 'csrc', /\.[ch]$/);
  for (const file of native) {
    const text = fs.readFileSync(path.join(root, file), 'utf8');
    const code = withoutComments(text);
    checkIncludes(root, file, code, complain);
    checkCalls(file, code, complain);
    checkShape(file, text, complain);
  }
  checkSourceList(root, native.filter((file) => file.endsWith('.c')), complain);

  const scripts = listFiles(root, 'lib', /\.(js|mjs|cjs)$/);
  scripts.push(...['index.js', 'index.mjs'].filter((file) => fs.existsSync(path.join(root, file))));
  const packages = knownPackages(root);
  for (const file of scripts) {
    const text = fs.readFileSync(path.join(root, file), 'utf8');
    checkModules(file, withoutComments(text), packages, complain);
    checkShape(file, text.replace(/^(['"])use strict\1;\n+/, ''), complain);
  }
  if (native.length + scripts.length === 0) complain('csrc', 0, 'there is nothing to check');
  return complaints;
}

module.exports = checkLayers;

if (require.main === module) {
  const complaints = checkLayers(path.resolve(process.argv[2] ?? path.join(__dirname, '..')));
  for (const complaint of complaints) console.error(complaint);
  console.log(complaints.length === 0 ? 'layers: all as they should be' : `layers: ${complaints.length} complaints`);
  process.exitCode = complaints.length === 0 ? 0 : 1;
}
