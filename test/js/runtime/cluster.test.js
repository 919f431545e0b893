'use strict';

// cluster.test.js - servers in the workers of a cluster: each serves its own clients and says once that they
// are its own.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { createInterface } = require('node:readline');

const { TRANSPORTS, adopt, cleanUp } = require('../helpers/app');
const { connect } = require('../helpers/client');
const { waitFor } = require('../helpers/wait');

const PROGRAM = path.join(__dirname, 'helpers/cluster.js');

/** The process of helpers/cluster.js and what it says. */
class Cluster {
  constructor(transport) {
    this.process = spawn(process.execPath, [PROGRAM, transport]);
    this.said = [];
    this.stderr = '';
    createInterface({ input: this.process.stdout }).on('line', (line) => this.said.push(JSON.parse(line)));
    this.process.stderr.on('data', (text) => {
      this.stderr += text;
    });
    this.exit = once(this.process, 'close').then(([code]) => {
      this.isOver = true;
      return code;
    });
  }

  tell(command) {
    this.process.stdin.write(`${command}\n`);
  }

  /** Waits until so many lines have a member of that name, and answers them. */
  says(member, count) {
    return waitFor(() => {
      const lines = this.said.filter((line) => member in line);
      if (this.isOver && lines.length < count) throw new Error(`it ended without saying ${member}: ${this.stderr}`);
      return lines.length >= count && lines;
    }, `${count} of ${member}`);
  }

  async open() {
    const [{ port }] = await this.says('port', 2);
    const client = adopt(connect({ port, path: '/?channel=a', headers: { Authorization: 'Bearer alice' } }));
    await client.connected();
    return client;
  }

  async end() {
    // With its primary gone a worker ends, too.
    if (!this.isOver) this.process.kill('SIGKILL');
    await this.exit;
  }
}

for (const transport of TRANSPORTS) {
  describe(`a cluster (${transport})`, () => {
    let running;

    beforeEach(() => {
      running = new Cluster(transport);
    });

    afterEach(() => running.end());
    afterEach(cleanUp);

    /** Clients by the number of their worker. */
    async function openEach() {
      const clients = [];
      for (let i = 0; i < 4; i++) clients.push(await running.open());
      running.tell('publish');
      const workers = [];
      for (const client of clients) workers.push((await client.data(1))[0]);
      return { clients, workers };
    }

    it('warns once in each worker, whatever it has of servers, and not in the primary', async () => {
      await running.says('port', 2);
      const warnings = await running.says('warning', 2);
      running.tell('stop');
      assert.equal(await running.exit, 0);
      const byWorker = warnings.map(({ worker, warning }) => `${worker} ${warning}`).sort();
      assert.deepEqual(byWorker, ['1 SSE_WARN_CLUSTER', '2 SSE_WARN_CLUSTER']);
      assert.match(running.stderr, /\[SSE_WARN_CLUSTER\] SseWarning: createSseServer runs in a cluster worker without a backplane/);
    });

    it('serves in every worker, each its own clients, until it is stopped', async () => {
      const { clients, workers } = await openEach();
      assert.deepEqual([...workers].sort(), [1, 1, 2, 2]);
      for (let round = 2; round <= 3; round++) {
        running.tell('publish');
        for (const [i, client] of clients.entries()) assert.deepEqual(await client.data(round), Array(round).fill(workers[i]));
      }
      running.tell('stop');
      assert.equal(await running.exit, 0);
      assert.deepEqual((await running.says('exit', 2)).map(({ exit }) => exit), [0, 0]);
      for (const client of clients) {
        await client.closed();
        assert.equal(client.events.at(-1).type, 'closing');
      }
    });

    it('ends the clients of a worker that is killed, and no other', async () => {
      const { clients, workers } = await openEach();
      running.tell('kill 1');
      await running.says('exit', 1);
      for (const [i, client] of clients.entries()) if (workers[i] === 1) await client.closed();
      running.tell('publish');
      for (const [i, client] of clients.entries()) if (workers[i] === 2) assert.deepEqual(await client.data(2), [2, 2]);
    });
  });
}
