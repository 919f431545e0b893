/*
 * floor.c: what the kernel allows. Accepts the same connections as the servers
 * of the benchmark and calls send() with the same bytes once for each event and
 * subscriber: no library, no JavaScript, no thread. Nobody can be told of an
 * event for less, except by sending several at once.
 *
 * Prints its port, then reads one command a line on stdin and answers each with
 * one line:
 *
 *   publish FIRST COUNT SPACING_US PAD BASE K STRIDE
 *       the events FIRST to FIRST + COUNT - 1 with PAD bytes of padding; event n to
 *       the channel BASE + ((n - 1) * STRIDE) % K; 0 as SPACING_US: one after the other
 *   heartbeat MS    from now on a comment line to everybody (0: none)
 *   count           answers the number of subscribers
 *
 * It ends with stdin. Only loopback; bounded by the number of descriptors.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 65536, CHANNELS_MAX = 65536, HISTORY = 100, PAD_MAX = 1 << 20, EPOLL_BATCH = 256 };

/* One event as bytes, shared by everybody who has not got all of it yet. */
struct frame {
  uint32_t refs;
  uint64_t id;
  size_t len;
  char bytes[];
};

struct pending {
  struct frame *frame;
  size_t sent;
};

/* A subscriber; its number is its descriptor. */
struct client {
  bool open, subscribed;
  uint32_t channel, index; /* where it stands in that channel */
  struct pending *queue;   /* what the kernel did not take at once */
  size_t queue_len, queue_cap;
};

struct channel {
  int *fds;
  uint32_t count, cap;
};

static struct client clients[FDS_MAX];
static struct channel channels[CHANNELS_MAX];
static struct frame *history[HISTORY]; /* of all channels together: one is enough here */
static uint64_t history_len;
static uint32_t subscribers;
static int epoll_fd, listener;
static uint64_t heartbeat_ns, heartbeat_due;

static const char HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    "Cache-Control: no-store, no-transform\r\nX-Accel-Buffering: no\r\nConnection: close\r\n\r\n"
    ": ok\nevent: connected\ndata: {}\n\n";

static _Noreturn void die(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(2);
}

static void *grown(void *memory, size_t size) {
  void *p = realloc(memory, size);
  if (!p) die("realloc");
  return p;
}

static uint64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void watch(int fd, uint32_t events, int op) {
  struct epoll_event ev = {.events = events, .data.fd = fd};
  if (epoll_ctl(epoll_fd, op, fd, &ev) < 0) die("epoll_ctl");
}

static void unref(struct frame *frame) {
  if (--frame->refs == 0) free(frame);
}

/* ---- subscribers ---- */

static void leave(int fd) {
  struct client *c = &clients[fd];
  if (c->subscribed) {
    struct channel *ch = &channels[c->channel];
    int last = ch->fds[--ch->count];
    ch->fds[c->index] = last;
    clients[last].index = c->index;
    subscribers--;
  }
  for (size_t i = 0; i < c->queue_len; i++)
    unref(c->queue[i].frame);
  free(c->queue);
  memset(c, 0, sizeof *c);
  close(fd);
}

static void queue(int fd, struct frame *frame, size_t sent) {
  struct client *c = &clients[fd];
  if (c->queue_len == c->queue_cap) {
    c->queue_cap = c->queue_cap ? c->queue_cap * 2 : 4;
    c->queue = grown(c->queue, c->queue_cap * sizeof *c->queue);
  }
  if (c->queue_len == 0) watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
  frame->refs++;
  c->queue[c->queue_len++] = (struct pending){.frame = frame, .sent = sent};
}

/* The one call that all this is about. */
static void give(int fd, struct frame *frame) {
  if (clients[fd].queue_len > 0) {
    queue(fd, frame, 0);
    return;
  }
  ssize_t sent = send(fd, frame->bytes, frame->len, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN) return; /* epoll tells of the end */
  if (sent < (ssize_t)frame->len) queue(fd, frame, sent < 0 ? 0 : (size_t)sent);
}

static void flush(int fd) {
  struct client *c = &clients[fd];
  size_t done = 0;
  for (; done < c->queue_len; done++) {
    struct pending *p = &c->queue[done];
    size_t left = p->frame->len - p->sent;
    ssize_t sent = send(fd, p->frame->bytes + p->sent, left, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) break;
    p->sent += (size_t)sent;
    if ((size_t)sent < left) break;
    unref(p->frame);
  }
  c->queue_len -= done;
  memmove(c->queue, c->queue + done, c->queue_len * sizeof *c->queue);
  if (c->queue_len == 0) watch(fd, EPOLLIN, EPOLL_CTL_MOD);
}

static void replay(int fd, uint64_t after) {
  uint64_t from = history_len > HISTORY ? history_len - HISTORY : 0;
  for (uint64_t i = from; i < history_len; i++)
    if (history[i % HISTORY]->id > after) give(fd, history[i % HISTORY]);
}

static void join(int fd, uint32_t channel) {
  struct channel *ch = &channels[channel];
  if (ch->count == ch->cap) {
    ch->cap = ch->cap ? ch->cap * 2 : 4;
    ch->fds = grown(ch->fds, ch->cap * sizeof *ch->fds);
  }
  clients[fd].subscribed = true;
  clients[fd].channel = channel;
  clients[fd].index = ch->count;
  ch->fds[ch->count++] = fd;
  subscribers++;
}

/* A request is small and comes in one piece here. */
static void readable(int fd) {
  char text[16384];
  ssize_t got = recv(fd, text, sizeof text - 1, 0);
  if (got <= 0) {
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) leave(fd);
    return;
  }
  text[got] = '\0';
  if (clients[fd].subscribed) return;
  const char *name = strstr(text, "channel=c"), *last = strcasestr(text, "\r\nlast-event-id: ");
  unsigned long channel = name ? strtoul(name + 9, NULL, 10) : 0;
  if (channel >= CHANNELS_MAX || !strstr(text, "\r\n\r\n")) {
    leave(fd);
    return;
  }
  if (send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) < 0) return;
  join(fd, (uint32_t)channel);
  if (last) replay(fd, strtoull(last + 17, NULL, 10));
}

static void accept_all(void) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    int yes = 1;
    if (fd >= FDS_MAX) die("too many descriptors");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    clients[fd].open = true;
    watch(fd, EPOLLIN, EPOLL_CTL_ADD);
  }
}

/* ---- events ---- */

static struct frame *make_event(uint64_t n, size_t pad, uint64_t t) {
  struct frame *frame = grown(NULL, sizeof *frame + pad + 160);
  int len = sprintf(frame->bytes,
                    "id: %" PRIu64 "\nevent: tick\ndata: {\"n\":%" PRIu64 ",\"t\":\"%" PRIu64
                    "\",\"pad\":\"",
                    n, n, t);
  frame->len = (size_t)len;
  memset(frame->bytes + frame->len, 'x', pad);
  frame->len += pad;
  memcpy(frame->bytes + frame->len, "\"}\n\n", 4);
  frame->len += 4;
  frame->id = n;
  frame->refs = 1;
  return frame;
}

static void to_channel(uint64_t channel, struct frame *frame) {
  if (channel >= CHANNELS_MAX) die("no such channel");
  const struct channel *ch = &channels[channel];
  for (uint32_t i = 0; i < ch->count; i++)
    give(ch->fds[i], frame);
}

static void remember(struct frame *frame) {
  struct frame **slot = &history[history_len++ % HISTORY];
  if (history_len > HISTORY) unref(*slot);
  *slot = frame;
}

static void beat(void) {
  static const char text[] = ": heartbeat\n";
  struct frame *frame = grown(NULL, sizeof *frame + sizeof text);
  frame->refs = 1;
  frame->len = sizeof text - 1;
  memcpy(frame->bytes, text, frame->len);
  for (uint32_t i = 0; i < CHANNELS_MAX; i++)
    if (channels[i].count) to_channel(i, frame);
  unref(frame);
}

/* ---- the loop ---- */

static char input[4096];
static size_t input_len;

static void step(int timeout) {
  static struct epoll_event events[EPOLL_BATCH];
  int count = epoll_wait(epoll_fd, events, EPOLL_BATCH, timeout);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  for (int i = 0; i < count; i++) {
    int fd = events[i].data.fd;
    if (fd == listener) {
      accept_all();
    } else if (fd == STDIN_FILENO) {
      ssize_t got = read(STDIN_FILENO, input + input_len, sizeof input - input_len);
      if (got == 0) exit(0);
      if (got > 0) input_len += (size_t)got;
    } else {
      if (events[i].events & EPOLLOUT) flush(fd);
      if (clients[fd].open && events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) readable(fd);
    }
  }
}

static void wait_until(uint64_t due) {
  uint64_t now;
  while ((now = now_ns()) < due)
    step((int)((due - now + 999999u) / 1000000u));
}

static void command_publish(const uint64_t a[7]) {
  uint64_t first = a[0], count = a[1], spacing = a[2], pad = a[3], base = a[4], k = a[5];
  if (pad > PAD_MAX || k == 0) die("publish: a wrong number");
  uint64_t start = now_ns();
  for (uint64_t i = 0; i < count; i++) {
    uint64_t n = first + i;
    if (spacing) wait_until(start + i * spacing * 1000);
    struct frame *frame = make_event(n, pad, now_ns());
    to_channel(base + (n - 1) % k * a[6] % k, frame);
    remember(frame);
  }
}

static void command(const char *text) {
  uint64_t a[7] = {0};
  char name[16] = "";
  int fields = sscanf(
      text, "%15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
      name, &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &a[6]);
  if (strcmp(name, "publish") == 0 && fields == 8) {
    command_publish(a);
    printf("ok\n");
  } else if (strcmp(name, "heartbeat") == 0 && fields == 2) {
    heartbeat_ns = a[0] * 1000000u;
    heartbeat_due = now_ns() + heartbeat_ns;
    printf("ok\n");
  } else if (strcmp(name, "count") == 0) {
    printf("%u\n", subscribers);
  } else {
    fprintf(stderr, "floor: cannot do \"%s\"\n", text);
    exit(2);
  }
  fflush(stdout);
}

static void run_commands(void) {
  char *nl;
  while ((nl = memchr(input, '\n', input_len)) != NULL) {
    char text[sizeof input];
    size_t used = (size_t)(nl - input) + 1;
    memcpy(text, input, used);
    text[used - 1] = '\0';
    memmove(input, input + used, input_len - used);
    input_len -= used;
    command(text);
  }
}

static void listen_on_loopback(int backlog) {
  struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof addr;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof addr) < 0 ||
      listen(listener, backlog) < 0 || getsockname(listener, (struct sockaddr *)&addr, &size) < 0) {
    die("listen");
  }
  printf("%u\n", ntohs(addr.sin_port));
  fflush(stdout);
}

int main(int argc, char **argv) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) die("getrlimit");
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  listen_on_loopback(argc > 1 ? atoi(argv[1]) : 511);
  watch(listener, EPOLLIN, EPOLL_CTL_ADD);
  fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
  watch(STDIN_FILENO, EPOLLIN, EPOLL_CTL_ADD);
  for (;;) {
    step(heartbeat_ns ? 100 : 1000);
    run_commands();
    if (heartbeat_ns && now_ns() >= heartbeat_due) {
      heartbeat_due += heartbeat_ns;
      beat();
    }
  }
}
