'use strict';

// fetch.test.js - the body of a `fetch` read as it comes, with the reconnecting left to the app.

const { EventStreamParser } = require('../helpers/event-stream');
const { describeClient, END } = require('./scenarios');

class FetchClient {
  constructor(url, token) {
    this._url = url;
    this._token = token;
    this._seen = [];
    this._lastEventId = '';
    this._isOver = false;
    this._start();
  }

  _start() {
    this._controller = new AbortController();
    this._reading = this._read(this._controller.signal);
  }

  async _read(signal) {
    const headers = { Authorization: `Bearer ${this._token}` };
    if (this._lastEventId !== '') headers['Last-Event-ID'] = this._lastEventId;
    let error;
    try {
      const response = await fetch(this._url, { headers, signal });
      this._status = response.status;
      if (response.ok) await this._readBody(response.body);
      else {
        this._isOver = true;
        await response.text();
      }
    } catch (cause) {
      error = String(cause);
    }
    this._seen.push({ type: END, error });
  }

  async _readBody(body) {
    const parser = new EventStreamParser(({ kind, type, data, lastEventId }) => {
      if (kind !== 'event') return;
      this._lastEventId = lastEventId;
      this._seen.push({ type, data: JSON.parse(data), lastEventId });
    });
    for await (const bytes of body) parser.push(bytes);
  }

  look() {
    return { seen: [...this._seen], isOver: this._isOver, status: this._status };
  }

  async resume() {
    await this._reading;
    this._start();
  }

  async close() {
    this._controller.abort();
    await this._reading;
  }
}

describeClient({ name: 'fetch', reconnects: false, open: (url, token) => new FetchClient(url, token) });
