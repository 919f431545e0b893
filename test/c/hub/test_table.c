/* test_table.c - the hash table against an array, with hashes that collide. */
#include "hub/table.h"

#include "testing.h"

#define N_ITEMS 300

typedef struct {
  int pad; /* so that the node is not the struct's first member */
  sse_table_node_t node;
  uint64_t hash;
  bool is_in;
  unsigned seen;
} item_t;

typedef struct {
  sse_table_t table;
  item_t items[N_ITEMS];
} world_t;

static item_t *item_of(sse_table_node_t *node) {
  return node == NULL ? NULL : SSE_CONTAINER_OF(node, item_t, node);
}

static void check_lookups(world_t *world) {
  for (size_t i = 0; i < N_ITEMS; i++)
    world->items[i].seen = 0;
  for (uint64_t hash = 0; hash < 40; hash++) {
    sse_table_node_t *node = sse_table_first(&world->table, hash);
    for (; node != NULL; node = sse_table_next(node)) {
      assert_true(item_of(node)->is_in && item_of(node)->hash == hash);
      item_of(node)->seen++;
    }
  }
  for (size_t i = 0; i < N_ITEMS; i++) {
    bool looked_up = world->items[i].hash < 40;
    assert_int_equal(world->items[i].seen, world->items[i].is_in && looked_up ? 1 : 0);
  }
}

static void check_walk(world_t *world) {
  size_t bucket = 0, n = 0;
  sse_table_node_t *node = NULL;
  for (size_t i = 0; i < N_ITEMS; i++)
    world->items[i].seen = 0;
  while ((node = sse_table_walk(&world->table, &bucket, node)) != NULL) {
    item_of(node)->seen++;
    n++;
  }
  for (size_t i = 0; i < N_ITEMS; i++) {
    assert_int_equal(world->items[i].seen, world->items[i].is_in ? 1 : 0);
  }
  assert_int_equal(n, world->table.count);
}

static void random_run(uint64_t seed) {
  static world_t world;
  world = (world_t){0};
  rng_t rng = {seed};
  sse_table_init(&world.table);
  for (size_t i = 0; i < N_ITEMS; i++) {
    /* Some share a hash, some only a bucket, some neither. */
    world.items[i].hash =
        rng_chance(&rng, 60) ? rng_below(&rng, 40) : (uint64_t)rng_below(&rng, 9) << 40 | 0x10;
  }
  check_walk(&world);
  for (int step = 0; step < 2000; step++) {
    item_t *item = &world.items[rng_below(&rng, N_ITEMS)];
    if (item->is_in) {
      sse_table_remove(&world.table, &item->node);
    } else {
      assert_int_equal(sse_table_insert(&world.table, &item->node, item->hash), 0);
    }
    item->is_in = !item->is_in;
    if (step % 50 != 0) continue;
    check_lookups(&world);
    check_walk(&world);
  }
  sse_table_deinit(&world.table);
}

static void against_an_array(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    *running_seed() = seed;
    random_run(seed);
  }
  forget_seed(NULL);
}

static void empty_table(void **state) {
  (void)state;
  sse_table_t table;
  size_t bucket = 0;
  sse_table_init(&table);
  assert_null(sse_table_first(&table, 1));
  assert_null(sse_table_walk(&table, &bucket, NULL));
  sse_table_deinit(&table);
}

/* The way hubs and directories empty themselves: fetch the next, drop this. */
static void removal_while_walking(void **state) {
  (void)state;
  static world_t world;
  sse_table_init(&world.table);
  for (size_t i = 0; i < N_ITEMS; i++) {
    assert_int_equal(sse_table_insert(&world.table, &world.items[i].node, i % 70), 0);
  }
  size_t bucket = 0, n = 0;
  sse_table_node_t *node = sse_table_walk(&world.table, &bucket, NULL);
  while (node != NULL) {
    sse_table_node_t *next = sse_table_walk(&world.table, &bucket, node);
    sse_table_remove(&world.table, node);
    memset(node, 0xee, sizeof(*node));
    node = next;
    n++;
  }
  assert_int_equal(n, N_ITEMS);
  assert_int_equal(world.table.count, 0);
  sse_table_deinit(&world.table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(empty_table),
      SEEDED_TEST(against_an_array),
      cmocka_unit_test(removal_while_walking),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
