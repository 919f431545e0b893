/* internal.h - a store's fields, and what store.c and writer.c share. Private to
 * csrc/store. */
#ifndef SSE_STORE_INTERNAL_H
#define SSE_STORE_INTERNAL_H

#include <pthread.h>

#include "store/batch.h"
#include "store/mark.h"

struct sse_store {
  sse_store_config_t config; /* its path is the store's own             */
  sse_db_t db;               /* [js] until the writer runs, then its    */
  uint64_t start_gap;        /* what the start has decided              */
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  bool is_running, is_joined; /* [js] */

  /* Under the lock. */
  sse_mark_t mark;
  sse_store_item_t *first, *last;
  size_t queued_bytes;
  uint64_t lost; /* events up to here were not queued, or not written; 0: none */
  uint64_t newest;
  bool is_waiting, is_stopping;
  bool is_failing; /* an incident is under way */
  sse_store_news_t news;
};

/* [any] An incident; told once until it is over. Under the lock. */
void sse__store_fail(sse_store_t *store, const sse_store_error_t *error);

/* [any] Events with these ids are not in the file: it has to say so, and whoever
 * waits for them is told. Under the lock. */
void sse__store_lose(sse_store_t *store, uint64_t from, uint64_t to);

/* [any] An incident with what errno says. Under the lock. */
void sse__store_fail_errno(sse_store_t *store, const char *what);

/* [js] What a start has decided is made durable, in the database and in the mark. */
int sse__store_commit_start(sse_store_t *store, sse_store_error_t *error);

/* [writer] The thread. */
void *sse__store_write(void *store);

#endif
