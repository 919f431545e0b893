/* memory.c - malloc_trim, where there is one; see memory.h. */
#include "io/memory.h"

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

void sse_memory_trim(void) {
  malloc_trim(0);
}
#else
void sse_memory_trim(void) {}
#endif
