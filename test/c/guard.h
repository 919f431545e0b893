/* guard.h - input that ends where the readable memory ends, so that a parser
 * which looks one byte too far crashes instead of passing by luck. */
#ifndef SSE_TEST_GUARD_H
#define SSE_TEST_GUARD_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
  char *ptr; /* `len` bytes, flush against a PROT_NONE page */
  size_t len;
  void *map;
  size_t map_len;
} sse_guard_t;

/* A copy of `len` bytes; aborts when memory is out. Free with sse_guard_free. */
static inline sse_guard_t sse_guard_copy(const void *bytes, size_t len) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t body = (len + page - 1) / page * page;
  sse_guard_t guard = {NULL, len, NULL, body + page};
  guard.map = mmap(NULL, guard.map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (guard.map == MAP_FAILED) abort();
  guard.ptr = (char *)guard.map + body - len;
  if (len > 0) memcpy(guard.ptr, bytes, len);
  if (mprotect((char *)guard.map + body, page, PROT_NONE) != 0) abort();
  return guard;
}

static inline void sse_guard_free(sse_guard_t *guard) {
  munmap(guard->map, guard->map_len);
}

#endif
