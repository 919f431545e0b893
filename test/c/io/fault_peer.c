/* fault_peer.c - reads and compares; see fault_peer.h. */
#include "fault_peer.h"

#include <stdlib.h>

#include "io_fixture.h"

char event_byte(event_t event, size_t i) {
  if (i % 97 == 96 && i + 1 < event.len) return '\n';
  return (char)('a' + (event.id * 7 + i) % 26);
}

void peer_expect(peer_t *peer, event_t event, how_sure_t sure) {
  assert_true(peer->n_expected < MAX_EVENTS);
  peer->expected[peer->n_expected++] = (expected_t){event, sure};
}

bool peer_is_live(const peer_t *peer) {
  return peer != NULL && peer->handle != 0 && !peer->has_ended;
}

static bool has_seen(const peer_t *peer, uint64_t id) {
  const spec_parser_t *p = &peer->parser;
  for (size_t i = p->n_events; i > 0; i--)
    if (spec_text_u64(p->events[i - 1].last_event_id) >= id) return true;
  return false;
}

void peer_read(peer_t *peer) {
  char bytes[16384];
  struct pollfd p = {peer->fd, POLLIN, 0};
  assert_int_equal(poll(&p, 1, WAIT_SECONDS * 1000), 1);
  ssize_t n = read(peer->fd, bytes, sizeof(bytes));
  if (n > 0) {
    spec_parser_feed(&peer->parser, bytes, (size_t)n);
  } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
    peer->has_ended = true;
  }
}

void peer_catch_up(peer_t *peer) {
  if (!peer_is_live(peer)) return;
  uint64_t last = 0;
  for (size_t i = 0; i < peer->n_expected; i++)
    if (peer->expected[i].sure == CERTAIN) last = peer->expected[i].event.id;
  while (!peer->has_ended && (peer->parser.n_events == 0 || (last > 0 && !has_seen(peer, last))))
    peer_read(peer);
}

void peer_read_to_end(peer_t *peer) {
  while (peer_is_live(peer))
    peer_read(peer);
}

static void check_data(const spec_event_t *got, event_t wanted) {
  assert_int_equal(got->data.len, wanted.len);
  for (size_t i = 0; i < wanted.len; i++)
    assert_int_equal(got->data.bytes[i], event_byte(wanted, i));
}

static bool is_recovered(const spec_event_t *connected) {
  static const char yes[] = "\"recovered\":true";
  const spec_text_t data = connected->data;
  return memmem(data.bytes, data.len, yes, sizeof(yes) - 1) != NULL;
}

/* The place in `expected` of the event with this id, from `at` on. What is
 * passed over is missing and must be what may be. */
static size_t find(const peer_t *peer, size_t at, uint64_t id, bool recovered) {
  for (; at < peer->n_expected && peer->expected[at].event.id != id; at++) {
    how_sure_t sure = peer->expected[at].sure;
    assert_true(sure == TOGETHER || (sure == IF_GIVEN && !recovered));
  }
  return at;
}

/* TOGETHER is all or nothing. */
static void check_together(const peer_t *peer, size_t seen) {
  size_t n = 0;
  for (size_t i = 0; i < peer->n_expected; i++)
    n += peer->expected[i].sure == TOGETHER;
  assert_true(seen == 0 || seen == n);
}

void peer_check(const peer_t *peer, bool lives, bool may_lose) {
  const spec_parser_t *p = &peer->parser;
  size_t at = 0, together = 0, n = p->n_events;
  if (lives) assert_true(n > 0);
  if (n == 0) return;
  assert_true(spec_text_is(p->events[0].type, "connected"));
  bool recovered = is_recovered(&p->events[0]);
  assert_true(recovered || may_lose);
  if (peer_saw_closing(peer)) n--;
  for (size_t i = 1; i < n; i++) {
    const spec_event_t *got = &p->events[i];
    assert_true(spec_text_is(got->type, "t") && got->has_id);
    at = find(peer, at, spec_text_u64(got->last_event_id), recovered);
    assert_true(at < peer->n_expected); /* else it is out of order, twice, or not for us */
    together += peer->expected[at].sure == TOGETHER;
    check_data(got, peer->expected[at++].event);
  }
  if (!lives) return;
  assert_int_equal(find(peer, at, 0, recovered), peer->n_expected);
  check_together(peer, together);
}

bool peer_is_whole(const peer_t *peer) {
  const spec_parser_t *p = &peer->parser;
  return p->line.len + p->data.len + p->type.len == 0;
}

bool peer_saw_closing(const peer_t *peer) {
  const spec_parser_t *p = &peer->parser;
  return p->n_events > 0 && spec_text_is(p->events[p->n_events - 1].type, "closing");
}

uint64_t peer_n_events(const peer_t *peer) {
  uint64_t n = 0;
  for (size_t i = 0; i < peer->parser.n_events; i++)
    n += spec_text_is(peer->parser.events[i].type, "t");
  return n;
}

void peer_forget(peer_t *peer) {
  if (peer->fd >= 0) close(peer->fd);
  spec_parser_deinit(&peer->parser);
  free(peer->expected);
}
