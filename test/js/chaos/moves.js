'use strict';

// moves.js - what may happen in a run. A move draws all its chances at once and never looks at what the
// network has done meanwhile, so that a seed gives the same moves on any machine.

const { setTimeout: sleep } = require('node:timers/promises');

const { waitFor } = require('../helpers/wait');
const { CHANNELS, USERS } = require('./settings');
const { channelKey } = require('./payload');
const { KEYS } = require('./world');

const MOST_SUBSCRIBERS = 14;
const DAY = 86_400;
const CUTS = ['reset', 'close', 'halfClose'];

/** Values of Last-Event-ID that are none of ours, or not of this subscriber. */
const LIES = [
  'abc', '-1', '1e3', '0x10', '1.5', '007', '12 34', '%00', '9'.repeat(16), '9'.repeat(40), // no ids
  String(Number.MAX_SAFE_INTEGER), '9007199254740992', // the future, and just above what an integer can be
  '0', '1', '1000000000000000', // the past
];

/** `bulk` is for the big events: few listen to it. */
function someChannels(random) {
  const channels = random.sample(CHANNELS.filter((name) => name !== 'bulk'), random.integer(0, 3));
  return random.chance(0.2) ? [...channels, 'bulk'] : channels;
}

/** @type {{ name: string, weight: number, run: (world: import('./world').World) => unknown }[]} */
const MOVES = [
  {
    name: 'publish', weight: 20,
    run(world) {
      const { random } = world;
      const events = Array.from({ length: random.integer(1, 3) }, () => ({ key: random.pick(KEYS), size: random.integer(0, 200) }));
      world.publish(events);
      return events.map(({ key }) => key).join(' ');
    },
  },
  {
    name: 'burst', weight: 5,
    run(world) {
      const { random } = world;
      const keys = random.sample(KEYS, random.integer(1, 4));
      const events = Array.from({ length: random.integer(100, 400) }, () => ({ key: random.pick(keys), size: random.integer(0, 40) }));
      world.publish(events);
      return `${events.length} to ${keys.join(' ')}`;
    },
  },
  {
    name: 'big', weight: 3,
    run(world) {
      const { random } = world;
      const key = random.chance(0.7) ? channelKey('bulk') : random.pick(KEYS);
      const sizes = Array.from({ length: random.integer(1, 3) }, () => random.integer(100_000, 500_000));
      world.publish(sizes.map((size) => ({ key, size })));
      return `${sizes.join(' ')} to ${key}`;
    },
  },
  {
    name: 'open', weight: 8,
    run(world) {
      const { random } = world;
      const who = { user: random.pick(USERS), channels: someChannels(random), wait: random.pick([0, 0, 1, 5]) };
      const goes = random.integer(0, MOST_SUBSCRIBERS - 1);
      const how = random.pick(CUTS);
      if (world.present.length >= MOST_SUBSCRIBERS) world.leave(world.present[goes], how);
      return `${world.open(who).sid} ${who.user} ${who.channels.join(' ')}`;
    },
  },
  onOne('leave', 2, (world, one) => {
    const how = world.random.pick(CUTS);
    world.leave(one, how);
    return how;
  }),
  onOne('cut', 14, (world, one) => {
    const how = world.random.pick(CUTS);
    one.cut(how);
    return how;
  }),
  onOne('cut at once', 4, async (world, one) => {
    // Cut again while the request is on its way.
    const [first, second] = [world.random.pick(CUTS), world.random.pick(CUTS)];
    one.cut(first);
    one.cut(second);
    return `${first} ${second}`;
  }),
  onOne('stall', 8, (world, one) => one.stall()),
  onOne('resume', 8, (world, one) => one.resume()),
  onOne('lie', 5, (world, one) => {
    const { random } = world;
    const back = random.integer(1, 3000);
    const lie = random.pick(LIES);
    const isOlder = random.chance(0.4);
    one.lie(isOlder ? String(Math.max(0, Number(one.lastEventId) - back)) : lie, random.chance(0.5));
    return isOlder ? `${back} back` : lie;
  }),
  onOne('disconnect', 4, (world, { sid }) => void world.ask('disconnect', { sid })),
  {
    name: 'disconnectUser', weight: 1,
    run(world) {
      const user = world.random.pick(USERS);
      world.ask('disconnectUser', { user });
      return user;
    },
  },
  onOne('comment', 6, (world, { sid }) => {
    const text = `raw ${world.random.integer(1, 1e6)}`;
    world.ask('comment', { sid, text });
    return text;
  }),
  {
    name: 'choke', weight: 0.7,
    async run(world) {
      const { random } = world;
      const one = world.open({ user: random.pick(USERS), channels: ['bulk'], wait: 0 });
      const size = random.integer(200_000, 400_000);
      await waitFor(() => one.isConnected, `${one.sid} to be connected before it is choked`);
      one.stall();
      await world.choke(one, channelKey('bulk'), size, 100);
      if (random.chance(0.5)) one.resume();
      return one.sid;
    },
  },
  {
    name: 'restart', weight: 2,
    run(world) {
      const { random } = world;
      const how = { drainMs: random.pick([0, 0, 20, 100]), isWhole: random.chance(0.5) };
      world.ask('restart', how);
      return JSON.stringify(how);
    },
  },
  {
    name: 'clock', weight: 4, needsClock: true,
    run(world) {
      const { random } = world;
      // Far enough that no run gets from the one time to the other by itself.
      world.offset = random.pick([-30 * DAY, -DAY, -7200, 0, 7200, DAY, 30 * DAY]);
      world.ask('clock', world.offset);
      return `${world.offset} s`;
    },
  },
  { name: 'wait', weight: 25, run: ({ random }) => sleep(random.integer(0, 25)) }, // pacing: lets things overlap in other ways
  { name: 'settle', weight: 1.5, run: (world) => world.settle() },
];

/** A move on one of those present; draws as much when there is nobody. */
function onOne(name, weight, act) {
  return {
    name, weight,
    async run(world) {
      const at = world.random.next();
      const one = world.present[Math.floor(at * world.present.length)];
      if (one === undefined) return 'nobody';
      return [one.sid, await act(world, one)].join(' ');
    },
  };
}

module.exports = { MOVES, CUTS };
