/* channel.c - keys, subscribers and floors; see channel.h. */
#include "hub/channel.h"

#include "hub/mem.h"

/* A million at once would keep a thread from its sockets for a second. */
#define EXPIRE_AT_ONCE 10000

void sse_channels_init(sse_channels_t *channels, const sse_hub_config_t *config) {
  sse_table_init(&channels->table);
  sse_list_init(&channels->rings);
  sse_list_init(&channels->emptied);
  channels->n_rings = 0;
  channels->max_rings = config->max_rings > 0 ? config->max_rings : 1;
  channels->history_size = config->history_size;
  channels->sizes = config->sizes;
  channels->freed = 0;
  channels->ttl_us = config->history_ttl_us;
  channels->birth = config->birth;
  sse_budget_init(&channels->budget, config->history_max_bytes, config->history_total_bytes);
}

static sse_channel_t *channel_of(sse_table_node_t *node) {
  return node == NULL ? NULL : SSE_CONTAINER_OF(node, sse_channel_t, node);
}

static void drop_ring(sse_channels_t *channels, sse_channel_t *channel) {
  sse_ring_deinit(&channel->ring);
  sse_list_remove(&channel->idle);
  channel->has_ring = false;
  channels->n_rings--;
}

void sse_channels_deinit(sse_channels_t *channels) {
  size_t bucket = 0;
  sse_channel_t *channel = channel_of(sse_table_walk(&channels->table, &bucket, NULL));
  while (channel != NULL) {
    sse_channel_t *next = channel_of(sse_table_walk(&channels->table, &bucket, &channel->node));
    if (channel->has_ring) drop_ring(channels, channel);
    sse_free(channel->subscribers);
    sse_free(channel);
    channel = next;
  }
  sse_table_deinit(&channels->table);
  sse_budget_deinit(&channels->budget);
}

sse_channel_t *sse_channels_find(const sse_channels_t *channels, const sse_key_t *key) {
  sse_table_node_t *node = sse_table_first(&channels->table, key->hash);
  while (node != NULL && !sse_key_equal(&channel_of(node)->key, key))
    node = sse_table_next(node);
  return channel_of(node);
}

sse_channel_t *sse_channels_obtain(sse_channels_t *channels, const sse_key_t *key) {
  sse_channel_t *channel = sse_channels_find(channels, key);
  if (channel != NULL) return channel;
  channel = sse_calloc(1, sizeof(*channel) + sse_key_storage(key));
  if (channel == NULL) return NULL;
  sse_list_init(&channel->idle);
  channel->key = sse_key_copy(key, channel->storage);
  if (sse_table_insert(&channels->table, &channel->node, key->hash) == 0) return channel;
  sse_free(channel);
  return NULL;
}

void sse_channels_release(sse_channels_t *channels, sse_channel_t *channel) {
  if (channel->has_ring || channel->n_subscribers > 0) return;
  sse_table_remove(&channels->table, &channel->node);
  sse_free(channel->subscribers);
  sse_free(channel);
}

static uint64_t ttl_floor(const sse_channels_t *channels, uint64_t now) {
  if (channels->ttl_us == 0 || now < channels->ttl_us) return 0;
  return now - channels->ttl_us;
}

static uint64_t bare_floor(const sse_channels_t *channels, uint64_t now) {
  uint64_t expired = ttl_floor(channels, now);
  return expired > channels->birth ? expired : channels->birth;
}

static sse_channel_t *first_of(const sse_list_t *list) {
  return sse_list_is_empty(list) ? NULL : SSE_CONTAINER_OF(list->next, sse_channel_t, idle);
}

static sse_channel_t *longest_idle(const sse_channels_t *channels) {
  sse_channel_t *full = first_of(&channels->rings), *empty = first_of(&channels->emptied);
  if (full == NULL || empty == NULL) return full == NULL ? empty : full;
  return sse_ring_newest(&empty->ring) <= sse_ring_newest(&full->ring) ? empty : full;
}

/* The longest-idle ring goes. Its key falls back to the shared floor, so that
 * must not be below the last event the ring had seen. */
static void evict_longest_idle(sse_channels_t *channels) {
  sse_channel_t *oldest = longest_idle(channels);
  uint64_t newest = sse_ring_newest(&oldest->ring);
  if (newest > channels->birth) channels->birth = newest;
  drop_ring(channels, oldest);
  sse_channels_release(channels, oldest);
}

sse_ring_t *sse_channels_ring(sse_channels_t *channels, sse_channel_t *channel, uint64_t now) {
  if (!channel->has_ring) {
    if (channels->n_rings >= channels->max_rings) evict_longest_idle(channels);
    uint32_t size = sse_sizes_of(channels->sizes, &channel->key, channels->history_size);
    sse_ring_init(&channel->ring, &channels->budget, size, bare_floor(channels, now));
    channel->has_ring = true;
    channels->n_rings++;
  }
  sse_list_append(&channels->rings, &channel->idle);
  return &channel->ring;
}

/* What a ring that is a floor alone costs is bounded by max_rings. */
static void set_aside(sse_channels_t *channels, sse_channel_t *channel) {
  sse_ring_shrink(&channel->ring);
  sse_list_append(&channels->emptied, &channel->idle);
}

/* Event by event, so that no more goes than has to, and so that each key keeps a
 * floor of its own: nobody else's `recovered` pays for it. */
void sse_channels_fit(sse_channels_t *channels) {
  while (channels->budget.bytes > channels->budget.max_bytes) {
    sse_channel_t *oldest = first_of(&channels->rings);
    if (oldest == NULL) return;
    if (oldest->ring.count > 0) sse_ring_drop_oldest(&oldest->ring);
    if (oldest->ring.count == 0) set_aside(channels, oldest);
  }
}

void sse__channels_settle(sse_channels_t *channels, sse_channel_t *channel, uint64_t now) {
  if (channels->ttl_us != 0) sse_ring_expire(&channel->ring, ttl_floor(channels, now));
  if (channel->ring.count == 0) set_aside(channels, channel);
  sse_channels_fit(channels);
}

uint64_t sse_channels_floor(sse_channels_t *channels, sse_channel_t *channel, uint64_t now) {
  if (!channel->has_ring) return bare_floor(channels, now);
  sse_ring_expire(&channel->ring, ttl_floor(channels, now));
  return channel->ring.floor;
}

/* True when the list's first ring was freed. */
static bool expire_first(sse_channels_t *channels, sse_list_t *list, uint64_t below) {
  sse_channel_t *oldest = first_of(list);
  if (oldest == NULL || sse_ring_newest(&oldest->ring) >= below) return false;
  channels->freed +=
      sizeof(*oldest) + oldest->ring.room * sizeof(sse_frame_t *) + oldest->ring.bytes;
  drop_ring(channels, oldest);
  sse_channels_release(channels, oldest);
  return true;
}

bool sse_channels_expire(sse_channels_t *channels, uint64_t now) {
  uint64_t below = ttl_floor(channels, now);
  uint32_t left = EXPIRE_AT_ONCE;
  while (left > 0 && expire_first(channels, &channels->rings, below))
    left--;
  while (left > 0 && expire_first(channels, &channels->emptied, below))
    left--;
  if (left < EXPIRE_AT_ONCE) sse_table_shrink(&channels->table);
  return left == 0;
}

static void gap_rings(sse_list_t *list, uint64_t floor) {
  for (sse_list_t *item = list->next; item != list; item = item->next) {
    sse_ring_gap(&SSE_CONTAINER_OF(item, sse_channel_t, idle)->ring, floor);
  }
}

void sse_channels_gap(sse_channels_t *channels, uint64_t floor) {
  if (floor > channels->birth) channels->birth = floor;
  gap_rings(&channels->rings, floor);
  gap_rings(&channels->emptied, floor);
}

int sse_channel_link(sse_channel_t *channel, sse_client_t *client) {
  if (channel->n_subscribers == channel->subscribers_room) {
    uint32_t room = channel->subscribers_room == 0 ? 1 : channel->subscribers_room * 2;
    if (room < channel->subscribers_room) return SSE_ENOMEM;
    sse_subscriber_t *grown = sse_realloc(channel->subscribers, room * sizeof(*grown));
    if (grown == NULL) return SSE_ENOMEM;
    channel->subscribers = grown;
    channel->subscribers_room = room;
  }
  channel->subscribers[channel->n_subscribers] = (sse_subscriber_t){client, client->n_subs};
  client->subs[client->n_subs++] = (sse_sub_t){channel, channel->n_subscribers++};
  return 0;
}

sse_channel_t *sse_channel_unlink(sse_client_t *client, uint32_t i) {
  sse_channel_t *channel = client->subs[i].channel;
  uint32_t pos = client->subs[i].pos;
  sse_subscriber_t moved = channel->subscribers[--channel->n_subscribers];
  channel->subscribers[pos] = moved;
  moved.client->subs[moved.sub].pos = pos;
  sse_sub_t last = client->subs[--client->n_subs];
  if (i < client->n_subs) {
    client->subs[i] = last;
    last.channel->subscribers[last.pos].sub = i;
  }
  return channel;
}
