/* hub_model.c - random operations against a store of everything; see
 * hub_model.h. */
#include "hub_model.h"

#define N_KEYS 7
#define MAX_EVENTS 4000
#define MAX_CLIENTS 600
#define ALL_KEYS ((1u << N_KEYS) - 1)

typedef struct {
  uint64_t id;
  uint32_t keys; /* bit i: key i */
} model_event_t;

typedef struct {
  sse_handle_t handle;
  fake_client_t *fake;
  uint32_t keys;
  sse_cursor_kind_t kind;
  uint64_t cursor, newest, gap; /* at the attach  */
  uint32_t first_keys;          /* at the attach  */
  uint32_t dropped_keys;        /* that have lost an event above the cursor */
  bool is_left;                 /* detached or hung up by the test          */
  bool is_checked;              /* its stream has ended and was judged      */
  uint64_t *expected;           /* ids, if it misses nothing                */
  size_t n_expected, n_replayable;
} model_client_t;

typedef struct {
  const hub_model_config_t *config;
  fake_hub_t fake;
  rng_t rng;
  model_event_t events[MAX_EVENTS];
  size_t n_events;
  model_client_t clients[MAX_CLIENTS];
  size_t n_clients;
  uint64_t last, gap;
  uint64_t reserved; /* a cursor that was read some steps ago */
} model_t;

/* Names repeat over scopes and owners on purpose. */
static sse_key_t model_key(uint32_t i) {
  switch (i) {
    case 0:
      return fake_key(SSE_SCOPE_CHANNEL, "", "x");
    case 1:
      return fake_key(SSE_SCOPE_CHANNEL, "", "y");
    case 2:
      return fake_key(SSE_SCOPE_USER, "", "x");
    case 3:
      return fake_key(SSE_SCOPE_USER, "y", "x");
    case 4:
      return fake_key(SSE_SCOPE_TENANT_TOPIC, "x", "y");
    case 5:
      return fake_key(SSE_SCOPE_TENANT_TOPIC, "y", "y");
    default:
      return fake_key(SSE_SCOPE_TENANT, "", "x");
  }
}

static size_t keys_of(uint32_t mask, sse_key_t *keys) {
  size_t n = 0;
  for (uint32_t i = 0; i < N_KEYS; i++) {
    if (mask >> i & 1) keys[n++] = model_key(i);
  }
  return n;
}

static uint32_t random_mask(model_t *m, uint32_t most) {
  uint32_t mask = 0;
  for (uint32_t n = 1 + rng_below(&m->rng, most); n-- > 0;)
    mask |= 1u << rng_below(&m->rng, N_KEYS);
  return mask;
}

static bool is_ok(const model_t *m, int rc) {
  assert_true(rc == 0 || (m->config->may_fail && rc == SSE_ENOMEM));
  return rc == 0;
}

static bool is_live(const model_client_t *client) {
  return client->fake != NULL && !client->fake->is_closed && !client->is_left;
}

static void expect(model_client_t *client, uint64_t id) {
  if (client->n_expected % 64 == 0) {
    size_t room = (client->n_expected + 64) * sizeof(uint64_t);
    client->expected = must_realloc(client->expected, room);
  }
  client->expected[client->n_expected++] = id;
}

static model_client_t *random_client(model_t *m) {
  if (m->n_clients == 0) return NULL;
  /* Mostly one of the latest: the early ones are gone. */
  uint32_t back = rng_below(&m->rng, m->n_clients < 30 ? (uint32_t)m->n_clients : 30);
  return &m->clients[m->n_clients - 1 - back];
}

/* ---- verdicts on streams ---- */

/* The promise about one stream as far as it was written; `is_whole` when
 * nothing may be left in its queue. */
static void check_stream(const model_client_t *client, bool is_whole) {
  const spec_parser_t *p = &client->fake->parser;
  assert_int_equal(p->n_ignored, 0);
  if (p->n_events == 0) {
    assert_false(is_whole);
    return;
  }
  bool recovered = fake_recovered(client->fake);
  size_t at = 0;
  uint64_t before =
      client->kind == SSE_CURSOR_ID && client->cursor <= client->newest ? client->cursor : 0;
  for (size_t i = 1; i < p->n_events; i++) {
    const spec_event_t *event = &p->events[i];
    if (!event->has_id) continue;
    uint64_t id = spec_text_u64(event->last_event_id);
    char data[64];
    snprintf(data, sizeof(data), "{\"id\":%llu,", (unsigned long long)id);
    assert_true(fake_text_contains(event->data, data));
    assert_true(id > before);
    before = id;
    /* Replayed events may be missing when it was told so; live ones not. */
    while (at < client->n_expected && client->expected[at] != id) {
      assert_true(!recovered && at < client->n_replayable);
      at++;
    }
    assert_true(at < client->n_expected);
    at++;
  }
  if (is_whole && !recovered && at < client->n_replayable) at = client->n_replayable;
  if (is_whole) assert_int_equal(at, client->n_expected);
}

/* The promise about the verdict itself, once it was written. */
static void check_verdict(const model_t *m, const model_client_t *client) {
  if (client->fake->parser.n_events == 0) return;
  bool recovered = fake_recovered(client->fake);
  uint64_t id = fake_connected_id(client->fake);
  assert_true(id == 0 || id == client->newest);
  if (client->kind == SSE_CURSOR_NONE) assert_true(recovered);
  if (client->kind == SSE_CURSOR_BAD) assert_false(recovered);
  if (client->kind != SSE_CURSOR_ID) return;
  if (client->cursor > client->newest) assert_false(recovered);
  if (client->cursor > client->newest || client->first_keys == 0) return;
  bool is_known = client->cursor >= m->config->hub.birth && client->cursor >= client->gap;
  if (!is_known) assert_false(recovered);
  if (is_known && m->config->is_lossless && (client->first_keys & client->dropped_keys) == 0) {
    assert_true(recovered);
  }
}

static void check_counters(const model_t *m) {
  sse_hub_counters_t counters = sse_hub_counters(m->fake.hub);
  uint64_t delivered = 0, open = 0;
  for (size_t i = 0; i < m->fake.n_clients; i++) {
    const fake_client_t *client = m->fake.clients[i];
    open += !client->is_closed;
    for (size_t j = 1; j < client->parser.n_events; j++)
      delivered += client->parser.events[j].has_id;
  }
  assert_int_equal(counters.clients, open);
  assert_int_equal(counters.delivered, delivered);
  assert_true(counters.rings <= m->config->hub.max_rings);
}

static void check_all(model_t *m) {
  for (size_t i = 0; i < m->n_clients; i++) {
    if (m->clients[i].fake == NULL || m->clients[i].is_checked) continue;
    check_stream(&m->clients[i], false);
    check_verdict(m, &m->clients[i]);
    m->clients[i].is_checked = m->clients[i].fake->is_closed;
  }
  check_counters(m);
}

/* ---- operations ---- */

static void op_publish(model_t *m) {
  if (m->n_events == MAX_EVENTS) return;
  uint32_t mask = random_mask(m, 3);
  m->last = m->last + 1 > m->fake.now ? m->last + 1 : m->fake.now;
  m->events[m->n_events++] = (model_event_t){m->last, mask};
  sse_frame_t *frame = fake_frame(
      m->last,
      rng_chance(&m->rng, 50) ? "short" : "a text that is a good deal longer than the short one");
  sse_key_t keys[N_KEYS];
  size_t n = keys_of(mask, keys);
  for (size_t i = 0; i < m->n_clients; i++) {
    if (is_live(&m->clients[i]) && (m->clients[i].keys & mask) != 0)
      expect(&m->clients[i], m->last);
  }
  is_ok(m, sse_hub_publish(m->fake.hub, frame, keys, n));
  sse_frame_unref(frame);
}

/* Keys whose ring, being full, must have dropped an event above `cursor`. */
static uint32_t dropped_above(const model_t *m, uint64_t cursor) {
  uint32_t dropped = 0;
  for (uint32_t k = 0; k < N_KEYS; k++) {
    uint32_t after = 0;
    for (size_t i = 0; i < m->n_events; i++) {
      after += m->events[i].id > cursor && (m->events[i].keys >> k & 1);
    }
    if (after > m->config->hub.history_size) dropped |= 1u << k;
  }
  return dropped;
}

static void attach(model_t *m, uint32_t mask, sse_cursor_kind_t kind, uint64_t cursor) {
  if (m->n_clients == MAX_CLIENTS) return;
  sse_handle_t handle = m->n_clients + 1;
  model_client_t *client = &m->clients[m->n_clients++];
  *client = (model_client_t){.handle = handle,
                             .keys = mask,
                             .first_keys = mask,
                             .kind = kind,
                             .cursor = cursor,
                             .newest = m->last,
                             .gap = m->gap};
  client->dropped_keys = dropped_above(m, cursor);
  sse_key_t keys[N_KEYS];
  sse_attach_t at = {handle,
                     &m->fake,
                     keys,
                     keys_of(mask, keys),
                     kind,
                     cursor,
                     sse_span_cstr("{\"clientId\":\"c\""),
                     SSE_NO_RETRY,
                     {0}};
  uint64_t from = cursor <= m->last ? cursor : m->last;
  for (size_t i = 0; i < m->n_events; i++) {
    if (m->events[i].id > from && (m->events[i].keys & mask) != 0) expect(client, m->events[i].id);
  }
  client->n_replayable = client->n_expected;
  m->fake.refuses_open = rng_chance(&m->rng, 3);
  int rc = sse_hub_attach(m->fake.hub, &at);
  if (!m->fake.refuses_open || rc != SSE_EIO) is_ok(m, rc);
  m->fake.refuses_open = false;
  client->fake = fake_client(&m->fake, handle);
  if (rc != 0) assert_true(client->fake == NULL || client->fake->is_closed);
  if (rc == 0 && rng_chance(&m->rng, 20)) client->fake->budget = rng_below(&m->rng, 300);
}

/* Without an id the cursor is of this moment: `recovered: true` is said then in
 * any case, and promises nothing about a cursor that the rings have passed. */
static void op_attach_new(model_t *m) {
  uint32_t mask = rng_chance(&m->rng, 5) ? 0 : random_mask(m, 4);
  switch (rng_below(&m->rng, 8)) {
    case 0:
      attach(m, mask, SSE_CURSOR_ID, m->last + 1 + rng_below(&m->rng, 1000));
      break;
    case 1:
      attach(m, mask, SSE_CURSOR_ID, rng_next(&m->rng) % (m->last + 1));
      break;
    case 2:
      attach(m, mask, SSE_CURSOR_BAD, m->reserved);
      break;
    default:
      attach(m, mask, SSE_CURSOR_NONE, m->last);
  }
}

/* As a browser does: the last id that it saw, the keys that it had. */
static void op_reconnect(model_t *m) {
  model_client_t *old = random_client(m);
  if (old == NULL || old->fake == NULL || !old->fake->is_closed) return;
  spec_text_t last = old->fake->parser.last_event_id;
  if (last.len == 0) return;
  attach(m, old->keys, SSE_CURSOR_ID, spec_text_u64(last));
}

static void op_block(model_t *m) {
  model_client_t *client = random_client(m);
  if (client == NULL || !is_live(client)) return;
  switch (rng_below(&m->rng, 4)) {
    case 0:
      client->fake->budget = 0;
      break;
    case 1:
      client->fake->budget = rng_below(&m->rng, 500);
      break;
    case 2:
      client->fake->chunk = 1 + rng_below(&m->rng, 100);
      break;
    default:
      client->fake->is_broken = rng_chance(&m->rng, 30);
  }
}

static void op_unblock(model_t *m) {
  model_client_t *client = random_client(m);
  if (client == NULL || client->fake == NULL) return;
  client->fake->budget = rng_chance(&m->rng, 50) ? FAKE_UNLIMITED : rng_below(&m->rng, 300);
  sse_hub_writable(m->fake.hub, client->handle);
}

static void op_leave(model_t *m) {
  model_client_t *client = random_client(m);
  if (client == NULL || !is_live(client)) return;
  client->is_left = true;
  if (rng_chance(&m->rng, 50)) {
    sse_hub_hangup(m->fake.hub, client->handle, SSE_REASON_CLIENT);
    return;
  }
  sse_frame_t *bye = fake_frame(0, "bye");
  sse_hub_detach(m->fake.hub, client->handle, SSE_REASON_SERVER,
                 rng_chance(&m->rng, 50) ? bye : NULL);
  sse_frame_unref(bye);
}

static void op_subscribe(model_t *m) {
  model_client_t *client = random_client(m);
  if (client == NULL || !is_live(client)) return;
  uint32_t k = rng_below(&m->rng, N_KEYS);
  sse_key_t key = model_key(k);
  bool has = client->keys >> k & 1;
  int rc = has ? sse_hub_unsubscribe(m->fake.hub, client->handle, &key)
               : sse_hub_subscribe(m->fake.hub, client->handle, &key);
  if (rc == SSE_ENOENT) {
    client->is_left = true; /* the hub has given it up, and closes it at the next flush */
    return;
  }
  if (is_ok(m, rc)) client->keys ^= 1u << k;
}

static void op_direct(model_t *m) {
  model_client_t *client = random_client(m);
  if (client == NULL) return;
  sse_frame_t *frame = fake_frame(0, "direct");
  int rc = sse_hub_direct_client(m->fake.hub, client->handle, frame);
  assert_true(rc == 0 || rc == SSE_ENOENT);
  sse_frame_unref(frame);
}

static void op_gap(model_t *m) {
  if (!m->config->has_gaps) return;
  uint64_t floor = m->last - rng_below(&m->rng, 2000) % (m->last + 1);
  if (rng_chance(&m->rng, 10)) floor = m->last = m->last + 5;
  if (floor > m->gap) m->gap = floor;
  is_ok(m, sse_hub_gap(m->fake.hub, floor));
}

/* The clock may be read as having stepped back; the hub's does not. */
static void op_time(model_t *m) {
  uint64_t pass = rng_below(&m->rng, rng_chance(&m->rng, 5) ? 2000000 : 3000);
  if (rng_chance(&m->rng, 10)) {
    sse_hub_tick(m->fake.hub, m->fake.now - pass % (m->fake.now + 1));
    return;
  }
  m->fake.now += pass;
  if (rng_chance(&m->rng, 70)) {
    sse_hub_tick(m->fake.hub, m->fake.now);
  } else {
    sse_hub_advance(m->fake.hub, m->fake.now);
  }
}

static void step(model_t *m) {
  uint32_t op = rng_below(&m->rng, 100);
  if (op < 38) {
    op_publish(m);
  } else if (op < 46) {
    op_attach_new(m);
  } else if (op < 58) {
    op_reconnect(m);
  } else if (op < 64) {
    op_block(m);
  } else if (op < 72) {
    op_unblock(m);
  } else if (op < 77) {
    op_leave(m);
  } else if (op < 81) {
    op_subscribe(m);
  } else if (op < 84) {
    op_direct(m);
  } else if (op < 85) {
    op_gap(m);
  } else if (op < 90) {
    op_time(m);
  } else {
    sse_hub_flush(m->fake.hub);
  }
  if (rng_chance(&m->rng, 10)) m->reserved = m->last;
}

/* Everybody takes everything: who is left must have all of it. */
static void finish(model_t *m) {
  for (size_t i = 0; i < m->n_clients; i++) {
    fake_client_t *client = m->clients[i].fake;
    if (client == NULL) continue;
    client->budget = client->chunk = FAKE_UNLIMITED;
    client->is_broken = false;
    sse_hub_writable(m->fake.hub, m->clients[i].handle);
  }
  sse_hub_flush(m->fake.hub);
  check_all(m);
  for (size_t i = 0; i < m->n_clients; i++) {
    model_client_t *client = &m->clients[i];
    if (client->fake == NULL) continue;
    if (client->is_left) assert_true(client->fake->is_closed);
    if (!client->fake->is_closed) check_stream(client, true);
  }
}

void hub_model_run(uint64_t seed, const hub_model_config_t *config) {
  static model_t m;
  m = (model_t){.config = config, .rng = {seed}};
  m.last = config->hub.newest > config->hub.birth ? config->hub.newest : config->hub.birth;
  m.reserved = m.last;
  fake_init(&m.fake, &config->hub);
  for (int i = 0; i < config->steps; i++) {
    step(&m);
    if (i % 250 == 0) check_all(&m);
  }
  finish(&m);
  fake_deinit(&m.fake);
  for (size_t i = 0; i < m.n_clients; i++)
    free(m.clients[i].expected);
}
