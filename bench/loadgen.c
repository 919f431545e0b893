/*
 * loadgen.c: the load generator of the benchmark.
 *
 * One process, one thread, one epoll set: opens N Server-Sent Events
 * subscriptions to one address, parses every stream, and checks that every
 * subscriber got every event exactly once and in order. Reads one command a
 * line on stdin, writes one JSON object a line on stdout:
 *
 *   connect N           open subscriptions until there are N
 *   expect FIRST COUNT TIMEOUT_MS
 *                       answers {"phase":"armed"} at once, and the result when
 *                       every subscriber has passed event FIRST + COUNT - 1
 *   idle MS             keep reading; any event that comes is a surplus
 *   token I TEXT        from now on subscribers send "Authorization: Bearer TEXT", and
 *                       take turns when there are several; I counts from 0
 *   cut                 reset every subscription; each remembers where it was
 *   storm N FIRST COUNT TIMEOUT_MS
 *                       open subscriptions until there are N, all at once; those that
 *                       were cut send their Last-Event-ID. Everybody is served when it
 *                       is connected and has the events FIRST to FIRST + COUNT - 1,
 *                       which were published meanwhile (COUNT 0: nothing is replayed)
 *   close               close every subscription
 *   quit                end (so does the end of stdin)
 *
 * An event that counts has the type "tick", an id, and data that starts with
 * {"n":<number>,"t":"<nanoseconds of CLOCK_MONOTONIC when published>". The
 * numbers n run without a gap from 1. Event types other than "tick" and
 * comment lines are counted and otherwise ignored.
 *
 * It is bounded: at most --max-clients subscriptions and --max-seconds of life.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
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

enum {
  READ_SIZE = 256 * 1024,
  HEAD_MAX = 16 * 1024,
  LINE_MAX_BYTES = 1024 * 1024,
  EPOLL_BATCH = 512,
  CLIENTS_MAX = 60000,
  COUNT_MAX = 1000000,
  TOKENS_MAX = 1000,
  REQUEST_MAX = 8192,
  STORM_WINDOW = 4000, /* unanswered at most: below a backlog of 4096 no SYN is dropped */
  LINGER_MS = 50       /* after the last expected event: a duplicate shows here */
};

static const uint32_t STDIN_TAG = UINT32_MAX;

/* ---- clocks ---------------------------------------------------------- */

static uint64_t clock_ns(clockid_t which) {
  struct timespec ts;
  clock_gettime(which, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* ---- a histogram: 128 steps for each power of two, so within 1 % ------ */

enum { SUB_BITS = 7, SUB = 1 << SUB_BITS, BUCKETS = (64 - SUB_BITS + 1) * SUB };

struct histogram {
  uint64_t bucket[BUCKETS];
  uint64_t count, sum, max;
};

static void hist_add(struct histogram *h, uint64_t value) {
  size_t index;
  if (value < SUB) {
    index = (size_t)value;
  } else {
    unsigned shift = (unsigned)(63 - __builtin_clzll(value)) - SUB_BITS;
    index = ((size_t)(shift + 1) << SUB_BITS) + (size_t)((value >> shift) & (SUB - 1));
  }
  h->bucket[index]++;
  h->count++;
  h->sum += value;
  if (value > h->max) h->max = value;
}

static uint64_t hist_quantile(const struct histogram *h, double q) {
  uint64_t want = (uint64_t)(q * (double)h->count), seen = 0;
  for (size_t i = 0; i < BUCKETS; i++) {
    seen += h->bucket[i];
    if (seen > want) {
      if (i < SUB) return i;
      unsigned shift = (unsigned)(i >> SUB_BITS) - 1;
      uint64_t low = ((uint64_t)SUB + (i & (SUB - 1))) << shift;
      uint64_t high = low + ((uint64_t)1 << shift) - 1;
      return high < h->max ? high : h->max;
    }
  }
  return h->max;
}

/* ---- state ------------------------------------------------------------ */

enum client_state { DEAD, CUT, CONNECTING, HEAD, BODY };
enum chunk_state { CHUNK_NONE, CHUNK_SIZE, CHUNK_EXT, CHUNK_DATA, CHUNK_END };
enum event_type { TYPE_MESSAGE, TYPE_TICK, TYPE_CONNECTED, TYPE_OTHER };

struct client {
  int fd;
  uint8_t state, chunk, type;
  bool ready, has_id, has_data, bad_data;
  uint64_t chunk_left;
  uint64_t id, last_id; /* of the event being read, of the one before */
  uint64_t n, t;        /* from the data of the event being read */
  uint64_t next;        /* the next n that is due */
  uint64_t started;
  char *part; /* a head or a line that is not complete yet */
  size_t part_len, part_cap;
};

static struct {
  struct sockaddr_in addr;
  char request[1024]; /* all but the last empty line */
  char *tokens[TOKENS_MAX];
  uint32_t token_count;
  uint32_t max_clients, window;
  bool ready_on_head;
  uint64_t deadline;
} config;

static struct client *clients;
static uint32_t opened;   /* slots in use, alive or dead */
static uint32_t alive;    /* subscriptions that are live */
static uint32_t inflight; /* connects without their answer */
static int epoll_fd;
static char *read_buffer;

static char input[4096];
static size_t input_len;
static bool input_ended;

/* Counters of the whole run, reported with each phase. */
static struct {
  uint64_t failed, refused, lost;
  uint64_t missed, duplicated, surplus, bad_ids, malformed;
  uint64_t comments, others, bytes;
} total;
static int first_bad_status;
static int first_errno;

/* The phase that is running. */
static struct {
  bool active, replay;
  uint64_t first, last; /* of the n that are expected */
  uint64_t received, done, retried, first_published, last_arrival, bytes_before;
  uint64_t *published, *arrived; /* for each n */
  struct histogram latency;
} phase;
static struct histogram connect_latency;

static bool failed_so_far(void) {
  return total.failed || total.refused || total.lost || total.missed || total.duplicated ||
         total.surplus || total.bad_ids || total.malformed;
}

static void die(const char *what) {
  fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
  exit(2);
}

/* ---- reports ----------------------------------------------------------- */

static void report_counters(void) {
  printf(",\"clients\":%u,\"failed\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"lost\":%" PRIu64
         ",\"missed\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"surplus\":%" PRIu64
         ",\"badIds\":%" PRIu64 ",\"malformed\":%" PRIu64 ",\"comments\":%" PRIu64
         ",\"others\":%" PRIu64 ",\"ok\":%s",
         alive, total.failed, total.refused, total.lost, total.missed, total.duplicated,
         total.surplus, total.bad_ids, total.malformed, total.comments, total.others,
         failed_so_far() ? "false" : "true");
  if (first_bad_status) printf(",\"status\":%d", first_bad_status);
  if (first_errno) printf(",\"errno\":%d", first_errno);
}

static void report_histogram(const char *name, const struct histogram *h) {
  if (h->count == 0) return;
  printf(",\"%s\":{\"mean\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name,
         (double)h->sum / (double)h->count / 1e3, (double)hist_quantile(h, 0.5) / 1e3,
         (double)hist_quantile(h, 0.99) / 1e3, (double)h->max / 1e3);
}

static void report_end(void) {
  printf("}\n");
  fflush(stdout);
}

/* ---- subscriptions ------------------------------------------------------ */

static void client_close(struct client *c) {
  if (c->fd >= 0) close(c->fd); /* leaves the epoll set by itself */
  c->fd = -1;
  free(c->part);
  c->part = NULL;
  c->part_len = c->part_cap = 0;
  if (c->state == DEAD || c->state == CUT) return;
  if (c->ready) alive--;
  else inflight--;
  c->state = DEAD;
}

/* The subscription failed, was refused, or was ended by the server. */
static void client_lost(struct client *c, int error) {
  if (error && !first_errno) first_errno = error;
  if (c->ready) total.lost++;
  else total.failed++;
  if (phase.active && c->next <= phase.last) phase.done++;
  client_close(c);
}

static void client_ready(struct client *c) {
  if (c->ready) return;
  c->ready = true;
  inflight--;
  alive++;
  hist_add(&connect_latency, now_ns() - c->started);
}

static void client_open(uint32_t index, uint64_t next, uint64_t last_id) {
  struct client *c = &clients[index];
  memset(c, 0, sizeof *c);
  c->state = CONNECTING;
  c->next = next;
  c->last_id = last_id;
  c->started = now_ns();
  inflight++;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) {
    client_lost(c, errno);
    return;
  }
  if (connect(c->fd, (struct sockaddr *)&config.addr, sizeof config.addr) < 0 &&
      errno != EINPROGRESS) {
    client_lost(c, errno);
    return;
  }
  struct epoll_event ev = {.events = EPOLLOUT, .data.u32 = index};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0) client_lost(c, errno);
}

/* What a subscriber sends; one that was cut says how far it got. */
static size_t write_request(char to[REQUEST_MAX], const struct client *c, uint32_t index) {
  int len = snprintf(to, REQUEST_MAX, "%s", config.request);
  if (config.token_count)
    len += snprintf(to + len, (size_t)(REQUEST_MAX - len), "Authorization: Bearer %s\r\n",
                    config.tokens[index % config.token_count]);
  if (c->last_id)
    len += snprintf(to + len, (size_t)(REQUEST_MAX - len), "Last-Event-ID: %" PRIu64 "\r\n",
                    c->last_id);
  len += snprintf(to + len, (size_t)(REQUEST_MAX - len), "\r\n");
  return (size_t)len;
}

/* Whether the kernel had to send the SYN again: the accept queue was full. */
static bool was_retried(int fd) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_total_retrans > 0;
}

static void client_connected(struct client *c, uint32_t index) {
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

/* ---- the stream ---------------------------------------------------------- */

static bool keep(struct client *c, const char *data, size_t len, size_t limit) {
  if (c->part_len + len > limit) return false;
  if (c->part_len + len > c->part_cap) {
    size_t cap = c->part_cap ? c->part_cap : 256;
    while (cap < c->part_len + len) cap *= 2;
    char *grown = realloc(c->part, cap);
    if (!grown) die("realloc");
    c->part = grown;
    c->part_cap = cap;
  }
  memcpy(c->part + c->part_len, data, len);
  c->part_len += len;
  return true;
}

/* Reads digits, returns the byte after them, or NULL where there is none. */
static const char *read_number(const char *p, const char *end, uint64_t *value) {
  const char *start = p;
  uint64_t v = 0;
  while (p < end && *p >= '0' && *p <= '9') v = v * 10 + (uint64_t)(*p++ - '0');
  *value = v;
  return p == start ? NULL : p;
}

static bool starts(const char *p, const char *end, const char *with, size_t len) {
  return (size_t)(end - p) >= len && memcmp(p, with, len) == 0;
}

/* data: {"n":12,"t":"345",... */
static bool read_tick(struct client *c, const char *p, const char *end) {
  if (!starts(p, end, "{\"n\":", 5)) return false;
  p = read_number(p + 5, end, &c->n);
  if (!p || !starts(p, end, ",\"t\":\"", 6)) return false;
  p = read_number(p + 6, end, &c->t);
  return p && p < end && *p == '"' && end[-1] == '}';
}

static void tick(struct client *c, uint64_t now) {
  if (c->bad_data || !c->has_id) {
    total.malformed++;
    return;
  }
  if (c->n < c->next) {
    total.duplicated++;
    return;
  }
  if (c->id <= c->last_id) total.bad_ids++;
  c->last_id = c->id;
  if (!phase.active || c->n < phase.first || c->n > phase.last) {
    total.surplus++;
    return;
  }
  total.missed += c->n - c->next;
  c->next = c->n + 1;
  uint64_t i = c->n - phase.first;
  phase.received++;
  if (now > phase.last_arrival) phase.last_arrival = now;
  if (c->n == phase.last) phase.done++;
  if (phase.replay) return; /* when it was published says nothing */
  phase.published[i] = c->t;
  if (now > phase.arrived[i]) phase.arrived[i] = now;
  if (c->t < phase.first_published) phase.first_published = c->t;
  hist_add(&phase.latency, now > c->t ? now - c->t : 0);
}

static void dispatch(struct client *c, uint64_t now) {
  if (c->has_data) {
    if (c->type == TYPE_TICK) {
      tick(c, now);
    } else {
      total.others++;
      if (c->type == TYPE_CONNECTED) client_ready(c);
    }
  }
  c->has_id = c->has_data = c->bad_data = false;
  c->type = TYPE_MESSAGE;
}

static void line(struct client *c, const char *p, const char *end, uint64_t now) {
  if (end > p && end[-1] == '\r') end--;
  if (p == end) {
    dispatch(c, now);
    return;
  }
  if (*p == ':') {
    total.comments++;
    return;
  }
  const char *colon = memchr(p, ':', (size_t)(end - p));
  if (!colon) return;
  const char *value = colon + 1;
  if (value < end && *value == ' ') value++;
  size_t name = (size_t)(colon - p);
  if (name == 4 && memcmp(p, "data", 4) == 0) {
    if (c->has_data || !read_tick(c, value, end)) c->bad_data = true;
    c->has_data = true;
  } else if (name == 2 && memcmp(p, "id", 2) == 0) {
    c->has_id = read_number(value, end, &c->id) == end;
  } else if (name == 5 && memcmp(p, "event", 5) == 0) {
    size_t len = (size_t)(end - value);
    if (len == 4 && memcmp(value, "tick", 4) == 0) c->type = TYPE_TICK;
    else if (len == 9 && memcmp(value, "connected", 9) == 0) c->type = TYPE_CONNECTED;
    else c->type = TYPE_OTHER;
  }
}

static bool body(struct client *c, const char *p, const char *end, uint64_t now) {
  while (p < end) {
    const char *nl = memchr(p, '\n', (size_t)(end - p));
    if (!nl) return keep(c, p, (size_t)(end - p), LINE_MAX_BYTES);
    if (c->part_len) {
      if (!keep(c, p, (size_t)(nl - p), LINE_MAX_BYTES)) return false;
      line(c, c->part, c->part + c->part_len, now);
      c->part_len = 0;
    } else {
      line(c, p, nl, now);
    }
    p = nl + 1;
  }
  return true;
}

static bool chunked(struct client *c, const char *p, const char *end, uint64_t now) {
  while (p < end) {
    if (c->chunk == CHUNK_DATA) {
      size_t have = (size_t)(end - p);
      size_t take = c->chunk_left < have ? (size_t)c->chunk_left : have;
      if (!body(c, p, p + take, now)) return false;
      p += take;
      c->chunk_left -= take;
      if (c->chunk_left == 0) c->chunk = CHUNK_END;
      continue;
    }
    char ch = *p++;
    if (c->chunk == CHUNK_END) { /* CR LF after the data */
      if (ch == '\n') {
        c->chunk = CHUNK_SIZE;
        c->chunk_left = 0;
      } else if (ch != '\r') {
        return false;
      }
    } else if (ch == '\n') {
      if (c->chunk_left == 0) return false; /* the last chunk: the stream ended */
      c->chunk = CHUNK_DATA;
    } else if (c->chunk == CHUNK_SIZE) {
      uint64_t digit;
      if (ch >= '0' && ch <= '9') digit = (uint64_t)(ch - '0');
      else if (ch >= 'a' && ch <= 'f') digit = (uint64_t)(ch - 'a') + 10;
      else if (ch >= 'A' && ch <= 'F') digit = (uint64_t)(ch - 'A') + 10;
      else if (ch == '\r' || ch == ';') {
        c->chunk = CHUNK_EXT;
        continue;
      } else return false;
      if (c->chunk_left > UINT32_MAX) return false;
      c->chunk_left = c->chunk_left * 16 + digit;
    }
  }
  return true;
}

static bool bytes(struct client *c, const char *p, const char *end, uint64_t now) {
  return c->chunk == CHUNK_NONE ? body(c, p, end, now) : chunked(c, p, end, now);
}

/* Collects the head; what follows it is body. False: refused or no HTTP. */
static bool head(struct client *c, const char *p, size_t len, uint64_t now) {
  if (!keep(c, p, len, HEAD_MAX)) return false;
  char *stop = memmem(c->part, c->part_len, "\r\n\r\n", 4);
  if (!stop) return true;
  int status = 0;
  if (c->part_len > 12 && memcmp(c->part, "HTTP/1.", 7) == 0) status = atoi(c->part + 9);
  *stop = '\0';
  if (status != 200 || !strcasestr(c->part, "\r\ncontent-type: text/event-stream")) {
    if (!first_bad_status) first_bad_status = status ? status : -1;
    total.refused++;
    return false;
  }
  c->chunk = strcasestr(c->part, "\r\ntransfer-encoding: chunked") ? CHUNK_SIZE : CHUNK_NONE;
  c->state = BODY;
  if (config.ready_on_head) client_ready(c);
  char *rest = c->part;
  const char *from = stop + 4, *to = c->part + c->part_len;
  c->part = NULL;
  c->part_len = c->part_cap = 0;
  bool ok = bytes(c, from, to, now);
  free(rest);
  return ok;
}

static void client_readable(struct client *c) {
  ssize_t got = recv(c->fd, read_buffer, READ_SIZE, 0);
  if (got <= 0) {
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    client_lost(c, got < 0 ? errno : 0);
    return;
  }
  uint64_t now = now_ns();
  total.bytes += (uint64_t)got;
  bool ok = c->state == HEAD ? head(c, read_buffer, (size_t)got, now)
                             : bytes(c, read_buffer, read_buffer + got, now);
  if (!ok) client_lost(c, EPROTO);
}

/* ---- the loop ------------------------------------------------------------- */

static void read_input(void) {
  ssize_t got = read(STDIN_FILENO, input + input_len, sizeof input - input_len);
  if (got > 0) {
    input_len += (size_t)got;
    return;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  input_ended = true;
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
}

/* One round of epoll that ends at `until` at the latest. */
static void step(uint64_t until) {
  uint64_t now = now_ns();
  if (now >= config.deadline) {
    fprintf(stderr, "loadgen: --max-seconds has passed\n");
    exit(3);
  }
  if (until > config.deadline) until = config.deadline;
  int timeout = until <= now ? 0 : (int)((until - now + 999999u) / 1000000u);
  static struct epoll_event events[EPOLL_BATCH];
  int count = epoll_wait(epoll_fd, events, EPOLL_BATCH, timeout);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  for (int i = 0; i < count; i++) {
    uint32_t tag = events[i].data.u32;
    if (tag == STDIN_TAG) {
      read_input();
      continue;
    }
    struct client *c = &clients[tag];
    if (c->state == CONNECTING) client_connected(c, tag);
    else if (c->state != DEAD && c->state != CUT) client_readable(c);
  }
}

static void drain_for(uint64_t ms) {
  uint64_t until = now_ns() + ms * 1000000u;
  while (now_ns() < until && !input_ended) step(until);
}

/* ---- the commands ----------------------------------------------------------- */

static uint64_t next_due = 1; /* the n that the next phase starts with */

static void command_connect(uint32_t want) {
  if (want > config.max_clients) want = config.max_clients;
  memset(&connect_latency, 0, sizeof connect_latency);
  uint64_t start = now_ns(), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  uint32_t before = opened;
  while ((opened < want || inflight > 0) && !input_ended) {
    while (opened < want && inflight < config.window) client_open(opened++, next_due, 0);
    step(now_ns() + 1000000000u);
  }
  double seconds = (double)(now_ns() - start) / 1e9;
  printf("{\"phase\":\"connect\",\"opened\":%u,\"seconds\":%.6f,\"perSecond\":%.1f,\"cpuMs\":%.1f",
         opened - before, seconds, (double)(opened - before) / seconds,
         (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e6);
  report_histogram("latencyUs", &connect_latency);
  report_counters();
  report_end();
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void phase_begin(uint64_t first, uint64_t count, bool replay) {
  memset(&phase, 0, sizeof phase);
  phase.active = true;
  phase.replay = replay;
  phase.first = first;
  phase.last = first + count - 1;
  phase.first_published = UINT64_MAX;
  phase.bytes_before = total.bytes;
}

/* Who has not passed the last one has missed the rest (the lost as well). */
static void phase_end(void) {
  phase.active = false;
  for (uint32_t i = 0; i < opened; i++) {
    struct client *c = &clients[i];
    if (!c->ready || c->next > phase.last) continue;
    total.missed += phase.last + 1 - c->next;
    c->next = phase.last + 1;
  }
  next_due = phase.last + 1;
}

static void command_expect(uint64_t first, uint64_t count, uint64_t timeout_ms) {
  phase_begin(first, count, false);
  phase.published = calloc(count, sizeof *phase.published);
  phase.arrived = calloc(count, sizeof *phase.arrived);
  if (!phase.published || !phase.arrived) die("calloc");
  uint32_t members = alive;
  printf("{\"phase\":\"armed\"}\n");
  fflush(stdout);

  uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  uint64_t until = now_ns() + timeout_ms * 1000000u;
  while (phase.done < members && now_ns() < until && !input_ended) step(until);
  bool late = phase.done < members;
  cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  if (!late) drain_for(LINGER_MS);
  phase_end();

  printf("{\"phase\":\"expect\",\"first\":%" PRIu64 ",\"count\":%" PRIu64 ",\"received\":%" PRIu64
         ",\"late\":%s,\"cpuMs\":%.1f,\"bytes\":%" PRIu64,
         first, count, phase.received, late ? "true" : "false", (double)cpu / 1e6,
         total.bytes - phase.bytes_before);
  if (phase.received) {
    double span = (double)(phase.last_arrival - phase.first_published) / 1e9;
    printf(",\"spanMs\":%.3f,\"perSecond\":%.1f", span * 1e3, (double)phase.received / span);
    /* For each event: from its publish until the last subscriber has it. */
    double *spans = calloc(count, sizeof *spans);
    if (!spans) die("calloc");
    size_t n = 0;
    for (uint64_t i = 0; i < count; i++)
      if (phase.arrived[i]) spans[n++] = (double)(phase.arrived[i] - phase.published[i]) / 1e6;
    qsort(spans, n, sizeof *spans, ascending);
    printf(",\"fanoutMs\":{\"p50\":%.3f,\"min\":%.3f,\"max\":%.3f}", spans[n / 2], spans[0],
           spans[n - 1]);
    free(spans);
  }
  report_histogram("latencyUs", &phase.latency);
  report_counters();
  report_end();
  free(phase.published);
  free(phase.arrived);
  phase.published = phase.arrived = NULL;
}

static void command_idle(uint64_t ms) {
  drain_for(ms);
  printf("{\"phase\":\"idle\",\"ms\":%" PRIu64, ms);
  report_counters();
  report_end();
}

static void command_token(uint64_t index, const char *text) {
  free(config.tokens[index]);
  config.tokens[index] = strdup(text);
  if (!config.tokens[index]) die("strdup");
  if (index == config.token_count) config.token_count++;
  printf("{\"phase\":\"token\",\"tokens\":%u", config.token_count);
  report_end();
}

/* A reset leaves no TIME_WAIT, so many runs cannot use up the ports. */
static void client_reset(struct client *c) {
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  if (c->fd >= 0) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  client_close(c);
}

static void command_cut(void) {
  uint32_t before = alive;
  for (uint32_t i = 0; i < opened; i++) {
    if (clients[i].state == DEAD) continue;
    client_reset(&clients[i]);
    clients[i].state = CUT;
  }
  printf("{\"phase\":\"cut\",\"cut\":%u", before);
  report_counters();
  report_end();
}

/* Opens one more of a storm: a new one, or one that was cut and goes on where it was. */
static void storm_open(uint32_t index, bool replays) {
  if (index == opened) {
    client_open(opened++, phase.first, 0);
  } else if (clients[index].state == CUT) {
    /* Without a replay, what was published meanwhile is nobody's. */
    uint64_t next = replays ? clients[index].next : phase.first;
    client_open(index, next, clients[index].last_id);
  }
}

static void command_storm(uint32_t want, uint64_t first, uint64_t count, uint64_t timeout_ms) {
  phase_begin(first, count, true);
  memset(&connect_latency, 0, sizeof connect_latency);
  uint32_t before = alive;
  uint64_t start = now_ns(), until = start + timeout_ms * 1000000u;
  uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  uint64_t members = count > 0 ? want - before : 0; /* who has a last event to wait for */
  uint32_t next = 0;
  bool late = true;
  while (late && now_ns() < until && !input_ended) {
    while (next < want && inflight < STORM_WINDOW) storm_open(next++, count > 0);
    step(until);
    late = next < want || inflight > 0 || phase.done < members;
  }
  double seconds = (double)(now_ns() - start) / 1e9;
  cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  if (!late) drain_for(LINGER_MS);
  phase_end();

  printf("{\"phase\":\"storm\",\"served\":%u,\"replayed\":%" PRIu64 ",\"retried\":%" PRIu64
         ",\"late\":%s,\"seconds\":%.6f,\"perSecond\":%.1f,\"cpuMs\":%.1f",
         alive - before, phase.received, phase.retried, late ? "true" : "false", seconds,
         (double)(alive - before) / seconds, (double)cpu / 1e6);
  report_histogram("latencyUs", &connect_latency);
  report_counters();
  report_end();
}

static void command_close(void) {
  for (uint32_t i = 0; i < opened; i++) client_reset(&clients[i]);
  printf("{\"phase\":\"close\",\"closed\":%u", opened);
  opened = 0;
  report_counters();
  report_end();
}

/* False: the end. */
static bool command(const char *text) {
  uint64_t a = 0, b = 0, c = 0, d = 0;
  char name[16] = "";
  int fields =
      sscanf(text, "%15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, name, &a, &b, &c, &d);
  if (strcmp(name, "connect") == 0 && fields == 2 && a <= config.max_clients) {
    command_connect((uint32_t)a);
  } else if (strcmp(name, "expect") == 0 && fields == 4 && a > 0 && b > 0 && b <= COUNT_MAX) {
    command_expect(a, b, c);
  } else if (strcmp(name, "idle") == 0 && fields == 2) {
    command_idle(a);
  } else if (strcmp(name, "token") == 0 && a <= config.token_count && a < TOKENS_MAX &&
             strrchr(text, ' ') > text + 5) {
    command_token(a, strrchr(text, ' ') + 1);
  } else if (strcmp(name, "cut") == 0 && fields == 1) {
    command_cut();
  } else if (strcmp(name, "storm") == 0 && fields == 5 && a <= config.max_clients && b > 0 &&
             c <= COUNT_MAX) {
    command_storm((uint32_t)a, b, c, d);
  } else if (strcmp(name, "close") == 0 && fields == 1) {
    command_close();
  } else if (strcmp(name, "quit") == 0) {
    return false;
  } else {
    fprintf(stderr, "loadgen: cannot do \"%s\"\n", text);
    exit(2);
  }
  return true;
}

static void usage(void) {
  fprintf(stderr,
          "usage: loadgen --port PORT [--host 127.0.0.1] [--path /sse] [--ready connected|head]\n"
          "               [--window 100] [--max-clients 20000] [--max-seconds 300]\n"
          "commands on stdin: connect N | expect FIRST COUNT TIMEOUT_MS | idle MS | token I TEXT |\n"
          "  cut | storm N FIRST COUNT TIMEOUT_MS | close | quit\n");
  exit(2);
}

static uint32_t option_number(const char *text, uint32_t low, uint32_t high) {
  char *end;
  unsigned long value = strtoul(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value < low || value > high) usage();
  return (uint32_t)value;
}

int main(int argc, char **argv) {
  const char *host = "127.0.0.1", *path = "/sse";
  uint32_t port = 0, seconds = 300;
  config.max_clients = 20000;
  config.window = 100;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc) usage();
    const char *key = argv[i], *value = argv[i + 1];
    if (strcmp(key, "--host") == 0) host = value;
    else if (strcmp(key, "--path") == 0) path = value;
    else if (strcmp(key, "--port") == 0) port = option_number(value, 1, 65535);
    else if (strcmp(key, "--window") == 0) config.window = option_number(value, 1, 4096);
    else if (strcmp(key, "--max-clients") == 0) config.max_clients = option_number(value, 1, CLIENTS_MAX);
    else if (strcmp(key, "--max-seconds") == 0) seconds = option_number(value, 1, 3600);
    else if (strcmp(key, "--ready") == 0 && strcmp(value, "head") == 0) config.ready_on_head = true;
    else if (strcmp(key, "--ready") == 0 && strcmp(value, "connected") == 0) config.ready_on_head = false;
    else usage();
  }
  if (port == 0) usage();
  config.deadline = now_ns() + (uint64_t)seconds * 1000000000u;
  config.addr.sin_family = AF_INET;
  config.addr.sin_port = htons((uint16_t)port);
  if (inet_pton(AF_INET, host, &config.addr.sin_addr) != 1) usage();
  /* Never a load on anything but this machine. */
  if ((ntohl(config.addr.sin_addr.s_addr) >> 24) != 127) {
    fprintf(stderr, "loadgen: only loopback addresses\n");
    return 2;
  }
  int len = snprintf(config.request, sizeof config.request,
                     "GET %s HTTP/1.1\r\nHost: %s:%u\r\nAccept: text/event-stream\r\n"
                     "Cache-Control: no-cache\r\n",
                     path, host, port);
  if (len < 0 || (size_t)len >= sizeof config.request) usage();

  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) die("getrlimit");
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur != RLIM_INFINITY && files.rlim_cur < (rlim_t)config.max_clients + 16)
    config.max_clients = (uint32_t)files.rlim_cur - 16;

  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  read_buffer = malloc(READ_SIZE);
  clients = calloc(config.max_clients, sizeof *clients);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (!read_buffer || !clients || epoll_fd < 0) die("start");
  fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
  struct epoll_event ev = {.events = EPOLLIN, .data.u32 = STDIN_TAG};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev) < 0) die("stdin");

  for (;;) {
    char *nl = memchr(input, '\n', input_len);
    if (nl) {
      char text[sizeof input];
      size_t used = (size_t)(nl - input) + 1;
      memcpy(text, input, used - 1);
      text[used - 1] = '\0';
      memmove(input, input + used, input_len - used);
      input_len -= used;
      if (!command(text)) break;
      continue;
    }
    if (input_ended || input_len == sizeof input) break;
    step(now_ns() + 1000000000u);
  }
  return failed_so_far() ? 1 : 0;
}
