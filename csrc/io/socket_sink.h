/* socket_sink.h - writes to clients whose connection the core owns: a
 * duplicated file descriptor, non-blocking, watched by the I/O thread's loop.
 * TCP and Unix-domain sockets alike. POSIX only; one of the few such files. */
#ifndef SSE_IO_SOCKET_SINK_H
#define SSE_IO_SOCKET_SINK_H

#include "hub/hub.h"
#include "io/gather.h"
#include "io/watch.h"

struct sse_shard;

/* How the I/O layer speaks upwards; called on the I/O thread. */
typedef struct {
  /* The connection of `tag` has ended; said once for every endpoint that was
   * attached, also when it could not be opened. */
  void (*closed)(void *tag, sse_handle_t client, sse_reason_t reason);
} sse_upcalls_t;

typedef struct {
  sse_watches_t watches;
  struct sse_shard *shard; /* woken (drained) after a peer's news */
  sse_upcalls_t upcalls;
  uint32_t peer_timeout_ms; /* of each connection; 0: as it is */
  sse_gather_t gather;      /* [io] of the burst that is being written */
} sse_socket_sink_t;

/* What an attach to this sink takes as its endpoint. */
typedef struct sse_socket sse_socket_t;

/* [js] Duplicates `fd` (close-on-exec, so that no child process holds a
 * browser's connection) and makes it an endpoint; `tag` is for the up-calls.
 * NULL with `*err` a negative errno (or SSE_ENOMEM). `fd` stays the caller's. */
sse_socket_t *sse_socket_new(int fd, void *tag, int *err);

/* [js] Disposes of an endpoint that was never attached. */
void sse_socket_discard(sse_socket_t *socket);

/* [io] Binds the sink to the loop of its thread: before the first attach, and when
 * all are closed. 0 or a negative error. */
int sse_socket_sink_open(sse_socket_sink_t *self, uv_loop_t *loop);
void sse_socket_sink_close(sse_socket_sink_t *self);

/* The table for a hub. `self` must outlive it. */
sse_sink_t sse_socket_sink(sse_socket_sink_t *self);

#endif
