// bench/pictures.js: the pictures of README and docs/performance.md, from the JSON of a result alone.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const { spread } = require('./figures');
const { number } = require('./metrics');
const svg = require('./svg');

const WIDTH = 760;
const MARGIN = 20;
const LINES_HEIGHT = 230;

/** In the order of the bars. */
const SERVERS = {
  floor: { label: 'floor: send() in C', color: 6 },
  native: { label: 'native-sse', color: 0 },
  'native-stream': { label: 'native-sse, stream', color: 1 },
  nchan: { label: 'Nchan', color: 5 },
  express: { label: 'Express res.write', color: 2 },
  'fastify-sse': { label: '@fastify/sse', color: 4 },
  'better-sse': { label: 'better-sse', color: 3 },
};

function figure({ runs }, name, key) {
  return spread((runs[name] ?? []).map((run) => run[key]))?.median;
}

/** A group of bars, without who has no such figure. */
function barsOf(result, title, key, isLog) {
  const bars = Object.entries(SERVERS)
    .map(([name, { label, color }]) => ({ label, color, value: figure(result, name, key) }))
    .filter(({ value }) => value > 0);
  return bars.length > 1 ? { title, isLog, bars } : null;
}

/** Lines over the sizes that were measured. */
function linesOf(result, { title, xLabel, keys, names = Object.keys(SERVERS) }) {
  const lines = names.map((name) => ({
    ...SERVERS[name],
    points: keys.map(([x, key]) => [x, figure(result, name, key)]).filter(([, value]) => value > 0),
  })).filter(({ points }) => points.length > 1);
  return lines.length > 0 ? { title, xLabel, lines } : null;
}

function footer({ machine, settings }, y) {
  const first = `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; load generator on the same machine`;
  const second = `median of ${settings.runs} interleaved runs, commit ${machine.commit}, ${machine.date.slice(0, 10)}`;
  const look = { kind: 'soft', extra: ' small' };
  return [svg.text(MARGIN, y, first, look), svg.text(MARGIN, y + 16, second, look)].join('\n');
}

/** Charts below each other. */
function stack(result, title, charts, draw) {
  const body = [];
  let y = MARGIN;
  for (const chart of charts.filter(Boolean)) {
    const { body: part, height } = draw(chart, { x: MARGIN, y, width: WIDTH - 2 * MARGIN, height: LINES_HEIGHT });
    body.push(part);
    y += height;
  }
  body.push(footer(result, y + 10));
  return svg.document({ width: WIDTH, height: y + 26 + MARGIN, title, body });
}

function speed(result) {
  const { sizes, idle } = result.settings;
  const main = number(sizes.main);
  return stack(result, 'native-sse and its peers: speed', [
    barsOf(result, `One event to ${main} subscribers: deliveries / s (more is better)`, `a.${sizes.main}.perSecond`, false),
    barsOf(result, `A burst of 100 events to ${main}: deliveries / s (more is better)`, 'b.tick.perSecond', true),
    barsOf(result, `Event-loop time for each publish to ${main}: µs (less is better)`, `a.${sizes.main}.loopUs`, true),
    barsOf(result, `CPU of ${number(idle.clients)} idle connections: % of a core (less is better)`, 'idle.cpuPercent', true),
  ], svg.bars);
}

function growth(result) {
  const { sizes } = result.settings;
  const over = (name) => (clients) => [clients, `${name.replace('N', clients)}`];
  return stack(result, 'native-sse and its peers: cost as the work grows', [
    linesOf(result, {
      title: 'One event to N: CPU of the server for each delivery, µs', xLabel: 'subscribers', keys: sizes.all.map(over('a.N.cpuPerDeliveryUs')),
    }),
    linesOf(result, {
      title: 'Idle: JS heap and malloc for each connection, bytes', xLabel: 'connections',
      keys: sizes.all.filter((clients) => clients >= 1000).map(over('f.N.ownBytes')),
    }),
    linesOf(result, {
      title: 'Publish: CPU of the event loop for each event, µs', xLabel: 'channels', keys: sizes.growth.map(over('growth.N.mainCpuUs')),
    }),
  ], svg.lines);
}

const PICTURES = { 'speed.svg': speed, 'growth.svg': growth };

/** Writes every picture there are figures for. */
function writePictures(result, folder) {
  fs.mkdirSync(folder, { recursive: true });
  for (const [name, draw] of Object.entries(PICTURES)) fs.writeFileSync(path.join(folder, name), draw(result));
}

module.exports = { SERVERS, figure, writePictures, speed, growth };
