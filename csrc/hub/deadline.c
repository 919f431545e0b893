/* deadline.c - a binary heap with positions; see deadline.h. */
#include "hub/deadline.h"

#include <stdint.h>

#include "hub/errors.h"
#include "hub/mem.h"

void sse_deadlines_init(sse_deadlines_t *heap) {
  *heap = (sse_deadlines_t){0};
}

void sse_deadlines_deinit(sse_deadlines_t *heap) {
  for (size_t i = 0; i < heap->count; i++)
    heap->items[i]->pos = 0;
  sse_free(heap->items);
  sse_deadlines_init(heap);
}

static void place(sse_deadlines_t *heap, size_t i, sse_deadline_t *deadline) {
  heap->items[i] = deadline;
  deadline->pos = i + 1;
}

static void rise(sse_deadlines_t *heap, size_t i, sse_deadline_t *deadline) {
  while (i > 0 && deadline->at < heap->items[(i - 1) / 2]->at) {
    place(heap, i, heap->items[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  place(heap, i, deadline);
}

static void fall(sse_deadlines_t *heap, size_t i, sse_deadline_t *deadline) {
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= heap->count) break;
    if (child + 1 < heap->count && heap->items[child + 1]->at < heap->items[child]->at) child++;
    if (deadline->at <= heap->items[child]->at) break;
    place(heap, i, heap->items[child]);
    i = child;
  }
  place(heap, i, deadline);
}

static int reserve(sse_deadlines_t *heap) {
  if (heap->count < heap->room) return 0;
  if (heap->room > SIZE_MAX / 4 / sizeof(*heap->items)) return SSE_ENOMEM;
  size_t room = heap->room == 0 ? 16 : heap->room * 2;
  sse_deadline_t **items = sse_realloc(heap->items, room * sizeof(*items));
  if (items == NULL) return SSE_ENOMEM;
  heap->items = items;
  heap->room = room;
  return 0;
}

int sse_deadlines_add(sse_deadlines_t *heap, sse_deadline_t *deadline, double at) {
  int rc = reserve(heap);
  if (rc != 0) return rc;
  deadline->at = at;
  rise(heap, heap->count++, deadline);
  return 0;
}

void sse_deadlines_remove(sse_deadlines_t *heap, sse_deadline_t *deadline) {
  if (deadline->pos == 0) return;
  size_t i = deadline->pos - 1;
  deadline->pos = 0;
  sse_deadline_t *last = heap->items[--heap->count];
  if (last == deadline) return;
  /* The last one takes its place, and goes up or down from there. */
  if (i > 0 && last->at < heap->items[(i - 1) / 2]->at) {
    rise(heap, i, last);
  } else {
    fall(heap, i, last);
  }
}

sse_deadline_t *sse_deadlines_first(const sse_deadlines_t *heap) {
  return heap->count == 0 ? NULL : heap->items[0];
}
