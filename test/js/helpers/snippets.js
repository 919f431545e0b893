'use strict';

// snippets.js - reads the code blocks of the documentation and runs them as a
// reader would: in a folder of their own, with native-sse and express installed.

const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const ROOT = path.join(__dirname, '../../..');

/** Languages whose blocks are run. */
const RUN = ['js', 'javascript', 'mjs', 'cjs', 'ts', 'typescript'];

/** @returns {string[]} README and everything below docs/, relative to the root */
function documents() {
  const docs = fs.readdirSync(path.join(ROOT, 'docs'), { recursive: true });
  return ['README.md', ...docs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`).sort()];
}

/** @param {string} file relative to the root */
const read = (file) => fs.readFileSync(path.join(ROOT, file), 'utf8');

/**
 * The fenced blocks of a document. A comment `<!-- run: name -->` (or `same:`)
 * on the line above names a block.
 * @param {string} file
 * @returns {{ file: string, line: number, language: string, name: string | undefined, code: string }[]}
 */
function fences(file) {
  const lines = read(file).split('\n');
  const found = [];
  for (let i = 0; i < lines.length; i++) {
    const opening = /^\s*(`{3,}|~{3,})(.*)$/.exec(lines[i]);
    if (!opening) continue;
    const start = i;
    const code = [];
    while (lines[++i]?.trim() !== opening[1]) {
      assert.ok(i < lines.length, `${file}:${start + 1}: a block without an end`);
      code.push(lines[i]);
    }
    const name = /^<!-- (?:run|same): (\S+) -->$/.exec(lines[start - 1] ?? '')?.[1];
    const language = opening[2].trim().toLowerCase();
    found.push({ file, line: start + 1, language, name, code: `${code.join('\n')}\n` });
  }
  return found;
}

/** A snippet that runs. */
class Program {
  constructor(child) {
    this._child = child;
    this.stdout = '';
    this.stderr = '';
    child.stdout.on('data', (chunk) => (this.stdout += chunk));
    child.stderr.on('data', (chunk) => (this.stderr += chunk));
    this._closed = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  /** @returns {Promise<RegExpExecArray>} once what it prints matches */
  async prints(pattern) {
    const ended = this._closed.then(() => 'ended');
    for (let what; ; ) {
      const match = pattern.exec(this.stdout);
      if (match) return match;
      if (what === 'ended') assert.fail(`it ended without printing ${pattern}:\n${this.stdout}${this.stderr}`);
      what = await Promise.race([once(this._child.stdout, 'data'), ended]);
    }
  }

  /** @returns {Promise<string>} where the server that it starts listens */
  async origin() {
    const [, port] = await this.prints(/listening on port (\d+)/);
    return `http://127.0.0.1:${port}`;
  }

  /** @param {NodeJS.Signals} [signal] sent first */
  async ends(signal) {
    if (signal !== undefined) this._child.kill(signal);
    return { ...(await this._closed), stdout: this.stdout, stderr: this.stderr };
  }

  async kill() {
    this._child.kill('SIGKILL');
    await this._closed;
  }
}

/** A reader's folder. */
class Workspace {
  constructor() {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-docs-'));
    this._programs = [];
    const modules = path.join(this.folder, 'node_modules');
    fs.mkdirSync(modules);
    fs.symlinkSync(ROOT, path.join(modules, 'native-sse'), 'dir');
    for (const name of ['express', '@types']) {
      fs.symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name), 'dir');
    }
  }

  /**
   * Writes a block to a file that Node (or the compiler) takes for what it is.
   * @returns {string} its path
   */
  write({ language, code }) {
    const isTypeScript = language === 'ts' || language === 'typescript';
    const isModule = language === 'mjs' || /^(import|export|await)\b/m.test(code);
    const file = path.join(this.folder, `snippet.${isModule ? 'm' : 'c'}${isTypeScript ? 'ts' : 'js'}`);
    fs.writeFileSync(file, code);
    return file;
  }

  /** Compiles a TypeScript file, strictly. @returns {string} the JavaScript */
  compile(file) {
    const options = ['--strict', '--module', 'node16', '--target', 'es2022', '--types', 'node', '--pretty', 'false'];
    const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [tsc, ...options, '--outDir', 'out', path.basename(file)], {
      cwd: this.folder,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout);
    return path.join(this.folder, 'out', path.basename(file).replace(/ts$/, 'js'));
  }

  /** Starts a program. @param {Record<string, string>} [env] */
  start(file, env = {}) {
    const clean = { ...process.env };
    for (const name of ['JWKS_URL', 'JWT_ISSUER', 'JWT_AUDIENCE', 'SSE_HEARTBEAT_INTERVAL']) delete clean[name];
    const child = spawn(process.execPath, [file], { cwd: this.folder, env: { ...clean, ...env } });
    const program = new Program(child);
    this._programs.push(program);
    return program;
  }

  async remove() {
    for (const program of this._programs) await program.kill();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

module.exports = { ROOT, RUN, documents, read, fences, Workspace };
