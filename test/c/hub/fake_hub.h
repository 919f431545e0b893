/* fake_hub.h - a hub with a fake sink and a clock of the test's own. The sink
 * parses what each client receives and can be told to take little, to be full,
 * to break or to refuse; it fails the test when the hub breaks the sink's
 * contract (a write after close, a second close, no bytes to write). */
#ifndef SSE_TEST_HUB_FAKE_HUB_H
#define SSE_TEST_HUB_FAKE_HUB_H

#include "hub/hub.h"
#include "spec_parser.h"
#include "testing.h"

#define FAKE_SEED ((sse_seed_t){1, 2})
#define FAKE_UNLIMITED SIZE_MAX

struct fake_hub;

typedef struct fake_client {
  sse_handle_t handle;
  bool is_open, is_closed;
  sse_reason_t reason; /* valid when closed                          */
  size_t budget;       /* bytes taken before it is full              */
  size_t chunk;        /* most bytes of one write, which stays DONE  */
  bool is_broken;
  bool says_full; /* BLOCKED though it took everything, as a stream may */
  size_t n_writes, n_idle_writes;
  size_t most_frames; /* handed over in one write */
  char *bytes;        /* everything taken         */
  size_t len;
  spec_parser_t parser;
  /* Called from inside write, before anything is taken. */
  void (*on_write)(struct fake_hub *fake, struct fake_client *client);
  size_t pending; /* what it says of itself when it is looked at */
  void (*on_look)(struct fake_hub *fake, struct fake_client *client);
} fake_client_t;

typedef struct fake_hub {
  sse_hub_t *hub;
  uint64_t now;
  fake_client_t **clients; /* all that were ever attached */
  size_t n_clients;
  bool refuses_open;
  size_t n_open_calls, n_closed;
} fake_hub_t;

/* The defaults: birth 1000, newest 1000, no heartbeat, no ttl, 100 events a
 * ring, 1000 bytes of queue, a million rings. */
sse_hub_config_t fake_config(void);

void fake_init(fake_hub_t *fake, const sse_hub_config_t *config);

/* Frees the hub (unless the test did and set it to NULL) and the clients. */
void fake_deinit(fake_hub_t *fake);

/* NULL when the handle was never opened. */
fake_client_t *fake_client(fake_hub_t *fake, sse_handle_t handle);

/* Keys under FAKE_SEED. */
sse_key_t fake_key(sse_scope_t scope, const char *owner, const char *name);
sse_key_t fake_channel(const char *name);

/* A frame `id: <id>`, type "t", data `{"id":<id>,"text":"<text>"}`. */
sse_frame_t *fake_frame(uint64_t id, const char *text);

/* A frame of exactly `len` (at least 40) bytes. */
sse_frame_t *fake_frame_sized(uint64_t id, size_t len);

/* Publishes a frame of fake_frame to the channels in `names` (comma separated)
 * and keeps no reference. */
void fake_publish(fake_hub_t *fake, uint64_t id, const char *names);
void fake_publish_sized(fake_hub_t *fake, uint64_t id, const char *names, size_t len);

/* Attaches to the channels in `names`, flushes and returns the client; hello
 * is `{"clientId":"c"`. */
fake_client_t *fake_attach(fake_hub_t *fake, sse_handle_t handle, sse_cursor_kind_t kind,
                           uint64_t cursor, const char *names);

/* Lets `us` pass: one tick and a flush. */
void fake_pass(fake_hub_t *fake, uint64_t us);

/* The same in steps that each count as a look at those who stall. */
void fake_stall(fake_hub_t *fake, uint64_t us);

/* Gives the client `budget` more bytes, wakes it and flushes. */
void fake_unblock(fake_hub_t *fake, fake_client_t *client, size_t budget);

/* The ids of the published events received, as "1,2,3". `connected` and others
 * without an id of their own are left out. Static memory. */
const char *fake_ids(const fake_client_t *client);

/* How many events of this type were received. */
size_t fake_count(const fake_client_t *client, const char *type);

/* What the first event, `connected`, said. */
bool fake_recovered(const fake_client_t *client);
uint64_t fake_connected_id(const fake_client_t *client); /* 0: no id line */

/* Fails the test unless the first event is a well-formed `connected`. */
const spec_event_t *fake_connected(const fake_client_t *client);

bool fake_text_contains(spec_text_t text, const char *needle);

#endif
