/* writer.c - the thread that writes what is queued; see store.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/internal.h"

/* Events that come within this time of the first are one commit. */
#define LINGER_US 1000
/* A failed write is tried again after this time. */
#define RETRY_US UINT64_C(1000000)
/* How often expired keys are looked for where nothing is published. */
#define EXPIRE_US UINT64_C(1000000)
/* Pages that are given back to the system at a sync, when half the file is free. */
#define VACUUM "PRAGMA incremental_vacuum(1000)"

typedef struct {
  sse_store_t *store;
  bool is_unsynced; /* something was committed since the last sync  */
  bool has_failed;  /* what was lost is not noted in the file yet   */
  uint64_t sync_at; /* monotonic, us                                */
  uint64_t retry_at, expire_at;
} writer_t;

/* What one turn has to do. */
typedef struct {
  sse_store_item_t *items;
  uint64_t lost, last; /* events up to here are not in items; the last that is */
  bool is_stopping;
} turn_t;

static uint64_t mono_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t now_of(const sse_store_t *store) {
  return store->config.now(store->config.ctx);
}

int sse__store_commit_start(sse_store_t *store, sse_store_error_t *error) {
  sse_db_t *db = &store->db;
  int code = sse_batch_commit(db, &store->config, NULL, store->start_gap, now_of(store), true);
  if (code != SQLITE_OK) return sse_db_fail(db, code, "writing", error);
  store->mark.record.seq = db->meta.seq;
  store->mark.record.reserved = db->meta.newest;
  if (sse_mark_write(&store->mark) == 0 && sse_mark_sync(&store->mark) == 0) return 0;
  sse__store_fail_errno(store, "writing the mark");
  *error = store->news.error;
  return -1;
}

/* ---- waiting ---- */

/* When the writer has something to do of its own; UINT64_MAX: never. */
static uint64_t due_at(const writer_t *writer) {
  if (writer->has_failed) return writer->retry_at;
  uint64_t at = writer->is_unsynced ? writer->sync_at : UINT64_MAX;
  if (writer->store->config.ttl_us > 0 && writer->expire_at < at) at = writer->expire_at;
  return at;
}

static void wait_until(sse_store_t *store, uint64_t at) {
  if (at == UINT64_MAX) {
    pthread_cond_wait(&store->wake, &store->lock);
    return;
  }
  struct timespec time;
#ifdef __APPLE__
  clock_gettime(CLOCK_REALTIME, &time);
  uint64_t now = mono_us(), left = at > now ? at - now : 0;
  uint64_t us = (uint64_t)time.tv_nsec / 1000 + left;
  time.tv_sec += (time_t)(us / 1000000);
  time.tv_nsec = (long)(us % 1000000) * 1000;
#else
  time.tv_sec = (time_t)(at / 1000000);
  time.tv_nsec = (long)(at % 1000000) * 1000;
#endif
  pthread_cond_timedwait(&store->wake, &store->lock, &time);
}

/* After a failure what comes waits in the queue, up to its limit, for the disk to
 * work again. */
static bool is_idle(const writer_t *writer) {
  const sse_store_t *store = writer->store;
  if (store->is_stopping) return false;
  return writer->has_failed || (store->first == NULL && store->lost == 0);
}

static void linger(void) {
  struct timespec time = {0, LINGER_US * 1000};
  nanosleep(&time, NULL);
}

/* Waits for something to do, and takes what is queued. */
static turn_t take(writer_t *writer) {
  sse_store_t *store = writer->store;
  pthread_mutex_lock(&store->lock);
  while (is_idle(writer) && mono_us() < due_at(writer)) {
    store->is_waiting = true;
    wait_until(store, due_at(writer));
    store->is_waiting = false;
  }
  if (store->first != NULL && store->config.sync_ms > 0 && !store->is_stopping) {
    pthread_mutex_unlock(&store->lock);
    linger();
    pthread_mutex_lock(&store->lock);
  }
  turn_t turn = {.items = store->first, .lost = store->lost, .is_stopping = store->is_stopping};
  if (store->last != NULL) turn.last = store->last->frame->id;
  store->first = store->last = NULL;
  store->queued_bytes = 0;
  if (store->newest > writer->store->db.meta.newest) {
    writer->store->db.meta.newest = store->newest;
  }
  pthread_mutex_unlock(&store->lock);
  return turn;
}

/* ---- writing ---- */

/* Under the lock. The mark is quiet only when there is nothing that it would have
 * to tell of. */
static void mark_quiet(sse_store_t *store, bool is_closed) {
  sse_mark_record_t *record = &store->mark.record;
  if (store->first != NULL || store->lost != 0) return;
  if (record->state == SSE_MARK_QUIET && !is_closed) return;
  record->state = is_closed ? SSE_MARK_CLOSED : SSE_MARK_QUIET;
  record->seq = store->db.meta.seq;
  if (is_closed) record->reserved = store->db.meta.newest;
  if (sse_mark_write(&store->mark) != 0) sse__store_fail_errno(store, "writing the mark");
}

/* True when there is something to tell. */
static bool succeeded(writer_t *writer, const turn_t *turn, bool is_synced) {
  sse_store_t *store = writer->store;
  pthread_mutex_lock(&store->lock);
  /* What was lost before this commit is noted in the file now. */
  if (store->lost == turn->lost) store->lost = 0;
  if (store->lost == 0) store->is_failing = false;
  mark_quiet(store, false);
  bool tells = store->news.has_error || store->news.failed_to != 0;
  if (is_synced && store->db.meta.newest > store->news.synced) {
    store->news.synced = store->db.meta.newest;
    tells = tells || store->config.sync_ms == 0;
  }
  pthread_mutex_unlock(&store->lock);
  writer->has_failed = false;
  uint64_t now = mono_us();
  if (!writer->is_unsynced) writer->sync_at = now + (uint64_t)store->config.sync_ms * 1000;
  writer->is_unsynced = !is_synced;
  writer->expire_at = now + EXPIRE_US;
  return tells;
}

/* Events that could not be written are lost to the file, which has to say so as
 * soon as it can. They went to the clients all the same. */
static void failed(writer_t *writer, const turn_t *turn, int code) {
  sse_store_t *store = writer->store;
  sse_store_error_t error = {0};
  sse_db_fail(&store->db, code, "writing", &error);
  pthread_mutex_lock(&store->lock);
  sse__store_fail(store, &error);
  if (turn->items != NULL) sse__store_lose(store, turn->items->frame->id, turn->last);
  pthread_mutex_unlock(&store->lock);
  writer->has_failed = true;
  writer->retry_at = mono_us() + RETRY_US;
}

/* Under a steady history pages are used again; after it has shrunk they go back. */
static void vacuum(sse_db_t *db) {
  int64_t pages = 0, free_pages = 0;
  if (sse_db_pragma(db, "PRAGMA page_count", &pages) == SQLITE_OK &&
      sse_db_pragma(db, "PRAGMA freelist_count", &free_pages) == SQLITE_OK && free_pages > 1000 &&
      free_pages > pages / 2) {
    (void)sse_db_exec(db, VACUUM);
  }
}

static void write_turn(writer_t *writer, const turn_t *turn) {
  sse_store_t *store = writer->store;
  bool is_due = writer->is_unsynced && mono_us() >= writer->sync_at;
  bool is_asked = turn->items != NULL || turn->lost != 0 || turn->is_stopping;
  if (!is_due && !is_asked && !sse_batch_has_expired(&store->db, &store->config, now_of(store))) {
    writer->expire_at = mono_us() + EXPIRE_US;
    return;
  }
  bool is_synced = store->config.sync_ms == 0 || is_due || turn->is_stopping;
  int code = sse_batch_commit(&store->db, &store->config, turn->items, turn->lost, now_of(store),
                              is_synced);
  bool tells = true;
  if (code != SQLITE_OK) {
    failed(writer, turn, code);
  } else {
    /* What the mark reserves has to outlive the system too. */
    if (is_synced && store->config.sync_ms > 0) (void)sse_mark_sync(&store->mark);
    tells = succeeded(writer, turn, is_synced);
    if (is_synced && store->config.sync_ms > 0) vacuum(&store->db);
  }
  sse_store_items_free(turn->items);
  if (tells && store->config.news != NULL) store->config.news(store->config.ctx);
}

/* The database is closed before the mark says that it was. */
static void finish(sse_store_t *store) {
  uint64_t seq = store->db.meta.seq, newest = store->db.meta.newest;
  int code = sse_db_close(&store->db);
  pthread_mutex_lock(&store->lock);
  store->db.meta.seq = seq;
  store->db.meta.newest = newest;
  if (code == SQLITE_OK && store->lost == 0) {
    mark_quiet(store, true);
  } else {
    /* Whatever is there must not say that nothing was lost. */
    store->mark.record.state = SSE_MARK_BUSY;
    if (sse_mark_write(&store->mark) != 0) (void)sse_mark_clear(&store->mark);
  }
  (void)sse_mark_sync(&store->mark);
  pthread_mutex_unlock(&store->lock);
}

void *sse__store_write(void *arg) {
  writer_t writer = {.store = arg};
  writer.expire_at = mono_us() + EXPIRE_US;
  for (;;) {
    turn_t turn = take(&writer);
    write_turn(&writer, &turn);
    if (turn.is_stopping) break;
  }
  finish(writer.store);
  if (writer.store->config.stopped != NULL) writer.store->config.stopped(writer.store->config.ctx);
  return NULL;
}
