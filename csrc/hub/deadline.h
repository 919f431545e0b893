/* deadline.h - a binary heap of moments: which of many comes first. Members are
 * intrusive and leave from anywhere; a tie is decided by nothing. */
#ifndef SSE_HUB_DEADLINE_H
#define SSE_HUB_DEADLINE_H

#include <stddef.h>

/* Embed in what has a moment; zeroed it is in no heap. */
typedef struct {
  double at;  /* in the unit of whoever asks   */
  size_t pos; /* 1 + its place; 0: in no heap  */
} sse_deadline_t;

typedef struct {
  sse_deadline_t **items;
  size_t count, room;
} sse_deadlines_t;

void sse_deadlines_init(sse_deadlines_t *heap);

/* Forgets all members; they are the caller's. */
void sse_deadlines_deinit(sse_deadlines_t *heap);

/* Adds one that is in no heap. 0 or SSE_ENOMEM. */
int sse_deadlines_add(sse_deadlines_t *heap, sse_deadline_t *deadline, double at);

/* Takes one out; one that is in no heap stays so. */
void sse_deadlines_remove(sse_deadlines_t *heap, sse_deadline_t *deadline);

/* The earliest, or NULL. */
sse_deadline_t *sse_deadlines_first(const sse_deadlines_t *heap);

#endif
