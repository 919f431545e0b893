/* store_fixture.h - a store in a folder of its own, a clock of the test's, and a
 * log of everything that was ever appended, against which each load is held. */
#ifndef SSE_TEST_STORE_FIXTURE_H
#define SSE_TEST_STORE_FIXTURE_H

#include <stdatomic.h>

#include "../hub/testing.h"
#include "store/store.h"

#define STORE_KEYS 6
#define STORE_MAX_EVENTS 20000
#define STORE_FIRST_NOW UINT64_C(1700000000000000)

/* Shared with child processes: what they append is known when they are killed. */
typedef struct {
  struct {
    uint64_t id;
    uint32_t keys; /* bit i: key i */
    uint32_t len;
  } events[STORE_MAX_EVENTS];
  atomic_size_t n;    /* appended, or about to be        */
  atomic_size_t done; /* appended: clients may have them */
  atomic_size_t step;
} store_log_t;

typedef struct {
  char dir[64], path[96];
  sse_store_config_t config;
  sse_store_t *store;
  store_log_t *log;
  uint64_t last; /* the id given last */
  _Atomic uint64_t now;
  atomic_int n_news, n_stopped;
  sse_store_error_t error;
  sse_store_start_t start;
  /* What the last load gave. */
  struct {
    uint64_t ids[STORE_MAX_EVENTS];
    size_t n;
    uint64_t floor;
    bool has_row;
  } loaded[STORE_KEYS];
} store_fixture_t;

/* A fresh folder; 100 events a key, no other limit, sync 'always'. */
void store_setup(store_fixture_t *f);
void store_teardown(store_fixture_t *f);

sse_key_t store_key(sse_seed_t seed, uint32_t i);

/* Opens, loads and runs. False with f->error. */
bool store_open(store_fixture_t *f);
/* Stops, joins, frees. */
void store_close(store_fixture_t *f);
/* Closes without running (after an open alone). */
void store_drop(store_fixture_t *f);

/* Appends an event of `len` bytes to the keys in the mask; its id. */
uint64_t store_append(store_fixture_t *f, uint32_t keys, uint32_t len);

/* Waits until the event is safe; fails the test when it is told to have failed. */
void store_wait_synced(store_fixture_t *f, uint64_t id);

/* The naive check of the last load: every event is one that was appended to its
 * key, in order; and whatever cursor a client could come with, at or above the
 * floors nothing of the log is missing. True when the load had every event of the
 * log above its floors, that is when it was told of no loss. */
void store_check(const store_fixture_t *f);

/* Opens and loads without running, checks, and closes: what a start would see. */
bool store_peek(store_fixture_t *f);

/* In a child process: runs `body` and is then killed as by `kill -9`. */
void store_killed(store_fixture_t *f, void (*body)(store_fixture_t *f));

/* Copies a file; false when it is not there. */
bool store_copy(const char *from, const char *to);

#endif
