'use strict';

// subscriber.js - one logical subscriber: like an EventSource it comes back with the last id it has seen,
// whatever ends its connection, until it is told to leave. It records what each connection was told.

const { Frames } = require('./frames');
const { readPayload, channelKey, userKey } = require('./payload');
const { openWire } = require('./wires');

/** Until a connection that was refused is tried again: pacing, nothing waits for it. */
const PAUSE = 10;

/** What one connection has asked for and got. Judged by oracle.js. */
class Connection {
  constructor(subscriber, sent) {
    this.sid = subscriber.sid;
    this.user = subscriber.user;
    this.channels = subscriber.channels;
    this.keys = new Set([userKey(subscriber.user), ...subscriber.channels.map(channelKey)]);
    /** Last-Event-ID as sent; '' for none. */
    this.sent = sent;
    this.hello = null;
    this.helloAt = 0;
    /** Events as { id, n, key }, and { gap: floor }, in the order of their arrival. */
    this.received = [];
    this.comments = [];
    this.beats = 0;
    /** The reason that `closing` gave. */
    this.closing = null;
    this.problems = [];
  }

  take(frame) {
    if (frame.comment !== undefined) this._takeComment(frame.comment);
    else if (this.closing !== null) this.problems.push('an event after `closing`');
    else if (frame.type === 'connected') this._takeHello(frame);
    else if (frame.type === 'closing') this.closing = JSON.parse(frame.data).reason;
    else if (this.hello === null) this.problems.push(`${frame.type} before connected`);
    else if (frame.type === 'gap') this.received.push({ gap: JSON.parse(frame.data).floor });
    else this._takeEvent(frame);
  }

  _takeComment(text) {
    if (text === 'heartbeat') this.beats += 1;
    else if (text !== 'ok') this.comments.push(text);
  }

  _takeHello({ id, data }) {
    if (this.hello !== null) this.problems.push('connected twice');
    this.hello = { ...JSON.parse(data), id };
    this.helloAt = Number(process.hrtime.bigint()) / 1000;
  }

  _takeEvent({ id, data }) {
    const content = readPayload(data);
    if (content === null) this.problems.push(`event ${id} is broken: ${data.length} bytes, ${data.slice(0, 80)}`);
    else this.received.push({ id: Number(id), ...content });
  }
}

class Subscriber {
  /** @param {{ sid: string, user: string, channels: string[], wait: number }} who @param {() => object} lineOf */
  constructor({ sid, user, channels, wait }, lineOf) {
    Object.assign(this, { sid, user, channels, wait });
    this._lineOf = lineOf;
    /** @type {Connection[]} */
    this.connections = [];
    this.lastEventId = '';
    this.isWanted = true;
    this._lie = undefined;
    this._connect();
  }

  get connection() {
    return this.connections[this.connections.length - 1];
  }

  get isConnected() {
    return this.isWanted && this.connection.hello !== null && this.connection.closing === null && this._wire !== null;
  }

  _connect() {
    clearTimeout(this._timer);
    const sent = this._lie?.value ?? this.lastEventId;
    const inQuery = this._lie?.inQuery ?? false;
    this._lie = undefined;
    const connection = new Connection(this, sent);
    this.connections.push(connection);
    const query = [['sid', this.sid], ['wait', this.wait], ...this.channels.map((name) => ['channel', name])];
    const headers = { authorization: `Bearer ${this.user}`, accept: 'text/event-stream' };
    if (inQuery) query.push(['lastEventId', sent]);
    else if (sent !== '') headers['last-event-id'] = sent;
    this._listen(connection, { path: `/?${new URLSearchParams(query)}`, headers });
  }

  _listen(connection, target) {
    const frames = new Frames((frame) => {
      connection.take(frame);
      if (frame.id !== undefined) this.lastEventId = frame.id;
    });
    const { kind, port } = this._lineOf();
    let isStream = false;
    const isCurrent = () => this.connection === connection && this._wire !== null;
    const listener = {
      head: (status) => {
        isStream = status === 200;
        if (![200, 503].includes(status)) connection.problems.push(`answered ${status}`);
      },
      bytes: (bytes) => {
        if (isStream && isCurrent()) frames.push(bytes);
      },
      over: () => {
        if (isCurrent()) this._over(PAUSE);
      },
    };
    this._wire = undefined;
    this._wire = openWire(kind, { port, ...target }, listener);
  }

  /** The connection is no longer listened to; a new one is opened unless the subscriber has left. */
  _over(pause) {
    this._wire = null;
    clearTimeout(this._timer);
    if (!this.isWanted) return;
    if (pause === 0) this._connect();
    else this._timer = setTimeout(() => this._connect(), pause);
  }

  stall() {
    this._wire?.pause();
  }

  resume() {
    this._wire?.resume();
  }

  /** @param {'reset' | 'close' | 'halfClose'} how */
  cut(how) {
    const wire = this._wire;
    if (how === 'halfClose') {
      wire?.resume(); // else its end would never be seen
      wire?.halfClose();
      return;
    }
    if (wire) {
      this._over(0);
      wire[how]();
    }
  }

  /** Comes back with another Last-Event-ID than its own. */
  lie(value, inQuery) {
    this._lie = { value, inQuery };
    this.cut('close');
  }

  leave(how) {
    this.isWanted = false;
    clearTimeout(this._timer);
    const wire = this._wire;
    this._wire = null;
    wire?.resume();
    wire?.[how]();
  }
}

module.exports = { Subscriber, Connection };
