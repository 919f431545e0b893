/* faults.h - makes the calls below the I/O layer fail: system calls, libuv's
 * and the allocations of csrc. Inert until a test asks for something.
 *
 * DESIGN: the linker sends the calls of csrc here (--wrap, see the Makefile);
 * libuv's own do not come by. A test gives its orders while no I/O thread runs.
 * The counters are relaxed atomics: they order nothing, so that they hide no
 * race from ThreadSanitizer. */
#ifndef SSE_TEST_FAULTS_H
#define SSE_TEST_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/reason.h"
#include "io/watch.h"

/* Where there is an epoll the two calls of libuv are its own, once a thread; a
 * watch is a call of epoll_ctl. */
#ifdef SSE_WATCH_EPOLL
#define FAULT_WATCH FAULT_EPOLL_CTL
#define FAULT_POLL_REASON FAULT_ENDS_NOBODY
#else
#define FAULT_WATCH FAULT_POLL_START
#define FAULT_POLL_REASON SSE_REASON_ERROR
#endif

typedef enum {
  FAULT_SENDMSG,
  FAULT_RECV,
  FAULT_FCNTL,
  FAULT_GETSOCKOPT,
  FAULT_SETSOCKOPT,
  FAULT_GETSOCKNAME,
  FAULT_IOCTL,
  FAULT_EPOLL_CREATE,
  FAULT_EPOLL_CTL,
  FAULT_EPOLL_WAIT,
  FAULT_POLL_INIT,
  FAULT_POLL_START,
  FAULT_LOOP_INIT,
  FAULT_ASYNC_INIT,
  FAULT_TIMER_INIT,
  FAULT_THREAD_CREATE,
  FAULT_MUTEX_INIT,
  FAULT_ALLOC,
  FAULT_CALLS
} fault_call_t;

typedef enum {
  FAULT_ERROR, /* the call does nothing and gives `error`           */
  FAULT_SHORT, /* a write takes one byte                            */
  FAULT_NEWS   /* getsockopt works and tells of `error` as SO_ERROR */
} fault_kind_t;

/* A client that a fault ends by no reason of its own: it must not end one. */
#define FAULT_ENDS_NOBODY SSE_REASON_COUNT

/* One way in which a call can go wrong. */
typedef struct {
  const char *name;
  fault_call_t call;
  fault_kind_t kind;
  int error;           /* errno, or libuv's negative number             */
  sse_reason_t reason; /* of the client whose call it was, if that ends */
} fault_t;

extern const fault_t FAULTS[];
extern const size_t N_FAULTS;

/* Nothing fails from here on; the counters start at 0. */
void faults_reset(void);

/* The `nth` call of the fault's kind fails, once. */
void faults_fail_nth(const fault_t *fault, uint64_t nth);

/* From the `nth` call of the fault's kind on, all of them fail. */
void faults_fail_from(const fault_t *fault, uint64_t nth);

/* `permille` of all calls fail, each in one of its ways. */
void faults_storm(uint64_t seed, uint32_t permille);

/* A write takes at most `most` bytes: always, or with a seed 1 to `most`. */
void faults_shorten_writes(size_t most, uint64_t seed);

/* Calls of this kind, and failures, since the reset. */
uint64_t faults_calls(fault_call_t call);
uint64_t faults_hits(void);

/* Calls with a descriptor that was not open, a second close among them. */
uint64_t faults_bad_descriptors(void);

/* Writes of which the system itself took nothing, or not all. */
uint64_t faults_partial_writes(void);

/* While true, the calls of this thread are neither counted nor failed: the
 * test's own, to make its side of a connection. */
void faults_spare(bool on);

#endif
