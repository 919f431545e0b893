'use strict';

// clients-process.js - the client side of a churn, in a process of its own: subscribers that come, read, stop
// reading, vanish and come back, each judged by what it must receive. Driven as server-process.js is.

const net = require('node:net');

const { Frames } = require('../../js/chaos/frames');
const { Dechunker } = require('../../js/helpers/client');
const { makeRandom } = require('../../js/helpers/seeded-random');
const { Expectation } = require('./expectation');

const MOST_PROBLEMS = 20;
const problems = [];
const counts = { opened: 0, resumed: 0, told: 0, resets: 0, pauses: 0, slow: 0, events: 0, refused: 0 };
let plan;
let random;
let subscribers = [];
let isQuiet = false;
/** While nobody is judged: those who only fill the places. */
let timers = [];

function complain(text) {
  problems.push(text);
}

class Subscriber {
  constructor(number, { transport, port }) {
    Object.assign(this, { number, transport, port });
    this.isBulk = number % plan.bulkSubscribersEvery < 2;
    this._renew();
  }

  /** Somebody else: new channels, no past. */
  _renew() {
    this.expectation = new Expectation();
    const own = `c${random.below(plan.channels)}`;
    this.channels = this.isBulk ? [own, `bulk${random.below(plan.bulkChannels)}`] : [...new Set([own, `c${random.below(plan.channels)}`])];
  }

  open(isResumed) {
    if (!isResumed) this._renew();
    const sent = isResumed ? this.expectation.lastEventId : 0;
    this._sent = sent > 0 ? sent : null;
    if (this._sent === null) this.expectation = new Expectation();
    counts[this._sent === null ? 'opened' : 'resumed'] += 1;
    this.isGreeted = false;
    this.isCut = false;
    const socket = net.connect({ host: '127.0.0.1', port: this.port });
    this.socket = socket;
    const frames = new Frames((frame) => this._take(frame));
    let head = '';
    let dechunker = null;
    const take = (bytes) => frames.push(dechunker === null ? bytes : dechunker.push(bytes));
    socket.on('data', (bytes) => {
      if (socket !== this.socket || this.isCut) return;
      if (head === null) {
        take(bytes);
        return;
      }
      head += bytes.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      const body = Buffer.from(head.slice(end + 4), 'latin1');
      if (!head.startsWith('HTTP/1.1 200')) counts.refused += 1;
      if (/^transfer-encoding: chunked/im.test(head)) dechunker = new Dechunker();
      head = null;
      take(body);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (socket === this.socket) this._closed();
    });
    const query = this.channels.map((name) => `channel=${name}`).join('&');
    const id = this._sent === null ? '' : `Last-Event-ID: ${this._sent}\r\n`;
    socket.write(`GET /?${query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer u${this.number}\r\n${id}\r\n`);
  }

  _take({ type, id, data }) {
    if (data === undefined) return;
    const parsed = JSON.parse(data);
    let fault;
    if (type === 'connected') {
      this.isGreeted = true;
      if (!parsed.recovered) counts.told += 1;
      fault = this.expectation.greeted({ sent: this._sent, recovered: parsed.recovered, id: id === undefined ? null : Number(id) });
    } else if (type === 'e') {
      counts.events += 1;
      fault = this.expectation.received({ channel: parsed.c, n: parsed.n, before: parsed.b, id: Number(id) });
      if (!this.channels.includes(parsed.c)) fault = `got an event of ${parsed.c}`;
    } else {
      fault = `got an event of type ${type}`;
    }
    if (fault !== null) complain(`${this.transport} ${this.number}: ${fault}`);
  }

  /** By the server, which does so to slow readers alone. */
  _closed() {
    if (this.isCut) return;
    this.isCut = true;
    if (this.isBulk) counts.slow += 1;
    else if (!isQuiet) complain(`${this.transport} ${this.number}: the server has closed the connection of one who reads`);
    this._again(true, random.below(2000));
  }

  _again(isResumed, wait) {
    if (isQuiet) wait = Math.min(wait, 100);
    clearTimeout(this._timer);
    this._timer = setTimeout(() => {
      this._timer = undefined;
      this.open(isResumed);
    }, wait);
  }

  /** Leaves, and comes back as the same or as another. */
  churn() {
    if (!this.isGreeted || this.isCut) return;
    this.isCut = true;
    const way = random.below(10);
    if (way < 3) counts.resets += 1;
    if (way < 3) this.socket.resetAndDestroy();
    else if (way < 8) this.socket.destroy();
    else this.socket.end();
    const isLong = random.below(100) < 3;
    this._again(random.below(10) < 7, isLong ? plan.longAbsence : random.below(plan.absence));
  }

  pause(ms) {
    if (this.isCut || !this.isGreeted) return;
    const { socket } = this;
    counts.pauses += 1;
    socket.pause();
    this._resume = () => socket.resume();
    setTimeout(this._resume, ms);
  }

  end() {
    this.isCut = true;
    clearTimeout(this._timer);
    this.socket?.destroy();
  }

  /** Connected, and with everything. */
  lacks(numbers) {
    if (this._timer !== undefined || !this.isGreeted) return `${this.transport} ${this.number} is not connected`;
    const lag = this.channels.find((name) => this.expectation.position(name) !== numbers[this.transport][name]);
    return lag === undefined ? null : `${this.transport} ${this.number} has ${JSON.stringify(this.expectation.position(lag))} of ${lag}, not ${numbers[this.transport][lag]}`;
  }
}

const sleep = (ms) => new Promise((resolve) => {
  setTimeout(resolve, ms);
});

/** In steps: a full accept queue would make the rest wait for a second. */
async function openAll(list, perSecond) {
  for (let i = 0; i < list.length; i++) {
    list[i].open(false);
    if (i % 10 === 9) await sleep(10_000 / perSecond);
  }
}

async function until(condition, limit) {
  const end = Date.now() + limit;
  while (!condition() && Date.now() < end) await sleep(20);
  return condition();
}

const isOpen = (subscriber) => subscriber.isGreeted && !subscriber.isCut;

const commands = {
  async start(given) {
    plan = given;
    random = makeRandom(plan.seed + 1);
    subscribers = Array.from({ length: plan.connections }, (_, i) => new Subscriber(i, plan.sides[i % plan.sides.length]));
  },
  /** A few come and go: what a server makes once is made. */
  async touch() {
    const few = subscribers.slice(0, 8);
    await openAll(few, plan.ramp);
    const isThere = await until(() => few.every(isOpen), 15_000);
    for (const one of few) one.end();
    return isThere;
  },
  async open() {
    await openAll(subscribers, plan.ramp);
    return until(() => subscribers.every(isOpen), 30_000);
  },
  churn() {
    let due = 0;
    const step = () => {
      for (due += plan.churn / 20; due >= 1; due--) random.of(subscribers).churn();
    };
    const slow = () => {
      const bulk = random.of(subscribers.filter(({ isBulk }) => isBulk));
      bulk.pause(plan.longPause + random.below(plan.longPause));
      random.of(subscribers).pause(random.below(plan.shortPause));
    };
    timers = [setInterval(step, 50), setInterval(slow, plan.slowEvery)];
  },
  progress: () => ({ problems: problems.slice(0, MOST_PROBLEMS), faults: problems.length, counts, open: subscribers.filter(isOpen).length }),
  /** Nobody leaves any more, everybody reads, and whoever is away comes back. */
  async settle() {
    isQuiet = true;
    for (const timer of timers) clearInterval(timer);
    for (const subscriber of subscribers) {
      subscriber._resume?.();
      if (subscriber._timer !== undefined) subscriber._again(true, 100);
      await sleep(1);
    }
    return until(() => subscribers.every(isOpen), 30_000);
  },
  /** @returns {Promise<string | null>} who lacks what */
  async complete(numbers) {
    const first = () => subscribers.map((subscriber) => subscriber.lacks(numbers)).find((lack) => lack !== null) ?? null;
    await until(() => first() === null, 20_000);
    return first();
  },
  close() {
    for (const subscriber of subscribers) subscriber.end();
  },
  /** Every place once more: so many are let in as there may be, and not one more. */
  async fill({ places }) {
    isQuiet = true;
    counts.refused = 0;
    const list = plan.sides.flatMap((side) => Array.from({ length: places + 1 }, (_, i) => new Subscriber(i, side)));
    await openAll(list, plan.ramp);
    const wanted = places * plan.sides.length;
    const isAsItShould = () => list.filter(({ isGreeted }) => isGreeted).length === wanted && counts.refused >= plan.sides.length;
    await until(isAsItShould, 30_000);
    const letIn = list.filter(({ isGreeted }) => isGreeted).length;
    for (const subscriber of list) subscriber.end();
    return { wanted, letIn, refused: counts.refused };
  },
};

process.on('message', async ({ number, name, argument }) => {
  try {
    process.send({ number, value: await commands[name](argument) });
  } catch (error) {
    process.send({ number, error: error.stack });
  }
});
process.on('disconnect', () => process.exit());
