/* test_hub_ticks.c - what time does to a hub: how often it wants to be told, and
 * heartbeats for idle clients alone, spread. */
#include "fake_hub.h"

#define SECOND UINT64_C(1000000)

static fake_hub_t fake;
static sse_hub_config_t config;

static int setup(void **state) {
  (void)state;
  config = fake_config();
  fake_init(&fake, &config);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  fake_deinit(&fake);
  return 0;
}

static fake_client_t *join(sse_handle_t handle, const char *names) {
  return fake_attach(&fake, handle, SSE_CURSOR_NONE, UINT64_MAX, names);
}

static void flush(void) {
  sse_hub_flush(fake.hub);
}

static void assert_closed(const fake_client_t *client, sse_reason_t reason) {
  assert_true(client->is_closed);
  assert_string_equal(sse_reason_name(client->reason), sse_reason_name(reason));
}

static void tick_intervals(void **state) {
  (void)state;
  assert_int_equal(sse_hub_tick_interval(fake.hub), SECOND);
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  fake_publish(&fake, 2000, "a");
  flush();
  assert_true(sse_hub_tick_interval(fake.hub) <= SECOND / 4);
  fake_unblock(&fake, client, FAKE_UNLIMITED);
  assert_int_equal(sse_hub_tick_interval(fake.hub), SECOND);
}

static void with_heartbeat(uint64_t interval) {
  config.heartbeat_us = interval;
  fake_deinit(&fake);
  fake_init(&fake, &config);
}

static void an_idle_client_gets_a_comment(void **state) {
  (void)state;
  with_heartbeat(30 * SECOND);
  fake_client_t *client = join(1, "a");
  uint64_t step = sse_hub_tick_interval(fake.hub), waited = 0;
  assert_in_range(step, 1, SECOND);
  for (; client->parser.n_comments == 0; waited += step)
    fake_pass(&fake, step);
  assert_in_range(waited, 30 * SECOND, 30 * SECOND * 5 / 4 + 2 * step);
  assert_string_equal(fake_ids(client), "");
  assert_int_equal(client->parser.n_events, 1);
  assert_int_equal(client->bytes[client->len - 1], '\n');
  assert_int_equal(sse_hub_counters(fake.hub).delivered, 0);
  /* And from then on once an interval. */
  for (waited = 0; client->parser.n_comments == 1; waited += step)
    fake_pass(&fake, step);
  assert_in_range(waited, 30 * SECOND - step, 30 * SECOND + 2 * step);
}

static void a_busy_client_gets_none(void **state) {
  (void)state;
  with_heartbeat(30 * SECOND);
  fake_client_t *busy = join(1, "a"), *idle = join(2, "b");
  for (uint64_t i = 0; i < 20; i++) {
    fake_publish(&fake, 2000 + i, "a");
    flush();
    fake_pass(&fake, 29 * SECOND);
  }
  assert_int_equal(busy->parser.n_comments, 0);
  assert_true(idle->parser.n_comments >= 10);
}

static void a_full_client_gets_none_on_top(void **state) {
  (void)state;
  with_heartbeat(SECOND);
  fake_client_t *client = join(1, "a");
  client->budget = 5;
  fake_publish_sized(&fake, 2000, "a", 40);
  flush();
  for (int i = 0; i < 100; i++)
    fake_pass(&fake, SECOND);
  fake_unblock(&fake, client, FAKE_UNLIMITED);
  assert_string_equal(fake_ids(client), "2000");
  assert_int_equal(client->parser.n_comments, 0);
}

static void a_closing_client_gets_none(void **state) {
  (void)state;
  with_heartbeat(SECOND / 2);
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  fake_publish(&fake, 2000, "a");
  sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, NULL);
  flush();
  fake_pass(&fake, SECOND - 1);
  fake_unblock(&fake, client, FAKE_UNLIMITED);
  assert_closed(client, SSE_REASON_SERVER);
  assert_int_equal(client->parser.n_comments, 0);
}

/* 10,000 clients get one event at one moment; their heartbeats do not come at
 * one moment, nor in any tick more than a few percent of them. */
static void a_broadcast_does_not_align_heartbeats(void **state) {
  (void)state;
  enum { N = 10000 };
  with_heartbeat(30 * SECOND);
  for (sse_handle_t h = 1; h <= N; h++)
    join(h, "a");
  for (uint64_t round = 0; round < 2; round++) {
    fake_publish(&fake, 2000 + round, "a");
    flush();
    size_t before = 0, most = 0, total = 0;
    for (size_t i = 0; i < N; i++)
      before += fake.clients[i]->parser.n_comments;
    uint64_t step = sse_hub_tick_interval(fake.hub);
    for (uint64_t waited = 0; waited < 38 * SECOND + step; waited += step) {
      fake_pass(&fake, step);
      size_t now = 0;
      for (size_t i = 0; i < N; i++)
        now += fake.clients[i]->parser.n_comments;
      if (now - before - total > most) most = now - before - total;
      total = now - before;
    }
    assert_true(total >= N);
    assert_true(most <= N * 7 / 100);
  }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(tick_intervals),
      TEST(an_idle_client_gets_a_comment),
      TEST(a_busy_client_gets_none),
      TEST(a_full_client_gets_none_on_top),
      TEST(a_closing_client_gets_none),
      TEST(a_broadcast_does_not_align_heartbeats),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
