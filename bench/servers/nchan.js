// bench/servers/nchan.js: a peer, Nchan: nginx with one worker, in a folder of its own. Events are posted to it over
// one connection that stays open, without waiting for the answer of the one before.
'use strict';

const { execFileSync, spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const NGINX = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx', '/opt/homebrew/bin/nginx'];
const MODULES = ['/usr/lib/nginx/modules', '/usr/lib64/nginx/modules', '/usr/share/nginx/modules'];
const HISTORY = 100;

function find() {
  const nginx = NGINX.find((file) => fs.existsSync(file));
  const nchan = MODULES.map((dir) => path.join(dir, 'ngx_nchan_module.so')).find((file) => fs.existsSync(file));
  return { nginx, nchan };
}

/** @returns {string | null} why it cannot run here */
function missing() {
  const { nginx, nchan } = find();
  if (!nginx) return 'there is no nginx (Debian: nginx)';
  if (!nchan) return 'nginx has no Nchan module (Debian: libnginx-mod-nchan)';
  return null;
}

function configuration({ nchan, host, port, backlog, heartbeat }) {
  return `
${process.getuid?.() === 0 ? `user ${os.userInfo().username};` : ''}
load_module ${nchan};
worker_processes 1;
worker_rlimit_nofile 19900;
daemon off;
pid nginx.pid;
error_log stderr error;
events { worker_connections 19800; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_body_buffer_size 2m;
  client_max_body_size 4m;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  nchan_shared_memory_size 1024M;
  server {
    listen ${host}:${port} backlog=${backlog};
    location /sse {
      nchan_subscriber eventsource;
      nchan_channel_id $arg_channel;
      nchan_subscriber_first_message newest;
      ${heartbeat > 0 ? `nchan_eventsource_ping_interval ${heartbeat / 1000}; nchan_eventsource_ping_comment heartbeat;` : ''}
    }
    location /pub {
      nchan_publisher;
      nchan_channel_id $arg_channel;
      nchan_message_buffer_length ${HISTORY};
      nchan_message_timeout 10m;
    }
    location /status { nchan_stub_status; }
  }
}
`;
}

async function freePort(host) {
  const server = net.createServer().listen({ host, port: 0 });
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** One connection; requests are written at once, and answers come in their order. */
class Poster {
  constructor({ host, port }) {
    this._host = `${host}:${port}`;
    this._waiting = [];
    this._received = '';
    this._socket = net.connect({ host, port, noDelay: true });
    this._socket.setEncoding('latin1');
    this._socket.on('data', (text) => this._read(text));
    const fail = (error) => {
      for (const { reject } of this._waiting.splice(0)) reject(error ?? new Error('nginx closed the connection'));
    };
    this._socket.on('error', fail);
    this._socket.on('close', () => fail());
  }

  request(method, target, headers, body = '') {
    const head = Object.entries({ Host: this._host, 'Content-Length': Buffer.byteLength(body), ...headers });
    this._socket.write(`${method} ${target} HTTP/1.1\r\n${head.map((pair) => pair.join(': ')).join('\r\n')}\r\n\r\n${body}`);
    return new Promise((resolve, reject) => this._waiting.push({ resolve, reject }));
  }

  _read(text) {
    this._received += text;
    for (;;) {
      const end = this._received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = this._received.slice(0, end);
      const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (this._received.length < end + 4 + length) return;
      const body = this._received.slice(end + 4, end + 4 + length);
      this._received = this._received.slice(end + 4 + length);
      const { resolve, reject } = this._waiting.shift();
      if (/^HTTP\/1\.1 2/.test(head)) resolve(body);
      else reject(new Error(`nginx answered ${head.split('\r\n')[0]}`));
    }
  }

  close() {
    this._socket.destroy();
  }
}

/** The processes that nginx started: its one worker. */
function childrenOf(pid) {
  return fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

async function start({ host, backlog, heartbeat }) {
  const { nginx, nchan } = find();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'native-sse-nchan-'));
  const port = await freePort(host);
  fs.writeFileSync(path.join(folder, 'nginx.conf'), configuration({ nchan, host, port, backlog, heartbeat }));
  const child = spawn(nginx, ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'inherit'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);

  let poster;
  for (let i = 0; poster === undefined; i++) {
    const probe = new Poster({ host, port });
    try {
      await probe.request('GET', '/status', {});
      poster = probe;
    } catch (error) {
      if (i >= 100 || child.exitCode !== null) throw new Error(`nginx does not answer: ${error.message}`, { cause: error });
      await sleep(50);
    }
  }

  return {
    port,
    pids: () => childrenOf(child.pid),
    publish: (channel, type, data) => poster.request(
      'POST', `/pub?channel=${channel}`, { 'X-EventSource-Event': type }, JSON.stringify(data)),
    async count() {
      const status = await poster.request('GET', '/status', {});
      return Number(/^subscribers: (\d+)/m.exec(status)[1]);
    },
    async stop() {
      poster.close();
      process.removeListener('exit', kill);
      child.kill('SIGTERM');
      await once(child, 'exit');
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

function version() {
  const { nginx } = find();
  if (!nginx) return 'nginx';
  try {
    const text = execFileSync('sh', ['-c', `${nginx} -v 2>&1; dpkg-query -W -f '\${Version}' libnginx-mod-nchan 2>/dev/null`], { encoding: 'utf8' });
    const [, web] = /nginx\/(\S+)/.exec(text) ?? [];
    const [, module] = /\n(?:\d+:)?([\d.]+)/.exec(text) ?? [];
    return `Nchan${module ? ` ${module}` : ''}, nginx ${web}, 1 worker`;
  } catch {
    return 'Nchan, 1 worker';
  }
}

module.exports = {
  get title() {
    return version();
  },
  path: '/sse',
  ready: 'head',
  ids: 'text',
  replays: true,
  isExternal: true,
  missing,
  start,
};
