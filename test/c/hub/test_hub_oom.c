/* test_hub_oom.c - the hub when memory runs out: every single allocation of a
 * scenario fails once, and the model runs with allocations that fail now and
 * then. Nothing may crash, leak, or be recovered that is not.
 *
 * DESIGN: the linker sends the allocations of csrc here (--wrap, see the
 * Makefile), so that mem.c stays the one of production. */
#include "hub/client.h"
#include "hub/command.h"
#include "hub/directory.h"
#include "hub/ring.h"
#include "hub_model.h"

/* Without limits. */
static sse_budget_t budget = {.max_bytes = SIZE_MAX, .max_ring_bytes = SIZE_MAX};

void *__real_sse_malloc(size_t size);
void *__wrap_sse_malloc(size_t size);
void *__real_sse_calloc(size_t count, size_t size);
void *__wrap_sse_calloc(size_t count, size_t size);
void *__real_sse_realloc(void *ptr, size_t size);
void *__wrap_sse_realloc(void *ptr, size_t size);

static uint64_t n_calls, fail_at, fail_every; /* 0: never */
static bool has_failed;

static bool is_to_fail(void) {
  n_calls++;
  bool fails = n_calls == fail_at || (fail_every != 0 && n_calls % fail_every == 0);
  if (fails) has_failed = true;
  return fails;
}

void *__wrap_sse_malloc(size_t size) {
  return is_to_fail() ? NULL : __real_sse_malloc(size);
}

void *__wrap_sse_calloc(size_t count, size_t size) {
  return is_to_fail() ? NULL : __real_sse_calloc(count, size);
}

void *__wrap_sse_realloc(void *ptr, size_t size) {
  return is_to_fail() ? NULL : __real_sse_realloc(ptr, size);
}

static void never_fail(void) {
  fail_at = fail_every = 0;
}

static int stop_failing(void **state) {
  never_fail();
  return report_seed(state);
}

/* Runs the scenario with its first allocation failing, then its second, until
 * one run needs no more. */
static void fail_each(void (*scenario)(void)) {
  for (uint64_t n = 1;; n++) {
    *running_seed() = n;
    n_calls = 0;
    has_failed = false;
    fail_at = n;
    scenario();
    never_fail();
    if (!has_failed) break;
  }
  assert_true(*running_seed() > 5); /* else they do not come here */
  forget_seed(NULL);
}

static bool is_fine(int rc) {
  assert_true(rc == 0 || rc == SSE_ENOMEM);
  return rc == 0;
}

/* ---- rings, clients, directory, commands ---- */

static void ring_scenario(void) {
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 9, 100);
  uint64_t lost = 100;
  for (uint64_t id = 101; id < 115; id++) {
    sse_frame_t *frame = fake_frame(id, "x");
    if (!is_fine(sse_ring_push(&ring, frame))) lost = id;
    sse_frame_unref(frame);
    /* The truth of the floor: what is above it is held. */
    assert_int_equal(sse_ring_newest(&ring), id);
    assert_int_equal(ring.count - sse_ring_after(&ring, ring.floor), id - ring.floor);
  }
  assert_true(ring.floor >= lost);
  sse_frame_t *older[] = {fake_frame(99, "x"), fake_frame(100, "x")};
  uint64_t floor = ring.floor;
  uint32_t count = ring.count;
  if (sse_ring_hydrate(&ring, older, 2, 98) != 0) {
    assert_int_equal(ring.floor, floor);
    assert_int_equal(ring.count, count);
  }
  sse_frame_unref(older[0]);
  sse_frame_unref(older[1]);
  sse_ring_deinit(&ring);
}

static void client_scenario(void) {
  sse_client_t *client = sse_client_new(1, 0);
  if (client == NULL) return;
  size_t bytes = 0;
  for (uint64_t id = 1; id < 40; id++) {
    sse_frame_t *frame = fake_frame(id, "x");
    if (is_fine(sse_client_push(client, frame))) bytes += frame->len;
    sse_frame_unref(frame);
    assert_int_equal(client->queue_bytes, bytes);
  }
  sse_client_consume(client, bytes);
  assert_int_equal(client->queue_len, 0);
  sse_client_free(client);
}

static void directory_scenario(void) {
  sse_directory_t dir;
  sse_directory_init(&dir, FAKE_SEED, 100, 100);
  uint64_t slots = 0, clients = 0;
  for (int i = 0; i < 20; i++) {
    sse_handle_t handle;
    sse_key_t user = fake_key(SSE_SCOPE_USER, "iss", i % 2 == 0 ? "ann" : "bob");
    sse_span_t channel = sse_span_cstr("orders");
    sse_arrival_t arrival = {
        .id = sse_span_cstr("id"), .channels = &channel, .n_channels = 1, .ends_at = 100 + i};
    if (!is_fine(sse_directory_reserve(&dir, &handle))) continue;
    slots++;
    is_fine(sse_directory_assign(&dir, handle, &user));
    clients += is_fine(sse_directory_arrive(&dir, handle, &arrival));
    if (i % 3 != 0) continue;
    clients -= sse_directory_find(&dir, handle)->is_client;
    slots--;
    assert_true(sse_directory_release(&dir, handle));
  }
  assert_int_equal(dir.handles.count, slots);
  assert_int_equal(dir.n_clients[SSE_TRANSPORT_STREAM], clients);
  sse_directory_deinit(&dir);
}

static void command_scenario(void) {
  sse_key_t key = fake_channel("a");
  sse_frame_t *frame = fake_frame(1, "x");
  sse_attach_t attach = {.keys = &key, .n_keys = 1, .hello = sse_span_cstr("{\"a\":1")};
  sse_command_t *commands[] = {
      sse_command_attach(&attach),
      sse_command_detach(1, SSE_REASON_SERVER, frame),
      sse_command_publish(frame, &key, 1),
      sse_command_direct_client(1, frame),
      sse_command_direct_user(&key, frame),
      sse_command_subscribe(1, &key, true),
      sse_command_hydrate(&key, &frame, 1, 0),
      sse_command_gap(1),
  };
  for (size_t i = 0; i < COUNT_OF(commands); i++)
    sse_command_free(commands[i]);
  assert_int_equal(atomic_load(&frame->refs), 1);
  sse_frame_unref(frame);
}

static void parts(void **state) {
  (void)state;
  fail_each(ring_scenario);
  fail_each(client_scenario);
  fail_each(directory_scenario);
  fail_each(command_scenario);
}

/* ---- the hub ---- */

static int attach(fake_hub_t *fake, sse_handle_t handle, sse_cursor_kind_t kind, uint64_t cursor) {
  sse_key_t keys[] = {fake_channel("k0"), fake_channel("k1"), fake_key(SSE_SCOPE_USER, "", "ann")};
  sse_attach_t at = {handle,       fake, keys, 3, kind, cursor, sse_span_cstr("{\"a\":1"),
                     SSE_NO_RETRY, {0}};
  size_t closed = fake->n_closed;
  int rc = sse_hub_attach(fake->hub, &at);
  if (!is_fine(rc)) {
    assert_int_equal(fake->n_closed, closed + 1);
    assert_int_equal(fake_client(fake, handle)->reason, SSE_REASON_ERROR);
  }
  return rc;
}

static void publish_all(fake_hub_t *fake, uint64_t first) {
  for (uint64_t i = 0; i < 25; i++) {
    char name[8];
    snprintf(name, sizeof(name), "k%d", (int)(i % 20));
    sse_key_t keys[] = {fake_channel(name), fake_channel("k1")};
    sse_frame_t *frame = fake_frame(first + i, "x");
    is_fine(sse_hub_publish(fake->hub, frame, keys, i % 20 == 1 ? 1 : 2));
    sse_frame_unref(frame);
  }
}

/* All of k1's events are `first` to `last`. */
static void check_resumed(fake_hub_t *fake, sse_handle_t handle, uint64_t first, uint64_t last) {
  never_fail();
  assert_int_equal(attach(fake, handle, SSE_CURSOR_ID, first - 1), 0);
  sse_hub_flush(fake->hub);
  fake_client_t *client = fake_client(fake, handle);
  if (fake_recovered(client)) assert_int_equal(fake_count(client, "t"), last - first + 1);
}

static void hub_scenario(void) {
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  config.max_queued_bytes = 100000;
  config.heartbeat_us = 1000000;
  fake_init(&fake, &config);
  attach(&fake, 1, SSE_CURSOR_NONE, 1000);
  if (fake_client(&fake, 1) != NULL) fake_client(&fake, 1)->budget = 0;
  sse_hub_flush(fake.hub);
  publish_all(&fake, 2000);
  attach(&fake, 2, SSE_CURSOR_ID, 1500);
  sse_key_t more = fake_channel("more"), user = fake_key(SSE_SCOPE_USER, "", "ann");
  sse_frame_t *frame = fake_frame(0, "x");
  int rc = sse_hub_subscribe(fake.hub, 2, &more);
  assert_true(rc == 0 || rc == SSE_ENOMEM || rc == SSE_ENOENT);
  sse_hub_direct_user(fake.hub, &user, frame);
  sse_hub_direct_client(fake.hub, 2, frame);
  fake_pass(&fake, 3000000);
  if (rc == SSE_ENOMEM) assert_true(fake_client(&fake, 2)->is_closed); /* so that it asks again */
  sse_hub_detach(fake.hub, 2, SSE_REASON_SERVER, frame);
  sse_frame_unref(frame);
  sse_hub_flush(fake.hub);
  check_resumed(&fake, 3, 2000, 2024);
  is_fine(sse_hub_gap(fake.hub, 2010));
  fake_deinit(&fake);
}

static void gap_scenario(void) {
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  fake_init(&fake, &config);
  int attached = attach(&fake, 1, SSE_CURSOR_NONE, 1000);
  int told = sse_hub_gap(fake.hub, 3000);
  sse_hub_flush(fake.hub);
  fake_client_t *client = fake_client(&fake, 1);
  /* Told, or sent away so that it asks again. */
  if (attached == 0 && is_fine(told) && !client->is_closed) {
    assert_int_equal(fake_count(client, "gap"), 1);
  } else {
    assert_true(client == NULL || client->is_closed);
  }
  never_fail();
  assert_int_equal(attach(&fake, 2, SSE_CURSOR_ID, 2999), 0);
  sse_hub_flush(fake.hub);
  assert_false(fake_recovered(fake_client(&fake, 2)));
  fake_deinit(&fake);
}

/* A history that could not be taken in is not claimed to be there. */
static void hydrate_scenario(void) {
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  config.newest = 5000;
  fake_init(&fake, &config);
  sse_key_t key = fake_channel("k1");
  sse_frame_t *frames[] = {fake_frame(800, "x"), fake_frame(900, "x")};
  int rc = sse_hub_hydrate(fake.hub, &key, frames, 2, 700);
  sse_frame_unref(frames[0]);
  sse_frame_unref(frames[1]);
  never_fail();
  is_fine(rc);
  assert_int_equal(attach(&fake, 1, SSE_CURSOR_ID, 700), 0);
  sse_hub_flush(fake.hub);
  fake_client_t *client = fake_client(&fake, 1);
  /* The other two keys of the client have the birth for a floor. */
  assert_false(fake_recovered(client));
  assert_int_equal(fake_count(client, "t"), rc == 0 ? 2 : 0);
  fake_deinit(&fake);
}

static void hubs(void **state) {
  (void)state;
  fail_each(hub_scenario);
  fail_each(gap_scenario);
  fail_each(hydrate_scenario);
}

static void a_hub_that_cannot_be_made(void **state) {
  (void)state;
  sse_hub_config_t config = fake_config();
  sse_sink_t sink = {0};
  for (uint64_t n = 1; n <= 2; n++) {
    n_calls = 0;
    fail_at = n;
    assert_null(sse_hub_new(&config, &sink));
    never_fail();
  }
}

static void the_model_with_failing_memory(void **state) {
  (void)state;
  static const uint64_t rates[] = {7, 31, 101, 499};
  hub_model_config_t config = {
      .hub = fake_config(), .steps = 800, .has_gaps = true, .may_fail = true};
  config.hub.birth = config.hub.newest = 1000000;
  config.hub.history_size = 30;
  for (uint64_t seed = 1; seed <= 24; seed++) {
    *running_seed() = seed;
    n_calls = 0;
    fail_every = rates[seed % COUNT_OF(rates)];
    config.hub.max_rings = seed % 3 == 0 ? 3 : 1000;
    config.hub.history_total_bytes = seed % 4 == 0 ? 3000 : 0;
    hub_model_run(seed, &config);
    never_fail();
  }
  forget_seed(NULL);
}

#define OOM_TEST(f) cmocka_unit_test_setup_teardown(f, forget_seed, stop_failing)

int main(void) {
  const struct CMUnitTest tests[] = {
      OOM_TEST(parts),
      OOM_TEST(hubs),
      OOM_TEST(a_hub_that_cannot_be_made),
      OOM_TEST(the_model_with_failing_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
