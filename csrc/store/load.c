/* load.c - every row is read once, and everything that one says of others is held
 * against them; see load.h. */
#include "store/load.h"

#include <stdio.h>
#include <string.h>

#include "hub/mem.h"

typedef struct {
  sse_frame_t **frames;
  size_t room, n;
} frames_t;

static void let_go(frames_t *frames) {
  for (size_t i = 0; i < frames->n; i++)
    sse_frame_unref(frames->frames[i]);
  frames->n = 0;
}

static int add(frames_t *frames, sse_frame_t *frame) {
  if (frame == NULL) return SQLITE_NOMEM;
  if (frames->n == frames->room) {
    size_t room = frames->room == 0 ? 64 : frames->room * 2;
    sse_frame_t **grown = sse_realloc(frames->frames, room * sizeof(*grown));
    if (grown == NULL) {
      sse_frame_unref(frame);
      return SQLITE_NOMEM;
    }
    frames->frames = grown;
    frames->room = room;
  }
  frames->frames[frames->n++] = frame;
  return SQLITE_OK;
}

/* The events of a key. SQLITE_CORRUPT when they are not what its row says. */
static int read_events(sse_db_t *db, const sse_key_row_t *row, frames_t *frames) {
  uint64_t digest = 0, bytes = 0, before = row->floor;
  sqlite3_stmt *all = sse_db_use(db, SSE_SQL_EVENT_ALL);
  sqlite3_bind_int64(all, 1, row->kid);
  int code = SQLITE_OK;
  while (code == SQLITE_OK && sqlite3_step(all) == SQLITE_ROW) {
    uint64_t id = (uint64_t)sqlite3_column_int64(all, 0);
    uint64_t sum = (uint64_t)sqlite3_column_int64(all, 1);
    const char *text = sqlite3_column_blob(all, 2);
    sse_span_t span = sse_span(text, (size_t)sqlite3_column_bytes(all, 2));
    bool is_right =
        id > before && frames->n < row->count && sum == sse_db_event_sum(db, row->kid, id, span);
    code = is_right ? add(frames, sse_frame_from_bytes(id, span)) : SQLITE_CORRUPT;
    before = id;
    digest ^= sum;
    bytes += span.len;
  }
  int ended = sqlite3_reset(all);
  if (code == SQLITE_OK) code = ended;
  if (code != SQLITE_OK) return code;
  bool is_right = frames->n == row->count && digest == row->digest && bytes == row->bytes &&
                  (row->count == 0 || before == row->newest);
  return is_right ? SQLITE_OK : SQLITE_CORRUPT;
}

static int count_events(sse_db_t *db, uint64_t *count) {
  sqlite3_stmt *get = sse_db_use(db, SSE_SQL_EVENT_COUNT);
  *count = sqlite3_step(get) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(get, 0) : UINT64_MAX;
  return sqlite3_reset(get);
}

typedef struct {
  uint64_t keys, events, bytes, digest, newest;
} totals_t;

static bool are_right(const totals_t *totals, const sse_meta_t *meta, uint64_t events) {
  return totals->keys == meta->keys && totals->bytes == meta->bytes &&
         totals->digest == meta->digest && totals->events == events &&
         totals->newest <= meta->newest;
}

int sse_db_load(sse_db_t *db, sse_seed_t seed, sse_store_visit_t visit, void *ctx,
                sse_store_error_t *error) {
  totals_t totals = {0};
  frames_t frames = {0};
  uint64_t events = 0;
  sqlite3_stmt *all = sse_db_use(db, SSE_SQL_KEY_ALL);
  int code = SQLITE_OK, stopped = 0;
  while (code == SQLITE_OK && stopped == 0 && sqlite3_step(all) == SQLITE_ROW) {
    sse_key_row_t row;
    code = sse_db_key_row(db, all, &row) ? read_events(db, &row, &frames) : SQLITE_CORRUPT;
    if (code == SQLITE_OK) {
      sse_key_t key = sse_key(seed, row.scope, row.owner, row.name);
      stopped = visit(ctx, &key, frames.frames, frames.n, row.floor);
      totals.keys++;
      totals.events += row.count;
      totals.bytes += row.bytes;
      totals.digest ^= sse_db_key_sum(db, &row);
      if (row.newest > totals.newest) totals.newest = row.newest;
    }
    let_go(&frames);
  }
  int ended = sqlite3_reset(all);
  sse_free(frames.frames);
  if (code == SQLITE_OK) code = ended;
  if (code == SQLITE_OK && stopped == 0) code = count_events(db, &events);
  if (stopped != 0) code = SQLITE_NOMEM;
  if (code == SQLITE_OK && !are_right(&totals, &db->meta, events)) code = SQLITE_CORRUPT;
  return code == SQLITE_OK ? 0 : sse_db_fail(db, code, "reading", error);
}
