// bench/documents.js: the figures in README.md and docs/performance.md, and the pictures there, from a result alone.
//
//   node bench/documents.js [bench/results/recorded.json]
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const { short } = require('./figures');
const { number } = require('./metrics');
const { CONNECTIONS, CORES, EVENT_BYTES, HEARTBEAT_SECONDS, needsOf, PACKET_OVERHEAD_BYTES } = require('./million');
const { SERVERS, figure, writePictures } = require('./pictures');
const { judge } = require('./targets');

const ROOT = path.join(__dirname, '..');

/** Markdown of rows; the first is the heading. */
function markdown([heading, ...rows]) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(heading), `|${heading.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

function cell(result, name, key, unit = '') {
  const value = figure(result, name, key);
  return value === undefined ? '' : `${short(value)}${unit}`;
}

const present = (result, names) => names.filter((name) => result.runs[name]);

function source({ machine: m, settings }) {
  return `${m.cpu}, ${m.cores} cores, Node ${m.node}, commit ${m.commit}; medians of ${settings.runs} interleaved runs.`;
}

/** The table of the README. */
function summary(result) {
  const { sizes, idle } = result.settings;
  const main = number(sizes.main);
  const names = present(result, Object.keys(SERVERS));
  const row = (label, key, unit) => [label, ...names.map((name) => cell(result, name, key, unit))];
  return markdown([
    ['', ...names.map((name) => SERVERS[name].label)],
    row(`One event to ${main}, deliveries/s`, `a.${sizes.main}.perSecond`),
    row('The same, latency p99', `a.${sizes.main}.p99Ms`, ' ms'),
    row('Event-loop time for each publish', `a.${sizes.main}.loopUs`, ' µs'),
    row('Burst of 100 in one tick, deliveries/s', 'b.tick.perSecond'),
    row('Burst of 100, one each turn of the loop, deliveries/s', 'b.turn.perSecond'),
    row('100 KB events, MB/s', 'e.megabytesPerSecond'),
    row('Replay of 100 events to all who come back, events/s', 'h.eventsPerSecond'),
    row('JS heap and malloc for each idle connection, bytes', `f.${sizes.main}.ownBytes`),
    row(`CPU of ${number(idle.clients)} idle connections, % of a core`, 'idle.cpuPercent'),
    row('Subscriptions opened/s', 'connect.perSecond'),
  ]);
}

/** What a delivery, a connection and a publish cost at each size. */
function growthTables(result) {
  const { sizes } = result.settings;
  const names = present(result, Object.keys(SERVERS));
  const rows = (list, label, keyOf, who, unit) => list.map((n) => [
    `${number(n)} ${label}`, ...who.map((name) => cell(result, name, keyOf(n), unit))]);
  const heading = (what, who) => [what, ...who.map((name) => SERVERS[name].label)];
  const publishers = names.filter((name) => figure(result, name, `growth.${sizes.growth[0]}.mainCpuUs`) !== undefined);
  const owners = names.filter((name) => figure(result, name, `f.${sizes.main}.ownBytes`) !== undefined);
  return [
    markdown([heading('CPU for each delivery, µs', names),
      ...rows(sizes.all, 'subscribers', (n) => `a.${n}.cpuPerDeliveryUs`, names)]),
    markdown([heading('JS heap and malloc for each connection, bytes', owners),
      ...rows(sizes.all.filter((n) => n >= 1000), 'connections', (n) => `f.${n}.ownBytes`, owners)]),
    markdown([heading('Event-loop time for each publish, µs', publishers),
      ...rows(sizes.growth, 'channels', (n) => `growth.${n}.mainCpuUs`, publishers)]),
  ].join('\n\n');
}

/** The costs of one connection that a million is computed from. */
function unitCosts(result) {
  const most = result.settings.sizes.all.at(-1);
  const of = (key, name = 'native') => figure(result, name, key);
  return {
    ownBytes: of(`f.${most}.ownBytes`),
    kernelBytes: of(`f.${most}.kernelBytes`) / 2, // both ends were on the machine
    deliveryUs: of(`a.${most}.cpuPerDeliveryUs`),
    heartbeatUs: of('idle.cpuPerHeartbeatUs'),
    connectUs: of('g.warm.mainCpuUs', 'native-jwks'),
  };
}

/** What a million connections need. */
function millionTable(result) {
  const unit = unitCosts(result);
  const needs = needsOf(unit);
  const million = number(CONNECTIONS);
  const core = `${CORES} cores`;
  return markdown([
    ['', 'one', million],
    ['Memory of the process, idle', `${short(unit.ownBytes)} bytes`, `${short(needs.ownGB)} GB`],
    ['Memory of the kernel, idle, buffers empty', `${short(unit.kernelBytes)} bytes`, `${short(needs.kernelGB)} GB`],
    [`Heartbeats every ${HEARTBEAT_SECONDS} s`, `${short(unit.heartbeatUs)} µs of CPU`,
      `${short(needs.heartbeatsPerSecond)}/s, ${short(needs.heartbeatCores)} cores`],
    ['One event to everybody, CPU', `${short(unit.deliveryUs)} µs`,
      `${short(needs.eventCoreSeconds)} s; ${short(needs.eventSeconds)} s on ${core}`],
    ['The same on the wire', `${EVENT_BYTES + PACKET_OVERHEAD_BYTES} bytes`,
      `${short(needs.eventGbit)} Gbit; ${short(needs.nicSeconds)} s on 25 Gbit/s`],
    ['Events to everybody, at most', '', `${short(needs.eventsPerSecond)}/s`],
    ['Connect, token seen before, on one event loop', `${short(unit.connectUs)} µs`,
      `${short(needs.connectsPerSecond)}/s; ${short(needs.connectMinutes)} minutes for all`],
  ]);
}

function targetTable(result) {
  const rows = judge(result).filter(({ figure: value }) => value !== null)
    .map(({ label, goal, figure: value, met }) => [
      label, goal, `${short(value.median)} (${short(value.min)} to ${short(value.max)})`, met ? 'met' : '**missed**']);
  return markdown([['', 'Goal', 'Measured, median (min to max)', ''], ...rows]);
}

const PARTS = {
  'README.md': { summary: (result) => `${summary(result)}\n\n${source(result)}` },
  'docs/performance.md': {
    targets: (result) => `${targetTable(result)}\n\n${source(result)}`,
    growth: growthTables,
    million: millionTable,
  },
};

const begin = (name) => `<!-- bench ${name}: begin, written by bench/documents.js -->`;
const end = (name) => `<!-- bench ${name}: end -->`;

/** @returns {string} the text with a part between its marks written anew */
function withPart(text, name, content) {
  const from = text.indexOf(begin(name));
  const to = text.indexOf(end(name));
  if (from < 0 || to < from) throw new Error(`no "${begin(name)}" and "${end(name)}" in the document`);
  return `${text.slice(0, from + begin(name).length)}\n${content}\n${text.slice(to)}`;
}

function writeDocuments(result) {
  writePictures(result, path.join(ROOT, 'docs', 'images'));
  for (const [file, parts] of Object.entries(PARTS)) {
    const target = path.join(ROOT, file);
    let text = fs.readFileSync(target, 'utf8');
    for (const [name, write] of Object.entries(parts)) text = withPart(text, name, write(result));
    fs.writeFileSync(target, text);
  }
}

module.exports = { PARTS, begin, end, withPart, summary, growthTables, millionTable };

if (require.main === module) {
  const file = process.argv[2] ?? path.join(__dirname, 'results', 'recorded.json');
  writeDocuments(JSON.parse(fs.readFileSync(file, 'utf8')));
}
