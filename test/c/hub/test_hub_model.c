/* test_hub_model.c - the hub against a naive store, under many sizes: no event
 * of a client's keys is missing unless it was told, none comes twice, none
 * comes that is not its own. */
#include "hub_model.h"

static void run(uint64_t first_seed, uint64_t n, const hub_model_config_t *config) {
  for (uint64_t seed = first_seed; seed < first_seed + n; seed++) {
    *running_seed() = seed;
    hub_model_run(seed, config);
  }
  forget_seed(NULL);
}

static hub_model_config_t base(void) {
  hub_model_config_t config = {.hub = fake_config(), .steps = 1200};
  config.hub.birth = config.hub.newest = 1000000;
  return config;
}

static void with_room_for_everything(void **state) {
  (void)state;
  hub_model_config_t config = base();
  config.is_lossless = true;
  config.hub.history_size = 100000;
  config.hub.max_queued_bytes = 1000000;
  run(1, 10, &config);
}

static void with_small_rings(void **state) {
  (void)state;
  static const uint32_t sizes[] = {0, 1, 2, 3, 10, 100};
  hub_model_config_t config = base();
  config.is_lossless = true;
  for (size_t i = 0; i < COUNT_OF(sizes); i++) {
    config.hub.history_size = sizes[i];
    run(1000 * (i + 1), 5, &config);
  }
}

static void with_few_rings(void **state) {
  (void)state;
  hub_model_config_t config = base();
  for (uint32_t rings = 1; rings <= 6; rings++) {
    config.hub.max_rings = rings;
    config.hub.history_size = 10 * rings;
    run(10000 * rings, 5, &config);
  }
}

static void with_a_ttl(void **state) {
  (void)state;
  static const uint64_t ttls[] = {1, 500, 20000, 1000000};
  hub_model_config_t config = base();
  for (size_t i = 0; i < COUNT_OF(ttls); i++) {
    config.hub.history_ttl_us = ttls[i];
    config.hub.history_size = i % 2 == 0 ? 100 : 5;
    run(100000 * (i + 1), 5, &config);
  }
}

static void with_everything_at_once(void **state) {
  (void)state;
  hub_model_config_t config = base();
  config.has_gaps = true;
  config.hub.history_size = 20;
  config.hub.max_rings = 5;
  config.hub.history_ttl_us = 300000;
  config.hub.heartbeat_us = 400000;
  config.hub.newest = 1500000;
  run(1000000, 25, &config);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEEDED_TEST(with_room_for_everything), SEEDED_TEST(with_small_rings),
      SEEDED_TEST(with_few_rings),           SEEDED_TEST(with_a_ttl),
      SEEDED_TEST(with_everything_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
