/* test_ring.c - the history of a key against a log that forgets nothing: a
 * cursor at or above the floor is never missing an event. */
#include "hub/ring.h"

#include "testing.h"

/* Without limits. */
static sse_budget_t budget = {.max_bytes = SIZE_MAX, .max_ring_bytes = SIZE_MAX};

#define MAX_LOG 600

static sse_frame_t *frame(uint64_t id, size_t len) {
  char bytes[64] = {0};
  return sse_frame_from_bytes(id, sse_span(bytes, len));
}

static void push(sse_ring_t *ring, uint64_t id) {
  sse_frame_t *f = frame(id, 10);
  assert_int_equal(sse_ring_push(ring, f), 0);
  sse_frame_unref(f);
}

static void assert_ids(const sse_ring_t *ring, const uint64_t *ids, uint32_t n) {
  assert_int_equal(ring->count, n);
  for (uint32_t i = 0; i < n; i++)
    assert_int_equal(sse_ring_at(ring, i)->id, ids[i]);
}

#define ASSERT_IDS(ring, ...) \
  assert_ids(ring, (const uint64_t[]){__VA_ARGS__}, COUNT_OF(((const uint64_t[]){__VA_ARGS__})))

static void an_empty_ring_is_its_floor(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 3, 50);
  assert_int_equal(ring.floor, 50);
  assert_int_equal(sse_ring_newest(&ring), 50);
  assert_int_equal(sse_ring_after(&ring, 0), 0);
  assert_null(ring.slots);
  sse_ring_expire(&ring, 1000);
  assert_int_equal(ring.floor, 50);
  sse_ring_deinit(&ring);
}

static void the_oldest_goes_and_raises_the_floor(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 3, 50);
  push(&ring, 60);
  push(&ring, 70);
  push(&ring, 80);
  assert_int_equal(ring.floor, 50);
  push(&ring, 90);
  ASSERT_IDS(&ring, 70, 80, 90);
  assert_int_equal(ring.floor, 60);
  assert_int_equal(ring.bytes, 30);
  assert_int_equal(sse_ring_after(&ring, 69), 0);
  assert_int_equal(sse_ring_after(&ring, 70), 1);
  assert_int_equal(sse_ring_after(&ring, 90), 3);
  sse_ring_deinit(&ring);
}

static void ids_that_do_not_ascend_are_ignored(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 3, 50);
  push(&ring, 50);
  push(&ring, 40);
  assert_int_equal(ring.count, 0);
  push(&ring, 60);
  push(&ring, 60);
  push(&ring, 55);
  ASSERT_IDS(&ring, 60);
  sse_ring_deinit(&ring);
}

static void without_room_only_the_floor_moves(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 0, 50);
  push(&ring, 60);
  assert_int_equal(ring.count, 0);
  assert_int_equal(ring.floor, 60);
  push(&ring, 55);
  assert_int_equal(ring.floor, 60);
  sse_ring_deinit(&ring);
}

static void expiry_is_by_id(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 10, 50);
  for (uint64_t id = 60; id <= 100; id += 10)
    push(&ring, id);
  sse_ring_expire(&ring, 80);
  ASSERT_IDS(&ring, 80, 90, 100);
  assert_int_equal(ring.floor, 70);
  sse_ring_expire(&ring, 80);
  assert_int_equal(ring.floor, 70);
  sse_ring_expire(&ring, UINT64_MAX);
  assert_int_equal(ring.count, 0);
  assert_int_equal(ring.floor, 100);
  assert_int_equal(ring.bytes, 0);
  assert_int_equal(sse_ring_newest(&ring), 100);
  sse_ring_deinit(&ring);
}

static void a_gap_raises_the_floor_and_keeps_events(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 10, 50);
  push(&ring, 60);
  push(&ring, 70);
  sse_ring_gap(&ring, 65);
  assert_int_equal(ring.floor, 65);
  ASSERT_IDS(&ring, 60, 70);
  sse_ring_gap(&ring, 55);
  assert_int_equal(ring.floor, 65);
  sse_ring_gap(&ring, 100);
  assert_int_equal(sse_ring_newest(&ring), 100);
  sse_ring_expire(&ring, 65); /* dropping what is below the floor keeps it */
  assert_int_equal(ring.floor, 100);
  sse_ring_deinit(&ring);
}

static void hydrate(sse_ring_t *ring, const uint64_t *ids, size_t n, uint64_t floor) {
  sse_frame_t *frames[16] = {NULL};
  for (size_t i = 0; i < n; i++)
    frames[i] = frame(ids[i], 10);
  assert_int_equal(sse_ring_hydrate(ring, frames, n, floor), 0);
  for (size_t i = 0; i < n; i++)
    sse_frame_unref(frames[i]);
}

#define HYDRATE(ring, floor, ...) \
  hydrate(ring, (const uint64_t[]){__VA_ARGS__}, COUNT_OF(((const uint64_t[]){__VA_ARGS__})), floor)

static void hydrating_an_empty_ring(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 10, 50);
  HYDRATE(&ring, 20, 10, 20, 30, 40, 50);
  ASSERT_IDS(&ring, 30, 40, 50);
  assert_int_equal(ring.floor, 20);
  hydrate(&ring, NULL, 0, 5);
  assert_int_equal(ring.floor, 5);
  sse_ring_deinit(&ring);
}

static void hydrating_merges_and_drops_doubles(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 10, 50);
  push(&ring, 60);
  push(&ring, 70);
  HYDRATE(&ring, 35, 40, 50, 60);
  ASSERT_IDS(&ring, 40, 50, 60, 70);
  assert_int_equal(ring.floor, 35);
  assert_int_equal(ring.bytes, 40);
  push(&ring, 80);
  ASSERT_IDS(&ring, 40, 50, 60, 70, 80);
  sse_ring_deinit(&ring);
}

static void hydrating_obeys_the_limit(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 3, 50);
  push(&ring, 60);
  HYDRATE(&ring, 5, 10, 20, 30, 40, 50);
  ASSERT_IDS(&ring, 40, 50, 60);
  assert_int_equal(ring.floor, 30);
  push(&ring, 70);
  ASSERT_IDS(&ring, 50, 60, 70);
  sse_ring_deinit(&ring);
  sse_ring_init(&ring, &budget, 0, 50);
  HYDRATE(&ring, 5, 10, 20);
  assert_int_equal(ring.count, 0);
  assert_int_equal(ring.floor, 20);
  push(&ring, 60);
  assert_int_equal(ring.floor, 60);
  sse_ring_deinit(&ring);
}

static void hydrating_fills_a_gap(void **state) {
  (void)state;
  sse_ring_t ring;
  sse_ring_init(&ring, &budget, 10, 10);
  push(&ring, 20);
  sse_ring_gap(&ring, 40);
  push(&ring, 50);
  HYDRATE(&ring, 10, 20, 30, 40);
  ASSERT_IDS(&ring, 20, 30, 40, 50);
  assert_int_equal(ring.floor, 10);
  sse_ring_deinit(&ring);
}

/* ---- against a log of everything ---- */

typedef struct {
  sse_ring_t ring;
  rng_t rng;
  sse_frame_t *log[MAX_LOG];
  size_t n_log, n_before; /* the first n_before were never pushed here */
  uint64_t last;
  uint64_t known_floor; /* the highest floor that the ring was told */
} world_t;

static void check(const world_t *world) {
  const sse_ring_t *ring = &world->ring;
  uint32_t at = 0;
  size_t bytes = 0;
  uint64_t newest_missing = 0;
  for (size_t i = 0; i < world->n_log; i++) {
    bool held = at < ring->count && sse_ring_at(ring, at) == world->log[i];
    if (held) bytes += world->log[i]->len;
    if (held) at++;
    if (!held) newest_missing = world->log[i]->id;
  }
  assert_int_equal(at, ring->count); /* nothing but the log, in its order */
  assert_int_equal(bytes, ring->bytes);
  assert_true(ring->count <= ring->limit);
  assert_true(ring->floor >= newest_missing); /* the truth of the floor */
  /* And no higher than it has to be. */
  assert_true(ring->floor == newest_missing || ring->floor <= world->known_floor);
  uint64_t last_held = ring->count > 0 ? sse_ring_at(ring, ring->count - 1)->id : 0;
  assert_int_equal(sse_ring_newest(ring), last_held > ring->floor ? last_held : ring->floor);
}

static void check_after(world_t *world) {
  uint64_t cursor = rng_next(&world->rng) % (world->last + 5);
  uint32_t i = 0;
  while (i < world->ring.count && sse_ring_at(&world->ring, i)->id <= cursor)
    i++;
  assert_int_equal(sse_ring_after(&world->ring, cursor), i);
}

static sse_frame_t *log_next(world_t *world) {
  world->last += 1 + rng_below(&world->rng, 3);
  sse_frame_t *next = frame(world->last, rng_below(&world->rng, 60));
  return world->log[world->n_log++] = next;
}

/* A stretch of the log that ends no earlier than what the ring has itself. */
static void hydrate_some(world_t *world) {
  size_t from = rng_below(&world->rng, (uint32_t)world->n_log + 1);
  size_t to = world->n_log;
  while (to > from && world->log[to - 1]->id > world->ring.floor && rng_chance(&world->rng, 50))
    to--;
  uint64_t floor = from == 0 ? 0 : world->log[from - 1]->id;
  assert_int_equal(sse_ring_hydrate(&world->ring, world->log + from, to - from, floor), 0);
}

static void step(world_t *world) {
  uint32_t op = rng_below(&world->rng, 100);
  if (op < 80) {
    assert_int_equal(sse_ring_push(&world->ring, log_next(world)), 0);
  } else if (op < 88) {
    sse_ring_expire(&world->ring, world->last - rng_below(&world->rng, 20) % (world->last + 1));
  } else if (op < 92) {
    uint64_t floor = rng_next(&world->rng) % (world->last + 1);
    sse_ring_gap(&world->ring, floor);
    if (floor > world->known_floor) world->known_floor = floor;
  } else {
    hydrate_some(world);
  }
}

static void random_run(uint64_t seed, uint32_t limit) {
  static world_t world;
  world = (world_t){.rng = {seed}};
  world.n_before = rng_below(&world.rng, 50);
  for (size_t i = 0; i < world.n_before; i++)
    log_next(&world);
  world.known_floor = world.last;
  sse_ring_init(&world.ring, &budget, limit, world.last);
  while (world.n_log < MAX_LOG) {
    step(&world);
    check(&world);
    check_after(&world);
  }
  sse_ring_deinit(&world.ring);
  for (size_t i = 0; i < world.n_log; i++) {
    assert_int_equal(atomic_load(&world.log[i]->refs), 1);
    sse_frame_unref(world.log[i]);
  }
}

static void floors_are_true(void **state) {
  (void)state;
  static const uint32_t limits[] = {0, 1, 2, 3, 5, 100, UINT32_MAX};
  for (uint64_t seed = 1; seed <= 30; seed++) {
    *running_seed() = seed;
    for (size_t i = 0; i < COUNT_OF(limits); i++)
      random_run(seed, limits[i]);
  }
  forget_seed(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_ring_is_its_floor),
      cmocka_unit_test(the_oldest_goes_and_raises_the_floor),
      cmocka_unit_test(ids_that_do_not_ascend_are_ignored),
      cmocka_unit_test(without_room_only_the_floor_moves),
      cmocka_unit_test(expiry_is_by_id),
      cmocka_unit_test(a_gap_raises_the_floor_and_keeps_events),
      cmocka_unit_test(hydrating_an_empty_ring),
      cmocka_unit_test(hydrating_merges_and_drops_doubles),
      cmocka_unit_test(hydrating_obeys_the_limit),
      cmocka_unit_test(hydrating_fills_a_gap),
      SEEDED_TEST(floors_are_true),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
