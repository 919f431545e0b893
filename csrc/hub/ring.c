/* ring.c - the history of one key; see ring.h. */
#include "hub/ring.h"

#include <stdbool.h>

#include "hub/errors.h"
#include "hub/mem.h"

#define FIRST_ROOM 4 /* most channels are quiet: start small, double on demand */

void sse_ring_init(sse_ring_t *ring, sse_budget_t *budget, uint32_t limit, uint64_t floor) {
  *ring = (sse_ring_t){.limit = limit, .floor = floor, .budget = budget};
}

static void let_go(sse_ring_t *ring, sse_frame_t *frame) {
  sse_budget_drop(ring->budget, frame);
  sse_frame_unref(frame);
}

void sse_ring_deinit(sse_ring_t *ring) {
  for (uint32_t i = 0; i < ring->count; i++)
    let_go(ring, sse_ring_at(ring, i));
  sse_free(ring->slots);
  *ring = (sse_ring_t){0};
}

sse_frame_t *sse_ring_at(const sse_ring_t *ring, uint32_t i) {
  uint32_t at = ring->head + i;
  return ring->slots[at >= ring->room ? at - ring->room : at];
}

uint64_t sse_ring_newest(const sse_ring_t *ring) {
  uint64_t held = ring->count > 0 ? sse_ring_at(ring, ring->count - 1)->id : 0;
  return held > ring->floor ? held : ring->floor;
}

void sse_ring_drop_oldest(sse_ring_t *ring) {
  sse_frame_t *oldest = sse_ring_at(ring, 0);
  if (oldest->id > ring->floor) ring->floor = oldest->id;
  ring->bytes -= oldest->len;
  ring->head = ring->head + 1 == ring->room ? 0 : ring->head + 1;
  ring->count--;
  let_go(ring, oldest);
}

static void fit_bytes(sse_ring_t *ring) {
  while (ring->bytes > ring->budget->max_ring_bytes)
    sse_ring_drop_oldest(ring);
}

void sse_ring_shrink(sse_ring_t *ring) {
  if (ring->count > 0) return;
  sse_free(ring->slots);
  ring->slots = NULL;
  ring->room = ring->head = 0;
}

/* Moves the frames into `slots`, a fresh array of `room`, oldest first. */
static void settle(sse_ring_t *ring, sse_frame_t **slots, uint32_t room) {
  for (uint32_t i = 0; i < ring->count; i++)
    slots[i] = sse_ring_at(ring, i);
  sse_free(ring->slots);
  ring->slots = slots;
  ring->room = room;
  ring->head = 0;
}

static int grow(sse_ring_t *ring) {
  uint32_t room = ring->room == 0 ? FIRST_ROOM : ring->room * 2;
  if (ring->room > ring->limit / 2 || room > ring->limit) room = ring->limit;
  sse_frame_t **slots = sse_malloc(room * sizeof(*slots));
  if (slots == NULL) return SSE_ENOMEM;
  settle(ring, slots, room);
  return 0;
}

/* Nothing can be kept: what is held goes too, so that no hole is hidden. */
static void lose_all(sse_ring_t *ring, uint64_t id) {
  while (ring->count > 0)
    sse_ring_drop_oldest(ring);
  ring->floor = id;
}

int sse_ring_push(sse_ring_t *ring, sse_frame_t *frame) {
  if (frame->id <= sse_ring_newest(ring)) return 0;
  if (ring->limit == 0) {
    ring->floor = frame->id;
    return 0;
  }
  if (ring->count == ring->limit) {
    sse_ring_drop_oldest(ring);
  } else if (ring->count == ring->room && grow(ring) != 0) {
    if (ring->count == 0) {
      lose_all(ring, frame->id);
      return SSE_ENOMEM;
    }
    sse_ring_drop_oldest(ring); /* the newest event is worth more than the oldest */
  }
  uint32_t at = ring->head + ring->count;
  ring->slots[at >= ring->room ? at - ring->room : at] = sse_frame_ref(frame);
  ring->count++;
  ring->bytes += frame->len;
  sse_budget_add(ring->budget, frame);
  fit_bytes(ring);
  return 0;
}

void sse_ring_expire(sse_ring_t *ring, uint64_t below) {
  while (ring->count > 0 && sse_ring_at(ring, 0)->id < below)
    sse_ring_drop_oldest(ring);
}

/* True when every frame above the ring's floor is held already. */
static bool holds_all(const sse_ring_t *ring, sse_frame_t *const *frames, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (frames[i]->id <= ring->floor) continue;
    uint32_t at = sse_ring_after(ring, frames[i]->id - 1);
    if (at == ring->count || sse_ring_at(ring, at)->id != frames[i]->id) return false;
  }
  return true;
}

int sse_ring_hydrate(sse_ring_t *ring, sse_frame_t *const *frames, size_t n, uint64_t floor) {
  if (floor >= ring->floor && holds_all(ring, frames, n)) return 0;
  size_t most = n + ring->count;
  sse_frame_t **merged = most > 0 ? sse_malloc(most * sizeof(*merged)) : NULL;
  if (most > 0 && merged == NULL) return SSE_ENOMEM;
  size_t len = 0, theirs = 0;
  uint32_t ours = 0;
  while (theirs < n || ours < ring->count) {
    sse_frame_t *held = ours < ring->count ? sse_ring_at(ring, ours) : NULL;
    if (theirs < n && (held == NULL || frames[theirs]->id < held->id)) {
      sse_frame_t *next = frames[theirs++];
      bool fits = next->id > floor && (len == 0 || next->id > merged[len - 1]->id);
      if (!fits) continue;
      merged[len++] = sse_frame_ref(next);
      sse_budget_add(ring->budget, next);
    } else {
      if (theirs < n && frames[theirs]->id == held->id) theirs++;
      merged[len++] = held; /* its reference moves along */
      ours++;
    }
  }
  size_t skip = len > ring->limit ? len - ring->limit : 0;
  ring->floor = floor;
  ring->bytes = 0;
  for (size_t i = 0; i < len; i++) {
    if (i < skip) {
      if (merged[i]->id > ring->floor) ring->floor = merged[i]->id;
      let_go(ring, merged[i]);
    } else {
      merged[i - skip] = merged[i];
      ring->bytes += merged[i]->len;
    }
  }
  sse_free(ring->slots);
  ring->slots = merged;
  ring->room = (uint32_t)(most > ring->limit ? ring->limit : most);
  ring->head = 0;
  ring->count = (uint32_t)(len - skip);
  fit_bytes(ring);
  return 0;
}

void sse_ring_gap(sse_ring_t *ring, uint64_t floor) {
  if (floor > ring->floor) ring->floor = floor;
}

uint32_t sse_ring_after(const sse_ring_t *ring, uint64_t cursor) {
  uint32_t low = 0, high = ring->count;
  while (low < high) {
    uint32_t mid = low + (high - low) / 2;
    if (sse_ring_at(ring, mid)->id > cursor) {
      high = mid;
    } else {
      low = mid + 1;
    }
  }
  return low;
}
