'use strict';

// run.js - one run from a seed: moves, then quiet, then the oracle's verdict, then the end of everybody and
// the count of what is left.

const { waitFor } = require('../helpers/wait');
const { MOVES, CUTS } = require('./moves');
const { Oracle } = require('./oracle');
const { Random } = require('./random');
const { settingsOf } = require('./settings');
const { World } = require('./world');

const MOVES_SHOWN = 25;

/** At the end of a run so much goes through the histories, more than the allowances: a leak of events shows. */
const FILL = Array.from({ length: 100 }, () => ({ key: 'c:bulk', size: 400_000 }));
/**
 * A run leaves nothing on the heap. What an idle process has more of at the second look, code that was compiled
 * meanwhile above all, is about 0.5 MiB.
 */
const HEAP_ALLOWANCE = 4 * 2 ** 20;
/**
 * Pages that the allocators keep: V8's free ones, and those of malloc with a small block still in use. 1 to
 * 5 MiB as measured, on Node 20, 24 and 26.
 */
const RSS_ALLOWANCE = 16 * 2 ** 20;

/** Waits until everybody has gone and the server knows. */
async function everybodyLeaves(world) {
  for (const subscriber of [...world.present]) world.leave(subscriber, world.random.pick(CUTS));
  await waitFor(async () => (await world.server.ask('clients')).size === 0, 'the server to have no clients');
}

/** A first, small run that makes what a process makes once: pools, lazily loaded modules, compiled code. */
async function warmUp(server, settings) {
  const world = new World(server, settings, new Random(1));
  try {
    await world.start();
    for (let i = 0; i < 4; i++) world.open({ user: 'alice', channels: ['news', 'bulk'], wait: 1 });
    await world.settle();
    world.ask('restart', { drainMs: 0, isWhole: true });
    await world.settle();
    await everybodyLeaves(world);
    await world.publish(FILL);
    await server.ask('stop');
  } finally {
    world.dismiss();
  }
}

async function play(world, count, moves) {
  const able = MOVES.filter(({ needsClock }) => !needsClock || world.settings.hasClock);
  for (let i = 0; i < count; i++) {
    const move = world.random.weighted(able);
    moves.push(move.name);
    const detail = await move.run(world);
    moves[moves.length - 1] = `${i + 1} ${move.name}${detail ? ` ${detail}` : ''}`;
  }
}

function judge(world, lives) {
  world.log.sort((a, b) => a.life - b.life || a.id - b.id);
  const oracle = new Oracle({ options: world.settings.options, lives, log: world.log });
  oracle.check(world.connections, world.survivors);
  return oracle;
}

async function checkUsage(server, before) {
  let now;
  const isBack = async () => {
    now = await server.ask('usage');
    return now.descriptors === before.descriptors && now.threads <= before.threads &&
      now.heap <= before.heap + HEAP_ALLOWANCE && now.rss <= before.rss + RSS_ALLOWANCE;
  };
  await waitFor(isBack, () => `the server's usage to be back: ${JSON.stringify({ before, now })}`);
  return now;
}

/**
 * @param {{ seed: number, moves: number, server: import('./server').ServerProcess, fixed?: object }} plan `fixed` is
 *   what of the settings is not left to chance
 * @returns {Promise<{ settings: object, met: object, before: object, after: object, moves: string[] }>} `met`: how often
 *   the run met what it is about; `before` and `after`: the server's usage
 */
async function playSeed({ seed, moves: many, server, fixed }) {
  const random = new Random(seed);
  const settings = settingsOf(random, fixed);
  const moves = [];
  let world;
  try {
    await warmUp(server, settings);
    const before = await server.ask('usage');
    world = new World(server, settings, random);
    await world.start();
    await play(world, many, moves);
    moves.push('the end');
    await world.settle();
    const oracle = judge(world, await server.ask('lives'));
    await everybodyLeaves(world);
    await world.publish(FILL);
    oracle.checkEnds(await server.ask('stop'));
    if (oracle.problems.length > 0) throw new Error(`the oracle found\n  ${oracle.problems.slice(0, 10).join('\n  ')}`);
    const after = await checkUsage(server, before);
    return { settings, met: oracle.met, before, after, moves };
  } catch (error) {
    const shown = moves.slice(-MOVES_SHOWN).join('\n  ');
    const run = `seed ${seed}, ${JSON.stringify(settings)}, ${moves.length} moves, the last:\n  ${shown}`;
    throw new Error(`${error.message}\n${run}\n${server.stderr}`, { cause: error });
  } finally {
    world?.dismiss();
  }
}

module.exports = { playSeed };
