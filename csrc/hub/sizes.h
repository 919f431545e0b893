/* sizes.h - how many events a key's history holds, by the prefix of its name.
 * Made once for a server, and read by all its hubs. */
#ifndef SSE_HUB_SIZES_H
#define SSE_HUB_SIZES_H

#include "hub/key.h"

typedef struct {
  sse_span_t prefix;
  uint32_t size;
} sse_size_t;

typedef struct sse_sizes sse_sizes_t;

/* Copies `n` rules; of those that match a name the longest prefix decides. NULL
 * when memory is out. [any] */
sse_sizes_t *sse_sizes_new(const sse_size_t *rules, size_t n);

/* NULL is a no-op. [any] */
void sse_sizes_free(sse_sizes_t *sizes);

/* Events that a history of this key holds: channels and topics by their name,
 * where a rule matches it; `fallback` otherwise and for every other scope.
 * `sizes` may be NULL. [any] */
uint32_t sse_sizes_of(const sse_sizes_t *sizes, const sse_key_t *key, uint32_t fallback);

#endif
