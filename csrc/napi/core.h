/* core.h - the native half of one server: the directory, the JS-thread shard
 * with the stream sink, the I/O threads, the clock and the id sequence. */
#ifndef SSE_NAPI_CORE_H
#define SSE_NAPI_CORE_H

#include "hub/directory.h"
#include "io/thread.h"
#include "napi/env.h"
#include "napi/stream_sink.h"
#include "store/store.h"

#define SSE_CORE_MAX_THREADS 64

/* [js] What tells JS that a client is gone, or that a part of the core has ended:
 * made beforehand, so that telling needs no memory. */
typedef struct sse_notice sse_notice_t;

/* Between the writer of a store and the port; see history_file.c. */
typedef struct sse_history_link sse_history_link_t;

typedef struct sse_core {
  sse_env_t *env;
  sse_list_t env_item;
  int refs; /* [js] holders: the JS external (1) + each notice (n) */
  uint32_t number;
  sse_clock_t clock;
  sse_seed_t seed;
  sse_sizes_t *sizes; /* the hubs read it */
  uint64_t last;      /* the id given last */
  uint64_t published;
  sse_directory_t directory;
  sse_stream_sink_t stream;
  sse_shard_t local; /* the JS thread's shard */
  sse_thread_t *threads;
  uint32_t n_threads, n_live; /* made; not yet stopped */
  uint32_t next_thread;
  bool is_stopped;
  sse_store_t *store; /* NULL: the history is in memory alone */
  sse_history_link_t *link;
  sse_notice_t *store_notice; /* [js] sets before the stop, [writer] reads after it */
  bool syncs_always;
} sse_core_t;

typedef struct {
  sse_hub_config_t hub;     /* seed and now are the core's to set; birth 0: now */
  sse_sizes_t *sizes;       /* the core's from here, also on failure; may be NULL */
  uint32_t n_threads;       /* at most SSE_CORE_MAX_THREADS */
  uint32_t peer_timeout_ms; /* 0: none */
  uint64_t max_slots;
  uint32_t max_per_user;
  uint32_t number;          /* names the core in the port's events */
  const char *history_file; /* absolute; NULL: none */
  uint32_t history_sync_ms; /* 0: always */
  sse_store_error_t *error; /* set when the history file is at fault */
} sse_core_config_t;

sse_notice_t *sse_notice_new(sse_core_t *core);
void sse_notice_discard(sse_notice_t *notice);

/* [any] Posts that a part of the core has ended. */
void sse_notice_stopped(sse_notice_t *notice);

/* [js] { handle, id, userId, channels, connectedAt, isSocket }, or NULL with a
 * pending exception. */
napi_value sse_core_describe(napi_env env, const sse_entry_t *entry);

/* [js] NULL when memory is out, or with config->error set. */
sse_core_t *sse_core_new(sse_env_t *env, const sse_core_config_t *config);

/* [js] Drops a reference; the last one frees. The core must have been stopped
 * and joined by then. */
void sse_core_unref(sse_core_t *core);

/* [js] Next event id: max(last + 1, now). */
uint64_t sse_core_next_id(sse_core_t *core);

/* [js] Notes an id that was given elsewhere. */
void sse_core_saw(sse_core_t *core, uint64_t id);

/* [js] Events delivered by every hub; after a stop complete once joined. */
uint64_t sse_core_delivered(const sse_core_t *core);

/* [js] The shard that has the client. */
sse_shard_t *sse_core_shard(sse_core_t *core, const sse_entry_t *entry);

/* [js] Wakes the threads for which attaches wait. */
void sse_core_wake(sse_core_t *core);

/* [js] Attaches a reserved slot whose endpoint is `fd` (duplicated; the caller
 * closes its own), or a stream when fd is -1. 0 or an error, after which the
 * slot is still reserved and `fd` untouched. A thread hears of it with the next
 * command, or by sse_core_wake. */
int sse_core_attach(napi_env env, sse_core_t *core, sse_attach_t *attach, int fd,
                    sse_arrival_t *arrival);

/* [js] Ends every hub; once the last thread has, ['stopped', core] reaches the
 * port, unless `env` is NULL (a finaliser or the end of the environment).
 * Idempotent. */
void sse_core_stop(napi_env env, sse_core_t *core);

/* [js] Waits for the threads of a stopped core. Idempotent. */
void sse_core_join(sse_core_t *core);

#endif
