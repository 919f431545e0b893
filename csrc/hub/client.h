/* client.h - one subscriber inside a hub: its cursor, its queue of frames and
 * its place in the hub's lists. Private to csrc/hub. */
#ifndef SSE_HUB_CLIENT_H
#define SSE_HUB_CLIENT_H

#include <stdbool.h>

#include "hub/hub.h"
#include "hub/list.h"
#include "hub/table.h"

/* One event to an idle client, the common case, needs no allocation. */
#define SSE_CLIENT_INLINE_QUEUE 2

/* `pending` of a client that was not looked at since it last took bytes. */
#define SSE_CLIENT_UNSEEN SIZE_MAX

struct sse_channel;

typedef struct {
  struct sse_channel *channel;
  uint32_t pos; /* of this client among the channel's subscribers */
} sse_sub_t;

/* What an event touches comes first: with thousands of clients each cache line
 * is one that has to be fetched. */
typedef struct {
  sse_list_t dirty; /* in the hub's dirty list: wants a flush     */
  uint64_t cursor;  /* highest event id queued or skipped          */
  void *transport;
  sse_frame_t **queue; /* `inline_queue` or heap, from queue_head      */
  sse_frame_t *inline_queue[SSE_CLIENT_INLINE_QUEUE];

  uint32_t queue_room, queue_head, queue_len;
  bool is_blocked;
  bool is_woken;       /* told writable since its write began            */
  bool is_closing;     /* ends once the queue is empty                     */
  bool is_doomed;      /* ends at the next flush, whatever is queued       */
  size_t queue_offset; /* bytes of the first frame already taken      */
  size_t queue_bytes;  /* still to be taken                           */
  size_t replay_bytes; /* of these, what it was attached with         */
  uint64_t last_write; /* hub time when bytes last went out           */
  uint64_t stalled_us; /* for how long a blocked peer took no byte    */
  size_t pending;      /* under way at the last look, or UNSEEN       */

  bool was_overfull;     /* over the hard limit at the last look           */
  bool was_beat;         /* what went out last was a heartbeat               */
  sse_reason_t reason;   /* valid when closing or doomed                */
  uint64_t closing_at;   /* hub time when it was told to end            */
  sse_table_node_t node; /* in the hub's clients, by handle           */
  sse_handle_t handle;
  sse_list_t blocked; /* in the hub's blocked list: awaits writable */
  sse_list_t beat;    /* in a slot of the heartbeat wheel           */
  sse_sub_t *subs;
  uint32_t n_subs, subs_room;
} sse_client_t;

/* NULL when memory is out. */
sse_client_t *sse_client_new(sse_handle_t handle, uint64_t now);

/* Frees the client and its queue. It must be in no list, table or channel. */
void sse_client_free(sse_client_t *client);

/* Appends with a reference of its own. Returns 0 or SSE_ENOMEM. */
int sse_client_push(sse_client_t *client, sse_frame_t *frame);

/* The same with a reference of the caller's, which stays the caller's on failure. */
int sse_client_take(sse_client_t *client, sse_frame_t *frame);

/* Forgets `taken` bytes from the front; returns the number of events (frames
 * with an id) that are now completely out. */
uint32_t sse_client_consume(sse_client_t *client, size_t taken);

#endif
