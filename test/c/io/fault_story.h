/* fault_story.h - the life of an I/O thread with real sockets, told step by
 * step so that each run makes about the same calls, and its checks, whatever
 * fails underneath: an error or a clean end, every attached endpoint reported
 * once and for a reason that fits, no descriptor left open, and what each peer
 * has read is what it was to get: in order, once, whole, and all of it unless
 * its own connection was the one that failed. */
#ifndef SSE_TEST_FAULT_STORY_H
#define SSE_TEST_FAULT_STORY_H

#include "faults.h"

/* What may go wrong in a run. The orders to faults.h are the caller's. */
typedef struct {
  const fault_t *fault; /* the one kind; NULL: none                        */
  bool is_storm;        /* any, and often                                  */
} story_faults_t;

/* Connect (Unix-domain and TCP), publish, replay, subscribe, unsubscribe, direct,
 * stall and resume, input, FIN, RST, too much input, detach, stop. */
void story_life(const story_faults_t *may);

/* Idle clients and their heartbeats. */
void story_heartbeats(const story_faults_t *may);

/* A client that reads nothing, beside one that does: takes over a second. */
void story_slow_reader(const story_faults_t *may);

/* Many events of all sizes to one client of each kind. */
void story_bulk(const story_faults_t *may);

/* A thread that cannot be started at all: its hub works and ends. */
void story_no_thread(const story_faults_t *may);

#endif
