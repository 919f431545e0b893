/* list.h - an intrusive doubly linked list with a sentinel: a member leaves in
 * O(1) and may leave twice. */
#ifndef SSE_HUB_LIST_H
#define SSE_HUB_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct sse_list {
  struct sse_list *prev, *next; /* itself when alone */
} sse_list_t;

static inline void sse_list_init(sse_list_t *list) {
  list->prev = list->next = list;
}

static inline bool sse_list_is_empty(const sse_list_t *list) {
  return list->next == list;
}

static inline void sse_list_remove(sse_list_t *item) {
  item->prev->next = item->next;
  item->next->prev = item->prev;
  sse_list_init(item);
}

/* Moves `item` to the end of `list`, out of any list it is in. */
static inline void sse_list_append(sse_list_t *list, sse_list_t *item) {
  sse_list_remove(item);
  item->prev = list->prev;
  item->next = list;
  list->prev->next = item;
  list->prev = item;
}

/* Moves all members of `from` to `to`, which need not be a list yet. */
static inline void sse_list_move_all(sse_list_t *to, sse_list_t *from) {
  sse_list_init(to);
  if (sse_list_is_empty(from)) return;
  *to = *from;
  to->next->prev = to->prev->next = to;
  sse_list_init(from);
}

#endif
