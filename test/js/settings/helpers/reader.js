'use strict';

// reader.js - reads an event stream from any readable (an https response, an HTTP/2 stream, a gunzip), and
// waits for what comes.

const { EventStreamParser } = require('../../helpers/event-stream');
const { waitFor } = require('../../helpers/wait');

const OWN_TYPES = ['connected', 'closing', 'gap'];

class Reader {
  /** @param {import('node:stream').Readable} stream */
  constructor(stream) {
    this.items = [];
    this.body = '';
    /** 'end' when the stream was whole; the peer's error otherwise. */
    this.ending = null;
    this.isClosed = false;
    this._stream = stream;
    const parser = new EventStreamParser((item) => this.items.push(item));
    stream.on('data', (bytes) => {
      this.body += bytes;
      parser.push(bytes);
    });
    stream.on('end', () => {
      this.ending ??= 'end';
    });
    stream.on('error', (error) => {
      this.ending ??= error;
    });
    stream.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Reads nothing more. */
  pause() {
    this._stream.pause();
  }

  get events() {
    return this.items.filter(({ kind }) => kind === 'event');
  }

  get published() {
    return this.events.filter(({ type }) => !OWN_TYPES.includes(type));
  }

  get heartbeats() {
    return this.items.filter(({ kind, text }) => kind === 'comment' && text === 'heartbeat').length;
  }

  /** The content of the `connected` event. */
  async connected() {
    await waitFor(() => this.events.length > 0, () => `connected; got ${JSON.stringify(this.body)} ${this.ending}`);
    const [{ type, data, id }] = this.events;
    if (type !== 'connected') throw new Error(`the first event is ${type}`);
    return { ...JSON.parse(data), id };
  }

  /** Waits until `count` events have come and answers their data. */
  async data(count) {
    await waitFor(() => this.published.length >= count, () => `${count} events; got ${JSON.stringify(this.body.slice(-500))}`);
    return this.published.map(({ data }) => JSON.parse(data));
  }

  async beats(count) {
    await waitFor(() => this.heartbeats >= count, () => `${count} heartbeats; got ${JSON.stringify(this.body.slice(-500))}`);
  }

  /** Waits for the end and answers how it was: 'end' or an error. */
  async ended() {
    await waitFor(() => this.ending !== null, 'the end of the stream');
    return this.ending;
  }
}

module.exports = { Reader };
