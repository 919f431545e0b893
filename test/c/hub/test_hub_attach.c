/* test_hub_attach.c - joining a hub: the verdict on the cursor, `connected`,
 * and the replay. Birth is 1000 unless a test says otherwise. */
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

/* Starts again with the `config` that the test has changed. */
static void restart(void) {
  fake_deinit(&fake);
  fake_init(&fake, &config);
}

static fake_client_t *resume(sse_handle_t handle, uint64_t cursor, const char *names) {
  return fake_attach(&fake, handle, SSE_CURSOR_ID, cursor, names);
}

static void expect(const fake_client_t *client, bool recovered, uint64_t id, const char *ids) {
  assert_int_equal(fake_recovered(client), recovered);
  assert_int_equal(fake_connected_id(client), id);
  assert_string_equal(fake_ids(client), ids);
}

static bool says(const fake_client_t *client, const char *text) {
  return fake_text_contains(fake_connected(client)->data, text);
}

static void without_an_id(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  fake_client_t *client = fake_attach(&fake, 1, SSE_CURSOR_NONE, 2000, "a");
  expect(client, true, 2000, "");
  assert_true(spec_text_is(fake_connected(client)->data,
                           "{\"clientId\":\"c\",\"recovered\":true,\"lastEventId\":null}"));
  assert_false(client->parser.has_retry);
  fake_publish(&fake, 2001, "a");
  sse_hub_flush(fake.hub);
  assert_string_equal(fake_ids(client), "2001");
}

static void nothing_is_lost_since_the_slot_was_reserved(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2001, "a");
  fake_publish(&fake, 2002, "b");
  expect(fake_attach(&fake, 1, SSE_CURSOR_NONE, 2000, "a"), true, 0, "2001");
}

static void everything_after_the_id_is_replayed(void **state) {
  (void)state;
  for (uint64_t id = 2000; id < 2005; id++)
    fake_publish(&fake, id, "a");
  fake_client_t *client = resume(1, 2001, "a");
  expect(client, true, 0, "2002,2003,2004");
  assert_true(says(client, "\"lastEventId\":2001}"));
  expect(resume(2, 2004, "a"), true, 2004, "");
  expect(resume(3, 2004, "b"), true, 2004, "");
  expect(resume(4, 2002, ""), true, 2004, "");
}

/* An id between two events is as good as the one below it. */
static void ids_in_between(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2010, "a");
  expect(resume(1, 2005, "a"), true, 0, "2010");
}

static void the_birth_is_the_floor(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  expect(resume(1, 999, "a"), false, 0, "2000");
  expect(resume(2, 1000, "a"), true, 0, "2000");
  expect(resume(3, 999, "z"), false, 2000, "");
  expect(resume(4, 1000, "z"), true, 2000, "");
}

static void a_dropped_event_shows(void **state) {
  (void)state;
  for (uint64_t id = 2000; id < 2101; id++)
    fake_publish(&fake, id, "a"); /* 2000 goes */
  fake_client_t *client = resume(1, 1999, "a");
  assert_false(fake_recovered(client));
  assert_int_equal(fake_connected_id(client), 0);
  assert_int_equal(fake_count(client, "t"), 100);
  assert_true(fake_recovered(resume(2, 2000, "a")));
  assert_true(fake_recovered(resume(3, 1999, "b")));
}

static void one_incomplete_key_is_enough(void **state) {
  (void)state;
  for (uint64_t id = 2000; id < 2101; id++)
    fake_publish(&fake, id, "a");
  assert_false(fake_recovered(resume(1, 1999, "b,a,c")));
  assert_true(fake_recovered(resume(2, 1999, "b,c")));
}

static void an_id_of_the_future(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  fake_client_t *client = resume(1, 2001, "a");
  expect(client, false, 2000, "");
  assert_true(says(client, "\"lastEventId\":null}"));
  /* And it is live: the cursor came back to newest. */
  fake_publish(&fake, 2001, "a");
  sse_hub_flush(fake.hub);
  assert_string_equal(fake_ids(client), "2001");
  expect(resume(2, UINT64_MAX, "a"), false, 2001, "");
}

static void an_id_that_is_none(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2001, "a");
  fake_client_t *client = fake_attach(&fake, 1, SSE_CURSOR_BAD, 2000, "a");
  expect(client, false, 0, "2001");
  assert_true(says(client, "\"lastEventId\":null}"));
  expect(fake_attach(&fake, 2, SSE_CURSOR_BAD, 2001, "a"), false, 2001, "");
}

static void a_drop_before_the_first_event_resumes(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  fake_client_t *client = fake_attach(&fake, 1, SSE_CURSOR_NONE, 2000, "a");
  sse_hub_hangup(fake.hub, 1, SSE_REASON_RESET);
  fake_publish(&fake, 2001, "a");
  sse_hub_flush(fake.hub);
  expect(resume(2, spec_text_u64(client->parser.last_event_id), "a"), true, 0, "2001");
}

static void keys_are_merged_by_id(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2001, "b");
  fake_publish(&fake, 2002, "c");
  fake_publish(&fake, 2003, "a,b");
  fake_publish(&fake, 2004, "d");
  fake_publish(&fake, 2005, "c,b,a");
  fake_publish(&fake, 2006, "a");
  expect(resume(1, 2000, "a,b,c"), true, 0, "2001,2002,2003,2005,2006");
  expect(resume(2, 2000, "c"), true, 0, "2002,2005");
  expect(resume(3, 2003, "b,d"), true, 0, "2004,2005");
}

static void long_replays_arrive_whole(void **state) {
  (void)state;
  config.history_size = 2000;
  restart();
  for (uint64_t id = 2000; id < 4000; id++)
    fake_publish(&fake, id, id % 3 == 0 ? "a" : "b,a");
  fake_client_t *client = resume(1, 1999, "a,b");
  assert_true(fake_recovered(client));
  assert_int_equal(fake_count(client, "t"), 2000);
  assert_int_equal(sse_hub_counters(fake.hub).delivered, 2000);
}

static void live_events_follow_the_replay_once(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  sse_key_t key = fake_channel("a");
  sse_attach_t attach = {1,  &fake, &key, 1, SSE_CURSOR_ID, 1500, sse_span_cstr("{\"x\":1"),
                         99, {0}};
  assert_int_equal(sse_hub_attach(fake.hub, &attach), 0);
  fake_publish(&fake, 2001, "a");
  sse_hub_flush(fake.hub);
  fake_client_t *client = fake_client(&fake, 1);
  expect(client, true, 0, "2000,2001");
  assert_int_equal(client->n_writes, 1);
  assert_true(client->parser.has_retry && client->parser.retry == 99);
  assert_true(says(client, "{\"x\":1,\"recovered\":true,\"lastEventId\":1500}"));
}

static void the_opening_comes_before_everything(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  sse_key_t key = fake_channel("a");
  sse_attach_t attach = {.client = 1,
                         .endpoint = &fake,
                         .keys = &key,
                         .n_keys = 1,
                         .kind = SSE_CURSOR_ID,
                         .cursor = 1500,
                         .hello = sse_span_cstr("{\"x\":1"),
                         .retry = SSE_NO_RETRY,
                         .opening = sse_span_cstr(": ok\n")};
  assert_int_equal(sse_hub_attach(fake.hub, &attach), 0);
  sse_hub_flush(fake.hub);
  fake_client_t *client = fake_client(&fake, 1);
  expect(client, true, 0, "2000");
  assert_int_equal(client->n_writes, 1);
  assert_memory_equal(client->bytes, ": ok\nevent: connected\n", 22);
}

/* `connected` said `id: 2000`: what comes after it is not below. */
static void the_cursor_ends_at_newest(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  fake_client_t *client = resume(1, 1500, "b");
  expect(client, true, 2000, "");
  fake_publish(&fake, 1800, "b");
  sse_hub_flush(fake.hub);
  assert_string_equal(fake_ids(client), "");
}

static void a_refused_open_leaves_nothing(void **state) {
  (void)state;
  sse_key_t key = fake_channel("a");
  sse_attach_t attach = {
      1, &fake, &key, 1, SSE_CURSOR_NONE, 1000, sse_span_cstr("{\"x\":1"), SSE_NO_RETRY, {0}};
  fake.refuses_open = true;
  assert_int_equal(sse_hub_attach(fake.hub, &attach), SSE_EIO);
  assert_int_equal(fake.n_closed, 0);
  assert_int_equal(sse_hub_counters(fake.hub).clients, 0);
  assert_int_equal(sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, NULL), SSE_ENOENT);
  fake.refuses_open = false;
  assert_int_equal(sse_hub_attach(fake.hub, &attach), 0);
}

static void old_events_expire(void **state) {
  (void)state;
  config.history_ttl_us = 500;
  restart();
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2300, "a");
  fake_pass(&fake, 1600); /* now 2600: below 2100 is gone */
  expect(resume(1, 1999, "a"), false, 0, "2300");
  expect(resume(2, 2000, "a"), true, 0, "2300");
  expect(resume(3, 2099, "z"), false, 2300, ""); /* nobody can know */
  expect(resume(4, 2100, "z"), true, 2300, "");
  fake_pass(&fake, 1000);
  assert_int_equal(sse_hub_counters(fake.hub).rings, 0);
  expect(resume(5, 2300, "a"), false, 2300, "");
}

/* An attach between two ticks sees no event that is too old. */
static void expiry_does_not_wait_for_a_tick(void **state) {
  (void)state;
  config.history_ttl_us = 500;
  restart();
  fake_publish(&fake, 2000, "a");
  sse_hub_advance(fake.hub, 2600);
  expect(resume(1, 1999, "a"), false, 2000, "");
  expect(fake_attach(&fake, 2, SSE_CURSOR_NONE, 1999, "a"), true, 2000, "");
}

static void an_evicted_ring_shows(void **state) {
  (void)state;
  config.max_rings = 2;
  restart();
  fake_publish(&fake, 2000, "a");
  fake_publish(&fake, 2001, "b");
  fake_publish(&fake, 2002, "c"); /* a goes */
  assert_int_equal(sse_hub_counters(fake.hub).rings, 2);
  expect(resume(1, 1999, "a"), false, 2002, "");
  expect(resume(2, 2000, "a"), true, 2002, "");
  expect(resume(3, 1999, "b"), true, 0, "2001");
  expect(resume(4, 1999, "c"), false, 0, "2002"); /* made under the raised birth */
  /* A subscriber does not keep the ring of its key. */
  fake_publish(&fake, 2003, "d");
  expect(resume(5, 2000, "b"), false, 2003, "");
}

static void one_event_to_more_keys_than_rings(void **state) {
  (void)state;
  config.max_rings = 1;
  restart();
  fake_publish(&fake, 2000, "a,b,c");
  assert_int_equal(sse_hub_counters(fake.hub).rings, 1);
  for (sse_handle_t h = 1; h <= 3; h++) {
    static const char *const names[] = {"", "a", "b", "c"};
    fake_client_t *client = resume(h, 1999, names[h]);
    assert_true(!fake_recovered(client) || fake_count(client, "t") == 1);
  }
}

static void without_history_only_the_newest_recovers(void **state) {
  (void)state;
  config.history_size = 0;
  restart();
  fake_publish(&fake, 2000, "a");
  expect(resume(1, 1999, "a"), false, 2000, "");
  expect(resume(2, 2000, "a"), true, 2000, "");
  expect(resume(3, 1999, "b"), true, 2000, "");
}

static void stored_ids_are_known(void **state) {
  (void)state;
  config.newest = 5000;
  restart();
  expect(resume(1, 4000, "a"), true, 5000, "");
  expect(resume(2, 5001, "a"), false, 5000, "");
  config.newest = 0; /* below the birth: the birth counts */
  restart();
  expect(resume(1, 1000, "a"), true, 1000, "");
}

/* ---- hydrate ---- */

static int hydrate(const char *name, uint64_t floor, const uint64_t *ids, size_t n) {
  sse_frame_t *frames[8] = {NULL};
  sse_key_t key = fake_channel(name);
  for (size_t i = 0; i < n; i++)
    frames[i] = fake_frame(ids[i], name);
  int rc = sse_hub_hydrate(fake.hub, &key, frames, n, floor);
  for (size_t i = 0; i < n; i++)
    sse_frame_unref(frames[i]);
  return rc;
}

#define HYDRATE(name, floor, ...) \
  assert_int_equal(               \
      hydrate(name, floor, (uint64_t[]){__VA_ARGS__}, COUNT_OF(((uint64_t[]){__VA_ARGS__}))), 0)

/* From a log: what happened before this node's birth. */
static void hydrated_from_before_the_birth(void **state) {
  (void)state;
  HYDRATE("a", 500, 600, 700);
  expect(resume(1, 600, "a"), true, 0, "700");
  expect(resume(2, 499, "a"), false, 0, "600,700");
  fake_publish(&fake, 2000, "a");
  expect(resume(3, 500, "a"), true, 0, "600,700,2000");
  expect(resume(4, 600, "b"), false, 2000, "");
}

/* Peers choose the keys that are hydrated: those without events cost nobody his. */
static void hydrated_with_nothing(void **state) {
  (void)state;
  config.max_rings = 2;
  restart();
  fake_publish(&fake, 2000, "a");
  assert_int_equal(hydrate("x", 500, NULL, 0), 0);
  expect(resume(1, 500, "x"), true, 2000, "");
  for (int i = 0; i < 10; i++) {
    char name[2] = {(char)('k' + i), 0};
    assert_int_equal(hydrate(name, 500, NULL, 0), 0);
    expect(resume((sse_handle_t)(10 + i), 500, name), false, 2000, "");
  }
  assert_int_equal(sse_hub_counters(fake.hub).rings, 2);
  expect(resume(2, 1999, "a"), true, 0, "2000");
  /* It is the first to go. */
  fake_publish(&fake, 2001, "b");
  expect(resume(3, 1999, "a"), true, 0, "2000");
  expect(resume(4, 500, "x"), false, 2001, "");
}

static void hydrated_behind_live_events(void **state) {
  (void)state;
  fake_publish(&fake, 2000, "a");
  HYDRATE("a", 500, 600, 700);
  HYDRATE("a", 500, 600, 700);
  expect(resume(1, 500, "a"), true, 0, "600,700,2000");
}

static void hydrated_events_are_not_sent_to_live_clients(void **state) {
  (void)state;
  fake_client_t *client = fake_attach(&fake, 1, SSE_CURSOR_NONE, 1000, "a");
  HYDRATE("a", 500, 600, 700);
  sse_hub_flush(fake.hub);
  assert_string_equal(fake_ids(client), "");
}

static void hydrated_ids_raise_newest(void **state) {
  (void)state;
  HYDRATE("a", 500, 600, 1700);
  expect(resume(1, 1700, "a"), true, 1700, "");
  expect(resume(2, 1701, "a"), false, 1700, "");
}

/* From a file: the birth is the stored one, so that every stored ring has a
 * floor that is not below it. */
static void hydrated_from_after_the_birth(void **state) {
  (void)state;
  config.newest = 3000;
  restart();
  HYDRATE("a", 1000, 2000, 2500); /* never dropped anything */
  HYDRATE("b", 2100, 2200, 3000); /* dropped up to 2100     */
  HYDRATE("c", 2300, 2300);       /* holds nothing above it */
  expect(resume(1, 1500, "a"), true, 0, "2000,2500");
  expect(resume(2, 2100, "b"), true, 0, "2200,3000");
  expect(resume(3, 2000, "b"), false, 0, "2200,3000");
  expect(resume(4, 1500, "b"), false, 0, "2200,3000");
  assert_false(fake_recovered(resume(5, 2000, "c")));
  assert_true(fake_recovered(resume(6, 2300, "c")));
  assert_int_equal(hydrate("d", 2400, NULL, 0), 0); /* all of it was dropped */
  assert_false(fake_recovered(resume(7, 2399, "d")));
  assert_true(fake_recovered(resume(8, 2400, "d")));
}

static void hydrated_from_after_the_birth_behind_live_events(void **state) {
  (void)state;
  config.newest = 3000;
  restart();
  fake_publish(&fake, 3001, "a");
  HYDRATE("a", 2100, 2200, 3000);
  fake_client_t *client = resume(1, 2100, "a");
  expect(client, true, 0, "2200,3000,3001");
  expect(resume(2, 1500, "a"), false, 0, "2200,3000,3001");
}

/* ---- gap ---- */

static void a_gap_is_told_to_everyone(void **state) {
  (void)state;
  fake_client_t *live = fake_attach(&fake, 1, SSE_CURSOR_NONE, 1000, "a");
  fake_publish(&fake, 2000, "a");
  assert_int_equal(sse_hub_gap(fake.hub, 2500), 0);
  sse_hub_flush(fake.hub);
  assert_int_equal(fake_count(live, "gap"), 1);
  assert_false(live->parser.events[live->parser.n_events - 1].has_id);
  assert_int_equal(spec_text_u64(live->parser.last_event_id), 2000);
  expect(resume(2, 2000, "a"), false, 2500, "");
  expect(resume(3, 2500, "a"), true, 2500, "");
  expect(resume(4, 2499, "z"), false, 2500, "");
  expect(resume(5, 1999, "a"), false, 0, "2000"); /* what is held is still replayed */
  fake_publish(&fake, 3000, "a");
  sse_hub_flush(fake.hub);
  assert_string_equal(fake_ids(live), "2000,3000");
}

/* ---- ids past every ring ---- */

/* A client that was sent an id may come back with it: it is no id of the
 * future, since newest is the highest id seen. */
static void a_direct_id_may_come_back(void **state) {
  (void)state;
  fake_attach(&fake, 1, SSE_CURSOR_NONE, 1000, "a");
  sse_frame_t *frame = fake_frame(2000, "direct");
  assert_int_equal(sse_hub_direct_client(fake.hub, 1, frame), 0);
  sse_frame_unref(frame);
  sse_hub_flush(fake.hub);
  expect(resume(2, 2000, "a"), true, 2000, "");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(without_an_id),
      TEST(nothing_is_lost_since_the_slot_was_reserved),
      TEST(everything_after_the_id_is_replayed),
      TEST(ids_in_between),
      TEST(the_birth_is_the_floor),
      TEST(a_dropped_event_shows),
      TEST(one_incomplete_key_is_enough),
      TEST(an_id_of_the_future),
      TEST(an_id_that_is_none),
      TEST(a_drop_before_the_first_event_resumes),
      TEST(keys_are_merged_by_id),
      TEST(long_replays_arrive_whole),
      TEST(live_events_follow_the_replay_once),
      TEST(the_opening_comes_before_everything),
      TEST(the_cursor_ends_at_newest),
      TEST(a_refused_open_leaves_nothing),
      TEST(old_events_expire),
      TEST(expiry_does_not_wait_for_a_tick),
      TEST(an_evicted_ring_shows),
      TEST(one_event_to_more_keys_than_rings),
      TEST(without_history_only_the_newest_recovers),
      TEST(stored_ids_are_known),
      TEST(hydrated_from_before_the_birth),
      TEST(hydrated_with_nothing),
      TEST(hydrated_behind_live_events),
      TEST(hydrated_events_are_not_sent_to_live_clients),
      TEST(hydrated_ids_raise_newest),
      TEST(hydrated_from_after_the_birth),
      TEST(hydrated_from_after_the_birth_behind_live_events),
      TEST(a_gap_is_told_to_everyone),
      TEST(a_direct_id_may_come_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
