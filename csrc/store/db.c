/* db.c - opening the database, and its statements; see db.h. */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hub/mem.h"

#define APPLICATION_ID 0x4e535345 /* "NSSE" */
#define FORMAT 1

/* As SQLite keeps them in sqlite_master, where they are compared letter by letter. */
static const char *const SCHEMA[] = {
    "CREATE TABLE event (kid INTEGER NOT NULL, id INTEGER NOT NULL, sum INTEGER NOT NULL,"
    " bytes BLOB NOT NULL, PRIMARY KEY (kid, id)) WITHOUT ROWID",
    "CREATE INDEX idle ON key (stamp)",
    "CREATE TABLE key (kid INTEGER PRIMARY KEY, scope INTEGER NOT NULL, owner BLOB NOT NULL,"
    " name BLOB NOT NULL, floor INTEGER NOT NULL, newest INTEGER NOT NULL,"
    " count INTEGER NOT NULL, bytes INTEGER NOT NULL, digest INTEGER NOT NULL,"
    " sum INTEGER NOT NULL, stamp INTEGER NOT NULL)",
    "CREATE TABLE meta (id INTEGER PRIMARY KEY, file INTEGER NOT NULL, birth INTEGER NOT NULL,"
    " gap INTEGER NOT NULL, newest INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, keys INTEGER NOT NULL, digest INTEGER NOT NULL,"
    " sum INTEGER NOT NULL)",
};
#define N_SCHEMA (sizeof(SCHEMA) / sizeof(SCHEMA[0]))
static const int CREATE_ORDER[N_SCHEMA] = {0, 2, 1, 3}; /* a table before its index */

static const char *const SQL[SSE_SQL_COUNT] = {
    [SSE_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SSE_SQL_COMMIT] = "COMMIT",
    [SSE_SQL_ROLLBACK] = "ROLLBACK",
    [SSE_SQL_META_GET] =
        "SELECT file, birth, gap, newest, seq, bytes, keys, digest, sum FROM meta WHERE id = 1",
    [SSE_SQL_META_PUT] = "INSERT OR REPLACE INTO meta VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SSE_SQL_KEY_GET] =
        "SELECT kid, scope, owner, name, floor, newest, count, bytes, digest, sum"
        " FROM key WHERE kid = ?",
    [SSE_SQL_KEY_PUT] =
        "INSERT INTO key VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        " ON CONFLICT (kid) DO UPDATE SET floor = ?5, newest = ?6, count = ?7, bytes = ?8,"
        " digest = ?9, sum = ?10, stamp = ?11",
    [SSE_SQL_KEY_DROP] = "DELETE FROM key WHERE kid = ?",
    [SSE_SQL_KEY_IDLE] =
        "SELECT kid FROM key WHERE stamp >= ? AND stamp < ? ORDER BY stamp LIMIT 1",
    [SSE_SQL_KEY_ALL] =
        "SELECT kid, scope, owner, name, floor, newest, count, bytes, digest, sum"
        " FROM key ORDER BY newest",
    [SSE_SQL_EVENT_PUT] = "INSERT INTO event VALUES (?, ?, ?, ?)",
    [SSE_SQL_EVENT_FIRST] =
        "SELECT id, sum, length(bytes) FROM event WHERE kid = ? ORDER BY id LIMIT 1",
    [SSE_SQL_EVENT_DROP] = "DELETE FROM event WHERE kid = ? AND id = ?",
    [SSE_SQL_EVENT_DROP_ALL] = "DELETE FROM event WHERE kid = ?",
    [SSE_SQL_EVENT_ALL] = "SELECT id, sum, bytes FROM event WHERE kid = ? ORDER BY id",
    [SSE_SQL_EVENT_COUNT] = "SELECT count(*) FROM event",
};

/* ---- results ---- */

static sse_store_status_t status_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return SSE_STORE_LOCKED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR: /* of statements that are all known to be right */
      return SSE_STORE_CORRUPT;
    case SQLITE_NOMEM:
      return SSE_STORE_NOMEM;
    default:
      return SSE_STORE_IO;
  }
}

int sse_db_fail(const sse_db_t *db, int code, const char *what, sse_store_error_t *error) {
  error->status = status_of(code);
  int errno_ = db->handle == NULL ? 0 : sqlite3_system_errno(db->handle);
  bool is_system = error->status == SSE_STORE_IO && errno_ != 0;
  snprintf(error->text, sizeof(error->text), "%s: %s%s%s", what, sqlite3_errstr(code),
           is_system ? ", " : "", is_system ? strerror(errno_) : "");
  return -1;
}

static int refuse(sse_store_error_t *error, sse_store_status_t status, const char *text) {
  error->status = status;
  snprintf(error->text, sizeof(error->text), "%s", text);
  return -1;
}

/* ---- statements ---- */

sqlite3_stmt *sse_db_use(sse_db_t *db, sse_sql_t sql) {
  sqlite3_stmt *statement = db->statements[sql];
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return statement;
}

int sse_db_do(sse_db_t *db, sqlite3_stmt *statement) {
  (void)db;
  int code = sqlite3_step(statement);
  /* The reset ends what the statement holds, and repeats its error. */
  int again = sqlite3_reset(statement);
  return code == SQLITE_DONE ? SQLITE_OK : again != SQLITE_OK ? again : SQLITE_CORRUPT;
}

int sse_db_exec(sse_db_t *db, const char *sql) {
  return sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
}

int sse_db_set_synced(sse_db_t *db, bool is_synced) {
  if (db->is_synced == is_synced) return SQLITE_OK;
  int code =
      sse_db_exec(db, is_synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
  if (code == SQLITE_OK) db->is_synced = is_synced;
  return code;
}

/* ---- checksums ---- */

static sse_seed_t seed_of(const sse_db_t *db, uint64_t kind) {
  return (sse_seed_t){db->meta.file, kind};
}

int64_t sse_db_kid(const sse_db_t *db, sse_scope_t scope, sse_span_t owner, sse_span_t name) {
  return (int64_t)(sse_key(seed_of(db, 1), scope, owner, name).hash >> 1);
}

uint64_t sse_db_key_sum(const sse_db_t *db, const sse_key_row_t *row) {
  uint64_t words[] = {
      (uint64_t)row->kid, sse_key(seed_of(db, 2), row->scope, row->owner, row->name).hash,
      row->floor,         row->newest,
      row->count,         row->bytes,
      row->digest};
  return sse_siphash(seed_of(db, 3), sse_span((const char *)words, sizeof(words)));
}

uint64_t sse_db_event_sum(const sse_db_t *db, int64_t kid, uint64_t id, sse_span_t bytes) {
  sse_seed_t seed = seed_of(db, 4);
  seed.k0 ^= (uint64_t)kid;
  seed.k1 ^= id << 8;
  return sse_siphash(seed, bytes);
}

static uint64_t meta_sum(const sse_meta_t *meta) {
  sse_seed_t seed = {meta->file, 5};
  return sse_siphash(seed, sse_span((const char *)meta, sizeof(*meta)));
}

/* ---- rows ---- */

static uint64_t column(sqlite3_stmt *statement, int i) {
  return (uint64_t)sqlite3_column_int64(statement, i);
}

static sse_span_t blob(sqlite3_stmt *statement, int i) {
  const char *bytes = sqlite3_column_blob(statement, i);
  return sse_span(bytes, (size_t)sqlite3_column_bytes(statement, i));
}

bool sse_db_key_row(const sse_db_t *db, sqlite3_stmt *statement, sse_key_row_t *row) {
  *row = (sse_key_row_t){.kid = sqlite3_column_int64(statement, 0),
                         .scope = (sse_scope_t)sqlite3_column_int(statement, 1),
                         .owner = blob(statement, 2),
                         .name = blob(statement, 3),
                         .floor = column(statement, 4),
                         .newest = column(statement, 5),
                         .count = column(statement, 6),
                         .bytes = column(statement, 7),
                         .digest = column(statement, 8)};
  return column(statement, 1) < SSE_SCOPE_COUNT && column(statement, 9) == sse_db_key_sum(db, row);
}

/* One second of ids is one stamp, so that a busy key's row seldom moves in the
 * index. Keys that hold no event come after all others. */
static int64_t stamp_of(const sse_key_row_t *row) {
  int64_t second = (int64_t)(row->newest >> 20);
  return row->count > 0 ? second : second | SSE_STAMP_EMPTY;
}

int sse_db_put_key(sse_db_t *db, const sse_key_row_t *row) {
  sqlite3_stmt *put = sse_db_use(db, SSE_SQL_KEY_PUT);
  sqlite3_bind_int64(put, 1, row->kid);
  sqlite3_bind_int64(put, 2, row->scope);
  sqlite3_bind_blob64(put, 3, row->owner.len > 0 ? row->owner.ptr : "", row->owner.len,
                      SQLITE_STATIC);
  sqlite3_bind_blob64(put, 4, row->name.len > 0 ? row->name.ptr : "", row->name.len, SQLITE_STATIC);
  sqlite3_bind_int64(put, 5, (int64_t)row->floor);
  sqlite3_bind_int64(put, 6, (int64_t)row->newest);
  sqlite3_bind_int64(put, 7, (int64_t)row->count);
  sqlite3_bind_int64(put, 8, (int64_t)row->bytes);
  sqlite3_bind_int64(put, 9, (int64_t)row->digest);
  sqlite3_bind_int64(put, 10, (int64_t)sse_db_key_sum(db, row));
  sqlite3_bind_int64(put, 11, stamp_of(row));
  return sse_db_do(db, put);
}

int sse_db_put_meta(sse_db_t *db) {
  db->meta.seq++;
  const sse_meta_t *meta = &db->meta;
  sqlite3_stmt *put = sse_db_use(db, SSE_SQL_META_PUT);
  const uint64_t values[] = {meta->file,  meta->birth, meta->gap,    meta->newest,  meta->seq,
                             meta->bytes, meta->keys,  meta->digest, meta_sum(meta)};
  for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
    sqlite3_bind_int64(put, (int)i + 1, (int64_t)values[i]);
  return sse_db_do(db, put);
}

static int get_meta(sse_db_t *db, sse_store_error_t *error) {
  sqlite3_stmt *get = sse_db_use(db, SSE_SQL_META_GET);
  int code = sqlite3_step(get);
  if (code == SQLITE_ROW) {
    db->meta = (sse_meta_t){.file = column(get, 0),
                            .birth = column(get, 1),
                            .gap = column(get, 2),
                            .newest = column(get, 3),
                            .seq = column(get, 4),
                            .bytes = column(get, 5),
                            .keys = column(get, 6),
                            .digest = column(get, 7)};
    bool is_right = column(get, 8) == meta_sum(&db->meta);
    code = sqlite3_reset(get);
    if (code == SQLITE_OK && is_right) return 0;
  } else {
    code = sqlite3_reset(get);
  }
  if (code != SQLITE_OK) return sse_db_fail(db, code, "reading", error);
  return refuse(error, SSE_STORE_CORRUPT, "reading: the first record is missing or damaged");
}

/* ---- opening ---- */

/* Only for its owner to read, from the first moment; SQLite gives the WAL the same
 * mode. A file that is there is not opened here: closing it would drop the locks of
 * another server in this process. */
static int make_file(const char *path, sse_store_error_t *error) {
  int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd >= 0) {
    close(fd);
    return 0;
  }
  if (errno == EEXIST) return 0;
  error->status = SSE_STORE_IO;
  snprintf(error->text, sizeof(error->text), "opening: %s", strerror(errno));
  return -1;
}

int sse_db_pragma(sse_db_t *db, const char *sql, int64_t *value) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
  if (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
    *value = sqlite3_column_int64(statement, 0);
  }
  int ended = sqlite3_finalize(statement);
  return code != SQLITE_OK ? code : ended;
}

/* Until here anything may be in the file; nothing of it is believed. */
static int configure(sse_db_t *db) {
  static const char *const pragmas[] = {
      "PRAGMA locking_mode = EXCLUSIVE", /* no shared memory either */
      "PRAGMA trusted_schema = OFF",     "PRAGMA cell_size_check = ON", "PRAGMA mmap_size = 0",
      "PRAGMA temp_store = MEMORY",      "PRAGMA synchronous = NORMAL",
  };
  sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  int code = SQLITE_OK;
  for (size_t i = 0; code == SQLITE_OK && i < sizeof(pragmas) / sizeof(*pragmas); i++)
    code = sse_db_exec(db, pragmas[i]);
  return code;
}

static int check_schema(sse_db_t *db, sse_store_error_t *error) {
  sqlite3_stmt *statement = NULL;
  const char *sql = "SELECT sql FROM sqlite_master ORDER BY name";
  int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
  size_t n = 0;
  bool is_right = true;
  while (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    is_right = is_right && n < N_SCHEMA && text != NULL && strcmp(text, SCHEMA[n]) == 0;
    n++;
  }
  int ended = sqlite3_finalize(statement);
  if (code == SQLITE_OK) code = ended;
  if (code != SQLITE_OK) return sse_db_fail(db, code, "reading", error);
  if (is_right && n == N_SCHEMA) return 0;
  return refuse(error, SSE_STORE_CORRUPT, "reading: the tables are not those of a history");
}

static int prepare_all(sse_db_t *db) {
  int code = SQLITE_OK;
  for (int i = 0; code == SQLITE_OK && i < SSE_SQL_COUNT; i++) {
    code = sqlite3_prepare_v3(db->handle, SQL[i], -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i],
                              NULL);
  }
  return code;
}

static int make_schema(sse_db_t *db) {
  char pragma[64];
  int code = sse_db_exec(db, "PRAGMA auto_vacuum = INCREMENTAL");
  if (code == SQLITE_OK) code = sse_db_exec(db, "PRAGMA journal_mode = WAL");
  if (code == SQLITE_OK) code = sse_db_exec(db, "BEGIN IMMEDIATE");
  for (size_t i = 0; code == SQLITE_OK && i < N_SCHEMA; i++)
    code = sse_db_exec(db, SCHEMA[CREATE_ORDER[i]]);
  snprintf(pragma, sizeof(pragma), "PRAGMA application_id = %d", APPLICATION_ID);
  if (code == SQLITE_OK) code = sse_db_exec(db, pragma);
  snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", FORMAT);
  if (code == SQLITE_OK) code = sse_db_exec(db, pragma);
  return code;
}

/* The tables and the first row, in one transaction. */
static int make(sse_db_t *db, uint64_t birth, sse_store_error_t *error) {
  db->meta = (sse_meta_t){.birth = birth, .newest = birth};
  sqlite3_randomness((int)sizeof(db->meta.file), &db->meta.file);
  int code = make_schema(db);
  if (code == SQLITE_OK) code = prepare_all(db);
  if (code == SQLITE_OK) code = sse_db_put_meta(db);
  if (code == SQLITE_OK) code = sse_db_do(db, sse_db_use(db, SSE_SQL_COMMIT));
  return code == SQLITE_OK ? 0 : sse_db_fail(db, code, "making the tables", error);
}

/* Takes the lock, and decides what the file is. */
static int identify(sse_db_t *db, bool *is_new, sse_store_error_t *error) {
  int64_t application = 0, version = 0, tables = 0;
  int code = sse_db_exec(db, "BEGIN IMMEDIATE");
  if (code == SQLITE_OK) code = sse_db_exec(db, "COMMIT");
  if (code == SQLITE_OK) code = sse_db_pragma(db, "PRAGMA application_id", &application);
  if (code == SQLITE_OK) code = sse_db_pragma(db, "PRAGMA user_version", &version);
  if (code == SQLITE_OK) code = sse_db_pragma(db, "SELECT count(*) FROM sqlite_master", &tables);
  if (code != SQLITE_OK) return sse_db_fail(db, code, "opening", error);
  *is_new = application == 0 && version == 0 && tables == 0;
  if (*is_new) return 0;
  if (application != APPLICATION_ID) {
    return refuse(error, SSE_STORE_VERSION, "opening: this database is not a history");
  }
  if (version == FORMAT) return 0;
  error->status = SSE_STORE_VERSION;
  snprintf(error->text, sizeof(error->text), "opening: a history of version %lld, this is %d",
           (long long)version, FORMAT);
  return -1;
}

int sse_db_open(sse_db_t *db, const char *path, uint64_t birth, bool *is_new,
                sse_store_error_t *error) {
  *db = (sse_db_t){0};
  if (make_file(path, error) != 0) return -1;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
  int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
  if (code == SQLITE_OK) code = configure(db);
  if (code != SQLITE_OK) return sse_db_fail(db, code, "opening", error);
  if (identify(db, is_new, error) != 0) return -1;
  if (*is_new) return make(db, birth, error);
  if (check_schema(db, error) != 0) return -1;
  code = prepare_all(db);
  if (code == SQLITE_OK) code = sse_db_exec(db, "PRAGMA journal_mode = WAL");
  if (code != SQLITE_OK) return sse_db_fail(db, code, "opening", error);
  return get_meta(db, error);
}

const char *sse_db_filename(const sse_db_t *db) {
  return sqlite3_db_filename(db->handle, "main");
}

int sse_db_close(sse_db_t *db) {
  for (int i = 0; i < SSE_SQL_COUNT; i++)
    sqlite3_finalize(db->statements[i]);
  int code = sqlite3_close(db->handle);
  *db = (sse_db_t){0};
  return code;
}
