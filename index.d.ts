// index.d.ts - the types of everything that index.js exports.
//
// They need @types/node and nothing else: `router` is typed as the plain
// request handler that it is, and fits `app.use` of @types/express 5.

import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Writable } from 'node:stream';

// ---- events -----------------------------------------------------------------------

/** Event types that the server itself sends; publishing one throws `ERR_SSE_RESERVED_EVENT_TYPE`. */
export type ReservedEventType = 'connected' | 'closing' | 'gap';

/** Anything that `JSON.stringify` can hold: everything but `undefined`. */
export type EventData = {} | null;

/**
 * What an event map has to be: an object type (an interface will do) from event
 * types to their data, without the reserved types.
 */
export type EventMap<Events> = { [Type in keyof Events]: Type extends ReservedEventType ? never : EventData };

/** One event of a map: for each type, `type` with its own `data`. */
export type EventOf<Events> = {
  [Type in keyof Events & string]: {
    /** Not empty, without CR, LF and NUL, not a {@link ReservedEventType}. */
    type: Type;
    /** Sent as JSON, at most `maxEventBytes` bytes of it. */
    data: Events[Type];
  };
}[keyof Events & string];

/** The event map of a server that was given none: any type, any data. */
export interface AnyEvents {
  [type: string]: EventData;
}

/** Data of `event: connected`, the first event of every stream. */
export interface ConnectedData {
  /** Key of this connection in `server.clients`. */
  clientId: string;
  /** `sub` of the user. */
  userId: string;
  /** Channels subscribed to: each once, in the order asked for. */
  channels: string[];
  /**
   * `false` when events since `Last-Event-ID` may be missing from the replay
   * that follows. Load the state anew then. Always `true` without `Last-Event-ID`.
   */
  recovered: boolean;
  /** The `Last-Event-ID` that the replay starts after; `null` when none came or it was none of ours. */
  lastEventId: number | null;
}

/** Data of `event: closing`, the last event before the server ends a stream by itself. */
export interface ClosingData {
  /**
   * `shutdown`: `stop()`. `max_age`: `maxConnectionAge`. `token_expired`: `enforceTokenExpiry`. `unavailable`: the
   * answer of `refusal: 'soft'`. Any other: of `disconnectUser` or `disconnect`.
   */
  reason: 'shutdown' | 'max_age' | 'token_expired' | 'unavailable' | (string & {});
  /** Whether the client should come back. `EventSource` does so by itself. */
  reconnect: boolean;
}

/** Data of `event: gap`: events up to `floor` may have been missed on a live stream. */
export interface GapData {
  floor: number;
}

// ---- users and hooks ----------------------------------------------------------------

/** Whom an authenticator returns. */
export interface SseUser {
  /** The user id of `publishToUser`: 1 to 255 bytes of UTF-8 without control characters. */
  readonly sub: string;
  /** Seconds since 1970. Where it is there, a time that is past or no finite number is a 401. */
  readonly exp?: number;
  /** With several issuers in `jwks` it must be one of them, else it is a 401; the user is then the pair of `iss` and `sub`. */
  readonly iss?: string;
}

/** Claims of a verified token, deeply frozen. */
export interface JwtClaims extends SseUser {
  readonly iss: string;
  readonly aud: string | readonly string[];
  readonly exp: number;
  readonly nbf?: number;
  readonly iat?: number;
  readonly [claim: string]: unknown;
}

/** Why a subscription ended. */
export type CloseReason =
  /** The peer closed its side. */
  | 'client'
  /** The peer reset the connection. */
  | 'reset'
  /** The peer vanished: nothing came from it for `peerTimeout`. */
  | 'timeout'
  /** More than `maxQueuedBytes` waited for a peer that took nothing for 1 s, or 16 times as much, a replay not counted. */
  | 'slow_reader'
  /** `disconnect(clientId)`, `disconnectUser(userId)`, or the app ended `client.res`. */
  | 'server'
  /** `stop()`. */
  | 'shutdown'
  /** The user's `exp` is past (`enforceTokenExpiry`). */
  | 'token_expired'
  /** `maxConnectionAge`. */
  | 'max_age'
  /** The peer sent more than 16 KiB after its request. */
  | 'protocol'
  /** Anything else, memory that is out among it. */
  | 'error';

/** A connected client. Made when looked at: two looks give two objects. */
export interface SseClient {
  /** Random, cannot be guessed. */
  readonly id: string;
  /** `sub` of the user. */
  readonly userId: string;
  readonly channels: string[];
  readonly connectedAt: Date;
  /**
   * Writes to this one client. The real response on the stream transport; on the
   * socket transport a `Writable` that writes through the core. What is written
   * goes out as it is, between events. `undefined` once a stream client is gone.
   */
  readonly res: Writable | undefined;
}

/**
 * What the app decides and is told. Each may return a promise. The two that
 * decide share `hookTimeout`; a throw with `status` from 400 to 599 answers that
 * status, any other throw 500.
 *
 * @typeParam User what `authenticateSubscriber` returns
 * @typeParam Token what it is given: `string`, or `string | undefined` with `requireToken: false`
 */
export interface SseHooks<User extends SseUser = JwtClaims, Token = string> {
  /**
   * Who presents this token. Throw an error with `status: 401` to refuse.
   * Default: `createJwksAuthenticator(options.jwks)`. A result without a valid
   * `sub` is a 401.
   * @param token without `Bearer`; at most `maxTokenBytes` bytes
   */
  authenticateSubscriber?(token: Token, req: IncomingMessage): User | Promise<User>;
  /**
   * Called for each channel in turn, after authentication, on every connect, and by `server.subscribe`, then
   * without a request. Only `true` allows; anything else is a 403. Default: every channel is allowed.
   */
  authorizeChannel?(user: User, channel: string, req: IncomingMessage | undefined): boolean | Promise<boolean>;
  /** A client is subscribed. Nothing waits for what it returns; its errors go to `on('error')`. */
  onConnect?(client: SseClient, req: IncomingMessage): unknown;
  /** A client is gone from `clients`. Nothing waits for what it returns; its errors go to `on('error')`. */
  onDisconnect?(client: SseClient, reason: CloseReason): unknown;
}

// ---- options ---------------------------------------------------------------------------

/** Where keys come from and what a token must say. */
export interface JwksOptions {
  /**
   * Of the JWKS. `https:`; `http:` only for localhost, 127.0.0.0/8 and [::1].
   * Default: environment variable `JWKS_URL`; without either `ERR_SSE_MISSING_OPTION`.
   */
  url?: string | URL;
  /**
   * `iss` must be exactly this. Default: environment variable `JWT_ISSUER`;
   * without either `ERR_SSE_MISSING_OPTION`.
   */
  issuer?: string;
  /**
   * `aud` must be, or contain, one of these (1 to 64). Default: environment
   * variable `JWT_AUDIENCE` (one); without either `ERR_SSE_MISSING_OPTION`.
   */
  audience?: string | readonly string[];
  /** Allowed `alg`. @defaultValue ['RS256', 'ES256'] */
  algorithms?: readonly ('RS256' | 'ES256')[];
  /** `typ` of the header must be there and be this. @defaultValue undefined (it is absent, `JWT` or `at+jwt`) */
  typ?: string;
  /** Seconds that clocks may differ by, 0 to 60. @defaultValue 60 */
  clockSkew?: number;
  /** Milliseconds that a key set is fresh, 1 to 86,400,000. @defaultValue 600_000 */
  maxAge?: number;
  /** Milliseconds between fetches for an unknown `kid`, 1 to 86,400,000. @defaultValue 30_000 */
  cooldown?: number;
  /** Milliseconds until a failed fetch is repeated, 1 to 30,000; doubles up to 30 times that. @defaultValue 1000 */
  backoff?: number;
  /** Milliseconds a fetch may take, 1 to 60,000. @defaultValue 5000 */
  timeout?: number;
  /**
   * Milliseconds that a set is used past `maxAge` while no new one can be had, 0 to 86,400,000.
   * @defaultValue 3_600_000
   */
  staleIfError?: number;
  /**
   * Tokens that are remembered to be good (a digest and the claims), 0 to 1,000,000, so that those who reconnect cost no
   * signature check. Times and keys are looked at each time. @defaultValue 10_000
   */
  cacheSize?: number;
  /** Allow `http:` for any host. @defaultValue false */
  allowInsecureUrl?: boolean;
  /** The time in milliseconds since 1970, for tests. @defaultValue undefined (the system's clocks) */
  clock?: () => number;
}

/** What is kept for clients that come back. */
export interface HistoryOptions {
  /** Events kept for each channel and each user, 0 to 1,000,000. @defaultValue 100 */
  size?: number;
  /**
   * Another size for the channels (with `SseManager` the topics) whose name starts with a prefix, as in
   * `{ 'chat:': 1000, 'price:': 1 }`. The longest prefix decides; at most 100 of them. @defaultValue undefined
   */
  sizes?: Readonly<Record<string, number>>;
  /**
   * Bytes of events, as sent, kept for each channel and each user. Of more the oldest go.
   * @defaultValue 8_388_608
   */
  maxBytes?: number;
  /**
   * Bytes of events kept in all, each counted once. Of more the oldest of the channel that was idle longest go.
   * @defaultValue 268_435_456
   */
  totalBytes?: number;
  /** Milliseconds that an event is kept. @defaultValue Infinity */
  ttl?: number;
  /**
   * A file that keeps the history, so that it survives the process. Each server needs one of its own. See
   * docs/durable-history.md. @defaultValue undefined
   * @throws `ERR_SSE_HISTORY_LOCKED`, `ERR_SSE_HISTORY_VERSION`, `ERR_SSE_HISTORY_CORRUPT`, `ERR_SSE_HISTORY_IO`, and
   *   `ERR_SSE_UNSUPPORTED_RUNTIME` where the package was built without SQLite
   */
  file?: string;
  /**
   * Milliseconds between syncs of the file, 1 to 3,600,000; or `'always'`: `publish` then resolves when the event is on
   * the disk, and rejects with `ERR_SSE_HISTORY_IO` when it cannot get there. @defaultValue 1000
   */
  sync?: number | 'always';
}

/** How {@link SseServer.stop} ends. */
export interface StopOptions {
  /** Milliseconds over which clients are sent away, in waves. 0: all at once. @defaultValue 0 */
  drainMs?: number;
}

// ---- backplanes -----------------------------------------------------------------------------

/** What is appended to the log of a {@link Backplane}. */
export interface BackplaneMessage {
  /** Names of the histories that the record belongs to; each at most once, maybe none. */
  readonly keys: readonly string[];
  /** Opaque text. */
  readonly payload: string;
  /** One that is known already: nothing is appended, and the first id is answered. */
  readonly idempotencyKey?: string;
}

/** A record of the log. */
export interface BackplaneRecord {
  readonly id: number;
  readonly payload: string;
}

/** What a {@link Backplane} tells the server that reads it. None of its methods throws. */
export interface BackplaneListener {
  /** Once, before anything else: records up to the id `birth` are not told. */
  start(birth: number): void;
  /** Records in ascending order, each once and none left out. */
  records(records: readonly BackplaneRecord[]): void;
  /** Records up to the id `floor` may have been left out. */
  gap(floor: number): void;
  /** What the log had at the start was told; later, that the tail is at its end or goes on. */
  alive(): void;
  /** The log cannot be read at the moment. It is tried again. */
  error(error: unknown): void;
}

/** What a server needs of its {@link Backplane}. */
export interface BackplaneSettings {
  /** Records that a history has to keep. */
  readonly historySize: number;
  /** Milliseconds after which `alive` is expected again. */
  readonly probeInterval: number;
}

/** One ordered log that several servers share, with a history for each key. docs/backplane.md says what is asked of one. */
export interface Backplane {
  /** Appends. @returns the record's id, higher than all before. Rejects in bounded time. */
  publish(message: BackplaneMessage): Promise<number>;
  /** Called once: reads the log from now on, and goes on by itself after failures. */
  tail(listener: BackplaneListener, settings: BackplaneSettings): void;
  /** @returns the newest records of a key, ascending, and an id above which none is missing */
  history(key: string): Promise<{ records: readonly BackplaneRecord[]; floor: number }>;
  /** @returns a promise that resolves when what was published is settled and nothing is open any more */
  close(): Promise<void>;
}

/** Options of {@link redisBackplane} but for where Redis is. */
export interface RedisBackplaneSettings {
  /** Of all keys, without braces and white space. Servers with the same one are one system. @defaultValue 'sse' */
  prefix?: string;
  /** Records that the log holds, about, 1 to 10,000,000. @defaultValue 10_000 */
  maxLogLength?: number;
  /** Milliseconds that a history outlives its last event, at least 1000. The same on all nodes. @defaultValue 86_400_000 */
  historyTtl?: number;
  /** Milliseconds that an `idempotencyKey` is remembered, at least 1000 and twice `publishTimeout`. @defaultValue 600_000 */
  idempotencyTtl?: number;
  /** Milliseconds after which a publish rejects with `ERR_SSE_BACKPLANE_UNAVAILABLE`. @defaultValue 5000 */
  publishTimeout?: number;
  /** Bytes that may wait for an id. More is `ERR_SSE_BACKPLANE_FULL`. @defaultValue 16_777_216 */
  maxQueuedBytes?: number;
}

/** Where Redis is: an address, or a client whose address and credentials are copied. */
export type RedisBackplaneOptions = RedisBackplaneSettings &
  (
    | {
        /** `redis://` or `rediss://`. Needs the package `redis`, version 6. */
        url: string | URL;
        client?: undefined;
      }
    | {
        /** Of npm `redis` 6 (a client or a cluster) or of `ioredis` (likewise). It stays yours to close. */
        client: { duplicate(...args: any[]): any; connect(...args: any[]): any; on(event: any, listener: any): any };
        url?: undefined;
      }
  );

/**
 * Processes and machines that share a Redis 7 or newer, or a Valkey. For one server; `stop()` of that closes it.
 * @throws TypeError `ERR_SSE_UNKNOWN_OPTION`, `ERR_SSE_MISSING_OPTION`, `ERR_SSE_INVALID_OPTION`; an Error
 *   `ERR_SSE_UNSUPPORTED_RUNTIME` for a `url` without the package `redis`
 */
export function redisBackplane(options: RedisBackplaneOptions): Backplane;

/** Options of {@link clusterBackplane}. */
export type ClusterBackplaneOptions = Pick<RedisBackplaneSettings, 'prefix' | 'publishTimeout' | 'maxQueuedBytes'>;

/** Workers of one `node:cluster`, whose primary keeps the log in memory. */
export const clusterBackplane: {
  /**
   * In a worker. For one server; `stop()` of that closes it.
   * @throws TypeError `ERR_SSE_UNKNOWN_OPTION`, `ERR_SSE_INVALID_OPTION`
   */
  (options?: ClusterBackplaneOptions): Backplane;
  /**
   * In the primary, before it forks.
   * @throws TypeError `ERR_SSE_UNKNOWN_OPTION`, `ERR_SSE_INVALID_OPTION`, `ERR_SSE_INVALID_ARG`
   */
  setupPrimary(options?: Pick<RedisBackplaneSettings, 'maxLogLength'>): void;
};

// ---- options of a server ------------------------------------------------------------------

/** What {@link SseServerOptions} and {@link SseOpenServerOptions} have in common. */
export interface SseServerSettings {
  /**
   * Needed unless `hooks.authenticateSubscriber` is given, or the environment has them. An array names 1 to 8 issuers,
   * each with its own `url`, `issuer` and `audience` and nothing from the environment. With several, a user is its
   * issuer and its `sub`, also for an own `authenticateSubscriber`.
   */
  jwks?: JwksOptions | readonly JwksOptions[];
  history?: HistoryOptions;
  /**
   * Milliseconds a client is idle before it gets a comment line; 0: never.
   * The environment variable `SSE_HEARTBEAT_INTERVAL` stands in where it is absent.
   * @defaultValue 30_000
   */
  heartbeatInterval?: number;
  /**
   * `socket`: the connection is handed to the core. `stream`: it stays with Node.
   * `auto`: `socket` where that can be. With `'socket'` a connection that cannot
   * be handed over is a 500 `ERR_SSE_TRANSPORT`.
   * @defaultValue 'auto'
   */
  transport?: 'auto' | 'socket' | 'stream';
  /** I/O threads for the socket transport, 1 to 64. The first starts with the first client. @defaultValue 1 */
  threads?: number;
  /** Whether `?token=` is read. @defaultValue true */
  queryToken?: boolean;
  /**
   * `status`: a 503 is a 503, after which an `EventSource` gives up. `soft`: it
   * is a stream that says `retry:` and `closing` and ends, so that it comes back.
   * @defaultValue 'status'
   */
  refusal?: 'status' | 'soft';
  /** Milliseconds of a `retry:` line in `connected`. @defaultValue undefined (no such line) */
  retry?: number;
  /** Connections, those being authorised included. More are 503 `ERR_SSE_FULL`. @defaultValue Infinity */
  maxClients?: number;
  /** Connections of one user. More are 429 `ERR_SSE_TOO_MANY_CONNECTIONS`. @defaultValue Infinity */
  maxClientsPerUser?: number;
  /** Channels one connection may ask for, 1 to 10,000. More are 400. @defaultValue 64 */
  maxChannelsPerClient?: number;
  /** Channels and users with a history; one more drops the history that was idle longest. @defaultValue 1_000_000 */
  maxChannels?: number;
  /** Bytes of UTF-8, 1 to 65,535. Longer ones are 400, or `ERR_SSE_INVALID_CHANNEL`. @defaultValue 256 */
  maxChannelNameLength?: number;
  /** Bytes of `event.data` as JSON. Larger ones are `ERR_SSE_EVENT_TOO_LARGE`. @defaultValue 1_048_576 */
  maxEventBytes?: number;
  /** Bytes that may wait for one client; see `slow_reader` of {@link CloseReason}. @defaultValue 1_048_576 */
  maxQueuedBytes?: number;
  /** Bytes, 1 to 16,384. Longer tokens are 401. @defaultValue 8192 */
  maxTokenBytes?: number;
  /** Milliseconds that a request has for all of its authorisation. Longer is 503. @defaultValue 10_000 */
  hookTimeout?: number;
  /**
   * Milliseconds, at least 1000, after which a TCP peer that acknowledges nothing is given up, whether data is under
   * way or the connection is idle (TCP_USER_TIMEOUT and keep-alive, on both transports). A peer that keeps its window
   * shut for so long counts as one. `Infinity` leaves the connection's settings alone. @defaultValue 30_000
   */
  peerTimeout?: number;
  /**
   * Milliseconds after which a client is ended with `closing` `max_age`, drawn for each between 80 and 100 % of this.
   * @defaultValue Infinity
   */
  maxConnectionAge?: number;
  /**
   * Whether a stream ends with `closing` `token_expired` at the user's `exp` (with `jwks` plus `clockSkew`).
   * @defaultValue true
   */
  enforceTokenExpiry?: boolean;
  /**
   * Milliseconds that a request waits for the backplane, after which it is 503 `ERR_SSE_NOT_READY` (or is let in with
   * `recovered: false` where the node lags); and after which without a sign of the log `GET /ready` is 503.
   * @defaultValue 5000
   */
  readyTimeout?: number;
  /** What ties this server to others: {@link redisBackplane}, {@link clusterBackplane}. @defaultValue undefined */
  backplane?: Backplane;
}

/** Options of {@link createSseServer}. An unknown name throws `ERR_SSE_UNKNOWN_OPTION`. */
export interface SseServerOptions<User extends SseUser = JwtClaims> extends SseServerSettings {
  /** Whether a request without a token is a 401 before any hook is called. @defaultValue true */
  requireToken?: true;
  hooks?: SseHooks<User>;
}

/** Options of a server that also takes requests without a token (cookie sessions). */
export interface SseOpenServerOptions<User extends SseUser> extends SseServerSettings {
  /** `authenticateSubscriber(undefined, req)` decides about a request without a token. */
  requireToken: false;
  hooks: SseHooks<User, string | undefined> & { authenticateSubscriber: unknown };
}

// ---- the server --------------------------------------------------------------------------

/** Counters, as of now. */
export interface SseStats {
  /** Connected clients by transport. */
  clients: { socket: number; stream: number };
  events: {
    /** Calls of `publish` and `publishToUser` that were queued. */
    published: number;
    /** Events fully handed to a client's connection, replayed ones included. */
    delivered: number;
  };
  /** Ended clients by reason, since the server was made. */
  closed: Record<CloseReason, number>;
  auth: AuthStats;
}

/** Why a token was refused. See docs/errors.md. The peer is never told. */
export type AuthReason =
  | 'E_TOO_LARGE'
  | 'E_SEGMENTS'
  | 'E_B64'
  | 'E_UTF8'
  | 'E_JSON'
  | 'E_DUP'
  | 'E_NUL'
  | 'E_DEPTH'
  | 'E_ALG'
  | 'E_CRIT'
  | 'E_TYP'
  | 'E_KID'
  | 'E_ISS'
  | 'E_AUD'
  | 'E_EXP'
  | 'E_NBF'
  | 'E_IAT'
  | 'E_SUB'
  | 'E_NOKEY'
  | 'E_AMBIGUOUS'
  | 'E_KEY_WEAK'
  | 'E_SIGLEN'
  | 'E_SIG'
  | 'E_OOM';

/**
 * Tokens that were presented to the default authenticator. With an own one all stay 0, but for
 * `refused.E_TOO_LARGE`, which goes by `maxTokenBytes`.
 */
export interface AuthStats {
  /** Tokens found good; those that are `cached` among them. */
  accepted: number;
  /** Of those, the ones without a signature check of their own. */
  cached: number;
  /** Signatures checked, good or not. */
  signatureChecks: number;
  /** Every reason is there, at first as 0. */
  refused: Record<AuthReason, number>;
}

/** Which user is meant where there are several issuers. */
export interface UserOptions {
  /** Needed with several issuers, and one of them. With one issuer it may be left out. */
  issuer?: string;
}

export interface PublishOptions {
  /**
   * 1 to 255 bytes. Published again with the same one, the first id is answered and nothing is delivered twice: for 10
   * minutes, among all that share a backplane, whatever the channel.
   */
  idempotencyKey?: string;
}

/** A request handler that Express's `app.use` takes. */
export type SseRouter = (req: IncomingMessage, res: ServerResponse, next: (error?: any) => void) => void;

export interface SseServer<Events extends EventMap<Events> = AnyEvents> {
  /**
   * An Express 5 Router: `GET /` subscribes, `GET /health` answers
   * `{"status":"healthy","clients":N}` without authentication, `GET /ready` 200 or 503.
   * @throws `ERR_SSE_UNSUPPORTED_RUNTIME` when Express is not installed
   */
  readonly router: SseRouter;
  /** Subscribes at whatever path it is called for, without Express. Bound: pass it on as it is. */
  readonly handler: (req: IncomingMessage | Http2ServerRequest, res: ServerResponse | Http2ServerResponse) => void;
  /** Every connected client by id, in the order of arrival. A live view; read-only. */
  readonly clients: ReadonlyMap<string, SseClient>;
  /**
   * Sends an event to every subscriber of a channel and keeps it for replay.
   * @returns the event's id, with `history.sync: 'always'` once it is on the disk. It rejects with `ERR_SSE_STOPPED` after
   *   `stop()`, with `ERR_SSE_HISTORY_IO` where it cannot get to the disk, with a backplane also with
   *   `ERR_SSE_BACKPLANE_UNAVAILABLE` ({@link BackplaneError}), `ERR_SSE_BACKPLANE_FULL` and `ERR_SSE_BACKPLANE_REFUSED`;
   *   ignored, it is no unhandled rejection
   * @throws TypeError at once: `ERR_SSE_INVALID_ARG`, `ERR_SSE_INVALID_CHANNEL`, `ERR_SSE_INVALID_EVENT_TYPE`,
   *   `ERR_SSE_RESERVED_EVENT_TYPE`, `ERR_SSE_INVALID_DATA`, `ERR_SSE_EVENT_TOO_LARGE`
   */
  publish(channel: string, event: EventOf<Events>, options?: PublishOptions): Promise<number>;
  /**
   * Sends an event to every connection of a user and keeps it for replay.
   * @param userId `sub` of the user
   * @returns like `publish`
   * @throws TypeError at once: like `publish`, with `ERR_SSE_INVALID_USER` for the id, and for the issuer
   *   `ERR_SSE_MISSING_OPTION`, `ERR_SSE_INVALID_ARG`
   */
  publishToUser(userId: string, event: EventOf<Events>, options?: UserOptions & PublishOptions): Promise<number>;
  /**
   * Sends an event to one connection. It has no id and is in no history: whoever reconnects does not get it again.
   * @returns false when there is no such client
   * @throws TypeError at once: like `publish`, `ERR_SSE_INVALID_ARG` for the client's id
   */
  publishToClient(clientId: string, event: EventOf<Events>): boolean;
  /**
   * Subscribes a connection to one more channel, for what is published from then on. It lasts as long as the
   * connection: an `EventSource` comes back with its first URL. `authorizeChannel` is asked, without a request.
   * @returns true when the client has the channel, false when there is no such client. Rejects with
   *   `ERR_SSE_TOO_MANY_CHANNELS`, `ERR_SSE_FORBIDDEN`, `ERR_SSE_HOOK_FAILED`, `ERR_SSE_HOOK_TIMEOUT`, or as the hook
   *   threw with a status; ignored, it is no unhandled rejection
   * @throws TypeError at once: `ERR_SSE_INVALID_ARG`, `ERR_SSE_INVALID_CHANNEL`
   */
  subscribe(clientId: string, channel: string): Promise<boolean>;
  /**
   * Takes a channel from a connection, for as long as that lasts.
   * @returns false when there is no such client, or it did not have the channel
   * @throws TypeError `ERR_SSE_INVALID_ARG`, `ERR_SSE_INVALID_CHANNEL`
   */
  unsubscribe(clientId: string, channel: string): boolean;
  /**
   * Ends a client once what is queued for it is written.
   * @param reason with one, the client is told `closing` `{ reason, reconnect: false }`. `onDisconnect` gets `server`.
   * @returns false when there is no such client
   * @throws TypeError `ERR_SSE_INVALID_ARG`
   */
  disconnect(clientId: string, reason?: string): boolean;
  /**
   * Ends every connection of a user with `closing` `{ reason, reconnect: false }`, once what is queued is written; with a
   * backplane those on other processes too, of which `on('error')` hears when they could not be told. A request of the
   * user that is still being authorised, or waits for a history, is a 403. The reason that `onDisconnect` gets is `server`.
   * @param reason for the client, `server` by default
   * @returns how many there were in this process
   * @throws TypeError `ERR_SSE_INVALID_USER`, `ERR_SSE_INVALID_ARG`, `ERR_SSE_MISSING_OPTION`
   */
  disconnectUser(userId: string, reason?: string, options?: UserOptions): number;
  /**
   * Subscribes every connection that a user has, on all processes that share the backplane, to one more channel: in the
   * order of what is published, for as long as each connection lasts. `authorizeChannel` is not asked. A connection that
   * has `maxChannelsPerClient` is left as it is, and reported to `on('error')` of its process.
   * @returns a promise that resolves when that is settled; it rejects like that of `publish`
   * @throws TypeError at once: `ERR_SSE_INVALID_USER`, `ERR_SSE_INVALID_CHANNEL`, `ERR_SSE_INVALID_ARG`, `ERR_SSE_MISSING_OPTION`
   */
  subscribeUser(userId: string, channel: string, options?: UserOptions): Promise<void>;
  /** Takes a channel from every connection of a user, in the same way. */
  unsubscribeUser(userId: string, channel: string, options?: UserOptions): Promise<void>;
  /** The highest event id so far; 0 before a backplane was read. A page rendered now passes it on as `?lastEventId=`. */
  cursor(): number;
  stats(): SseStats;
  /**
   * Resolves when tokens can be verified (at once with an own authenticator) and the backplane was read; rejects with
   * `ERR_SSE_KEYS_UNAVAILABLE`, or after `readyTimeout` with `ERR_SSE_BACKPLANE_UNAVAILABLE`.
   */
  ready(): Promise<void>;
  /**
   * Lets nobody in any more, ends every client with `event: closing` and a `retry:` of its own, and joins the threads.
   * `publish` works until the last client was sent away, then it rejects. May be called again, to shorten the time.
   * @returns a promise that resolves when every `onDisconnect` has been called; the same one each time
   * @throws TypeError `ERR_SSE_INVALID_OPTION`, `ERR_SSE_UNKNOWN_OPTION`
   */
  stop(options?: StopOptions): Promise<void>;
  /** Errors of hooks, and of the backplane where no promise tells them. Without a listener the first one is a process warning. */
  on(name: 'error', listener: (error: unknown) => void): this;
  off(name: 'error', listener: (error: unknown) => void): this;
}

/**
 * Makes a server.
 *
 * @typeParam Events event types and their data, for `publish` and `publishToUser`
 * @typeParam User what `hooks.authenticateSubscriber` returns; taken from there unless it is given
 * @throws TypeError `ERR_SSE_UNKNOWN_OPTION`, `ERR_SSE_MISSING_OPTION`, `ERR_SSE_INVALID_OPTION`
 */
export function createSseServer<Events extends EventMap<Events> = AnyEvents, User extends SseUser = JwtClaims>(
  options: SseOpenServerOptions<User>,
): SseServer<Events>;
export function createSseServer<Events extends EventMap<Events> = AnyEvents, User extends SseUser = JwtClaims>(
  options?: SseServerOptions<User>,
): SseServer<Events>;

/** Verifies tokens by the keys of a JWKS. */
export interface JwksAuthenticator {
  /**
   * @returns the token's claims
   * @throws {@link SseHttpError} `ERR_SSE_UNAUTHORIZED` (401), `ERR_SSE_KEYS_UNAVAILABLE` (503)
   */
  (token: string): Promise<JwtClaims>;
  /** Resolves when there are keys; rejects with `ERR_SSE_KEYS_UNAVAILABLE`. */
  ready(): Promise<void>;
  /** Ends the fetching of keys. A server's own one is closed by `stop()`, one that you made is yours to close. */
  close(): void;
  /** What became of the tokens so far, as in `stats().auth` of a server. */
  stats(): AuthStats;
  /** In the order of the options. */
  readonly issuers: readonly { readonly issuer: string; readonly clockSkew: number }[];
  /** Seconds, as in the options; with several issuers the largest. */
  readonly clockSkew: number;
}

/**
 * Makes what a server uses by default as `authenticateSubscriber`. The keys are
 * fetched from now on; a network failure is no error here but a 503 to whoever needs them.
 *
 * @throws TypeError `ERR_SSE_UNKNOWN_OPTION`, `ERR_SSE_MISSING_OPTION`, `ERR_SSE_INVALID_OPTION`
 */
export function createJwksAuthenticator(
  jwks?: JwksOptions | readonly JwksOptions[],
  parts?: {
    /** Bytes, 1 to 16,384. Longer tokens are refused. @defaultValue 8192 */
    maxTokenBytes?: number;
  },
): JwksAuthenticator;

// ---- topics that the server gives -------------------------------------------------------------

/** An event as {@link SseManager} sends it: the data of its frame, as JSON. */
export interface StreamEvent<T = unknown> {
  /** A random UUID, filled in once for all who get the event. The `id:` of the frame is another, for `Last-Event-ID`. */
  id: string;
  type: string;
  /** ISO 8601, filled in. */
  timestamp: string;
  /** Filled in. */
  topic: string;
  data: T;
  userId?: string;
  /** The event reaches connections of this tenant alone. */
  tenantId?: string;
  metadata?: Record<string, unknown>;
}

/** What a caller gives of a {@link StreamEvent}. One that was received may be given again: what is filled in is made anew. */
export type StreamEventInput<T = unknown> = Omit<StreamEvent<T>, 'id' | 'timestamp' | 'topic'> &
  Partial<Pick<StreamEvent, 'id' | 'timestamp' | 'topic'>>;

/** Options of {@link SseManager}; those of {@link SseServerSettings} mean the same and have the same defaults. */
export interface SseManagerOptions
  extends Pick<
    SseServerSettings,
    | 'history'
    | 'transport'
    | 'threads'
    | 'retry'
    | 'maxClients'
    | 'maxClientsPerUser'
    | 'maxChannels'
    | 'maxEventBytes'
    | 'maxQueuedBytes'
    | 'peerTimeout'
    | 'maxConnectionAge'
    | 'readyTimeout'
    | 'backplane'
  > {
  /** Milliseconds a connection is idle before it gets a comment line; 0: never. @defaultValue 30_000 */
  heartbeatIntervalMs?: number;
  /** Bytes of a topic, 1 to 65,535. Longer ones are `ERR_SSE_INVALID_TOPIC`. @defaultValue 1024 */
  maxChannelNameLength?: number;
  /**
   * `named`: an event is sent under its type, for `addEventListener(type)`. `unnamed`: without one, for `onmessage`.
   * `both`: once each, with one id, which doubles the bytes. An event of type `message` is sent once in any case.
   * @defaultValue 'both'
   */
  frames?: 'both' | 'named' | 'unnamed';
}

/** Who a connection is from. `null` is as good as absent. */
export interface ConnectionMeta {
  userId?: string | null;
  /** Without a colon. */
  tenantId?: string | null;
}

/** Anything that takes a stream: a response of Express, `node:http` or `node:http2`, or a mock. */
export interface ResponseLike {
  setHeader(name: string, value: any): unknown;
  write(chunk: any): unknown;
  end(): unknown;
  on(event: any, listener: (...args: any[]) => void): unknown;
}

/** Connections whose topics the server decides; on the same core as {@link createSseServer}. */
export class SseManager {
  /** @throws TypeError `ERR_SSE_UNKNOWN_OPTION`, `ERR_SSE_INVALID_OPTION` */
  constructor(options?: SseManagerOptions);
  readonly heartbeatIntervalMs: number;
  /** Without those that were removed, or whose response has closed: at once. */
  readonly connectionCount: number;
  /**
   * Answers with a stream. `connected` comes first, with `connectionId`, `topics`, `recovered` and `lastEventId`; then
   * what the connection missed since the `Last-Event-ID` of `res.req`.
   * From then on `res` is not the app's: what is written to it may be lost, `removeConnection` ends it.
   * With a backplane it may be answered later: what goes wrong then is answered, not thrown.
   * A HEAD gets the head alone. Where the peer has left already, nothing is written and nobody is connected.
   * @param topics may be empty; see {@link topics}
   * @returns the connection's id; it may have ended
   * @throws TypeError `ERR_SSE_INVALID_ARG`, `ERR_SSE_INVALID_TOPIC`, `ERR_SSE_INVALID_USER`; an
   *   {@link SseHttpError} 503 `ERR_SSE_FULL` or `ERR_SSE_STOPPING`, 429 `ERR_SSE_TOO_MANY_CONNECTIONS`, 500
   *   `ERR_SSE_TRANSPORT`
   */
  addConnection(res: ResponseLike, topics: readonly string[], meta?: ConnectionMeta): string;
  /** Ends a connection once what is queued is written; an unknown id is ignored. */
  removeConnection(connectionId: string): void;
  /**
   * To every connection that has the topic; with a `tenantId` to those of that tenant that have it, alone.
   * @throws TypeError like `publish` of a server, with `ERR_SSE_INVALID_TOPIC` for the topic
   */
  broadcast<T = unknown>(topic: string, event: StreamEventInput<T>): void;
  /**
   * To every connection of the user, whatever its topics, and to those that have the topic `user:{userId}`; with a
   * `tenantId` to those of that tenant alone.
   */
  broadcastToUser<T = unknown>(userId: string, event: StreamEventInput<T>): void;
  /** To every connection of the tenant, whatever its topics. */
  broadcastToTenant<T = unknown>(tenantId: string, event: StreamEventInput<T>): void;
  /**
   * Ends every connection of a user with `closing` `{"reason":"server","reconnect":false}`; with a `tenantId` those in
   * that tenant alone.
   * With a backplane those of other processes too.
   * @returns how many there were in this process
   * @throws TypeError `ERR_SSE_INVALID_ARG`, `ERR_SSE_INVALID_USER`, `ERR_SSE_INVALID_TOPIC`
   */
  disconnectUser(userId: string, where?: { tenantId?: string | null }): number;
  stats(): Omit<SseStats, 'auth'>;
  /** Resolves when the backplane was read, without one at once; rejects like `ready` of a server. */
  ready(): Promise<void>;
  /** What `GET /ready` of a server tells. */
  readonly isReady: boolean;
  /** Like `stop` of a server. */
  stop(options?: StopOptions): Promise<void>;
  /** What no call could throw: a broadcast after `stop()`, an event of a bus that cannot be sent. */
  on(name: 'error', listener: (error: unknown) => void): this;
  off(name: 'error', listener: (error: unknown) => void): this;
}

/** A topic in its parts. */
export type ParsedTopic =
  | { kind: 'global' }
  | { kind: 'tenant'; tenantId: string }
  | { kind: 'role'; tenantId: string; role: string }
  | { kind: 'group'; tenantId: string; groupId: string }
  | { kind: 'user'; userId: string }
  | { kind: 'session'; sessionId: string }
  | { kind: 'custom'; namespace: string };

/**
 * Builds and parses topics. Parts are 1 to 255 bytes without control characters; a tenant's id has no colon, the last
 * part may. Everything else throws `ERR_SSE_INVALID_TOPIC`, what is no string `ERR_SSE_INVALID_ARG`.
 */
export const topics: {
  readonly global: () => 'global';
  readonly tenant: (tenantId: string) => string;
  readonly role: (tenantId: string, role: string) => string;
  readonly group: (tenantId: string, groupId: string) => string;
  readonly user: (userId: string) => string;
  readonly session: (sessionId: string) => string;
  readonly custom: (namespace: string) => string;
  readonly parse: (topic: string) => ParsedTopic;
};

/** What is published on an {@link AuthEventBus}: whom it is for, its data, and whatever else listeners need. */
export interface AuthEventPayload {
  data?: unknown;
  userId?: string;
  tenantId?: string;
  sessionId?: string;
  /** ISO 8601. @defaultValue now */
  timestamp?: string;
  [member: string]: unknown;
}

/** What a listener of an {@link AuthEventBus} gets. */
export interface AuthEvent extends AuthEventPayload {
  event: string;
  timestamp: string;
}

/** An `EventEmitter` on which every event is also emitted as `*`. */
export class AuthEventBus extends EventEmitter {
  /** Emits under the name and as `*`. @throws TypeError `ERR_SSE_INVALID_ARG` */
  publish(eventName: string, payload?: AuthEventPayload): void;
}

export interface AuthToolsOptions {
  /** Whether there is an {@link SseManager}. @defaultValue false */
  sse?: boolean;
  sseOptions?: SseManagerOptions;
}

/** Sends what happens on an event bus to those whom it names. */
export class AuthTools {
  /**
   * @param bus any `EventEmitter`. What others emit on it as `*` is sent by the rule of `track`.
   * @throws TypeError `ERR_SSE_INVALID_ARG`, `ERR_SSE_UNKNOWN_OPTION`, `ERR_SSE_INVALID_OPTION`
   */
  constructor(bus: EventEmitter, options?: AuthToolsOptions);
  readonly sseManager: SseManager | null;
  readonly eventBus: EventEmitter;
  /**
   * Emits an event on the bus and sends it, once and with one id: with a `userId` to the user and the session; without
   * one to the session and the tenant; to `global` when nobody is named, which is also what `undefined` does. With a
   * `tenantId` it stays in that tenant; without one a user is reached in every tenant.
   */
  track(eventName: string, data?: unknown, to?: { userId?: string; tenantId?: string; sessionId?: string }): void;
  /** Broadcasts to a topic. `type` is `notification` by default. */
  notify<T = unknown>(
    topic: string,
    data: T,
    options?: { type?: string; tenantId?: string; userId?: string; metadata?: Record<string, unknown> },
  ): void;
  /** Leaves the bus and stops the manager. */
  stop(options?: StopOptions): Promise<void>;
}

export interface ToolsRouterOptions {
  /**
   * Runs before each route and sets `req.user`: `id` or `sub`, `tenantId`, `roles`, `groups`, `sessionId`, strings or
   * numbers. Without it a stream has the topic `global` alone.
   */
  authMiddleware?: (req: any, res: any, next: (error?: any) => void) => unknown;
  /** `GET /stream`. @defaultValue true */
  stream?: boolean;
  /** `POST /notify/:topic`, for those whom `authMiddleware` lets pass. @defaultValue false */
  notify?: boolean;
  /**
   * Narrows or extends the topics that `req.user` has; `?topics=a,b` then only narrows. A throw with a `status` from 400
   * to 599 answers that status, any other throw 500. What is sent to a user or a
   * tenant as such reaches its connections whatever their topics.
   */
  authorizeTopics?: (req: any, topics: string[]) => readonly string[] | Promise<readonly string[]>;
}

/**
 * Makes an Express 5 Router.
 * @throws TypeError `ERR_SSE_INVALID_ARG`, `ERR_SSE_UNKNOWN_OPTION`, `ERR_SSE_INVALID_OPTION`; `ERR_SSE_MISSING_OPTION`
 *   for `notify` without `authMiddleware`
 */
export function createToolsRouter(tools: AuthTools, options?: ToolsRouterOptions): SseRouter;

// ---- errors ---------------------------------------------------------------------------------

/** `code` of what is thrown at, or rejected to, the caller. See docs/errors.md. */
export type SseErrorCode =
  | 'ERR_SSE_UNKNOWN_OPTION'
  | 'ERR_SSE_MISSING_OPTION'
  | 'ERR_SSE_INVALID_OPTION'
  | 'ERR_SSE_INVALID_ARG'
  | 'ERR_SSE_INVALID_CHANNEL'
  | 'ERR_SSE_INVALID_USER'
  | 'ERR_SSE_INVALID_TOPIC'
  | 'ERR_SSE_INVALID_EVENT_TYPE'
  | 'ERR_SSE_RESERVED_EVENT_TYPE'
  | 'ERR_SSE_INVALID_DATA'
  | 'ERR_SSE_EVENT_TOO_LARGE'
  | 'ERR_SSE_STOPPED'
  | 'ERR_SSE_TOO_MANY_CHANNELS'
  | 'ERR_SSE_BACKPLANE_UNAVAILABLE'
  | 'ERR_SSE_BACKPLANE_FULL'
  | 'ERR_SSE_BACKPLANE_REFUSED'
  | 'ERR_SSE_HISTORY_LOCKED'
  | 'ERR_SSE_HISTORY_VERSION'
  | 'ERR_SSE_HISTORY_CORRUPT'
  | 'ERR_SSE_HISTORY_IO'
  | 'ERR_SSE_UNSUPPORTED_RUNTIME'
  | 'ERR_SSE_INTERNAL';

/** `error` of an HTTP answer. See docs/errors.md. */
export type SseHttpErrorCode =
  | 'ERR_SSE_FULL'
  | 'ERR_SSE_STOPPING'
  | 'ERR_SSE_NOT_READY'
  | 'ERR_SSE_UNAUTHORIZED'
  | 'ERR_SSE_BAD_REQUEST'
  | 'ERR_SSE_FORBIDDEN'
  | 'ERR_SSE_TOO_MANY_CONNECTIONS'
  | 'ERR_SSE_HOOK_FAILED'
  | 'ERR_SSE_HOOK_REJECTED'
  | 'ERR_SSE_HOOK_TIMEOUT'
  | 'ERR_SSE_KEYS_UNAVAILABLE'
  | 'ERR_SSE_TRANSPORT'
  | 'ERR_SSE_DISABLED'
  | 'ERR_SSE_METHOD_NOT_ALLOWED';

/** `code` of a process warning. See docs/errors.md. */
export type SseWarningCode =
  | 'SSE_WARN_CLUSTER'
  | 'SSE_WARN_HOOK'
  | 'SSE_WARN_HISTORY'
  | 'SSE_JWKS_UNAVAILABLE'
  | 'SSE_JWKS_PRIVATE_KEY';

/** What is thrown at the caller: a `TypeError`, or an `Error` where docs/errors.md says so. */
export interface SseError extends Error {
  readonly code: SseErrorCode;
}

/** `ERR_SSE_BACKPLANE_UNAVAILABLE`. */
export interface BackplaneError extends SseError {
  readonly code: 'ERR_SSE_BACKPLANE_UNAVAILABLE';
  /** Of a publish: whether the event may be there all the same. */
  readonly maybePublished: boolean;
}

/** What ends a subscribe request with an HTTP status. */
export interface SseHttpError extends Error {
  readonly code: SseHttpErrorCode;
  readonly status: number;
  /** Seconds. */
  readonly retryAfter?: number;
}

/** The JSON body of every refusal. */
export interface RefusalBody {
  error: SseHttpErrorCode;
  message: string;
}
