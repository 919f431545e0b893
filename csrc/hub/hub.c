/* hub.c - the commands, the flush and the timers of a shard; see hub.h. */
#include "hub/hub.h"

#include "hub/hub_internal.h"
#include "hub/limits.h"
#include "hub/mem.h"

#define FLUSH_AFTER_BYTES ((size_t)256 * 1024)
#define FRAMES_PER_WRITE 256
#define MAX_TICK_US UINT64_C(1000000)

static const char HEARTBEAT[] = ": heartbeat\n";

sse_hub_t *sse_hub_new(const sse_hub_config_t *config, const sse_sink_t *sink) {
  sse_hub_t *hub = sse_calloc(1, sizeof(*hub));
  if (hub == NULL) return NULL;
  hub->heartbeat_frame = sse_frame_from_bytes(0, sse_span(HEARTBEAT, sizeof(HEARTBEAT) - 1));
  if (hub->heartbeat_frame == NULL) {
    sse_free(hub);
    return NULL;
  }
  hub->sink = *sink;
  hub->now = config->now != 0 ? config->now : config->birth;
  hub->newest = config->newest > config->birth ? config->newest : config->birth;
  hub->max_queued_bytes = config->max_queued_bytes;
  sse_table_init(&hub->clients);
  sse_channels_init(&hub->channels, config);
  sse_heartbeat_init(&hub->wheel, config->heartbeat_us, hub->now);
  sse_list_init(&hub->dirty);
  sse_list_init(&hub->blocked);
  return hub;
}

static sse_client_t *client_of(sse_table_node_t *node) {
  return node == NULL ? NULL : SSE_CONTAINER_OF(node, sse_client_t, node);
}

sse_client_t *sse__hub_find(const sse_hub_t *hub, sse_handle_t handle) {
  /* A handle is its own hash: unique, and close handles spread over buckets. */
  return client_of(sse_table_first(&hub->clients, handle));
}

static void count(sse_hub_t *hub) {
  atomic_store_explicit(&hub->n_clients, hub->clients.count, memory_order_relaxed);
  atomic_store_explicit(&hub->n_rings, hub->channels.n_rings, memory_order_relaxed);
  atomic_store_explicit(&hub->n_bytes, hub->channels.budget.bytes, memory_order_relaxed);
}

void sse__hub_doom(sse_hub_t *hub, sse_client_t *client, sse_reason_t reason) {
  if (client->is_doomed) return;
  client->is_doomed = true;
  /* A close that was under way keeps the reason it was given. */
  if (!client->is_closing) client->reason = reason;
  sse_list_append(&hub->dirty, &client->dirty);
}

/* A replay does not count for the hard limit: one that is longer could never be
 * caught up with, however fast the peer is. Its frames are the rings' too. */
static bool is_slow(const sse_hub_t *hub, const sse_client_t *client, uint64_t stalled_us) {
  size_t left = client->queue_bytes;
  if (stalled_us < SSE_STALL_US) left -= client->replay_bytes;
  return sse_limits_is_slow(hub->max_queued_bytes, left, stalled_us);
}

/* Over the hard limit, for which no time to recover is given. */
static bool is_overfull(const sse_hub_t *hub, const sse_client_t *client) {
  return is_slow(hub, client, 0);
}

/* What follows a frame that was appended, or could not be (`rc`). */
static int enqueued(sse_hub_t *hub, sse_client_t *client, int rc) {
  if (rc != 0) {
    /* It would miss an event and never know: end it, so that it resumes. */
    sse__hub_doom(hub, client, SSE_REASON_ERROR);
    return rc;
  }
  if (!client->is_blocked) sse_list_append(&hub->dirty, &client->dirty);
  if (client->is_blocked && is_overfull(hub, client)) hub->has_overfull = true;
  return 0;
}

int sse__hub_enqueue(sse_hub_t *hub, sse_client_t *client, sse_frame_t *frame) {
  if (frame->len == 0) return 0; /* a write of nothing could never be done */
  return enqueued(hub, client, sse_client_push(client, frame));
}

static void unsubscribe_all(sse_hub_t *hub, sse_client_t *client) {
  while (client->n_subs > 0) {
    sse_channels_release(&hub->channels, sse_channel_unlink(client, client->n_subs - 1));
  }
}

/* Forgets the client and only then tells the transport, whose close may run
 * user code. */
static void drop(sse_hub_t *hub, sse_client_t *client, sse_reason_t reason) {
  void *transport = client->transport;
  sse_handle_t handle = client->handle;
  unsubscribe_all(hub, client);
  sse_list_remove(&client->dirty);
  sse_list_remove(&client->blocked);
  sse_list_remove(&client->beat);
  sse_table_remove(&hub->clients, &client->node);
  sse_client_free(client);
  count(hub);
  hub->sink.close(hub->sink.ctx, transport, handle, reason);
}

void sse_hub_free(sse_hub_t *hub) {
  size_t bucket = 0;
  sse_table_node_t *node;
  while ((node = sse_table_walk(&hub->clients, &bucket, NULL)) != NULL) {
    sse_client_t *client = client_of(node);
    bool is_ending = client->is_closing || client->is_doomed;
    drop(hub, client, is_ending ? client->reason : SSE_REASON_SHUTDOWN);
  }
  sse_table_deinit(&hub->clients);
  sse_channels_deinit(&hub->channels);
  sse_frame_unref(hub->heartbeat_frame);
  sse_free(hub);
}

void sse__hub_go_live(sse_hub_t *hub, sse_client_t *client) {
  sse_heartbeat_add(&hub->wheel, client);
  count(hub);
}

void sse__hub_abandon(sse_hub_t *hub, sse_client_t *client) {
  drop(hub, client, SSE_REASON_ERROR);
}

int sse_hub_detach(sse_hub_t *hub, sse_handle_t handle, sse_reason_t reason, sse_frame_t *last) {
  sse_client_t *client = sse__hub_find(hub, handle);
  if (client == NULL) return SSE_ENOENT;
  if (client->is_closing || client->is_doomed) return 0;
  client->is_closing = true;
  client->closing_at = hub->now;
  client->reason = reason;
  unsubscribe_all(hub, client);
  sse_list_remove(&client->beat);
  if (last != NULL) sse__hub_enqueue(hub, client, last);
  sse_list_append(&hub->dirty, &client->dirty);
  return 0;
}

/* Whether an event is for the client, as far as its cursor says. */
static bool wants(const sse_client_t *client, const sse_frame_t *frame) {
  if (client->is_closing || client->is_doomed) return false;
  return frame->id == 0 || frame->id > client->cursor;
}

/* Queues an event for one client unless its cursor is past it. */
static void deliver(sse_hub_t *hub, sse_client_t *client, sse_frame_t *frame) {
  if (frame->id > hub->newest) hub->newest = frame->id;
  if (!wants(client, frame)) return;
  if (sse__hub_enqueue(hub, client, frame) == 0 && frame->id != 0) client->cursor = frame->id;
}

/* The same for a whole channel, with all references taken at once. */
static void deliver_all(sse_hub_t *hub, const sse_channel_t *channel, sse_frame_t *frame) {
  uint32_t n = channel->n_subscribers, unused = 0;
  if (frame->id > hub->newest) hub->newest = frame->id;
  if (frame->len == 0) return; /* a write of nothing could never be done */
  sse_frame_ref_many(frame, n);
  for (uint32_t i = 0; i < n; i++) {
    sse_client_t *client = channel->subscribers[i].client;
    if (i + 2 < n) __builtin_prefetch(channel->subscribers[i + 2].client, 1);
    if (!wants(client, frame)) {
      unused++;
    } else if (enqueued(hub, client, sse_client_take(client, frame)) != 0) {
      unused++;
    } else if (frame->id != 0) {
      client->cursor = frame->id;
    }
  }
  sse_frame_unref_many(frame, unused);
}

int sse_hub_publish(sse_hub_t *hub, sse_frame_t *frame, const sse_key_t *keys, size_t n_keys) {
  int result = 0;
  if (frame->id > hub->newest) hub->newest = frame->id;
  if (n_keys > 1) sse_budget_spread(&hub->channels.budget, frame);
  for (size_t i = 0; i < n_keys; i++) {
    sse_channel_t *channel = sse_channels_obtain(&hub->channels, &keys[i]);
    if (channel == NULL) {
      /* Nowhere to note the loss for this key alone: note it for all. */
      sse_channels_gap(&hub->channels, frame->id);
      result = SSE_ENOMEM;
      continue;
    }
    int rc = sse_channels_push(&hub->channels, channel, frame, hub->now);
    if (rc != 0) result = rc;
    deliver_all(hub, channel, frame);
  }
  if (n_keys > 1) sse_budget_spread_done(&hub->channels.budget);
  hub->unflushed += frame->len;
  count(hub);
  return result;
}

int sse_hub_direct_client(sse_hub_t *hub, sse_handle_t handle, sse_frame_t *frame) {
  sse_client_t *client = sse__hub_find(hub, handle);
  if (client == NULL || client->is_closing || client->is_doomed) return SSE_ENOENT;
  deliver(hub, client, frame);
  hub->unflushed += frame->len;
  return 0;
}

int sse_hub_direct_user(sse_hub_t *hub, const sse_key_t *user, sse_frame_t *frame) {
  sse_channel_t *channel = sse_channels_find(&hub->channels, user);
  if (channel == NULL || channel->n_subscribers == 0) return SSE_ENOENT;
  deliver_all(hub, channel, frame);
  hub->unflushed += frame->len;
  return 0;
}

int sse_hub_hydrate(sse_hub_t *hub, const sse_key_t *key, sse_frame_t *const *frames, size_t n,
                    uint64_t floor) {
  if (n > 0 && frames[n - 1]->id > hub->newest) hub->newest = frames[n - 1]->id;
  sse_channel_t *channel = sse_channels_obtain(&hub->channels, key);
  if (channel == NULL) {
    /* As where a publish finds no memory: nowhere to note it for this key alone. */
    sse_channels_gap(&hub->channels, n > 0 ? frames[n - 1]->id : floor);
    return SSE_ENOMEM;
  }
  bool is_new = !channel->has_ring;
  /* Peers choose what is hydrated: that a key has no events is worth no one's ring. */
  if (is_new && n == 0 && hub->channels.n_rings >= hub->channels.max_rings) {
    sse_channels_release(&hub->channels, channel);
    return 0;
  }
  sse_ring_t *ring = sse_channels_ring(&hub->channels, channel, hub->now);
  int rc = sse_ring_hydrate(ring, frames, n, floor);
  /* A ring made just now knows no event of its key: what it was given is all. */
  if (is_new && rc == 0) sse_ring_gap(ring, floor);
  /* Not taken in: it must not be claimed that there was nothing. */
  if (rc != 0 && n > 0) sse_ring_gap(ring, frames[n - 1]->id);
  /* One without events is the first to go. */
  sse__channels_settle(&hub->channels, channel, hub->now);
  count(hub);
  return rc;
}

static sse_frame_t *gap_frame(uint64_t floor) {
  char data[40] = "{\"floor\":";
  size_t len = strlen(data);
  len += sse_encode_u64(floor, data + len);
  data[len++] = '}';
  sse_event_t event = {0, sse_span_cstr("gap"), sse_span(data, len), SSE_NO_RETRY};
  return sse_frame_from_event(&event);
}

int sse_hub_gap(sse_hub_t *hub, uint64_t floor) {
  sse_channels_gap(&hub->channels, floor);
  if (floor > hub->newest) hub->newest = floor;
  sse_frame_t *frame = gap_frame(floor);
  size_t bucket = 0;
  sse_table_node_t *node = NULL;
  while ((node = sse_table_walk(&hub->clients, &bucket, node)) != NULL) {
    if (frame != NULL) {
      deliver(hub, client_of(node), frame);
    } else {
      sse__hub_doom(hub, client_of(node),
                    SSE_REASON_ERROR); /* it cannot be told: let it come back */
    }
  }
  sse_frame_unref(frame);
  return frame == NULL ? SSE_ENOMEM : 0;
}

uint64_t sse_hub_freed(const sse_hub_t *hub) {
  return hub->channels.freed;
}

bool sse_hub_is_expiring(const sse_hub_t *hub) {
  return hub->is_expiring;
}

void sse_hub_advance(sse_hub_t *hub, uint64_t now) {
  if (now > hub->now) hub->now = now;
}

static void beat_idle(sse_hub_t *hub) {
  sse_list_t due;
  sse_list_init(&due);
  sse_heartbeat_turn(&hub->wheel, hub->now, &due);
  while (!sse_list_is_empty(&due)) {
    sse_client_t *client = SSE_CONTAINER_OF(due.next, sse_client_t, beat);
    sse_list_remove(&client->beat);
    /* Bytes that wait are sign of life enough once they go. */
    if (client->queue_len == 0) deliver(hub, client, hub->heartbeat_frame);
    client->last_write = hub->now;
    client->was_beat = true;
    sse_heartbeat_add(&hub->wheel, client);
  }
}

/* Sees whether the peer took anything since the last look. Only time between
 * two looks counts, so that the first one never does. */
static void look_at(sse_hub_t *hub, sse_client_t *client, uint64_t elapsed) {
  size_t pending = hub->sink.pending(hub->sink.ctx, client->transport);
  bool is_first = client->pending == SSE_CLIENT_UNSEEN;
  bool has_moved = !is_first && pending < client->pending;
  if (has_moved) client->stalled_us = 0;
  if (!is_first && !has_moved) client->stalled_us += elapsed;
  client->pending = pending;
}

/* Over the hard limit it has to be twice: the look that a long drain is followed
 * by comes before the loop has asked any peer. */
static bool is_too_slow(sse_hub_t *hub, sse_client_t *client) {
  if (client->is_closing) {
    return client->stalled_us >= SSE_STALL_US || hub->now - client->closing_at >= SSE_LINGER_US;
  }
  bool was_overfull = client->was_overfull;
  client->was_overfull = is_overfull(hub, client);
  if (client->was_overfull) hub->has_overfull = true;
  if (client->was_overfull) return was_overfull;
  return is_slow(hub, client, client->stalled_us);
}

/* A thread that was busy elsewhere has given no peer a chance: what is counted
 * for one look is at most the time that should lie between two. Clients are
 * taken from a list of their own, since a look may end in sse_hub_writable. */
static void judge_blocked(sse_hub_t *hub) {
  uint64_t elapsed = hub->now - hub->looked_at;
  if (elapsed > SSE_LOOK_US) elapsed = SSE_LOOK_US;
  hub->looked_at = hub->now;
  hub->has_overfull = false;
  sse_list_t unseen;
  sse_list_move_all(&unseen, &hub->blocked);
  while (!sse_list_is_empty(&unseen)) {
    sse_client_t *client = SSE_CONTAINER_OF(unseen.next, sse_client_t, blocked);
    sse_list_append(&hub->blocked, &client->blocked);
    if (!client->is_closing && client->queue_bytes <= hub->max_queued_bytes) {
      client->was_overfull = false;
      continue;
    }
    look_at(hub, client, elapsed);
    if (is_too_slow(hub, client)) sse__hub_doom(hub, client, SSE_REASON_SLOW_READER);
  }
}

void sse_hub_tick(sse_hub_t *hub, uint64_t now) {
  sse_hub_advance(hub, now);
  beat_idle(hub);
  judge_blocked(hub);
  hub->is_expiring = sse_channels_expire(&hub->channels, hub->now);
  count(hub);
}

uint64_t sse_hub_tick_interval(const sse_hub_t *hub) {
  if (hub->has_overfull || hub->is_expiring) return SSE_LOOK_SOON_US;
  uint64_t interval = hub->wheel.interval == 0 ? MAX_TICK_US : hub->wheel.step;
  if (interval > SSE_LOOK_US && !sse_list_is_empty(&hub->blocked)) return SSE_LOOK_US;
  return interval < MAX_TICK_US ? interval : MAX_TICK_US;
}

void sse_hub_writable(sse_hub_t *hub, sse_handle_t handle) {
  sse_client_t *client = sse__hub_find(hub, handle);
  if (client == NULL) return;
  client->is_woken = true;
  if (!client->is_blocked) return;
  client->is_blocked = false;
  sse_list_remove(&client->blocked);
  sse_list_append(&hub->dirty, &client->dirty);
}

void sse_hub_hangup(sse_hub_t *hub, sse_handle_t handle, sse_reason_t reason) {
  sse_client_t *client = sse__hub_find(hub, handle);
  if (client != NULL) sse__hub_doom(hub, client, reason);
}

bool sse_hub_wants_flush(const sse_hub_t *hub) {
  return hub->unflushed >= FLUSH_AFTER_BYTES;
}

/* One gathered write. False when the client is to be looked at no further. */
static bool write_some(sse_hub_t *hub, sse_client_t *client) {
  size_t n = client->queue_len < FRAMES_PER_WRITE ? client->queue_len : FRAMES_PER_WRITE;
  size_t taken = 0;
  bool beat = client->queue[client->queue_head] == hub->heartbeat_frame;
  client->is_woken = false;
  sse_sink_status_t status =
      hub->sink.write(hub->sink.ctx, client->transport, client->queue + client->queue_head, n,
                      client->queue_offset, &taken);
  if (taken > 0) {
    uint64_t events = sse_client_consume(client, taken);
    hub->n_delivered += events;
    atomic_store_explicit(&hub->delivered, hub->n_delivered, memory_order_relaxed);
    client->last_write = hub->now;
    client->was_beat = beat && events == 0;
    client->stalled_us = 0;
    client->pending = SSE_CLIENT_UNSEEN;
  }
  if (status == SSE_SINK_BLOCKED && client->is_woken && taken > 0) status = SSE_SINK_DONE;
  if (status == SSE_SINK_DONE) return !client->is_doomed;
  if (status == SSE_SINK_BROKEN) {
    sse__hub_doom(hub, client, SSE_REASON_RESET);
    return false;
  }
  client->is_blocked = true;
  sse_list_append(&hub->blocked, &client->blocked);
  if (is_overfull(hub, client)) hub->has_overfull = true;
  return false;
}

/* The client behind this one, whose memory comes while this one is written to. */
static void fetch_next(const sse_client_t *client) {
  const sse_client_t *next = SSE_CONTAINER_OF(client->dirty.next, sse_client_t, dirty);
  __builtin_prefetch(&next->queue_bytes, 1);
  __builtin_prefetch(next->transport);
  __builtin_prefetch(next->dirty.next);
}

static void flush_client(sse_hub_t *hub, sse_client_t *client) {
  if (!client->is_doomed && !client->is_blocked) {
    while (client->queue_len > 0 && write_some(hub, client))
      continue;
  }
  bool is_done = client->is_closing && client->queue_len == 0;
  if (client->is_doomed || is_done) drop(hub, client, client->reason);
}

void sse_hub_flush(sse_hub_t *hub) {
  while (!sse_list_is_empty(&hub->dirty)) {
    sse_client_t *client = SSE_CONTAINER_OF(hub->dirty.next, sse_client_t, dirty);
    fetch_next(client);
    sse_list_remove(&client->dirty);
    flush_client(hub, client);
  }
  hub->unflushed = 0;
}

sse_hub_counters_t sse_hub_counters(const sse_hub_t *hub) {
  return (sse_hub_counters_t){
      .delivered = atomic_load_explicit(&hub->delivered, memory_order_relaxed),
      .clients = atomic_load_explicit(&hub->n_clients, memory_order_relaxed),
      .rings = atomic_load_explicit(&hub->n_rings, memory_order_relaxed),
      .history_bytes = atomic_load_explicit(&hub->n_bytes, memory_order_relaxed),
  };
}
