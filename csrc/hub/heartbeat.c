/* heartbeat.c - the idle-client wheel; see heartbeat.h. */
#include "hub/heartbeat.h"

/* The latest a client can be due is 1.25 intervals away; steps of 1/64 keep
 * that inside one revolution. */
#define STEPS_PER_INTERVAL 64
#define MIN_STEP_US UINT64_C(5000)

void sse_heartbeat_init(sse_heartbeat_t *wheel, uint64_t interval_us, uint64_t now) {
  wheel->interval = interval_us;
  wheel->step = interval_us / STEPS_PER_INTERVAL + 1;
  if (wheel->step < MIN_STEP_US) wheel->step = MIN_STEP_US;
  wheel->turn = now / wheel->step;
  for (size_t i = 0; i < SSE_HEARTBEAT_SLOTS; i++)
    sse_list_init(&wheel->slots[i]);
}

/* Fibonacci hashing: consecutive handles get phases far apart. */
static uint64_t phase(const sse_heartbeat_t *wheel, sse_handle_t handle) {
  uint64_t mixed = (handle * UINT64_C(0x9e3779b97f4a7c15)) >> 48;
  return (wheel->interval / 4) * mixed >> 16;
}

static uint64_t due_at(const sse_heartbeat_t *wheel, const sse_client_t *client) {
  uint64_t due = client->last_write + wheel->interval;
  return client->was_beat ? due : due + phase(wheel, client->handle);
}

void sse_heartbeat_add(sse_heartbeat_t *wheel, sse_client_t *client) {
  if (wheel->interval == 0) return;
  /* Rounded up: never early. */
  uint64_t step = (due_at(wheel, client) + wheel->step - 1) / wheel->step;
  if (step <= wheel->turn) step = wheel->turn + 1;
  if (step - wheel->turn >= SSE_HEARTBEAT_SLOTS) step = wheel->turn + SSE_HEARTBEAT_SLOTS - 1;
  sse_list_append(&wheel->slots[step % SSE_HEARTBEAT_SLOTS], &client->beat);
}

static void turn_slot(sse_heartbeat_t *wheel, sse_list_t *slot, uint64_t now, sse_list_t *due) {
  sse_list_t looked_at;
  sse_list_init(&looked_at);
  while (!sse_list_is_empty(slot))
    sse_list_append(&looked_at, slot->next);
  while (!sse_list_is_empty(&looked_at)) {
    sse_client_t *client = SSE_CONTAINER_OF(looked_at.next, sse_client_t, beat);
    if (due_at(wheel, client) <= now) {
      sse_list_append(due, &client->beat);
    } else {
      sse_list_remove(&client->beat);
      sse_heartbeat_add(wheel, client);
    }
  }
}

void sse_heartbeat_turn(sse_heartbeat_t *wheel, uint64_t now, sse_list_t *due) {
  if (wheel->interval == 0) return;
  uint64_t target = now / wheel->step;
  /* After a long pause one revolution looks at everybody. */
  if (target > wheel->turn + SSE_HEARTBEAT_SLOTS) wheel->turn = target - SSE_HEARTBEAT_SLOTS;
  while (wheel->turn < target) {
    wheel->turn++;
    turn_slot(wheel, &wheel->slots[wheel->turn % SSE_HEARTBEAT_SLOTS], now, due);
  }
}
