/* test_deadline.c - the heap of moments against an array that is searched. */
#include "hub/deadline.h"

#include "testing.h"

#define MEMBERS 200

static sse_deadline_t members[MEMBERS];

/* The earliest of those that are in, by looking at all; NULL: none is. */
static const sse_deadline_t *earliest(void) {
  const sse_deadline_t *best = NULL;
  for (size_t i = 0; i < MEMBERS; i++) {
    bool is_in = members[i].pos != 0;
    if (is_in && (best == NULL || members[i].at < best->at)) best = &members[i];
  }
  return best;
}

static void check(const sse_deadlines_t *heap) {
  const sse_deadline_t *best = earliest(), *first = sse_deadlines_first(heap);
  assert_int_equal(best == NULL, first == NULL);
  if (best != NULL) assert_true(first->at == best->at); /* of several any */
}

static void the_first_is_the_earliest(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 50; seed++) {
    *running_seed() = seed;
    rng_t rng = {seed};
    memset(members, 0, sizeof(members));
    sse_deadlines_t heap;
    sse_deadlines_init(&heap);
    for (int step = 0; step < 2000; step++) {
      sse_deadline_t *member = &members[rng_below(&rng, MEMBERS)];
      if (rng_chance(&rng, 20) && heap.count > 0) member = sse_deadlines_first(&heap);
      if (member->pos != 0) {
        sse_deadlines_remove(&heap, member);
        sse_deadlines_remove(&heap, member); /* leaving twice is fine */
      } else {
        assert_int_equal(sse_deadlines_add(&heap, member, rng_below(&rng, 500)), 0);
      }
      check(&heap);
    }
    sse_deadlines_deinit(&heap);
    assert_null(earliest());
  }
  forget_seed(NULL);
}

static void they_leave_in_order(void **state) {
  (void)state;
  rng_t rng = {7};
  memset(members, 0, sizeof(members));
  sse_deadlines_t heap;
  sse_deadlines_init(&heap);
  for (size_t i = 0; i < MEMBERS; i++)
    assert_int_equal(sse_deadlines_add(&heap, &members[i], rng_below(&rng, 1000)), 0);
  double last = -1;
  for (size_t i = 0; i < MEMBERS; i++) {
    sse_deadline_t *first = sse_deadlines_first(&heap);
    assert_true(first->at >= last);
    last = first->at;
    sse_deadlines_remove(&heap, first);
  }
  assert_null(sse_deadlines_first(&heap));
  sse_deadlines_deinit(&heap);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEEDED_TEST(the_first_is_the_earliest),
      cmocka_unit_test(they_leave_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
