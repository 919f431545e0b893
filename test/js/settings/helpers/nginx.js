'use strict';

// nginx.js - the nginx of docs/proxies.md, run as it is written there but for addresses.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const { fences } = require('../../helpers/snippets');
const { waitFor } = require('../../helpers/wait');
const { Program } = require('./program');

/** Not everyone's PATH has where Debian puts it. */
const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;

const isInstalled = () => spawnSync('nginx', ['-v'], { env: { ...process.env, PATH } }).status === 0;

/** Replaces what must be there. */
function replace(text, from, to) {
  assert.ok(text.includes(from), `docs/proxies.md has no ${JSON.stringify(from)} for nginx`);
  return text.replace(from, () => to);
}

function canConnect(socketPath) {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath);
    socket.on('connect', () => resolve(true) ?? socket.destroy());
    socket.on('error', () => resolve(false));
  });
}

/**
 * @param {{ port: number } | { socketPath: string }} upstream
 * @param {{ changes?: [string, string][], tls?: { key: string, cert: string } }} [options] what else is replaced
 */
async function startNginx(upstream, { changes = [], tls } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-nginx-'));
  // A Unix-domain socket: no port to be found that nobody takes meanwhile.
  const socketPath = path.join(folder, 'nginx.sock');
  let listen = `listen unix:${socketPath}`;
  if (tls) {
    for (const name of ['key', 'cert']) fs.writeFileSync(path.join(folder, `${name}.pem`), tls[name], { mode: 0o600 });
    listen += ` ssl http2;\n  ssl_certificate ${folder}/cert.pem;\n  ssl_certificate_key ${folder}/key.pem`;
  }
  let snippet = fences('docs/proxies.md').find(({ name }) => name === 'nginx').code;
  snippet = replace(snippet, 'server 127.0.0.1:3000', `server ${upstream.socketPath ? `unix:${upstream.socketPath}` : `127.0.0.1:${upstream.port}`}`);
  snippet = replace(snippet, 'listen 80', listen);
  for (const [from, to] of changes) snippet = replace(snippet, from, to);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  fs.writeFileSync(path.join(folder, 'nginx.conf'), `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n  ')}
  # What a site may well have set for everything.
  gzip on;
  gzip_types *;
  gzip_proxied any;
  gzip_min_length 1;
  ${snippet}
}
`);
  const program = new Program('nginx', ['-p', folder, '-c', path.join(folder, 'nginx.conf'), '-e', 'stderr'], {
    env: { ...process.env, PATH },
  });
  const close = async () => {
    await program.kill();
    fs.rmSync(folder, { recursive: true, force: true });
  };
  try {
    await waitFor(() => program.isClosed || canConnect(socketPath), 'nginx');
    if (program.isClosed) throw new Error(`nginx does not start:\n${program.output}`);
  } catch (error) {
    await close();
    throw error;
  }
  return { socketPath, program, close };
}

module.exports = { isInstalled, startNginx };
