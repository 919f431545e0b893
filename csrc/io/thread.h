/* thread.h - an I/O thread: a loop of its own, one shard, the socket sink.
 *
 * DESIGN: the shard exists from construction and is drained by the JS thread
 * until sse_thread_start; from then on only this thread touches its hub. JS
 * posts into the mailbox and wakes the loop with one uv_async_t. A stop is a
 * flag and a wake: the thread drains what was posted before, ends the hub (its
 * clients close), closes its handles, tells `stopped` and returns. Joining is
 * the JS thread's. */
#ifndef SSE_IO_THREAD_H
#define SSE_IO_THREAD_H

#include <stdatomic.h>
#include <uv.h>

#include "io/shard.h"
#include "io/socket_sink.h"

typedef struct {
  sse_shard_t shard;      /* first: a shard's wake finds its thread           */
  sse_socket_sink_t sink; /* [io]                                             */
  uv_loop_t loop;         /* [io] once started                                */
  uv_async_t async;       /* [any] send                                       */
  uv_timer_t timer;       /* [io]                                             */
  uv_thread_t id;
  bool is_started;            /* [js]                                             */
  bool is_joined;             /* [js]                                             */
  atomic_bool is_stopping;    /* [js] sets, [io] reads                            */
  _Atomic uint64_t delivered; /* [io] sets when its hub ends, [any] reads; relaxed */
  void (*stopped)(void *ctx); /* [io] the last thing the thread does; may be NULL */
  void *stopped_ctx;
} sse_thread_t;

/* [init] `peer_timeout_ms` is for the sink. 0 or SSE_ENOMEM. */
int sse_thread_init(sse_thread_t *thread, const sse_hub_config_t *config,
                    const sse_upcalls_t *upcalls, const sse_clock_t *clock,
                    uint32_t peer_timeout_ms);

/* [js] Starts the thread if it does not run. 0 or a negative uv error, after
 * which the JS thread still owns the shard. */
int sse_thread_start(sse_thread_t *thread);

/* [js] Asks the thread to end; a thread that was never started ends its hub
 * here and now and calls `stopped`. Idempotent. */
void sse_thread_stop(sse_thread_t *thread);

/* [js] Waits until a stopped thread has returned. Idempotent. */
void sse_thread_join(sse_thread_t *thread);

/* [init] After stop and join. */
void sse_thread_deinit(sse_thread_t *thread);

#endif
