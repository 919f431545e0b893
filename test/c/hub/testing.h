/* testing.h - what every test of the hub starts with: cmocka, a random source
 * with a seed, and allocation that never fails. */
#ifndef SSE_TEST_HUB_TESTING_H
#define SSE_TEST_HUB_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* SplitMix64: any seed, zero included, gives a good sequence. */
typedef struct {
  uint64_t state;
} rng_t;

static inline uint64_t rng_next(rng_t *rng) {
  uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

/* 0 to n - 1; the bias does not matter to a test. */
static inline uint32_t rng_below(rng_t *rng, uint32_t n) {
  return (uint32_t)((rng_next(rng) >> 16) % n);
}

static inline bool rng_chance(rng_t *rng, uint32_t percent) {
  return rng_below(rng, 100) < percent;
}

/* The seed of the run under way. A test with seeds is made by SEEDED_TEST, sets
 * this before each run, and a failure shows it. */
static inline uint64_t *running_seed(void) {
  static uint64_t seed;
  return &seed;
}

static inline int forget_seed(void **state) {
  (void)state;
  *running_seed() = 0;
  return 0;
}

static inline int report_seed(void **state) {
  (void)state;
  if (*running_seed() == 0) return 0;
  print_error("the last seed was %llu (0x%llx)\n", (unsigned long long)*running_seed(),
              (unsigned long long)*running_seed());
  return 0;
}

/* The test calls forget_seed(NULL) when every run has passed. */
#define SEEDED_TEST(f) cmocka_unit_test_setup_teardown(f, forget_seed, report_seed)

/* For the test's own memory, which does not run out. */
static inline void *must_realloc(void *ptr, size_t size) {
  void *block = realloc(ptr, size > 0 ? size : 1);
  if (block == NULL) abort();
  return block;
}

/* The room that a text of `len` bytes has: a power of two. */
static inline size_t room_for(size_t len) {
  size_t room = 16;
  while (room < len)
    room *= 2;
  return room;
}

/* Appends to a growing text that started as NULL and 0 and was never shortened
 * but to nothing. */
static inline void must_append(char **bytes, size_t *len, const void *more, size_t n) {
  if (n == 0) return;
  if (*len == 0 || room_for(*len + n) > room_for(*len)) {
    *bytes = must_realloc(*bytes, room_for(*len + n));
  }
  memcpy(*bytes + *len, more, n);
  *len += n;
}

#endif
