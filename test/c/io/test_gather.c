/* test_gather.c - csrc/io/gather.c: which frames are copied together, and when. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "hub/mem.h"
#include "io/gather.h"

static sse_frame_t *frame_of(uint64_t id, const char *text) {
  return sse_frame_from_bytes(id, sse_span_cstr(text));
}

static void free_all(sse_frame_t **frames, size_t n) {
  for (size_t i = 0; i < n; i++)
    sse_frame_unref(frames[i]);
}

static bool gives(sse_gather_t *gather, sse_frame_t *const *frames, size_t n, const char *text) {
  size_t len = 0;
  const char *bytes = sse_gather(gather, frames, n, &len);
  return bytes != NULL && len == strlen(text) && memcmp(bytes, text, len) == 0;
}

static void copies_what_is_wanted_twice_in_a_row(void **state) {
  (void)state;
  sse_gather_t gather;
  size_t len = 0;
  sse_gather_init(&gather);
  sse_frame_t *frames[] = {frame_of(1, "a"), frame_of(2, "bb"), frame_of(3, "ccc")};
  assert_null(sse_gather(&gather, frames, 3, &len));
  for (int i = 0; i < 3; i++)
    assert_true(gives(&gather, frames, 3, "abbccc"));
  /* A part, or another order, is something else. */
  assert_null(sse_gather(&gather, frames, 2, &len));
  assert_true(gives(&gather, frames, 2, "abb"));
  sse_frame_t *turned[] = {frames[1], frames[0]};
  assert_null(sse_gather(&gather, turned, 2, &len));
  assert_true(gives(&gather, turned, 2, "bba"));
  assert_null(sse_gather(&gather, frames, 3, &len));
  assert_true(gives(&gather, frames, 3, "abbccc"));
  assert_null(sse_gather(&gather, frames, 0, &len));
  assert_null(sse_gather(&gather, frames, 0, &len));
  free_all(frames, 3);
  sse_gather_deinit(&gather);
}

/* The allocator may give a new frame the place of one that is gone. */
static void does_not_take_a_frame_for_one_that_was_at_its_address(void **state) {
  (void)state;
  sse_gather_t gather;
  size_t len = 0;
  sse_gather_init(&gather);
  sse_frame_t *frame = frame_of(1, "old");
  assert_null(sse_gather(&gather, &frame, 1, &len));
  assert_true(gives(&gather, &frame, 1, "old"));
  frame->id = 2;
  memcpy(frame->bytes, "new", 3);
  assert_null(sse_gather(&gather, &frame, 1, &len));
  assert_true(gives(&gather, &frame, 1, "new"));
  sse_frame_unref(frame);
  sse_gather_deinit(&gather);
}

static void leaves_alone_what_has_no_id_or_is_too_much(void **state) {
  (void)state;
  static char large[SSE_GATHER_MAX_BYTES];
  static sse_frame_t *many[SSE_GATHER_MAX_FRAMES + 1];
  sse_gather_t gather;
  size_t len = 0;
  sse_gather_init(&gather);
  sse_frame_t *control[] = {frame_of(1, "a"), frame_of(0, "b")};
  sse_frame_t *too_large[] = {sse_frame_from_bytes(1, sse_span(large, sizeof(large))),
                              frame_of(2, "b")};
  for (size_t i = 0; i <= SSE_GATHER_MAX_FRAMES; i++)
    many[i] = frame_of(i + 1, "x");
  for (int i = 0; i < 3; i++) {
    assert_null(sse_gather(&gather, control, 2, &len));
    assert_null(sse_gather(&gather, too_large, 2, &len));
    assert_null(sse_gather(&gather, many, SSE_GATHER_MAX_FRAMES + 1, &len));
  }
  for (int i = 0; i < 3; i++)
    assert_null(sse_gather(&gather, control, 2, &len));
  /* The limits themselves are allowed. */
  assert_null(sse_gather(&gather, too_large, 1, &len));
  assert_non_null(sse_gather(&gather, too_large, 1, &len));
  assert_int_equal(len, sizeof(large));
  assert_null(sse_gather(&gather, many, SSE_GATHER_MAX_FRAMES, &len));
  assert_non_null(sse_gather(&gather, many, SSE_GATHER_MAX_FRAMES, &len));
  assert_int_equal(len, SSE_GATHER_MAX_FRAMES);
  free_all(control, 2);
  free_all(too_large, 2);
  free_all(many, SSE_GATHER_MAX_FRAMES + 1);
  sse_gather_deinit(&gather);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(copies_what_is_wanted_twice_in_a_row),
      cmocka_unit_test(does_not_take_a_frame_for_one_that_was_at_its_address),
      cmocka_unit_test(leaves_alone_what_has_no_id_or_is_too_much),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
