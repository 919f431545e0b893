/* command.h - a hub command as a message that changes owner: made on one
 * thread, posted, applied and freed on the hub's. */
#ifndef SSE_HUB_COMMAND_H
#define SSE_HUB_COMMAND_H

#include "hub/hub.h"

typedef enum {
  SSE_CMD_ATTACH,
  SSE_CMD_DETACH,
  SSE_CMD_PUBLISH,
  SSE_CMD_DIRECT_CLIENT,
  SSE_CMD_DIRECT_USER,
  SSE_CMD_SUBSCRIBE,
  SSE_CMD_UNSUBSCRIBE,
  SSE_CMD_HYDRATE,
  SSE_CMD_GAP
} sse_command_kind_t;

typedef struct sse_command {
  struct sse_command *next; /* the mailbox's while posted */
  sse_command_kind_t kind;
  sse_handle_t client;
  sse_reason_t reason;  /* DETACH                                            */
  uint64_t floor;       /* HYDRATE, GAP                                      */
  sse_attach_t attach;  /* ATTACH; its keys and hello point into this block  */
  sse_frame_t **frames; /* references held until freed                       */
  size_t n_frames;
  sse_key_t *keys; /* in this block, their text too                     */
  size_t n_keys;
} sse_command_t;

/* [any] Each returns a command that owns copies of its keys and text and a
 * reference to its frames, or NULL when memory is out. */
sse_command_t *sse_command_attach(const sse_attach_t *attach);
sse_command_t *sse_command_detach(sse_handle_t client, sse_reason_t reason, sse_frame_t *last);
sse_command_t *sse_command_publish(sse_frame_t *frame, const sse_key_t *keys, size_t n_keys);
sse_command_t *sse_command_direct_client(sse_handle_t client, sse_frame_t *frame);
sse_command_t *sse_command_direct_user(const sse_key_t *user, sse_frame_t *frame);
sse_command_t *sse_command_subscribe(sse_handle_t client, const sse_key_t *key, bool on);
sse_command_t *sse_command_hydrate(const sse_key_t *key, sse_frame_t *const *frames, size_t n,
                                   uint64_t floor);
sse_command_t *sse_command_gap(uint64_t floor);

/* [owner] Runs the command on its hub; it stays the caller's to free. */
int sse_command_apply(sse_hub_t *hub, const sse_command_t *command);

/* [any] Drops its references and the block. NULL is a no-op. */
void sse_command_free(sse_command_t *command);

#endif
