/* batch.h - what a store writes in one transaction: events, the limits applied to
 * the keys they are of, and to all. Private to csrc/store. */
#ifndef SSE_STORE_BATCH_H
#define SSE_STORE_BATCH_H

#include "store/db.h"

/* An event that waits for the writer. */
typedef struct sse_store_item {
  struct sse_store_item *next;
  sse_frame_t *frame; /* a reference */
  size_t n_keys;
  sse_key_t keys[]; /* their text is behind them */
} sse_store_item_t;

/* [any] NULL when memory is out. */
sse_store_item_t *sse_store_item_new(sse_frame_t *frame, const sse_key_t *keys, size_t n_keys);
void sse_store_item_free(sse_store_item_t *item);
/* The whole list. */
void sse_store_items_free(sse_store_item_t *items);

/* True when a transaction now would drop keys whose every event is too old. */
bool sse_batch_has_expired(sse_db_t *db, const sse_store_config_t *config, uint64_t now);

/* Writes the items, which stay the caller's, and drops what the limits ask for.
 * `gap`: events up to it were lost; 0: none. `now` decides what has expired. The
 * transaction is committed, and synced too when `is_synced`. On failure nothing of
 * it has happened: an SQLite result code. */
int sse_batch_commit(sse_db_t *db, const sse_store_config_t *config, const sse_store_item_t *items,
                     uint64_t gap, uint64_t now, bool is_synced);

#endif
