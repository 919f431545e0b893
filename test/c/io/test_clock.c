/* test_clock.c - csrc/io/clock.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>

#include "io/clock.h"

static void never_goes_back(void **state) {
  (void)state;
  sse_clock_t clock = sse_clock_start();
  uint64_t before = sse_clock_now(&clock);
  for (int i = 0; i < 100000; i++) {
    uint64_t now = sse_clock_now(&clock);
    assert_true(now >= before);
    before = now;
  }
}

static void starts_at_the_wall_clock(void **state) {
  (void)state;
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  sse_clock_t clock = sse_clock_start();
  uint64_t expected = (uint64_t)wall.tv_sec * 1000000 + (uint64_t)wall.tv_nsec / 1000;
  uint64_t now = sse_clock_now(&clock);
  assert_true(now >= expected);
  /* Microseconds, and an id that JSON can hold. */
  assert_true(now / 1000000 - (uint64_t)wall.tv_sec < 3600);
  assert_true(now < (UINT64_C(1) << 53));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(never_goes_back),
      cmocka_unit_test(starts_at_the_wall_clock),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
