/* clients.c: opens and closes subscriptions, and knows which events each is to get. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loadgen.h"

static void client_close(struct client *c) {
  if (c->fd >= 0) close(c->fd); /* leaves the epoll set by itself */
  c->fd = -1;
  free(c->part);
  c->part = NULL;
  c->part_len = c->part_cap = c->line_len = 0;
  if (c->state == DEAD || c->state == CUT) return;
  if (c->ready)
    alive--;
  else
    inflight--;
  c->ready = false;
  c->state = DEAD;
}

void client_lost(struct client *c, int error) {
  if (error && !total.first_errno) total.first_errno = error;
  if (c->ready)
    total.lost++;
  else
    total.failed++;
  client_close(c);
}

void client_reset(struct client *c) {
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  if (c->fd >= 0) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  client_close(c);
}

void client_ready(struct client *c) {
  if (c->ready) return;
  c->ready = true;
  inflight--;
  alive++;
  histogram_add(&connect_latency, now_ns() - c->started);
}

/* Each from one of a few loopback addresses: one alone has no more than 28,000 ports. */
static int open_socket(uint32_t index) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int yes = 1;
  struct sockaddr_in from = {.sin_family = AF_INET};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + index % SOURCES);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0) {
    const struct sockaddr *to = (const struct sockaddr *)&config.addr;
    if (connect(fd, to, sizeof config.addr) == 0 || errno == EINPROGRESS) return fd;
  }
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static void start(uint32_t index) {
  struct client *c = &clients[index];
  c->state = CONNECTING;
  c->started = now_ns();
  inflight++;
  c->fd = open_socket(index);
  if (c->fd < 0) {
    client_lost(c, errno);
    return;
  }
  struct epoll_event ev = {.events = EPOLLOUT, .data.u32 = index};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0) client_lost(c, errno);
}

static uint32_t members; /* of the present group */

void client_open(uint32_t index, uint64_t next) {
  struct client *c = &clients[index];
  memset(c, 0, sizeof *c);
  if (index == 0 || clients[index - 1].group != config.spread.group) members = 0;
  c->group = config.spread.group;
  c->member = members++;
  c->next = next;
  start(index);
}

void client_reopen(uint32_t index, uint64_t next) {
  struct client *c = &clients[index];
  struct client fresh = {.group = c->group, .member = c->member, .last_id = c->last_id};
  memcpy(fresh.last_id_text, c->last_id_text, sizeof fresh.last_id_text);
  fresh.next = next;
  *c = fresh;
  start(index);
}

/* ---- the request ---- */

struct text {
  char *to;
  size_t len, cap;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int len = vsnprintf(text->to + text->len, text->cap - text->len, format, args);
  va_end(args);
  if (len < 0 || (size_t)len >= text->cap - text->len) die("a request that is too long");
  text->len += (size_t)len;
}

/* What a subscriber sends; one that was cut says how far it got. */
static size_t write_request(char to[REQUEST_MAX], const struct client *c, uint32_t index) {
  const struct spread *s = &config.spread;
  struct text text = {.to = to, .cap = REQUEST_MAX};
  add(&text, "GET %s", config.path);
  for (uint32_t j = 0; j < s->per; j++) {
    uint64_t channel = s->base + ((uint64_t)c->member * s->per + j) % s->k;
    add(&text, "%cchannel=c%" PRIu64, j == 0 ? '?' : '&', channel);
  }
  add(&text, " HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n",
      config.host);
  if (config.token_count)
    add(&text, "Authorization: Bearer %s\r\n", config.tokens[index % config.token_count]);
  if (c->last_id_text[0]) add(&text, "Last-Event-ID: %s\r\n", c->last_id_text);
  add(&text, "\r\n");
  return text.len;
}

/* Whether the kernel had to send the SYN again: the accept queue was full. */
static bool was_retried(int fd) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_total_retrans > 0;
}

void client_connected(struct client *c, uint32_t index) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) {
    client_lost(c, error);
    return;
  }
  if (phase.active && was_retried(c->fd)) phase.retried++;
  char request[REQUEST_MAX];
  size_t len = write_request(request, c, index);
  ssize_t sent = send(c->fd, request, len, MSG_NOSIGNAL);
  if (sent != (ssize_t)len) {
    client_lost(c, sent < 0 ? errno : EMSGSIZE);
    return;
  }
  c->state = HEAD;
  struct epoll_event ev = {.events = EPOLLIN, .data.u32 = index};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &ev) < 0) client_lost(c, errno);
}

/* ---- who gets what ---- */

bool client_owns(const struct client *c, uint64_t n) {
  const struct spread *s = &config.spread;
  if (c->group != s->group) return false;
  if (s->k == 1) return true;
  uint64_t channel = (n - 1) % s->k * s->stride % s->k;
  uint64_t own = (uint64_t)c->member * s->per % s->k;
  return (channel + s->k - own) % s->k < s->per;
}

uint64_t client_owned(const struct client *c, uint64_t first, uint64_t last) {
  if (first > last || c->group != config.spread.group) return 0;
  if (config.spread.k == 1) return last + 1 - first;
  uint64_t count = 0;
  for (uint64_t n = first; n <= last; n++)
    if (client_owns(c, n)) count++;
  return count;
}
