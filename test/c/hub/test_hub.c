/* test_hub.c - the commands on clients that are attached: publish, direct,
 * subscribe, detach, hangup, and the counters. */
#include "fake_hub.h"

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

static fake_client_t *join_keys(sse_handle_t handle, const sse_key_t *keys, size_t n) {
  sse_attach_t attach = {handle,
                         &fake,
                         keys,
                         n,
                         SSE_CURSOR_NONE,
                         UINT64_MAX,
                         sse_span_cstr("{\"clientId\":\"c\""),
                         SSE_NO_RETRY,
                         {0}};
  assert_int_equal(sse_hub_attach(fake.hub, &attach), 0);
  return fake_client(&fake, handle);
}

static void publish_keys(uint64_t id, const sse_key_t *keys, size_t n) {
  sse_frame_t *frame = fake_frame(id, "x");
  assert_int_equal(sse_hub_publish(fake.hub, frame, keys, n), 0);
  sse_frame_unref(frame);
}

static void flush(void) {
  sse_hub_flush(fake.hub);
}

/* ---- publish ---- */

static void to_subscribers_alone_and_in_order(void **state) {
  (void)state;
  fake_client_t *a = join(1, "a"), *ab = join(2, "a,b"), *none = join(3, "");
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2001, "b");
  fake_publish(&fake, 2002, "c");
  fake_publish(&fake, 2003, "a");
  flush();
  assert_string_equal(fake_ids(a), "2000,2003");
  assert_string_equal(fake_ids(ab), "2000,2001,2003");
  assert_string_equal(fake_ids(none), "");
  assert_true(fake_text_contains(a->parser.events[1].data, "{\"id\":2000,\"text\":\"a\"}"));
}

static void bytes_move_in_the_flush_alone(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  size_t writes = client->n_writes;
  for (uint64_t id = 2000; id < 2100; id++)
    fake_publish(&fake, id, "a");
  assert_int_equal(client->n_writes, writes);
  flush();
  assert_int_equal(client->n_writes, writes + 1); /* one gathered write */
  assert_int_equal(client->most_frames, 100);
  flush();
  assert_int_equal(client->n_writes, writes + 1);
}

static void many_keys_reach_a_client_once(void **state) {
  (void)state;
  fake_client_t *all = join(1, "a,b,c"), *c = join(2, "c"), *d = join(3, "d");
  fake_publish(&fake, 2000, "a,b,c");
  fake_publish(&fake, 2001, "b,c,d");
  flush();
  assert_string_equal(fake_ids(all), "2000,2001");
  assert_string_equal(fake_ids(c), "2000,2001");
  assert_string_equal(fake_ids(d), "2001");
  assert_int_equal(sse_hub_counters(fake.hub).delivered, 5);
}

static void an_id_is_never_sent_twice(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a,b");
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2000, "b");
  fake_publish(&fake, 1999, "a");
  flush();
  assert_string_equal(fake_ids(client), "2000");
}

/* Newest at the attach is decided on: what was before is not sent later. */
static void the_cursor_starts_at_newest(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  fake_client_t *client = join(1, "b");
  fake_publish(&fake, 1500, "b");
  fake_publish(&fake, 2000, "b");
  fake_publish(&fake, 2001, "b");
  flush();
  assert_string_equal(fake_ids(client), "2001");
}

/* One name in every scope and under several owners: five keys, six clients. */
static void scopes_and_owners_are_worlds(void **state) {
  (void)state;
  sse_key_t keys[] = {
      fake_key(SSE_SCOPE_CHANNEL, "", "x"),        fake_key(SSE_SCOPE_USER, "", "x"),
      fake_key(SSE_SCOPE_USER, "issuer", "x"),     fake_key(SSE_SCOPE_TOPIC, "", "x"),
      fake_key(SSE_SCOPE_TENANT, "", "x"),         fake_key(SSE_SCOPE_TENANT_TOPIC, "t1", "x"),
      fake_key(SSE_SCOPE_TENANT_TOPIC, "t2", "x"), fake_key(SSE_SCOPE_TENANT_TOPIC, "t1x", ""),
  };
  fake_client_t *clients[COUNT_OF(keys)];
  for (size_t i = 0; i < COUNT_OF(keys); i++)
    clients[i] = join_keys(i + 1, &keys[i], 1);
  for (size_t i = 0; i < COUNT_OF(keys); i++)
    publish_keys(2000 + i, &keys[i], 1);
  flush();
  for (size_t i = 0; i < COUNT_OF(keys); i++) {
    char expected[16];
    snprintf(expected, sizeof(expected), "%zu", 2000 + i);
    assert_string_equal(fake_ids(clients[i]), expected);
  }
}

static void no_keys_raise_newest_alone(void **state) {
  (void)state;
  publish_keys(2000, NULL, 0);
  assert_int_equal(fake_connected_id(join(1, "a")), 2000);
  assert_int_equal(sse_hub_counters(fake.hub).rings, 0);
}

/* ---- subscribe, unsubscribe ---- */

static void subscribing_is_live_without_replay(void **state) {
  (void)state;
  sse_key_t b = fake_channel("b");
  fake_client_t *client = join(1, "a");
  fake_publish(&fake, 2000, "b");
  assert_int_equal(sse_hub_subscribe(fake.hub, 1, &b), 0);
  assert_int_equal(sse_hub_subscribe(fake.hub, 1, &b), SSE_EEXIST);
  assert_int_equal(sse_hub_subscribe(fake.hub, 9, &b), SSE_ENOENT);
  fake_publish(&fake, 2001, "b");
  assert_int_equal(sse_hub_unsubscribe(fake.hub, 1, &b), 0);
  assert_int_equal(sse_hub_unsubscribe(fake.hub, 1, &b), SSE_ENOENT);
  assert_int_equal(sse_hub_unsubscribe(fake.hub, 9, &b), SSE_ENOENT);
  fake_publish(&fake, 2002, "b");
  fake_publish(&fake, 2003, "a");
  flush();
  assert_string_equal(fake_ids(client), "2001,2003");
}

static void subscribing_alone_makes_no_ring(void **state) {
  (void)state;
  sse_key_t b = fake_channel("b");
  join(1, "a");
  assert_int_equal(sse_hub_subscribe(fake.hub, 1, &b), 0);
  assert_int_equal(sse_hub_counters(fake.hub).rings, 0);
  fake_publish(&fake, 2000, "b");
  assert_int_equal(sse_hub_counters(fake.hub).rings, 1);
}

static void many_subscriptions(void **state) {
  (void)state;
  fake_client_t *client = join(1, "");
  char name[16];
  for (int i = 0; i < 100; i++) {
    snprintf(name, sizeof(name), "k%d", i);
    sse_key_t key = fake_channel(name);
    assert_int_equal(sse_hub_subscribe(fake.hub, 1, &key), 0);
  }
  for (int i = 0; i < 100; i += 2) {
    snprintf(name, sizeof(name), "k%d", i);
    sse_key_t key = fake_channel(name);
    assert_int_equal(sse_hub_unsubscribe(fake.hub, 1, &key), 0);
  }
  for (int i = 0; i < 100; i++) {
    snprintf(name, sizeof(name), "k%d", i);
    fake_publish(&fake, 2000 + (uint64_t)i, name);
  }
  flush();
  assert_int_equal(fake_count(client, "t"), 50);
}

/* ---- direct ---- */

static void direct_to_a_client(void **state) {
  (void)state;
  fake_client_t *one = join(1, "a"), *two = join(2, "a");
  sse_frame_t *frame = fake_frame(0, "direct");
  assert_int_equal(sse_hub_direct_client(fake.hub, 1, frame), 0);
  assert_int_equal(sse_hub_direct_client(fake.hub, 9, frame), SSE_ENOENT);
  sse_frame_unref(frame);
  flush();
  assert_int_equal(fake_count(one, "t"), 1);
  assert_int_equal(fake_count(two, "t"), 0);
  assert_int_equal(sse_hub_counters(fake.hub).rings, 0);
}

static void a_direct_id_obeys_and_moves_the_cursor(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  sse_frame_t *frames[] = {fake_frame(2000, "x"), fake_frame(2000, "y"), fake_frame(1999, "z")};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(sse_hub_direct_client(fake.hub, 1, frames[i]), 0);
    sse_frame_unref(frames[i]);
  }
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2001, "a");
  flush();
  assert_string_equal(fake_ids(client), "2000,2001");
}

static void direct_to_a_user(void **state) {
  (void)state;
  sse_key_t ann = fake_key(SSE_SCOPE_USER, "iss", "ann"),
            bob = fake_key(SSE_SCOPE_USER, "iss", "bob");
  fake_client_t *one = join_keys(1, &ann, 1), *two = join_keys(2, &ann, 1);
  fake_client_t *other = join_keys(3, &bob, 1);
  sse_frame_t *frame = fake_frame(0, "direct");
  assert_int_equal(sse_hub_direct_user(fake.hub, &ann, frame), 0);
  flush();
  assert_int_equal(fake_count(one, "t") + fake_count(two, "t"), 2);
  assert_int_equal(fake_count(other, "t"), 0);
  sse_hub_detach(fake.hub, 3, SSE_REASON_SERVER, NULL);
  assert_int_equal(sse_hub_direct_user(fake.hub, &bob, frame), SSE_ENOENT);
  sse_frame_unref(frame);
}

/* ---- detach, hangup, free ---- */

static void a_detached_client_gets_everything_first(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  fake_publish(&fake, 2000, "a");
  sse_frame_t *last = fake_frame(0, "last"), *later = fake_frame(0, "later");
  assert_int_equal(sse_hub_detach(fake.hub, 1, SSE_REASON_MAX_AGE, last), 0);
  assert_int_equal(sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, later), 0); /* once only */
  sse_frame_unref(last);
  fake_publish(&fake, 2001, "a"); /* too late */
  assert_int_equal(sse_hub_direct_client(fake.hub, 1, later), SSE_ENOENT);
  sse_key_t b = fake_channel("b");
  assert_int_equal(sse_hub_subscribe(fake.hub, 1, &b), SSE_ENOENT);
  assert_int_equal(sse_hub_unsubscribe(fake.hub, 1, &b), SSE_ENOENT);
  sse_frame_unref(later);
  assert_false(client->is_closed);
  flush();
  assert_true(client->is_closed && client->reason == SSE_REASON_MAX_AGE);
  assert_string_equal(fake_ids(client), "2000");
  const spec_event_t *end = &client->parser.events[client->parser.n_events - 1];
  assert_true(fake_text_contains(end->data, "last"));
  assert_int_equal(sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, NULL), SSE_ENOENT);
  assert_int_equal(sse_hub_counters(fake.hub).clients, 0);
}

static void detach_before_the_first_flush(void **state) {
  (void)state;
  sse_key_t key = fake_channel("a");
  fake_client_t *client = join_keys(1, &key, 1);
  sse_hub_detach(fake.hub, 1, SSE_REASON_TOKEN_EXPIRED, NULL);
  flush();
  assert_true(client->is_closed && client->reason == SSE_REASON_TOKEN_EXPIRED);
  fake_connected(client);
}

static void every_reason_arrives(void **state) {
  (void)state;
  for (int reason = 0; reason < SSE_REASON_COUNT; reason++) {
    sse_handle_t handle = 10 + (sse_handle_t)reason;
    fake_client_t *one = join(handle, "a"), *two = join(handle + 100, "a");
    sse_hub_detach(fake.hub, handle, (sse_reason_t)reason, NULL);
    sse_hub_hangup(fake.hub, handle + 100, (sse_reason_t)reason);
    flush();
    assert_true(one->is_closed && (int)one->reason == reason);
    assert_true(two->is_closed && (int)two->reason == reason);
  }
}

static void a_hangup_forgets_without_writing(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  fake_publish(&fake, 2000, "a");
  size_t writes = client->n_writes;
  sse_hub_hangup(fake.hub, 1, SSE_REASON_CLIENT);
  sse_hub_hangup(fake.hub, 1, SSE_REASON_RESET); /* the first word counts */
  sse_hub_hangup(fake.hub, 9, SSE_REASON_RESET);
  sse_hub_writable(fake.hub, 9);
  assert_false(client->is_closed);
  fake_publish(&fake, 2001, "a");
  flush();
  assert_true(client->is_closed && client->reason == SSE_REASON_CLIENT);
  assert_int_equal(client->n_writes, writes);
}

/* The reason that was given stays, whoever is first after it. */
static void a_hangup_while_closing(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, NULL);
  sse_hub_hangup(fake.hub, 1, SSE_REASON_CLIENT);
  flush();
  assert_true(client->is_closed && client->reason == SSE_REASON_SERVER);
}

static void a_hangup_before_a_detach(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  sse_hub_hangup(fake.hub, 1, SSE_REASON_CLIENT);
  sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, NULL);
  flush();
  assert_true(client->is_closed && client->reason == SSE_REASON_CLIENT);
}

static void freeing_closes_everyone(void **state) {
  (void)state;
  for (sse_handle_t h = 1; h <= 50; h++)
    join(h, "a,b");
  fake_publish(&fake, 2000, "a"); /* queued, and dropped */
  fake_client(&fake, 3)->budget = 0;
  sse_hub_flush(fake.hub);
  sse_hub_free(fake.hub);
  fake.hub = NULL;
  for (sse_handle_t h = 1; h <= 50; h++) {
    assert_true(fake_client(&fake, h)->is_closed);
    assert_int_equal(fake_client(&fake, h)->reason, SSE_REASON_SHUTDOWN);
  }
}

/* ---- counters, wants_flush, time ---- */

static void counters(void **state) {
  (void)state;
  assert_int_equal(sse_hub_counters(fake.hub).clients, 0);
  join(1, "a");
  join(2, "a,b");
  assert_int_equal(sse_hub_counters(fake.hub).clients, 2);
  assert_int_equal(sse_hub_counters(fake.hub).delivered, 0); /* connected is none */
  fake_publish(&fake, 2000, "a");
  assert_int_equal(sse_hub_counters(fake.hub).delivered, 0);
  flush();
  assert_int_equal(sse_hub_counters(fake.hub).delivered, 2);
  fake_attach(&fake, 3, SSE_CURSOR_ID, 1000, "a");
  assert_int_equal(sse_hub_counters(fake.hub).delivered, 3);
  assert_int_equal(sse_hub_counters(fake.hub).rings, 1);
  fake_client(&fake, 1)->budget = 10; /* half an event is none */
  fake_publish(&fake, 2001, "a");
  flush();
  assert_int_equal(sse_hub_counters(fake.hub).delivered, 5);
  fake_unblock(&fake, fake_client(&fake, 1), FAKE_UNLIMITED);
  assert_int_equal(sse_hub_counters(fake.hub).delivered, 6);
  sse_hub_hangup(fake.hub, 1, SSE_REASON_CLIENT);
  flush();
  assert_int_equal(sse_hub_counters(fake.hub).clients, 2);
}

static void a_long_drain_wants_a_flush(void **state) {
  (void)state;
  join(1, "a");
  assert_false(sse_hub_wants_flush(fake.hub));
  for (uint64_t id = 2000; id < 2255; id++)
    fake_publish_sized(&fake, id, "a", 1024);
  assert_false(sse_hub_wants_flush(fake.hub));
  fake_publish_sized(&fake, 2255, "a", 1024);
  assert_true(sse_hub_wants_flush(fake.hub));
  flush();
  assert_false(sse_hub_wants_flush(fake.hub));
}

static void now_never_goes_back(void **state) {
  (void)state;
  config.history_ttl_us = 500;
  fake_deinit(&fake);
  fake_init(&fake, &config);
  sse_hub_tick(fake.hub, 5000);
  sse_hub_tick(fake.hub, 2000);
  sse_hub_advance(fake.hub, 1000);
  /* The floor of a bare key is still now - ttl = 4500. */
  fake_publish(&fake, 4800, "a");
  assert_false(fake_recovered(fake_attach(&fake, 1, SSE_CURSOR_ID, 4499, "z")));
  assert_true(fake_recovered(fake_attach(&fake, 2, SSE_CURSOR_ID, 4500, "z")));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(to_subscribers_alone_and_in_order),
      TEST(bytes_move_in_the_flush_alone),
      TEST(many_keys_reach_a_client_once),
      TEST(an_id_is_never_sent_twice),
      TEST(the_cursor_starts_at_newest),
      TEST(scopes_and_owners_are_worlds),
      TEST(no_keys_raise_newest_alone),
      TEST(subscribing_is_live_without_replay),
      TEST(subscribing_alone_makes_no_ring),
      TEST(many_subscriptions),
      TEST(direct_to_a_client),
      TEST(a_direct_id_obeys_and_moves_the_cursor),
      TEST(direct_to_a_user),
      TEST(a_detached_client_gets_everything_first),
      TEST(detach_before_the_first_flush),
      TEST(every_reason_arrives),
      TEST(a_hangup_forgets_without_writing),
      TEST(a_hangup_while_closing),
      TEST(a_hangup_before_a_detach),
      TEST(freeing_closes_everyone),
      TEST(counters),
      TEST(a_long_drain_wants_a_flush),
      TEST(now_never_goes_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
