/* fault_story.c - what happens and what must have happened; see fault_story.h. */
#include "fault_story.h"

#include <dirent.h>
#include <stdlib.h>

#include "fault_peer.h"
#include "io_fixture.h"

#define MAX_PEERS 8
#define BULK (128 * 1024)
#define STALL_EVENT 3000 /* bytes; some of them fill a small Unix socket */

typedef struct {
  const story_faults_t *may;
  fixture_t f;
  int n_fds; /* before it began */
  uint64_t birth;
  event_t *events; /* to channel a */
  size_t n_events;
  peer_t peers[MAX_PEERS]; /* by handle - 1 */
  size_t n_peers;
} story_t;

/* ---- what the story is made of ---- */

/* Open descriptors; also the listing's own, each time. */
static int count_fds(void) {
  DIR *dir = opendir("/proc/self/fd");
  if (dir == NULL) return 0;
  int n = 0;
  while (readdir(dir) != NULL)
    n++;
  closedir(dir);
  return n;
}

static bool allocations_may_fail(const story_t *s) {
  return s->may->is_storm || (s->may->fault != NULL && s->may->fault->call == FAULT_ALLOC);
}

/* True when a fault can have ended a client of this story. */
static bool may_end_clients(const story_t *s) {
  return s->may->is_storm || (s->may->fault != NULL && s->may->fault->reason != FAULT_ENDS_NOBODY);
}

static void *must(void *block) {
  assert_non_null(block);
  return block;
}

/* False when the fixture could not be made, which is only right if it was told
 * to fail. */
static bool begin(story_t *s, const story_faults_t *may, uint64_t heartbeat_us, size_t max_queued) {
  memset(s, 0, sizeof(*s));
  s->may = may;
  s->n_fds = count_fds();
  s->events = must(calloc(MAX_EVENTS, sizeof(*s->events)));
  int rc = fixture_try_init(&s->f, heartbeat_us, max_queued);
  s->birth = s->f.last;
  if (rc == 0) return true;
  assert_int_equal(rc, SSE_ENOMEM);
  assert_true(faults_hits() > 0);
  assert_int_equal(count_fds(), s->n_fds);
  free(s->events);
  return false;
}

/* A frame with the next id, or NULL when memory was out. */
static sse_frame_t *new_frame(story_t *s, size_t len, event_t *event) {
  *event = (event_t){++s->f.last, len};
  char *data = must(malloc(len));
  for (size_t i = 0; i < len; i++)
    data[i] = event_byte(*event, i);
  sse_event_t e = {event->id, sse_span_cstr("t"), sse_span(data, len), SSE_NO_RETRY};
  sse_frame_t *frame = sse_frame_from_event(&e);
  free(data);
  return frame;
}

/* Posts, and drops the frame that the command carries; false when memory was out. */
static bool post(story_t *s, sse_command_t *command, sse_frame_t *frame) {
  sse_frame_unref(frame);
  if (command != NULL) sse_shard_post(&s->f.thread.shard, command);
  assert_true(command != NULL || allocations_may_fail(s));
  return command != NULL;
}

static void publish_to(story_t *s, const char *channel, size_t len) {
  event_t event;
  sse_frame_t *frame = new_frame(s, len, &event);
  sse_key_t key = channel_key(channel);
  bool is_a = strcmp(channel, "a") == 0;
  if (!post(s, frame == NULL ? NULL : sse_command_publish(frame, &key, 1), frame)) return;
  if (is_a) s->events[s->n_events++] = event;
  for (size_t i = 0; i < s->n_peers; i++) {
    peer_t *peer = &s->peers[i];
    if (peer->handle == 0 || peer->is_over) continue;
    if (is_a) peer_expect(peer, event, CERTAIN);
    if (!is_a && peer->is_on_b)
      peer_expect(peer, event, allocations_may_fail(s) ? TOGETHER : CERTAIN);
  }
}

static void publish_some(story_t *s, int n, size_t len) {
  for (int i = 0; i < n; i++)
    publish_to(s, "a", len + (size_t)i);
}

/* What the start of a thread gives: a negative number, as libuv has it. */
static bool is_error_of(const fault_t *fault, int rc) {
  return rc == (fault->error < 0 ? fault->error : -fault->error);
}

/* As csrc/napi does it: no thread, no client. */
static void start(story_t *s) {
  int rc, tries = 0;
  while ((rc = sse_thread_start(&s->f.thread)) != 0) {
    assert_true(rc < 0);
    assert_true(s->may->is_storm || is_error_of(s->may->fault, rc));
    assert_true(++tries < 1000);
    uint64_t before = s->f.last;
    publish_to(s, "a", 20); /* the poster still drains */
    assert_true(s->f.last > before);
  }
}

/* A new client on channel a; with `replay` it has seen nothing yet. NULL when it
 * could not be attached. */
static peer_t *connect_peer(story_t *s, void (*make)(int pair[2]), bool replay, int sndbuf) {
  int pair[2], err = 0;
  peer_t *peer = &s->peers[s->n_peers++];
  sse_handle_t handle = s->n_peers;
  *peer = (peer_t){.fd = -1, .reason = SSE_REASON_SHUTDOWN};
  faults_spare(true);
  make(pair);
  if (sndbuf > 0) setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
  faults_spare(false);
  sse_socket_t *socket = sse_socket_new(pair[0], &reports, &err);
  sse_key_t key = channel_key("a");
  sse_attach_t a = {.client = handle,
                    .endpoint = socket,
                    .keys = &key,
                    .n_keys = 1,
                    .kind = replay ? SSE_CURSOR_ID : SSE_CURSOR_NONE,
                    .cursor = replay ? s->birth : s->f.last,
                    .hello = sse_span_cstr("{\"clientId\":\"x\""),
                    .retry = SSE_NO_RETRY};
  sse_command_t *command = socket == NULL ? NULL : sse_command_attach(&a);
  close(pair[0]);
  if (command == NULL) {
    assert_true(faults_hits() > 0);
    assert_true(socket != NULL || err == SSE_ENOMEM || err == -EMFILE || err == -EBADF);
    sse_socket_discard(socket);
    close(pair[1]);
    return NULL;
  }
  peer->handle = handle;
  peer->fd = pair[1];
  peer->expected = must(calloc(MAX_EVENTS, sizeof(*peer->expected)));
  for (size_t i = 0; replay && i < s->n_events; i++)
    peer_expect(peer, s->events[i], IF_GIVEN);
  sse_shard_post(&s->f.thread.shard, command);
  return peer;
}

/* ---- the far ends ---- */

static void settle(story_t *s) {
  for (size_t i = 0; i < s->n_peers; i++)
    peer_catch_up(&s->peers[i]);
}

static void wait_reported(const peer_t *peer) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += WAIT_SECONDS;
  pthread_mutex_lock(&reports.lock);
  int rc = 0;
  while (reports.times_closed[peer->handle] == 0 && rc == 0)
    rc = pthread_cond_timedwait(&reports.changed, &reports.lock, &until);
  pthread_mutex_unlock(&reports.lock);
  assert_int_equal(rc, 0);
}

/* Says something that a client has no reason to say. */
static void say(const peer_t *peer, size_t len) {
  static const char noise[20 * 1024];
  if (peer_is_live(peer)) (void)!sendto(peer->fd, noise, len, MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0);
}

static void hang_up_politely(peer_t *peer) {
  if (!peer_is_live(peer)) return;
  peer->is_over = true;
  peer->reason = SSE_REASON_CLIENT;
  shutdown(peer->fd, SHUT_WR);
  peer_read_to_end(peer);
  wait_reported(peer);
}

static void reset(peer_t *peer) {
  if (!peer_is_live(peer)) return;
  struct linger hard = {1, 0};
  peer->is_over = peer->has_ended = true;
  peer->reason = SSE_REASON_RESET;
  faults_spare(true);
  setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  faults_spare(false);
  close(peer->fd);
  peer->fd = -1;
  wait_reported(peer);
}

static void say_too_much(peer_t *peer) {
  if (!peer_is_live(peer)) return;
  peer->is_over = true;
  peer->reason = SSE_REASON_PROTOCOL;
  say(peer, 20 * 1024);
  peer_read_to_end(peer);
  wait_reported(peer);
}

static void detach(story_t *s, peer_t *peer) {
  if (!peer_is_live(peer)) return;
  sse_frame_t *last = sse_frame_from_bytes(0, sse_span_cstr("event: closing\ndata: {}\n\n"));
  sse_command_t *command =
      last == NULL ? NULL : sse_command_detach(peer->handle, SSE_REASON_SERVER, last);
  if (!post(s, command, last)) return;
  peer->is_over = true;
  peer->reason = SSE_REASON_SERVER;
  peer_read_to_end(peer);
  wait_reported(peer);
}

static void set_b(story_t *s, peer_t *peer, bool on) {
  if (!peer_is_live(peer)) return;
  sse_key_t key = channel_key("b");
  if (post(s, sse_command_subscribe(peer->handle, &key, on), NULL)) peer->is_on_b = on;
}

static void direct(story_t *s, peer_t *peer) {
  if (!peer_is_live(peer)) return;
  event_t event;
  sse_frame_t *frame = new_frame(s, 50, &event);
  sse_command_t *command = frame == NULL ? NULL : sse_command_direct_client(peer->handle, frame);
  if (post(s, command, frame)) peer_expect(peer, event, CERTAIN);
}

/* ---- what must have happened ---- */

/* True when the client ended as the story had it, and not by the fault. */
static bool check_peer(const story_t *s, peer_t *peer) {
  if (peer->handle == 0) return true;
  sse_reason_t reason = reason_of(peer->handle);
  bool as_told = reason == peer->reason;
  /* A write that fails to be watched counts as broken. */
  bool by_fault =
      may_end_clients(s) && (s->may->is_storm || reason == s->may->fault->reason ||
                             (s->may->fault->call == FAULT_WATCH && reason == SSE_REASON_RESET));
  assert_true(as_told || by_fault);
  bool lives =
      as_told && reason != SSE_REASON_SLOW_READER && !(by_fault && reason == SSE_REASON_RESET);
  peer_check(peer, lives, allocations_may_fail(s));
  /* A client that is being ended keeps its reason when `closing` cannot be sent,
   * or only half of it. */
  bool is_cut = reason == SSE_REASON_SERVER && may_end_clients(s);
  if (lives && !is_cut) {
    assert_true(peer_is_whole(peer));
    assert_int_equal(peer_saw_closing(peer), reason == SSE_REASON_SERVER);
  }
  return as_told;
}

/* Stops the thread and checks everything. */
static void end(story_t *s) {
  sse_thread_stop(&s->f.thread);
  sse_thread_join(&s->f.thread);
  assert_int_equal(reports.n_stopped, 1);
  uint64_t delivered = atomic_load(&s->f.thread.delivered), received = 0;
  sse_thread_deinit(&s->f.thread);
  int n_attached = 0, n_by_fault = 0;
  for (size_t i = 0; i < s->n_peers; i++) {
    peer_t *peer = &s->peers[i];
    peer_read_to_end(peer);
    n_by_fault += !check_peer(s, peer);
    n_attached += peer->handle != 0;
    received += peer_n_events(peer);
    peer_forget(peer);
  }
  assert_int_equal(reports.n_closed, n_attached);
  /* One connection's misfortune is no one else's. */
  assert_true(s->may->is_storm || n_by_fault <= 1);
  if (!may_end_clients(s)) assert_int_equal(delivered, received);
  assert_int_equal(faults_bad_descriptors(), 0);
  assert_int_equal(count_fds(), s->n_fds);
  free(s->events);
}

/* ---- the stories ---- */

static void talk(story_t *s) {
  peer_t *unix_peer = connect_peer(s, unix_pair, false, 0);
  peer_t *tcp_peer = connect_peer(s, tcp_pair, false, 0);
  settle(s);
  publish_some(s, 8, 100);
  settle(s);
  peer_t *replayed = connect_peer(s, tcp_pair, true, 0);
  publish_to(s, "a", 30);
  settle(s);
  set_b(s, unix_peer, true);
  publish_to(s, "b", 31);
  publish_to(s, "b", 32);
  publish_to(s, "a", 33);
  set_b(s, unix_peer, false);
  publish_to(s, "b", 34);
  direct(s, tcp_peer);
  publish_to(s, "a", 35);
  settle(s);
  say(unix_peer, 300);
  hang_up_politely(tcp_peer);
  reset(replayed);
}

void story_life(const story_faults_t *may) {
  story_t s;
  if (!begin(&s, may, 0, 1 << 20)) return;
  publish_some(&s, 3, 40);
  start(&s);
  talk(&s);
  peer_t *stalled = connect_peer(&s, unix_pair, false, 1);
  for (int i = 0; i < 6; i++) {
    publish_to(&s, "a", STALL_EVENT);
    peer_catch_up(&s.peers[0]);
  }
  settle(&s);
  peer_t *chatty = connect_peer(&s, unix_pair, true, 0);
  publish_to(&s, "a", 36);
  settle(&s);
  say_too_much(chatty);
  detach(&s, stalled);
  connect_peer(&s, tcp_pair, true, 0);
  publish_to(&s, "a", 37);
  settle(&s);
  end(&s);
}

void story_heartbeats(const story_faults_t *may) {
  story_t s;
  if (!begin(&s, may, 4000, 1 << 20)) return;
  start(&s);
  connect_peer(&s, unix_pair, false, 0);
  connect_peer(&s, tcp_pair, false, 0);
  settle(&s);
  for (size_t i = 0; i < s.n_peers; i++) {
    while (peer_is_live(&s.peers[i]) && s.peers[i].parser.n_comments < 2)
      peer_read(&s.peers[i]);
  }
  publish_some(&s, 2, 50);
  settle(&s);
  end(&s);
}

void story_slow_reader(const story_faults_t *may) {
  story_t s;
  if (!begin(&s, may, 0, 2000)) return;
  start(&s);
  peer_t *slow = connect_peer(&s, unix_pair, false, 1);
  peer_t *fast = connect_peer(&s, tcp_pair, false, 0);
  settle(&s);
  publish_some(&s, 6, STALL_EVENT);
  if (fast != NULL) peer_catch_up(fast);
  if (slow != NULL) {
    slow->is_over = true;
    slow->reason = SSE_REASON_SLOW_READER;
    wait_reported(slow);
    peer_read_to_end(slow);
  }
  publish_to(&s, "a", 10);
  settle(&s);
  end(&s);
}

void story_bulk(const story_faults_t *may) {
  story_t s;
  if (!begin(&s, may, 0, 2 * BULK)) return;
  start(&s);
  connect_peer(&s, unix_pair, false, 0);
  connect_peer(&s, tcp_pair, false, 0);
  settle(&s);
  size_t sent = 0;
  for (size_t i = 0; sent < BULK && s.n_events < MAX_EVENTS; i++) {
    size_t len = 1 + (i * i * 37) % 4000;
    publish_to(&s, "a", len);
    sent += len;
  }
  settle(&s);
  end(&s);
}

void story_no_thread(const story_faults_t *may) {
  story_t s;
  if (!begin(&s, may, 0, 1 << 20)) return;
  for (int i = 0; i < 3; i++) {
    publish_to(&s, "a", 20);
    int rc = sse_thread_start(&s.f.thread);
    assert_true(rc < 0);
    assert_true(is_error_of(may->fault, rc));
    assert_int_equal(sse_hub_counters(s.f.thread.shard.hub).rings, 1);
  }
  end(&s);
}
