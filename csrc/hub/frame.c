/* frame.c - reference-counted encoded events; see frame.h. */
#include "hub/frame.h"

#include "hub/mem.h"

sse_frame_t *sse_frame_new(uint64_t id, size_t len) {
  if (len > SIZE_MAX - sizeof(sse_frame_t)) return NULL;
  sse_frame_t *frame = sse_malloc(sizeof(*frame) + len);
  if (frame == NULL) return NULL;
  atomic_init(&frame->refs, 1);
  frame->id = id;
  frame->len = len;
  return frame;
}

sse_frame_t *sse_frame_from_events(const sse_event_t *events, size_t n) {
  size_t size = 0, len = 0;
  for (size_t i = 0; i < n; i++)
    size += sse_encode_size(&events[i]);
  sse_frame_t *frame = sse_frame_new(events[0].id, size);
  if (frame == NULL) return NULL;
  for (size_t i = 0; i < n; i++)
    len += sse_encode(&events[i], frame->bytes + len);
  return frame;
}

sse_frame_t *sse_frame_from_event(const sse_event_t *event) {
  return sse_frame_from_events(event, 1);
}

sse_frame_t *sse_frame_from_bytes(uint64_t id, sse_span_t bytes) {
  sse_frame_t *frame = sse_frame_new(id, bytes.len);
  if (frame != NULL && bytes.len > 0) memcpy(frame->bytes, bytes.ptr, bytes.len);
  return frame;
}

sse_frame_t *sse_frame_ref(sse_frame_t *frame) {
  /* Relaxed: whoever takes a reference holds one already. */
  atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
  return frame;
}

void sse_frame_ref_many(sse_frame_t *frame, uint32_t n) {
  atomic_fetch_add_explicit(&frame->refs, n, memory_order_relaxed);
}

void sse_frame_unref_many(sse_frame_t *frame, uint32_t n) {
  /* Nothing is freed here, so that nothing has to be seen. */
  if (n > 0) atomic_fetch_sub_explicit(&frame->refs, n, memory_order_release);
}

void sse_frame_unref(sse_frame_t *frame) {
  if (frame == NULL) return;
  /* Release and acquire: every read of the bytes on another thread happens
   * before the free here. */
  if (atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1) sse_free(frame);
}
