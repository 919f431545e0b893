/* fault_peer.h - a client of a fault story: what it is to get, what its far end
 * has read, and whether the two agree. */
#ifndef SSE_TEST_FAULT_PEER_H
#define SSE_TEST_FAULT_PEER_H

#include "hub/hub.h"
#include "hub/spec_parser.h"

#define MAX_EVENTS 2048

typedef enum {
  CERTAIN,  /* cannot be missed by a client that lives              */
  TOGETHER, /* these are missed all together or not at all          */
  IF_GIVEN  /* replayed: certain if `connected` says so             */
} how_sure_t;

typedef struct {
  uint64_t id;
  size_t len;
} event_t;

typedef struct {
  event_t event;
  how_sure_t sure;
} expected_t;

/* A client and what its far end has seen. */
typedef struct {
  sse_handle_t handle; /* 0: none                                     */
  int fd;              /* the far end; -1 once the test has closed it */
  bool has_ended;      /* the end of the stream was read              */
  bool is_over;        /* the test itself has ended it: gets no more  */
  bool is_on_b;
  sse_reason_t reason; /* it ends with if nothing fails */
  spec_parser_t parser;
  expected_t *expected;
  size_t n_expected;
} peer_t;

/* The data of an event is told by its id, so that no table is needed. */
char event_byte(event_t event, size_t i);

/* The next event that it is to get. */
void peer_expect(peer_t *peer, event_t event, how_sure_t sure);

/* False for NULL, what was never attached, and what has read its end. */
bool peer_is_live(const peer_t *peer);

/* Waits for something and reads it; notes the end. */
void peer_read(peer_t *peer);

/* Reads until it has `connected` and every event that is certain, or its end. */
void peer_catch_up(peer_t *peer);
void peer_read_to_end(peer_t *peer);

/* What was read is a beginning of what was to come, or, if it `lives`, all of
 * it. Only where it `may_lose` an event may history be said to be incomplete. */
void peer_check(const peer_t *peer, bool lives, bool may_lose);

/* True when no piece of an event stands at the end of what was read. */
bool peer_is_whole(const peer_t *peer);

bool peer_saw_closing(const peer_t *peer);
uint64_t peer_n_events(const peer_t *peer);

/* Closes and frees what it holds. */
void peer_forget(peer_t *peer);

#endif
