/* watch.h - says when a descriptor can be read or written, on the loop of its
 * thread.
 *
 * DESIGN: a set of all watched descriptors of a thread. On Linux it is an epoll
 * of its own, which the loop polls like any other descriptor: a watch is 24
 * bytes, where a uv_poll_t is 160, and two system calls in its life instead of
 * six. Elsewhere (watch_uv.c) each is a uv_poll_t. Level-triggered in both. */
#ifndef SSE_IO_WATCH_H
#define SSE_IO_WATCH_H

#include <stdbool.h>
#include <uv.h>

#if defined(__linux__) && !defined(SSE_WATCH_UV)
#define SSE_WATCH_EPOLL 1
#endif

/* What is said of a descriptor. */
#define SSE_WATCH_READABLE 1u /* bytes, or the peer's end of them */
#define SSE_WATCH_WRITABLE 2u /* only while it is asked for       */
#define SSE_WATCH_FAILED 4u   /* the kernel holds an error        */

typedef struct sse_watch sse_watch_t;
typedef struct sse_watches sse_watches_t;

/* Embed in what has the descriptor. */
struct sse_watch {
#ifdef SSE_WATCH_EPOLL
  sse_watch_t *next; /* of those that wait for their end */
#else
  sse_watches_t *set;
  uv_poll_t poll;
#endif
  int fd;
  bool is_stopped;
};

struct sse_watches {
  void (*on_events)(sse_watch_t *watch, unsigned events);
  void (*on_stopped)(sse_watch_t *watch); /* its memory is the owner's again */
#ifdef SSE_WATCH_EPOLL
  int fd;
  uv_poll_t poll;
  bool is_speaking; /* events are being told */
  sse_watch_t *stopped;
#else
  uv_loop_t *loop;
#endif
};

/* [init] 0 or a negative uv error. The callbacks are set by then. */
int sse_watches_init(sse_watches_t *set, uv_loop_t *loop);

/* [io] When every watch was stopped: the set ends with its loop. */
void sse_watches_close(sse_watches_t *set);

/* [io] Begins to watch `watch->fd` for reading. 0 or a negative error, and then
 * `on_stopped` comes as after sse_watch_stop. */
int sse_watch_start(sse_watches_t *set, sse_watch_t *watch);

/* [io] Whether it is to be told when the descriptor can be written, too. 0 or a
 * negative error. */
int sse_watch_writable(sse_watches_t *set, sse_watch_t *watch, bool is_wanted);

/* [io] Nothing is said of it any more; the descriptor is the owner's to close
 * afterwards. `on_stopped` comes once, maybe at once. */
void sse_watch_stop(sse_watches_t *set, sse_watch_t *watch);

#endif
