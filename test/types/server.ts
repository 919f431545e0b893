// server.ts - createSseServer as an application would type it.

import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import Redis from 'ioredis';
import { createClient, createCluster } from 'redis';
import {
  clusterBackplane,
  createSseServer,
  redisBackplane,
  SseManager,
  type Backplane,
  type BackplaneError,
  type CloseReason,
  type EventOf,
  type JwtClaims,
  type SseClient,
  type SseServer,
  type SseServerOptions,
  type SseUser,
} from 'native-sse';

/** Fails to compile unless both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._ok: Same<A, B> extends true ? [] : ['these types differ']): void {}
// @ts-expect-error - they differ
same<string, number>();

// Everything by default: claims for the user, any event.
const server = createSseServer();
same<typeof server, SseServer>();
const id: Promise<number> = server.publish('news', { type: 'update', data: { text: 'hi' } });
server.publishToUser('alice', { type: 'update', data: null });
server.publish('news', { type: 'n', data: 1 }).then((n) => same<typeof n, number>());
void id;

// @ts-expect-error - data is needed
server.publish('news', { type: 'update' });
// @ts-expect-error - undefined is no JSON
server.publish('news', { type: 'update', data: undefined });
// @ts-expect-error - no such member
server.publish('news', { type: 'update', data: 1, id: 5 });
// @ts-expect-error - a channel is a string
server.publish(5, { type: 'update', data: 1 });
// @ts-expect-error - an event type is a string
server.publish('news', { type: 5, data: 1 });
// @ts-expect-error - user and event, both
server.publishToUser('alice');

// An event map, as an interface and as a type.
interface Events {
  order: { id: string; total: number };
  tick: number;
}
const typed = createSseServer<Events>({ heartbeatInterval: 15_000 });
same<typeof typed, SseServer<Events>>();
typed.publish('shop', { type: 'order', data: { id: 'a', total: 3 } });
typed.publishToUser('alice', { type: 'tick', data: 1 });
declare const either: EventOf<Events>;
typed.publish('shop', either);
// @ts-expect-error - the data of another type
typed.publish('shop', { type: 'tick', data: { id: 'a', total: 3 } });
// @ts-expect-error - not in the map
typed.publish('shop', { type: 'tock', data: 1 });
// @ts-expect-error - incomplete data
typed.publishToUser('alice', { type: 'order', data: { id: 'a' } });
createSseServer<{ note: string }>().publish('shop', { type: 'note', data: 'x' });
// @ts-expect-error - a reserved type
createSseServer<{ connected: string }>();
// @ts-expect-error - undefined is no JSON
createSseServer<{ note: string | undefined }>();

// The user is inferred from the authenticator, plain or promised.
interface Session extends SseUser {
  plan: 'free' | 'paid';
}
createSseServer({
  hooks: {
    authenticateSubscriber: async (token, req): Promise<Session> => {
      same<typeof token, string>();
      return { sub: `${token}${req.url}`, plan: 'free' };
    },
    authorizeChannel: (user, channel) => {
      same<typeof user, Session>();
      return user.plan === 'paid' || channel === 'news';
    },
    onConnect: (client, req) => {
      same<typeof client, SseClient>();
      client.res?.write(': hello\n');
      return [client.id, req.headers.cookie];
    },
    onDisconnect: async (client, reason) => {
      same<typeof reason, CloseReason>();
      console.log(client.connectedAt.getTime());
    },
  },
});
createSseServer<Events, Session>({ hooks: { authenticateSubscriber: () => ({ sub: 'a', plan: 'paid' }) } });
createSseServer({
  hooks: {
    authorizeChannel: (user) => {
      same<typeof user, JwtClaims>();
      same<typeof user.sub, string>();
      same<typeof user.exp, number>();
      same<(typeof user)['roles'], unknown>();
      return Array.isArray(user['roles']);
    },
  },
});
// @ts-expect-error - a user has a sub
createSseServer({ hooks: { authenticateSubscriber: () => ({ id: 'alice' }) } });
// @ts-expect-error - sub is a string
createSseServer({ hooks: { authenticateSubscriber: () => ({ sub: 7 }) } });
// @ts-expect-error - only true allows: no truthy string
createSseServer({ hooks: { authorizeChannel: () => 'yes' } });
// @ts-expect-error - no such hook
createSseServer({ hooks: { onMessage: () => {} } });

// Without a token the authenticator has to look elsewhere.
createSseServer({
  requireToken: false,
  hooks: {
    authenticateSubscriber: (token, req) => {
      same<typeof token, string | undefined>();
      return { sub: token ?? String(req.headers.cookie) };
    },
    authorizeChannel: (user) => {
      same<typeof user, { sub: string }>();
      return true;
    },
  },
});
// @ts-expect-error - who decides then?
createSseServer({ requireToken: false });

// Options.
const options: SseServerOptions = {
  jwks: {
    url: new URL('https://id.example.com/jwks.json'),
    issuer: 'https://id.example.com/',
    audience: ['api', 'web'],
    algorithms: ['ES256'],
    clockSkew: 30,
    staleIfError: 0,
  },
  history: { size: 10, sizes: { 'chat:': 1000 }, maxBytes: 1, totalBytes: Infinity, ttl: 60_000, file: '/var/lib/app/history', sync: 'always' },
  transport: 'stream',
  threads: 2,
  queryToken: false,
  refusal: 'soft',
  retry: 2000,
  maxClients: Infinity,
};
createSseServer(options);
// @ts-expect-error - no such option
createSseServer({ heartbeat: 5 });
// @ts-expect-error - no such transport
createSseServer({ transport: 'websocket' });
// @ts-expect-error - milliseconds are a number
createSseServer({ heartbeatInterval: '30s' });
// @ts-expect-error - only these two algorithms
createSseServer({ jwks: { algorithms: ['HS256'] } });
// @ts-expect-error - no such option below jwks
createSseServer({ jwks: { uri: 'https://id.example.com/jwks.json' } });
// @ts-expect-error - no such option below history
createSseServer({ history: { length: 5 } });

// Without Express.
createServer(server.handler);
createSecureServer(server.handler);
createServer((req, res) => server.router(req, res, () => res.end()));

// Looking at clients.
for (const [clientId, client] of server.clients) {
  same<typeof clientId, string>();
  same<typeof client.channels, string[]>();
  // @ts-expect-error - a view
  client.userId = 'bob';
}
const found = server.clients.get('x');
// @ts-expect-error - it may not be there
found.userId;
// @ts-expect-error - read-only
server.clients.delete('x');
const gone: boolean = server.disconnect('x');
void gone;

const stats = server.stats();
const sum: number = stats.clients.socket + stats.events.delivered + stats.closed.slow_reader;
void sum;
// @ts-expect-error - no such reason
stats.closed.bored;

const cursor: number = server.cursor();
void cursor;
server.on('error', (error) => same<typeof error, unknown>()).off('error', () => {});
// @ts-expect-error - no such event
server.on('close', () => {});
const ended: Promise<void> = server.stop();
void ended;
same<ReturnType<typeof server.ready>, Promise<void>>();

// Several issuers: the user is named with its own.
const twice = createSseServer({ jwks: [{ issuer: 'https://a.example' }, { issuer: 'https://b.example' }] });
twice.publishToUser('alice', { type: 'update', data: 1 }, { issuer: 'https://a.example' });
twice.disconnectUser('alice', undefined, { issuer: 'https://a.example' });
const cached: number = twice.stats().auth.cached;
// @ts-expect-error - no such option
twice.publishToUser('alice', { type: 'update', data: 1 }, { isuer: 'https://a.example' });
// @ts-expect-error - a string
twice.disconnectUser('alice', 'bye', { issuer: 1 });
void cached;

// ---- live connections ----

{
  const live = createSseServer<{ hint: number }>();
  const there: boolean = live.publishToClient('id', { type: 'hint', data: 1 });
  // @ts-expect-error - the data of another type
  live.publishToClient('id', { type: 'hint', data: 'x' });
  const subscribed: Promise<boolean> = live.subscribe('id', 'news');
  const left: boolean = live.unsubscribe('id', 'news');
  const ended: boolean = live.disconnect('id', 'banned') && live.disconnect('id');
  void [there, subscribed, left, ended];
}

// ---- backplanes ----

{
  const own: Backplane = {
    publish: async ({ keys, payload, idempotencyKey }) => keys.length + payload.length + (idempotencyKey?.length ?? 0),
    tail(listener, { historySize, probeInterval }) {
      listener.start(historySize + probeInterval);
      listener.records([{ id: 1, payload: '' }]);
      listener.gap(2);
      listener.alive();
      listener.error(new Error());
    },
    history: async () => ({ records: [], floor: 0 }),
    close: async () => {},
  };
  createSseServer({ backplane: own, readyTimeout: 1000 });
  createSseServer({ backplane: redisBackplane({ url: 'redis://localhost', prefix: 'x', maxLogLength: 10, historyTtl: 1000 }) });
  createSseServer({ backplane: redisBackplane({ client: createClient(), publishTimeout: 1, maxQueuedBytes: 1, idempotencyTtl: 1000 }) });
  createSseServer({ backplane: redisBackplane({ client: createCluster({ rootNodes: [] }) }) });
  createSseServer({ backplane: redisBackplane({ client: new Redis() }) });
  new SseManager({ backplane: clusterBackplane({ prefix: 'x' }), readyTimeout: 1 }).ready();
  clusterBackplane.setupPrimary({ maxLogLength: 10 });
  // @ts-expect-error - one of both
  redisBackplane({});
  // @ts-expect-error - no such option
  redisBackplane({ url: 'redis://localhost', maxLogLenght: 1 });
  // @ts-expect-error - no backplane
  createSseServer({ backplane: 'redis://localhost' });

  const tied = createSseServer();
  const id: Promise<number> = tied.publish('news', { type: 'update', data: 1 }, { idempotencyKey: 'k' });
  tied.publishToUser('alice', { type: 'update', data: 1 }, { issuer: 'https://a.example', idempotencyKey: 'k' });
  // @ts-expect-error - a channel has no issuer
  tied.publish('news', { type: 'update', data: 1 }, { issuer: 'https://a.example' });
  const given: Promise<void> = tied.subscribeUser('alice', 'news', { issuer: 'https://a.example' });
  const taken: Promise<void> = tied.unsubscribeUser('alice', 'news');
  id.catch((error: BackplaneError) => same<typeof error.maybePublished, boolean>());
  void [given, taken];
}
