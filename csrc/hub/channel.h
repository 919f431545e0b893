/* channel.h - the keys of a hub: who is subscribed to each, the ring of each
 * that was published to, and the floors. Private to csrc/hub. */
#ifndef SSE_HUB_CHANNEL_H
#define SSE_HUB_CHANNEL_H

#include "hub/client.h"
#include "hub/ring.h"
#include "hub/sizes.h"

typedef struct {
  sse_client_t *client;
  uint32_t sub; /* index among the client's subs */
} sse_subscriber_t;

typedef struct sse_channel {
  sse_table_node_t node;
  sse_list_t idle; /* in `rings` or `emptied`; alone without a ring            */
  sse_key_t key;   /* its text is `storage`                                    */
  sse_subscriber_t *subscribers;
  uint32_t n_subscribers, subscribers_room;
  bool has_ring;
  sse_ring_t ring; /* valid when has_ring */
  char storage[];
} sse_channel_t;

typedef struct {
  sse_table_t table;
  sse_list_t rings;   /* channels with a ring, the longest idle first            */
  sse_list_t emptied; /* those whose ring is a floor alone, the longest idle first */
  uint32_t n_rings;
  uint32_t max_rings;
  uint32_t history_size;
  const sse_sizes_t *sizes; /* borrowed; may be NULL */
  uint64_t ttl_us;
  uint64_t freed; /* bytes of expired rings, ever */
  sse_budget_t budget;
  uint64_t birth; /* floor of every key without a ring */
} sse_channels_t;

void sse_channels_init(sse_channels_t *channels, const sse_hub_config_t *config);

/* Frees every channel; no client may be subscribed any more. */
void sse_channels_deinit(sse_channels_t *channels);

/* NULL when the key has neither subscribers nor a ring. */
sse_channel_t *sse_channels_find(const sse_channels_t *channels, const sse_key_t *key);

/* Finds or makes; NULL when memory is out. Give it something to hold, or
 * release it. */
sse_channel_t *sse_channels_obtain(sse_channels_t *channels, const sse_key_t *key);

/* Frees the channel if it holds nothing. */
void sse_channels_release(sse_channels_t *channels, sse_channel_t *channel);

/* The channel's ring, made if need be (the longest-idle one goes when there
 * are max_rings), and now the least idle. */
sse_ring_t *sse_channels_ring(sse_channels_t *channels, sse_channel_t *channel, uint64_t now);

/* What a push may leave to do: events older than the ttl, a ring that holds none,
 * too many bytes of all. */
void sse__channels_settle(sse_channels_t *channels, sse_channel_t *channel, uint64_t now);

/* Pushes into the channel's ring, and drops the oldest events of the longest-idle
 * rings while all together hold too many bytes. 0, or SSE_ENOMEM with the floor
 * raised. */
static inline int sse_channels_push(sse_channels_t *channels, sse_channel_t *channel,
                                    sse_frame_t *frame, uint64_t now) {
  int rc = sse_ring_push(sse_channels_ring(channels, channel, now), frame);
  bool is_settled = channel->ring.count > 0 && channels->ttl_us == 0 &&
                    channels->budget.bytes <= channels->budget.max_bytes;
  if (!is_settled) sse__channels_settle(channels, channel, now);
  return rc;
}

/* The same limit after a ring was filled in another way. Rings only become
 * emptier: no channel is freed. */
void sse_channels_fit(sse_channels_t *channels);

/* The highest id at or below which events of this key may be missing. */
uint64_t sse_channels_floor(sse_channels_t *channels, sse_channel_t *channel, uint64_t now);

/* Frees rings whose every event is older than the ttl, a bounded number of them
 * at a time; true when there may be more. */
bool sse_channels_expire(sse_channels_t *channels, uint64_t now);

/* Raises every floor to `floor`. */
void sse_channels_gap(sse_channels_t *channels, uint64_t floor);

/* Subscribes; the client's subs must have room. 0 or SSE_ENOMEM. */
int sse_channel_link(sse_channel_t *channel, sse_client_t *client);

/* Undoes the client's i-th subscription; its last one takes the place. The
 * channel is released by the caller. */
sse_channel_t *sse_channel_unlink(sse_client_t *client, uint32_t i);

#endif
