/* client.c - a subscriber's queue; see client.h. */
#include "hub/client.h"

#include "hub/mem.h"

sse_client_t *sse_client_new(sse_handle_t handle, uint64_t now) {
  sse_client_t *client = sse_calloc(1, sizeof(*client));
  if (client == NULL) return NULL;
  sse_list_init(&client->dirty);
  sse_list_init(&client->blocked);
  sse_list_init(&client->beat);
  client->handle = handle;
  client->last_write = now;
  client->pending = SSE_CLIENT_UNSEEN;
  client->queue = client->inline_queue;
  client->queue_room = SSE_CLIENT_INLINE_QUEUE;
  return client;
}

static void shrink(sse_client_t *client) {
  if (client->queue != client->inline_queue) sse_free(client->queue);
  client->queue = client->inline_queue;
  client->queue_room = SSE_CLIENT_INLINE_QUEUE;
  client->queue_head = 0;
}

void sse_client_free(sse_client_t *client) {
  for (uint32_t i = 0; i < client->queue_len; i++) {
    sse_frame_unref(client->queue[client->queue_head + i]);
  }
  shrink(client);
  sse_free(client->subs);
  sse_free(client);
}

static int make_room(sse_client_t *client) {
  /* Moving pays only when it frees half: else a long queue moves each time. */
  if (client->queue_head > 0 && client->queue_head >= client->queue_room / 2) {
    memmove(client->queue, client->queue + client->queue_head,
            client->queue_len * sizeof(*client->queue));
    client->queue_head = 0;
    return 0;
  }
  if (client->queue_room > UINT32_MAX / 4) return SSE_ENOMEM;
  uint32_t room = client->queue_room * 4; /* 2, 8, 32, 128: a ring's replay in four steps */
  bool was_inline = client->queue == client->inline_queue;
  sse_frame_t **queue =
      sse_realloc(was_inline ? NULL : client->queue, room * sizeof(*client->queue));
  if (queue == NULL) return SSE_ENOMEM;
  if (was_inline) memcpy(queue, client->inline_queue, sizeof(client->inline_queue));
  client->queue = queue;
  client->queue_room = room;
  return 0;
}

int sse_client_push(sse_client_t *client, sse_frame_t *frame) {
  int rc = sse_client_take(client, sse_frame_ref(frame));
  if (rc != 0) sse_frame_unref(frame);
  return rc;
}

int sse_client_take(sse_client_t *client, sse_frame_t *frame) {
  if (client->queue_head + client->queue_len == client->queue_room) {
    int rc = make_room(client);
    if (rc != 0) return rc;
  }
  client->queue[client->queue_head + client->queue_len++] = frame;
  client->queue_bytes += frame->len;
  return 0;
}

uint32_t sse_client_consume(sse_client_t *client, size_t taken) {
  uint32_t events = 0;
  client->queue_bytes -= taken;
  client->replay_bytes -= taken < client->replay_bytes ? taken : client->replay_bytes;
  taken += client->queue_offset;
  while (client->queue_len > 0) {
    sse_frame_t *first = client->queue[client->queue_head];
    if (first->len > taken) break;
    taken -= first->len;
    if (first->id != 0) events++;
    client->queue_head++;
    client->queue_len--;
    sse_frame_unref(first);
  }
  client->queue_offset = taken;
  if (client->queue_len == 0) shrink(client);
  return events;
}
