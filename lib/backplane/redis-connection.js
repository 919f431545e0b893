'use strict';

// redis-connection.js - one connection to Redis through the client library that the app has: npm redis 6 (single or
// cluster) or ioredis. None reconnects or queues by itself: a command either went out on this connection, or it failed.

const { createError, show } = require('../errors');

const CONNECT_TIMEOUT = 5000;

/** npm redis, asked for only where a URL has to be turned into a client. */
function requireRedis() {
  try {
    return require('redis');
  } catch (cause) {
    const error = createError(
      'ERR_SSE_UNSUPPORTED_RUNTIME',
      'redisBackplane({ url }) needs the package redis, version 6: npm install redis. Or pass { client } of redis or ioredis.',
      Error,
    );
    error.cause = cause;
    throw error;
  }
}

/** Whatever the app's own client does in these respects, ours must not. */
const NODE_REDIS = {
  RESP: 2,
  disableOfflineQueue: true,
  maintNotifications: 'disabled',
  commandOptions: undefined,
  clientSideCache: undefined,
  emitInvalidate: false,
  pingInterval: undefined,
  keyPrefix: undefined,
};

const IOREDIS = {
  protocol: 2,
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableAutoPipelining: false,
  maxRetriesPerRequest: null,
  commandTimeout: undefined,
  keyPrefix: '',
  connectTimeout: CONNECT_TIMEOUT,
  retryStrategy: () => null,
  reconnectOnError: null,
};

const socketOf = (options) => ({ ...options?.socket, reconnectStrategy: false, connectTimeout: CONNECT_TIMEOUT });

/** How each kind of client is told the same. `make` answers a client that is not connected. */
const KINDS = {
  redis: {
    make: (given) => given.duplicate({ ...NODE_REDIS, socket: socketOf(given.options) }),
    send: (client, key, args) => client.sendCommand(args),
    end: (client) => client.destroy(),
  },
  redisCluster: {
    make: (given) => given.duplicate({
      RESP: 2, defaults: { ...given.options?.defaults, ...NODE_REDIS, socket: socketOf(given.options?.defaults) },
    }),
    send: (client, key, args) => client.sendCommand(key, false, args),
    end: (client) => client.destroy(),
  },
  ioredis: {
    make: (given) => given.duplicate(IOREDIS),
    send: (client, key, [name, ...args]) => client.call(name, ...args),
    end: (client) => client.disconnect(),
  },
  ioredisCluster: {
    make: (given) => given.duplicate([], {
      lazyConnect: true, enableOfflineQueue: false, clusterRetryStrategy: () => null, redisOptions: IOREDIS,
    }),
    send: (client, key, [name, ...args]) => client.call(name, ...args),
    end: (client) => client.disconnect(),
  },
};

/** @returns {keyof typeof KINDS | undefined} by what the client can do */
function kindOf(client) {
  const can = (name) => typeof client?.[name] === 'function';
  if (!can('duplicate') || !can('connect') || !can('on')) return undefined;
  if (can('sendCommand') && can('destroy')) return can('getSlotRandomNode') ? 'redisCluster' : 'redis';
  if (can('call') && can('disconnect')) return client.isCluster === true ? 'ioredisCluster' : 'ioredis';
  return undefined;
}

/** A connection that is open until it fails or is closed, and never again. */
class RedisConnection {
  constructor(kind, client, key, onClosed) {
    this._kind = kind;
    this._client = client;
    this._key = key;
    this._onClosed = onClosed;
    this.isOpen = true;
  }

  /**
   * @param {string[]} args a command
   * @returns {Promise<unknown>} its reply; what is rejected with `isReply` came from Redis, anything else broke the connection
   */
  send(args) {
    return this._kind.send(this._client, this._key, args);
  }

  close() {
    if (!this.isOpen) return;
    this.isOpen = false;
    try {
      this._kind.end(this._client);
    } catch {
      // It was closed already.
    }
    this._onClosed();
  }
}

/** Whether Redis itself has answered with this error: the connection is as good as before. */
const isReplyError = (error) => /^(ErrorReply|SimpleError|BlobError|ReplyError)$/.test(error?.constructor?.name ?? '') || error?.name === 'ReplyError';

/**
 * What opens connections.
 * @param {{ url?: string | URL, client?: object }} given one of both
 * @param {string} key any of the log's keys, by which a cluster knows where to send
 * @returns {(onClosed: () => void, signal: AbortSignal) => Promise<RedisConnection>} `signal` ends the attempt
 */
function redisConnector({ url, client: given }, key) {
  let name = 'redis';
  let template = given;
  if (given === undefined) template = requireRedis().createClient({ url: String(url), ...NODE_REDIS });
  else name = kindOf(given);
  if (name === undefined) {
    throw createError(
      'ERR_SSE_INVALID_OPTION',
      `redisBackplane: client must be a client of npm redis 6 or of ioredis, not ${show(given)}.`,
    );
  }
  const kind = KINDS[name];
  return async (onClosed, signal) => {
    const client = kind.make(template);
    const connection = new RedisConnection(kind, client, key, onClosed);
    const gone = () => connection.close();
    // Every failure ends the connection; whoever waits for a reply hears of it there.
    client.on('error', gone);
    client.on('end', gone);
    client.on('close', gone);
    let giveUp;
    const end = new Promise((resolve, reject) => {
      giveUp = () => reject(new Error('Redis could not be connected to in time.'));
    });
    const timer = setTimeout(giveUp, CONNECT_TIMEOUT);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      await Promise.race([client.connect(), end]);
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
    if (signal.aborted) connection.close();
    if (!connection.isOpen) throw new Error('The connection was closed while it was opened.');
    return connection;
  };
}

module.exports = { redisConnector, isReplyError };
