/* limits.h - decides whether a client is too slow; acts on nothing. Pure. */
#ifndef SSE_HUB_LIMITS_H
#define SSE_HUB_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A peer that takes no byte for this long while over the soft limit is slow. */
#define SSE_STALL_US UINT64_C(1000000)
/* How often a peer that is over the soft limit is looked at. */
#define SSE_LOOK_US UINT64_C(250000)
/* The same where one may be over the hard limit. */
#define SSE_LOOK_SOON_US UINT64_C(10000)
/* Over the soft limit times this a client is slow, whatever it takes. */
#define SSE_HARD_FACTOR 16
/* A client that was told to end and still takes bytes has this long. */
#define SSE_LINGER_US UINT64_C(10000000)

/* `left`: bytes queued after a flush met EAGAIN; `stalled_us`: how long the
 * peer has been seen to take no byte since. */
bool sse_limits_is_slow(size_t max_queued_bytes, size_t left, uint64_t stalled_us);

#endif
