/* test_mailbox.c - csrc/io/mailbox.c: order, wakes and several posting threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include "io/mailbox.h"

#define POSTERS 4
#define POSTS 5000

static bool post(sse_mailbox_t *box, sse_command_t *command) {
  return sse_mailbox_post(box, command, command);
}

static void keeps_order_and_tells_when_it_was_empty(void **state) {
  (void)state;
  sse_mailbox_t box;
  assert_int_equal(sse_mailbox_init(&box), 0);
  assert_null(sse_mailbox_take(&box));
  assert_true(post(&box, sse_command_gap(1)));
  assert_false(post(&box, sse_command_gap(2)));
  assert_false(post(&box, sse_command_gap(3)));
  sse_command_t *command = sse_mailbox_take(&box);
  for (uint64_t floor = 1; floor <= 3; floor++) {
    assert_non_null(command);
    assert_int_equal(command->floor, floor);
    sse_command_t *next = command->next;
    sse_command_free(command);
    command = next;
  }
  assert_null(command);
  assert_null(sse_mailbox_take(&box));
  assert_true(post(&box, sse_command_gap(4)));
  sse_mailbox_deinit(&box); /* frees what nobody took: LeakSanitizer watches */
}

static void takes_a_list_as_it_is(void **state) {
  (void)state;
  sse_mailbox_t box;
  assert_int_equal(sse_mailbox_init(&box), 0);
  sse_command_t *list[4];
  for (uint64_t i = 0; i < 4; i++)
    list[i] = sse_command_gap(i + 1);
  list[0]->next = list[1];
  list[2]->next = list[3];
  list[3]->next = list[0]; /* what comes behind the last is not the mailbox's */
  assert_true(sse_mailbox_post(&box, list[0], list[1]));
  assert_false(sse_mailbox_post(&box, list[2], list[3]));
  sse_command_t *command = sse_mailbox_take(&box);
  for (size_t i = 0; i < 4; i++) {
    assert_ptr_equal(command, list[i]);
    command = command->next;
  }
  assert_null(command);
  for (size_t i = 0; i < 4; i++)
    sse_command_free(list[i]);
  sse_mailbox_deinit(&box);
}

typedef struct {
  sse_mailbox_t *box;
  uint64_t number;
  sse_frame_t *frame; /* shared by every poster: its count is what TSan looks at */
  int wakes;
} poster_t;

static void *post_many(void *arg) {
  poster_t *self = arg;
  for (uint64_t i = 1; i <= POSTS; i++) {
    sse_command_t *command = sse_command_detach(self->number, SSE_REASON_SERVER, self->frame);
    command->floor = i;
    if (post(self->box, command)) self->wakes++;
  }
  return NULL;
}

static void loses_nothing_from_many_threads(void **state) {
  (void)state;
  sse_mailbox_t box;
  assert_int_equal(sse_mailbox_init(&box), 0);
  sse_frame_t *frame = sse_frame_from_bytes(0, sse_span("x", 1));
  pthread_t ids[POSTERS];
  poster_t posters[POSTERS];
  uint64_t last[POSTERS] = {0};
  for (uint64_t i = 0; i < POSTERS; i++) {
    posters[i] = (poster_t){&box, i, frame, 0};
    assert_int_equal(pthread_create(&ids[i], NULL, post_many, &posters[i]), 0);
  }
  int takes = 0;
  for (int seen = 0; seen < POSTERS * POSTS;) {
    sse_command_t *command = sse_mailbox_take(&box);
    if (command == NULL)
      sched_yield();
    else
      takes++;
    while (command != NULL) {
      sse_command_t *next = command->next;
      assert_int_equal(command->floor, last[command->client] + 1);
      last[command->client]++;
      sse_command_free(command);
      command = next;
      seen++;
    }
  }
  int wakes = 0;
  for (int i = 0; i < POSTERS; i++) {
    pthread_join(ids[i], NULL);
    wakes += posters[i].wakes;
  }
  /* One wake for each time the reader found something. */
  assert_int_equal(wakes, takes);
  assert_int_equal(frame->refs, 1);
  sse_frame_unref(frame);
  sse_mailbox_deinit(&box);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keeps_order_and_tells_when_it_was_empty),
      cmocka_unit_test(takes_a_list_as_it_is),
      cmocka_unit_test(loses_nothing_from_many_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
