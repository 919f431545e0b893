/* db.h - the database below a store: its rows, their checksums, and the statements
 * over them. Private to csrc/store; one thread at a time.
 *
 * DESIGN: SQLite keeps its structure whole over a crash, but does not notice a bit
 * that has flipped. So each row carries a checksum; a key's row also that of its
 * events together, and the one row of `meta` that of all keys together. Whatever is
 * missing, doubled or changed is then found when the file is read. */
#ifndef SSE_STORE_DB_H
#define SSE_STORE_DB_H

#include <sqlite3.h>

#include "hub/frame.h"
#include "store/store.h"

/* Set in the stamp of a key that holds no event. */
#define SSE_STAMP_EMPTY (INT64_C(1) << 48)

/* The one row of `meta`. */
typedef struct {
  uint64_t file;   /* random, of this file                                  */
  uint64_t birth;  /* floor of every key without a row                      */
  uint64_t gap;    /* events up to here may be missing, of any key          */
  uint64_t newest; /* highest id stored, or ever given before a start       */
  uint64_t seq;    /* commits                                               */
  uint64_t bytes;  /* of all events                                         */
  uint64_t keys;   /* rows of `key`                                         */
  uint64_t digest; /* the checksums of those, by exclusive or               */
} sse_meta_t;

/* A row of `key`. */
typedef struct {
  int64_t kid; /* a hash of the key under the file's id */
  sse_scope_t scope;
  sse_span_t owner, name;
  uint64_t floor, newest; /* as a ring's                            */
  uint64_t count, bytes;  /* of its events                          */
  uint64_t digest;        /* their checksums, by exclusive or       */
} sse_key_row_t;

/* A row of `event`, without its bytes. */
typedef struct {
  uint64_t id, sum;
  size_t len;
} sse_event_row_t;

typedef enum {
  SSE_SQL_BEGIN,
  SSE_SQL_COMMIT,
  SSE_SQL_ROLLBACK,
  SSE_SQL_META_GET,
  SSE_SQL_META_PUT,
  SSE_SQL_KEY_GET,
  SSE_SQL_KEY_PUT,
  SSE_SQL_KEY_DROP,
  SSE_SQL_KEY_IDLE,
  SSE_SQL_KEY_ALL,
  SSE_SQL_EVENT_PUT,
  SSE_SQL_EVENT_FIRST,
  SSE_SQL_EVENT_DROP,
  SSE_SQL_EVENT_DROP_ALL,
  SSE_SQL_EVENT_ALL,
  SSE_SQL_EVENT_COUNT,
  SSE_SQL_COUNT
} sse_sql_t;

typedef struct {
  sqlite3 *handle;
  sqlite3_stmt *statements[SSE_SQL_COUNT];
  bool is_synced;  /* commits are                                                 */
  sse_meta_t meta; /* as committed, or as the transaction under way will leave it */
} sse_db_t;

/* Opens and locks, or makes, the file, and reads `meta`. `*is_new` when it was
 * made, with this birth. 0, or -1 with `error`; close it in either case. */
int sse_db_open(sse_db_t *db, const char *path, uint64_t birth, bool *is_new,
                sse_store_error_t *error);

/* The path of the file itself, without symbolic links; borrowed until it is closed. */
const char *sse_db_filename(const sse_db_t *db);

/* An SQLite result code. Idempotent. */
int sse_db_close(sse_db_t *db);

/* What SQLite says about a result code that is no success. Always -1. */
int sse_db_fail(const sse_db_t *db, int code, const char *what, sse_store_error_t *error);

/* A prepared statement with nothing bound. */
sqlite3_stmt *sse_db_use(sse_db_t *db, sse_sql_t sql);

/* Runs one that answers no row. An SQLite result code. */
int sse_db_do(sse_db_t *db, sqlite3_stmt *statement);

/* Runs a pragma or a statement without parameters. An SQLite result code. */
int sse_db_exec(sse_db_t *db, const char *sql);

/* The number that one answers; `*value` stays as it was when it answers none. */
int sse_db_pragma(sse_db_t *db, const char *sql, int64_t *value);

/* Whether commits from here on are synced, with everything that was committed
 * before. An SQLite result code. */
int sse_db_set_synced(sse_db_t *db, bool is_synced);

/* db->meta into its row, with the transaction's number raised. */
int sse_db_put_meta(sse_db_t *db);

/* Reads the columns of SSE_SQL_KEY_GET and SSE_SQL_KEY_ALL; the texts live as long
 * as the statement stands on the row. False when the row's checksum is wrong. */
bool sse_db_key_row(const sse_db_t *db, sqlite3_stmt *statement, sse_key_row_t *row);

/* Writes a row. Its digest in meta is the caller's. */
int sse_db_put_key(sse_db_t *db, const sse_key_row_t *row);

/* Checksums, under the file's id. */
int64_t sse_db_kid(const sse_db_t *db, sse_scope_t scope, sse_span_t owner, sse_span_t name);
uint64_t sse_db_key_sum(const sse_db_t *db, const sse_key_row_t *row);
uint64_t sse_db_event_sum(const sse_db_t *db, int64_t kid, uint64_t id, sse_span_t bytes);

#endif
