/* peer.h - what the kernel knows and does about the far end of a connection:
 * whether it still answers, and what it has not taken yet. POSIX only. [any] */
#ifndef SSE_IO_PEER_H
#define SSE_IO_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "hub/reason.h"

/* Has a TCP peer that answers nothing for `ms` milliseconds (on Linux also one
 * that keeps its window shut for so long) given up, whether
 * data is under way (RFC 5482: TCP_USER_TIMEOUT) or the connection is idle
 * (RFC 1122, section 4.2.3.6: keep-alive). 0 leaves the connection as it is.
 * Best effort: what is no TCP socket, or a system without an option, is left. */
void sse_peer_set_timeout(int fd, uint32_t ms);

/* Bytes that were written and the peer has not acknowledged; 0 where the system
 * does not say. */
size_t sse_peer_unacked(int fd);

/* The close reason that an errno of the connection stands for. */
sse_reason_t sse_peer_reason(int error);

#endif
