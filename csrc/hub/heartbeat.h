/* heartbeat.h - a timing wheel that finds clients idle for the interval.
 * Private to csrc/hub.
 *
 * DESIGN: a client sits in the slot in which it would be due had it not been
 * written to since; activity does not move it. When its slot comes up it is
 * either due or put back where its last write says. One event to everybody
 * makes everybody idle at the same moment, so that a client whose last bytes
 * were an event waits up to a quarter of the interval longer, by a phase of
 * its own: 10,000 clients are not written in one burst. */
#ifndef SSE_HUB_HEARTBEAT_H
#define SSE_HUB_HEARTBEAT_H

#include "hub/client.h"

#define SSE_HEARTBEAT_SLOTS 128

typedef struct {
  uint64_t interval; /* us; 0: off                                   */
  uint64_t step;     /* us a slot stands for                         */
  uint64_t turn;     /* number of the last step that was looked at   */
  sse_list_t slots[SSE_HEARTBEAT_SLOTS];
} sse_heartbeat_t;

/* `now` starts the wheel. */
void sse_heartbeat_init(sse_heartbeat_t *wheel, uint64_t interval_us, uint64_t now);

/* Puts the client where its last write says; leaving is sse_list_remove. */
void sse_heartbeat_add(sse_heartbeat_t *wheel, sse_client_t *client);

/* Moves every client that is due at `now` to `due`, and puts those that were
 * looked at and are not due back. */
void sse_heartbeat_turn(sse_heartbeat_t *wheel, uint64_t now, sse_list_t *due);

#endif
