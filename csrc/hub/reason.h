/* reason.h - why a subscription ended; the names are public (onDisconnect,
 * stats().closed, the `closing` event). */
#ifndef SSE_HUB_REASON_H
#define SSE_HUB_REASON_H

#define SSE_REASONS(X)                                                   \
  X(SSE_REASON_CLIENT, "client")           /* the peer closed (FIN)   */ \
  X(SSE_REASON_RESET, "reset")             /* the peer reset (RST)    */ \
  X(SSE_REASON_TIMEOUT, "timeout")         /* the peer vanished       */ \
  X(SSE_REASON_SLOW_READER, "slow_reader") /* over its queue limit    */ \
  X(SSE_REASON_SERVER, "server")           /* ended by the app        */ \
  X(SSE_REASON_SHUTDOWN, "shutdown")       /* stop()                  */ \
  X(SSE_REASON_TOKEN_EXPIRED, "token_expired")                           \
  X(SSE_REASON_MAX_AGE, "max_age")   /* maxConnectionAge        */       \
  X(SSE_REASON_PROTOCOL, "protocol") /* sent bytes after its GET */      \
  X(SSE_REASON_ERROR, "error")       /* anything else           */

typedef enum {
#define X(name, text) name,
  SSE_REASONS(X)
#undef X
      SSE_REASON_COUNT
} sse_reason_t;

/* The public name of a reason. [any] */
const char *sse_reason_name(sse_reason_t reason);

#endif
