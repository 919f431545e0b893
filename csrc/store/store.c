/* store.c - opening a store, its start, and its queue; the thread that empties the
 * queue is in writer.c. See store.h. */
#include "store/store.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "hub/mem.h"
#include "store/internal.h"
#include "store/load.h"

/* Ids are reserved this far ahead, so that the mark is not written for each. */
#define RESERVE_US UINT64_C(2000000)

static int fail_errno(const char *what, int number, sse_store_error_t *error) {
  error->status = number == ENOMEM ? SSE_STORE_NOMEM : SSE_STORE_IO;
  snprintf(error->text, sizeof(error->text), "%s: %s", what, strerror(number));
  return -1;
}

static int init_lock(sse_store_t *store) {
  pthread_condattr_t attr;
  int rc = pthread_condattr_init(&attr);
  if (rc != 0) return rc;
#ifndef __APPLE__
  rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
#endif
  if (rc == 0) rc = pthread_mutex_init(&store->lock, NULL);
  if (rc == 0 && (rc = pthread_cond_init(&store->wake, &attr)) != 0) {
    pthread_mutex_destroy(&store->lock);
  }
  pthread_condattr_destroy(&attr);
  return rc;
}

static sse_store_t *store_new(const sse_store_config_t *config, sse_store_error_t *error) {
  size_t len = strlen(config->path) + 1;
  sse_store_t *store = sse_calloc(1, sizeof(*store));
  char *path = store == NULL ? NULL : sse_malloc(len);
  int rc = path == NULL ? ENOMEM : init_lock(store);
  if (rc == 0) {
    memcpy(path, config->path, len);
    store->config = *config;
    store->config.path = path;
    store->mark.fd = -1;
    return store;
  }
  sse_free(path);
  sse_free(store);
  fail_errno("opening", rc, error);
  return NULL;
}

static int open_mark(sse_store_t *store, sse_mark_record_t *found, bool *is_found,
                     sse_store_error_t *error) {
  /* Beside the file itself, whatever link it was named by: it has one mark. */
  const char *file = sse_db_filename(&store->db);
  size_t len = strlen(file) + sizeof("-mark");
  char *path = sse_malloc(len);
  if (path == NULL) return fail_errno("opening the mark", ENOMEM, error);
  snprintf(path, len, "%s-mark", file);
  int rc = sse_mark_open(&store->mark, path, found, is_found);
  if (rc != 0) fail_errno("opening the mark", errno, error);
  sse_free(path);
  return rc;
}

/* Decides with which ids the hubs are made; the first commit writes it down. */
static void decide_start(sse_store_t *store, const sse_mark_record_t *found, bool is_found,
                         bool is_new) {
  sse_meta_t *meta = &store->db.meta;
  uint64_t boot[2], start = store->config.now(store->config.ctx);
  sse_mark_boot(boot);
  bool has_all = is_found && sse_mark_shows_all(found, meta->file, meta->seq, boot);
  /* Whatever the clock says by now, no id is given twice. */
  uint64_t given = is_new ? 0 : meta->newest;
  if (is_found && found->reserved > given) given = found->reserved;
  if (is_new || !has_all) {
    if (start <= given) start = given + 1;
    if (is_new) meta->birth = start;
    store->start_gap = is_new ? 0 : start;
    meta->newest = start;
  } else {
    meta->newest = given;
  }
  store->newest = meta->newest;
  store->mark.record =
      (sse_mark_record_t){.state = SSE_MARK_QUIET, .file = meta->file, .boot = {boot[0], boot[1]}};
}

sse_store_t *sse_store_open(const sse_store_config_t *config, sse_store_error_t *error) {
  bool is_new = false, is_found = false;
  sse_mark_record_t found = {0};
  *error = (sse_store_error_t){0};
  sse_store_t *store = store_new(config, error);
  if (store == NULL) return NULL;
  uint64_t birth = config->now(config->ctx);
  int rc = sse_db_open(&store->db, store->config.path, birth, &is_new, error);
  /* The mark is read under the database's lock. */
  if (rc == 0) rc = open_mark(store, &found, &is_found, error);
  if (rc == 0) {
    decide_start(store, &found, is_found, is_new);
    return store;
  }
  sse_store_free(store);
  return NULL;
}

sse_store_start_t sse_store_start_ids(const sse_store_t *store) {
  const sse_meta_t *meta = &store->db.meta;
  uint64_t gap = store->start_gap > meta->gap ? store->start_gap : meta->gap;
  return (sse_store_start_t){.birth = meta->birth, .newest = meta->newest, .gap = gap};
}

int sse_store_load(sse_store_t *store, sse_seed_t seed, sse_store_visit_t visit, void *ctx,
                   sse_store_error_t *error) {
  *error = (sse_store_error_t){0};
  return sse_db_load(&store->db, seed, visit, ctx, error);
}

/* Signals belong to the JS thread: the writer is made with all of them blocked. */
static int create(sse_store_t *store) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = pthread_create(&store->thread, NULL, sse__store_write, store);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

int sse_store_run(sse_store_t *store, sse_store_error_t *error) {
  *error = (sse_store_error_t){0};
  if (sse__store_commit_start(store, error) != 0) return -1;
  int rc = create(store);
  if (rc != 0) return fail_errno("starting the writer", rc, error);
  store->is_running = true;
  return 0;
}

/* ---- the queue ---- */

void sse__store_fail(sse_store_t *store, const sse_store_error_t *error) {
  if (store->is_failing) return;
  store->is_failing = true;
  store->news.has_error = true;
  store->news.error = *error;
}

void sse__store_fail_errno(sse_store_t *store, const char *what) {
  sse_store_error_t error = {0};
  fail_errno(what, errno, &error);
  sse__store_fail(store, &error);
}

void sse__store_lose(sse_store_t *store, uint64_t from, uint64_t to) {
  sse_store_news_t *news = &store->news;
  if (news->failed_from == 0 || from < news->failed_from) news->failed_from = from;
  if (to > news->failed_to) news->failed_to = to;
  if (to > store->lost) store->lost = to;
}

/* Before the event goes to anybody. A mark that cannot be written is as good as a
 * BUSY one once it is empty. */
static void mark_busy(sse_store_t *store, uint64_t id) {
  sse_mark_record_t *record = &store->mark.record;
  if (record->state == SSE_MARK_BUSY && id <= record->reserved) return;
  sse_mark_record_t before = *record;
  if (id > record->reserved) record->reserved = id + RESERVE_US;
  record->state = SSE_MARK_BUSY;
  if (sse_mark_write(&store->mark) == 0) return;
  sse__store_fail_errno(store, "writing the mark");
  /* What is there says that nothing was lost: the next event tries again. */
  if (sse_mark_clear(&store->mark) != 0) *record = before;
}

void sse_store_append(sse_store_t *store, sse_frame_t *frame, const sse_key_t *keys,
                      size_t n_keys) {
  sse_store_item_t *item = sse_store_item_new(frame, keys, n_keys);
  pthread_mutex_lock(&store->lock);
  mark_busy(store, frame->id);
  bool is_full = store->queued_bytes > store->config.max_queued_bytes;
  if (item == NULL || is_full) {
    sse_store_error_t error = {SSE_STORE_IO, "writing: the disk does not keep up"};
    if (item == NULL) error = (sse_store_error_t){SSE_STORE_NOMEM, "writing: out of memory"};
    sse__store_fail(store, &error);
    sse__store_lose(store, frame->id, frame->id);
  } else {
    if (store->first == NULL) {
      store->first = item;
    } else {
      store->last->next = item;
    }
    store->last = item;
    store->queued_bytes += frame->len;
  }
  bool wakes = store->is_waiting;
  store->is_waiting = false;
  pthread_mutex_unlock(&store->lock);
  if (wakes) pthread_cond_signal(&store->wake);
  if (item != NULL && is_full) sse_store_item_free(item);
}

void sse_store_news(sse_store_t *store, sse_store_news_t *news) {
  pthread_mutex_lock(&store->lock);
  *news = store->news;
  store->news = (sse_store_news_t){.synced = news->synced};
  pthread_mutex_unlock(&store->lock);
}

/* ---- the end ---- */

void sse_store_stop(sse_store_t *store, uint64_t newest) {
  pthread_mutex_lock(&store->lock);
  if (newest > store->newest) store->newest = newest;
  store->is_stopping = true;
  pthread_mutex_unlock(&store->lock);
  pthread_cond_signal(&store->wake);
}

void sse_store_join(sse_store_t *store) {
  if (!store->is_running || store->is_joined) return;
  pthread_join(store->thread, NULL);
  store->is_joined = true;
}

void sse_store_free(sse_store_t *store) {
  if (store == NULL) return;
  sse_store_items_free(store->first);
  sse_db_close(&store->db);
  sse_mark_close(&store->mark);
  pthread_cond_destroy(&store->wake);
  pthread_mutex_destroy(&store->lock);
  sse_free((char *)store->config.path);
  sse_free(store);
}
