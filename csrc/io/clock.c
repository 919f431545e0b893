/* clock.c - wall time at the start, monotonic from there; see clock.h. */
#include "io/clock.h"

#include <uv.h>

sse_clock_t sse_clock_start(void) {
  uv_timeval64_t wall = {0};
  uv_gettimeofday(&wall);
  uint64_t seconds = wall.tv_sec > 0 ? (uint64_t)wall.tv_sec : 0;
  return (sse_clock_t){seconds * 1000000 + (uint64_t)wall.tv_usec, uv_hrtime()};
}

uint64_t sse_clock_now(const sse_clock_t *clock) {
  return clock->wall_us + (uv_hrtime() - clock->mono_ns) / 1000;
}
