/* hub.h - one shard: clients, channels, rings and timers of one thread.
 *
 * DESIGN: a hub belongs to one thread at a time (its owner) and locks nothing.
 * It is driven by commands; each only changes tables and appends frames to
 * client queues. Bytes move in sse_hub_flush alone, which the owner calls when
 * its commands are drained (or when sse_hub_wants_flush says so): a burst of
 * events is one gathered write per client. The sink is never called while a
 * table is walked, and no command may be applied from inside a sink call: the
 * owner queues it (io/shard.h does). Time is passed in, in microseconds; the
 * hub's now never goes back.
 *
 * The cursor rule: an event with id <= a client's cursor is never sent to it.
 * The floor rule: a key is complete for a cursor when cursor >= its floor. */
#ifndef SSE_HUB_HUB_H
#define SSE_HUB_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/errors.h"
#include "hub/frame.h"
#include "hub/key.h"
#include "hub/reason.h"
#include "hub/sink.h"
#include "hub/sizes.h"
#include "hub/span.h"

typedef struct sse_hub sse_hub_t;

typedef struct {
  sse_seed_t seed;            /* the server's, the same for every hub             */
  uint64_t now;               /* us, at the start; 0: birth                       */
  uint64_t birth;             /* floor of every key without a ring                */
  uint64_t newest;            /* highest id known at the start; at least birth    */
  uint64_t heartbeat_us;      /* a client idle this long gets a comment; 0: never */
  uint64_t history_ttl_us;    /* events older than this expire; 0: never          */
  size_t max_queued_bytes;    /* soft limit of a client's queue                   */
  uint32_t history_size;      /* events a ring holds, where `sizes` has no other  */
  uint32_t max_rings;         /* the longest-idle ring makes room; at least 1     */
  size_t history_max_bytes;   /* of the events in a ring; 0: none              */
  size_t history_total_bytes; /* of the events in all of them; 0: none         */
  const sse_sizes_t *sizes;   /* by prefix; outlives the hub; may be NULL      */
} sse_hub_config_t;
/* The hub's own counters: one writer (the owner), read from any thread. */
typedef struct {
  uint64_t delivered;      /* events fully handed to a transport, replay included   */
  uint64_t clients, rings; /* attached, and keys with history, now             */
  uint64_t history_bytes;  /* of all events in rings, each counted once        */
} sse_hub_counters_t;

typedef enum {
  SSE_CURSOR_NONE, /* no Last-Event-ID: starts at `cursor`, recovered is true   */
  SSE_CURSOR_ID,   /* Last-Event-ID: everything after `cursor` is replayed      */
  SSE_CURSOR_BAD   /* not one of our ids: starts at `cursor`, recovered false   */
} sse_cursor_kind_t;

typedef struct {
  sse_handle_t client;
  void *endpoint;        /* for the sink's open, which owns it from there      */
  const sse_key_t *keys; /* each at most once; borrowed for the call           */
  size_t n_keys;
  sse_cursor_kind_t kind;
  uint64_t cursor;    /* NONE, BAD: newest when the slot was reserved       */
  sse_span_t hello;   /* JSON object text of `connected` without its closing
                         brace; the hub adds recovered and lastEventId      */
  uint32_t retry;     /* ms for a `retry:` line, or SSE_NO_RETRY            */
  sse_span_t opening; /* bytes before `connected`: what the transport has not
                         sent yet of its head; may be empty                 */
} sse_attach_t;

/* [init] NULL when memory is out. `sink` is copied. */
sse_hub_t *sse_hub_new(const sse_hub_config_t *config, const sse_sink_t *sink);
/* [owner] Frees everything; clients still attached are closed through the sink
 * with SSE_REASON_SHUTDOWN first. */
void sse_hub_free(sse_hub_t *hub);

/* The commands. [owner] Each returns 0 or an error; nothing half-done is left. */
/* Opens the transport, queues `connected` and the replay, and goes live. On
 * failure the transport is closed through the sink with SSE_REASON_ERROR; when
 * the sink's open itself failed it has reported that on its own. */
int sse_hub_attach(sse_hub_t *hub, const sse_attach_t *attach);

/* Ends a client once `last` (may be NULL; a reference is taken) and what is
 * queued before it are written, or the peer stalls. SSE_ENOENT if unknown. */
int sse_hub_detach(sse_hub_t *hub, sse_handle_t client, sse_reason_t reason, sse_frame_t *last);

/* One event to every key: into each key's ring and, at most once, to each
 * subscriber whose cursor is below its id. */
int sse_hub_publish(sse_hub_t *hub, sse_frame_t *frame, const sse_key_t *keys, size_t n_keys);

/* A frame past every ring, to one client or to all subscribers of `user`.
 * A frame with an id obeys and moves the cursor. */
int sse_hub_direct_client(sse_hub_t *hub, sse_handle_t client, sse_frame_t *frame);
int sse_hub_direct_user(sse_hub_t *hub, const sse_key_t *user, sse_frame_t *frame);

/* Live from here on, without replay. SSE_EEXIST when subscribed already,
 * SSE_ENOENT when the client is unknown or was not subscribed. */
int sse_hub_subscribe(sse_hub_t *hub, sse_handle_t client, const sse_key_t *key);
int sse_hub_unsubscribe(sse_hub_t *hub, sse_handle_t client, const sse_key_t *key);

/* Older events of a key from elsewhere, ascending, complete above `floor`. A key
 * with no event above its floor here must be hydrated before it is published to. */
int sse_hub_hydrate(sse_hub_t *hub, const sse_key_t *key, sse_frame_t *const *frames, size_t n,
                    uint64_t floor);

/* Events up to `floor` may have been missed: every floor rises to it and live
 * clients are sent `event: gap`. */
int sse_hub_gap(sse_hub_t *hub, uint64_t floor);

/* Advances the hub's now; heartbeats, slow readers and expiry follow (what
 * they queue or close is carried out by the next flush). */
void sse_hub_tick(sse_hub_t *hub, uint64_t now);

/* Bytes of expired history that were freed so far, and whether more is due: the
 * tick then wants to be called again soon. */
uint64_t sse_hub_freed(const sse_hub_t *hub);
bool sse_hub_is_expiring(const sse_hub_t *hub);

/* Only sets the hub's now, before commands are applied; never moves it back. */
void sse_hub_advance(sse_hub_t *hub, uint64_t now);

/* From the owner's transports. These two only take notes for the next flush,
 * so they may also be called from inside a sink call. Unknown clients are
 * ignored: a transport may speak after the hub has forgotten its client. */
/* The transport of a blocked client takes bytes again. */
void sse_hub_writable(sse_hub_t *hub, sse_handle_t client);

/* The peer is gone: forget the client without writing anything more. */
void sse_hub_hangup(sse_hub_t *hub, sse_handle_t client, sse_reason_t reason);

/* True when enough was queued that flushing before the next command pays. */
bool sse_hub_wants_flush(const sse_hub_t *hub);
/* Writes what is queued, one gathered write per dirty client. */
void sse_hub_flush(sse_hub_t *hub);

/* How often sse_hub_tick wants to be called, in microseconds. */
uint64_t sse_hub_tick_interval(const sse_hub_t *hub);
/* [any] Each number is exact, together they are not one moment. */
sse_hub_counters_t sse_hub_counters(const sse_hub_t *hub);

#endif
