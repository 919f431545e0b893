/*
 * loadgen.h: what the files of the load generator share.
 *
 * One process, one thread, one epoll set. main.c has the command line, the loop
 * and the commands; clients.c opens and closes subscriptions; stream.c reads
 * what comes and checks it; report.c writes the answers.
 */
#ifndef LOADGEN_H
#define LOADGEN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "histogram.h"

enum {
  READ_SIZE = 256 * 1024,
  HEAD_MAX = 16 * 1024,
  LINE_KEPT = 1024, /* of a line that comes in pieces: all that is looked at */
  LINE_MAX_BYTES = 4 * 1024 * 1024,
  ID_MAX = 40,
  EPOLL_BATCH = 512,
  CLIENTS_MAX = 60000,
  COUNT_MAX = 1000000,
  TOKENS_MAX = 20000,
  REQUEST_MAX = 16384,
  SOURCES = 4,         /* loopback addresses that are connected from: ports enough */
  STORM_WINDOW = 4000, /* unanswered at most: below a backlog of 4096 no SYN is dropped */
  LINGER_MS = 50       /* after the last expected event: a duplicate shows here */
};

enum client_state { DEAD, CUT, CONNECTING, HEAD, BODY };
enum chunk_state { CHUNK_NONE, CHUNK_SIZE, CHUNK_EXT, CHUNK_DATA, CHUNK_END };
enum event_type { TYPE_MESSAGE, TYPE_TICK, TYPE_CONNECTED, TYPE_OTHER };

/*
 * Who gets what. Event n goes to the channel BASE + ((n - 1) * STRIDE) % K, and the
 * subscriber number i of the group to the channels BASE + (i * PER + j) % K with
 * j < PER. One channel for all is 0 1 1 1.
 */
struct spread {
  uint32_t group; /* counts up with every `spread`; only this group's subscribers expect anything */
  uint32_t base, k, per, stride;
};

struct client {
  int fd;
  uint8_t state, chunk, type;
  bool ready, has_id, has_data, bad_data;
  uint32_t group, member; /* which spread it came with, and its number there */
  uint64_t next;          /* no event below this is to come any more */
  uint64_t id, last_id;   /* as numbers: of the event being read, of the one before */
  char id_text[ID_MAX];
  char last_id_text[ID_MAX];
  uint64_t chunk_left;
  uint64_t n, t; /* from the data of the event being read */
  uint64_t started;
  char *part; /* a head or a line that is not complete yet */
  size_t part_len, part_cap;
  size_t line_len; /* of such a line, also what is not kept of it */
};

struct config {
  struct sockaddr_in addr;
  char host[64];
  const char *path;
  char *tokens[TOKENS_MAX];
  uint32_t token_count;
  uint32_t max_clients, window;
  bool ready_on_head; /* live after the head, not after `event: connected` */
  bool text_ids;      /* ids are no ascending numbers */
  struct spread spread;
  uint64_t deadline;
};

/* Counters of the whole run, reported with each phase. */
struct totals {
  uint64_t failed, refused, lost;
  uint64_t missed, duplicated, surplus, bad_ids, malformed;
  uint64_t comments, others, bytes;
  int first_bad_status, first_errno;
};

/* The phase that is running. */
struct phase {
  bool active, replay;
  uint64_t first, last; /* of the n that are expected */
  uint64_t expected, received, retried, first_published, last_arrival, bytes_before;
  uint64_t *published, *arrived; /* for each n */
  struct histogram latency;
};

extern struct config config;
extern struct totals total;
extern struct phase phase;
extern struct histogram connect_latency;
extern struct client *clients;
extern uint32_t opened;   /* slots in use, alive or dead */
extern uint32_t alive;    /* subscriptions that are live */
extern uint32_t inflight; /* connects without their answer */
extern int epoll_fd;
extern char *read_buffer;

static inline uint64_t clock_ns(clockid_t which) {
  struct timespec ts;
  clock_gettime(which, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline uint64_t now_ns(void) {
  return clock_ns(CLOCK_MONOTONIC);
}

/* main.c: prints what and errno, and ends the process. */
_Noreturn void die(const char *what);

/* ---- clients.c ---- */

/* Starts the next subscription, of the present spread. It expects events from `next` on. */
void client_open(uint32_t index, uint64_t next);
/* Starts one again that was cut: it says how far it got. */
void client_reopen(uint32_t index, uint64_t next);
/* The socket is connected, or that failed: sends the request. */
void client_connected(struct client *c, uint32_t index);
/* `event: connected` has come, or the head where that is enough. */
void client_ready(struct client *c);
/* The subscription failed, was refused, or was ended by the server. */
void client_lost(struct client *c, int error);
/* Ends it with a reset: that leaves no TIME_WAIT, so many runs cannot use up the ports. */
void client_reset(struct client *c);
/* Whether event n goes to this one. */
bool client_owns(const struct client *c, uint64_t n);
/* How many of the events from first to last go to this one. */
uint64_t client_owned(const struct client *c, uint64_t first, uint64_t last);

/* ---- stream.c ---- */

/* Reads once, and checks every event that is complete. */
void client_readable(struct client *c);

/* ---- report.c ---- */

bool failed_so_far(void);
void report_counters(void);
void report_histogram(const char *name, const struct histogram *h);
void report_end(void);

#endif
