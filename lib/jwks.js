'use strict';

// jwks.js - keeps the key set of one issuer: when to fetch it, when to trust an
// old one, when to say "not now". What a key is good for is decided natively.
//
// At most one fetch is under way. After a success another one needs a reason (age,
// or a kid that we do not know once the cooldown is over); after a failure only the
// backoff counts, so that an issuer that is down is asked a few times a minute,
// whatever tokens arrive.

const diagnostics = require('node:diagnostics_channel');
const { httpError } = require('./errors');

/**
 * Publishes { event: 'loaded', issuer, usable, skipped, private } and
 * { event: 'failed', issuer, error, failures }.
 */
const channel = diagnostics.channel('native-sse:jwks');

const MAX_BYTES = 256 * 1024;
const MAX_WAITERS = 1000;
/** The backoff doubles up to this many times the first one. */
const BACKOFF_FACTOR = 30;
/** Longer timers fire at once. */
const MAX_TIMER = 2 ** 31 - 1;

/**
 * @param {ReadableStreamDefaultReader<Uint8Array>} reader
 * @returns {Promise<Buffer>}
 */
async function readAll(reader) {
  const chunks = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks, size);
    // Counted after decompression: a few kilobytes on the wire can be gigabytes here.
    size += value.byteLength;
    if (size > MAX_BYTES) throw new Error(`the answer is larger than ${MAX_BYTES} bytes`);
    chunks.push(value);
  }
}

/**
 * The body of a 200 answer.
 * @param {typeof fetch} fetchImpl
 * @param {string} url
 * @param {AbortController} controller aborts the request; aborted in any case at the end
 * @returns {Promise<Buffer>}
 */
async function download(fetchImpl, url, controller) {
  const { signal } = controller;
  let reader;
  // Not left to fetch alone: when garbage is collected while a body is being read, Node's forgets
  // the signal, and the answer may then take for ever.
  const aborted = new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
  const work = async () => {
    const response = await fetchImpl(url, {
      headers: { accept: 'application/json, application/jwk-set+json' },
      // A redirect would move the trust to a host that nobody configured.
      redirect: 'error',
      signal,
    });
    reader = response.body?.getReader();
    if (signal.aborted) reader?.cancel().catch(() => {}); // too late
    if (response.status !== 200) throw new Error(`the answer has status ${response.status}`);
    return reader === undefined ? Buffer.alloc(0) : readAll(reader);
  };
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    // A body that was not read to its end must not keep a socket.
    controller.abort();
    reader?.cancel().catch(() => {});
  }
}

/**
 * What went wrong, in words; fetch hides the cause of a failed connection.
 * @param {Error & { cause?: Error & { code?: string } }} error
 */
function describe({ message, cause }) {
  const detail = cause?.code ?? cause?.message;
  return detail ? `${message}: ${detail}` : message;
}

/**
 * The key set of one URL.
 */
class JwksClient {
  #url;
  #issuer;
  #limits;
  #load;
  #now;
  #random;
  #timers;
  #fetch;

  /** The newest set loaded, and when its fetch began. */
  #set;
  #loadedAt = -Infinity;
  /** When a refresh is due without anyone asking. */
  #refreshAt = Infinity;
  #attemptAt = -Infinity;
  /** Failed attempts in a row; while above 0, none is made before #retryAt. */
  #failures = 0;
  #retryAt = -Infinity;
  #lastError;
  /** The fetch under way and those who wait for it. */
  #flight;
  #waiters = 0;
  #controller;
  #timer;
  #closed = false;
  #warned = new Set();

  /**
   * Starts to fetch at once, without anyone having to wait; never throws for the network.
   * @param {{ url: string, issuer: string, maxAge: number, cooldown: number, backoff: number, timeout: number,
   *   staleIfError: number }} settings milliseconds, checked
   * @param {object} parts
   * @param {(body: Buffer) => { set?: object, reason?: string, usable?: number, skipped?: number,
   *   private?: number }} parts.load
   * @param {() => number} [parts.now] milliseconds of a clock that never goes back
   * @param {() => number} [parts.random]
   * @param {{ setTimeout: typeof setTimeout, clearTimeout: typeof clearTimeout }} [parts.timers]
   * @param {typeof fetch} [parts.fetch]
   */
  constructor(settings, parts) {
    this.#url = settings.url;
    this.#issuer = settings.issuer;
    this.#limits = settings;
    this.#load = parts.load;
    this.#now = parts.now ?? (() => performance.now());
    this.#random = parts.random ?? Math.random;
    this.#timers = parts.timers ?? { setTimeout, clearTimeout };
    this.#fetch = parts.fetch ?? ((...args) => globalThis.fetch(...args));
    this.#start();
  }

  /** The set to verify with, where nobody has to wait for it: it is there and fresh. */
  current() {
    const now = this.#now();
    this.#refreshIfDue(now);
    return this.#set && now < this.#loadedAt + this.#limits.maxAge ? this.#set : undefined;
  }

  /**
   * The set to verify with. Waits only when there is none, or when it is past its
   * age and nothing says yet that the issuer is down.
   * @returns {Promise<object>}
   * @throws {Error & { code: 'ERR_SSE_KEYS_UNAVAILABLE' }}
   */
  async keys() {
    const fresh = this.current();
    if (fresh !== undefined) return fresh;
    const now = this.#now();
    // A key that was revoked while nobody asked must not pass once more, so that an old set
    // counts only after a failed attempt to replace it.
    if (this.#failures === 0 || !this.#isTrusted(now)) await this.#refresh(now);
    return this.#set;
  }

  /**
   * For a kid that `set` does not have: a newer set, or `set` itself when it
   * has been asked for recently enough to believe it.
   * @param {object} set
   * @returns {Promise<object>}
   * @throws {Error & { code: 'ERR_SSE_KEYS_UNAVAILABLE' }}
   */
  async newerThan(set) {
    const now = this.#now();
    if (this.#set !== set && this.#isTrusted(now)) return this.#set;
    const cooling = this.#failures === 0 && now < this.#attemptAt + this.#limits.cooldown;
    if (cooling && !this.#flight) return set;
    await this.#refresh(now, true);
    return this.#set;
  }

  /**
   * Resolves once keys are there; rejects when the attempt under way fails, or the
   * last one has and it is not yet time for the next.
   * @returns {Promise<void>}
   */
  async ready() {
    await this.keys();
  }

  /** Aborts the fetch under way; whoever waits for it is told that keys are unavailable. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#timers.clearTimeout(this.#timer);
    this.#controller?.abort();
  }

  /** True while the set may be used, fresh or not. */
  #isTrusted(now) {
    const { maxAge, staleIfError } = this.#limits;
    return this.#set !== undefined && now < this.#loadedAt + maxAge + staleIfError;
  }

  /**
   * Joins the fetch under way or starts one, and waits for it.
   * @param {number} now
   * @param {boolean} [strict] reject after a failure even if the old set is still trusted
   */
  async #refresh(now, strict = false) {
    if (this.#closed || (!this.#flight && now < this.#retryAt)) throw this.#unavailable(now);
    if (this.#waiters >= MAX_WAITERS) throw this.#unavailable(now);
    const flight = this.#flight ?? this.#start();
    this.#waiters += 1;
    let ok;
    try {
      ok = await flight;
    } finally {
      this.#waiters -= 1;
    }
    const after = this.#now();
    const enough = ok || (!strict && this.#isTrusted(after));
    if (this.#closed || !enough) throw this.#unavailable(after);
  }

  #unavailable(now) {
    const seconds = Math.max(1, Math.ceil((this.#retryAt - now) / 1000));
    return httpError('ERR_SSE_KEYS_UNAVAILABLE', { retryAfter: seconds, cause: this.#lastError });
  }

  #refreshIfDue(now) {
    if (this.#closed || this.#flight || now < this.#retryAt) return;
    if (this.#failures > 0 || now >= this.#refreshAt) this.#start();
  }

  /** @returns {Promise<boolean>} whether there is a new set; never rejects */
  #start() {
    // Before the request begins, so that it counts however it ends.
    this.#attemptAt = this.#now();
    this.#timers.clearTimeout(this.#timer);
    this.#flight = this.#attempt().then(
      (loaded) => this.#succeed(loaded),
      (error) => this.#fail(error),
    );
    return this.#flight;
  }

  async #attempt() {
    const { timeout } = this.#limits;
    const controller = new AbortController();
    this.#controller = controller;
    // Always in real time: it bounds how long a peer may hold us.
    const timer = setTimeout(() => {
      controller.abort(new Error(`no whole answer in ${timeout} ms`));
    }, timeout);
    timer.unref();
    try {
      const loaded = this.#load(await download(this.#fetch, this.#url, controller));
      if (loaded.reason !== undefined) {
        throw new Error(`the answer is no key set: ${loaded.reason}`);
      }
      return loaded;
    } finally {
      clearTimeout(timer);
    }
  }

  #succeed(loaded) {
    const { maxAge } = this.#limits;
    // All state first: whoever is woken may start the next fetch.
    this.#flight = undefined;
    this.#failures = 0;
    this.#retryAt = -Infinity;
    this.#lastError = undefined;
    this.#set = loaded.set;
    this.#loadedAt = this.#attemptAt;
    this.#refreshAt = this.#loadedAt + maxAge * this.#jitter(0.8, 0.1);
    this.#warned.delete('refresh');
    this.#arm(this.#refreshAt);
    if (loaded.private > 0) {
      this.#warn('private', 'SSE_JWKS_PRIVATE_KEY', `publishes ${loaded.private} private or secret `
        + 'key(s): they are compromised and are not used');
    }
    if (channel.hasSubscribers) {
      const { usable, skipped } = loaded;
      channel.publish({ event: 'loaded', issuer: this.#issuer, usable, skipped, private: loaded.private });
    }
    return true;
  }

  #fail(error) {
    const { backoff } = this.#limits;
    this.#flight = undefined;
    if (this.#closed) return false;
    this.#failures += 1;
    this.#lastError = error;
    const delay = backoff * Math.min(2 ** (this.#failures - 1), BACKOFF_FACTOR);
    this.#retryAt = this.#now() + this.#jitter(delay, 0.2);
    this.#arm(this.#retryAt);
    this.#warn('refresh', 'SSE_JWKS_UNAVAILABLE', `cannot be fetched (${describe(error)}); `
      + `${this.#set ? 'the keys at hand are used meanwhile' : 'nobody can be authenticated'}`);
    if (channel.hasSubscribers) {
      channel.publish({ event: 'failed', issuer: this.#issuer, error, failures: this.#failures });
    }
    return false;
  }

  /** Once per outage: an operator has to learn of it, but not every second. */
  #warn(topic, code, text) {
    if (this.#warned.has(topic)) return;
    this.#warned.add(topic);
    const { origin, pathname } = new URL(this.#url);
    const message = `The key set at ${origin}${pathname} ${text}`;
    process.emitWarning(message, { type: 'NativeSseWarning', code });
  }

  #jitter(value, part) {
    return value * (1 + part * (2 * this.#random() - 1));
  }

  /** Wakes up at `due`, so that no request has to wait for a refresh. */
  #arm(due) {
    this.#timers.clearTimeout(this.#timer);
    if (this.#closed) return;
    const wait = Math.min(Math.max(due - this.#now(), 1), MAX_TIMER);
    // Held weakly: the keys of a server that nobody has any more are not fetched for ever.
    const ref = new WeakRef(this);
    this.#timer = this.#timers.setTimeout(() => ref.deref()?.#wake(due), wait);
    this.#timer?.unref?.();
  }

  #wake(due) {
    const now = this.#now();
    if (now < due) this.#arm(due);
    else this.#refreshIfDue(now);
  }
}

module.exports = { JwksClient };
