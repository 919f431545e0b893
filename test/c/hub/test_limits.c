/* test_limits.c - the slow-reader decision, and the texts of errors and
 * reasons, at their edges. */
#include "hub/limits.h"

#include "hub/errors.h"
#include "hub/reason.h"
#include "testing.h"

static void at_the_soft_limit_nobody_is_slow(void **state) {
  (void)state;
  assert_false(sse_limits_is_slow(1000, 0, UINT64_MAX));
  assert_false(sse_limits_is_slow(1000, 1000, UINT64_MAX));
  assert_false(sse_limits_is_slow(0, 0, UINT64_MAX));
}

static void over_it_a_stall_decides(void **state) {
  (void)state;
  assert_false(sse_limits_is_slow(1000, 1001, 0));
  assert_false(sse_limits_is_slow(1000, 1001, SSE_STALL_US - 1));
  assert_true(sse_limits_is_slow(1000, 1001, SSE_STALL_US));
  assert_true(sse_limits_is_slow(0, 1, SSE_STALL_US));
}

static void over_sixteen_times_it_nothing_else_does(void **state) {
  (void)state;
  assert_false(sse_limits_is_slow(1000, 16000, 0));
  assert_true(sse_limits_is_slow(1000, 16016, 0));
}

/* "More than 16 times", to the byte. */
static void the_hard_limit_is_exact(void **state) {
  (void)state;
  assert_true(sse_limits_is_slow(1000, 16001, 0));
  assert_false(sse_limits_is_slow(0, 0, 0));
  assert_true(sse_limits_is_slow(0, 1, 0));
}

static void huge_limits_do_not_overflow(void **state) {
  (void)state;
  assert_false(sse_limits_is_slow(SIZE_MAX, SIZE_MAX, UINT64_MAX));
  assert_false(sse_limits_is_slow(SIZE_MAX / 2, SIZE_MAX, 0));
  assert_true(sse_limits_is_slow(SIZE_MAX / 2, SIZE_MAX, SSE_STALL_US));
}

static void every_error_has_a_text(void **state) {
  (void)state;
  assert_string_equal(sse_strerror(SSE_ENOMEM), "out of memory");
  assert_string_equal(sse_strerror(SSE_ESTOPPED), "stopped");
  assert_string_equal(sse_strerror(-1000), "unknown error");
#define X(name, number, text)     \
  assert_int_equal(name, number); \
  assert_true(name < 0);          \
  assert_string_equal(sse_strerror(number), text);
  SSE_ERRORS(X)
#undef X
}

static void every_reason_has_a_name(void **state) {
  (void)state;
  for (int i = 0; i < SSE_REASON_COUNT; i++) {
    const char *name = sse_reason_name((sse_reason_t)i);
    for (int j = 0; j < i; j++)
      assert_string_not_equal(name, sse_reason_name((sse_reason_t)j));
  }
  assert_string_equal(sse_reason_name(SSE_REASON_SLOW_READER), "slow_reader");
  assert_string_equal(sse_reason_name(SSE_REASON_COUNT), "error");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(at_the_soft_limit_nobody_is_slow),
      cmocka_unit_test(over_it_a_stall_decides),
      cmocka_unit_test(over_sixteen_times_it_nothing_else_does),
      cmocka_unit_test(the_hard_limit_is_exact),
      cmocka_unit_test(huge_limits_do_not_overflow),
      cmocka_unit_test(every_error_has_a_text),
      cmocka_unit_test(every_reason_has_a_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
