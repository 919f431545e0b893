/* batch.c - one transaction of the writer; see batch.h. */
#include "store/batch.h"

#include "hub/mem.h"
#include "hub/table.h"

/* Expired keys that one transaction drops at most, so that none takes long. */
#define EXPIRE_AT_ONCE 1000

/* A key that this transaction has touched: its row as it will be. */
typedef struct touched {
  sse_table_node_t node; /* by kid */
  struct touched *next;
  sse_key_row_t row;
  uint64_t old_sum; /* of the row that is there; 0 and is_new when none is */
  uint32_t limit;   /* events that it may hold */
  bool is_new;
  char text[];
} touched_t;

typedef struct {
  sse_db_t *db;
  const sse_store_config_t *config;
  sse_table_t table;
  touched_t *first;
} batch_t;

/* ---- items ---- */

sse_store_item_t *sse_store_item_new(sse_frame_t *frame, const sse_key_t *keys, size_t n_keys) {
  size_t text = 0;
  for (size_t i = 0; i < n_keys; i++)
    text += sse_key_storage(&keys[i]);
  sse_store_item_t *item = sse_malloc(sizeof(*item) + n_keys * sizeof(*keys) + text);
  if (item == NULL) return NULL;
  *item = (sse_store_item_t){.frame = sse_frame_ref(frame), .n_keys = n_keys};
  char *storage = (char *)&item->keys[n_keys];
  for (size_t i = 0; i < n_keys; i++) {
    item->keys[i] = sse_key_copy(&keys[i], storage);
    storage += sse_key_storage(&keys[i]);
  }
  return item;
}

void sse_store_item_free(sse_store_item_t *item) {
  sse_frame_unref(item->frame);
  sse_free(item);
}

void sse_store_items_free(sse_store_item_t *items) {
  while (items != NULL) {
    sse_store_item_t *next = items->next;
    sse_store_item_free(items);
    items = next;
  }
}

/* ---- keys ---- */

static touched_t *find(const batch_t *batch, int64_t kid) {
  sse_table_node_t *node = sse_table_first(&batch->table, (uint64_t)kid);
  return node == NULL ? NULL : SSE_CONTAINER_OF(node, touched_t, node);
}

static touched_t *remember(batch_t *batch, const sse_key_row_t *row) {
  touched_t *touched = sse_malloc(sizeof(*touched) + row->owner.len + row->name.len);
  if (touched == NULL) return NULL;
  sse_key_t key = {.owner = row->owner, .name = row->name, .scope = row->scope};
  sse_key_t copy = sse_key_copy(&key, touched->text);
  touched->row = *row;
  touched->row.owner = copy.owner;
  touched->row.name = copy.name;
  touched->old_sum = 0;
  touched->is_new = true;
  touched->limit = sse_sizes_of(batch->config->sizes, &key, batch->config->history_size);
  if (sse_table_insert(&batch->table, &touched->node, (uint64_t)row->kid) != 0) {
    sse_free(touched);
    return NULL;
  }
  touched->next = batch->first;
  batch->first = touched;
  return touched;
}

/* The row that is stored under this number. `*out` is NULL when there is none. */
static int fetch(batch_t *batch, int64_t kid, touched_t **out) {
  *out = find(batch, kid);
  if (*out != NULL) return SQLITE_OK;
  sqlite3_stmt *get = sse_db_use(batch->db, SSE_SQL_KEY_GET);
  sqlite3_bind_int64(get, 1, kid);
  int code = sqlite3_step(get);
  if (code == SQLITE_ROW) {
    sse_key_row_t row;
    bool is_right = sse_db_key_row(batch->db, get, &row);
    *out = is_right ? remember(batch, &row) : NULL;
    if (*out != NULL) {
      (*out)->is_new = false;
      (*out)->old_sum = sse_db_key_sum(batch->db, &row);
    }
    sqlite3_reset(get);
    if (!is_right) return SQLITE_CORRUPT;
    return *out == NULL ? SQLITE_NOMEM : SQLITE_OK;
  }
  code = sqlite3_reset(get);
  return code;
}

/* The row of a key, made if need be. `*out` is NULL where another key has its
 * number, which a hash of 63 bits does not happen to: what is published to it is
 * then lost, and told. */
static int touch(batch_t *batch, const sse_key_t *key, touched_t **out) {
  sse_db_t *db = batch->db;
  int64_t kid = sse_db_kid(db, key->scope, key->owner, key->name);
  int code = fetch(batch, kid, out);
  if (code != SQLITE_OK) return code;
  if (*out == NULL) {
    sse_key_row_t row = {.kid = kid,
                         .scope = key->scope,
                         .owner = key->owner,
                         .name = key->name,
                         .floor = db->meta.birth,
                         .newest = db->meta.birth};
    *out = remember(batch, &row);
    if (*out != NULL) db->meta.keys++;
    return *out == NULL ? SQLITE_NOMEM : SQLITE_OK;
  }
  const sse_key_row_t *row = &(*out)->row;
  bool is_same = row->scope == key->scope && sse_span_equal(row->owner, key->owner) &&
                 sse_span_equal(row->name, key->name);
  if (!is_same) *out = NULL;
  return SQLITE_OK;
}

/* ---- events ---- */

static int put_event(batch_t *batch, sse_key_row_t *row, const sse_frame_t *frame) {
  sse_db_t *db = batch->db;
  uint64_t sum = sse_db_event_sum(db, row->kid, frame->id, sse_span(frame->bytes, frame->len));
  sqlite3_stmt *put = sse_db_use(db, SSE_SQL_EVENT_PUT);
  sqlite3_bind_int64(put, 1, row->kid);
  sqlite3_bind_int64(put, 2, (int64_t)frame->id);
  sqlite3_bind_int64(put, 3, (int64_t)sum);
  sqlite3_bind_blob64(put, 4, frame->bytes, frame->len, SQLITE_STATIC);
  int code = sse_db_do(db, put);
  row->count++;
  row->bytes += frame->len;
  row->digest ^= sum;
  row->newest = frame->id;
  db->meta.bytes += frame->len;
  return code;
}

/* `*found` is false when the key has no event, whatever its row says. */
static int first_event(batch_t *batch, int64_t kid, sse_event_row_t *event, bool *found) {
  sqlite3_stmt *get = sse_db_use(batch->db, SSE_SQL_EVENT_FIRST);
  sqlite3_bind_int64(get, 1, kid);
  *found = sqlite3_step(get) == SQLITE_ROW;
  if (*found) {
    *event = (sse_event_row_t){.id = (uint64_t)sqlite3_column_int64(get, 0),
                               .sum = (uint64_t)sqlite3_column_int64(get, 1),
                               .len = (size_t)sqlite3_column_int64(get, 2)};
  }
  return sqlite3_reset(get);
}

static int drop_event(batch_t *batch, sse_key_row_t *row, const sse_event_row_t *event) {
  sqlite3_stmt *drop = sse_db_use(batch->db, SSE_SQL_EVENT_DROP);
  sqlite3_bind_int64(drop, 1, row->kid);
  sqlite3_bind_int64(drop, 2, (int64_t)event->id);
  row->count--;
  row->bytes -= event->len;
  row->digest ^= event->sum;
  row->floor = event->id;
  batch->db->meta.bytes -= event->len;
  return sse_db_do(batch->db, drop);
}

static uint64_t expired_below(const batch_t *batch, uint64_t now) {
  uint64_t ttl = batch->config->ttl_us;
  return ttl == 0 || now < ttl ? 0 : now - ttl;
}

/* Oldest events go while the key has too many, too large or too old ones. */
static int fit_key(batch_t *batch, touched_t *touched, uint64_t below) {
  sse_key_row_t *row = &touched->row;
  size_t max_bytes = batch->config->max_bytes > 0 ? batch->config->max_bytes : SIZE_MAX;
  for (;;) {
    bool is_over = row->count > touched->limit || row->bytes > max_bytes;
    if (row->count == 0 || (!is_over && below == 0)) return SQLITE_OK;
    sse_event_row_t event;
    bool found;
    int code = first_event(batch, row->kid, &event, &found);
    if (code != SQLITE_OK) return code;
    if (!found) return SQLITE_CORRUPT;
    if (!is_over && event.id >= below) return SQLITE_OK;
    if ((code = drop_event(batch, row, &event)) != SQLITE_OK) return code;
  }
}

/* ---- all keys ---- */

static int write_row(batch_t *batch, touched_t *touched) {
  sse_db_t *db = batch->db;
  uint64_t sum = sse_db_key_sum(db, &touched->row);
  db->meta.digest ^= touched->old_sum ^ sum;
  touched->old_sum = sum;
  touched->is_new = false;
  return sse_db_put_key(db, &touched->row);
}

/* The longest idle of the keys whose stamps are from `from` to below `to`. NULL when
 * there is none. */
static int longest_idle(batch_t *batch, int64_t from, int64_t to, touched_t **out) {
  sqlite3_stmt *get = sse_db_use(batch->db, SSE_SQL_KEY_IDLE);
  sqlite3_bind_int64(get, 1, from);
  sqlite3_bind_int64(get, 2, to);
  *out = NULL;
  bool found = sqlite3_step(get) == SQLITE_ROW;
  int64_t kid = found ? sqlite3_column_int64(get, 0) : 0;
  int code = sqlite3_reset(get);
  if (code != SQLITE_OK || !found) return code;
  code = fetch(batch, kid, out);
  return code == SQLITE_OK && *out == NULL ? SQLITE_CORRUPT : code;
}

/* A key goes: it falls back to the floor that all keys without a row share. */
static int drop_key(batch_t *batch, touched_t *touched) {
  sse_db_t *db = batch->db;
  const sse_key_row_t *row = &touched->row;
  sqlite3_stmt *drop = sse_db_use(db, SSE_SQL_EVENT_DROP_ALL);
  sqlite3_bind_int64(drop, 1, row->kid);
  int code = sse_db_do(db, drop);
  if (code != SQLITE_OK) return code;
  drop = sse_db_use(db, SSE_SQL_KEY_DROP);
  sqlite3_bind_int64(drop, 1, row->kid);
  code = sse_db_do(db, drop);
  db->meta.keys--;
  db->meta.bytes -= row->bytes;
  db->meta.digest ^= touched->old_sum;
  if (row->newest > db->meta.birth) db->meta.birth = row->newest;
  if (row->floor > db->meta.birth) db->meta.birth = row->floor;
  /* Nobody touches it again in this transaction. */
  sse_table_remove(&batch->table, &touched->node);
  return code;
}

static int fit_bytes(batch_t *batch) {
  size_t max = batch->config->total_bytes > 0 ? batch->config->total_bytes : SIZE_MAX;
  while (batch->db->meta.bytes > max) {
    touched_t *idle;
    int code = longest_idle(batch, 0, SSE_STAMP_EMPTY, &idle);
    if (code != SQLITE_OK) return code;
    /* Bytes of no key, or a key without events among those that have some. */
    if (idle == NULL || idle->row.count == 0) return SQLITE_CORRUPT;
    while (idle->row.count > 0 && batch->db->meta.bytes > max) {
      sse_event_row_t event;
      bool found;
      if ((code = first_event(batch, idle->row.kid, &event, &found)) != SQLITE_OK) return code;
      if (!found) return SQLITE_CORRUPT;
      if ((code = drop_event(batch, &idle->row, &event)) != SQLITE_OK) return code;
    }
    if ((code = write_row(batch, idle)) != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}

/* The longest idle of all: those with events and those without stand in lists of
 * their own. */
static int longest_idle_of_all(batch_t *batch, touched_t **out) {
  touched_t *empty;
  int code = longest_idle(batch, 0, SSE_STAMP_EMPTY, out);
  if (code == SQLITE_OK) code = longest_idle(batch, SSE_STAMP_EMPTY, INT64_MAX, &empty);
  if (code != SQLITE_OK || empty == NULL) return code;
  if (*out == NULL || empty->row.newest < (*out)->row.newest) *out = empty;
  return SQLITE_OK;
}

static int fit_keys(batch_t *batch) {
  while (batch->db->meta.keys > batch->config->max_keys) {
    touched_t *idle;
    int code = longest_idle_of_all(batch, &idle);
    if (code != SQLITE_OK) return code;
    if (idle == NULL) return SQLITE_CORRUPT;
    if ((code = drop_key(batch, idle)) != SQLITE_OK) return code;
  }
  return SQLITE_OK;
}

/* Keys whose every event is too old. */
static int expire(batch_t *batch, uint64_t below) {
  int64_t second = (int64_t)(below >> 20);
  const int64_t ranges[2][2] = {{0, second}, {SSE_STAMP_EMPTY, SSE_STAMP_EMPTY | second}};
  int left = EXPIRE_AT_ONCE;
  for (int i = 0; i < 2; i++) {
    while (left-- > 0) {
      touched_t *idle;
      int code = longest_idle(batch, ranges[i][0], ranges[i][1], &idle);
      if (code == SQLITE_OK && idle != NULL) code = drop_key(batch, idle);
      if (code != SQLITE_OK) return code;
      if (idle == NULL) break;
    }
  }
  return SQLITE_OK;
}

/* ---- the transaction ---- */

static int put_items(batch_t *batch, const sse_store_item_t *items, uint64_t *gap) {
  for (; items != NULL; items = items->next) {
    const sse_frame_t *frame = items->frame;
    if (frame->id > batch->db->meta.newest) batch->db->meta.newest = frame->id;
    for (size_t i = 0; i < items->n_keys; i++) {
      touched_t *touched;
      int code = touch(batch, &items->keys[i], &touched);
      if (code != SQLITE_OK) return code;
      if (touched == NULL) {
        *gap = frame->id;
      } else if (frame->id > touched->row.newest) {
        code = put_event(batch, &touched->row, frame);
        /* At once, so that a long batch uses the pages again that it frees. */
        if (code == SQLITE_OK) code = fit_key(batch, touched, 0);
      }
      if (code != SQLITE_OK) return code;
    }
  }
  return SQLITE_OK;
}

static int apply(batch_t *batch, const sse_store_item_t *items, uint64_t gap, uint64_t now) {
  sse_meta_t *meta = &batch->db->meta;
  uint64_t below = expired_below(batch, now);
  int code = put_items(batch, items, &gap);
  for (touched_t *touched = batch->first; code == SQLITE_OK && touched != NULL;
       touched = touched->next) {
    code = fit_key(batch, touched, below);
    if (code == SQLITE_OK) code = write_row(batch, touched);
  }
  if (code == SQLITE_OK && below > 0) code = expire(batch, below);
  if (code == SQLITE_OK) code = fit_bytes(batch);
  if (code == SQLITE_OK) code = fit_keys(batch);
  if (gap > meta->gap) meta->gap = gap;
  if (gap > meta->newest) meta->newest = gap;
  return code == SQLITE_OK ? sse_db_put_meta(batch->db) : code;
}

bool sse_batch_has_expired(sse_db_t *db, const sse_store_config_t *config, uint64_t now) {
  batch_t batch = {.db = db, .config = config};
  int64_t second = (int64_t)(expired_below(&batch, now) >> 20);
  const int64_t ranges[2][2] = {{0, second}, {SSE_STAMP_EMPTY, SSE_STAMP_EMPTY | second}};
  bool found = false;
  for (int i = 0; !found && i < 2; i++) {
    sqlite3_stmt *get = sse_db_use(db, SSE_SQL_KEY_IDLE);
    sqlite3_bind_int64(get, 1, ranges[i][0]);
    sqlite3_bind_int64(get, 2, ranges[i][1]);
    found = sqlite3_step(get) == SQLITE_ROW;
    sqlite3_reset(get);
  }
  return found;
}

static void batch_free(batch_t *batch) {
  while (batch->first != NULL) {
    touched_t *next = batch->first->next;
    sse_free(batch->first);
    batch->first = next;
  }
  sse_table_deinit(&batch->table);
}

int sse_batch_commit(sse_db_t *db, const sse_store_config_t *config, const sse_store_item_t *items,
                     uint64_t gap, uint64_t now, bool is_synced) {
  batch_t batch = {.db = db, .config = config};
  sse_meta_t before = db->meta;
  sse_table_init(&batch.table);
  int code = sse_db_set_synced(db, is_synced);
  if (code == SQLITE_OK) code = sse_db_do(db, sse_db_use(db, SSE_SQL_BEGIN));
  if (code == SQLITE_OK) {
    code = apply(&batch, items, gap, now);
    if (code == SQLITE_OK) code = sse_db_do(db, sse_db_use(db, SSE_SQL_COMMIT));
    if (code != SQLITE_OK && sqlite3_get_autocommit(db->handle) == 0) {
      (void)sse_db_do(db, sse_db_use(db, SSE_SQL_ROLLBACK));
    }
  }
  batch_free(&batch);
  if (code != SQLITE_OK) db->meta = before;
  return code;
}
