/* jose_mem.h - every allocation of csrc/jose goes through these two, so that
 * tests can link an allocator that fails the n-th call. cJSON and OpenSSL have
 * their own hooks for the same purpose. [any] */
#ifndef SSE_JOSE_MEM_H
#define SSE_JOSE_MEM_H

#include <stddef.h>

/* Zeroed memory for `count` items; NULL when memory is out. */
void *sse_jose_calloc(size_t count, size_t size);

/* Freeing NULL is a no-op. */
void sse_jose_free(void *ptr);

#endif
