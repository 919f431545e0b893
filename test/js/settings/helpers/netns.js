'use strict';

// netns.js - a network of two hosts that a test may cut: two network namespaces and the link between them. The
// network of the machine is not touched.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');

const MASK = 24;
const HOSTS = { server: '10.200.0.1', client: '10.200.0.2' };

let lastNetwork = 0;

/** Not everyone's PATH has where Debian puts it. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

function run(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { env: { ...process.env, PATH }, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
  return stdout;
}

class Network {
  constructor() {
    lastNetwork += 1;
    const name = `sse-${process.pid}-${lastNetwork}`;
    this.names = { server: `${name}-s`, client: `${name}-c` };
    this.hosts = HOSTS;
    try {
      this._make();
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  _make() {
    const { server, client } = this.names;
    for (const name of [server, client]) run('ip', 'netns', 'add', name);
    // Made inside: neither end is ever in the namespace of the machine.
    run('ip', '-n', server, 'link', 'add', 'link0', 'type', 'veth', 'peer', 'name', 'link0', 'netns', client);
    for (const side of ['server', 'client']) {
      run('ip', '-n', this.names[side], 'address', 'add', `${HOSTS[side]}/${MASK}`, 'dev', 'link0');
      for (const link of ['lo', 'link0']) run('ip', '-n', this.names[side], 'link', 'set', link, 'up');
    }
  }

  /** @param {'server' | 'client'} side @returns {string[]} what runs a command on that host */
  prefix(side) {
    return ['ip', 'netns', 'exec', this.names[side]];
  }

  /** Runs a command on a host and answers what it prints. */
  run(side, ...command) {
    return run(...this.prefix(side), ...command);
  }

  /** Takes the link down at one end: the other end loses its carrier. */
  cut(side) {
    run('ip', '-n', this.names[side], 'link', 'set', 'link0', 'down');
  }

  /** The client's host drops its answers; the link stays up, and nobody is told anything. */
  silence() {
    run('ip', '-n', this.names.client, 'route', 'add', 'blackhole', `${HOSTS.server}/32`);
  }

  /** One of the kernel's counters of TCP on a host, such as `TCPKeepAlive` (probes sent). */
  counter(side, name) {
    const lines = this.run(side, 'cat', '/proc/net/netstat').split('\n');
    const [names, values] = lines.filter((line) => line.startsWith('TcpExt:')).map((line) => line.split(' '));
    assert.ok(names.includes(name), `this kernel counts no ${name}`);
    return Number(values[names.indexOf(name)]);
  }

  /** What runs on its hosts must have ended. */
  remove() {
    for (const name of Object.values(this.names)) {
      try {
        run('ip', 'netns', 'delete', name);
      } catch {
        // It was not made.
      }
    }
  }
}

/** Why there can be no network here, or null. */
function problemOfNetworks() {
  try {
    new Network().remove();
    return null;
  } catch (error) {
    return error.message;
  }
}

module.exports = { Network, problemOfNetworks, run };
