/* test_hub_flow.c - how bytes flow: short writes, full and broken transports,
 * slow readers, closing through a full queue, and notes from inside a write.
 * The queue limit is 1000 bytes. */
#include "hub/limits.h"
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

/* Publishes `n` events of `size` bytes to "a" from id `id` on. */
static void publish_many(uint64_t id, size_t n, size_t size) {
  for (size_t i = 0; i < n; i++)
    fake_publish_sized(&fake, id + i, "a", size);
}

static void assert_closed(const fake_client_t *client, sse_reason_t reason) {
  assert_true(client->is_closed);
  assert_string_equal(sse_reason_name(client->reason), sse_reason_name(reason));
}

/* ---- writes ---- */

static void every_short_write_continues(void **state) {
  (void)state;
  sse_handle_t handle = 1;
  for (size_t budget = 0; budget <= 130; budget++, handle++) {
    fake_client_t *client = join(handle, "a");
    client->budget = budget;
    publish_many(2000 + handle * 10, 3, 40);
    flush();
    fake_unblock(&fake, client, 7);
    fake_unblock(&fake, client, 0);
    fake_unblock(&fake, client, FAKE_UNLIMITED);
    assert_int_equal(fake_count(client, "t"), 3);
    assert_int_equal(client->parser.n_ignored, 0);
    sse_hub_hangup(fake.hub, handle, SSE_REASON_CLIENT);
    flush();
  }
}

/* A sink that takes a part and is not full is asked again at once. */
static void partial_writes_that_are_not_full(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->chunk = 7;
  publish_many(2000, 10, 40);
  flush();
  assert_int_equal(fake_count(client, "t"), 10);
}

static void a_full_client_waits_and_is_left_alone(void **state) {
  (void)state;
  fake_client_t *full = join(1, "a"), *other = join(2, "a");
  full->budget = 0;
  publish_many(2000, 1, 40);
  flush();
  size_t writes = full->n_writes;
  publish_many(2001, 5, 40);
  flush();
  flush();
  assert_int_equal(full->n_writes, writes);
  assert_int_equal(fake_count(other, "t"), 6);
  fake_unblock(&fake, full, FAKE_UNLIMITED);
  assert_int_equal(fake_count(full, "t"), 6);
}

static void writable_without_being_blocked(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  size_t writes = client->n_writes;
  sse_hub_writable(fake.hub, 1);
  flush();
  assert_int_equal(client->n_writes, writes);
}

static void a_broken_transport_is_a_reset(void **state) {
  (void)state;
  fake_client_t *broken = join(1, "a"), *other = join(2, "a");
  broken->is_broken = true;
  fake_publish(&fake, 2000, "a");
  flush();
  assert_closed(broken, SSE_REASON_RESET);
  assert_string_equal(fake_ids(other), "2000");
  fake_publish(&fake, 2001, "a");
  flush();
  assert_string_equal(fake_ids(other), "2000,2001");
}

/* What a user writes through may be empty. */
static void empty_frames_are_harmless(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  sse_frame_t *empty = sse_frame_from_bytes(0, sse_span(NULL, 0));
  assert_int_equal(sse_hub_direct_client(fake.hub, 1, empty), 0);
  fake_publish(&fake, 2000, "a");
  assert_int_equal(sse_hub_direct_client(fake.hub, 1, empty), 0);
  flush();
  assert_string_equal(fake_ids(client), "2000");
  assert_int_equal(sse_hub_direct_client(fake.hub, 1, empty), 0);
  flush(); /* would spin: nothing to take, and nothing taken */
  assert_int_equal(sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, empty), 0);
  flush();
  assert_closed(client, SSE_REASON_SERVER);
  sse_frame_unref(empty);
}

/* ---- slow readers ---- */

static void over_the_limit_and_stalled(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  publish_many(2000, 1, 1001);
  flush();
  fake_stall(&fake, SECOND - 1);
  assert_false(client->is_closed);
  fake_pass(&fake, 1);
  assert_closed(client, SSE_REASON_SLOW_READER);
}

static void at_the_limit_it_may_stall_for_ever(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  publish_many(2000, 1, 1000);
  flush();
  for (int i = 0; i < 100; i++)
    fake_pass(&fake, SECOND);
  assert_false(client->is_closed);
  fake_unblock(&fake, client, FAKE_UNLIMITED);
  assert_string_equal(fake_ids(client), "2000");
}

/* It takes a byte now and then: the stall starts again each time. */
static void a_trickle_is_no_stall(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  publish_many(2000, 10, 500);
  flush();
  for (int i = 0; i < 20; i++) {
    fake_stall(&fake, SECOND - 1000);
    assert_false(client->is_closed);
    fake_unblock(&fake, client, 10);
  }
  fake_stall(&fake, SECOND);
  assert_closed(client, SSE_REASON_SLOW_READER);
}

/* Being told "writable" and taking no byte is a stall all the same. */
static void waking_up_for_nothing_is_a_stall(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  publish_many(2000, 10, 500);
  flush();
  for (int i = 0; i < 12; i++) {
    if (client->is_closed) break;
    fake_unblock(&fake, client, 0);
    fake_pass(&fake, SECOND / 10);
  }
  assert_closed(client, SSE_REASON_SLOW_READER);
}

/* What the transport still holds goes down: the peer reads, if slowly. */
static void a_transport_that_empties_is_no_stall(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  client->pending = 1000;
  publish_many(2000, 10, 500);
  flush();
  for (int i = 0; i < 20; i++) {
    fake_stall(&fake, SECOND - 1000);
    assert_false(client->is_closed);
    client->pending--;
  }
  fake_stall(&fake, SECOND);
  assert_closed(client, SSE_REASON_SLOW_READER);
}

/* A thread that was busy for long has given the peer one chance, not ten. */
static void a_late_look_counts_as_one(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  publish_many(2000, 10, 500);
  flush();
  for (int i = 0; i < 4; i++) {
    fake_pass(&fake, 60 * SECOND);
    assert_false(client->is_closed);
  }
  fake_pass(&fake, 60 * SECOND);
  assert_closed(client, SSE_REASON_SLOW_READER);
}

static void becomes_writable(fake_hub_t *self, fake_client_t *client) {
  client->budget = FAKE_UNLIMITED;
  for (sse_handle_t handle = 1; handle <= 3; handle++)
    sse_hub_writable(self->hub, handle);
}

static void a_look_may_find_them_writable(void **state) {
  (void)state;
  fake_client_t *clients[] = {join(1, "a"), join(2, "a"), join(3, "a")};
  for (int i = 0; i < 3; i++)
    clients[i]->budget = 0;
  publish_many(2000, 10, 500);
  flush();
  for (int i = 0; i < 3; i++)
    clients[i]->on_look = becomes_writable;
  fake_stall(&fake, 2 * SECOND);
  assert_int_equal(fake_count(clients[0], "t"), 10);
  assert_false(clients[0]->is_closed);
}

/* The stall of a queue that was emptied in between does not count. */
static void an_old_stall_is_forgotten(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  publish_many(2000, 1, 500);
  flush();
  fake_pass(&fake, 10 * SECOND);
  fake_unblock(&fake, client, 500);
  fake_pass(&fake, 10 * SECOND);
  publish_many(2001, 3, 500);
  flush(); /* full again only now */
  fake_stall(&fake, SECOND - 1);
  assert_false(client->is_closed);
  fake_pass(&fake, 1);
  assert_closed(client, SSE_REASON_SLOW_READER);
}

static void nor_does_one_that_left_nothing(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->says_full = true;
  publish_many(2000, 1, 500);
  flush();
  fake_unblock(&fake, client, 0);
  fake_pass(&fake, 10 * SECOND);
  publish_many(2001, 3, 500);
  flush();
  fake_stall(&fake, SECOND - 1);
  assert_false(client->is_closed);
  fake_pass(&fake, 1);
  assert_closed(client, SSE_REASON_SLOW_READER);
}

static void sixteen_times_the_limit_at_once(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  publish_many(2000, 16, 1000);
  flush();
  assert_false(client->is_closed);
  publish_many(2016, 1, 1000);
  flush();
  fake_pass(&fake, SSE_LOOK_US);
  assert_false(client->is_closed); /* maybe nobody has asked the peer since */
  fake_pass(&fake, SSE_LOOK_US);
  assert_closed(client, SSE_REASON_SLOW_READER);
}

static void one_burst_past_the_hard_limit(void **state) {
  (void)state;
  fake_client_t *slow = join(1, "a"), *left_16000 = join(2, "a"), *healthy = join(3, "a");
  slow->budget = 100;
  left_16000->budget = 4000;
  publish_many(2000, 20, 1000);
  flush(); /* as in the middle of a drain */
  publish_many(2020, 20, 1000);
  flush();
  assert_false(slow->is_closed);
  left_16000->budget = 20000;
  sse_hub_writable(fake.hub, 2);
  flush();
  fake_pass(&fake, SSE_LOOK_US);
  fake_pass(&fake, SSE_LOOK_US);
  assert_closed(slow, SSE_REASON_SLOW_READER);
  assert_false(left_16000->is_closed);
  assert_int_equal(fake_count(healthy, "t"), 40);
}

/* A burst far over the limit is nothing to a client that takes it. */
static void draining_is_not_judged(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  fake_pass(&fake, 5 * SECOND);
  publish_many(2000, 200, 1000);
  sse_hub_tick(fake.hub, fake.now + 5 * SECOND);
  flush();
  assert_false(client->is_closed);
  assert_int_equal(fake_count(client, "t"), 200);
}

/* A slow reader comes back and is told the truth. */
static void a_slow_reader_resumes(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  fake_publish(&fake, 1999, "a");
  flush();
  client->budget = 1200;
  publish_many(2000, 20, 1000);
  flush();
  fake_stall(&fake, SSE_LOOK_US);
  assert_closed(client, SSE_REASON_SLOW_READER);
  uint64_t last = spec_text_u64(client->parser.last_event_id);
  assert_int_equal(last, 2000);
  fake_client_t *back = fake_attach(&fake, 2, SSE_CURSOR_ID, last, "a");
  assert_true(fake_recovered(back));
  assert_int_equal(fake_count(back, "t"), 19);
}

/* ---- closing through a full transport ---- */

static void a_detach_waits_for_the_queue(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  publish_many(2000, 3, 40);
  flush();
  sse_frame_t *last = fake_frame(0, "last");
  sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, last);
  sse_frame_unref(last);
  flush();
  assert_false(client->is_closed);
  fake_unblock(&fake, client, 60);
  assert_false(client->is_closed);
  fake_unblock(&fake, client, FAKE_UNLIMITED);
  assert_closed(client, SSE_REASON_SERVER);
  assert_int_equal(fake_count(client, "t"), 4);
}

static void nothing_follows_the_last_frame(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  sse_frame_t *last = fake_frame(0, "last");
  sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, last);
  sse_frame_unref(last);
  flush();
  sse_hub_gap(fake.hub, 3000);
  fake_unblock(&fake, client, FAKE_UNLIMITED);
  assert_closed(client, SSE_REASON_SERVER);
  assert_int_equal(fake_count(client, "t"), 1);
  assert_int_equal(fake_count(client, "gap"), 0);
}

/* Far below the queue limit, but the peer takes nothing. */
static void a_detach_does_not_wait_for_ever(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  sse_frame_t *last = fake_frame(0, "last");
  sse_hub_detach(fake.hub, 1, SSE_REASON_MAX_AGE, last);
  sse_frame_unref(last);
  flush();
  fake_stall(&fake, SECOND - 1);
  assert_false(client->is_closed);
  fake_pass(&fake, 1);
  assert_closed(client, SSE_REASON_MAX_AGE);
}

/* It takes a byte now and then: no stall, but it was told to go. */
static void a_detach_is_not_put_off_by_a_trickle(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  client->pending = 1000000;
  fake_publish(&fake, 2000, "a");
  flush();
  sse_hub_detach(fake.hub, 1, SSE_REASON_SERVER, NULL);
  for (int i = 0; i < 39; i++) {
    fake_pass(&fake, SSE_LOOK_US);
    client->pending--;
    assert_false(client->is_closed);
  }
  fake_pass(&fake, SSE_LOOK_US);
  assert_closed(client, SSE_REASON_SERVER);
}

/* The end of the hub does not hide why a client was to end. */
static void the_end_of_the_hub_keeps_the_reason(void **state) {
  (void)state;
  fake_client_t *leaving = join(1, "a"), *staying = join(2, "a");
  leaving->budget = 0;
  fake_publish(&fake, 2000, "a");
  flush();
  sse_hub_detach(fake.hub, 1, SSE_REASON_TOKEN_EXPIRED, NULL);
  sse_hub_free(fake.hub);
  fake.hub = NULL;
  assert_closed(leaving, SSE_REASON_TOKEN_EXPIRED);
  assert_closed(staying, SSE_REASON_SHUTDOWN);
}

/* The stream sink: everything taken, and full nevertheless. */
static void full_with_nothing_left(void **state) {
  (void)state;
  fake_client_t *one = join(1, "a"), *two = join(2, "a");
  one->says_full = two->says_full = true;
  fake_publish(&fake, 2000, "a");
  flush();
  fake_publish(&fake, 2001, "a");
  flush();
  assert_string_equal(fake_ids(one), "2000");
  fake_unblock(&fake, one, FAKE_UNLIMITED);
  assert_string_equal(fake_ids(one), "2000,2001");
  fake_unblock(&fake, two, FAKE_UNLIMITED);
  sse_hub_detach(fake.hub, 2, SSE_REASON_SERVER, NULL);
  flush(); /* full, but there is nothing to wait for */
  assert_closed(two, SSE_REASON_SERVER);
  assert_string_equal(fake_ids(two), "2000,2001");
}

static void a_hangup_of_a_full_client(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->budget = 0;
  fake_publish(&fake, 2000, "a");
  flush();
  sse_hub_hangup(fake.hub, 1, SSE_REASON_TIMEOUT);
  flush();
  assert_closed(client, SSE_REASON_TIMEOUT);
  fake_pass(&fake, 5 * SECOND);
}

/* ---- notes from inside a write ---- */

static void hangup_self(fake_hub_t *from, fake_client_t *client) {
  sse_hub_hangup(from->hub, client->handle, SSE_REASON_CLIENT);
}

static void hangup_all(fake_hub_t *from, fake_client_t *client) {
  (void)client;
  for (sse_handle_t h = 1; h <= 9; h++)
    sse_hub_hangup(from->hub, h, SSE_REASON_TIMEOUT);
}

static void wake_one(fake_hub_t *from, fake_client_t *client) {
  (void)client;
  fake_client(from, 1)->budget = FAKE_UNLIMITED;
  sse_hub_writable(from->hub, 1);
}

static void hangup_from_inside_its_own_write(void **state) {
  (void)state;
  for (int kind = 0; kind < 3; kind++) {
    sse_handle_t handle = 1 + (sse_handle_t)kind;
    fake_client_t *client = join(handle, "a");
    client->on_write = hangup_self;
    if (kind == 1) client->budget = 3;
    if (kind == 2) client->is_broken = true;
    publish_many(2000 + handle * 10, 2, 40);
    flush();
    assert_closed(client, SSE_REASON_CLIENT);
    assert_int_equal(sse_hub_counters(fake.hub).clients, 0);
  }
}

static void hangup_of_others_from_inside_a_write(void **state) {
  (void)state;
  for (sse_handle_t h = 1; h <= 5; h++)
    join(h, "a")->on_write = h == 3 ? hangup_all : NULL;
  fake_client(&fake, 5)->budget = 0;
  fake_publish(&fake, 2000, "a");
  flush();
  for (sse_handle_t h = 1; h <= 5; h++)
    assert_closed(fake_client(&fake, h), SSE_REASON_TIMEOUT);
  assert_string_equal(fake_ids(fake_client(&fake, 1)), "2000");
  assert_string_equal(fake_ids(fake_client(&fake, 4)), "");
}

static void another_wakes_from_inside_a_write(void **state) {
  (void)state;
  fake_client_t *full = join(1, "a"), *other = join(2, "b");
  full->budget = 0;
  fake_publish(&fake, 2000, "a");
  flush();
  other->on_write = wake_one;
  fake_publish(&fake, 2001, "b");
  flush();
  flush();
  assert_string_equal(fake_ids(full), "2000");
}

static void drain_in_write(fake_hub_t *from, fake_client_t *client) {
  sse_hub_writable(from->hub, client->handle);
}

/* A transport that says "full" and, before its write returned, "drained" (a
 * response that calls back synchronously): the wake-up must not be lost. */
static void its_own_wake_up_from_inside_its_write(void **state) {
  (void)state;
  fake_client_t *client = join(1, "a");
  client->on_write = drain_in_write;
  client->says_full = true;
  fake_publish(&fake, 2000, "a");
  flush();
  fake_publish(&fake, 2001, "a");
  flush();
  assert_string_equal(fake_ids(client), "2000,2001");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_short_write_continues),
      TEST(partial_writes_that_are_not_full),
      TEST(a_full_client_waits_and_is_left_alone),
      TEST(writable_without_being_blocked),
      TEST(a_broken_transport_is_a_reset),
      TEST(empty_frames_are_harmless),
      TEST(over_the_limit_and_stalled),
      TEST(a_transport_that_empties_is_no_stall),
      TEST(a_late_look_counts_as_one),
      TEST(a_look_may_find_them_writable),
      TEST(at_the_limit_it_may_stall_for_ever),
      TEST(a_trickle_is_no_stall),
      TEST(waking_up_for_nothing_is_a_stall),
      TEST(an_old_stall_is_forgotten),
      TEST(nor_does_one_that_left_nothing),
      TEST(sixteen_times_the_limit_at_once),
      TEST(one_burst_past_the_hard_limit),
      TEST(draining_is_not_judged),
      TEST(a_slow_reader_resumes),
      TEST(a_detach_waits_for_the_queue),
      TEST(nothing_follows_the_last_frame),
      TEST(a_detach_does_not_wait_for_ever),
      TEST(a_detach_is_not_put_off_by_a_trickle),
      TEST(the_end_of_the_hub_keeps_the_reason),
      TEST(full_with_nothing_left),
      TEST(a_hangup_of_a_full_client),
      TEST(hangup_from_inside_its_own_write),
      TEST(hangup_of_others_from_inside_a_write),
      TEST(another_wakes_from_inside_a_write),
      TEST(its_own_wake_up_from_inside_its_write),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
