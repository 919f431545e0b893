/* limits.c - the slow-reader decision; see limits.h. */
#include "hub/limits.h"

bool sse_limits_is_slow(size_t max_queued_bytes, size_t left, uint64_t stalled_us) {
  if (left <= max_queued_bytes) return false;
  if (stalled_us >= SSE_STALL_US) return true;
  return (left - 1) / SSE_HARD_FACTOR >= max_queued_bytes; /* left > factor * limit */
}
