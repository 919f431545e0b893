/* budget.h - how many bytes of events the rings of a hub hold, and may hold.
 *
 * DESIGN: every hub of a server gets every publish and keeps the same events by
 * the same rules, and they share the frames. So each hub counts for itself, with
 * no atomics, and what one holds is what the server holds. A frame that was
 * published to several keys is in several rings and counts once: those frames
 * alone are in a table. Private to csrc/hub; [owner] throughout. */
#ifndef SSE_HUB_BUDGET_H
#define SSE_HUB_BUDGET_H

#include "hub/frame.h"
#include "hub/table.h"

typedef struct {
  size_t bytes;          /* of all frames in rings                       */
  size_t max_bytes;      /* of all rings; SIZE_MAX: none                 */
  size_t max_ring_bytes; /* of one ring; SIZE_MAX: none                  */
  sse_frame_t *spread;   /* being published to several keys; else NULL   */
  size_t n_spread;       /* rings that hold it by now                    */
  sse_table_t shared;    /* frames that went into several rings          */
} sse_budget_t;

/* 0: none. */
void sse_budget_init(sse_budget_t *budget, size_t max_ring_bytes, size_t max_bytes);

/* After the rings. */
void sse_budget_deinit(sse_budget_t *budget);

/* Around the pushes of one frame into the rings of several keys. */
void sse_budget_spread(sse_budget_t *budget, sse_frame_t *frame);
void sse_budget_spread_done(sse_budget_t *budget);

void sse__budget_add_shared(sse_budget_t *budget, const sse_frame_t *frame);
void sse__budget_drop_shared(sse_budget_t *budget, const sse_frame_t *frame);

/* A ring has taken the frame, or let it go (while it still holds a reference). */
static inline void sse_budget_add(sse_budget_t *budget, const sse_frame_t *frame) {
  if (budget->spread == NULL) {
    budget->bytes += frame->len;
  } else {
    sse__budget_add_shared(budget, frame);
  }
}

static inline void sse_budget_drop(sse_budget_t *budget, const sse_frame_t *frame) {
  if (budget->spread == NULL && budget->shared.count == 0) {
    budget->bytes -= frame->len;
  } else {
    sse__budget_drop_shared(budget, frame);
  }
}

#endif
