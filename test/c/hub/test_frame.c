/* test_frame.c - frames: contents, and who holds a reference. */
#include "hub/frame.h"

#include "hub/channel.h"
#include "hub/client.h"
#include "hub/ring.h"
#include "testing.h"

/* Without limits. */
static sse_budget_t budget = {.max_bytes = SIZE_MAX, .max_ring_bytes = SIZE_MAX};

static uint32_t refs(sse_frame_t *frame) {
  return atomic_load(&frame->refs);
}

static void contents(void **state) {
  (void)state;
  sse_event_t event = {7, sse_span_cstr("t"), sse_span_cstr("x"), SSE_NO_RETRY};
  sse_frame_t *frame = sse_frame_from_event(&event);
  assert_int_equal(frame->id, 7);
  assert_int_equal(frame->len, strlen("id: 7\nevent: t\ndata: x\n\n"));
  assert_memory_equal(frame->bytes, "id: 7\nevent: t\ndata: x\n\n", frame->len);
  sse_frame_unref(frame);
  frame = sse_frame_from_bytes(9, sse_span("a\0b", 3));
  assert_int_equal(frame->id, 9);
  assert_int_equal(frame->len, 3);
  assert_memory_equal(frame->bytes, "a\0b", 3);
  sse_frame_unref(frame);
  frame = sse_frame_from_bytes(0, sse_span(NULL, 0));
  assert_int_equal(frame->len, 0);
  sse_frame_unref(frame);
}

static void room_is_for_the_caller(void **state) {
  (void)state;
  sse_frame_t *frame = sse_frame_new(1, 100);
  assert_int_equal(frame->len, 100);
  memset(frame->bytes, 'x', 100);
  sse_frame_unref(frame);
  assert_null(sse_frame_new(1, SIZE_MAX));
}

static void counting(void **state) {
  (void)state;
  sse_frame_t *frame = sse_frame_new(1, 1);
  assert_int_equal(refs(frame), 1);
  assert_ptr_equal(sse_frame_ref(frame), frame);
  assert_int_equal(refs(frame), 2);
  sse_frame_unref(frame);
  assert_int_equal(refs(frame), 1);
  sse_frame_unref(frame);
  sse_frame_unref(NULL);
}

static void holders(void **state) {
  (void)state;
  sse_frame_t *frame = sse_frame_from_bytes(5, sse_span_cstr("abc"));
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 10, 0);
  assert_int_equal(sse_ring_push(&ring, frame), 0);
  assert_int_equal(refs(frame), 2);
  assert_int_equal(sse_ring_push(&ring, frame), 0); /* the same id: ignored */
  assert_int_equal(refs(frame), 2);
  sse_client_t *client = sse_client_new(1, 0);
  assert_int_equal(sse_client_push(client, frame), 0);
  assert_int_equal(sse_client_push(client, frame), 0);
  assert_int_equal(refs(frame), 4);
  sse_client_consume(client, 3);
  assert_int_equal(refs(frame), 3);
  sse_client_free(client);
  assert_int_equal(refs(frame), 2);
  sse_ring_deinit(&ring);
  assert_int_equal(refs(frame), 1);
  sse_frame_unref(frame);
}

static void many_references_at_once(void **state) {
  (void)state;
  sse_frame_t *frame = sse_frame_from_bytes(7, sse_span_cstr("x"));
  sse_frame_ref_many(frame, 1000);
  assert_int_equal(frame->refs, 1001);
  sse_frame_unref_many(frame, 400);
  sse_frame_unref_many(frame, 0);
  assert_int_equal(frame->refs, 601);
  for (int i = 0; i < 600; i++)
    sse_frame_unref(frame);
  assert_int_equal(frame->refs, 1);
  sse_frame_unref(frame);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(contents),
      cmocka_unit_test(room_is_for_the_caller),
      cmocka_unit_test(counting),
      cmocka_unit_test(holders),
      cmocka_unit_test(many_references_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
