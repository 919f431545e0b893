/* test_store_oom.c - the store when memory runs out, ours and SQLite's: every
 * single allocation of a life fails once. Nothing crashes or leaks, and an event
 * that was not kept is told of.
 *
 * DESIGN: the linker sends the allocations of csrc here (--wrap, see the
 * Makefile); SQLite is given an allocator of ours. */
#include <sqlite3.h>
#include <unistd.h>

#include "store_fixture.h"

void *__real_sse_malloc(size_t size);
void *__wrap_sse_malloc(size_t size);
void *__real_sse_calloc(size_t count, size_t size);
void *__wrap_sse_calloc(size_t count, size_t size);
void *__real_sse_realloc(void *ptr, size_t size);
void *__wrap_sse_realloc(void *ptr, size_t size);

static atomic_uint_fast64_t n_calls, fail_at; /* 0: never */
static atomic_bool has_failed, counts_sqlite;

static bool is_to_fail(void) {
  uint64_t call = atomic_fetch_add(&n_calls, 1) + 1;
  bool fails = call == atomic_load(&fail_at);
  if (fails) atomic_store(&has_failed, true);
  return fails;
}

void *__wrap_sse_malloc(size_t size) {
  return !atomic_load(&counts_sqlite) && is_to_fail() ? NULL : __real_sse_malloc(size);
}

void *__wrap_sse_calloc(size_t count, size_t size) {
  return !atomic_load(&counts_sqlite) && is_to_fail() ? NULL : __real_sse_calloc(count, size);
}

void *__wrap_sse_realloc(void *ptr, size_t size) {
  return !atomic_load(&counts_sqlite) && is_to_fail() ? NULL : __real_sse_realloc(ptr, size);
}

static sqlite3_mem_methods real_methods;

static void *sqlite_malloc(int size) {
  return atomic_load(&counts_sqlite) && is_to_fail() ? NULL : real_methods.xMalloc(size);
}

static void *sqlite_realloc(void *ptr, int size) {
  return atomic_load(&counts_sqlite) && is_to_fail() ? NULL : real_methods.xRealloc(ptr, size);
}

static void allocate_for_sqlite(void) {
  assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_methods), SQLITE_OK);
  sqlite3_mem_methods methods = real_methods;
  methods.xMalloc = sqlite_malloc;
  methods.xRealloc = sqlite_realloc;
  assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
  /* No pool of its own: each allocation comes here. */
  assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
}

/* One life of a store, and what the next start finds. */
static void life(void) {
  static store_fixture_t f;
  store_setup(&f);
  f.config.history_size = 3;
  f.config.total_bytes = 2000;
  f.config.max_keys = 3;
  for (int i = 0; i < 2; i++) {
    if (!store_open(&f)) {
      assert_true(f.error.status == SSE_STORE_NOMEM || f.error.status == SSE_STORE_IO);
      continue;
    }
    for (uint32_t e = 0; e < 12; e++)
      store_append(&f, 1u << e % STORE_KEYS, 200);
    store_close(&f);
  }
  atomic_store(&fail_at, 0);
  assert_true(store_peek(&f));
  store_teardown(&f);
}

static void fail_each(uint64_t step) {
  for (uint64_t n = 1;; n += step) {
    *running_seed() = n;
    atomic_store(&n_calls, 0);
    atomic_store(&has_failed, false);
    atomic_store(&fail_at, n);
    life();
    if (!atomic_load(&has_failed)) break;
  }
  assert_true(*running_seed() > 20); /* else they do not come here */
  forget_seed(NULL);
}

static void our_memory(void **state) {
  (void)state;
  atomic_store(&counts_sqlite, false);
  fail_each(1);
}

static void the_memory_of_sqlite(void **state) {
  (void)state;
  atomic_store(&counts_sqlite, true);
  fail_each(3);
  atomic_store(&counts_sqlite, false);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEEDED_TEST(our_memory),
      SEEDED_TEST(the_memory_of_sqlite),
  };
  allocate_for_sqlite();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
