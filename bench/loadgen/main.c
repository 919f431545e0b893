/*
 * main.c: the load generator of the benchmark.
 *
 * Opens N Server-Sent Events subscriptions to one address, parses every stream,
 * and checks that every subscriber got every event that is its own exactly once
 * and in order. Reads one command a line on stdin, writes one JSON object a line
 * on stdout:
 *
 *   spread BASE K PER STRIDE
 *                       who comes from now on is a new group, whose members subscribe to
 *                       the channels of struct spread in loadgen.h; 0 1 1 1 at the start
 *   connect N           open subscriptions until there are N
 *   expect FIRST COUNT TIMEOUT_MS
 *                       answers {"phase":"armed"} at once, and the result when the events
 *                       FIRST to FIRST + COUNT - 1 are with everybody whose they are
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
 * It is bounded: at most --max-clients subscriptions and --max-seconds of life,
 * and at most --window connects that have no answer yet.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loadgen.h"

static const uint32_t STDIN_TAG = UINT32_MAX;

struct config config;
struct totals total;
struct phase phase;
struct histogram connect_latency;
struct client *clients;
uint32_t opened, alive, inflight;
int epoll_fd;
char *read_buffer;

static char input[REQUEST_MAX];
static size_t input_len;
static bool input_ended;
static uint64_t next_due = 1; /* the n that the next phase starts with */

_Noreturn void die(const char *what) {
  fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
  exit(2);
}

/* ---- the loop ---- */

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
    if (c->state == CONNECTING)
      client_connected(c, tag);
    else if (c->state != DEAD && c->state != CUT)
      client_readable(c);
  }
}

static void drain_for(uint64_t ms) {
  uint64_t until = now_ns() + ms * 1000000u;
  while (now_ns() < until && !input_ended)
    step(until);
}

/* ---- phases ---- */

static void phase_begin(uint64_t first, uint64_t count, bool replay) {
  memset(&phase, 0, sizeof phase);
  phase.active = true;
  phase.replay = replay;
  phase.first = first;
  phase.last = first + count - 1;
  phase.first_published = UINT64_MAX;
  phase.bytes_before = total.bytes;
}

static bool phase_done(void) {
  return phase.received >= phase.expected;
}

/* Who has not got the rest has missed it. Then nobody waits for these events any more. */
static void phase_end(void) {
  phase.active = false;
  bool complete = phase.received == phase.expected;
  for (uint32_t i = 0; i < opened; i++) {
    struct client *c = &clients[i];
    if (c->next > phase.last) continue;
    if (!complete && c->ready) total.missed += client_owned(c, c->next, phase.last);
    c->next = phase.last + 1;
  }
  next_due = phase.last + 1;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* For each event: from its publish until the last subscriber has it. */
static void report_fanout(uint64_t count) {
  double *spans = calloc(count, sizeof *spans);
  if (!spans) die("calloc");
  size_t n = 0;
  for (uint64_t i = 0; i < count; i++)
    if (phase.arrived[i]) spans[n++] = (double)(phase.arrived[i] - phase.published[i]) / 1e6;
  qsort(spans, n, sizeof *spans, ascending);
  printf(",\"fanoutMs\":{\"p50\":%.4f,\"min\":%.4f,\"max\":%.4f}", spans[n / 2], spans[0],
         spans[n - 1]);
  free(spans);
}

static void report_expect(uint64_t count, bool late, uint64_t cpu) {
  printf("{\"phase\":\"expect\",\"first\":%" PRIu64 ",\"count\":%" PRIu64 ",\"received\":%" PRIu64
         ",\"late\":%s,\"cpuMs\":%.1f,\"bytes\":%" PRIu64,
         phase.first, count, phase.received, late ? "true" : "false", (double)cpu / 1e6,
         total.bytes - phase.bytes_before);
  if (phase.received) {
    double span = (double)(phase.last_arrival - phase.first_published) / 1e9;
    printf(",\"spanMs\":%.4f,\"perSecond\":%.1f", span * 1e3, (double)phase.received / span);
    report_fanout(count);
  }
  report_histogram("latencyUs", &phase.latency);
  report_counters();
  report_end();
}

static void command_expect(uint64_t first, uint64_t count, uint64_t timeout_ms) {
  phase_begin(first, count, false);
  phase.published = calloc(count, sizeof *phase.published);
  phase.arrived = calloc(count, sizeof *phase.arrived);
  if (!phase.published || !phase.arrived) die("calloc");
  for (uint32_t i = 0; i < opened; i++)
    if (clients[i].ready) phase.expected += client_owned(&clients[i], first, phase.last);
  printf("{\"phase\":\"armed\",\"expected\":%" PRIu64, phase.expected);
  report_end();

  uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  uint64_t until = now_ns() + timeout_ms * 1000000u;
  while (!phase_done() && !total.lost && now_ns() < until && !input_ended)
    step(until);
  bool late = !phase_done();
  cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  if (!late) drain_for(LINGER_MS);
  phase_end();
  report_expect(count, late, cpu);
  free(phase.published);
  free(phase.arrived);
  phase.published = phase.arrived = NULL;
}

/* Opens one more of a storm: a new one, or one that was cut and goes on where it was. */
static void storm_open(uint32_t index, bool replays) {
  if (index == opened) {
    client_open(opened++, phase.first);
  } else if (clients[index].state == CUT) {
    /* Without a replay, what was published meanwhile is nobody's. */
    client_reopen(index, replays ? clients[index].next : phase.first);
  }
}

static void command_storm(uint32_t want, uint64_t first, uint64_t count, uint64_t timeout_ms) {
  phase_begin(first, count, true);
  memset(&connect_latency, 0, sizeof connect_latency);
  uint32_t before = alive, next = 0;
  phase.expected = count * (want - before);
  uint64_t start = now_ns(), until = start + timeout_ms * 1000000u;
  uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  bool late = true;
  while (late && !total.failed && !total.lost && now_ns() < until && !input_ended) {
    while (next < want && inflight < STORM_WINDOW)
      storm_open(next++, count > 0);
    step(until);
    late = next < want || inflight > 0 || !phase_done();
  }
  double seconds = (double)(now_ns() - start) / 1e9;
  cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  if (!late) drain_for(LINGER_MS);
  phase_end();

  printf("{\"phase\":\"storm\",\"served\":%u,\"replayed\":%" PRIu64 ",\"retried\":%" PRIu64
         ",\"late\":%s,\"seconds\":%.6f,\"perSecond\":%.1f,\"cpuMs\":%.1f,\"bytes\":%" PRIu64,
         alive - before, phase.received, phase.retried, late ? "true" : "false", seconds,
         (double)(alive - before) / seconds, (double)cpu / 1e6, total.bytes - phase.bytes_before);
  report_histogram("latencyUs", &connect_latency);
  report_counters();
  report_end();
}

/* ---- the other commands ---- */

static void command_spread(uint64_t base, uint64_t k, uint64_t per, uint64_t stride) {
  uint32_t group = config.spread.group + 1;
  config.spread = (struct spread){.group = group,
                                  .base = (uint32_t)base,
                                  .k = (uint32_t)k,
                                  .per = (uint32_t)per,
                                  .stride = (uint32_t)stride};
  printf("{\"phase\":\"spread\",\"group\":%u", group);
  report_end();
}

static void command_connect(uint32_t want) {
  memset(&connect_latency, 0, sizeof connect_latency);
  uint64_t start = now_ns(), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  uint32_t before = opened;
  while ((opened < want || inflight > 0) && !total.failed && !input_ended) {
    while (opened < want && inflight < config.window)
      client_open(opened++, next_due);
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

static void command_idle(uint64_t ms) {
  uint64_t comments = total.comments, bytes = total.bytes;
  drain_for(ms);
  printf("{\"phase\":\"idle\",\"ms\":%" PRIu64 ",\"newComments\":%" PRIu64 ",\"bytes\":%" PRIu64,
         ms, total.comments - comments, total.bytes - bytes);
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

static void command_close(void) {
  for (uint32_t i = 0; i < opened; i++)
    client_reset(&clients[i]);
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
  } else if (strcmp(name, "spread") == 0 && fields == 5 && a < COUNT_MAX && b > 0 &&
             b <= COUNT_MAX && c > 0 && c <= b && c <= 256 && d > 0 && d <= COUNT_MAX) {
    command_spread(a, b, c, d);
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

/* The next line of the input. False: the end of it. */
static bool next_command(void) {
  for (;;) {
    char *nl = memchr(input, '\n', input_len);
    if (nl) {
      char text[sizeof input];
      size_t used = (size_t)(nl - input) + 1;
      memcpy(text, input, used - 1);
      text[used - 1] = '\0';
      memmove(input, input + used, input_len - used);
      input_len -= used;
      return command(text);
    }
    if (input_ended || input_len == sizeof input) return false;
    step(now_ns() + 1000000000u);
  }
}

/* ---- the command line ---- */

static _Noreturn void usage(void) {
  fprintf(
      stderr,
      "usage: loadgen --port PORT [--host 127.0.0.1] [--path /sse] [--ready connected|head]\n"
      "               [--ids number|text] [--window 100] [--max-clients 20000]\n"
      "               [--max-seconds 300]\n"
      "commands on stdin: spread BASE K PER STRIDE | connect N | expect FIRST COUNT TIMEOUT_MS |\n"
      "  idle MS | token I TEXT | cut | storm N FIRST COUNT TIMEOUT_MS | close | quit\n");
  exit(2);
}

static uint32_t option_number(const char *text, uint32_t low, uint32_t high) {
  char *end;
  unsigned long value = strtoul(text, &end, 10);
  if (*text == '\0' || *end != '\0' || value < low || value > high) usage();
  return (uint32_t)value;
}

/* One of two words; true for the second. */
static bool option_word(const char *text, const char *no, const char *yes) {
  if (strcmp(text, no) != 0 && strcmp(text, yes) != 0) usage();
  return strcmp(text, yes) == 0;
}

static void read_options(int argc, char **argv) {
  const char *host = "127.0.0.1";
  uint32_t port = 0, seconds = 300;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 >= argc) usage();
    const char *key = argv[i], *value = argv[i + 1];
    if (strcmp(key, "--host") == 0)
      host = value;
    else if (strcmp(key, "--path") == 0)
      config.path = value;
    else if (strcmp(key, "--port") == 0)
      port = option_number(value, 1, 65535);
    else if (strcmp(key, "--window") == 0)
      config.window = option_number(value, 1, 4096);
    else if (strcmp(key, "--max-clients") == 0)
      config.max_clients = option_number(value, 1, CLIENTS_MAX);
    else if (strcmp(key, "--max-seconds") == 0)
      seconds = option_number(value, 1, 3600);
    else if (strcmp(key, "--ready") == 0)
      config.ready_on_head = option_word(value, "connected", "head");
    else if (strcmp(key, "--ids") == 0)
      config.text_ids = option_word(value, "number", "text");
    else
      usage();
  }
  if (port == 0) usage();
  config.deadline = now_ns() + (uint64_t)seconds * 1000000000u;
  config.addr.sin_family = AF_INET;
  config.addr.sin_port = htons((uint16_t)port);
  if (inet_pton(AF_INET, host, &config.addr.sin_addr) != 1) usage();
  snprintf(config.host, sizeof config.host, "%s:%u", host, port);
  /* Never a load on anything but this machine. */
  if ((ntohl(config.addr.sin_addr.s_addr) >> 24) != 127) {
    fprintf(stderr, "loadgen: only loopback addresses\n");
    exit(2);
  }
}

static void raise_file_limit(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) die("getrlimit");
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur != RLIM_INFINITY && files.rlim_cur < (rlim_t)config.max_clients + 16)
    config.max_clients = (uint32_t)files.rlim_cur - 16;
}

int main(int argc, char **argv) {
  config.path = "/sse";
  config.max_clients = 20000;
  config.window = 100;
  config.spread = (struct spread){.k = 1, .per = 1, .stride = 1};
  read_options(argc, argv);
  raise_file_limit();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  read_buffer = malloc(READ_SIZE);
  clients = calloc(config.max_clients, sizeof *clients);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (!read_buffer || !clients || epoll_fd < 0) die("start");
  fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
  struct epoll_event ev = {.events = EPOLLIN, .data.u32 = STDIN_TAG};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ev) < 0) die("stdin");
  while (next_command())
    continue;
  return failed_so_far() ? 1 : 0;
}
