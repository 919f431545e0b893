// bench/targets.js: what the figures are to be, as ratios within one run, and whether they are.
'use strict';

const { bestOf, ratios, spread } = require('./figures');
const { number } = require('./metrics');

const NODE_PEERS = ['express', 'better-sse', 'fastify-sse'];

/**
 * @typedef {{ label: string, goal: string, figure: object | null, met: boolean | null }} Verdict
 */

const atLeast = (limit) => ({ goal: `>= ${limit}`, isMet: ({ median }) => median >= limit });
const atMost = (limit) => ({ goal: `<= ${limit}`, isMet: ({ median }) => median <= limit });

/** The figures of one server, one a round. */
function columnsOf({ runs }) {
  const of = (name, key) => (runs[name] ?? []).map((run) => run[key]);
  return {
    of,
    best: (key, better) => bestOf(NODE_PEERS.map((name) => of(name, key)), better),
  };
}

function singles({ sizes }, { of, best }) {
  const large = sizes.all.filter((clients) => clients >= Math.min(5000, sizes.main));
  return large.flatMap((clients) => {
    const rate = `a.${clients}.perSecond`;
    const p99 = `a.${clients}.p99Ms`;
    const at = `(a) at ${number(clients)}`;
    return [
      [`${at}, deliveries / s : floor`, ratios(of('native', rate), of('floor', rate)), atLeast(1)],
      [`${at}, p99 : floor`, ratios(of('native', p99), of('floor', p99)), atMost(1.05)],
      [`${at}, deliveries / s : Nchan`, ratios(of('native', rate), of('nchan', rate)), atLeast(1.5)],
      [`${at}, deliveries / s : best Node peer`, ratios(of('native', rate), best(rate, 'higher')), atLeast(3)],
    ];
  });
}

function loopTimes({ sizes }, { of, best }) {
  const key = `a.${sizes.main}.loopUs`;
  return [
    ...sizes.all.map((clients) => [
      `event-loop time / publish at ${number(clients)}, µs`, spread(of('native', `a.${clients}.loopUs`)), atMost(10),
    ]),
    [`event-loop time / publish at ${number(sizes.main)}, best Node peer : native`,
      ratios(best(key, 'lower'), of('native', key)), atLeast(500)],
  ];
}

function bursts(settings, { of, best }) {
  return ['tick', 'turn'].flatMap((kind) => {
    const key = `b.${kind}.perSecond`;
    const label = `(b) one ${kind === 'tick' ? 'tick' : 'event a turn'}, deliveries / s`;
    return [
      [`${label} : Nchan`, ratios(of('native', key), of('nchan', key)), atLeast(20)],
      [`${label} : best Node peer`, ratios(of('native', key), best(key, 'higher')), atLeast(40)],
    ];
  });
}

function costs({ sizes }, { of }) {
  const base = of('native', `a.${sizes.all.includes(1000) ? 1000 : sizes.main}.cpuPerDeliveryUs`);
  const own = (key) => of('native', key);
  return [
    ['(c) CPU / delivery : (a) at 1,000', ratios(own('c.cpuPerDeliveryUs'), base), atMost(1.3)],
    ['(d) CPU / delivery : (a) at 1,000', ratios(own('d.all.cpuPerDeliveryUs'), base), atMost(1.3)],
    [`(d) CPU / delivery among ${number(sizes.channels.clients)} : among 100`,
      ratios(own('d.all.cpuPerDeliveryUs'), own('d.few.cpuPerDeliveryUs')), atMost(1.1)],
  ];
}

function others({ sizes, idle }, { of, best }) {
  const cpu = 'idle.cpuPercent';
  const main = 'mainCpuUs';
  return [
    ['(e) MB / s : floor', ratios(of('native', 'e.megabytesPerSecond'), of('floor', 'e.megabytesPerSecond')), atLeast(0.9)],
    [`(f) JS heap and malloc / connection at ${number(sizes.main)}, bytes`, spread(of('native', `f.${sizes.main}.ownBytes`)), atMost(1024)],
    [`(f) CPU of ${number(idle.clients)} idle connections : best Node peer`, ratios(of('native', cpu), best(cpu, 'lower')), atMost(0.1)],
    ['(g) connect, token seen before : bare Express route', ratios(of('native-jwks', `g.warm.${main}`), of('bare-express', `g.plain.${main}`)), atMost(1.25)],
    ['(g) server.handler : bare http handler', ratios(of('native-handler', `g.plain.${main}`), of('bare-http', `g.plain.${main}`)), atMost(1.25)],
    ['(h) replayed events / s : best Node peer', ratios(of('native', 'h.eventsPerSecond'), best('h.eventsPerSecond', 'higher')), atLeast(5)],
  ];
}

function streams({ sizes }, { of }) {
  const keys = [
    ...sizes.all.map((clients) => [`(a) at ${number(clients)}`, `a.${clients}.perSecond`]),
    ['(b) one tick', 'b.tick.perSecond'], ['(b) one event a turn', 'b.turn.perSecond'],
    ['(c)', 'c.perSecond'], ['(e)', 'e.megabytesPerSecond'], ['(h)', 'h.eventsPerSecond'],
  ];
  return keys.map(([label, key]) => [`stream transport ${label} : Express loop`, ratios(of('native-stream', key), of('express', key)), atLeast(1)]);
}

/** @returns {Verdict[]} of everything that there is a target for */
function judge(result) {
  const columns = columnsOf(result);
  const rows = [singles, loopTimes, bursts, costs, others, streams].flatMap((part) => part(result.settings, columns));
  return rows.map(([label, figure, { goal, isMet }]) => ({
    label, goal, figure, met: figure === null ? null : isMet(figure),
  }));
}

module.exports = { judge, NODE_PEERS };
