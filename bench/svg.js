// bench/svg.js: bars and lines as SVG text. Pure functions: the same data give the same bytes. Legible on a light
// and on a dark page: the colours follow the reader's, and there is a background of its own.
'use strict';

const { short } = require('./figures');

const STYLE = `
  .back { fill: #ffffff; } .ink { fill: #1f2328; } .soft { fill: #59636e; } .rule { stroke: #d1d9e0; }
  .c0 { fill: #0969da; stroke: #0969da; } .c1 { fill: #54aeff; stroke: #54aeff; } .c2 { fill: #bc4c00; stroke: #bc4c00; }
  .c3 { fill: #8250df; stroke: #8250df; } .c4 { fill: #bf3989; stroke: #bf3989; } .c5 { fill: #1a7f37; stroke: #1a7f37; }
  .c6 { fill: #818b98; stroke: #818b98; }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117; } .ink { fill: #f0f6fc; } .soft { fill: #9198a1; } .rule { stroke: #3d444d; }
    .c0 { fill: #4493f8; stroke: #4493f8; } .c1 { fill: #a5d6ff; stroke: #a5d6ff; } .c2 { fill: #f0883e; stroke: #f0883e; }
    .c3 { fill: #ab7df8; stroke: #ab7df8; } .c4 { fill: #f778ba; stroke: #f778ba; } .c5 { fill: #3fb950; stroke: #3fb950; }
    .c6 { fill: #9198a1; stroke: #9198a1; }
  }
  text { font: 12px system-ui, sans-serif; } .title { font-weight: 600; font-size: 13px; } .small { font-size: 11px; }
  path { fill: none; stroke-width: 2; } .bar { stroke: none; }
`;

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replace(/[&<>"]/g, (char) => ESCAPES[char]);
const at = (value) => Number(value.toFixed(1));

function text(x, y, content, { kind = 'ink', anchor = 'start', extra = '' } = {}) {
  return `<text x="${at(x)}" y="${at(y)}" class="${kind}${extra}" text-anchor="${anchor}">${escape(content)}</text>`;
}

/** Where values are, from 0 to 1. On a log scale from the power of ten below the least one. */
function scaleOf(values, isLog) {
  const high = Math.max(...values);
  if (!isLog) return { place: (value) => value / high, ticks: [0, high] };
  const from = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const to = Math.max(from + 1, Math.ceil(Math.log10(high) - 1e-9));
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
  return { place: (value) => (Math.log10(value) - from) / (to - from), ticks };
}

const BAR = { height: 20, gap: 4, label: 130, value: 130, head: 28, foot: 14 };

/**
 * One group of bars.
 * @param {{ title: string, isLog?: boolean, bars: { label: string, value: number, color: number }[] }} chart
 * @param {{ x: number, y: number, width: number }} box
 * @returns {{ body: string, height: number }}
 */
function bars({ title, isLog = false, bars: rows }, { x, y, width }) {
  const room = width - BAR.label - BAR.value;
  const { place } = scaleOf(rows.map(({ value }) => value), isLog);
  const parts = [text(x, y + 14, `${title}${isLog ? ' (log scale)' : ''}`, { extra: ' title' })];
  rows.forEach(({ label, value, color }, i) => {
    const top = y + BAR.head + i * (BAR.height + BAR.gap);
    const length = Math.max(2, room * place(value));
    parts.push(
      text(x + BAR.label - 8, top + 14, label, { anchor: 'end' }),
      `<rect x="${at(x + BAR.label)}" y="${at(top)}" width="${at(length)}" height="${BAR.height}" class="bar c${color}"/>`,
      text(x + BAR.label + length + 6, top + 14, short(value), { kind: 'soft' }),
    );
  });
  return { body: parts.join('\n'), height: BAR.head + rows.length * (BAR.height + BAR.gap) + BAR.foot };
}

const LINE = { left: 46, right: 135, head: 28, foot: 34, gap: 16 };

/** Powers of ten, without digits that say nothing. */
const tickText = (value) => (value < 1 ? String(Number(value.toPrecision(1))) : short(value).replace(/\.0+(?=\D|$)/, ''));

/** Labels at the right end of their lines, moved apart where they would touch. */
function placeLabels(ends) {
  const sorted = [...ends].sort((a, b) => a.y - b.y);
  let moved = 0;
  for (let i = 1; i < sorted.length; i++) {
    const low = sorted[i - 1].y + 13;
    moved = Math.max(moved, low - sorted[i].y);
    sorted[i].y = Math.max(sorted[i].y, low);
  }
  return sorted.map((end) => ({ ...end, y: end.y - moved / 2 }));
}

/**
 * Lines over a number; both axes are logarithmic.
 * @param {{ title: string, xLabel: string, lines: { label: string, color: number, points: [number, number][] }[] }} chart
 * @param {{ x: number, y: number, width: number, height: number }} box
 * @returns {{ body: string, height: number }}
 */
function lines({ title, xLabel, lines: all }, { x, y, width, height }) {
  const left = x + LINE.left;
  const right = x + width - LINE.right;
  const top = y + LINE.head;
  const bottom = y + height - LINE.foot;
  const points = all.flatMap((line) => line.points);
  const xs = [...new Set(points.map(([value]) => value))].sort((a, b) => a - b);
  const span = Math.log(xs.at(-1) / xs[0]) || 1;
  const px = (value) => left + (right - left) * (Math.log(value / xs[0]) / span);
  const scale = scaleOf(points.map(([, value]) => value), true);
  const py = (value) => bottom - (bottom - top) * scale.place(value);
  const parts = [text(x, y + 14, title, { extra: ' title' })];
  for (const tick of scale.ticks) {
    parts.push(`<line x1="${at(left)}" x2="${at(right)}" y1="${at(py(tick))}" y2="${at(py(tick))}" class="rule"/>`,
      text(left - 6, py(tick) + 4, tickText(tick), { kind: 'soft', anchor: 'end', extra: ' small' }));
  }
  for (const value of xs) parts.push(text(px(value), bottom + 15, tickText(value), { kind: 'soft', anchor: 'middle', extra: ' small' }));
  parts.push(text((left + right) / 2, bottom + 29, xLabel, { kind: 'soft', anchor: 'middle', extra: ' small' }));
  const ends = [];
  for (const { label, color, points: own } of all) {
    const path = own.map(([a, b], i) => `${i === 0 ? 'M' : 'L'}${at(px(a))} ${at(py(b))}`).join(' ');
    parts.push(`<path d="${path}" class="c${color}" style="fill: none"/>`);
    for (const [a, b] of own) parts.push(`<circle cx="${at(px(a))}" cy="${at(py(b))}" r="3" class="c${color}"/>`);
    ends.push({ label, color, y: py(own.at(-1)[1]) + 4 });
  }
  for (const { label, color, y: place } of placeLabels(ends)) {
    parts.push(`<rect x="${at(right + 8)}" y="${at(place - 8)}" width="8" height="8" class="bar c${color}"/>`,
      text(right + 21, place, label, { extra: ' small' }));
  }
  return { body: parts.join('\n'), height: height + LINE.gap };
}

/**
 * @param {{ width: number, height: number, title: string, body: string[] }} picture
 * @returns {string}
 */
function document({ width, height, title, body }) {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${Math.ceil(height)}" width="${width}" height="${Math.ceil(height)}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect width="${width}" height="${Math.ceil(height)}" rx="6" class="back"/>`,
    ...body,
    '</svg>',
    '',
  ].join('\n');
}

module.exports = { bars, lines, document, text, scaleOf };
