/* test_client.c - a client's queue against an array of bytes, consumed at every
 * split. */
#include "hub/client.h"

#include "testing.h"

#define MAX_FRAMES 400

static sse_frame_t *frame(uint64_t id, size_t len) {
  char bytes[64];
  memset(bytes, (int)('a' + id % 26), sizeof(bytes));
  return sse_frame_from_bytes(id, sse_span(bytes, len));
}

/* The naive queue: all frames ever pushed, and how many bytes are gone. */
typedef struct {
  sse_client_t *client;
  sse_frame_t *frames[MAX_FRAMES];
  size_t n, bytes, gone;
  uint64_t events;
} world_t;

static void world_init(world_t *world) {
  *world = (world_t){.client = sse_client_new(7, 99)};
  assert_non_null(world->client);
}

static void world_deinit(world_t *world) {
  sse_client_free(world->client);
  for (size_t i = 0; i < world->n; i++) {
    assert_int_equal(atomic_load(&world->frames[i]->refs), 1);
    sse_frame_unref(world->frames[i]);
  }
}

static void push(world_t *world, uint64_t id, size_t len) {
  sse_frame_t *next = world->frames[world->n++] = frame(id, len);
  world->bytes += len;
  assert_int_equal(sse_client_push(world->client, next), 0);
}

/* Index of the first frame that is not completely out, the bytes of it that
 * are, and the events before it. */
static size_t first_left(const world_t *world, size_t *offset, uint64_t *events) {
  size_t i = 0, gone = world->gone;
  *events = 0;
  for (; i < world->n && world->frames[i]->len <= gone; i++) {
    gone -= world->frames[i]->len;
    if (world->frames[i]->id != 0) ++*events;
  }
  *offset = gone;
  return i;
}

static void check(const world_t *world) {
  const sse_client_t *client = world->client;
  size_t offset;
  uint64_t events;
  size_t first = first_left(world, &offset, &events);
  assert_int_equal(client->queue_bytes, world->bytes - world->gone);
  if (client->queue_bytes == 0) return;
  assert_int_equal(client->queue_offset, offset);
  assert_int_equal(client->queue_len, world->n - first);
  for (size_t i = first; i < world->n; i++) {
    assert_ptr_equal(client->queue[client->queue_head + i - first], world->frames[i]);
  }
}

static void consume(world_t *world, size_t taken) {
  size_t offset;
  uint64_t before, after;
  first_left(world, &offset, &before);
  world->gone += taken;
  first_left(world, &offset, &after);
  assert_int_equal(sse_client_consume(world->client, taken), after - before);
}

static void a_new_client(void **state) {
  (void)state;
  sse_client_t *client = sse_client_new(7, 99);
  assert_int_equal(client->handle, 7);
  assert_int_equal(client->last_write, 99);
  assert_int_equal(client->queue_len, 0);
  assert_true(sse_list_is_empty(&client->dirty));
  assert_false(client->is_blocked || client->is_closing || client->is_doomed);
  sse_client_free(client);
}

static void every_split_in_three(void **state) {
  (void)state;
  static const size_t lens[] = {3, 1, 5, 2, 4};
  for (size_t a = 0; a <= 15; a++) {
    for (size_t b = 0; a + b <= 15; b++) {
      world_t world;
      world_init(&world);
      for (size_t i = 0; i < COUNT_OF(lens); i++)
        push(&world, i == 1 ? 0 : i + 1, lens[i]);
      check(&world);
      consume(&world, a);
      check(&world);
      consume(&world, b);
      check(&world);
      push(&world, 50, 6);
      check(&world);
      consume(&world, 21 - a - b);
      check(&world);
      assert_int_equal(world.client->queue_len, 0);
      assert_ptr_equal(world.client->queue, world.client->inline_queue);
      world_deinit(&world);
    }
  }
}

static void random_run(uint64_t seed) {
  rng_t rng = {seed};
  world_t world;
  world_init(&world);
  uint32_t eagerness = 20 + rng_below(&rng, 60);
  while (world.n < MAX_FRAMES) {
    if (rng_chance(&rng, eagerness)) {
      push(&world, rng_chance(&rng, 80) ? world.n + 1 : 0, 1 + rng_below(&rng, 20));
    } else {
      size_t left = world.bytes - world.gone;
      if (left > 0) consume(&world, 1 + rng_below(&rng, (uint32_t)(left < 90 ? left : 90)));
    }
    check(&world);
  }
  world_deinit(&world);
}

static void random_pushes_and_consumes(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 100; seed++) {
    *running_seed() = seed;
    random_run(seed);
  }
  forget_seed(NULL);
}

/* A frame without bytes goes with the bytes before it. */
static void empty_frames_do_not_stay(void **state) {
  (void)state;
  world_t world;
  world_init(&world);
  push(&world, 1, 4);
  push(&world, 0, 0);
  consume(&world, 4);
  assert_int_equal(world.client->queue_len, 0);
  push(&world, 0, 0);
  push(&world, 2, 4);
  consume(&world, 1);
  assert_int_equal(world.client->queue_len, 1);
  assert_int_equal(world.client->queue_offset, 1);
  consume(&world, 3);
  assert_int_equal(world.client->queue_len, 0);
  world_deinit(&world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_new_client),
      cmocka_unit_test(every_split_in_three),
      SEEDED_TEST(random_pushes_and_consumes),
      cmocka_unit_test(empty_frames_do_not_stay),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
