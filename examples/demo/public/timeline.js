'use strict';

// timeline.js - the strip above the events: the last 30 seconds, the connection
// as a line (broken where it was down) and every event as a dot at the moment
// it was published. An id is that moment, in microseconds.

(() => {
  const SPAN = 30000;
  const LEVELS = 3;
  const FRAME = window.matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 33;

  class Timeline {
    /** @param {HTMLCanvasElement} canvas */
    constructor(canvas) {
      this.canvas = canvas;
      this.context = canvas.getContext('2d');
      /** The browser's clock minus the server's, in ms. */
      this.skew = 0;
      this.clear();
      let last = 0;
      const step = (now) => {
        if (now - last >= FRAME) {
          last = now;
          this.draw();
        }
        requestAnimationFrame(step);
      };
      requestAnimationFrame(step);
    }

    clear() {
      /** Stretches in which the connection was up: `to` is null while it is. */
      this.up = this.up?.filter((stretch) => stretch.to === null) ?? [];
      /** @type {Map<number, { kind: string, since: number }>} by event id */
      this.dots = new Map();
    }

    connected() {
      this.disconnected();
      this.up.push({ from: Date.now(), to: null });
    }

    disconnected() {
      for (const stretch of this.up) stretch.to ??= Date.now();
    }

    /**
     * @param {number} id
     * @param {'live' | 'replayed' | 'waiting'} kind
     */
    mark(id, kind) {
      const dot = this.dots.get(id);
      if (dot?.kind === kind || (dot && kind === 'waiting')) return;
      this.dots.set(id, { kind, since: Date.now() });
    }

    draw() {
      const { canvas, context } = this;
      const scale = window.devicePixelRatio || 1;
      const { clientWidth: width, clientHeight: height } = canvas;
      if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
        canvas.width = Math.round(width * scale);
        canvas.height = Math.round(height * scale);
      }
      const style = getComputedStyle(document.documentElement);
      const color = (name) => style.getPropertyValue(`--${name}`).trim();
      const now = Date.now();
      const edge = width - 14;
      const x = (time) => edge - ((now - time) / SPAN) * edge;
      const y = Math.round(height / 2) + 6;
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.clearRect(0, 0, width, height);

      context.font = '11px system-ui, sans-serif';
      context.fillStyle = color('faint');
      context.textBaseline = 'alphabetic';
      for (const seconds of [5, 10, 15, 20, 25]) {
        context.textAlign = 'center';
        context.fillText(`${seconds} s`, x(now - seconds * 1000), height - 4);
        context.fillRect(x(now - seconds * 1000), height - 19, 1, 4);
      }
      context.textAlign = 'right';
      context.fillText('now', width - 4, height - 4);

      const line = (from, to, stroke, lineWidth, dash) => {
        context.beginPath();
        context.setLineDash(dash);
        context.lineWidth = lineWidth;
        context.lineCap = 'round';
        context.strokeStyle = stroke;
        context.moveTo(from, y);
        context.lineTo(to, y);
        context.stroke();
        context.setLineDash([]);
      };
      line(0, edge, color('line'), 2, [1, 7]);
      this.up = this.up.filter(({ to }) => to === null || now - to < SPAN);
      for (const { from, to } of this.up) {
        line(Math.max(x(from), 0), x(to ?? now), color('live'), 3, []);
      }
      const isUp = this.up.some(({ to }) => to === null);
      context.beginPath();
      context.arc(edge, y, 5, 0, 2 * Math.PI);
      context.fillStyle = isUp ? color('live') : color('faint');
      context.fill();

      // Dots that would cover each other are stacked, up to a few.
      let near = -Infinity;
      let level = 0;
      for (const [id, { kind, since }] of [...this.dots].sort(([a], [b]) => a - b)) {
        const at = Math.min(id / 1000 + this.skew, now);
        if (now - at > SPAN && kind !== 'waiting') {
          this.dots.delete(id);
          continue;
        }
        const left = x(at);
        level = left - near < 8 ? Math.min(level + 1, LEVELS) : 0;
        if (level === 0) near = left;
        const top = y - level * 11;
        const age = Math.min((now - since) / 500, 1);
        if (age < 1 && kind !== 'waiting') {
          context.beginPath();
          context.arc(left, top, 6 + 14 * age, 0, 2 * Math.PI);
          context.globalAlpha = 0.35 * (1 - age);
          context.fillStyle = color(kind);
          context.fill();
          context.globalAlpha = 1;
        }
        context.beginPath();
        context.arc(left, top, 6, 0, 2 * Math.PI);
        context.fillStyle = kind === 'waiting' ? color('card') : color(kind);
        context.fill();
        context.lineWidth = 2;
        context.strokeStyle = kind === 'waiting' ? color('waiting') : color('card');
        context.stroke();
      }
    }
  }

  window.Timeline = Timeline;
})();
