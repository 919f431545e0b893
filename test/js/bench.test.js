// bench.test.js - the parts of the benchmark that are pure: medians and ratios, the targets, the guard's
// verdicts, the pictures. No time is measured here.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const { judge: judgeCheck } = require('../../bench/check');
const { begin, end, PARTS, withPart } = require('../../bench/documents');
const { bestOf, median, ratios, short, spread, write } = require('../../bench/figures');
const { metricsOf } = require('../../bench/metrics');
const { needsOf } = require('../../bench/million');
const { growth, speed } = require('../../bench/pictures');
const { figuresTable, targetsTable } = require('../../bench/report');
const { FULL, QUICK } = require('../../bench/run');
const svg = require('../../bench/svg');
const { judge } = require('../../bench/targets');
const thresholds = require('../../bench/thresholds.json');

const SERVERS = ['native', 'native-stream', 'express', 'better-sse', 'fastify-sse', 'nchan', 'floor'];

/** A result as run.js writes it: every figure of every server is 10 times its place in the list. */
function makeResult({ settings = FULL, servers = SERVERS, rounds = 3 } = {}) {
  const keys = metricsOf(settings).map(({ key }) => key);
  const runs = Object.fromEntries(servers.map((name, i) => [
    name, Array.from({ length: rounds }, () => Object.fromEntries(keys.map((key) => [key, 10 * (i + 1)]))),
  ]));
  return {
    machine: { cpu: 'a & b <c>', cores: 2, memoryGiB: 1, kernel: 'Linux', node: 'v20', commit: 'abc', date: '2026-01-01T00:00:00Z' },
    settings: { ...settings, runs: rounds },
    loadAverage: [0, 0],
    stealPercent: 0,
    titles: Object.fromEntries(servers.map((name) => [name, name])),
    leftOut: [],
    runs,
  };
}

/** Well-formed: every tag is closed in its order, and nothing is left unescaped. */
function checkXml(text) {
  const open = [];
  for (const [, close, name, , selfClosed] of text.matchAll(/<(\/?)([a-z]+)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>/gi)) {
    if (close) assert.equal(open.pop(), name);
    else if (!selfClosed) open.push(name);
  }
  assert.deepEqual(open, []);
  const left = text.replace(/<\/?[a-z]+(?:\s+[\w:-]+="[^"<]*")*\s*\/?>/gi, '');
  assert.doesNotMatch(left, /[<]|&(?!amp;|lt;|gt;|quot;)/);
  assert.doesNotMatch(text, /NaN|undefined|Infinity/);
}

describe('bench: figures', () => {
  it('takes the median of what is a number', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.equal(median([undefined, NaN, 7]), 7);
    assert.equal(median([]), undefined);
  });

  it('makes ratios round by round, not of the medians', () => {
    assert.deepEqual(ratios([10, 40, 90], [10, 20, 30]), { median: 2, min: 1, max: 3, runs: 3 });
    assert.deepEqual(ratios([10, undefined, 90], [10, 20, 30]), { median: 2, min: 1, max: 3, runs: 2 });
    assert.equal(ratios([], [1]), null);
    assert.equal(ratios([1], [0]), null);
  });

  it('finds the best peer in each round', () => {
    assert.deepEqual(bestOf([[1, 5], [2, 3], [undefined]], 'higher'), [2, 5]);
    assert.deepEqual(bestOf([[1, 5], [2, 3]], 'lower'), [1, 3]);
    assert.deepEqual(bestOf([[undefined], []], 'lower'), [undefined]);
    assert.deepEqual(bestOf([], 'lower'), []);
  });

  it('writes three digits that count', () => {
    const cases = [[0, '0'], [0.0123, '0.012'], [0.00038, '0.00038'], [2.345, '2.35'], [45.67, '45.7'], [123.4, '123'], [999.9, '1000'],
      [9994, '9994'], [12_345.6, '12.3k'], [148_668, '149k'], [999_600, '1.00M'], [6_459_596, '6.46M'], [-0.5, '-0.50'], [NaN, 'n/a']];
    for (const [value, text] of cases) assert.equal(short(value), text);
    assert.equal(write(spread([1, 2, 3])), '2.00 (1.00 to 3.00)');
    assert.equal(write(spread([1])), '1.00');
    assert.equal(write(null), 'n/a');
  });
});

describe('bench: report', () => {
  it('names each figure once, at every size', () => {
    for (const settings of [FULL, QUICK]) {
      const keys = metricsOf(settings).map(({ key }) => key);
      assert.equal(new Set(keys).size, keys.length);
    }
  });

  it('has a row for each figure, and none for what nobody has', () => {
    const result = makeResult({ servers: ['native', 'floor'] });
    const rows = figuresTable(result).split('\n');
    assert.equal(rows.length, 1 + metricsOf(FULL).length);
    for (const run of [...result.runs.native, ...result.runs.floor]) delete run['h.seconds'];
    assert.equal(figuresTable(result).split('\n').length, rows.length - 1);
    assert.match(rows[0], /native {2}.*floor {2}.*native : floor/);
  });

  it('judges every target, on the right side', () => {
    const result = makeResult();
    const named = (label) => judge(result).find((verdict) => verdict.label === label);
    // native has 10, and floor 70: deliveries are missed by far, and what should be little is met.
    assert.equal(named('(a) at 5,000, deliveries / s : floor').met, false);
    assert.equal(named('(a) at 5,000, deliveries / s : floor').figure.median, 1 / 7);
    assert.equal(named('(a) at 5,000, p99 : floor').met, true);
    assert.equal(named('event-loop time / publish at 100, µs').met, true);
    assert.equal(named('event-loop time / publish at 5,000, best Node peer : native').figure.median, 3);
    assert.match(targetsTable(result), /MISSED/);
    assert.match(targetsTable(result), /met/);
  });

  it('leaves out targets that were not measured', () => {
    const result = makeResult({ servers: ['floor'] });
    assert.ok(judge(result).every(({ figure, met }) => figure === null && met === null));
    assert.equal(targetsTable(result), '');
  });
});

describe('bench: guard', () => {
  const runs = { native: [{ x: 10 }, { x: 30 }, { x: 20 }], floor: [{ x: 10 }, { x: 10 }, { x: 10 }] };

  it('compares the median with the usual and its margin', () => {
    const met = (threshold) => judgeCheck(runs, [{ key: 'x', of: 'native', ...threshold }])[0].isMet;
    assert.equal(met({ to: 'floor', better: 'higher', usual: 2.5, margin: 0.2 }), true);
    assert.equal(met({ to: 'floor', better: 'higher', usual: 2.6, margin: 0.2 }), false);
    assert.equal(met({ better: 'lower', usual: 16, margin: 0.25 }), true);
    assert.equal(met({ better: 'lower', usual: 15.9, margin: 0.25 }), false);
  });

  it('does not pass what was not measured', () => {
    const rest = { better: 'lower', usual: 1, margin: 1000 };
    assert.equal(judgeCheck(runs, [{ key: 'y', of: 'native', ...rest }])[0].isMet, false);
    assert.equal(judgeCheck(runs, [{ key: 'x', of: 'nobody', ...rest }])[0].isMet, false);
  });

  it('has thresholds for figures that exist', () => {
    const keys = new Set(metricsOf(FULL).map(({ key }) => key));
    assert.ok(thresholds.length >= 8);
    for (const { key, better, usual, margin } of thresholds) {
      assert.ok(keys.has(key), key);
      assert.match(better, /^(higher|lower)$/);
      assert.ok(usual > 0 && margin > 0 && (better === 'lower' || margin < 1), key);
    }
  });
});

describe('bench: pictures', () => {
  it('draws well-formed SVG from a result alone, always the same', () => {
    for (const draw of [speed, growth]) {
      const picture = draw(makeResult());
      checkXml(picture);
      assert.match(picture, /prefers-color-scheme: dark/);
      assert.match(picture, /a &amp; b &lt;c&gt;/);
      assert.equal(picture, draw(makeResult()));
    }
  });

  it('draws what there is of a partial result', () => {
    const result = makeResult({ servers: ['native', 'express'], rounds: 1 });
    for (const run of result.runs.native) delete run['idle.cpuPercent'];
    checkXml(speed(result));
    checkXml(growth(makeResult({ servers: [] })));
  });

  it('gives a bar the length of its value, and the decade of it on a log scale', () => {
    const linear = svg.scaleOf([5, 10], false);
    assert.equal(linear.place(5), 0.5);
    const log = svg.scaleOf([10, 1000], true);
    assert.deepEqual(log.ticks.map((tick) => Math.round(tick)), [10, 100, 1000]);
    assert.ok(Math.abs(log.place(100) - 0.5) < 1e-9);
    const box = { x: 0, y: 0, width: 460 };
    const { body } = svg.bars({ title: 't', bars: [{ label: 'a', value: 1, color: 0 }, { label: 'b', value: 2, color: 1 }] }, box);
    assert.deepEqual([...body.matchAll(/<rect[^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width)), [100, 200]);
  });
});

describe('bench: documents', () => {
  it('writes a part between its marks, and nothing else', () => {
    const text = `before\n${begin('x')}\nold\n${end('x')}\nafter`;
    const once = withPart(text, 'x', 'new');
    assert.equal(once, `before\n${begin('x')}\nnew\n${end('x')}\nafter`);
    assert.equal(withPart(once, 'x', 'new'), once);
    assert.throws(() => withPart(text, 'y', 'new'), /no "<!-- bench y: begin/);
  });

  it('has marks in the documents for every part, and a table for each', () => {
    for (const [file, parts] of Object.entries(PARTS)) {
      const text = fs.readFileSync(path.join(__dirname, '../..', file), 'utf8');
      for (const [name, write] of Object.entries(parts)) {
        assert.ok(text.indexOf(begin(name)) >= 0 && text.indexOf(end(name)) > text.indexOf(begin(name)), `${file}: ${name}`);
        const result = makeResult();
        for (const name of ['native-jwks', 'bare-express']) result.runs[name] = result.runs.native;
        const tables = write(result);
        assert.doesNotMatch(tables, /NaN|undefined|n\/a/);
        for (const block of tables.split('\n\n').filter((each) => each.startsWith('|'))) {
          const widths = block.split('\n').map((line) => line.split('|').length);
          assert.equal(new Set(widths).size, 1, block);
        }
      }
    }
  });

  it('multiplies what one connection needs', () => {
    const needs = needsOf({ ownBytes: 1000, kernelBytes: 2000, deliveryUs: 6.4, heartbeatUs: 3, connectUs: 150 });
    assert.equal(needs.ownGB, 1);
    assert.equal(needs.kernelGB, 2);
    assert.ok(Math.abs(needs.eventCoreSeconds - 6.4) < 1e-9);
    assert.ok(Math.abs(needs.eventSeconds - 0.1) < 1e-9);
    assert.ok(Math.abs(needs.heartbeatCores - 0.1) < 1e-9);
    assert.ok(Math.abs(needs.connectMinutes - 2.5) < 1e-9);
    assert.ok(needs.eventsPerSecond <= 10);
  });
});
