/* test_store_crash.c - a process that is killed, a system that goes down, a disk
 * that is full: what the next start says is missing, and that nothing else is. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/mark.h"
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

#ifdef __SANITIZE_THREAD__
#define N_KILLS 6
#else
#define N_KILLS 30
#endif

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void mark_path(const store_fixture_t *f, char *out, size_t size) {
  snprintf(out, size, "%s-mark", f->path);
}

static sse_mark_record_t read_mark(const store_fixture_t *f) {
  char path[128];
  sse_mark_t mark;
  sse_mark_record_t record;
  bool is_found;
  mark_path(f, path, sizeof(path));
  assert_int_equal(sse_mark_open(&mark, path, &record, &is_found), 0);
  assert_true(is_found);
  sse_mark_close(&mark);
  return record;
}

/* ---- kill -9 ---- */

static void append_and_sync(store_fixture_t *f) {
  if (!store_open(f)) abort();
  uint64_t id = 0;
  for (uint32_t i = 0; i < 50; i++)
    id = store_append(f, 1u << i % STORE_KEYS, 200);
  store_wait_synced(f, id);
}

static void what_was_synced_survives_and_nothing_is_missed(void **state) {
  store_fixture_t *f = *state;
  store_killed(f, append_and_sync);
  assert_true(store_peek(f));
  assert_int_equal(f->start.gap, 0);
  size_t n = 0;
  for (uint32_t k = 0; k < STORE_KEYS; k++)
    n += f->loaded[k].n;
  assert_int_equal(n, 50);
  /* A second time, with a start in between that was killed as well. */
  store_killed(f, append_and_sync);
  assert_true(store_peek(f));
  assert_int_equal(f->start.gap, 0);
}

/* The promise of the default: quiet a moment after the last event, without a sync. */
static void append_and_wait_for_quiet(store_fixture_t *f) {
  f->config.sync_ms = 3600000;
  if (!store_open(f)) abort();
  for (uint32_t i = 0; i < 50; i++)
    store_append(f, 1u << i % STORE_KEYS, 200);
  while (read_mark(f).state != SSE_MARK_QUIET)
    usleep(500);
}

static void what_was_written_survives_a_kill_without_a_sync(void **state) {
  store_fixture_t *f = *state;
  store_killed(f, append_and_wait_for_quiet);
  assert_true(store_peek(f));
  assert_int_equal(f->start.gap, 0);
  assert_int_equal(f->loaded[0].n + f->loaded[1].n, 18);
}

/* Appends until it is killed from outside. */
static void append_for_ever(store_fixture_t *f) {
  if (!store_open(f)) abort();
  rng_t rng = {f->last};
  for (;;) {
    if (atomic_load(&f->log->n) + 2 < STORE_MAX_EVENTS) {
      store_append(f, 1u << rng_below(&rng, STORE_KEYS), 1 + rng_below(&rng, 500));
    }
    atomic_fetch_add(&f->log->step, 1);
    if (rng_chance(&rng, 30)) usleep(rng_below(&rng, 400));
    if (rng_chance(&rng, 3)) usleep(20000);
  }
}

/* Killed in the middle, again and again: no event that the log has is missing
 * above the floors, none comes that it has not. */
static void killed_at_any_moment(void **state) {
  store_fixture_t *f = *state;
  size_t n_whole = 0;
  for (uint64_t seed = 1; seed <= N_KILLS; seed++) {
    rng_t rng = {seed};
    *running_seed() = seed;
    f->config.sync_ms = rng_below(&rng, 3) * 5;
    f->config.history_size = 20 + rng_below(&rng, 200);
    size_t until = atomic_load(&f->log->step) + 1 + rng_below(&rng, 200);
    size_t before = atomic_load(&f->log->done);
    pid_t child = fork();
    if (child == 0) append_for_ever(f);
    while (atomic_load(&f->log->step) < until)
      usleep(100);
    /* Half of them at a moment when nothing may be under way. */
    while (seed % 2 == 0 && read_mark(f).state != SSE_MARK_QUIET)
      usleep(100);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(store_peek(f));
    n_whole += f->start.gap < f->log->events[before].id;
  }
  print_message("%zu of %d starts showed that nothing was lost\n", n_whole, N_KILLS);
  forget_seed(NULL);
}

static void a_start_that_found_a_loss_keeps_saying_so(void **state) {
  store_fixture_t *f = *state;
  store_killed(f, append_and_sync);
  char path[128];
  mark_path(f, path, sizeof(path));
  unlink(path);
  assert_true(store_open(f));
  uint64_t gap = f->start.gap;
  assert_true(gap > f->log->events[49].id);
  store_check(f);
  assert_int_equal(f->loaded[0].n, 9); /* what is there is replayed all the same */
  store_append(f, 1, 10);
  store_close(f);
  assert_true(store_peek(f));
  assert_int_equal(f->start.gap, gap);
  assert_int_equal(f->start.birth, STORE_FIRST_NOW);
}

/* ---- the mark ---- */

static void the_mark_shows_all_only_when_it_may(void **state) {
  (void)state;
  const uint64_t boot[2] = {1, 2}, other[2] = {1, 3}, none[2] = {0, 0};
  sse_mark_record_t r = {.state = SSE_MARK_QUIET, .file = 7, .boot = {1, 2}, .seq = 10};
  assert_true(sse_mark_shows_all(&r, 7, 10, boot));
  assert_true(sse_mark_shows_all(&r, 7, 12, boot)); /* syncs and expiries */
  assert_false(sse_mark_shows_all(&r, 7, 9, boot)); /* the database has lost its end */
  assert_false(sse_mark_shows_all(&r, 8, 10, boot));
  assert_false(sse_mark_shows_all(&r, 7, 10, other));
  assert_false(sse_mark_shows_all(&r, 7, 10, none));
  r.state = SSE_MARK_BUSY;
  assert_false(sse_mark_shows_all(&r, 7, 10, boot));
  r.state = SSE_MARK_CLOSED;
  assert_true(sse_mark_shows_all(&r, 7, 10, other));
  assert_false(sse_mark_shows_all(&r, 7, 11, boot));
  assert_false(sse_mark_shows_all(&r, 7, 9, boot));
  r = (sse_mark_record_t){.state = SSE_MARK_QUIET, .file = 7, .seq = 10};
  assert_false(sse_mark_shows_all(&r, 7, 10, none)); /* a system without boot ids */
  uint64_t here[2], again[2];
  sse_mark_boot(here);
  sse_mark_boot(again);
  assert_memory_equal(here, again, sizeof(here));
}

/* The system went down: what the process had written may be lost. */
static void another_boot_raises_the_floors(void **state) {
  store_fixture_t *f = *state;
  store_killed(f, append_and_sync);
  char path[128];
  sse_mark_t mark;
  bool is_found;
  mark_path(f, path, sizeof(path));
  sse_mark_record_t record;
  assert_int_equal(sse_mark_open(&mark, path, &record, &is_found), 0);
  assert_int_equal(record.state, SSE_MARK_QUIET);
  mark.record = record;
  mark.record.boot[1]++;
  assert_int_equal(sse_mark_write(&mark), 0);
  sse_mark_close(&mark);
  assert_true(store_peek(f));
  assert_true(f->start.gap > f->log->events[49].id);
  assert_true(f->start.gap >= record.reserved);
}

/* Ids that were given and lost, and a clock that was set back: the floors are above
 * them, and they are not given again. */
static void a_loss_while_the_clock_is_set_back(void **state) {
  store_fixture_t *f = *state;
  store_killed(f, append_and_sync);
  uint64_t last = f->log->events[49].id;
  char path[128];
  snprintf(path, sizeof(path), "%s-wal", f->path);
  assert_int_equal(truncate(path, 0), 0); /* the database falls back to its first state */
  atomic_store(&f->now, STORE_FIRST_NOW - 1000000);
  assert_true(store_peek(f));
  /* Nothing but an empty file is left of it, and the mark. */
  assert_true(f->start.birth > last);
  assert_true(f->start.newest > last);
}

/* ---- a disk that is full ---- */

static void limit_files(rlim_t bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0) abort();
  limit.rlim_cur = bytes;
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) abort();
}

/* Waits for news that `is_it`; all of it is added up in `sum`. */
static void wait_news(store_fixture_t *f, sse_store_news_t *sum,
                      bool (*is_it)(const sse_store_news_t *sum)) {
  while (!is_it(sum)) {
    sse_store_news_t news;
    sse_store_news(f->store, &news);
    if (news.has_error) {
      assert_false(sum->has_error); /* once an incident */
      sum->has_error = true;
      sum->error = news.error;
    }
    sum->synced = news.synced;
    if (news.failed_to > sum->failed_to) sum->failed_to = news.failed_to;
    if (news.failed_from != 0 && sum->failed_from == 0) sum->failed_from = news.failed_from;
    usleep(500);
  }
}

static bool has_failed(const sse_store_news_t *sum) {
  return sum->has_error && sum->failed_to != 0;
}

static uint64_t awaited;

static bool is_over(const sse_store_news_t *sum) {
  return sum->synced >= awaited;
}

static void full_disk(store_fixture_t *f) {
  signal(SIGXFSZ, SIG_IGN);
  if (!store_open(f)) abort();
  store_wait_synced(f, store_append(f, 1, 100));
  limit_files(64); /* the mark alone */
  sse_store_news_t sum = {0};
  uint64_t lost = store_append(f, 1, 100);
  wait_news(f, &sum, has_failed);
  assert_int_equal(sum.error.status, SSE_STORE_IO);
  assert_int_equal(sum.failed_from, lost);
  assert_int_equal(sum.failed_to, lost);
  /* More of the same incident is queued, and told no second time. */
  uint64_t queued = store_append(f, 2, 100);
  limit_files(RLIM_INFINITY);
  awaited = queued;
  wait_news(f, &sum, is_over);
  /* The next one is told again. */
  uint64_t kept = store_append(f, 1, 100);
  store_wait_synced(f, kept);
  limit_files(64);
  sse_store_news_t second = {0};
  lost = store_append(f, 4, 100);
  wait_news(f, &second, has_failed);
  limit_files(RLIM_INFINITY);
  awaited = store_append(f, 1, 100);
  wait_news(f, &second, is_over);
}

static void a_full_disk_is_told_and_survived(void **state) {
  store_fixture_t *f = *state;
  store_killed(f, full_disk);
  /* Killed when all was written again: the losses are known exactly. */
  assert_true(store_peek(f));
  assert_int_equal(f->start.gap, f->log->events[4].id);
  assert_int_equal(f->loaded[0].n, 3);
  assert_int_equal(f->loaded[1].n, 1);
  assert_false(f->loaded[2].has_row);
}

static void full_until_the_end(store_fixture_t *f) {
  signal(SIGXFSZ, SIG_IGN);
  if (!store_open(f)) abort();
  store_wait_synced(f, store_append(f, 1, 100));
  limit_files(64);
  store_append(f, 1, 100);
  store_close(f);
}

static void a_disk_that_stays_full_is_a_loss(void **state) {
  store_fixture_t *f = *state;
  store_killed(f, full_until_the_end);
  assert_int_equal(read_mark(f).state, SSE_MARK_BUSY);
  assert_true(store_peek(f));
  assert_true(f->start.gap > f->log->events[1].id);
  assert_int_equal(f->loaded[0].n, 1);
}

static void full_at_the_start(store_fixture_t *f) {
  signal(SIGXFSZ, SIG_IGN);
  limit_files(1000);
  assert_false(store_open(f));
  assert_int_equal(f->error.status, SSE_STORE_IO);
}

static void a_disk_that_is_full_at_the_start(void **state) {
  store_fixture_t *f = *state;
  store_killed(f, full_at_the_start);
  assert_true(store_open(f)); /* what was left there is no hindrance */
  store_append(f, 1, 10);
  store_close(f);
  assert_true(store_peek(f));
  store_killed(f, full_at_the_start);
  assert_true(store_peek(f));
  assert_int_equal(f->loaded[0].n, 1);
}

/* ---- a disk that does not keep up ---- */

static void more_than_the_queue_holds(void **state) {
  store_fixture_t *f = *state;
  f->config.history_size = 10;
  f->config.max_queued_bytes = 20000;
  assert_true(store_open(f));
  sse_store_news_t news = {0};
  /* Faster than it is taken: the queue is full before long. */
  while (!news.has_error) {
    for (int i = 0; i < 50; i++)
      store_append(f, 1, 1000);
    sse_store_news(f->store, &news);
  }
  assert_non_null(strstr(news.error.text, "keep up"));
  assert_true(news.failed_from != 0 && news.failed_to >= news.failed_from);
  store_close(f);
  assert_true(store_peek(f));
  assert_true(f->start.gap >= news.failed_to);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(what_was_synced_survives_and_nothing_is_missed),
      STORE_TEST(what_was_written_survives_a_kill_without_a_sync),
      STORE_TEST(killed_at_any_moment),
      STORE_TEST(a_start_that_found_a_loss_keeps_saying_so),
      cmocka_unit_test(the_mark_shows_all_only_when_it_may),
      STORE_TEST(another_boot_raises_the_floors),
      STORE_TEST(a_loss_while_the_clock_is_set_back),
      STORE_TEST(a_full_disk_is_told_and_survived),
      STORE_TEST(a_disk_that_stays_full_is_a_loss),
      STORE_TEST(a_disk_that_is_full_at_the_start),
      STORE_TEST(more_than_the_queue_holds),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
