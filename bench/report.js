// bench/report.js: a result as text: machine, the table of figures, and the targets. From the result alone.
'use strict';

const { bestOf, ratios, short, spread, write } = require('./figures');
const { heading } = require('./machine');
const { metricsOf } = require('./metrics');
const { align, rounds } = require('./table');
const { judge, NODE_PEERS } = require('./targets');
const verify = require('./verify');

const SUBJECT = 'native';

/** How many times better the one is than the other. */
function better(own, other, direction) {
  if (direction === null) return null;
  return direction === 'higher' ? ratios(own, other) : ratios(other, own);
}

/** All figures; a row for each that any server has. */
function figuresTable({ settings, runs }) {
  const names = Object.keys(runs);
  const rows = [['', ...names, `${SUBJECT} : floor`, `${SUBJECT} : best Node peer`]];
  for (const { key, label, better: direction } of metricsOf(settings)) {
    const of = (name) => (runs[name] ?? []).map((run) => run[key]);
    const all = names.map((name) => spread(of(name)));
    if (all.every((figure) => figure === null)) continue;
    const best = bestOf(NODE_PEERS.map(of), direction);
    const against = [better(of(SUBJECT), of('floor'), direction), better(of(SUBJECT), best, direction)];
    rows.push([label, ...all.map((figure) => (figure === null ? '' : write(figure))),
      ...against.map((figure) => (figure === null ? '' : write(figure)))]);
  }
  return rows.length > 1 ? align(rows) : '';
}

function targetsTable(result) {
  const rows = judge(result).filter(({ figure }) => figure !== null)
    .map(({ label, goal, figure, met }) => [label, goal, write(figure), met ? 'met' : 'MISSED']);
  return rows.length > 0 ? align([['target', 'goal', 'measured', ''], ...rows]) : '';
}

/** Everything, as it is printed. */
function text(result) {
  const { settings, titles, runs, leftOut } = result;
  const parts = [heading(result)];
  if (Object.keys(runs).length > 0) {
    parts.push([
      `on loopback, load generator on the same machine; ${rounds(settings.runs)}; ${short(result.minutes)} minutes`,
      ...Object.keys(runs).map((name) => `  ${name}: ${titles[name]}`),
      ...leftOut.map(({ name, reason }) => `  ${name}: LEFT OUT, ${reason}`),
    ].join('\n'));
    parts.push(figuresTable(result), targetsTable(result));
  }
  if (result.verify) parts.push(verify.text(result.verify));
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}

module.exports = { text, figuresTable, targetsTable };
