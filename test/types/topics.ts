// topics.ts - SseManager, AuthTools, AuthEventBus, createToolsRouter and topics as an application would type them.

import { EventEmitter } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import express, { type Request, type Response } from 'express';
import {
  AuthEventBus,
  AuthTools,
  createToolsRouter,
  SseManager,
  topics,
  type AuthEvent,
  type ParsedTopic,
  type ResponseLike,
  type SseManagerOptions,
  type SseRouter,
  type StreamEvent,
  type StreamEventInput,
} from 'native-sse';

/** Fails to compile unless both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(..._ok: Same<A, B> extends true ? [] : ['these types differ']): void {}

// The manager and its options.
const manager = new SseManager();
const options: SseManagerOptions = {
  heartbeatIntervalMs: 0, frames: 'named', transport: 'stream', threads: 2, retry: 1000, history: { size: 10, ttl: 1000 },
  maxClients: 10, maxClientsPerUser: 1, maxChannels: 10, maxEventBytes: 100, maxQueuedBytes: 100, peerTimeout: Infinity,
  maxConnectionAge: 1000,
};
new SseManager(options);
// @ts-expect-error - a server's option, not a manager's
new SseManager({ heartbeatInterval: 5 });
// @ts-expect-error - a client asks for nothing here
new SseManager({ maxChannelsPerClient: 5 });
// @ts-expect-error - no such form
new SseManager({ frames: 'all' });
same<typeof manager.heartbeatIntervalMs, number>();
same<typeof manager.connectionCount, number>();
// @ts-expect-error - read-only
manager.heartbeatIntervalMs = 5;
// @ts-expect-error - read-only
manager.connectionCount = 5;

// Connections: every kind of response, and a mock.
declare const plain: ServerResponse;
declare const http2: Http2ServerResponse;
declare const ofExpress: Response;
const mock: ResponseLike = { setHeader() {}, write: () => true, end() {}, on() {} };
for (const res of [plain, http2, ofExpress, mock]) same<ReturnType<typeof manager.addConnection>, string>(), manager.addConnection(res, []);
const id: string = manager.addConnection(mock, ['global'] as const, { userId: 'u', tenantId: null });
createServer((req, res) => manager.addConnection(res, [topics.global()]));
express().get('/stream', (req: Request, res: Response) => void manager.addConnection(res, ['global']));
same<ReturnType<typeof manager.removeConnection>, void>();
manager.removeConnection(id);
// @ts-expect-error - a list
manager.addConnection(mock, 'global');
// @ts-expect-error - topics are needed
manager.addConnection(mock);
// @ts-expect-error - no such member
manager.addConnection(mock, [], { user: 'u' });
// @ts-expect-error - ids are strings
manager.addConnection(mock, [], { userId: 5 });
// @ts-expect-error - a response writes
manager.addConnection({ setHeader() {}, end() {}, on() {} }, []);

// Events.
same<ReturnType<typeof manager.broadcast>, void>();
manager.broadcast('global', { type: 't', data: 1, userId: 'u', tenantId: 'a', metadata: { x: 1 } });
manager.broadcast<number>('global', { type: 't', data: 1 });
manager.broadcastToUser('u', { type: 't', data: null });
manager.broadcastToTenant('a', { type: 't', data: [] });
declare const received: StreamEvent<{ text: string }>;
manager.broadcast('global', received);
same<typeof received.data, { text: string }>();
same<typeof received.id, string>();
same<typeof received.timestamp, string>();
const input: StreamEventInput<number> = { type: 't', data: 5 };
manager.broadcast('global', input);
// @ts-expect-error - data is needed
manager.broadcast('global', { type: 't' });
// @ts-expect-error - a type is needed
manager.broadcast('global', { data: 1 });
// @ts-expect-error - no such member
manager.broadcast('global', { type: 't', data: 1, event: 'x' });
// @ts-expect-error - the data of another type
manager.broadcast<number>('global', { type: 't', data: 'x' });
// @ts-expect-error - metadata is an object
manager.broadcast('global', { type: 't', data: 1, metadata: 5 });
// @ts-expect-error - whom it is for
manager.broadcastToUser({ type: 't', data: 1 });
same<ReturnType<typeof manager.stop>, Promise<void>>();
manager.stop({ drainMs: 5 });
same<keyof ReturnType<typeof manager.stats>, 'clients' | 'events' | 'closed'>();
manager.on('error', (error) => same<typeof error, unknown>()).off('error', () => {});
// @ts-expect-error - there is no other
manager.on('connect', () => {});

// Topics.
same<ReturnType<typeof topics.global>, 'global'>();
const text: string = topics.role('acme', 'admin') + topics.group('a', 'g') + topics.tenant('a') + topics.user('u') +
  topics.session('s') + topics.custom('c');
const parsed = topics.parse(text);
same<typeof parsed, ParsedTopic>();
if (parsed.kind === 'role') same<typeof parsed.role, string>();
if (parsed.kind === 'group') same<typeof parsed.groupId, string>();
// @ts-expect-error - only where the kind says so
parsed.userId;
// @ts-expect-error - a tenant and a role
topics.role('admin');
// @ts-expect-error - a string
topics.user(5);
// @ts-expect-error - not to be replaced
topics.global = () => 'global';

// The bus and the tools.
const bus = new AuthEventBus();
bus.publish('login', { data: 1, userId: 'u', more: true });
bus.publish('login');
bus.on('*', (event: AuthEvent) => event.timestamp.length + (event.userId?.length ?? 0));
// @ts-expect-error - a name
bus.publish(5);
// @ts-expect-error - an object
bus.publish('login', 5);
// @ts-expect-error - ids are strings
bus.publish('login', { userId: 5 });

const tools = new AuthTools(bus, { sse: true, sseOptions: options });
new AuthTools(new EventEmitter());
same<typeof tools.sseManager, SseManager | null>();
same<typeof tools.eventBus, EventEmitter>();
// @ts-expect-error - there may be none
tools.sseManager.broadcast('global', { type: 't', data: 1 });
tools.sseManager?.broadcast('global', { type: 't', data: 1 });
// @ts-expect-error - read-only
tools.sseManager = null;
// @ts-expect-error - a bus is needed
new AuthTools();
// @ts-expect-error - true or false
new AuthTools(bus, { sse: 'yes' });
tools.track('login');
tools.track('login', { ip: '::1' }, { userId: 'u', tenantId: 'a', sessionId: 's' });
// @ts-expect-error - no such member
tools.track('login', 1, { roles: ['admin'] });
tools.notify('global', { text: 'hi' }, { type: 't', tenantId: 'a', userId: 'u', metadata: {} });
// @ts-expect-error - data is needed
tools.notify('global');
same<ReturnType<typeof tools.stop>, Promise<void>>();

// The router.
const router = createToolsRouter(tools, {
  authMiddleware: (req, res, next) => next(),
  authorizeTopics: async (req: Request, given) => {
    same<typeof given, string[]>();
    return [...given, topics.custom(req.path)];
  },
  notify: true,
  stream: true,
});
same<typeof router, SseRouter>();
express().use('/tools', router, createToolsRouter(tools));
// @ts-expect-error - tools, not their manager
createToolsRouter(manager);
// @ts-expect-error - a list of topics
createToolsRouter(tools, { authorizeTopics: () => 'global' });
// @ts-expect-error - no such option
createToolsRouter(tools, { auth: () => {} });
