/* memory.h - gives freed memory back to the system. */
#ifndef SSE_IO_MEMORY_H
#define SSE_IO_MEMORY_H

/* [any] After much was freed: a C library that keeps it (glibc does, where a
 * block that is in use lies above it) is asked to give it back. It walks the
 * free lists of all threads, which takes milliseconds. */
void sse_memory_trim(void);

#endif
