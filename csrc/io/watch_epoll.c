/* watch_epoll.c - the watches of a thread in an epoll of their own (Linux); see
 * watch.h. */
#include "io/watch.h"

#ifdef SSE_WATCH_EPOLL

#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Descriptors of which is told at once; the rest at the next turn of the loop. */
#define BATCH 256

static unsigned events_of(uint32_t ready) {
  unsigned events = 0;
  if (ready & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) events |= SSE_WATCH_READABLE;
  if (ready & EPOLLOUT) events |= SSE_WATCH_WRITABLE;
  if (ready & EPOLLERR) events |= SSE_WATCH_FAILED;
  return events;
}

static void end_stopped(sse_watches_t *set) {
  while (set->stopped != NULL) {
    sse_watch_t *watch = set->stopped;
    set->stopped = watch->next;
    set->on_stopped(watch);
  }
}

/* One that is stopped by what is told of another may still be in the batch: its
 * memory has to last as long as that. */
static void on_ready(uv_poll_t *poll, int status, int ready) {
  sse_watches_t *set = poll->data;
  struct epoll_event batch[BATCH];
  (void)status;
  (void)ready;
  int n = epoll_wait(set->fd, batch, BATCH, 0);
  set->is_speaking = true;
  for (int i = 0; i < n; i++) {
    sse_watch_t *watch = batch[i].data.ptr;
    if (!watch->is_stopped) set->on_events(watch, events_of(batch[i].events));
  }
  set->is_speaking = false;
  end_stopped(set);
}

int sse_watches_init(sse_watches_t *set, uv_loop_t *loop) {
  set->stopped = NULL;
  set->is_speaking = false;
  set->fd = epoll_create1(EPOLL_CLOEXEC);
  if (set->fd == -1) return -errno;
  int rc = uv_poll_init(loop, &set->poll, set->fd);
  if (rc != 0) {
    close(set->fd);
    return rc;
  }
  set->poll.data = set;
  rc = uv_poll_start(&set->poll, UV_READABLE, on_ready);
  if (rc != 0) sse_watches_close(set);
  return rc;
}

void sse_watches_close(sse_watches_t *set) {
  uv_close((uv_handle_t *)&set->poll, NULL);
  close(set->fd);
}

static int control(sse_watches_t *set, sse_watch_t *watch, int op, bool writable) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = watch};
  if (writable) event.events |= EPOLLOUT;
  return epoll_ctl(set->fd, op, watch->fd, &event) == 0 ? 0 : -errno;
}

static void stop(sse_watches_t *set, sse_watch_t *watch) {
  watch->is_stopped = true;
  watch->next = set->stopped;
  set->stopped = watch;
  if (!set->is_speaking) end_stopped(set);
}

int sse_watch_start(sse_watches_t *set, sse_watch_t *watch) {
  watch->is_stopped = false;
  int rc = control(set, watch, EPOLL_CTL_ADD, false);
  if (rc != 0) stop(set, watch);
  return rc;
}

int sse_watch_writable(sse_watches_t *set, sse_watch_t *watch, bool is_wanted) {
  return control(set, watch, EPOLL_CTL_MOD, is_wanted);
}

void sse_watch_stop(sse_watches_t *set, sse_watch_t *watch) {
  /* A close alone would not do: Node may still have the same connection open. */
  (void)control(set, watch, EPOLL_CTL_DEL, false);
  stop(set, watch);
}

#endif
