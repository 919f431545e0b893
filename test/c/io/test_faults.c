/* test_faults.c - everything below csrc/io fails: each call of a story once, in
 * each of its ways, and then any call at random. What must hold whatever fails
 * is in fault_story.h. Under TSan and Valgrind a part of the calls is picked. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "fault_story.h"

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1 /* as GCC says it */
#endif
#endif

/* Every so-manieth call of a kind is made to fail, and so many storms. */
#if defined(__SANITIZE_THREAD__) || defined(SSE_UNDER_VALGRIND)
#define STRIDE 9
#define STORMS 20
#else
#define STRIDE 1
#define STORMS 150
#endif

typedef void (*story_t)(const story_faults_t *may);

static const story_faults_t NOTHING = {0};

/* ---- leaks ---- */

__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

static void check_leaks(void) {
  if (__lsan_do_recoverable_leak_check != NULL)
    assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
}

__attribute__((noinline)) static void leak(void) {
  for (int i = 0; i < 100; i++) {
    void *volatile block = malloc(1234);
    block = NULL;
    (void)block;
  }
}

/* What is checked below would be worth nothing if the checker were off. */
static void leaks_are_seen(void **state) {
  (void)state;
  if (__lsan_do_recoverable_leak_check == NULL) return; /* not this build's job */
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    (void)!freopen("/dev/null", "w", stderr);
    leak();
    _exit(__lsan_do_recoverable_leak_check() != 0 ? 42 : 0);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 42);
}

/* ---- what is running, for whoever reads a failure ---- */

static char running[128];

static int forget_running(void **state) {
  (void)state;
  running[0] = '\0';
  faults_reset();
  return 0;
}

static int report_running(void **state) {
  (void)state;
  if (running[0] != '\0') print_error("the last run was: %s\n", running);
  return 0;
}

#define FAULT_TEST(f) cmocka_unit_test_setup_teardown(f, forget_running, report_running)

static void run(story_t story, const story_faults_t *may, const char *how, uint64_t number) {
  snprintf(running, sizeof(running), "%s %llu", how, (unsigned long long)number);
  story(may);
}

static void all_is_well(void) {
  check_leaks();
  running[0] = '\0';
}

/* ---- the tests ---- */

static void nothing_fails(void **state) {
  (void)state;
  story_life(&NOTHING);
  /* Else the linker has not sent them our way. */
  static const fault_call_t used[] = {
      FAULT_SENDMSG,      FAULT_RECV,        FAULT_FCNTL,      FAULT_GETSOCKOPT,
      FAULT_POLL_INIT,    FAULT_POLL_START,  FAULT_LOOP_INIT,  FAULT_ASYNC_INIT,
      FAULT_TIMER_INIT,   FAULT_MUTEX_INIT,  FAULT_ALLOC,      FAULT_THREAD_CREATE,
      FAULT_SETSOCKOPT,   FAULT_GETSOCKNAME,
#ifdef SSE_WATCH_EPOLL
      FAULT_EPOLL_CREATE, FAULT_EPOLL_CTL,   FAULT_EPOLL_WAIT,
#endif
  };
  for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++)
    assert_true(faults_calls(used[i]) > 0);
  assert_true(faults_calls(FAULT_SENDMSG) > 20);
  assert_true(faults_calls(FAULT_ALLOC) > 100);
  assert_true(faults_partial_writes() > 2); /* the stall was one */
  assert_int_equal(faults_hits(), 0);
  all_is_well();
}

/* Runs the story with the first call failing, then with the second, and so on. */
static void fail_each(story_t story, const fault_t *fault, uint64_t stride) {
  faults_reset();
  story(&NOTHING);
  uint64_t n = faults_calls(fault->call), hits = 0;
  const story_faults_t may = {.fault = fault};
  for (uint64_t nth = 1; nth <= n; nth += stride) {
    faults_reset();
    faults_fail_nth(fault, nth);
    run(story, &may, fault->name, nth);
    hits += faults_hits();
  }
  /* The number of calls of a run differs a little, by who was faster. */
  assert_true(n == 0 || hits > 0);
  faults_reset();
  all_is_well();
}

static void each_system_call_fails(void **state) {
  (void)state;
  for (size_t i = 0; i < N_FAULTS; i++)
    if (FAULTS[i].call != FAULT_ALLOC) fail_each(story_life, &FAULTS[i], STRIDE);
}

static void each_allocation_fails(void **state) {
  (void)state;
  for (size_t i = 0; i < N_FAULTS; i++)
    if (FAULTS[i].call == FAULT_ALLOC) fail_each(story_life, &FAULTS[i], STRIDE);
}

static void each_write_of_a_heartbeat_fails(void **state) {
  (void)state;
  for (size_t i = 0; i < N_FAULTS; i++) {
    bool is_write = FAULTS[i].call == FAULT_SENDMSG || FAULTS[i].call == FAULT_WATCH;
    if (is_write) fail_each(story_heartbeats, &FAULTS[i], STRIDE);
  }
}

static void a_slow_reader_with_faults(void **state) {
  (void)state;
  run(story_slow_reader, &NOTHING, "nothing", 0);
  assert_true(faults_calls(FAULT_IOCTL) > 2);
  for (size_t i = 0; i < N_FAULTS; i++) {
    const story_faults_t may = {.fault = &FAULTS[i]};
    if (FAULTS[i].call != FAULT_IOCTL) continue;
    faults_reset();
    faults_fail_from(&FAULTS[i], 1);
    run(story_slow_reader, &may, FAULTS[i].name, 1);
  }
  faults_reset();
  all_is_well();
}

static void writes_take_one_byte(void **state) {
  (void)state;
  faults_shorten_writes(1, 0);
  story_life(&NOTHING);
  assert_true(faults_calls(FAULT_SENDMSG) > 10000);
  faults_reset();
  faults_shorten_writes(1, 0);
  story_heartbeats(&NOTHING);
  faults_reset();
  all_is_well();
}

static void writes_take_what_they_like(void **state) {
  (void)state;
  static const size_t most[] = {3, 100, 5000, 60000};
  for (size_t i = 0; i < sizeof(most) / sizeof(*most); i++) {
    for (uint64_t seed = 1; seed <= 4; seed++) {
      faults_reset();
      faults_shorten_writes(most[i], seed);
      run(story_life, &NOTHING, "writes of at most", most[i]);
    }
    faults_reset();
    faults_shorten_writes(most[i], 99);
    run(story_bulk, &NOTHING, "bulk, writes of at most", most[i]);
    assert_true(most[i] > 5000 || faults_calls(FAULT_SENDMSG) > 50);
  }
  faults_reset();
  all_is_well();
}

/* `make soak` asks for more storms, and for nothing else. */
static const char *more_storms(void) {
  return getenv("SSE_STORMS");
}

static void a_storm_of_faults(void **state) {
  (void)state;
  static const uint32_t permille[] = {5, 20, 60, 200};
  const story_faults_t may = {.is_storm = true};
  uint64_t storms = more_storms() != NULL ? strtoull(more_storms(), NULL, 10) : STORMS;
  for (uint64_t seed = 1; seed <= storms; seed++) {
    faults_reset();
    faults_storm(seed, permille[seed % 4]);
    run(story_life, &may, "storm", seed);
  }
  faults_reset();
  all_is_well();
}

/* Also on the way out of a thread that never was. */
static void a_thread_that_cannot_start(void **state) {
  (void)state;
  static const fault_call_t steps[] = {
      FAULT_LOOP_INIT,    FAULT_ASYNC_INIT, FAULT_TIMER_INIT, FAULT_THREAD_CREATE,
#ifdef SSE_WATCH_EPOLL
      FAULT_EPOLL_CREATE, FAULT_POLL_INIT,  FAULT_POLL_START,
#endif
  };
  for (size_t i = 0; i < N_FAULTS; i++) {
    for (size_t k = 0; k < sizeof(steps) / sizeof(*steps); k++) {
      if (FAULTS[i].call != steps[k]) continue;
      const story_faults_t may = {.fault = &FAULTS[i]};
      faults_reset();
      faults_fail_from(&FAULTS[i], 1);
      run(story_no_thread, &may, FAULTS[i].name, 1);
      assert_int_equal(faults_hits(), 3);
    }
  }
  faults_reset();
  all_is_well();
}

/* libuv keeps two descriptors of its own from the first loop on. */
static int warm_up(void **state) {
  (void)state;
  uv_loop_t loop;
  return uv_loop_init(&loop) != 0 || uv_loop_close(&loop) != 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(leaks_are_seen),
      FAULT_TEST(nothing_fails),
      FAULT_TEST(each_system_call_fails),
      FAULT_TEST(each_allocation_fails),
      FAULT_TEST(each_write_of_a_heartbeat_fails),
      FAULT_TEST(a_slow_reader_with_faults),
      FAULT_TEST(writes_take_one_byte),
      FAULT_TEST(writes_take_what_they_like),
      FAULT_TEST(a_storm_of_faults),
      FAULT_TEST(a_thread_that_cannot_start),
  };
  if (more_storms() != NULL) cmocka_set_test_filter("a_storm_*");
  return cmocka_run_group_tests(tests, warm_up, NULL);
}
