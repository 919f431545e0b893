/* test_thread.c - csrc/io/thread.c and socket_sink.c with real sockets. Under
 * TSan this is the proof of the ownership rules. */
#include "io_fixture.h"

#include <fcntl.h>

typedef void (*make_pair_t)(int pair[2]);
static const make_pair_t PAIRS[] = {unix_pair, tcp_pair};
#define N_PAIRS (sizeof(PAIRS) / sizeof(*PAIRS))

static void delivers_in_order_to_everyone(void **state) {
  (void)state;
  for (size_t kind = 0; kind < N_PAIRS; kind++) {
    fixture_t f;
    int pairs[8][2];
    char text[65536];
    fixture_init(&f, 0, 1 << 20);
    assert_int_equal(sse_thread_start(&f.thread), 0);
    assert_int_equal(sse_thread_start(&f.thread), 0);
    for (int i = 0; i < 8; i++) {
      PAIRS[kind](pairs[i]);
      attach(&f, (sse_handle_t)i + 1, pairs[i]);
    }
    char data[32];
    for (int n = 0; n < 200; n++) {
      snprintf(data, sizeof(data), "<%d>", n);
      publish(&f, data);
    }
    for (int i = 0; i < 8; i++) {
      text[0] = '\0';
      read_until(pairs[i][1], text, sizeof(text), "data: <199>\n\n");
      const char *at = text;
      for (int n = 0; n < 200; n++) {
        snprintf(data, sizeof(data), "data: <%d>\n\n", n);
        at = strstr(at, data);
        assert_non_null(at);
        at += strlen(data);
        assert_null(strstr(at, data)); /* once */
      }
    }
    fixture_end(&f);
    assert_int_equal(reports.n_closed, 8);
    for (int i = 0; i < 8; i++) {
      assert_int_equal(reason_of((sse_handle_t)i + 1), SSE_REASON_SHUTDOWN);
      assert_true(read_to_end(pairs[i][1]));
      close(pairs[i][1]);
    }
  }
}

static void before_the_start_the_poster_drains(void **state) {
  (void)state;
  fixture_t f;
  fixture_init(&f, 0, 1 << 20);
  uint64_t before = f.last;
  publish(&f, "early");
  /* Applied already: the thread that starts now finds it in the ring. */
  assert_int_equal(sse_hub_counters(f.thread.shard.hub).rings, 1);
  f.last = before; /* the client's slot was reserved before the event */
  assert_int_equal(sse_thread_start(&f.thread), 0);
  int pair[2];
  char text[4096] = "";
  unix_pair(pair);
  attach(&f, 1, pair);
  read_until(pair[1], text, sizeof(text), "data: early\n\n");
  fixture_end(&f);
  close(pair[1]);
}

static void a_thread_never_started_ends_too(void **state) {
  (void)state;
  fixture_t f;
  fixture_init(&f, 0, 1 << 20);
  publish(&f, "x");
  fixture_end(&f);
}

static void a_fin_ends_the_subscription(void **state) {
  (void)state;
  for (size_t kind = 0; kind < N_PAIRS; kind++) {
    fixture_t f;
    int pair[2];
    char text[4096] = "";
    start_with_one(&f, PAIRS[kind], 0, 1 << 20, pair);
    read_until(pair[1], text, sizeof(text), "connected");
    assert_int_equal(shutdown(pair[1], SHUT_WR), 0);
    wait_closed(1);
    assert_int_equal(reason_of(1), SSE_REASON_CLIENT);
    assert_true(read_to_end(pair[1]));
    close(pair[1]);
    fixture_end(&f);
  }
}

static void a_reset_is_told_apart(void **state) {
  (void)state;
  fixture_t f;
  int pair[2];
  char text[4096] = "";
  start_with_one(&f, tcp_pair, 0, 1 << 20, pair);
  read_until(pair[1], text, sizeof(text), "connected");
  struct linger hard = {1, 0};
  assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
  close(pair[1]);
  wait_closed(1);
  assert_int_equal(reason_of(1), SSE_REASON_RESET);
  fixture_end(&f);
}

static void a_little_input_is_swallowed_and_much_is_not(void **state) {
  (void)state;
  fixture_t f;
  int pair[2];
  char text[8192] = "", noise[4096];
  start_with_one(&f, unix_pair, 0, 1 << 20, pair);
  memset(noise, 'x', sizeof(noise));
  assert_int_equal(write(pair[1], noise, 512), 512);
  read_until(pair[1], text, sizeof(text), "connected");
  publish(&f, "still here");
  read_until(pair[1], text, sizeof(text), "still here");
  for (int i = 0; i < 5; i++) {
    ssize_t n = send(pair[1], noise, sizeof(noise), MSG_NOSIGNAL);
    if (n < 0) break; /* closed under our hands: what is wanted */
  }
  wait_closed(1);
  assert_int_equal(reason_of(1), SSE_REASON_PROTOCOL);
  close(pair[1]);
  fixture_end(&f);
}

/* A peer that takes nothing while 4 MiB are queued, over 16 times its limit. */
static void a_peer_that_never_reads_is_closed(void **state) {
  (void)state;
  for (size_t kind = 0; kind < N_PAIRS; kind++) {
    fixture_t f;
    int slow[2], fast[2];
    static char text[1 << 20];
    static char data[64 * 1024];
    fixture_init(&f, 0, 16 * 1024);
    assert_int_equal(sse_thread_start(&f.thread), 0);
    PAIRS[kind](slow);
    PAIRS[kind](fast);
    attach(&f, 1, slow);
    attach(&f, 2, fast);
    memset(data, 'd', sizeof(data));
    char needle[64];
    for (int i = 0; i < 64 * 8; i++) {
      snprintf(needle, sizeof(needle), "id: %llu\n",
               (unsigned long long)publish_bytes(&f, data, sizeof(data)));
      text[0] = '\0';
      read_until(fast[1], text, sizeof(text), needle);
      read_until(fast[1], text, sizeof(text), "d\n\n");
      pthread_mutex_lock(&reports.lock);
      bool is_over = reports.n_closed > 0;
      pthread_mutex_unlock(&reports.lock);
      if (is_over) break;
    }
    wait_closed(1);
    assert_int_equal(reason_of(1), SSE_REASON_SLOW_READER);
    publish(&f, "the other one lives");
    text[0] = '\0';
    read_until(fast[1], text, sizeof(text), "the other one lives");
    fixture_end(&f);
    close(slow[1]);
    close(fast[1]);
  }
}

static void a_slow_peer_gets_everything_in_the_end(void **state) {
  (void)state;
  fixture_t f;
  int pair[2];
  static char text[4 << 20];
  static char data[32 * 1024];
  start_with_one(&f, unix_pair, 0, 8 << 20, pair);
  memset(data, 'd', sizeof(data));
  for (int i = 0; i < 64; i++)
    publish_bytes(&f, data, sizeof(data)); /* 2 MiB: blocks */
  publish(&f, "the end");
  text[0] = '\0';
  read_until(pair[1], text, sizeof(text), "data: the end\n\n");
  const char *at = text;
  int n = 0;
  while ((at = strstr(at, "event: t\n")) != NULL) {
    at++;
    n++;
  }
  assert_int_equal(n, 65);
  fixture_end(&f);
  close(pair[1]);
}

static void an_idle_peer_gets_heartbeats(void **state) {
  (void)state;
  fixture_t f;
  int pair[2];
  char text[4096] = "";
  start_with_one(&f, unix_pair, 20000, 1 << 20, pair);
  read_until(pair[1], text, sizeof(text), ": heartbeat\n: heartbeat\n");
  fixture_end(&f);
  close(pair[1]);
}

static void a_detach_flushes_its_last_frame(void **state) {
  (void)state;
  fixture_t f;
  int pair[2];
  char text[4096] = "";
  start_with_one(&f, tcp_pair, 0, 1 << 20, pair);
  /* Unread input would turn the close into a reset. */
  assert_int_equal(write(pair[1], "GET", 3), 3);
  sse_frame_t *last = sse_frame_from_bytes(0, sse_span_cstr("event: closing\ndata: {}\n\n"));
  sse_shard_post(&f.thread.shard, sse_command_detach(1, SSE_REASON_SERVER, last));
  sse_frame_unref(last);
  read_until(pair[1], text, sizeof(text), "event: closing\ndata: {}\n\n");
  assert_true(read_to_end(pair[1]));
  wait_closed(1);
  assert_int_equal(reason_of(1), SSE_REASON_SERVER);
  close(pair[1]);
  fixture_end(&f);
}

static void a_duplicate_is_closed_on_exec(void **state) {
  (void)state;
  int pair[2], err = 0, highest = -1;
  unix_pair(pair);
  sse_socket_t *socket = sse_socket_new(pair[0], &reports, &err);
  assert_non_null(socket);
  for (int fd = pair[0] + 1; fd < pair[0] + 64; fd++) {
    int flags = fcntl(fd, F_GETFD);
    if (flags != -1 && (flags & FD_CLOEXEC)) highest = fd;
  }
  assert_true(highest > pair[0]);
  sse_socket_discard(socket);
  assert_int_equal(fcntl(highest, F_GETFD), -1);
  assert_null(sse_socket_new(9999, &reports, &err));
  assert_int_equal(err, -EBADF);
  close(pair[0]);
  close(pair[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(delivers_in_order_to_everyone),
      cmocka_unit_test(before_the_start_the_poster_drains),
      cmocka_unit_test(a_thread_never_started_ends_too),
      cmocka_unit_test(a_fin_ends_the_subscription),
      cmocka_unit_test(a_reset_is_told_apart),
      cmocka_unit_test(a_little_input_is_swallowed_and_much_is_not),
      cmocka_unit_test(a_peer_that_never_reads_is_closed),
      cmocka_unit_test(a_slow_peer_gets_everything_in_the_end),
      cmocka_unit_test(an_idle_peer_gets_heartbeats),
      cmocka_unit_test(a_detach_flushes_its_last_frame),
      cmocka_unit_test(a_duplicate_is_closed_on_exec),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
