'use strict';

// crowd.js - many subscribers that go from node to node with Last-Event-ID, and the judge of what they saw: every event
// of its channels once and in the order of ids, or it was told that some may be missing.

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');

const { connect } = require('../helpers/client');

const PAUSE = 20;

/** Now, as an id: nothing that is published later has a lower one. All clocks but those of nodes are this machine's. */
const nowId = () => Date.now() * 1000 + 1000;

class Subscriber {
  /** @param {{ channels: string[], user: string, crowd: Crowd }} who */
  constructor({ channels, user, crowd }) {
    this.channels = channels;
    this._user = user;
    this._crowd = crowd;
    /** id -> n, in the order of their coming. @type {Map<number, number>} */
    this.seen = new Map();
    /** Times of which it was told, as ids: from > id <= to may be missing. */
    this.excuses = [];
    /** What came since it began, or was told to begin anew. */
    this._session = new Set();
    this.problems = [];
    this.start = undefined;
    this.told = 0;
    this.connections = 0;
    this._last = undefined;
    this._wasSeen = 0;
    this._client = undefined;
    this._isEnded = false;
  }

  /** Connects, and again whenever the connection ends. */
  async run() {
    while (!this._isEnded) {
      const node = this._crowd.pick();
      if (node !== undefined) await this._visit(node).catch((error) => this.problems.push(error.message));
      if (!this._isEnded) await sleep(PAUSE);
    }
  }

  async _visit({ port }) {
    const query = new URLSearchParams(this.channels.map((name) => ['channel', name]));
    const headers = { Authorization: `Bearer ${this._user}` };
    if (this._last !== undefined) headers['Last-Event-ID'] = String(this._last);
    const client = connect({ port, path: `/?${query}`, headers });
    this._client = client;
    this._leaveAfter = this._crowd.random.below(40) + 5;
    this._wasSeen = 0;
    // Each item once, when it comes; kept nowhere else.
    client.items.push = (item) => this._take(item, client);
    await new Promise((resolve) => {
      client.socket.on('close', resolve);
    });
  }

  _take(item, client) {
    if (item.kind !== 'event' || client !== this._client) return 0;
    const { type, data } = item;
    if (type === 'connected') this._connected(JSON.parse(data), item);
    else if (type === 'gap') this._excuse(this._last, JSON.parse(data).floor);
    else if (type === 'e') this._event(Number(item.id), JSON.parse(data).n);
    if (item.id !== undefined) this._last = Math.max(Number(item.id), this._last ?? 0);
    this._wasSeen += 1;
    if (this._wasSeen >= this._leaveAfter && this._crowd.isMoving) client.close();
    return 0;
  }

  _connected({ recovered, lastEventId }, { id }) {
    this.connections += 1;
    if (this.start === undefined && id !== undefined) this.start = Number(id);
    if (recovered) return;
    this._excuse(this._last ?? lastEventId, nowId());
    // It loads its state anew, and begins where the node is: maybe before what it has seen elsewhere.
    this._session = new Set();
    this._last = lastEventId ?? undefined;
  }

  _excuse(from, to) {
    this.told += 1;
    this.excuses.push([from, to]);
  }

  _event(id, n) {
    if (this._session.has(id)) this.problems.push(`${id} came twice`);
    if (id <= this._last) this.problems.push(`${id} came after ${this._last}`);
    this._session.add(id);
    this.seen.set(id, n);
  }

  /** @returns {number[]} ids of its channels that it neither saw nor was excused of */
  missing(published) {
    const isExcused = (id) => this.excuses.some(([from, to]) => id > from && id <= to);
    return published.filter(({ id, channel }) => this.channels.includes(channel) && id > this.start && !this.seen.has(id) && !isExcused(id)).map(({ id }) => id);
  }

  end() {
    this._isEnded = true;
    this._client?.close();
  }
}

class Crowd {
  /** @param {{ random: object, size: number, channels: string[], each: number }} how */
  constructor({ random, size, channels, each }) {
    this.random = random;
    this.nodes = [];
    this.isMoving = true;
    /** n -> channel, of all that somebody was told to publish. @type {Map<number, string>} */
    this.planned = new Map();
    /** What has an id. @type {Map<number, { id: number, n: number, channel: string }>} */
    this.published = new Map();
    this.members = Array.from({ length: size }, (_, i) => {
      const own = new Set();
      while (own.size < each) own.add(random.of(channels));
      return new Subscriber({ channels: [...own], user: `user${i}`, crowd: this });
    });
    this._channels = channels;
  }

  /** A node that is there. */
  pick() {
    const there = this.nodes.filter(({ hasEnded }) => !hasEnded);
    return there.length === 0 ? undefined : this.random.of(there);
  }

  add(node) {
    node.onPublished = ({ n, id }) => this._published(n, id);
    this.nodes.push(node);
  }

  _published(n, id) {
    assert.ok(!this.published.has(id), `the id ${id} was given twice`);
    this.published.set(id, { id, n, channel: this.planned.get(n) });
  }

  /** @returns {object[]} so many events for one publisher */
  plan(count) {
    return Array.from({ length: count }, () => {
      const event = { n: this.planned.size + 1, channel: this.random.of(this._channels) };
      this.planned.set(event.n, event.channel);
      return event;
    });
  }

  run() {
    this._running = Promise.all(this.members.map((member) => member.run()));
  }

  /** Every member is connected, or has been. */
  get hasCome() {
    return this.members.every(({ start }) => start !== undefined);
  }

  get isComplete() {
    const published = [...this.published.values()];
    return this.members.every((member) => member.missing(published).length === 0);
  }

  /** Somebody was told that events may be missing. */
  get isTold() {
    return this.members.some(({ told }) => told > 0);
  }

  /** What is wrong, in short. */
  report() {
    const published = [...this.published.values()];
    const lines = [];
    this.members.forEach((member, i) => {
      const missing = member.missing(published);
      if (missing.length > 0) lines.push(`${i} misses ${missing.length} of ${published.length}: ${missing.slice(0, 5)}; last ${member._last}, excused ${JSON.stringify(member.excuses.slice(-3))}`);
      for (const problem of member.problems.slice(0, 2)) lines.push(`${i}: ${problem}`);
    });
    return lines.slice(0, 10).join('\n');
  }

  /** @returns {{ told: number, connections: number, events: number, repeats: number }} `repeats`: under another id */
  judge() {
    assert.equal(this.report(), '');
    // What came without having been published by anybody would be ours.
    for (const member of this.members) {
      for (const [id, n] of member.seen) {
        assert.ok(member.channels.includes(this.planned.get(n)), `${id} is of a channel that was not asked for`);
        if (this.published.has(id)) assert.equal(this.published.get(id).n, n, `the data of ${id}`);
      }
    }
    const sum = (of) => this.members.reduce((total, member) => total + of(member), 0);
    return {
      told: sum(({ told }) => told),
      connections: sum(({ connections }) => connections),
      events: sum(({ seen }) => seen.size),
      repeats: sum(({ seen }) => seen.size - new Set(seen.values()).size),
    };
  }

  async end() {
    for (const member of this.members) member.end();
    await this._running;
  }
}

module.exports = { Crowd };
