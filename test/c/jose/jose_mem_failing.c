/* jose_mem_failing.c - takes the place of csrc/jose/jose_mem.c in test
 * programs: the allocator that fails when it is told to. support.h gives the
 * same counter to cJSON and OpenSSL. */
#include "jose/jose_mem.h"

#include <stdbool.h>
#include <stdlib.h>

long sse_test_alloc_left = -1; /* calls that succeed before one fails; -1: all */

bool sse_test_alloc_fails(void);

bool sse_test_alloc_fails(void) {
  if (sse_test_alloc_left < 0) return false;
  return sse_test_alloc_left-- == 0;
}

void *sse_jose_calloc(size_t count, size_t size) {
  return sse_test_alloc_fails() ? NULL : calloc(count, size);
}

void sse_jose_free(void *ptr) {
  free(ptr);
}
