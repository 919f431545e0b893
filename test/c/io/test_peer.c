/* test_peer.c - what csrc/io/peer.c asks of the kernel, on real sockets. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "io/peer.h"
#include "io_fixture.h"

static int option(int fd, int level, int name) {
  int value = -1;
  socklen_t len = sizeof(value);
  assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
  return value;
}

static void the_time_is_shared_by_waiting_and_probing(void **state) {
  (void)state;
  int pair[2];
  tcp_pair(pair);
  sse_peer_set_timeout(pair[0], 30000);
  assert_int_equal(option(pair[0], SOL_SOCKET, SO_KEEPALIVE), 1);
#ifdef __linux__
  assert_int_equal(option(pair[0], IPPROTO_TCP, TCP_KEEPIDLE), 15);
  assert_int_equal(option(pair[0], IPPROTO_TCP, TCP_KEEPINTVL), 5);
  assert_int_equal(option(pair[0], IPPROTO_TCP, TCP_KEEPCNT), 3);
  assert_int_equal(option(pair[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 30000);
#endif
  close(pair[0]);
  close(pair[1]);
}

static void the_shortest_is_a_second_each(void **state) {
  (void)state;
  int pair[2];
  tcp_pair(pair);
  sse_peer_set_timeout(pair[0], 1000);
#ifdef __linux__
  assert_int_equal(option(pair[0], IPPROTO_TCP, TCP_KEEPIDLE), 1);
  assert_int_equal(option(pair[0], IPPROTO_TCP, TCP_KEEPINTVL), 1);
  assert_int_equal(option(pair[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 1000);
#endif
  close(pair[0]);
  close(pair[1]);
}

static void none_leaves_the_connection_alone(void **state) {
  (void)state;
  int pair[2];
  tcp_pair(pair);
  sse_peer_set_timeout(pair[0], 0);
  assert_int_equal(option(pair[0], SOL_SOCKET, SO_KEEPALIVE), 0);
  close(pair[0]);
  close(pair[1]);
}

static void what_is_no_tcp_socket_is_left_alone(void **state) {
  (void)state;
  int pair[2];
  unix_pair(pair);
  sse_peer_set_timeout(pair[0], 30000);
  assert_int_equal(option(pair[0], SOL_SOCKET, SO_KEEPALIVE), 0);
  close(pair[0]);
  close(pair[1]);
  sse_peer_set_timeout(-1, 30000);
  assert_int_equal(sse_peer_unacked(-1), 0);
}

static void unacked_goes_up_and_down(void **state) {
  (void)state;
  static char bytes[1 << 20];
  int pair[2];
  tcp_pair(pair);
  assert_int_equal(sse_peer_unacked(pair[0]), 0);
  while (send(pair[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
    continue;
  size_t full = sse_peer_unacked(pair[0]);
  assert_true(full > 0);
  while (sse_peer_unacked(pair[0]) >= full) /* the peer reads */
    assert_true(recv(pair[1], bytes, sizeof(bytes), 0) > 0);
  close(pair[0]);
  close(pair[1]);
}

static void errors_have_reasons(void **state) {
  (void)state;
  assert_int_equal(sse_peer_reason(ETIMEDOUT), SSE_REASON_TIMEOUT);
  assert_int_equal(sse_peer_reason(EHOSTUNREACH), SSE_REASON_TIMEOUT);
  assert_int_equal(sse_peer_reason(ENETUNREACH), SSE_REASON_TIMEOUT);
  assert_int_equal(sse_peer_reason(ECONNRESET), SSE_REASON_RESET);
  assert_int_equal(sse_peer_reason(EPIPE), SSE_REASON_RESET);
  assert_int_equal(sse_peer_reason(ENOBUFS), SSE_REASON_ERROR);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_time_is_shared_by_waiting_and_probing),
      cmocka_unit_test(the_shortest_is_a_second_each),
      cmocka_unit_test(none_leaves_the_connection_alone),
      cmocka_unit_test(what_is_no_tcp_socket_is_left_alone),
      cmocka_unit_test(unacked_goes_up_and_down),
      cmocka_unit_test(errors_have_reasons),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
