/* failing_mem.c - an allocator that fails; see failing_mem.h. */
#include "failing_mem.h"

#include <stddef.h>

void *__real_sse_malloc(size_t size);
void *__wrap_sse_malloc(size_t size);
void *__real_sse_calloc(size_t count, size_t size);
void *__wrap_sse_calloc(size_t count, size_t size);
void *__real_sse_realloc(void *ptr, size_t size);
void *__wrap_sse_realloc(void *ptr, size_t size);
void __real_sse_free(void *ptr);
void __wrap_sse_free(void *ptr);

static unsigned fail_in; /* allocations until the one that fails; 0: never */
static bool is_paused;
static long n_blocks;

static bool fails(void) {
  return !is_paused && fail_in > 0 && --fail_in == 0;
}

static void *counted(void *block) {
  n_blocks += block != NULL;
  return block;
}

void *__wrap_sse_malloc(size_t size) {
  return fails() ? NULL : counted(__real_sse_malloc(size));
}

void *__wrap_sse_calloc(size_t count, size_t size) {
  return fails() ? NULL : counted(__real_sse_calloc(count, size));
}

void *__wrap_sse_realloc(void *ptr, size_t size) {
  if (fails()) return NULL;
  void *block = __real_sse_realloc(ptr, size);
  return ptr == NULL ? counted(block) : block;
}

void __wrap_sse_free(void *ptr) {
  n_blocks -= ptr != NULL;
  __real_sse_free(ptr);
}

void failing_mem_in(unsigned n) {
  fail_in = n;
}

void failing_mem_pause(bool pause) {
  is_paused = pause;
}

long failing_mem_blocks(void) {
  return n_blocks;
}
