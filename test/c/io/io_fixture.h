/* io_fixture.h - an I/O thread with real sockets for the tests of csrc/io: a
 * server side that the thread owns and a peer side that the test reads. */
#ifndef SSE_TEST_IO_FIXTURE_H
#define SSE_TEST_IO_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "hub/mem.h"
#include "io/thread.h"

#define MAX_CLIENTS 64
#ifndef WAIT_SECONDS
#define WAIT_SECONDS 20
#endif

/* What the thread reported; the test waits on `changed`. */
typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int n_closed;
  int times_closed[MAX_CLIENTS + 1]; /* by handle */
  sse_reason_t reason[MAX_CLIENTS + 1];
  int n_stopped;
} reports_t;

static reports_t reports;

static inline void reports_reset(void) {
  memset(&reports, 0, sizeof(reports));
  pthread_mutex_init(&reports.lock, NULL);
  pthread_cond_init(&reports.changed, NULL);
}

static inline void on_closed_report(void *tag, sse_handle_t client, sse_reason_t reason) {
  assert_ptr_equal(tag, &reports);
  pthread_mutex_lock(&reports.lock);
  reports.n_closed++;
  reports.times_closed[client]++;
  reports.reason[client] = reason;
  pthread_cond_broadcast(&reports.changed);
  pthread_mutex_unlock(&reports.lock);
}

static inline void on_stopped_report(void *ctx) {
  assert_ptr_equal(ctx, &reports);
  pthread_mutex_lock(&reports.lock);
  reports.n_stopped++;
  pthread_cond_broadcast(&reports.changed);
  pthread_mutex_unlock(&reports.lock);
}

/* Waits until so many clients have been reported closed. */
static inline void wait_closed(int n) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += WAIT_SECONDS;
  pthread_mutex_lock(&reports.lock);
  int rc = 0;
  while (reports.n_closed < n && rc == 0) {
    rc = pthread_cond_timedwait(&reports.changed, &reports.lock, &until);
  }
  int seen = reports.n_closed;
  pthread_mutex_unlock(&reports.lock);
  assert_true(seen >= n);
}

static inline sse_reason_t reason_of(sse_handle_t client) {
  pthread_mutex_lock(&reports.lock);
  int times = reports.times_closed[client];
  sse_reason_t reason = reports.reason[client];
  pthread_mutex_unlock(&reports.lock);
  assert_int_equal(times, 1);
  return reason;
}

typedef struct {
  sse_clock_t clock;
  sse_thread_t thread;
  uint64_t last;
} fixture_t;

static inline int fixture_try_init(fixture_t *f, uint64_t heartbeat_us, size_t max_queued) {
  reports_reset();
  f->clock = sse_clock_start();
  f->last = sse_clock_now(&f->clock);
  sse_hub_config_t config = {.birth = f->last,
                             .newest = f->last,
                             .heartbeat_us = heartbeat_us,
                             .max_queued_bytes = max_queued,
                             .history_size = 100,
                             .max_rings = 1000};
  sse_upcalls_t upcalls = {on_closed_report};
  int rc = sse_thread_init(&f->thread, &config, &upcalls, &f->clock, 30000);
  f->thread.stopped = on_stopped_report;
  f->thread.stopped_ctx = &reports;
  return rc;
}

static inline void fixture_init(fixture_t *f, uint64_t heartbeat_us, size_t max_queued) {
  assert_int_equal(fixture_try_init(f, heartbeat_us, max_queued), 0);
}

static inline void fixture_end(fixture_t *f) {
  sse_thread_stop(&f->thread);
  sse_thread_stop(&f->thread); /* twice is fine */
  sse_thread_join(&f->thread);
  sse_thread_join(&f->thread);
  assert_int_equal(reports.n_stopped, 1);
  sse_thread_deinit(&f->thread);
}

static inline sse_key_t channel_key(const char *name) {
  return sse_key((sse_seed_t){0, 0}, SSE_SCOPE_CHANNEL, sse_span("", 0), sse_span_cstr(name));
}

/* Attaches one end of `pair` as `client` on channel "a"; closes our copy of it,
 * as Node does after the handover. */
static inline void attach(fixture_t *f, sse_handle_t client, int pair[2]) {
  int err = 0;
  sse_socket_t *socket = sse_socket_new(pair[0], &reports, &err);
  assert_non_null(socket);
  close(pair[0]);
  sse_key_t key = channel_key("a");
  sse_attach_t a = {.client = client,
                    .endpoint = socket,
                    .keys = &key,
                    .n_keys = 1,
                    .kind = SSE_CURSOR_NONE,
                    .cursor = f->last,
                    .hello = sse_span_cstr("{\"clientId\":\"x\""),
                    .retry = SSE_NO_RETRY};
  sse_command_t *command = sse_command_attach(&a);
  assert_non_null(command);
  sse_shard_post(&f->thread.shard, command);
}

/* A running thread with one client, number 1; the test reads pair[1]. */
static inline void start_with_one(fixture_t *f, void (*make)(int pair[2]), uint64_t heartbeat_us,
                                  size_t max_queued, int pair[2]) {
  fixture_init(f, heartbeat_us, max_queued);
  assert_int_equal(sse_thread_start(&f->thread), 0);
  make(pair);
  attach(f, 1, pair);
}

static inline uint64_t publish_bytes(fixture_t *f, const char *data, size_t len) {
  sse_event_t event = {++f->last, sse_span_cstr("t"), sse_span(data, len), SSE_NO_RETRY};
  sse_frame_t *frame = sse_frame_from_event(&event);
  assert_non_null(frame);
  sse_key_t key = channel_key("a");
  sse_command_t *command = sse_command_publish(frame, &key, 1);
  assert_non_null(command);
  sse_shard_post(&f->thread.shard, command);
  sse_frame_unref(frame);
  return event.id;
}

static inline uint64_t publish(fixture_t *f, const char *data) {
  return publish_bytes(f, data, strlen(data));
}

static inline void unix_pair(int pair[2]) {
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
}

static inline void tcp_pair(int pair[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t len = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_true(listener >= 0);
  assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
  assert_int_equal(listen(listener, 1), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
  pair[1] = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(pair[1], (struct sockaddr *)&address, len), 0);
  pair[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  assert_true(pair[0] >= 0);
  close(listener);
}

/* Reads from a peer until `needle` has come; `text` holds everything so far. */
static inline void read_until(int fd, char *text, size_t room, const char *needle) {
  size_t len = strlen(text);
  while (strstr(text, needle) == NULL) {
    struct pollfd p = {fd, POLLIN, 0};
    assert_int_equal(poll(&p, 1, WAIT_SECONDS * 1000), 1);
    ssize_t n = read(fd, text + len, room - len - 1);
    assert_true(n > 0);
    len += (size_t)n;
    text[len] = '\0';
  }
}

/* Reads to the end of the stream; true when it ended by FIN, not by reset. */
static inline bool read_to_end(int fd) {
  char scratch[65536];
  for (;;) {
    struct pollfd p = {fd, POLLIN, 0};
    assert_int_equal(poll(&p, 1, WAIT_SECONDS * 1000), 1);
    ssize_t n = read(fd, scratch, sizeof(scratch));
    if (n == 0) return true;
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
  }
}

#endif
