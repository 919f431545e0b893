/* span.h - a borrowed run of bytes. It owns nothing and is not terminated. */
#ifndef SSE_HUB_SPAN_H
#define SSE_HUB_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct {
  const char *ptr; /* may be NULL only when len is 0 */
  size_t len;
} sse_span_t;

static inline sse_span_t sse_span(const char *ptr, size_t len) {
  return (sse_span_t){ptr, len};
}

static inline sse_span_t sse_span_cstr(const char *text) {
  return (sse_span_t){text, strlen(text)};
}

static inline bool sse_span_equal(sse_span_t a, sse_span_t b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

#endif
