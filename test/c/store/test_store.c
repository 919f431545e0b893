/* test_store.c - a store that is closed and opened again: what it gives back, its
 * limits against a log that forgets nothing, and what it refuses to open. */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/internal.h"
#include "store_fixture.h"

static int setup(void **state) {
  *state = must_realloc(NULL, sizeof(store_fixture_t));
  store_setup(*state);
  return 0;
}

static int teardown(void **state) {
  store_teardown(*state);
  free(*state);
  return report_seed(state);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void what_was_appended_is_loaded(void **state) {
  store_fixture_t *f = *state;
  assert_true(store_open(f));
  assert_int_equal(f->start.birth, STORE_FIRST_NOW);
  assert_int_equal(f->start.gap, 0);
  uint64_t first = store_append(f, 1, 100), second = store_append(f, 3, 1);
  uint64_t last = store_append(f, 2, 50000);
  store_close(f);
  assert_true(store_peek(f));
  assert_int_equal(f->start.gap, 0);
  assert_int_equal(f->start.birth, STORE_FIRST_NOW);
  assert_int_equal(f->start.newest, last);
  assert_int_equal(f->loaded[0].n, 2);
  assert_int_equal(f->loaded[0].ids[0], first);
  assert_int_equal(f->loaded[1].n, 2);
  assert_int_equal(f->loaded[1].ids[0], second);
  assert_int_equal(f->loaded[1].floor, STORE_FIRST_NOW);
  assert_false(f->loaded[2].has_row);
}

static void many_starts_lose_nothing(void **state) {
  store_fixture_t *f = *state;
  f->config.history_size = 1000;
  for (int i = 0; i < 10; i++) {
    assert_true(store_open(f));
    store_check(f);
    assert_int_equal(f->start.gap, 0);
    assert_int_equal(f->start.birth, STORE_FIRST_NOW);
    for (uint32_t e = 0; e < 20; e++)
      store_append(f, 1u << e % STORE_KEYS, 10);
    store_close(f);
  }
  assert_true(store_peek(f));
  size_t n = 0;
  for (uint32_t k = 0; k < STORE_KEYS; k++)
    n += f->loaded[k].n;
  assert_int_equal(n, 200);
}

/* The clock was set back by a day while the process was away. */
static void ids_never_go_back(void **state) {
  store_fixture_t *f = *state;
  assert_true(store_open(f));
  uint64_t last = store_append(f, 1, 10);
  store_close(f);
  atomic_store(&f->now, STORE_FIRST_NOW - UINT64_C(86400000000));
  f->last = 0;
  assert_true(store_open(f));
  assert_int_equal(f->start.newest, last);
  assert_true(store_append(f, 1, 10) > last);
  store_close(f);
  assert_true(store_peek(f));
  assert_int_equal(f->loaded[0].n, 2);
  assert_int_equal(f->start.gap, 0);
}

/* An id that was given to nobody's history is not given again either. */
static void the_end_knows_the_newest_id(void **state) {
  store_fixture_t *f = *state;
  assert_true(store_open(f));
  store_append(f, 1, 10);
  f->last += 5000000;
  uint64_t last = f->last;
  store_close(f);
  assert_true(store_peek(f));
  assert_int_equal(f->start.newest, last);
}

static void sizes_are_by_prefix(void **state) {
  store_fixture_t *f = *state;
  sse_size_t rules[] = {{sse_span_cstr("chat:"), 3}, {sse_span_cstr("price:"), 0}};
  sse_sizes_t *sizes = sse_sizes_new(rules, 2);
  f->config.sizes = sizes;
  f->config.history_size = 5;
  assert_true(store_open(f));
  for (int i = 0; i < 20; i++)
    store_append(f, (1u << STORE_KEYS) - 1, 10);
  store_close(f);
  assert_true(store_peek(f));
  static const size_t kept[STORE_KEYS] = {3, 0, 5, 5, 5, 3};
  for (uint32_t k = 0; k < STORE_KEYS; k++)
    assert_int_equal(f->loaded[k].n, kept[k]);
  assert_int_equal(f->loaded[1].floor, f->last);
  sse_sizes_free(sizes);
}

/* The bytes of all are taken from the longest idle, which keeps its floor. */
static void bytes_of_all(void **state) {
  store_fixture_t *f = *state;
  f->config.total_bytes = 10000;
  assert_true(store_open(f));
  for (uint32_t k = 0; k < 3; k++) {
    store_append(f, 1u << k, 3000);
    atomic_fetch_add(&f->now, 5000000);
  }
  uint64_t last = store_append(f, 8, 8000);
  store_close(f);
  assert_true(store_peek(f));
  assert_int_equal(f->loaded[0].n + f->loaded[1].n + f->loaded[2].n, 0);
  assert_int_equal(f->loaded[3].ids[0], last);
  assert_int_equal(f->loaded[0].floor, f->log->events[0].id);
  assert_int_equal(f->start.birth, STORE_FIRST_NOW);
}

/* An event that is on the disk, and then five seconds. */
static uint64_t append_and_pass(store_fixture_t *f, uint32_t keys, uint32_t len) {
  uint64_t id = store_append(f, keys, len);
  store_wait_synced(f, id);
  atomic_fetch_add(&f->now, 5000000);
  return id;
}

static void keys_that_are_too_many_raise_the_birth(void **state) {
  store_fixture_t *f = *state;
  f->config.max_keys = 2;
  assert_true(store_open(f));
  uint64_t first = append_and_pass(f, 1, 10);
  store_append(f, 2, 10);
  store_append(f, 4, 10);
  store_close(f);
  assert_true(store_peek(f));
  assert_false(f->loaded[0].has_row);
  assert_int_equal(f->start.birth, first);
}

/* A key without events is no more worth than one with: who was idle longest goes. */
static void keys_without_events_go_first_if_they_are_older(void **state) {
  store_fixture_t *f = *state;
  f->config.max_keys = 2;
  f->config.max_bytes = 100; /* of the second key nothing is held */
  assert_true(store_open(f));
  store_append(f, 1, 10);
  uint64_t empty = append_and_pass(f, 2, 1000);
  store_append(f, 1, 10);
  store_append(f, 4, 10);
  store_close(f);
  assert_true(store_peek(f));
  assert_int_equal(f->loaded[0].n, 2);
  assert_int_equal(f->loaded[2].n, 1);
  assert_int_equal(f->start.birth, empty);
}

static void old_events_expire_while_nothing_is_published(void **state) {
  store_fixture_t *f = *state;
  f->config.ttl_us = 10000000;
  assert_true(store_open(f));
  store_wait_synced(f, store_append(f, 7, 1000));
  atomic_fetch_add(&f->now, 30000000);
  struct stat before, after;
  assert_int_equal(stat(f->path, &before), 0);
  /* The writer looks for itself; what it drops is in the WAL. */
  char wal[128];
  snprintf(wal, sizeof(wal), "%s-wal", f->path);
  assert_int_equal(stat(wal, &before), 0);
  do {
    usleep(10000);
    assert_int_equal(stat(wal, &after), 0);
  } while (after.st_size == before.st_size && after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
           after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
  store_close(f);
  assert_true(store_peek(f));
  for (uint32_t k = 0; k < STORE_KEYS; k++)
    assert_false(f->loaded[k].has_row);
  assert_int_equal(f->start.birth, f->log->events[0].id);
}

static uint64_t file_size(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Pages are used again: a file under a steady history does not grow. */
static void the_file_is_bounded(void **state) {
  store_fixture_t *f = *state;
  f->config.history_size = 20;
  f->config.sync_ms = 1;
  uint64_t sizes[2];
  for (int i = 0; i < 2; i++) {
    assert_true(store_open(f));
    for (uint32_t e = 0; e < 3000; e++)
      store_append(f, 1u << e % STORE_KEYS, 500 + e % 1000);
    store_close(f);
    sizes[i] = file_size(f->path);
  }
  assert_true(sizes[0] < 1000000);
  assert_true(sizes[1] <= sizes[0] + sizes[0] / 4);
}

static void random_limits(store_fixture_t *f, rng_t *rng) {
  f->config.history_size = 1 + rng_below(rng, 60);
  f->config.max_bytes = rng_chance(rng, 50) ? 500 + rng_below(rng, 5000) : 0;
  f->config.total_bytes = rng_chance(rng, 50) ? 1000 + rng_below(rng, 20000) : 0;
  f->config.max_keys = 1 + rng_below(rng, STORE_KEYS + 2);
  f->config.ttl_us = rng_chance(rng, 30) ? 3000000 + rng_below(rng, 60000000) : 0;
  f->config.sync_ms = rng_below(rng, 3);
}

/* Every load against the log, under limits that change from start to start. */
static void limits_against_the_log(void **state) {
  store_fixture_t *f = *state;
  for (uint64_t seed = 1; seed <= 12; seed++) {
    rng_t rng = {seed};
    *running_seed() = seed;
    for (int start = 0; start < 6; start++) {
      random_limits(f, &rng);
      assert_true(store_open(f));
      store_check(f);
      assert_int_equal(f->start.gap, 0);
      for (uint32_t n = rng_below(&rng, 120); n-- > 0;) {
        uint32_t keys = 1u << rng_below(&rng, STORE_KEYS);
        if (rng_chance(&rng, 20)) keys |= 1u << rng_below(&rng, STORE_KEYS);
        uint64_t id = store_append(f, keys, 1 + rng_below(&rng, rng_chance(&rng, 10) ? 9000 : 300));
        if (rng_chance(&rng, 10)) atomic_fetch_add(&f->now, rng_below(&rng, 9000000));
        if (rng_chance(&rng, 20) && f->config.sync_ms == 0) store_wait_synced(f, id);
      }
      store_close(f);
    }
    assert_true(store_peek(f));
  }
  forget_seed(NULL);
}

/* ---- what is refused ---- */

static void refused(store_fixture_t *f, sse_store_status_t status, const char *text) {
  assert_false(store_open(f));
  if (f->error.status != status || strstr(f->error.text, text) == NULL) {
    fail_msg("status %d: %s", (int)f->error.status, f->error.text);
  }
}

static void another_server_of_the_process(void **state) {
  store_fixture_t *f = *state;
  assert_true(store_open(f));
  store_append(f, 1, 10);
  sse_store_t *first = f->store;
  refused(f, SSE_STORE_LOCKED, "locked");
  f->store = first;
  store_wait_synced(f, store_append(f, 1, 10)); /* it did not disturb */
  /* Nor has it given the lock away. */
  pid_t child = fork();
  if (child == 0) {
    sse_store_error_t error;
    sse_store_t *store = sse_store_open(&f->config, &error);
    _exit(store == NULL && error.status == SSE_STORE_LOCKED ? 7 : 1);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  store_close(f);
  assert_true(store_peek(f));
  assert_int_equal(f->loaded[0].n, 2);
}

static void run_sql(store_fixture_t *f, const char *sql) {
  sqlite3 *db = NULL;
  assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void another_version(void **state) {
  store_fixture_t *f = *state;
  assert_true(store_open(f));
  store_close(f);
  run_sql(f, "PRAGMA user_version = 2");
  refused(f, SSE_STORE_VERSION, "version 2");
  run_sql(f, "PRAGMA user_version = 1");
  assert_true(store_peek(f));
  run_sql(f, "ALTER TABLE meta ADD COLUMN more INTEGER");
  refused(f, SSE_STORE_CORRUPT, "tables");
}

static void another_database(void **state) {
  store_fixture_t *f = *state;
  run_sql(f, "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('ann')");
  refused(f, SSE_STORE_VERSION, "not a history");
  run_sql(f, "SELECT name FROM users");
}

static void no_database(void **state) {
  store_fixture_t *f = *state;
  FILE *file = fopen(f->path, "wb");
  for (int i = 0; i < 1000; i++)
    fputs("this is somebody's text\n", file);
  fclose(file);
  refused(f, SSE_STORE_CORRUPT, "not a database");
}

static void no_folder_and_no_file(void **state) {
  store_fixture_t *f = *state;
  char path[128];
  snprintf(path, sizeof(path), "%s/nowhere/history", f->dir);
  f->config.path = path;
  refused(f, SSE_STORE_IO, "No such file");
  f->config.path = f->dir;
  refused(f, SSE_STORE_IO, "open");
}

static void only_its_owner_can_read_it(void **state) {
  store_fixture_t *f = *state;
  mode_t before = umask(0);
  assert_true(store_open(f));
  store_wait_synced(f, store_append(f, 1, 10));
  umask(before);
  static const char *const parts[] = {"", "-wal", "-mark"};
  for (size_t i = 0; i < COUNT_OF(parts); i++) {
    char path[128];
    struct stat st;
    snprintf(path, sizeof(path), "%s%s", f->path, parts[i]);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
  }
  store_close(f);
}

/* What is there says that nothing was lost, so that it must not stay. */
static void a_mark_that_cannot_be_written_is_tried_again(void **state) {
  store_fixture_t *f = *state;
  assert_true(store_open(f));
  store_close(f);
  sse_store_t *store = sse_store_open(&f->config, &f->error);
  assert_non_null(store);
  sse_seed_t seed = {1, 2};
  sse_key_t key = store_key(seed, 0);
  int real = dup(store->mark.fd), full = open("/dev/full", O_RDWR);
  assert_true(real >= 0 && full >= 0);
  assert_int_equal(dup2(full, store->mark.fd), store->mark.fd);
  uint64_t id = f->last + 1000;
  for (int i = 0; i < 3; i++) {
    sse_frame_t *frame = sse_frame_from_bytes(id++, sse_span_cstr("x"));
    sse_store_append(store, frame, &key, 1);
    sse_frame_unref(frame);
    assert_int_equal(store->mark.record.state, i < 2 ? SSE_MARK_QUIET : SSE_MARK_BUSY);
    if (i == 1) assert_int_equal(dup2(real, store->mark.fd), store->mark.fd);
  }
  assert_true(store->news.has_error);
  close(real);
  close(full);
  sse_mark_t mark;
  sse_mark_record_t found;
  bool is_found = false;
  char path[128];
  snprintf(path, sizeof(path), "%s-mark", f->path);
  assert_int_equal(sse_mark_open(&mark, path, &found, &is_found), 0);
  assert_true(is_found);
  assert_int_equal(found.state, SSE_MARK_BUSY);
  sse_mark_close(&mark);
  sse_store_free(store);
}

/* One file has one mark, whatever it is called by. */
static void a_link_has_the_mark_of_its_file(void **state) {
  store_fixture_t *f = *state;
  assert_true(store_open(f));
  store_close(f);
  char link[128], mark[160];
  struct stat st;
  snprintf(link, sizeof(link), "%s/link", f->dir);
  assert_int_equal(symlink(f->path, link), 0);
  const char *path = f->config.path;
  f->config.path = link;
  assert_true(store_open(f));
  store_wait_synced(f, store_append(f, 1, 10));
  store_close(f);
  snprintf(mark, sizeof(mark), "%s-mark", link);
  assert_int_equal(stat(mark, &st), -1);
  f->config.path = path;
  assert_true(store_open(f));
  assert_int_equal(f->start.gap, 0);
  store_close(f);
  assert_int_equal(unlink(link), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(what_was_appended_is_loaded),
      STORE_TEST(many_starts_lose_nothing),
      STORE_TEST(ids_never_go_back),
      STORE_TEST(the_end_knows_the_newest_id),
      STORE_TEST(sizes_are_by_prefix),
      STORE_TEST(bytes_of_all),
      STORE_TEST(keys_that_are_too_many_raise_the_birth),
      STORE_TEST(keys_without_events_go_first_if_they_are_older),
      STORE_TEST(old_events_expire_while_nothing_is_published),
      STORE_TEST(the_file_is_bounded),
      STORE_TEST(limits_against_the_log),
      STORE_TEST(another_server_of_the_process),
      STORE_TEST(another_version),
      STORE_TEST(another_database),
      STORE_TEST(no_database),
      STORE_TEST(no_folder_and_no_file),
      STORE_TEST(only_its_owner_can_read_it),
      STORE_TEST(a_mark_that_cannot_be_written_is_tried_again),
      STORE_TEST(a_link_has_the_mark_of_its_file),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
