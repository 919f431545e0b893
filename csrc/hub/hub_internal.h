/* hub_internal.h - the hub's fields and what hub.c and hub_attach.c share.
 * Private to csrc/hub; [owner] throughout. */
#ifndef SSE_HUB_HUB_INTERNAL_H
#define SSE_HUB_HUB_INTERNAL_H

#include <stdatomic.h>

#include "hub/channel.h"
#include "hub/heartbeat.h"
#include "hub/hub.h"

struct sse_hub {
  sse_sink_t sink;
  uint64_t now;    /* us; never goes back            */
  uint64_t newest; /* highest event id seen          */
  size_t max_queued_bytes;
  sse_table_t clients; /* by handle */
  sse_channels_t channels;
  sse_heartbeat_t wheel;
  sse_list_t dirty;   /* clients to flush or to drop          */
  sse_list_t blocked; /* clients whose transport is full      */
  uint64_t looked_at; /* us; when the blocked were last judged */
  bool has_overfull;  /* maybe: a client over the hard limit wants a look soon */
  bool is_expiring;   /* there is more to free                 */
  size_t unflushed;   /* bytes of frames since the last flush  */
  sse_frame_t *heartbeat_frame;
  uint64_t n_delivered;
  _Atomic uint64_t delivered, n_clients, n_rings, n_bytes; /* owner stores, [any] loads; relaxed */
};

/* NULL when unknown. */
sse_client_t *sse__hub_find(const sse_hub_t *hub, sse_handle_t handle);

/* Notes that the client ends at the next flush, whatever is queued. */
void sse__hub_doom(sse_hub_t *hub, sse_client_t *client, sse_reason_t reason);

/* Queues a frame and marks the client dirty. On SSE_ENOMEM it is doomed. */
int sse__hub_enqueue(sse_hub_t *hub, sse_client_t *client, sse_frame_t *frame);

/* The last step of an attach: heartbeats and counters. */
void sse__hub_go_live(sse_hub_t *hub, sse_client_t *client);

/* Undoes an attach: the transport is closed with SSE_REASON_ERROR. */
void sse__hub_abandon(sse_hub_t *hub, sse_client_t *client);

#endif
