'use strict';

// worker.js - a main thread around a worker with child.js in it: passes lines on both ways, and terminates the
// worker when it is told to. When the worker has ended, nothing of it may be left, nor anything that keeps this
// process alive.

const { once } = require('node:events');
const path = require('node:path');
const { createInterface } = require('node:readline');
const { Worker } = require('node:worker_threads');

const { resources, backAt } = require('./resources');

const say = (text) => process.stdout.write(`${text}\n`);

async function main() {
  await once(new Worker('', { eval: true }), 'exit'); // what a first worker leaves is not ours
  const before = resources();
  const worker = new Worker(path.join(__dirname, 'child.js'), { argv: process.argv.slice(2) });
  worker.on('message', say);
  worker.on('error', ({ message }) => say(`error ${message}`));
  worker.on('exit', async (code) => {
    await backAt(before);
    say(`left ${code}`);
    process.stdin.unref();
  });
  createInterface({ input: process.stdin }).on('line', (line) => {
    if (line === 'terminate') worker.terminate();
    else worker.postMessage(line);
  });
}

main();
