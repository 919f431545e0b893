/* test_store_damage.c - files with flipped bits and missing ends, under fixed
 * seeds: either a clear refusal, or every event that is loaded is one that was
 * published, in order, and none is missing that is not told. */
#include <sys/stat.h>
#include <unistd.h>

#include "store_fixture.h"

static const char *const PARTS[] = {"", "-wal", "-mark"};

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

#ifdef __SANITIZE_THREAD__
#define N_SEEDS 20
#else
#define N_SEEDS 400
#endif

#define N_EVENTS 1200
#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* `keeps`: the whole set is copied aside, or brought back. */
static void copy_set(const store_fixture_t *f, bool keeps) {
  for (size_t i = 0; i < COUNT_OF(PARTS); i++) {
    char live[128], kept[128];
    snprintf(live, sizeof(live), "%s%s", f->path, PARTS[i]);
    snprintf(kept, sizeof(kept), "%s/kept%s", f->dir, PARTS[i]);
    store_copy(keeps ? live : kept, keeps ? kept : live);
  }
}

/* False when the part is not there, or empty. */
static bool damage(const store_fixture_t *f, rng_t *rng, size_t part) {
  char path[128];
  struct stat st;
  snprintf(path, sizeof(path), "%s%s", f->path, PARTS[part]);
  if (stat(path, &st) != 0 || st.st_size == 0) return false;
  uint32_t size = (uint32_t)st.st_size;
  if (rng_chance(rng, 15)) return truncate(path, rng_below(rng, size)) == 0;
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  /* Often near the start of a page, where its structure is. */
  for (uint32_t n = 1 + rng_below(rng, rng_chance(rng, 30) ? 20 : 1); n-- > 0;) {
    uint32_t at = rng_below(rng, size);
    if (rng_chance(rng, 50)) at = at / 4096 * 4096 + rng_below(rng, 120);
    if (at >= size) at = size - 1;
    fseek(file, (long)at, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, (long)at, SEEK_SET);
    fputc(rng_chance(rng, 70) ? byte ^ 1 << rng_below(rng, 8) : (int)rng_below(rng, 256), file);
  }
  assert_int_equal(fclose(file), 0);
  return true;
}

typedef struct {
  size_t refused, with_loss, whole;
} outcome_t;

static void one(store_fixture_t *f, uint64_t seed, outcome_t *outcome) {
  rng_t rng = {seed};
  size_t log = atomic_load(&f->log->n);
  copy_set(f, false);
  if (!damage(f, &rng, rng_below(&rng, 5) % COUNT_OF(PARTS))) damage(f, &rng, 0);
  f->last = 0;
  if (!store_open(f)) {
    outcome->refused++;
    assert_true(f->error.text[0] != '\0');
    assert_true(f->error.status == SSE_STORE_CORRUPT || f->error.status == SSE_STORE_VERSION ||
                f->error.status == SSE_STORE_IO);
    return;
  }
  store_check(f);
  if (f->start.gap == 0 && f->start.birth == STORE_FIRST_NOW) {
    outcome->whole++;
  } else {
    outcome->with_loss++;
  }
  /* It can be gone on with, and the next start finds what this one has written; where
   * the damage has kept it from being written, that start says that it is lost. */
  uint64_t id = store_append(f, 1, 300);
  store_close(f);
  if (store_peek(f) && f->start.gap < id) {
    assert_true(f->loaded[0].n > 0);
    assert_int_equal(f->loaded[0].ids[f->loaded[0].n - 1], id);
  }
  atomic_store(&f->log->n, log);
  atomic_store(&f->log->done, log);
}

static void run(store_fixture_t *f, uint64_t first, uint64_t n, outcome_t *outcome) {
  copy_set(f, true);
  for (uint64_t seed = first; seed < first + n; seed++) {
    *running_seed() = seed;
    one(f, seed, outcome);
  }
  forget_seed(NULL);
  print_message("%zu refused, %zu told of a loss, %zu whole\n", outcome->refused,
                outcome->with_loss, outcome->whole);
}

static void fill_store(store_fixture_t *f) {
  f->config.history_size = 40;
  if (!store_open(f)) abort();
  rng_t rng = {99};
  uint64_t id = 0;
  /* More than a WAL holds before it is copied into the database. */
  for (int i = 0; i < N_EVENTS; i++) {
    uint32_t len = 1 + rng_below(&rng, rng_chance(&rng, 5) ? 9000 : 300);
    id = store_append(f, 1u << rng_below(&rng, STORE_KEYS), len);
    if (i % 8 == 0) store_wait_synced(f, id);
  }
  store_wait_synced(f, id);
}

static void after_a_kill(void **state) {
  store_fixture_t *f = *state;
  outcome_t outcome = {0};
  f->config.history_size = 40;
  store_killed(f, fill_store);
  run(f, 1, N_SEEDS, &outcome);
  assert_true(outcome.with_loss > 0 && outcome.whole > 0);
}

static void after_a_clean_end(void **state) {
  store_fixture_t *f = *state;
  outcome_t outcome = {0};
  fill_store(f);
  store_close(f);
  run(f, 1000, N_SEEDS, &outcome);
  assert_true(outcome.refused > 0 && outcome.whole > 0);
}

/* Every byte of the mark, each of its bits. */
static void every_bit_of_the_mark(void **state) {
  store_fixture_t *f = *state;
  char path[128];
  fill_store(f);
  store_close(f);
  copy_set(f, true);
  snprintf(path, sizeof(path), "%s-mark", f->path);
  for (long bit = 0; bit < 64 * 8; bit += 3) {
    copy_set(f, false);
    FILE *file = fopen(path, "r+b");
    fseek(file, bit / 8, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, bit / 8, SEEK_SET);
    fputc(byte ^ 1 << bit % 8, file);
    fclose(file);
    assert_true(store_peek(f));
    assert_true(f->start.gap != 0);
  }
}

/* A part that is lost, or that is from another time. */
static void parts_that_do_not_belong_together(void **state) {
  store_fixture_t *f = *state;
  char path[128];
  fill_store(f);
  store_close(f);
  copy_set(f, true);
  assert_true(store_open(f));
  store_append(f, 1, 10);
  store_close(f);
  /* The mark of later beside the database of before. */
  snprintf(path, sizeof(path), "%s/kept", f->dir);
  assert_true(store_copy(path, f->path));
  assert_true(store_peek(f));
  assert_true(f->start.gap > f->log->events[N_EVENTS].id);
  /* The other way round. */
  assert_true(store_open(f));
  store_append(f, 1, 10);
  store_close(f);
  char mark[128];
  snprintf(mark, sizeof(mark), "%s-mark", f->path);
  snprintf(path, sizeof(path), "%s/kept-mark", f->dir);
  assert_true(store_copy(path, mark));
  assert_true(store_peek(f));
  assert_true(f->start.gap > f->log->events[N_EVENTS + 1].id);
  /* No database at all: it starts empty, above every id that the mark knows of. */
  assert_true(store_open(f));
  uint64_t last = store_append(f, 1, 10);
  store_close(f);
  unlink(f->path);
  f->last = 0;
  assert_true(store_peek(f));
  assert_true(f->start.birth > last);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(after_a_kill),
      STORE_TEST(after_a_clean_end),
      STORE_TEST(every_bit_of_the_mark),
      STORE_TEST(parts_that_do_not_belong_together),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
