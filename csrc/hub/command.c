/* command.c - hub commands as messages; see command.h. */
#include "hub/command.h"

#include "hub/mem.h"

/* One block: the command, then frame pointers, keys, and text. */
static sse_command_t *command_new(sse_command_kind_t kind, sse_handle_t client, size_t n_frames,
                                  const sse_key_t *keys, size_t n_keys, size_t extra) {
  size_t text = extra;
  for (size_t i = 0; i < n_keys; i++)
    text += sse_key_storage(&keys[i]);
  size_t frames_size = n_frames * sizeof(sse_frame_t *);
  size_t keys_size = n_keys * sizeof(sse_key_t);
  char *block = sse_malloc(sizeof(sse_command_t) + keys_size + frames_size + text);
  if (block == NULL) return NULL;
  sse_command_t *command = (sse_command_t *)(void *)block;
  *command = (sse_command_t){.kind = kind, .client = client, .n_keys = n_keys};
  command->keys = (sse_key_t *)(void *)(block + sizeof(*command));
  command->frames = (sse_frame_t **)(void *)(block + sizeof(*command) + keys_size);
  char *storage = block + sizeof(*command) + keys_size + frames_size + extra;
  for (size_t i = 0; i < n_keys; i++) {
    command->keys[i] = sse_key_copy(&keys[i], storage);
    storage += sse_key_storage(&keys[i]);
  }
  return command;
}

static sse_command_t *with_frame(sse_command_t *command, sse_frame_t *frame) {
  if (command != NULL && frame != NULL) command->frames[command->n_frames++] = sse_frame_ref(frame);
  return command;
}

sse_command_t *sse_command_attach(const sse_attach_t *attach) {
  sse_command_t *command = command_new(SSE_CMD_ATTACH, attach->client, 0, attach->keys,
                                       attach->n_keys, attach->hello.len + attach->opening.len);
  if (command == NULL) return NULL;
  command->attach = *attach;
  command->attach.keys = command->keys;
  char *text = (char *)command->frames; /* no frames: `extra` starts here */
  command->attach.hello.ptr = memcpy(text, attach->hello.ptr, attach->hello.len);
  if (attach->opening.len == 0) return command;
  text += attach->hello.len;
  command->attach.opening.ptr = memcpy(text, attach->opening.ptr, attach->opening.len);
  return command;
}

sse_command_t *sse_command_detach(sse_handle_t client, sse_reason_t reason, sse_frame_t *last) {
  sse_command_t *command = command_new(SSE_CMD_DETACH, client, 1, NULL, 0, 0);
  if (command != NULL) command->reason = reason;
  return with_frame(command, last);
}

sse_command_t *sse_command_publish(sse_frame_t *frame, const sse_key_t *keys, size_t n_keys) {
  return with_frame(command_new(SSE_CMD_PUBLISH, 0, 1, keys, n_keys, 0), frame);
}

sse_command_t *sse_command_direct_client(sse_handle_t client, sse_frame_t *frame) {
  return with_frame(command_new(SSE_CMD_DIRECT_CLIENT, client, 1, NULL, 0, 0), frame);
}

sse_command_t *sse_command_direct_user(const sse_key_t *user, sse_frame_t *frame) {
  return with_frame(command_new(SSE_CMD_DIRECT_USER, 0, 1, user, 1, 0), frame);
}

sse_command_t *sse_command_subscribe(sse_handle_t client, const sse_key_t *key, bool on) {
  return command_new(on ? SSE_CMD_SUBSCRIBE : SSE_CMD_UNSUBSCRIBE, client, 0, key, 1, 0);
}

sse_command_t *sse_command_hydrate(const sse_key_t *key, sse_frame_t *const *frames, size_t n,
                                   uint64_t floor) {
  sse_command_t *command = command_new(SSE_CMD_HYDRATE, 0, n, key, 1, 0);
  if (command == NULL) return NULL;
  command->floor = floor;
  for (size_t i = 0; i < n; i++)
    with_frame(command, frames[i]);
  return command;
}

sse_command_t *sse_command_gap(uint64_t floor) {
  sse_command_t *command = command_new(SSE_CMD_GAP, 0, 0, NULL, 0, 0);
  if (command != NULL) command->floor = floor;
  return command;
}

int sse_command_apply(sse_hub_t *hub, const sse_command_t *command) {
  sse_frame_t *frame = command->n_frames > 0 ? command->frames[0] : NULL;
  switch (command->kind) {
    case SSE_CMD_ATTACH:
      return sse_hub_attach(hub, &command->attach);
    case SSE_CMD_DETACH:
      return sse_hub_detach(hub, command->client, command->reason, frame);
    case SSE_CMD_PUBLISH:
      return sse_hub_publish(hub, frame, command->keys, command->n_keys);
    case SSE_CMD_DIRECT_CLIENT:
      return sse_hub_direct_client(hub, command->client, frame);
    case SSE_CMD_DIRECT_USER:
      return sse_hub_direct_user(hub, command->keys, frame);
    case SSE_CMD_SUBSCRIBE:
      return sse_hub_subscribe(hub, command->client, command->keys);
    case SSE_CMD_UNSUBSCRIBE:
      return sse_hub_unsubscribe(hub, command->client, command->keys);
    case SSE_CMD_HYDRATE:
      return sse_hub_hydrate(hub, command->keys, command->frames, command->n_frames,
                             command->floor);
    case SSE_CMD_GAP:
      return sse_hub_gap(hub, command->floor);
  }
  return SSE_EINVAL;
}

void sse_command_free(sse_command_t *command) {
  if (command == NULL) return;
  for (size_t i = 0; i < command->n_frames; i++)
    sse_frame_unref(command->frames[i]);
  sse_free(command);
}
