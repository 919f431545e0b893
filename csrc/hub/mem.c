/* mem.c - the production allocator: libc's. */
#include "hub/mem.h"

#include <stdlib.h>

void *sse_malloc(size_t size) {
  return malloc(size);
}

void *sse_calloc(size_t count, size_t size) {
  return calloc(count, size);
}

void *sse_realloc(void *ptr, size_t size) {
  return realloc(ptr, size);
}

void sse_free(void *ptr) {
  free(ptr);
}
