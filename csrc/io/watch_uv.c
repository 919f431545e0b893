/* watch_uv.c - a uv_poll_t for each watch, where there is no epoll; see watch.h. */
#include "io/watch.h"

#ifndef SSE_WATCH_EPOLL

static void on_ready(uv_poll_t *poll, int status, int ready) {
  sse_watch_t *watch = poll->data;
  unsigned events = 0;
  if (watch->is_stopped) return;
  /* libuv folds an error of the descriptor into a status, and watches no more. */
  if (status < 0) events |= SSE_WATCH_FAILED;
  if (ready & (UV_READABLE | UV_DISCONNECT)) events |= SSE_WATCH_READABLE;
  if (ready & UV_WRITABLE) events |= SSE_WATCH_WRITABLE;
  watch->set->on_events(watch, events);
}

static void on_closed(uv_handle_t *handle) {
  sse_watch_t *watch = handle->data;
  watch->set->on_stopped(watch);
}

int sse_watches_init(sse_watches_t *set, uv_loop_t *loop) {
  set->loop = loop;
  return 0;
}

void sse_watches_close(sse_watches_t *set) {
  (void)set;
}

int sse_watch_start(sse_watches_t *set, sse_watch_t *watch) {
  watch->set = set;
  watch->is_stopped = false;
  int rc = uv_poll_init(set->loop, &watch->poll, watch->fd);
  if (rc != 0) {
    set->on_stopped(watch);
    return rc;
  }
  watch->poll.data = watch;
  rc = sse_watch_writable(set, watch, false);
  if (rc != 0) sse_watch_stop(set, watch);
  return rc;
}

int sse_watch_writable(sse_watches_t *set, sse_watch_t *watch, bool is_wanted) {
  (void)set;
  int events = UV_READABLE | UV_DISCONNECT | (is_wanted ? UV_WRITABLE : 0);
  return uv_poll_start(&watch->poll, events, on_ready);
}

void sse_watch_stop(sse_watches_t *set, sse_watch_t *watch) {
  (void)set;
  watch->is_stopped = true;
  uv_close((uv_handle_t *)&watch->poll, on_closed);
}

#endif
