/* fanout.c - the same commands for every shard; see fanout.h. [js] throughout. */
#include "napi/fanout.h"

void sse_fanout_begin(sse_fanout_t *fanout, sse_core_t *core) {
  fanout->core = core;
  for (uint32_t i = 0; i <= core->n_threads; i++)
    fanout->first[i] = fanout->last[i] = NULL;
}

static int add(sse_fanout_t *fanout, uint32_t shard, sse_command_t *command) {
  if (command == NULL) return SSE_ENOMEM;
  command->next = NULL;
  if (fanout->first[shard] == NULL) {
    fanout->first[shard] = command;
  } else {
    fanout->last[shard]->next = command;
  }
  fanout->last[shard] = command;
  return 0;
}

int sse_fanout_publish(sse_fanout_t *fanout, sse_frame_t *frame, const sse_key_t *keys,
                       size_t n_keys) {
  int rc = 0;
  for (uint32_t i = 0; rc == 0 && i <= fanout->core->n_threads; i++)
    rc = add(fanout, i, sse_command_publish(frame, keys, n_keys));
  return rc;
}

int sse_fanout_hydrate(sse_fanout_t *fanout, const sse_key_t *key, sse_frame_t *const *frames,
                       size_t n, uint64_t floor) {
  int rc = 0;
  for (uint32_t i = 0; rc == 0 && i <= fanout->core->n_threads; i++)
    rc = add(fanout, i, sse_command_hydrate(key, frames, n, floor));
  return rc;
}

int sse_fanout_gap(sse_fanout_t *fanout, uint64_t floor) {
  int rc = 0;
  for (uint32_t i = 0; rc == 0 && i <= fanout->core->n_threads; i++)
    rc = add(fanout, i, sse_command_gap(floor));
  return rc;
}

void sse_fanout_post(sse_fanout_t *fanout) {
  sse_core_t *core = fanout->core;
  for (uint32_t i = 0; i <= core->n_threads; i++) {
    sse_shard_t *shard = i == core->n_threads ? &core->local : &core->threads[i].shard;
    if (fanout->first[i] != NULL) sse_shard_post_all(shard, fanout->first[i], fanout->last[i]);
  }
}

void sse_fanout_discard(sse_fanout_t *fanout) {
  for (uint32_t i = 0; i <= fanout->core->n_threads; i++) {
    while (fanout->first[i] != NULL) {
      sse_command_t *next = fanout->first[i]->next;
      sse_command_free(fanout->first[i]);
      fanout->first[i] = next;
    }
  }
}
