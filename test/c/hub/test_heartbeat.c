/* test_heartbeat.c - the idle-client wheel: never early, never later than
 * promised, never all at once. */
#include "hub/heartbeat.h"

#include "testing.h"

#define START UINT64_C(1700000000000000)
#define INTERVAL UINT64_C(30000000)
#define N_CLIENTS 10000

static void add_new(sse_heartbeat_t *wheel, sse_client_t **clients, size_t n, uint64_t now) {
  for (size_t i = 0; i < n; i++) {
    clients[i] = sse_client_new(i + 1, now);
    sse_heartbeat_add(wheel, clients[i]);
  }
}

static void free_all(sse_client_t **clients, size_t n) {
  for (size_t i = 0; i < n; i++) {
    sse_list_remove(&clients[i]->beat);
    sse_client_free(clients[i]);
  }
}

/* Turns the wheel as the hub does and beats what is due: returns how many.
 * Fails when one is early, or later than the promise plus `late`. */
static size_t turn(sse_heartbeat_t *wheel, uint64_t now, uint64_t late) {
  sse_list_t due;
  sse_list_init(&due);
  sse_heartbeat_turn(wheel, now, &due);
  size_t n = 0;
  while (!sse_list_is_empty(&due)) {
    sse_client_t *client = SSE_CONTAINER_OF(due.next, sse_client_t, beat);
    uint64_t idle = now - client->last_write;
    assert_true(idle >= wheel->interval);
    assert_true(idle <= wheel->interval + wheel->interval / 4 + wheel->step + late);
    sse_list_remove(&client->beat);
    client->last_write = now;
    client->was_beat = true;
    sse_heartbeat_add(wheel, client);
    n++;
  }
  return n;
}

static void off(void **state) {
  (void)state;
  sse_heartbeat_t wheel;
  sse_heartbeat_init(&wheel, 0, START);
  sse_client_t *client = sse_client_new(1, START);
  sse_heartbeat_add(&wheel, client);
  assert_true(sse_list_is_empty(&client->beat));
  assert_int_equal(turn(&wheel, START * 2, 0), 0);
  sse_client_free(client);
}

/* One event to everybody at one moment, again and again. */
static void aligned_clients_are_spread(void **state) {
  (void)state;
  static sse_client_t *clients[N_CLIENTS];
  sse_heartbeat_t wheel;
  sse_heartbeat_init(&wheel, INTERVAL, START);
  add_new(&wheel, clients, N_CLIENTS, START);
  uint64_t now = START;
  for (int round = 0; round < 3; round++) {
    size_t most = 0, sum = 0;
    for (uint64_t end = now + 2 * INTERVAL; now < end;) {
      now += wheel.step;
      size_t n = turn(&wheel, now, wheel.step);
      sum += n;
      if (n > most) most = n;
    }
    assert_true(most <= N_CLIENTS * 7 / 100);
    assert_true(sum >= N_CLIENTS);
    for (size_t i = 0; i < N_CLIENTS; i++) {
      clients[i]->last_write = now;
      clients[i]->was_beat = false;
    }
  }
  free_all(clients, N_CLIENTS);
}

/* Left alone, a client is written once an interval, and stays spread. */
static void idle_clients_keep_their_rhythm(void **state) {
  (void)state;
  static sse_client_t *clients[1000];
  sse_heartbeat_t wheel;
  sse_heartbeat_init(&wheel, INTERVAL, START);
  add_new(&wheel, clients, 1000, START);
  size_t sum = 0, most = 0;
  for (uint64_t now = START; now < START + 101 * INTERVAL; now += wheel.step) {
    size_t n = turn(&wheel, now, wheel.step);
    sum += n;
    if (n > most) most = n;
  }
  assert_in_range(sum, 98 * 1000, 101 * 1000);
  assert_true(most <= 1000 * 8 / 100);
  free_all(clients, 1000);
}

static void activity_puts_it_off(void **state) {
  (void)state;
  sse_heartbeat_t wheel;
  sse_client_t *client;
  sse_heartbeat_init(&wheel, INTERVAL, START);
  add_new(&wheel, &client, 1, START);
  for (uint64_t now = START; now < START + 20 * INTERVAL; now += INTERVAL / 2) {
    client->last_write = now;
    client->was_beat = false;
    assert_int_equal(turn(&wheel, now, INTERVAL / 2), 0);
  }
  free_all(&client, 1);
}

static void a_client_that_left_is_not_found(void **state) {
  (void)state;
  sse_heartbeat_t wheel;
  sse_client_t *clients[2];
  sse_heartbeat_init(&wheel, INTERVAL, START);
  add_new(&wheel, clients, 2, START);
  sse_list_remove(&clients[0]->beat);
  sse_client_free(clients[0]);
  assert_int_equal(turn(&wheel, START + 2 * INTERVAL, INTERVAL), 1);
  free_all(clients + 1, 1);
}

/* A sleeping machine, a clock that stands, intervals from tiny to huge. */
static void random_run(uint64_t seed) {
  static const uint64_t intervals[] = {1, 1000, 5000, 64 * 5000, 1000000, INTERVAL, 86400000000};
  sse_client_t *clients[200];
  rng_t rng = {seed};
  sse_heartbeat_t wheel;
  sse_heartbeat_init(&wheel, intervals[rng_below(&rng, COUNT_OF(intervals))], START);
  add_new(&wheel, clients, COUNT_OF(clients), START);
  uint64_t now = START;
  for (int step = 0; step < 2000; step++) {
    uint64_t most = rng_chance(&rng, 3) ? wheel.interval * 5 : wheel.step * 2;
    uint64_t pass = rng_chance(&rng, 10) ? 0 : rng_next(&rng) % (most + 1);
    now += pass;
    turn(&wheel, now, pass + wheel.step);
    for (size_t i = rng_below(&rng, 4); i-- > 0;) {
      sse_client_t *client = clients[rng_below(&rng, COUNT_OF(clients))];
      client->last_write = now;
      client->was_beat = rng_chance(&rng, 20);
    }
  }
  /* None was lost on the way. */
  for (size_t i = 0; i < COUNT_OF(clients); i++)
    assert_false(sse_list_is_empty(&clients[i]->beat));
  assert_int_equal(turn(&wheel, now + 2 * wheel.interval + 2 * wheel.step, UINT64_MAX / 2),
                   COUNT_OF(clients));
  free_all(clients, COUNT_OF(clients));
}

static void never_early_never_too_late(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 60; seed++) {
    *running_seed() = seed;
    random_run(seed);
  }
  forget_seed(NULL);
}

/* The wheel was made long before the first client (a stored birth). */
static void a_wheel_that_stood_still(void **state) {
  (void)state;
  sse_heartbeat_t wheel;
  sse_client_t *client;
  sse_heartbeat_init(&wheel, INTERVAL, START);
  uint64_t now = START + 1000 * INTERVAL;
  add_new(&wheel, &client, 1, now);
  size_t n = 0;
  for (uint64_t end = now + 3 * INTERVAL; now < end; now += wheel.step) {
    n += turn(&wheel, now, wheel.step);
  }
  assert_in_range(n, 2, 3);
  free_all(&client, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(off),
      cmocka_unit_test(aligned_clients_are_spread),
      cmocka_unit_test(idle_clients_keep_their_rhythm),
      cmocka_unit_test(activity_puts_it_off),
      cmocka_unit_test(a_client_that_left_is_not_found),
      SEEDED_TEST(never_early_never_too_late),
      cmocka_unit_test(a_wheel_that_stood_still),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
