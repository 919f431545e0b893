/* budget.c - the bytes of a hub's rings; see budget.h. */
#include "hub/budget.h"

#include <stdbool.h>

#include "hub/mem.h"

/* A frame that several rings hold. */
typedef struct {
  sse_table_node_t node;
  const sse_frame_t *frame;
  size_t n_rings;
} shared_t;

void sse_budget_init(sse_budget_t *budget, size_t max_ring_bytes, size_t max_bytes) {
  *budget = (sse_budget_t){.max_bytes = max_bytes > 0 ? max_bytes : SIZE_MAX,
                           .max_ring_bytes = max_ring_bytes > 0 ? max_ring_bytes : SIZE_MAX};
  sse_table_init(&budget->shared);
}

void sse_budget_deinit(sse_budget_t *budget) {
  sse_table_deinit(&budget->shared);
}

/* Ids are distinct but close: spread them over the buckets. */
static uint64_t hash_of(const sse_frame_t *frame) {
  return frame->id * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

static shared_t *find(const sse_budget_t *budget, const sse_frame_t *frame) {
  sse_table_node_t *node = sse_table_first(&budget->shared, hash_of(frame));
  while (node != NULL) {
    shared_t *shared = SSE_CONTAINER_OF(node, shared_t, node);
    if (shared->frame == frame) return shared;
    node = sse_table_next(node);
  }
  return NULL;
}

void sse_budget_spread(sse_budget_t *budget, sse_frame_t *frame) {
  budget->spread = frame;
  budget->n_spread = 0;
}

void sse_budget_spread_done(sse_budget_t *budget) {
  sse_frame_t *frame = budget->spread;
  budget->spread = NULL;
  if (budget->n_spread < 2) return;
  shared_t *shared = sse_malloc(sizeof(*shared));
  if (shared != NULL) {
    shared->frame = frame;
    shared->n_rings = budget->n_spread;
    if (sse_table_insert(&budget->shared, &shared->node, hash_of(frame)) == 0) return;
    sse_free(shared);
  }
  /* Not noted: it counts once for each ring then, which only frees more. */
  budget->bytes += frame->len * (budget->n_spread - 1);
}

void sse__budget_add_shared(sse_budget_t *budget, const sse_frame_t *frame) {
  bool is_counted = frame == budget->spread && budget->n_spread++ > 0;
  if (!is_counted) budget->bytes += frame->len;
}

void sse__budget_drop_shared(sse_budget_t *budget, const sse_frame_t *frame) {
  if (frame == budget->spread) {
    if (--budget->n_spread > 0) return;
  } else {
    shared_t *shared = find(budget, frame);
    if (shared != NULL && --shared->n_rings > 0) return;
    if (shared != NULL) {
      sse_table_remove(&budget->shared, &shared->node);
      sse_free(shared);
    }
  }
  budget->bytes -= frame->len;
}
