// authenticator.ts - createJwksAuthenticator, and errors by their codes.

import {
  createJwksAuthenticator,
  createSseServer,
  type JwtClaims,
  type RefusalBody,
  type SseError,
  type SseErrorCode,
  type SseHttpError,
  type SseHttpErrorCode,
  type SseWarningCode,
} from 'native-sse';

const authenticate = createJwksAuthenticator(
  { url: 'https://id.example.com/jwks.json', issuer: 'https://id.example.com/', audience: 'api' },
  { maxTokenBytes: 4096 },
);
const claims: Promise<JwtClaims> = authenticate('a.b.c');
claims.then(({ sub, exp, roles }) => {
  const user: string = sub.toUpperCase();
  const left: number = exp - Date.now() / 1000;
  // @ts-expect-error - a claim may be anything
  roles.includes('admin');
  return [user, left];
});
// @ts-expect-error - frozen
claims.then((all) => { all.sub = 'bob'; });
// @ts-expect-error - a token is a string
authenticate(undefined);
// @ts-expect-error - no such part
createJwksAuthenticator({}, { maxTokens: 5 });

const ready: Promise<void> = authenticate.ready();
const skew: number = authenticate.clockSkew;
authenticate.close();
void [ready, skew];

// Its own claims on top of the default authenticator.
createSseServer({
  hooks: {
    async authenticateSubscriber(token) {
      const { sub, tenant } = await authenticate(token);
      return { sub, tenant: String(tenant) };
    },
    authorizeChannel: (user, channel) => channel.startsWith(user.tenant),
  },
});
createSseServer({ hooks: { authenticateSubscriber: authenticate } });

// Codes are unions: a misspelt one does not compile.
function explain(error: SseError | SseHttpError): string {
  if (error.code === 'ERR_SSE_STOPPED') return 'stopped';
  if (error.code === 'ERR_SSE_KEYS_UNAVAILABLE') return `later: ${(error as SseHttpError).retryAfter}`;
  // @ts-expect-error - no such code
  if (error.code === 'ERR_SSE_STOPED') return 'never';
  return error.message;
}
const code: SseErrorCode = 'ERR_SSE_INVALID_CHANNEL';
const http: SseHttpErrorCode = 'ERR_SSE_FORBIDDEN';
const warning: SseWarningCode = 'SSE_WARN_CLUSTER';
// @ts-expect-error - answered, not thrown at the caller
const wrong: SseErrorCode = 'ERR_SSE_FORBIDDEN';
const body: RefusalBody = { error: http, message: 'This channel is not allowed for this user.' };
void [explain, code, warning, wrong, body];

// Several issuers.
const several = createJwksAuthenticator([
  { url: 'https://a.example/jwks.json', issuer: 'https://a.example', audience: 'api', cacheSize: 0 },
  { url: new URL('https://b.example/jwks.json'), issuer: 'https://b.example', audience: ['api', 'web'] },
] as const);
const names: string[] = several.issuers.map(({ issuer }) => issuer);
const refused: number = several.stats().refused.E_EXP;
// @ts-expect-error - read-only
several.issuers[0].issuer = 'https://evil.example';
// @ts-expect-error - no such reason
const unknown: number = several.stats().refused.E_OTHER;
void [names, refused, unknown];
