/* test_channel.c - keys of a hub: who is subscribed (against a matrix), whose
 * ring goes, and what every floor is then. */
#include "hub/channel.h"

#include "fake_hub.h"

#define N_CLIENTS 12
#define N_KEYS 9

static void init(sse_channels_t *channels, uint32_t history_size, uint32_t max_rings,
                 uint64_t ttl) {
  sse_hub_config_t config = fake_config();
  config.history_size = history_size;
  config.max_rings = max_rings;
  config.history_ttl_us = ttl;
  sse_channels_init(channels, &config);
}

static sse_channel_t *obtain(sse_channels_t *channels, const char *name) {
  sse_key_t key = fake_channel(name);
  sse_channel_t *channel = sse_channels_obtain(channels, &key);
  assert_non_null(channel);
  return channel;
}

static sse_channel_t *find(sse_channels_t *channels, const char *name) {
  sse_key_t key = fake_channel(name);
  return sse_channels_find(channels, &key);
}

static void push(sse_channels_t *channels, const char *name, uint64_t id, uint64_t now) {
  sse_frame_t *frame = fake_frame(id, name);
  sse_channel_t *channel = obtain(channels, name);
  assert_int_equal(sse_ring_push(sse_channels_ring(channels, channel, now), frame), 0);
  sse_frame_unref(frame);
}

/* Of a key whether it is there or not, as an attach would ask. */
static uint64_t floor_of(sse_channels_t *channels, const char *name, uint64_t now) {
  sse_channel_t *channel = obtain(channels, name);
  uint64_t floor = sse_channels_floor(channels, channel, now);
  sse_channels_release(channels, channel);
  return floor;
}

static void found_by_key(void **state) {
  (void)state;
  sse_channels_t channels;
  init(&channels, 3, 10, 0);
  assert_null(find(&channels, "a"));
  sse_channel_t *a = obtain(&channels, "a");
  assert_ptr_equal(obtain(&channels, "a"), a);
  sse_key_t topic = fake_key(SSE_SCOPE_TOPIC, "", "a");
  assert_null(sse_channels_find(&channels, &topic));
  sse_channel_t *b = sse_channels_obtain(&channels, &topic);
  assert_ptr_not_equal(a, b);
  assert_int_equal(channels.n_rings, 0);
  sse_channels_release(&channels, a);
  assert_null(find(&channels, "a"));
  sse_channels_release(&channels, b);
  assert_int_equal(channels.table.count, 0);
  sse_channels_deinit(&channels);
}

/* Two keys with one hash stay two. */
static void collisions_are_told_apart(void **state) {
  (void)state;
  sse_channels_t channels;
  init(&channels, 3, 10, 0);
  sse_key_t keys[3] = {fake_channel("a"), fake_channel("b"), fake_channel("c")};
  sse_channel_t *made[3];
  for (size_t i = 0; i < 3; i++) {
    keys[i].hash = 5;
    made[i] = sse_channels_obtain(&channels, &keys[i]);
  }
  for (size_t i = 0; i < 3; i++) {
    assert_ptr_equal(sse_channels_find(&channels, &keys[i]), made[i]);
  }
  for (size_t i = 0; i < 3; i++)
    sse_channels_release(&channels, made[i]);
  sse_channels_deinit(&channels);
}

static void release_spares_what_is_used(void **state) {
  (void)state;
  sse_channels_t channels;
  init(&channels, 3, 10, 0);
  push(&channels, "a", 2000, 2000);
  sse_channels_release(&channels, find(&channels, "a"));
  assert_non_null(find(&channels, "a"));
  sse_channels_deinit(&channels);
}

static void the_longest_idle_ring_makes_room(void **state) {
  (void)state;
  sse_channels_t channels;
  init(&channels, 3, 2, 0);
  push(&channels, "a", 2000, 2000);
  push(&channels, "b", 2001, 2001);
  push(&channels, "a", 2002, 2002); /* so that b is the longest idle */
  assert_int_equal(floor_of(&channels, "z", 2002), 1000);
  push(&channels, "c", 2003, 2003);
  assert_int_equal(channels.n_rings, 2);
  assert_null(find(&channels, "b"));
  assert_non_null(find(&channels, "a"));
  assert_int_equal(channels.birth, 2001);
  assert_int_equal(floor_of(&channels, "b", 2003), 2001);
  assert_int_equal(floor_of(&channels, "z", 2003), 2001); /* the price */
  assert_int_equal(floor_of(&channels, "a", 2003), 1000); /* not its own */
  assert_int_equal(floor_of(&channels, "c", 2003), 2001);
  sse_channels_deinit(&channels);
}

static void an_evicted_ring_leaves_its_subscribers(void **state) {
  (void)state;
  sse_channels_t channels;
  init(&channels, 3, 1, 0);
  sse_client_t *client = sse_client_new(1, 0);
  client->subs = must_realloc(NULL, sizeof(*client->subs));
  client->subs_room = 1;
  assert_int_equal(sse_channel_link(obtain(&channels, "a"), client), 0);
  push(&channels, "a", 2000, 2000);
  push(&channels, "b", 2001, 2001);
  sse_channel_t *a = find(&channels, "a");
  assert_non_null(a);
  assert_false(a->has_ring);
  assert_int_equal(a->n_subscribers, 1);
  sse_channels_release(&channels, sse_channel_unlink(client, 0));
  assert_null(find(&channels, "a"));
  sse_client_free(client);
  sse_channels_deinit(&channels);
}

static void ttl_floors(void **state) {
  (void)state;
  sse_channels_t channels;
  init(&channels, 10, 10, 500);
  assert_int_equal(floor_of(&channels, "a", 400), 1000);
  assert_int_equal(floor_of(&channels, "a", 1400), 1000);
  assert_int_equal(floor_of(&channels, "a", 2000), 1500);
  push(&channels, "a", 2000, 2000);
  push(&channels, "a", 2100, 2100);
  assert_int_equal(floor_of(&channels, "a", 2500), 1500); /* 2000 is not < 2000 */
  assert_int_equal(floor_of(&channels, "a", 2501), 2000);
  assert_int_equal(find(&channels, "a")->ring.count, 1);
  sse_channels_expire(&channels, 2600);
  assert_non_null(find(&channels, "a"));
  sse_channels_expire(&channels, 2601);
  assert_null(find(&channels, "a"));
  assert_int_equal(channels.n_rings, 0);
  assert_int_equal(floor_of(&channels, "a", 2601), 2101);
  assert_int_equal(channels.birth, 1000); /* expiry costs the others nothing */
  sse_channels_deinit(&channels);
}

static void a_gap_raises_every_floor(void **state) {
  (void)state;
  sse_channels_t channels;
  init(&channels, 10, 10, 0);
  push(&channels, "a", 2000, 2000);
  push(&channels, "b", 3000, 3000);
  sse_channels_gap(&channels, 2500);
  assert_int_equal(floor_of(&channels, "a", 3000), 2500);
  assert_int_equal(floor_of(&channels, "b", 3000), 2500);
  assert_int_equal(floor_of(&channels, "z", 3000), 2500);
  sse_channels_gap(&channels, 2400);
  assert_int_equal(floor_of(&channels, "z", 3000), 2500);
  assert_int_equal(find(&channels, "b")->ring.count, 1);
  sse_channels_deinit(&channels);
}

static void no_history_is_a_floor_alone(void **state) {
  (void)state;
  sse_channels_t channels;
  init(&channels, 0, 10, 0);
  push(&channels, "a", 2000, 2000);
  assert_int_equal(floor_of(&channels, "a", 2000), 2000);
  assert_int_equal(floor_of(&channels, "z", 2000), 1000);
  sse_channels_deinit(&channels);
}

/* ---- subscriptions against a matrix ---- */

typedef struct {
  sse_channels_t channels;
  sse_client_t *clients[N_CLIENTS];
  bool matrix[N_CLIENTS][N_KEYS];
  rng_t rng;
} world_t;

static sse_key_t nth_key(size_t i) {
  static const char *const names[] = {"a", "b", "c"};
  static const sse_scope_t scopes[] = {SSE_SCOPE_CHANNEL, SSE_SCOPE_USER, SSE_SCOPE_TOPIC};
  return fake_key(scopes[i / 3], "", names[i % 3]);
}

/* Index among the client's subs; n_subs when it is not there. */
static uint32_t sub_of(const sse_client_t *client, const sse_channel_t *channel) {
  uint32_t i = 0;
  while (i < client->n_subs && client->subs[i].channel != channel)
    i++;
  return i;
}

static void check_channel(world_t *world, size_t k) {
  sse_key_t key = nth_key(k);
  sse_channel_t *channel = sse_channels_find(&world->channels, &key);
  uint32_t expected = 0;
  for (size_t c = 0; c < N_CLIENTS; c++)
    expected += world->matrix[c][k];
  if (channel == NULL) {
    assert_int_equal(expected, 0);
    return;
  }
  assert_int_equal(channel->n_subscribers, expected);
  for (uint32_t i = 0; i < channel->n_subscribers; i++) {
    sse_subscriber_t s = channel->subscribers[i];
    assert_true(world->matrix[s.client->handle][k]);
    assert_ptr_equal(s.client->subs[s.sub].channel, channel);
    assert_int_equal(s.client->subs[s.sub].pos, i);
  }
}

static void check_clients(const world_t *world) {
  for (size_t c = 0; c < N_CLIENTS; c++) {
    uint32_t expected = 0;
    for (size_t k = 0; k < N_KEYS; k++)
      expected += world->matrix[c][k];
    assert_int_equal(world->clients[c]->n_subs, expected);
  }
}

static void toggle(world_t *world, size_t c, size_t k) {
  sse_key_t key = nth_key(k);
  sse_client_t *client = world->clients[c];
  sse_channel_t *channel = sse_channels_obtain(&world->channels, &key);
  if (world->matrix[c][k]) {
    assert_ptr_equal(sse_channel_unlink(client, sub_of(client, channel)), channel);
    sse_channels_release(&world->channels, channel);
  } else {
    assert_int_equal(sse_channel_link(channel, client), 0);
  }
  world->matrix[c][k] = !world->matrix[c][k];
}

static void random_run(uint64_t seed) {
  world_t world = {.rng = {seed}};
  init(&world.channels, 3, 10, 0);
  for (size_t c = 0; c < N_CLIENTS; c++) {
    world.clients[c] = sse_client_new(c, 0);
    world.clients[c]->subs = must_realloc(NULL, N_KEYS * sizeof(sse_sub_t));
    world.clients[c]->subs_room = N_KEYS;
  }
  for (int step = 0; step < 1000; step++) {
    toggle(&world, rng_below(&world.rng, N_CLIENTS), rng_below(&world.rng, N_KEYS));
    for (size_t k = 0; k < N_KEYS; k++)
      check_channel(&world, k);
    check_clients(&world);
  }
  for (size_t c = 0; c < N_CLIENTS; c++) {
    for (size_t k = 0; k < N_KEYS; k++) {
      if (world.matrix[c][k]) toggle(&world, c, k);
    }
    sse_client_free(world.clients[c]);
  }
  assert_int_equal(world.channels.table.count, 0);
  sse_channels_deinit(&world.channels);
}

static void subscriptions_against_a_matrix(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    *running_seed() = seed;
    random_run(seed);
  }
  forget_seed(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(found_by_key),
      cmocka_unit_test(collisions_are_told_apart),
      cmocka_unit_test(release_spares_what_is_used),
      cmocka_unit_test(the_longest_idle_ring_makes_room),
      cmocka_unit_test(an_evicted_ring_leaves_its_subscribers),
      cmocka_unit_test(ttl_floors),
      cmocka_unit_test(a_gap_raises_every_floor),
      cmocka_unit_test(no_history_is_a_floor_alone),
      SEEDED_TEST(subscriptions_against_a_matrix),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
