/* directory.h - who is connected, seen from the JS thread: slots, clients by
 * number and by id, users, and when clients are to end. It knows no hub; it is told. [js] */
#ifndef SSE_HUB_DIRECTORY_H
#define SSE_HUB_DIRECTORY_H

#include "hub/deadline.h"
#include "hub/hub.h"
#include "hub/list.h"
#include "hub/table.h"

typedef enum { SSE_TRANSPORT_STREAM, SSE_TRANSPORT_SOCKET, SSE_TRANSPORT_COUNT } sse_transport_t;

typedef struct {
  sse_table_node_t node;
  sse_key_t key;      /* scope user; its text is `storage` */
  sse_list_t entries; /* the user's slots, oldest first */
  uint32_t count;
  char storage[];
} sse_user_t;

/* RESERVED: counts for the limits only. CLIENT: visible. */
typedef struct {
  sse_table_node_t by_handle;
  sse_table_node_t by_id; /* in the table only as CLIENT     */
  sse_list_t order;       /* of becoming a client            */
  sse_list_t of_user;     /* among the slots of its user     */
  sse_deadline_t end;     /* when it is to end, ms since the epoch */
  sse_handle_t handle;
  sse_user_t *user; /* NULL until known                */
  bool is_client;
  sse_transport_t transport;
  uint32_t shard;      /* which hub has it                */
  double connected_at; /* ms since the epoch              */
  sse_reason_t end_reason;
  sse_span_t id; /* in `text`, as the channels are  */
  const sse_span_t *channels;
  uint32_t n_channels;
  void *text; /* one block: channel spans, then all text */
} sse_entry_t;

typedef struct {
  sse_table_t handles, ids, users;
  sse_list_t clients; /* in the order of becoming one */
  sse_deadlines_t ends;
  sse_seed_t seed;
  uint64_t last_handle;
  uint64_t max_slots;    /* reserved and clients together; 0: no limit */
  uint32_t max_per_user; /* 0: no limit */
  uint64_t n_clients[SSE_TRANSPORT_COUNT];
} sse_directory_t;

typedef struct {
  sse_transport_t transport;
  uint32_t shard;
  double connected_at;     /* ms since the epoch                      */
  double ends_at;          /* the same; 0: never                      */
  sse_reason_t end_reason; /* why it ends then                        */
  sse_span_t id;
  const sse_span_t *channels; /* copied */
  uint32_t n_channels;
} sse_arrival_t;

void sse_directory_init(sse_directory_t *dir, sse_seed_t seed, uint64_t max_slots,
                        uint32_t max_per_user);
void sse_directory_deinit(sse_directory_t *dir);

/* Reserves a slot: `*handle` is its number. SSE_EFULL at max_slots. */
int sse_directory_reserve(sse_directory_t *dir, sse_handle_t *handle);

/* Says whose slot it is (a key of scope user). SSE_EFULL when that user has
 * max_per_user slots already, SSE_ENOENT for an unknown slot. */
int sse_directory_assign(sse_directory_t *dir, sse_handle_t handle, const sse_key_t *user);

/* Makes the slot a client. SSE_ENOENT, SSE_EEXIST (was one), SSE_ENOMEM. */
int sse_directory_arrive(sse_directory_t *dir, sse_handle_t handle, const sse_arrival_t *arrival);

/* A client's channels from now on. SSE_ENOENT for an unknown client or a channel
 * that it has not, SSE_EEXIST for one that it has, SSE_ENOMEM. */
int sse_directory_add_channel(sse_directory_t *dir, sse_handle_t handle, sse_span_t channel);
int sse_directory_drop_channel(sse_directory_t *dir, sse_handle_t handle, sse_span_t channel);

/* Frees a slot in whatever state; false when it was free already. */
bool sse_directory_release(sse_directory_t *dir, sse_handle_t handle);

/* NULL when unknown; by_id finds clients only. Valid until released. */
sse_entry_t *sse_directory_find(const sse_directory_t *dir, sse_handle_t handle);
sse_entry_t *sse_directory_by_id(const sse_directory_t *dir, sse_span_t id);

/* The client behind `entry` in order of arrival (NULL: the first); NULL at the
 * end. */
sse_entry_t *sse_directory_next(const sse_directory_t *dir, const sse_entry_t *entry);

/* The slot behind `entry` (NULL: the first) among those of a user; NULL at the
 * end, and for a user who has none. */
sse_entry_t *sse_directory_next_of(const sse_directory_t *dir, const sse_key_t *user,
                                   const sse_entry_t *entry);

/* When the next client is to end, ms since the epoch; 0: none is. */
double sse_directory_next_end(const sse_directory_t *dir);

/* A client whose time has come by `now`, each once; NULL when there is none. */
sse_entry_t *sse_directory_take_due(sse_directory_t *dir, double now);

#endif
