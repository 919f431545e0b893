/* shard.c - drains a mailbox into a hub; see shard.h. */
#include "io/shard.h"

#include "io/memory.h"

/* Less than this is not worth a walk over all that malloc keeps. */
#define TRIM_AFTER_BYTES ((uint64_t)16 << 20)

int sse_shard_init(sse_shard_t *shard, const sse_hub_config_t *config, const sse_sink_t *sink,
                   const sse_clock_t *clock) {
  *shard = (sse_shard_t){.clock = clock};
  if (sse_mailbox_init(&shard->mailbox) != 0) return SSE_ENOMEM;
  shard->hub = sse_hub_new(config, sink);
  if (shard->hub != NULL) return 0;
  sse_mailbox_deinit(&shard->mailbox);
  return SSE_ENOMEM;
}

void sse_shard_end(sse_shard_t *shard) {
  shard->wants_end = true;
  if (shard->hub == NULL || shard->is_draining) return;
  /* User code that the last closes run may post; nobody will read it. */
  sse_hub_t *hub = shard->hub;
  shard->hub = NULL;
  shard->delivered = sse_hub_counters(hub).delivered;
  sse_hub_free(hub);
}

void sse_shard_deinit(sse_shard_t *shard) {
  sse_mailbox_deinit(&shard->mailbox);
}

void sse_shard_post_all(sse_shard_t *shard, sse_command_t *first, sse_command_t *last) {
  bool was_empty = sse_mailbox_post(&shard->mailbox, first, last);
  if (shard->wake == NULL) {
    sse_shard_drain(shard);
  } else if (was_empty || shard->owes_wake) {
    shard->owes_wake = false;
    shard->wake(shard);
  }
}

void sse_shard_post(sse_shard_t *shard, sse_command_t *command) {
  sse_shard_post_all(shard, command, command);
}

void sse_shard_post_later(sse_shard_t *shard, sse_command_t *command) {
  if (shard->wake == NULL) {
    sse_shard_post(shard, command);
  } else if (sse_mailbox_post(&shard->mailbox, command, command)) {
    shard->owes_wake = true;
  }
}

void sse_shard_wake(sse_shard_t *shard) {
  if (!shard->owes_wake) return;
  shard->owes_wake = false;
  shard->wake(shard);
}

static bool apply_all(sse_shard_t *shard) {
  sse_command_t *command = sse_mailbox_take(&shard->mailbox);
  bool any = command != NULL;
  while (command != NULL) {
    sse_command_t *next = command->next;
    /* What failed left its mark (a raised floor, a closed client); a client
     * that is gone by now is no error. */
    (void)sse_command_apply(shard->hub, command);
    sse_command_free(command);
    if (sse_hub_wants_flush(shard->hub)) sse_hub_flush(shard->hub);
    command = next;
  }
  return any;
}

void sse_shard_drain(sse_shard_t *shard) {
  if (shard->is_draining || shard->hub == NULL) return;
  shard->is_draining = true;
  sse_hub_advance(shard->hub, sse_clock_now(shard->clock));
  bool any;
  do {
    any = apply_all(shard);
    sse_hub_flush(shard->hub);
  } while (any && shard->wake == NULL);
  shard->is_draining = false;
  if (shard->wants_end) sse_shard_end(shard);
}

/* After history has expired, once nothing more of it is due. */
static void give_back(sse_shard_t *shard) {
  uint64_t freed = sse_hub_freed(shard->hub);
  if (sse_hub_is_expiring(shard->hub) || freed - shard->trimmed < TRIM_AFTER_BYTES) return;
  shard->trimmed = freed;
  sse_memory_trim();
}

void sse_shard_tick(sse_shard_t *shard) {
  if (shard->is_draining || shard->hub == NULL) return;
  /* A look at a stream may run user code; what that posts has to wait. */
  shard->is_draining = true;
  sse_hub_tick(shard->hub, sse_clock_now(shard->clock));
  shard->is_draining = false;
  give_back(shard);
  sse_shard_drain(shard);
}
