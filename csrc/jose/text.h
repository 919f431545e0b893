/* text.h - a borrowed run of bytes in this wing. It owns nothing and is not
 * terminated. (The streaming wing has its own: the two never touch.) */
#ifndef SSE_JOSE_TEXT_H
#define SSE_JOSE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct {
  const char *ptr; /* may be NULL only when len is 0 */
  size_t len;
} sse_text_t;

static inline sse_text_t sse_text(const char *ptr, size_t len) {
  return (sse_text_t){ptr, len};
}

static inline bool sse_text_equal(sse_text_t a, sse_text_t b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool sse_text_is(sse_text_t text, const char *word) {
  return sse_text_equal(text, sse_text(word, strlen(word)));
}

/* True when `text` equals `word` but for the case of ASCII letters. */
static inline bool sse_text_is_nocase(sse_text_t text, sse_text_t word) {
  if (text.len != word.len) return false;
  for (size_t i = 0; i < text.len; i++) {
    unsigned char a = (unsigned char)text.ptr[i];
    unsigned char b = (unsigned char)word.ptr[i];
    if (a >= 'A' && a <= 'Z') a = (unsigned char)(a | 0x20);
    if (b >= 'A' && b <= 'Z') b = (unsigned char)(b | 0x20);
    if (a != b) return false;
  }
  return true;
}

#endif
