/* clock.h - microseconds since the epoch that never go back.
 *
 * The wall clock is read once; from there the monotonic clock counts on. A
 * stepped wall clock then neither freezes heartbeats nor repeats event ids. */
#ifndef SSE_IO_CLOCK_H
#define SSE_IO_CLOCK_H

#include <stdint.h>

typedef struct {
  uint64_t wall_us; /* the epoch's time when the clock was made */
  uint64_t mono_ns; /* the monotonic clock's at the same moment */
} sse_clock_t;

/* [init] */
sse_clock_t sse_clock_start(void);

/* [any] */
uint64_t sse_clock_now(const sse_clock_t *clock);

#endif
