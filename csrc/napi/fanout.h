/* fanout.h - commands for every shard of a core, posted together or not at all:
 * each hub then applies them in one drain, and writes once for all of them. */
#ifndef SSE_NAPI_FANOUT_H
#define SSE_NAPI_FANOUT_H

#include "napi/core.h"

typedef struct {
  sse_core_t *core;
  sse_command_t *first[SSE_CORE_MAX_THREADS + 1]; /* one list a shard, the JS thread's last */
  sse_command_t *last[SSE_CORE_MAX_THREADS + 1];
} sse_fanout_t;

/* [js] Starts with no command. Ends with sse_fanout_post or sse_fanout_discard. */
void sse_fanout_begin(sse_fanout_t *fanout, sse_core_t *core);

/* [js] Each adds one command a shard: 0, or SSE_ENOMEM with nothing left but to
 * discard. The frames' references stay the caller's. */
int sse_fanout_publish(sse_fanout_t *fanout, sse_frame_t *frame, const sse_key_t *keys,
                       size_t n_keys);
int sse_fanout_hydrate(sse_fanout_t *fanout, const sse_key_t *key, sse_frame_t *const *frames,
                       size_t n, uint64_t floor);
int sse_fanout_gap(sse_fanout_t *fanout, uint64_t floor);

/* [js] Posts all of it: the I/O threads first, which then work while the JS
 * thread writes its streams. */
void sse_fanout_post(sse_fanout_t *fanout);

/* [js] Forgets all of it. */
void sse_fanout_discard(sse_fanout_t *fanout);

#endif
