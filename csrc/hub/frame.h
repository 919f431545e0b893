/* frame.h - one encoded event, made once and shared by every ring and client
 * queue of every thread. Immutable after it was posted to a hub; the reference
 * count is the only part that changes, and is atomic. */
#ifndef SSE_HUB_FRAME_H
#define SSE_HUB_FRAME_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/encode.h"
#include "hub/span.h"

typedef struct {
  _Atomic uint32_t refs; /* holders: maker (1) + each command that carries it
                            + each ring slot + each client queue entry       */
  uint64_t id;           /* event id; 0 for control frames                   */
  size_t len;            /* bytes in `bytes`                                 */
  char bytes[];
} sse_frame_t;

/* A frame of `len` bytes for the caller to fill before anyone else sees it.
 * One reference, the caller's. NULL when memory is out. [any] */
sse_frame_t *sse_frame_new(uint64_t id, size_t len);

/* A frame that holds the encoding of `event` (copied). [any] */
sse_frame_t *sse_frame_from_event(const sse_event_t *event);

/* The encodings of `n` events one after the other, as one frame with the id of
 * the first. [any] */
sse_frame_t *sse_frame_from_events(const sse_event_t *events, size_t n);

/* A frame that holds a copy of ready-made stream bytes. [any] */
sse_frame_t *sse_frame_from_bytes(uint64_t id, sse_span_t bytes);

/* Takes a reference; returns its argument. [any] */
sse_frame_t *sse_frame_ref(sse_frame_t *frame);

/* Takes `n` references at once: to many clients, one by one costs as much as all
 * else that is done for each. [any] */
void sse_frame_ref_many(sse_frame_t *frame, uint32_t n);

/* Drops `n` of several references; the caller holds one more. [any] */
void sse_frame_unref_many(sse_frame_t *frame, uint32_t n);

/* Drops a reference; the last one frees. NULL is a no-op. [any] */
void sse_frame_unref(sse_frame_t *frame);

#endif
