/* ring.h - the last events of one key, oldest first, and its floor. */
#ifndef SSE_HUB_RING_H
#define SSE_HUB_RING_H

#include <stddef.h>
#include <stdint.h>

#include "hub/budget.h"

/* Ids ascend strictly. A cursor is complete here when cursor >= floor; events
 * at or below the floor may still be held after a gap, and are still replayed. */
typedef struct {
  sse_frame_t **slots; /* circular, `room` long, grown on demand to `limit` */
  uint32_t room;
  uint32_t head;        /* index of the oldest                                  */
  uint32_t count;       /* frames held                                          */
  uint32_t limit;       /* most frames held; 0 keeps the floor alone            */
  uint64_t floor;       /* id of the newest event that is no longer here        */
  size_t bytes;         /* sum of the frames' lengths                           */
  sse_budget_t *budget; /* of the hub; outlives the ring                  */
} sse_ring_t;

/* An empty ring whose key had the floor `floor`. Allocates nothing. */
void sse_ring_init(sse_ring_t *ring, sse_budget_t *budget, uint32_t limit, uint64_t floor);
void sse_ring_deinit(sse_ring_t *ring);

/* Appends `frame` and takes a reference of its own; the oldest goes, and
 * raises the floor, when `limit` is reached, and as many as it takes while the
 * budget's bytes of one ring are exceeded (even the event itself). An id that is
 * not above the newest is ignored. When memory is out the event is not kept and the floor is
 * raised to its id, so that its loss shows; returns SSE_ENOMEM then, else 0. */
int sse_ring_push(sse_ring_t *ring, sse_frame_t *frame);

/* The oldest event goes and raises the floor; only with count > 0. */
void sse_ring_drop_oldest(sse_ring_t *ring);

/* Gives back the slots of a ring that holds no event. */
void sse_ring_shrink(sse_ring_t *ring);

/* Drops every event with id < `below`; the floor becomes the last dropped. */
void sse_ring_expire(sse_ring_t *ring, uint64_t below);

/* Merges `n` older frames, ascending, and takes `floor` as the floor of the
 * whole before what exceeds `limit` or its bytes is dropped. A no-op when nothing is gained:
 * the floor is not below the ring's and every frame above it is held already.
 * Returns 0, or SSE_ENOMEM with the ring as it was. */
int sse_ring_hydrate(sse_ring_t *ring, sse_frame_t *const *frames, size_t n, uint64_t floor);

/* Events up to `floor` may be missing: raises the floor, keeps what is held
 * above and below it. */
void sse_ring_gap(sse_ring_t *ring, uint64_t floor);

/* Index of the first event with id > `cursor`; `count` when there is none. */
uint32_t sse_ring_after(const sse_ring_t *ring, uint64_t cursor);

/* The i-th oldest frame, borrowed; i < count. */
sse_frame_t *sse_ring_at(const sse_ring_t *ring, uint32_t i);

/* Id of the newest event this ring has seen: held, or dropped last. */
uint64_t sse_ring_newest(const sse_ring_t *ring);

#endif
