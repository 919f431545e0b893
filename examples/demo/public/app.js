'use strict';

// app.js - the page itself: an EventSource, the forms, and what they show.

/* global Ledger, Timeline */

(() => {
  /** An EventSource delivers a named type only to a listener for that very name. */
  const types = new Set(['message', 'update', 'alert', 'chat', 'join', 'leave']);
  /** The server's own events, which no one can publish. */
  const RESERVED = new Set(['connected', 'closing', 'gap']);
  const HUES = new Map(Object.entries({ message: 212, update: 165, alert: 22, chat: 318, join: 130, leave: 48 }));
  const MAX_ROWS = 300;
  const RETRY = 3000;

  const $ = (id) => document.getElementById(id);
  const timeline = new Timeline($('timeline'));
  let ledger = new Ledger();

  /** The connection; a new one for each press of Connect. */
  let connection = null;

  // -- what the page shows ---------------------------------------------------

  const STATUS = {
    idle: 'Not connected',
    connecting: 'Connecting…',
    live: 'Live',
    reconnecting: 'Reconnecting…',
    refused: 'Refused',
    closed: 'Closed by the server',
  };

  /** @param {keyof STATUS} state */
  function setStatus(state) {
    const user = connection?.user;
    $('status').dataset.state = state;
    $('status-text').textContent = state === 'live' ? `Live as ${user}` : STATUS[state];
    const open = ['connecting', 'live', 'reconnecting'].includes(state);
    const hadFocus = [$('connect'), $('disconnect')].includes(document.activeElement);
    $('connect-fields').disabled = open;
    $('connect').hidden = open;
    $('disconnect').hidden = !open;
    if (hadFocus) $(open ? 'disconnect' : 'connect').focus();
    $('second-tab').hidden = !open;
    $('cut').disabled = $('cut-away').disabled = state !== 'live';
  }

  /**
   * @param {'info' | 'ok' | 'warn' | 'error'} kind
   * @param {string} text
   */
  function banner(kind, text) {
    $('banner').dataset.kind = kind;
    $('banner').textContent = text;
  }

  const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;

  function renderCounts() {
    const show = (id, value) => {
      $(id).textContent = value;
      $(id).parentElement.classList.toggle('nonzero', value > 0);
    };
    show('count-received', ledger.ids.length);
    show('count-replayed', ledger.replayed);
    show('count-missing', ledger.missing);
    show('count-duplicates', ledger.duplicates);
    show('count-disorder', ledger.disorder);
  }

  /**
   * Adds a line to the list of events.
   * @param {{ kind: string, type: string, id?: string, data: string }} event
   * @returns {HTMLLIElement}
   */
  function addRow({ kind, type, id, data }) {
    const element = (name, className, text) => Object.assign(document.createElement(name), { className, textContent: text });
    const row = document.createElement('li');
    row.dataset.kind = kind;
    row.dataset.type = type;
    if (id) row.dataset.id = id;
    // The same type always has the same colour.
    const hue = HUES.get(type) ?? [...type].reduce((sum, char) => (sum * 31 + char.codePointAt(0)) % 360, 7);
    row.style.setProperty('--hue', hue);
    const head = element('div', 'event-head', '');
    const time = element('time', 'event-time', new Date().toLocaleTimeString([], { hour12: false }));
    time.dateTime = new Date().toISOString();
    head.append(element('span', 'event-type', type), element('span', 'event-id', id ? `id ${id}` : ''), time);
    row.append(head, element('pre', 'event-data', data));
    $('events').prepend(row);
    $('empty').hidden = true;
    while ($('events').children.length > MAX_ROWS) $('events').lastElementChild.remove();
    return row;
  }

  /** @param {HTMLLIElement} row @param {string} text */
  function tag(row, text) {
    row.dataset.tag = text;
    const span = Object.assign(document.createElement('span'), { className: 'event-tag', textContent: text });
    row.querySelector('.event-id').after(span);
  }

  function clear() {
    ledger = new Ledger();
    timeline.clear();
    $('events').replaceChildren();
    $('empty').hidden = false;
    renderCounts();
  }

  // -- requests --------------------------------------------------------------

  /**
   * @param {string} url
   * @param {object} [body] sent as JSON, with POST
   * @returns {Promise<any>} the JSON answered
   */
  async function request(url, body) {
    const response = await fetch(url, body && {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${answer.message} (${response.status}, ${answer.error})`);
    return answer;
  }

  // -- the connection --------------------------------------------------------

  class Connection {
    constructor({ user, channels, token, alg }) {
      Object.assign(this, { user, channels, token, alg });
      this.source = null;
      this.clientId = null;
      this.lastEventId = null;
      /** When the connection was lost; null while it stands. */
      this.lostAt = null;
      this.reason = null;
      /** What the last reconnect brought: { seconds, recovered, count }. */
      this.replay = null;
      /** The server's time of the latest connect; what is older was replayed. */
      this.connectedAt = null;
      this.undecided = [];
    }

    get current() {
      return this === connection;
    }

    /**
     * @param {boolean} [resume] ask for what was missed: only needed where the
     *   EventSource is a new one, since an old one sends Last-Event-ID by itself
     */
    async open(resume = false) {
      setStatus(this.lostAt === null ? 'connecting' : 'reconnecting');
      // An EventSource cannot send an Authorization header, hence the query.
      const query = new URLSearchParams(this.channels.map((channel) => ['channel', channel]));
      try {
        query.set('token', this.token || await this.fetchToken());
      } catch (error) {
        this.fail(error.message, true);
        return;
      }
      if (!this.current) return;
      if (resume && this.lastEventId) query.set('lastEventId', this.lastEventId);
      this.url = `/sse?${query}`;
      const source = new EventSource(this.url);
      this.source = source;
      source.addEventListener('connected', (event) => this.onConnected(event));
      source.addEventListener('closing', (event) => this.onClosing(event));
      source.addEventListener('gap', (event) => this.onGap(event));
      source.addEventListener('error', (event) => this.onError(event, source));
      for (const type of types) this.listen(type);
    }

    async fetchToken() {
      const response = await fetch(`/token?${new URLSearchParams({ sub: this.user, alg: this.alg })}`);
      if (!response.ok) throw new Error((await response.json()).message);
      return response.text();
    }

    /** @param {string} type */
    listen(type) {
      this.source?.addEventListener(type, (event) => this.onEvent(event));
    }

    onConnected(event) {
      const data = JSON.parse(event.data);
      this.clientId = data.clientId;
      this.lastEventId = event.lastEventId || this.lastEventId;
      this.connectedAt = null;
      this.undecided = [];
      addRow({ kind: 'system', type: 'connected', id: '', data: event.data });
      timeline.connected();
      if (this.lostAt === null) {
        this.replay = null;
        const where = data.channels.length ? `Listening to ${data.channels.join(', ')}` : 'Listening';
        banner('ok', `Connected as ${data.userId}. ${where} and to events for ${data.userId}.`);
      } else {
        this.replay = { seconds: (Date.now() - this.lostAt) / 1000, recovered: data.recovered, count: 0, reason: this.reason };
        this.renderReplay();
      }
      this.lostAt = null;
      this.reason = null;
      setStatus('live');
      this.learnTime();
    }

    /** Asks when the server saw us come, to tell the replay from what is live. */
    async learnTime() {
      const { clientId } = this;
      let answer = { clients: [] };
      try {
        answer = await request('/clients');
        timeline.skew = Date.now() - answer.now;
        if (Math.abs(timeline.skew) < 500) timeline.skew = 0;
      } catch {
        // Then nothing is called replayed.
      }
      if (!this.current || clientId !== this.clientId) return;
      this.connectedAt = answer.clients.find((client) => client.id === clientId)?.connectedAt ?? 0;
      for (const { id, row } of this.undecided.splice(0)) this.decide(id, row);
    }

    decide(id, row) {
      if (this.connectedAt === null) {
        this.undecided.push({ id, row });
        return;
      }
      const replayed = this.replay !== null && id / 1000 < this.connectedAt;
      timeline.mark(id, replayed ? 'replayed' : 'live');
      if (!replayed) return;
      tag(row, 'replayed');
      ledger.replayed++;
      this.replay.count++;
      this.renderReplay();
      renderCounts();
    }

    renderReplay() {
      const { seconds, recovered, count, reason } = this.replay;
      const why = reason ? ` (reason: ${reason})` : '';
      const loss = recovered ? '' : ' Some events are gone for good.';
      banner(recovered ? 'ok' : 'error',
        `Connection lost${why}, reconnected after ${seconds.toFixed(1)} s: ${plural(count, 'event')} replayed, recovered: ${recovered}.${loss}`);
    }

    onEvent(event) {
      // With the types `open` and `error`, the EventSource's own come here too.
      if (!(event instanceof MessageEvent)) return;
      const id = Number(event.lastEventId);
      this.lastEventId = event.lastEventId;
      const fresh = ledger.receive(id);
      const row = addRow({ kind: fresh ? 'event' : 'duplicate', type: event.type, id: event.lastEventId, data: event.data });
      if (fresh) this.decide(id, row);
      else tag(row, 'duplicate');
      renderCounts();
    }

    onGap(event) {
      addRow({ kind: 'system', type: 'gap', id: '', data: event.data });
      banner('error', `The server says that events were lost: ${event.data}`);
    }

    onClosing(event) {
      const { reason, reconnect } = JSON.parse(event.data);
      addRow({ kind: 'system', type: 'closing', id: '', data: event.data });
      this.reason = reason ?? null;
      if (reconnect !== false) return;
      this.close();
      setStatus('closed');
      banner('warn', `The server closed the connection for good${reason ? ` (${reason})` : ''}.`);
    }

    onError(event, source) {
      // An event that somebody published with the type `error` is none.
      if (event instanceof MessageEvent || !this.current || source !== this.source) return;
      timeline.disconnected();
      if (this.clientId !== null && this.lostAt === null) this.lostAt = Date.now();
      if (source.readyState === EventSource.CLOSED) {
        this.diagnose();
        return;
      }
      setStatus(this.lostAt === null ? 'connecting' : 'reconnecting');
      const why = this.reason ? ` (reason: ${this.reason})` : '';
      banner('warn', this.lostAt === null
        ? 'No connection yet; the browser keeps trying.'
        : `Connection lost${why}. The browser reconnects in a moment…`);
    }

    /** The EventSource gave up and says not why, so ask as anybody else would. */
    async diagnose() {
      const aborter = new AbortController();
      let status = 0;
      let answer = { message: 'The server cannot be reached.', error: 'no answer' };
      try {
        const response = await fetch(this.url, { headers: { Accept: 'text/event-stream' }, signal: aborter.signal });
        status = response.status;
        answer = response.ok ? { message: 'The stream ended.', error: 'try again' } : await response.json();
      } catch {
        // The server is away, or it is no native-sse that answers.
      }
      aborter.abort();
      // A token that ran out is replaced; a server that is away may come back.
      const again = this.lostAt !== null && (status < 400 || status === 503 || (status === 401 && !this.token));
      this.fail(`${answer.message} (${status ? `${status}, ` : ''}${answer.error})`, again);
    }

    /** @param {string} message @param {boolean} again */
    fail(message, again) {
      if (!this.current) return;
      this.source?.close();
      if (again && this.lostAt !== null) {
        setStatus('reconnecting');
        banner('warn', `${message} Trying again with a fresh token…`);
        setTimeout(() => this.current && this.open(true), RETRY);
        return;
      }
      this.close();
      setStatus('refused');
      banner('error', `Connection refused: ${message}`);
    }

    close() {
      this.source?.close();
      timeline.disconnected();
      connection = null;
    }
  }

  // -- the forms -------------------------------------------------------------

  const chosenUser = () => document.querySelector('input[name=user]:checked').value || $('user-name').value.trim();
  const chosenChannels = () => [...document.querySelectorAll('input[name=channel]:checked')].map((input) => input.value);

  function fillLists() {
    const fill = (list, inputs) => {
      list.replaceChildren(...[...inputs].filter((input) => input.value).map((input) => Object.assign(document.createElement('option'), { value: input.value })));
    };
    fill($('known-channels'), document.querySelectorAll('input[name=channel]'));
    fill($('known-users'), document.querySelectorAll('input[name=user]'));
  }

  /** @param {string} name */
  function addChannel(name) {
    let input = [...document.querySelectorAll('input[name=channel]')].find((other) => other.value === name);
    if (!input) {
      const label = Object.assign(document.createElement('label'), { className: 'pill' });
      input = Object.assign(document.createElement('input'), { type: 'checkbox', name: 'channel', value: name });
      label.append(input, Object.assign(document.createElement('span'), { textContent: name }));
      $('channels').append(label);
      fillLists();
    }
    input.checked = true;
  }

  /** @param {string} name */
  function chooseUser(name) {
    const input = [...document.querySelectorAll('input[name=user]')].find((other) => other.value === name) ?? $('user-other');
    input.checked = true;
    if (input === $('user-other')) $('user-name').value = name;
    showUserName();
  }

  function showUserName() {
    $('user-name').hidden = !$('user-other').checked;
    $('user-name').required = $('user-other').checked;
  }

  function connect() {
    connection?.close();
    clear();
    connection = new Connection({
      user: chosenUser(),
      channels: chosenChannels(),
      token: $('token').value.trim(),
      alg: $('alg').value,
    });
    const query = new URLSearchParams([['user', connection.user], ...connection.channels.map((channel) => ['channel', channel]), ['connect', '']]);
    $('second-tab').href = `/?${query}`;
    banner('info', 'Connecting…');
    connection.open();
  }

  /**
   * Whether what is published there should come to us.
   * @param {'channel' | 'user'} target @param {string} name
   */
  function isForUs(target, name) {
    if (!connection || connection.clientId === null) return false;
    return target === 'user' ? name === connection.user : connection.channels.includes(name);
  }

  /** @param {number} id */
  function expect(id) {
    ledger.expect(id);
    if (!ledger.seen.has(id)) timeline.mark(id, 'waiting');
    renderCounts();
  }

  /** @param {string} text @param {boolean} [bad] */
  function published(text, bad = false) {
    $('published').textContent = text;
    $('published').classList.toggle('bad', bad);
  }

  async function publish() {
    const target = document.querySelector('input[name=target]:checked').value;
    const name = $('target-name').value.trim();
    const type = $('type').value || $('type-name').value.trim();
    let data;
    try {
      data = JSON.parse($('data').value);
    } catch (error) {
      published(`The data is not JSON: ${error.message}`, true);
      $('data').focus();
      return;
    }
    // The listener first, else the event could come before it.
    if (type && !types.has(type) && !RESERVED.has(type)) {
      types.add(type);
      connection?.listen(type);
    }
    const ours = isForUs(target, name);
    try {
      const { id } = await request(`/${target === 'user' ? 'publish-user' : 'publish'}/${encodeURIComponent(name)}`, { type, data });
      if (ours) expect(id);
      published(`Published as ${id}`);
    } catch (error) {
      published(error.message, true);
    }
  }

  /** @param {boolean} andPublish */
  async function cut(andPublish) {
    const { clientId, user, channels } = connection;
    const body = $('cut-all').checked ? { userId: user } : { clientId };
    if (andPublish) {
      const to = channels.length ? { channel: channels[0] } : { userId: user };
      body.publish = [1, 2, 3].map((number) => ({ ...to, type: 'update', data: { text: `Published while you were away, ${number} of 3` } }));
    }
    try {
      const { ids } = await request('/cut', body);
      ids.forEach(expect);
    } catch (error) {
      banner('error', error.message);
    }
  }

  $('connect-form').addEventListener('submit', (event) => {
    event.preventDefault();
    connect();
  });
  $('disconnect').addEventListener('click', () => {
    connection?.close();
    setStatus('idle');
    banner('info', 'Disconnected.');
  });
  $('users').addEventListener('change', showUserName);
  $('channel-add').addEventListener('click', () => {
    const name = $('channel-name').value.trim();
    if (name) addChannel(name);
    $('channel-name').value = '';
  });
  $('channel-name').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    $('channel-add').click();
  });
  for (const [id, target, label] of [['to-channel', 'channels', 'Channel'], ['to-user', 'users', 'User']]) {
    $(id).addEventListener('change', () => {
      $('target-label').textContent = label;
      $('target-name').setAttribute('list', `known-${target}`);
      $('target-name').value = target === 'users' ? chosenUser() : chosenChannels()[0] ?? 'news';
    });
  }
  $('type').addEventListener('change', () => {
    const other = $('type').value === '';
    $('type-name-field').hidden = !other;
    $('type-name').required = other;
    if (other) $('type-name').focus();
  });
  $('publish-form').addEventListener('submit', (event) => {
    event.preventDefault();
    publish();
  });
  $('cut').addEventListener('click', () => cut(false));
  $('cut-away').addEventListener('click', () => cut(true));
  $('clear').addEventListener('click', clear);

  fillLists();
  const query = new URLSearchParams(location.search);
  if (query.has('user')) {
    chooseUser(query.get('user'));
    for (const input of document.querySelectorAll('input[name=channel]')) input.checked = false;
    query.getAll('channel').forEach(addChannel);
  }
  setStatus('idle');
  renderCounts();
  if (query.has('connect')) connect();
})();
