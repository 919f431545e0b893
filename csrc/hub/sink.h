/* sink.h - how a hub reaches its clients' connections: a table of functions,
 * called by the hub's owner alone. */
#ifndef SSE_HUB_SINK_H
#define SSE_HUB_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "hub/frame.h"
#include "hub/reason.h"

/* A client's number: never reused by the server that gave it; 0 is none. */
typedef uint64_t sse_handle_t;

typedef enum { SSE_SINK_DONE, SSE_SINK_BLOCKED, SSE_SINK_BROKEN } sse_sink_status_t;

/* `transport` is what `open` returned. */
typedef struct {
  /* Takes over `endpoint` for a client. NULL: it could not; the endpoint is
   * then already disposed of and its end reported. */
  void *(*open)(void *ctx, sse_handle_t client, void *endpoint);
  /* Hands over frames, skipping `offset` bytes of the first. `*taken` becomes
   * the number of bytes that are the transport's now. BLOCKED: the hub waits
   * for sse_hub_writable; BROKEN: the hub closes the client as a reset. */
  sse_sink_status_t (*write)(void *ctx, void *transport, sse_frame_t *const *frames, size_t n,
                             size_t offset, size_t *taken);
  /* Bytes that were taken by `write` and that the peer has not taken yet: less
   * than at the last look says that the peer reads. */
  size_t (*pending)(void *ctx, void *transport);
  /* The hub has forgotten the client: close gracefully and release. */
  void (*close)(void *ctx, void *transport, sse_handle_t client, sse_reason_t reason);
  void *ctx;
} sse_sink_t;

#endif
