/* test_history.c - the limits of history (events and bytes of a key, bytes of
 * all, rings, age) under random publishes and reconnects, against a store that
 * forgets nothing: `recovered` is never wrongly true, and wrongly false only
 * through the floor that keys without a ring share. */
#include "fake_hub.h"
#include "hub/hub_internal.h"

#define N_KEYS 8
#define MAX_EVENTS 3000
#define BIRTH UINT64_C(1000000)

typedef struct {
  sse_hub_config_t hub;
  sse_size_t rules[4];
  size_t n_rules;
  bool has_hydrates;
} settings_t;

typedef struct {
  uint64_t id;
  size_t len;
  uint32_t keys; /* bit i: key i */
} event_t;

typedef struct {
  const settings_t *settings;
  fake_hub_t fake;
  rng_t rng;
  event_t events[MAX_EVENTS];
  size_t n_events;
  uint64_t last;
  sse_handle_t handle;
} world_t;

static const char *const NAMES[N_KEYS] = {"chat:1",  "chat:2", "chat:vip:1", "price:1",
                                          "price:2", "x",      "x",          "chat:1"};
static const sse_scope_t SCOPES[N_KEYS] = {SSE_SCOPE_CHANNEL, SSE_SCOPE_CHANNEL, SSE_SCOPE_CHANNEL,
                                           SSE_SCOPE_TOPIC,   SSE_SCOPE_CHANNEL, SSE_SCOPE_CHANNEL,
                                           SSE_SCOPE_USER,    SSE_SCOPE_USER};

static sse_key_t nth_key(uint32_t i) {
  return fake_key(SCOPES[i], "", NAMES[i]);
}

static size_t keys_of(uint32_t mask, sse_key_t *keys) {
  size_t n = 0;
  for (uint32_t i = 0; i < N_KEYS; i++) {
    if (mask >> i & 1) keys[n++] = nth_key(i);
  }
  return n;
}

/* ---- what the hub holds, read off its tables ---- */

static const sse_ring_t *ring_of(const world_t *w, uint32_t k) {
  sse_key_t key = nth_key(k);
  const sse_channel_t *channel = sse_channels_find(&w->fake.hub->channels, &key);
  return channel != NULL && channel->has_ring ? &channel->ring : NULL;
}

static bool ring_has(const sse_ring_t *ring, uint64_t id) {
  if (ring == NULL) return false;
  uint32_t at = sse_ring_after(ring, id - 1);
  return at < ring->count && sse_ring_at(ring, at)->id == id;
}

/* The longest matching prefix, the naive way. */
static uint32_t size_of(const world_t *w, uint32_t k) {
  uint32_t size = w->settings->hub.history_size;
  size_t longest = 0;
  for (size_t i = 0; i < w->settings->n_rules && SCOPES[k] != SSE_SCOPE_USER; i++) {
    sse_span_t prefix = w->settings->rules[i].prefix;
    bool fits = strncmp(NAMES[k], prefix.ptr, prefix.len) == 0;
    if (fits && prefix.len > longest) {
      longest = prefix.len;
      size = w->settings->rules[i].size;
    }
  }
  return size;
}

static void check_limits(const world_t *w) {
  const sse_hub_config_t *limits = &w->settings->hub;
  size_t total = 0, n_rings = 0;
  for (uint32_t k = 0; k < N_KEYS; k++) {
    const sse_ring_t *ring = ring_of(w, k);
    if (ring == NULL) continue;
    n_rings++;
    assert_true(ring->count <= size_of(w, k));
    if (limits->history_max_bytes > 0) assert_true(ring->bytes <= limits->history_max_bytes);
    size_t bytes = 0;
    for (uint32_t i = 0; i < ring->count; i++) {
      const sse_frame_t *frame = sse_ring_at(ring, i);
      bytes += frame->len;
      bool is_counted = false;
      for (uint32_t other = 0; other < k; other++)
        is_counted = is_counted || ring_has(ring_of(w, other), frame->id);
      if (!is_counted) total += frame->len;
    }
    assert_int_equal(bytes, ring->bytes);
  }
  sse_hub_counters_t counters = sse_hub_counters(w->fake.hub);
  assert_int_equal(counters.rings, n_rings);
  assert_true(n_rings <= limits->max_rings);
  /* Hydrated twice is held twice: there the count may only be higher. */
  if (w->settings->has_hydrates) {
    assert_true(w->fake.hub->channels.budget.bytes >= total);
  } else {
    assert_int_equal(w->fake.hub->channels.budget.bytes, total);
  }
  if (limits->history_total_bytes > 0) assert_true(total <= limits->history_total_bytes);
  if (limits->max_rings >= N_KEYS) assert_int_equal(w->fake.hub->channels.birth, BIRTH);
}

/* ---- operations ---- */

static uint32_t random_mask(world_t *w) {
  uint32_t mask = 1u << rng_below(&w->rng, N_KEYS);
  while (rng_chance(&w->rng, 25))
    mask |= 1u << rng_below(&w->rng, N_KEYS);
  return mask;
}

static void op_publish(world_t *w) {
  if (w->n_events == MAX_EVENTS) return;
  sse_key_t keys[N_KEYS];
  uint32_t mask = random_mask(w);
  size_t len = 40 + rng_below(&w->rng, rng_chance(&w->rng, 5) ? 3000 : 200);
  w->last = w->last + 1 > w->fake.now ? w->last + 1 : w->fake.now;
  w->events[w->n_events++] = (event_t){w->last, len, mask};
  sse_frame_t *frame = fake_frame_sized(w->last, len);
  assert_int_equal(sse_hub_publish(w->fake.hub, frame, keys, keys_of(mask, keys)), 0);
  sse_frame_unref(frame);
}

/* What is held is offered once more, as by a backplane that reads its log twice. */
static void op_hydrate(world_t *w) {
  uint32_t k = rng_below(&w->rng, N_KEYS);
  const sse_ring_t *ring = ring_of(w, k);
  if (!w->settings->has_hydrates || ring == NULL) return;
  sse_frame_t *frames[MAX_EVENTS];
  size_t n = 0;
  size_t first = rng_below(&w->rng, (uint32_t)w->n_events);
  uint64_t floor = w->events[first].id - 1;
  for (size_t i = first; i < w->n_events; i++) {
    if (w->events[i].keys >> k & 1) {
      frames[n++] = fake_frame_sized(w->events[i].id, w->events[i].len);
    }
  }
  sse_key_t key = nth_key(k);
  assert_int_equal(sse_hub_hydrate(w->fake.hub, &key, frames, n, floor), 0);
  for (size_t i = 0; i < n; i++)
    sse_frame_unref(frames[i]);
}

static void op_time(world_t *w) {
  w->fake.now += rng_below(&w->rng, rng_chance(&w->rng, 10) ? 300000 : 2000);
  if (rng_chance(&w->rng, 50)) {
    sse_hub_tick(w->fake.hub, w->fake.now);
  } else {
    sse_hub_advance(w->fake.hub, w->fake.now);
  }
}

/* Compares what was replayed with everything that was published: true when none
 * of it was missing. */
static bool has_all(const world_t *w, const fake_client_t *client, uint32_t mask, uint64_t cursor) {
  bool all = true;
  size_t at = 1;
  const spec_parser_t *p = &client->parser;
  for (size_t i = 0; i < w->n_events; i++) {
    const event_t *event = &w->events[i];
    if (event->id <= cursor || (event->keys & mask) == 0) continue;
    if (at < p->n_events && spec_text_u64(p->events[at].last_event_id) == event->id) {
      at++;
    } else {
      all = false;
    }
  }
  assert_int_equal(at, p->n_events); /* nothing else, and in order */
  return all;
}

/* True when each key for itself still has all of its events above the cursor: one
 * that another key has kept is replayed, but its own key does not know that. */
static bool have_kept_all(const world_t *w, uint32_t mask, uint64_t cursor) {
  for (size_t i = 0; i < w->n_events; i++) {
    const event_t *event = &w->events[i];
    for (uint32_t k = 0; event->id > cursor && k < N_KEYS; k++) {
      if ((event->keys & mask) >> k & 1 && !ring_has(ring_of(w, k), event->id)) return false;
    }
  }
  return true;
}

static void op_reconnect(world_t *w) {
  sse_key_t keys[N_KEYS];
  uint32_t mask = random_mask(w);
  uint64_t cursor = BIRTH - 1;
  if (w->n_events > 0) {
    uint32_t back = rng_below(&w->rng, (uint32_t)(w->n_events < 60 ? w->n_events : 60));
    cursor = w->events[w->n_events - 1 - back].id - rng_below(&w->rng, 2);
  }
  uint64_t ttl = w->settings->hub.history_ttl_us;
  uint64_t bare = w->fake.hub->channels.birth;
  if (ttl > 0 && w->fake.hub->now - ttl > bare) bare = w->fake.hub->now - ttl;
  sse_attach_t attach = {++w->handle,
                         &w->fake,
                         keys,
                         keys_of(mask, keys),
                         SSE_CURSOR_ID,
                         cursor,
                         sse_span_cstr("{\"clientId\":\"c\""),
                         SSE_NO_RETRY,
                         {0}};
  assert_int_equal(sse_hub_attach(w->fake.hub, &attach), 0);
  sse_hub_flush(w->fake.hub);
  fake_client_t *client = fake_client(&w->fake, attach.client);
  bool all = has_all(w, client, mask, cursor);
  bool recovered = fake_recovered(client);
  if (recovered) assert_true(all);
  /* The shared floor now, or when the ring was made; it never falls. */
  if (!recovered && have_kept_all(w, mask, cursor)) assert_true(cursor < bare);
  sse_hub_hangup(w->fake.hub, attach.client, SSE_REASON_CLIENT);
  sse_hub_flush(w->fake.hub);
}

static void run(uint64_t seed, const settings_t *settings) {
  static world_t w;
  settings_t own = *settings;
  sse_sizes_t *sizes = sse_sizes_new(own.rules, own.n_rules);
  assert_non_null(sizes);
  own.hub.sizes = sizes;
  own.hub.birth = own.hub.newest = BIRTH;
  own.hub.max_queued_bytes = (size_t)1 << 30;
  w = (world_t){.settings = &own, .rng = {seed}, .last = BIRTH};
  fake_init(&w.fake, &own.hub);
  for (int i = 0; i < 1500; i++) {
    uint32_t op = rng_below(&w.rng, 100);
    if (op < 60) {
      op_publish(&w);
    } else if (op < 85) {
      op_reconnect(&w);
    } else if (op < 87 && w.n_events > 0) {
      op_hydrate(&w);
    } else {
      op_time(&w);
    }
    check_limits(&w);
  }
  fake_deinit(&w.fake);
  sse_sizes_free(sizes);
}

static void run_seeds(uint64_t first, uint64_t n, const settings_t *settings) {
  for (uint64_t seed = first; seed < first + n; seed++) {
    *running_seed() = seed;
    run(seed, settings);
  }
  forget_seed(NULL);
}

static settings_t base(void) {
  settings_t settings = {.hub = fake_config()};
  settings.rules[0] = (sse_size_t){sse_span_cstr("chat:"), 50};
  settings.rules[1] = (sse_size_t){sse_span_cstr("price:"), 1};
  settings.rules[2] = (sse_size_t){sse_span_cstr("chat:vip:"), 80};
  settings.rules[3] = (sse_size_t){sse_span_cstr("price:2"), 0};
  settings.n_rules = 4;
  settings.hub.history_size = 20;
  return settings;
}

static void sizes_by_prefix(void **state) {
  (void)state;
  settings_t settings = base();
  run_seeds(1, 5, &settings);
}

static void bytes_of_a_key(void **state) {
  (void)state;
  static const size_t limits[] = {1, 100, 1000, 5000};
  settings_t settings = base();
  for (size_t i = 0; i < COUNT_OF(limits); i++) {
    settings.hub.history_max_bytes = limits[i];
    run_seeds(100 * (i + 1), 3, &settings);
  }
}

static void bytes_of_all(void **state) {
  (void)state;
  static const size_t limits[] = {1, 300, 3000, 12000};
  settings_t settings = base();
  for (size_t i = 0; i < COUNT_OF(limits); i++) {
    settings.hub.history_total_bytes = limits[i];
    run_seeds(1000 * (i + 1), 3, &settings);
  }
}

static void everything_at_once(void **state) {
  (void)state;
  settings_t settings = base();
  settings.hub.history_max_bytes = 2500;
  settings.hub.history_total_bytes = 6000;
  for (uint32_t rings = 1; rings <= N_KEYS; rings++) {
    settings.hub.max_rings = rings;
    settings.hub.history_ttl_us = rings % 2 == 0 ? 40000 : 0;
    settings.has_hydrates = rings % 3 == 0;
    run_seeds(10000 * rings, 3, &settings);
  }
}

/* ---- single cases ---- */

static void bytes_are_taken_from_the_longest_idle(void **state) {
  (void)state;
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  config.history_total_bytes = 500;
  fake_init(&fake, &config);
  fake_publish_sized(&fake, 2000, "a", 100);
  fake_publish_sized(&fake, 2001, "a", 100);
  fake_publish_sized(&fake, 2002, "b", 100);
  fake_publish_sized(&fake, 2003, "b", 100);
  fake_publish_sized(&fake, 2004, "c", 200);
  const sse_channels_t *channels = &fake.hub->channels;
  assert_int_equal(channels->budget.bytes, 500);
  assert_int_equal(channels->birth, 1000); /* no ring was freed */
  assert_true(fake_recovered(fake_attach(&fake, 1, SSE_CURSOR_ID, 2000, "a")));
  assert_false(fake_recovered(fake_attach(&fake, 2, SSE_CURSOR_ID, 1999, "a")));
  assert_true(fake_recovered(fake_attach(&fake, 3, SSE_CURSOR_ID, 1000, "b,c,z")));
  fake_publish_sized(&fake, 2005, "c", 300);
  assert_true(fake_recovered(fake_attach(&fake, 4, SSE_CURSOR_ID, 2003, "a,b,c,z")));
  assert_int_equal(sse_hub_counters(fake.hub).rings, 3);
  assert_int_equal(channels->budget.bytes, 500);
  fake_deinit(&fake);
}

/* One event to many keys is there once, until its last key lets it go. */
static void a_frame_of_many_keys_counts_once(void **state) {
  (void)state;
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  config.history_size = 2;
  fake_init(&fake, &config);
  const sse_channels_t *channels = &fake.hub->channels;
  fake_publish_sized(&fake, 2000, "a,b,c", 100);
  assert_int_equal(channels->budget.bytes, 100);
  fake_publish_sized(&fake, 2001, "a", 50);
  fake_publish_sized(&fake, 2002, "a,b", 50);
  assert_int_equal(channels->budget.bytes, 200); /* a has let 2000 go; b and c have it */
  fake_publish_sized(&fake, 2003, "b", 50);
  assert_int_equal(channels->budget.bytes, 250);
  fake_publish_sized(&fake, 2004, "c", 50);
  fake_publish_sized(&fake, 2005, "c", 50);
  assert_int_equal(channels->budget.bytes, 50 * 5);
  assert_int_equal(channels->budget.shared.count, 1); /* 2002 */
  fake_deinit(&fake);
}

static void an_event_that_is_too_large_is_a_floor(void **state) {
  (void)state;
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  config.history_max_bytes = 100;
  config.max_queued_bytes = 1000000;
  fake_init(&fake, &config);
  fake_client_t *live = fake_attach(&fake, 1, SSE_CURSOR_NONE, 1000, "a");
  fake_publish_sized(&fake, 2000, "a", 60);
  fake_publish_sized(&fake, 2001, "a", 500);
  sse_hub_flush(fake.hub);
  assert_string_equal(fake_ids(live), "2000,2001");
  assert_false(fake_recovered(fake_attach(&fake, 2, SSE_CURSOR_ID, 2000, "a")));
  assert_true(fake_recovered(fake_attach(&fake, 3, SSE_CURSOR_ID, 2001, "a")));
  fake_deinit(&fake);
}

static void the_longest_prefix_decides(void **state) {
  (void)state;
  sse_size_t rules[] = {
      {sse_span_cstr("a"), 1}, {sse_span_cstr("abc"), 3}, {sse_span_cstr("ab"), 2}};
  sse_sizes_t *sizes = sse_sizes_new(rules, 3);
  static const struct {
    const char *name;
    uint32_t size;
  } cases[] = {{"a", 1}, {"ab", 2}, {"abc", 3}, {"abcd", 3}, {"ac", 1}, {"b", 9}, {"", 9}};
  for (size_t i = 0; i < COUNT_OF(cases); i++) {
    sse_key_t key = fake_channel(cases[i].name);
    assert_int_equal(sse_sizes_of(sizes, &key, 9), cases[i].size);
  }
  sse_key_t others[] = {fake_key(SSE_SCOPE_USER, "", "abc"), fake_key(SSE_SCOPE_TENANT, "", "abc"),
                        fake_key(SSE_SCOPE_TENANT_TOPIC, "t", "abc")};
  assert_int_equal(sse_sizes_of(sizes, &others[0], 9), 9);
  assert_int_equal(sse_sizes_of(sizes, &others[1], 9), 9);
  assert_int_equal(sse_sizes_of(sizes, &others[2], 9), 3);
  assert_int_equal(sse_sizes_of(NULL, &others[2], 9), 9);
  sse_sizes_free(sizes);
}

/* Many channels that were published to once: after the ttl nothing of them is
 * left, a bounded number of them going at a time. */
static void idle_channels_are_forgotten(void **state) {
  (void)state;
  enum { MANY = 60000 };
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  config.history_ttl_us = 1000000;
  fake_init(&fake, &config);
  const sse_channels_t *channels = &fake.hub->channels;
  for (uint64_t i = 0; i < MANY; i++) {
    char name[16];
    snprintf(name, sizeof(name), "c%llu", (unsigned long long)i);
    fake_publish(&fake, 2000 + i, name);
  }
  assert_int_equal(sse_hub_counters(fake.hub).rings, MANY);
  assert_true(channels->table.room >= MANY);
  fake.now += 2000 + MANY + config.history_ttl_us;
  int ticks = 0;
  do {
    size_t before = channels->table.count;
    sse_hub_tick(fake.hub, fake.now);
    assert_true(before - channels->table.count <= 10000);
    ticks++;
    if (sse_hub_is_expiring(fake.hub)) assert_true(sse_hub_tick_interval(fake.hub) <= 10000);
  } while (sse_hub_is_expiring(fake.hub));
  assert_true(ticks >= MANY / 10000);
  assert_int_equal(channels->table.count, 0);
  assert_true(channels->table.room <= 64);
  assert_int_equal(channels->budget.bytes, 0);
  assert_int_equal(sse_hub_counters(fake.hub).history_bytes, 0);
  assert_true(sse_hub_freed(fake.hub) > (uint64_t)MANY * 100);
  assert_int_equal(channels->birth, 1000);
  fake_deinit(&fake);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEEDED_TEST(sizes_by_prefix),
      SEEDED_TEST(bytes_of_a_key),
      SEEDED_TEST(bytes_of_all),
      SEEDED_TEST(everything_at_once),
      cmocka_unit_test(bytes_are_taken_from_the_longest_idle),
      cmocka_unit_test(a_frame_of_many_keys_counts_once),
      cmocka_unit_test(an_event_that_is_too_large_is_a_floor),
      cmocka_unit_test(the_longest_prefix_decides),
      cmocka_unit_test(idle_channels_are_forgotten),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
