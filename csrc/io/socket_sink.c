/* socket_sink.c - gathered writes and peer watching on raw sockets; see
 * socket_sink.h. [io] unless said otherwise. */
#include "io/socket_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hub/mem.h"
#include "hub/table.h"
#include "io/peer.h"
#include "io/shard.h"

#define MAX_IOV 256
/* From so many frames on it pays to see whether others wait for the same. */
#define MIN_GATHERED 4
/* A client has nothing to say after its GET; a pipelined request or two is
 * swallowed, more ends the connection. */
#define MAX_DISCARDED (16 * 1024)
#define SCRATCH 4096

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* Node ignores SIGPIPE */
#endif

struct sse_socket {
  sse_watch_t watch; /* has the descriptor */
  sse_handle_t client;
  sse_socket_sink_t *sink;
  void *tag;
  size_t discarded;
};

sse_socket_t *sse_socket_new(int fd, void *tag, int *err) {
  sse_socket_t *socket = sse_calloc(1, sizeof(*socket));
  if (socket == NULL) {
    *err = SSE_ENOMEM;
    return NULL;
  }
  socket->watch.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (socket->watch.fd == -1) {
    *err = -errno;
    sse_free(socket);
    return NULL;
  }
  socket->tag = tag;
  return socket;
}

void sse_socket_discard(sse_socket_t *socket) {
  if (socket == NULL) return;
  close(socket->watch.fd);
  sse_free(socket);
}

/* What the kernel holds against the connection, as a close reason. */
static sse_reason_t pending_error(const sse_socket_t *socket) {
  int error = 0;
  socklen_t len = sizeof(error);
  if (getsockopt(socket->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
    return SSE_REASON_ERROR;
  return error == 0 ? SSE_REASON_CLIENT : sse_peer_reason(error);
}

/* Reads until there is nothing more; true when the peer is gone, with why. */
static bool is_gone(sse_socket_t *socket, sse_reason_t *reason) {
  char scratch[SCRATCH];
  for (;;) {
    ssize_t n = recv(socket->watch.fd, scratch, sizeof(scratch), MSG_DONTWAIT);
    if (n > 0) {
      socket->discarded += (size_t)n;
      if (socket->discarded <= MAX_DISCARDED) continue;
      *reason = SSE_REASON_PROTOCOL;
      return true;
    }
    if (n == 0) {
      *reason = SSE_REASON_CLIENT;
      return true;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    *reason = sse_peer_reason(errno);
    return true;
  }
}

static sse_socket_t *socket_of(sse_watch_t *watch) {
  return SSE_CONTAINER_OF(watch, sse_socket_t, watch);
}

static void on_events(sse_watch_t *watch, unsigned events) {
  sse_socket_t *socket = socket_of(watch);
  sse_socket_sink_t *sink = socket->sink;
  sse_hub_t *hub = sink->shard->hub;
  sse_handle_t client = socket->client;
  sse_reason_t reason = SSE_REASON_RESET;
  if (events & SSE_WATCH_FAILED) {
    sse_hub_hangup(hub, client, pending_error(socket));
  } else if ((events & SSE_WATCH_READABLE) && is_gone(socket, &reason)) {
    sse_hub_hangup(hub, client, reason);
  } else if (events & SSE_WATCH_WRITABLE) {
    if (sse_watch_writable(&sink->watches, watch, false) != 0)
      sse_hub_hangup(hub, client, SSE_REASON_ERROR);
    sse_hub_writable(hub, client);
  }
  sse_shard_drain(sink->shard);
}

static void on_stopped(sse_watch_t *watch) {
  sse_free(socket_of(watch));
}

int sse_socket_sink_open(sse_socket_sink_t *self, uv_loop_t *loop) {
  self->watches.on_events = on_events;
  self->watches.on_stopped = on_stopped;
  return sse_watches_init(&self->watches, loop);
}

void sse_socket_sink_close(sse_socket_sink_t *self) {
  sse_watches_close(&self->watches);
}

static void close_socket(void *ctx, void *transport, sse_handle_t client, sse_reason_t reason) {
  sse_socket_sink_t *sink = ctx;
  sse_socket_t *socket = transport;
  sse_reason_t ignored;
  int fd = socket->watch.fd;
  void *tag = socket->tag;
  /* Unread bytes would turn the close into a reset that can overtake the last
   * frames, `closing` among them. */
  (void)is_gone(socket, &ignored);
  sse_watch_stop(&sink->watches, &socket->watch);
  close(fd);
  sink->upcalls.closed(tag, client, reason);
}

static void *open_socket(void *ctx, sse_handle_t client, void *endpoint) {
  sse_socket_sink_t *sink = ctx;
  sse_socket_t *socket = endpoint;
  int fd = socket->watch.fd;
  void *tag = socket->tag;
  socket->client = client;
  socket->sink = sink;
  if (sse_watch_start(&sink->watches, &socket->watch) == 0) {
    sse_peer_set_timeout(fd, sink->peer_timeout_ms);
    return socket;
  }
  close(fd);
  sink->upcalls.closed(tag, client, SSE_REASON_ERROR);
  return NULL;
}

/* One frame, the common case, needs no list of buffers in the kernel. */
static ssize_t send_one(int fd, const char *bytes, size_t len) {
  return send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static size_t fill_iov(struct iovec *iov, sse_frame_t *const *frames, size_t n, size_t offset) {
  size_t total = 0;
  for (size_t i = 0; i < n; i++) {
    iov[i].iov_base = frames[i]->bytes + offset;
    iov[i].iov_len = frames[i]->len - offset;
    total += iov[i].iov_len;
    offset = 0;
  }
  return total;
}

static ssize_t send_all(sse_socket_t *socket, sse_frame_t *const *frames, size_t n, size_t offset,
                        size_t *total) {
  struct iovec iov[MAX_IOV];
  if (n > MAX_IOV) n = MAX_IOV;
  const char *bytes =
      n >= MIN_GATHERED && offset == 0 ? sse_gather(&socket->sink->gather, frames, n, total) : NULL;
  if (bytes != NULL) return send_one(socket->watch.fd, bytes, *total);
  *total = fill_iov(iov, frames, n, offset);
  struct msghdr message = {.msg_iov = iov, .msg_iovlen = n};
  return sendmsg(socket->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static sse_sink_status_t write_socket(void *ctx, void *transport, sse_frame_t *const *frames,
                                      size_t n, size_t offset, size_t *taken) {
  sse_socket_sink_t *sink = ctx;
  sse_socket_t *socket = transport;
  size_t total = frames[0]->len - offset;
  ssize_t sent;
  do {
    sent = n == 1 ? send_one(socket->watch.fd, frames[0]->bytes + offset, total)
                  : send_all(socket, frames, n, offset, &total);
  } while (sent == -1 && errno == EINTR);
  if (sent == -1 && errno != EAGAIN && errno != EWOULDBLOCK) {
    sse_hub_hangup(sink->shard->hub, socket->client, sse_peer_reason(errno));
    return SSE_SINK_BROKEN;
  }
  *taken = sent > 0 ? (size_t)sent : 0;
  if (*taken == total) return SSE_SINK_DONE;
  return sse_watch_writable(&sink->watches, &socket->watch, true) == 0 ? SSE_SINK_BLOCKED
                                                                       : SSE_SINK_BROKEN;
}

static size_t pending_of_socket(void *ctx, void *transport) {
  (void)ctx;
  return sse_peer_unacked(((sse_socket_t *)transport)->watch.fd);
}

sse_sink_t sse_socket_sink(sse_socket_sink_t *self) {
  return (sse_sink_t){open_socket, write_socket, pending_of_socket, close_socket, self};
}
