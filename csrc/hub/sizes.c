/* sizes.c - history sizes by prefix; see sizes.h. */
#include "hub/sizes.h"

#include <stdlib.h>

#include "hub/mem.h"

struct sse_sizes {
  size_t n;
  sse_size_t rules[]; /* the longest prefix first; their text is behind them */
};

static int longest_first(const void *a, const void *b) {
  size_t x = ((const sse_size_t *)a)->prefix.len, y = ((const sse_size_t *)b)->prefix.len;
  return x > y ? -1 : x < y;
}

sse_sizes_t *sse_sizes_new(const sse_size_t *rules, size_t n) {
  size_t text = 0;
  for (size_t i = 0; i < n; i++)
    text += rules[i].prefix.len;
  sse_sizes_t *sizes = sse_malloc(sizeof(*sizes) + n * sizeof(*rules) + text);
  if (sizes == NULL) return NULL;
  sizes->n = n;
  char *storage = (char *)&sizes->rules[n];
  for (size_t i = 0; i < n; i++) {
    size_t len = rules[i].prefix.len;
    if (len > 0) memcpy(storage, rules[i].prefix.ptr, len);
    sizes->rules[i] = (sse_size_t){sse_span(storage, len), rules[i].size};
    storage += len;
  }
  if (n > 1) qsort(sizes->rules, n, sizeof(*rules), longest_first);
  return sizes;
}

void sse_sizes_free(sse_sizes_t *sizes) {
  sse_free(sizes);
}

static bool has_prefix(sse_span_t name, sse_span_t prefix) {
  return name.len >= prefix.len &&
         (prefix.len == 0 || memcmp(name.ptr, prefix.ptr, prefix.len) == 0);
}

uint32_t sse_sizes_of(const sse_sizes_t *sizes, const sse_key_t *key, uint32_t fallback) {
  bool is_named = key->scope == SSE_SCOPE_CHANNEL || key->scope == SSE_SCOPE_TOPIC ||
                  key->scope == SSE_SCOPE_TENANT_TOPIC;
  if (sizes == NULL || !is_named) return fallback;
  for (size_t i = 0; i < sizes->n; i++) {
    if (has_prefix(key->name, sizes->rules[i].prefix)) return sizes->rules[i].size;
  }
  return fallback;
}
