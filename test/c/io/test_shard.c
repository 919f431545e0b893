/* test_shard.c - csrc/io/shard.c without a thread: the posting thread drains,
 * and what a sink call posts waits for its turn. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "io/shard.h"

typedef struct {
  sse_shard_t shard;
  sse_clock_t clock;
  uint64_t last;
  char text[65536];
  size_t len;
  int depth;        /* of sink calls */
  int publish_more; /* events to publish from inside write */
  bool end_inside;  /* end the shard from inside write */
  int closed;
} fixture_t;

static sse_key_t key(void) {
  return sse_key((sse_seed_t){0, 0}, SSE_SCOPE_CHANNEL, sse_span("", 0), sse_span_cstr("a"));
}

static void publish(fixture_t *f, const char *data) {
  sse_event_t event = {++f->last, sse_span_cstr("t"), sse_span_cstr(data), SSE_NO_RETRY};
  sse_frame_t *frame = sse_frame_from_event(&event);
  sse_key_t k = key();
  sse_shard_post(&f->shard, sse_command_publish(frame, &k, 1));
  sse_frame_unref(frame);
}

static void *open_fake(void *ctx, sse_handle_t client, void *endpoint) {
  (void)ctx;
  (void)client;
  return endpoint;
}

static sse_sink_status_t write_fake(void *ctx, void *transport, sse_frame_t *const *frames,
                                    size_t n, size_t offset, size_t *taken) {
  fixture_t *f = ctx;
  (void)transport;
  assert_int_equal(f->depth++, 0); /* never re-entered */
  *taken = 0;
  for (size_t i = 0; i < n; i++) {
    size_t len = frames[i]->len - offset;
    memcpy(f->text + f->len, frames[i]->bytes + offset, len);
    f->len += len;
    *taken += len;
    offset = 0;
  }
  f->text[f->len] = '\0';
  while (f->publish_more > 0) {
    char data[32];
    snprintf(data, sizeof(data), "inner%d", f->publish_more--);
    publish(f, data);
  }
  if (f->end_inside) sse_shard_end(&f->shard);
  f->depth--;
  return SSE_SINK_DONE;
}

static size_t pending_fake(void *ctx, void *transport) {
  (void)ctx;
  (void)transport;
  return 0;
}

static void close_fake(void *ctx, void *transport, sse_handle_t client, sse_reason_t reason) {
  fixture_t *f = ctx;
  (void)transport;
  (void)client;
  (void)reason;
  f->closed++;
  publish(f, "from close"); /* user code may run here too */
}

static void init(fixture_t *f) {
  memset(f, 0, sizeof(*f));
  f->clock = sse_clock_start();
  f->last = sse_clock_now(&f->clock);
  sse_hub_config_t config = {
      .birth = f->last, .max_queued_bytes = 1 << 20, .history_size = 100, .max_rings = 10};
  sse_sink_t sink = {open_fake, write_fake, pending_fake, close_fake, f};
  assert_int_equal(sse_shard_init(&f->shard, &config, &sink, &f->clock), 0);
  sse_key_t k = key();
  sse_attach_t attach = {.client = 1,
                         .endpoint = f,
                         .keys = &k,
                         .n_keys = 1,
                         .cursor = f->last,
                         .hello = sse_span_cstr("{\"a\":1"),
                         .retry = SSE_NO_RETRY};
  sse_shard_post(&f->shard, sse_command_attach(&attach));
}

static void deinit(fixture_t *f) {
  sse_shard_end(&f->shard);
  sse_shard_end(&f->shard);
  sse_shard_deinit(&f->shard);
}

static void bytes_are_out_before_post_returns(void **state) {
  (void)state;
  fixture_t f;
  init(&f);
  assert_non_null(strstr(f.text, "event: connected\n"));
  publish(&f, "one");
  assert_non_null(strstr(f.text, "data: one\n\n"));
  deinit(&f);
  assert_int_equal(f.closed, 1);
}

static void a_publish_from_inside_write_comes_after(void **state) {
  (void)state;
  fixture_t f;
  init(&f);
  f.publish_more = 2;
  publish(&f, "outer");
  const char *outer = strstr(f.text, "data: outer\n");
  const char *inner2 = strstr(f.text, "data: inner2\n");
  const char *inner1 = strstr(f.text, "data: inner1\n");
  assert_true(outer != NULL && outer < inner2 && inner2 < inner1);
  deinit(&f);
}

static void an_end_from_inside_write_waits(void **state) {
  (void)state;
  fixture_t f;
  init(&f);
  f.end_inside = true;
  publish(&f, "last");
  assert_null(f.shard.hub);
  assert_int_equal(f.closed, 1);
  publish(&f, "too late"); /* nobody drains; freed with the mailbox */
  assert_null(strstr(f.text, "too late"));
  deinit(&f);
}

static void a_tick_of_an_ended_shard_is_nothing(void **state) {
  (void)state;
  fixture_t f;
  init(&f);
  sse_shard_tick(&f.shard);
  sse_shard_end(&f.shard);
  sse_shard_tick(&f.shard);
  sse_shard_drain(&f.shard);
  deinit(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_are_out_before_post_returns),
      cmocka_unit_test(a_publish_from_inside_write_comes_after),
      cmocka_unit_test(an_end_from_inside_write_waits),
      cmocka_unit_test(a_tick_of_an_ended_shard_is_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
