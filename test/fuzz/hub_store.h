/* hub_store.h - the store of everything beside a hub under test, and the commands as
 * the fuzz target gives them. Each takes bytes of the input as they come: a client, a
 * set of keys or a place in the past is chosen by a byte modulo what there is. */
#ifndef SSE_TEST_FUZZ_HUB_STORE_H
#define SSE_TEST_FUZZ_HUB_STORE_H

#include "fuzz.h"
#include "hub/fake_hub.h"

#define MODEL_KEYS 6
#define MODEL_EVENTS 1024
#define MODEL_CLIENTS 96

typedef struct {
  uint64_t id;
  unsigned keys; /* bit i: key i; none: sent past every ring */
  size_t pad;    /* bytes of text                            */
} model_event_t;

typedef struct {
  sse_handle_t handle;
  fake_client_t *fake; /* NULL: its transport never opened             */
  unsigned keys;       /* subscribed now                               */
  uint64_t cursor;     /* highest id that it was sent or that it skips */
  bool is_left;        /* given up: may end at any time                */
  /* What was asked for, and how things were then. */
  sse_cursor_kind_t kind;
  uint64_t asked, newest, gap;
  bool must_recover;
  /* Events, in order, if it misses nothing; and what its stream has shown. */
  size_t *expected;
  size_t n_expected, n_replayable, at, n_checked;
  bool is_promised; /* `recovered: true` to an id of ours */
} model_client_t;

typedef struct {
  fuzz_input_t in;
  fake_hub_t fake;
  sse_hub_config_t config;
  model_event_t events[MODEL_EVENTS]; /* ids ascend; the first ones are from elsewhere */
  size_t n_events;
  model_client_t clients[MODEL_CLIENTS];
  size_t n_clients;
  uint64_t last;             /* newest id                                     */
  uint64_t gaps[MODEL_KEYS]; /* up to here events may be missing              */
  uint64_t delivered;
  bool is_short_of_memory; /* allocations were told to fail */
  bool is_lossy;           /* events may be missing for reasons that are not modelled */
} model_t;

/* Makes the hub and gives it, as its owner must, what is known of each key. */
void model_init(model_t *m, const fuzz_input_t *in);
void model_check(model_t *m);
void model_finish(model_t *m);

void model_publish(model_t *m, unsigned keys);
/* The last event once more, to the same keys: nobody gets it twice. */
void model_republish(model_t *m);
void model_attach(model_t *m, unsigned keys, unsigned how);
/* As a browser does: the keys and the last id of a client that was closed. */
void model_reconnect(model_t *m, unsigned client);
void model_detach(model_t *m, unsigned client, bool has_last);
void model_direct(model_t *m, unsigned client, unsigned how);
void model_subscribe(model_t *m, unsigned client, unsigned key);
void model_unsubscribe(model_t *m, unsigned client, unsigned key);
void model_hydrate(model_t *m, unsigned key, unsigned from);
void model_gap(model_t *m, unsigned back);
void model_tick(model_t *m, uint64_t us);
void model_advance(model_t *m, uint64_t us);
void model_flush(model_t *m);
void model_writable(model_t *m, unsigned client);
void model_hangup(model_t *m, unsigned client);
/* What the client's transport does from here on: see the enumeration. */
void model_set_transport(model_t *m, unsigned client, unsigned what, unsigned value);
/* The n-th allocation from now fails; 0: none does. */
void model_fail_memory(model_t *m, unsigned n);

#endif
