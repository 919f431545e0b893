/* mem.h - every allocation of csrc/{hub,io,jose} goes through these four, so
 * that tests can link a mem.c that fails the n-th call. [any] */
#ifndef SSE_HUB_MEM_H
#define SSE_HUB_MEM_H

#include <stddef.h>

/* Like their libc namesakes: NULL when memory is out, the old block of a
 * failed realloc stays valid, freeing NULL is a no-op. */
void *sse_malloc(size_t size);
void *sse_calloc(size_t count, size_t size);
void *sse_realloc(void *ptr, size_t size);
void sse_free(void *ptr);

#endif
