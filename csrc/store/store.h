/* store.h - the history of a server in a file, so that it survives the process.
 *
 * DESIGN: one SQLite database in WAL mode, one writer thread. The JS thread only
 * queues a reference to the frame and a copy of its keys; the writer commits what
 * has come together, and syncs in intervals. What makes `recovered` true after a
 * crash is the mark (mark.h): a record beside the database that says whether
 * anything was queued and not yet written. docs/durable-history.md has the whole.
 *
 * Built without SQLite (none.c) opening is refused, and nothing else is called. */
#ifndef SSE_STORE_STORE_H
#define SSE_STORE_STORE_H

#include <stdbool.h>

#include "hub/frame.h"
#include "hub/key.h"
#include "hub/sizes.h"

typedef struct sse_store sse_store_t;

typedef enum {
  SSE_STORE_OK,
  SSE_STORE_UNSUPPORTED, /* built without SQLite                            */
  SSE_STORE_LOCKED,      /* another process, or another server, has it open */
  SSE_STORE_VERSION,     /* of another version, or not a history            */
  SSE_STORE_CORRUPT,     /* damaged                                         */
  SSE_STORE_IO,          /* cannot be opened, read or written               */
  SSE_STORE_NOMEM
} sse_store_status_t;

typedef struct {
  sse_store_status_t status;
  char text[160]; /* what failed, and how: for people */
} sse_store_error_t;

typedef struct {
  const char *path;
  uint32_t sync_ms; /* between syncs; 0: every commit is synced */
  /* The limits of history, as a hub has them; 0 is none where a hub says so. */
  uint32_t history_size;
  const sse_sizes_t *sizes; /* borrowed until sse_store_free; may be NULL */
  size_t max_bytes, total_bytes;
  uint64_t ttl_us;
  uint32_t max_keys;
  size_t max_queued_bytes;    /* of events that wait for the disk; more are lost to it */
  uint64_t (*now)(void *ctx); /* [any] us, as ids are                         */
  void (*news)(void *ctx);    /* [writer] sse_store_news has something; or NULL */
  void (*stopped)(void *ctx); /* [writer] the last thing it does; or NULL     */
  void *ctx;
} sse_store_config_t;

/* With which ids the hubs are made. */
typedef struct {
  uint64_t birth;
  uint64_t newest; /* no id above it was ever given                           */
  uint64_t gap;    /* events up to here may be missing, of any key; 0: of none */
} sse_store_start_t;

/* What has happened since the last call; ids of events. */
typedef struct {
  uint64_t synced;                 /* everything up to here is safe, but what failed */
  uint64_t failed_from, failed_to; /* 0: nothing failed                             */
  bool has_error;                  /* an incident has begun: told once               */
  sse_store_error_t error;
} sse_store_news_t;

/* [js] Opens, locks and checks the file, or makes it. NULL with `error` set. */
sse_store_t *sse_store_open(const sse_store_config_t *config, sse_store_error_t *error);

/* [js] Valid once open. */
sse_store_start_t sse_store_start_ids(const sse_store_t *store);

/* [js] Calls `visit` for every key, the longest idle first, with its frames in
 * the order of their ids and its floor; the frames are borrowed for the call, and
 * a non-zero answer ends it. All that is stored is read and checked. 0, or
 * negative with `error` set. */
typedef int (*sse_store_visit_t)(void *ctx, const sse_key_t *key, sse_frame_t *const *frames,
                                 size_t n, uint64_t floor);
int sse_store_load(sse_store_t *store, sse_seed_t seed, sse_store_visit_t visit, void *ctx,
                   sse_store_error_t *error);

/* [js] Starts the writer. 0, or negative with `error` set. */
int sse_store_run(sse_store_t *store, sse_store_error_t *error);

/* [js] Queues an event. It cannot fail: one that cannot be kept is noted as lost.
 * When it returns, the mark says that something is under way. */
void sse_store_append(sse_store_t *store, sse_frame_t *frame, const sse_key_t *keys, size_t n_keys);

/* [js] */
void sse_store_news(sse_store_t *store, sse_store_news_t *news);

/* [js] Asks the writer to write what is queued, to sync, and to end. `newest` is
 * the highest id given. Idempotent. */
void sse_store_stop(sse_store_t *store, uint64_t newest);

/* [js] Waits until a stopped writer has ended. Idempotent. */
void sse_store_join(sse_store_t *store);

/* [js] Closes what is open; after stop and join where it ran. NULL is a no-op. */
void sse_store_free(sse_store_t *store);

#endif
