/* hub_attach.c - how a client joins its hub: subscriptions, the verdict on its
 * cursor, `connected`, the replay merged by id; and later subscriptions. */
#include <stdlib.h>

#include "hub/hub_internal.h"
#include "hub/mem.h"

/* Subscribes to every key, or to none. */
static int subscribe_all(sse_hub_t *hub, sse_client_t *client, const sse_key_t *keys, size_t n) {
  if (n == 0) return 0;
  if (n > UINT32_MAX) return SSE_EINVAL;
  client->subs = sse_malloc(n * sizeof(*client->subs));
  if (client->subs == NULL) return SSE_ENOMEM;
  client->subs_room = (uint32_t)n;
  for (size_t i = 0; i < n; i++) {
    sse_channel_t *channel = sse_channels_obtain(&hub->channels, &keys[i]);
    if (channel == NULL) return SSE_ENOMEM;
    if (sse_channel_link(channel, client) != 0) {
      sse_channels_release(&hub->channels, channel);
      return SSE_ENOMEM;
    }
  }
  return 0;
}

/* True when nothing above the cursor is missing for any of the client's keys. */
static bool is_complete(sse_hub_t *hub, const sse_client_t *client, uint64_t cursor) {
  bool complete = true;
  for (uint32_t i = 0; i < client->n_subs; i++) {
    uint64_t floor = sse_channels_floor(&hub->channels, client->subs[i].channel, hub->now);
    if (cursor < floor) complete = false;
  }
  return complete;
}

static int by_id(const void *a, const void *b) {
  uint64_t x = (*(sse_frame_t *const *)a)->id, y = (*(sse_frame_t *const *)b)->id;
  return x < y ? -1 : x > y;
}

typedef struct {
  sse_frame_t **frames; /* borrowed from the rings; ascending, each id once */
  size_t len;
} replay_t;

/* Every held event above the cursor, merged by id: a browser keeps the last id
 * it saw, so one channel after the other would skip events after a drop. */
static int gather(const sse_client_t *client, uint64_t cursor, replay_t *replay) {
  size_t most = 0;
  for (uint32_t i = 0; i < client->n_subs; i++) {
    const sse_channel_t *channel = client->subs[i].channel;
    if (channel->has_ring) most += channel->ring.count - sse_ring_after(&channel->ring, cursor);
  }
  *replay = (replay_t){0};
  if (most == 0) return 0;
  replay->frames = sse_malloc(most * sizeof(*replay->frames));
  if (replay->frames == NULL) return SSE_ENOMEM;
  size_t len = 0, sources = 0;
  for (uint32_t i = 0; i < client->n_subs; i++) {
    const sse_channel_t *channel = client->subs[i].channel;
    if (!channel->has_ring) continue;
    uint32_t at = sse_ring_after(&channel->ring, cursor);
    if (at < channel->ring.count) sources++;
    for (; at < channel->ring.count; at++)
      replay->frames[len++] = sse_ring_at(&channel->ring, at);
  }
  if (sources > 1) qsort(replay->frames, len, sizeof(*replay->frames), by_id);
  for (size_t i = 0; i < len; i++) {
    if (replay->len > 0 && replay->frames[replay->len - 1]->id == replay->frames[i]->id) continue;
    replay->frames[replay->len++] = replay->frames[i];
  }
  return 0;
}

/* Its id is a position, not an event: it is not counted as delivered. */
static sse_frame_t *first_frame(sse_span_t opening, const sse_event_t *connected) {
  sse_frame_t *frame = sse_frame_new(0, opening.len + sse_encode_size(connected));
  if (frame == NULL) return NULL;
  if (opening.len > 0) memcpy(frame->bytes, opening.ptr, opening.len);
  sse_encode(connected, frame->bytes + opening.len);
  return frame;
}

/* `connected` is private to its client: the hub adds what only it knows. */
static sse_frame_t *connected_frame(const sse_attach_t *attach, uint64_t id, bool recovered,
                                    bool has_last_event_id) {
  static const char recovered_yes[] = ",\"recovered\":true,\"lastEventId\":";
  static const char recovered_no[] = ",\"recovered\":false,\"lastEventId\":";
  char tail[sizeof(recovered_no) + 24];
  size_t n = recovered ? sizeof(recovered_yes) - 1 : sizeof(recovered_no) - 1;
  memcpy(tail, recovered ? recovered_yes : recovered_no, n);
  if (!has_last_event_id) {
    memcpy(tail + n, "null", 4);
    n += 4;
  } else {
    n += sse_encode_u64(attach->cursor, tail + n);
  }
  tail[n++] = '}';
  char *data = sse_malloc(attach->hello.len + n);
  if (data == NULL) return NULL;
  memcpy(data, attach->hello.ptr, attach->hello.len);
  memcpy(data + attach->hello.len, tail, n);
  sse_event_t event = {id, sse_span_cstr("connected"), sse_span(data, attach->hello.len + n),
                       attach->retry};
  sse_frame_t *frame = first_frame(attach->opening, &event);
  sse_free(data);
  return frame;
}

static int queue_replay(sse_hub_t *hub, sse_client_t *client, const replay_t *replay) {
  for (size_t i = 0; i < replay->len; i++) {
    int rc = sse__hub_enqueue(hub, client, replay->frames[i]);
    if (rc != 0) return rc;
    client->cursor = replay->frames[i]->id;
  }
  return 0;
}

/* Decides the cursor, then queues `connected` and the replay. */
static int greet(sse_hub_t *hub, sse_client_t *client, const sse_attach_t *attach) {
  bool is_ours = attach->kind == SSE_CURSOR_ID && attach->cursor <= hub->newest;
  uint64_t cursor = attach->cursor <= hub->newest ? attach->cursor : hub->newest;
  /* Asked for every kind: it also expires what is too old to be replayed. */
  bool complete = is_complete(hub, client, cursor);
  bool recovered = attach->kind == SSE_CURSOR_NONE || (is_ours && complete);
  replay_t replay;
  int rc = gather(client, cursor, &replay);
  if (rc != 0) return rc;
  client->cursor = cursor;
  sse_frame_t *connected =
      connected_frame(attach, replay.len == 0 ? hub->newest : 0, recovered, is_ours);
  rc = connected == NULL ? SSE_ENOMEM : sse__hub_enqueue(hub, client, connected);
  sse_frame_unref(connected);
  if (rc == 0) rc = queue_replay(hub, client, &replay);
  sse_free(replay.frames);
  client->replay_bytes = client->queue_bytes;
  /* Everything up to newest has been decided on now. */
  if (hub->newest > client->cursor) client->cursor = hub->newest;
  return rc;
}

int sse_hub_attach(sse_hub_t *hub, const sse_attach_t *attach) {
  void *transport = hub->sink.open(hub->sink.ctx, attach->client, attach->endpoint);
  if (transport == NULL) return SSE_EIO;
  sse_client_t *client = sse_client_new(attach->client, hub->now);
  if (client == NULL) goto fail_client;
  client->transport = transport;
  if (sse_table_insert(&hub->clients, &client->node, attach->client) != 0) goto fail_insert;
  int rc = subscribe_all(hub, client, attach->keys, attach->n_keys);
  if (rc == 0) rc = greet(hub, client, attach);
  if (rc == 0) {
    sse__hub_go_live(hub, client);
  } else {
    sse__hub_abandon(hub, client);
  }
  return rc;

fail_insert:
  sse_client_free(client);
fail_client:
  hub->sink.close(hub->sink.ctx, transport, attach->client, SSE_REASON_ERROR);
  return SSE_ENOMEM;
}

static uint32_t find_sub(const sse_client_t *client, const sse_channel_t *channel) {
  uint32_t i = 0;
  while (i < client->n_subs && client->subs[i].channel != channel)
    i++;
  return i;
}

static int reserve_sub(sse_client_t *client) {
  if (client->n_subs < client->subs_room) return 0;
  uint32_t room = client->subs_room == 0 ? 2 : client->subs_room * 2;
  if (room <= client->subs_room) return SSE_ENOMEM;
  sse_sub_t *subs = sse_realloc(client->subs, room * sizeof(*subs));
  if (subs == NULL) return SSE_ENOMEM;
  client->subs = subs;
  client->subs_room = room;
  return 0;
}

int sse_hub_subscribe(sse_hub_t *hub, sse_handle_t handle, const sse_key_t *key) {
  sse_client_t *client = sse__hub_find(hub, handle);
  if (client == NULL || client->is_closing || client->is_doomed) return SSE_ENOENT;
  sse_channel_t *channel = sse_channels_obtain(&hub->channels, key);
  int rc = channel == NULL ? SSE_ENOMEM : 0;
  if (rc == 0) rc = find_sub(client, channel) < client->n_subs ? SSE_EEXIST : reserve_sub(client);
  if (rc == 0) rc = sse_channel_link(channel, client);
  if (rc != 0 && channel != NULL) sse_channels_release(&hub->channels, channel);
  /* It would miss the key's events and never know. */
  if (rc == SSE_ENOMEM) sse__hub_doom(hub, client, SSE_REASON_ERROR);
  return rc;
}

int sse_hub_unsubscribe(sse_hub_t *hub, sse_handle_t handle, const sse_key_t *key) {
  sse_client_t *client = sse__hub_find(hub, handle);
  sse_channel_t *channel = client == NULL ? NULL : sse_channels_find(&hub->channels, key);
  uint32_t i = channel == NULL ? 0 : find_sub(client, channel);
  if (channel == NULL || i == client->n_subs) return SSE_ENOENT;
  sse_channels_release(&hub->channels, sse_channel_unlink(client, i));
  return 0;
}
