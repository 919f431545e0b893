/* failing_mem.h - the allocator of csrc/hub for fuzz targets (--wrap, see the
 * Makefile): fails when it is told to, and counts what is not freed. */
#ifndef SSE_TEST_FUZZ_FAILING_MEM_H
#define SSE_TEST_FUZZ_FAILING_MEM_H

#include <stdbool.h>

/* The n-th allocation from here on fails, once; 0: none does. */
void failing_mem_in(unsigned n);

/* Allocations of the test's own neither fail nor are they counted down. */
void failing_mem_pause(bool pause);

/* Blocks that are not freed. */
long failing_mem_blocks(void);

#endif
