/* jose_mem.c - the production allocator: libc's. Weak, so that a test program
 * puts its own in their place by linking it. */
#include "jose/jose_mem.h"

#include <stdlib.h>

#if defined(__GNUC__)
#define REPLACEABLE __attribute__((weak))
#else
#define REPLACEABLE
#endif

REPLACEABLE void *sse_jose_calloc(size_t count, size_t size) {
  return calloc(count, size);
}

REPLACEABLE void sse_jose_free(void *ptr) {
  free(ptr);
}
