/* hub_store.c - the store of everything and what it holds against the hub; see
 * hub_store.h and fuzz_hub.c. */
#include "hub_store.h"

#include "failing_mem.h"

#define BIRTH UINT64_C(1000000)
/* Events from elsewhere, to hydrate with: these from before the birth, and these since. */
#define N_BEFORE 14
#define N_SINCE 10
#define NEWEST (BIRTH + 40 * N_SINCE)
#define ALL_KEYS ((1u << MODEL_KEYS) - 1)

void model_fail_memory(model_t *m, unsigned n) {
  if (n > 0) m->is_lossy = m->is_short_of_memory = true;
  failing_mem_in(n);
}

/* ---- keys, events, clients ---- */

/* Names repeat over scopes and owners on purpose. */
static sse_key_t key_at(unsigned i) {
  static const struct {
    sse_scope_t scope;
    const char *owner, *name;
  } keys[MODEL_KEYS] = {
      {SSE_SCOPE_CHANNEL, "", "x"}, {SSE_SCOPE_CHANNEL, "", "y"},       {SSE_SCOPE_USER, "", "x"},
      {SSE_SCOPE_USER, "y", "x"},   {SSE_SCOPE_TENANT_TOPIC, "x", "y"}, {SSE_SCOPE_TENANT, "", "x"},
  };
  return fake_key(keys[i].scope, keys[i].owner, keys[i].name);
}

static size_t keys_of(unsigned mask, sse_key_t *keys) {
  size_t n = 0;
  for (unsigned i = 0; i < MODEL_KEYS; i++) {
    if (mask >> i & 1) keys[n++] = key_at(i);
  }
  return n;
}

static size_t text_of(const model_event_t *event, char *out, size_t room) {
  int n = snprintf(out, room, "{\"id\":%llu,\"text\":\"%0*d\"}", (unsigned long long)event->id,
                   (int)event->pad + 1, 7);
  FUZZ_CHECK(n > 0 && (size_t)n < room);
  return (size_t)n;
}

static sse_frame_t *frame_of(const model_event_t *event) {
  char text[1024];
  size_t len = text_of(event, text, sizeof(text));
  sse_event_t encoded = {event->id, sse_span_cstr("t"), sse_span(text, len), SSE_NO_RETRY};
  failing_mem_pause(true);
  sse_frame_t *frame = sse_frame_from_event(&encoded);
  failing_mem_pause(false);
  FUZZ_CHECK(frame != NULL);
  return frame;
}

static model_event_t *add_event(model_t *m, unsigned keys, unsigned size) {
  static const size_t pads[] = {1, 20, 150, 700};
  if (m->n_events == MODEL_EVENTS) return NULL;
  m->last = m->last + 1 > m->fake.now ? m->last + 1 : m->fake.now;
  m->events[m->n_events] = (model_event_t){m->last, keys, pads[size % 4]};
  return &m->events[m->n_events++];
}

static model_client_t *client_at(model_t *m, unsigned i) {
  /* The latest first: the early ones are gone. */
  return m->n_clients == 0 ? NULL : &m->clients[m->n_clients - 1 - i % m->n_clients];
}

static bool is_live(const model_client_t *client) {
  return client->fake != NULL && !client->fake->is_closed && !client->is_left;
}

static void expect(model_client_t *client, size_t event) {
  if (client->n_expected % 16 == 0) {
    size_t room = (client->n_expected + 16) * sizeof(size_t);
    client->expected = must_realloc(client->expected, room);
  }
  client->expected[client->n_expected++] = event;
}

/* The cursor rule. */
static void expect_live(model_t *m, model_client_t *client, size_t event) {
  if (!is_live(client) || m->events[event].id <= client->cursor) return;
  client->cursor = m->events[event].id;
  expect(client, event);
}

static void expect_of_all(model_t *m, unsigned keys, size_t event) {
  for (size_t i = 0; i < m->n_clients; i++) {
    if (m->clients[i].keys & keys) expect_live(m, &m->clients[i], event);
  }
}

static bool is_fine(const model_t *m, int rc) {
  FUZZ_CHECK(rc == 0 || (rc == SSE_ENOMEM && m->is_lossy));
  return rc == 0;
}

/* ---- commands ---- */

void model_publish(model_t *m, unsigned keys) {
  sse_key_t list[MODEL_KEYS];
  unsigned mask = keys & ALL_KEYS ? keys & ALL_KEYS : 1;
  model_event_t *event = add_event(m, mask, keys >> 6);
  if (event == NULL) return;
  sse_frame_t *frame = frame_of(event);
  expect_of_all(m, mask, m->n_events - 1);
  is_fine(m, sse_hub_publish(m->fake.hub, frame, list, keys_of(mask, list)));
  sse_frame_unref(frame);
}

void model_republish(model_t *m) {
  sse_key_t list[MODEL_KEYS];
  const model_event_t *event = &m->events[m->n_events - 1];
  if (event->keys == 0 || event->id <= NEWEST) return;
  sse_frame_t *frame = frame_of(event);
  expect_of_all(m, event->keys, m->n_events - 1);
  is_fine(m, sse_hub_publish(m->fake.hub, frame, list, keys_of(event->keys, list)));
  sse_frame_unref(frame);
}

/* True where the hub has no excuse for `recovered: false`. */
static bool must_recover(const model_t *m, unsigned keys, uint64_t cursor) {
  const sse_hub_config_t *config = &m->config;
  if (m->is_lossy || config->history_ttl_us > 0 || config->max_rings < MODEL_KEYS) return false;
  if (config->history_max_bytes > 0 || config->history_total_bytes > 0) return false;
  if (cursor < BIRTH || cursor > m->last) return false;
  for (unsigned k = 0; k < MODEL_KEYS; k++) {
    uint32_t after = 0;
    for (size_t i = 0; i < m->n_events; i++)
      after += m->events[i].id > cursor && (m->events[i].keys >> k & 1);
    if ((keys >> k & 1) && after > config->history_size) return false;
  }
  return true;
}

static uint64_t gap_of(const model_t *m, unsigned keys) {
  uint64_t gap = 0;
  for (unsigned k = 0; k < MODEL_KEYS; k++) {
    if ((keys >> k & 1) && m->gaps[k] > gap) gap = m->gaps[k];
  }
  return gap;
}

static void attach(model_t *m, unsigned keys, sse_cursor_kind_t kind, uint64_t cursor) {
  sse_key_t list[MODEL_KEYS];
  if (m->n_clients == MODEL_CLIENTS) return;
  sse_handle_t handle = m->n_clients + 1;
  model_client_t *client = &m->clients[m->n_clients++];
  *client = (model_client_t){.handle = handle,
                             .keys = keys,
                             .cursor = m->last,
                             .kind = kind,
                             .asked = cursor,
                             .newest = m->last,
                             .gap = gap_of(m, keys),
                             .must_recover = must_recover(m, keys, cursor)};
  for (size_t i = 0; i < m->n_events; i++) {
    const model_event_t *event = &m->events[i];
    if (event->id > cursor && (event->keys & keys)) expect(client, i);
  }
  client->n_replayable = client->n_expected;
  sse_attach_t at = {handle,
                     &m->fake,
                     list,
                     keys_of(keys, list),
                     kind,
                     cursor,
                     sse_span_cstr("{\"clientId\":\"c\""),
                     3000,
                     {0}};
  bool refuses = m->fake.refuses_open;
  int rc = sse_hub_attach(m->fake.hub, &at);
  m->fake.refuses_open = false;
  client->fake = fake_client(&m->fake, handle);
  FUZZ_CHECK(refuses ? rc == SSE_EIO && client->fake == NULL : client->fake != NULL);
  if (!refuses && !is_fine(m, rc)) {
    FUZZ_CHECK(client->fake->is_closed && client->fake->reason == SSE_REASON_ERROR);
  }
}

void model_attach(model_t *m, unsigned keys, unsigned how) {
  size_t back = (how >> 2) % m->n_events;
  uint64_t past = m->events[m->n_events - 1 - back].id;
  switch (how % 4) {
    case 0: /* the slot was reserved a few events ago */
      attach(m, keys & ALL_KEYS, SSE_CURSOR_NONE, past > NEWEST ? past : m->last);
      break;
    case 1:
      attach(m, keys & ALL_KEYS, SSE_CURSOR_ID, past - (keys >> 6) % 2);
      break;
    case 2:
      attach(m, keys & ALL_KEYS, SSE_CURSOR_ID, m->last + (how >> 2));
      break;
    default:
      attach(m, keys & ALL_KEYS, SSE_CURSOR_BAD, past > NEWEST ? past : m->last);
  }
}

void model_reconnect(model_t *m, unsigned i) {
  model_client_t *old = client_at(m, i);
  if (old == NULL || old->fake == NULL || !old->fake->is_closed) return;
  spec_text_t last = old->fake->parser.last_event_id;
  if (last.len > 0) attach(m, old->keys, SSE_CURSOR_ID, spec_text_u64(last));
}

void model_detach(model_t *m, unsigned i, bool has_last) {
  static const model_event_t bye = {0, 0, 9};
  model_client_t *client = client_at(m, i);
  if (client == NULL) return;
  sse_frame_t *frame = frame_of(&bye);
  int rc = sse_hub_detach(m->fake.hub, client->handle, SSE_REASON_SERVER, has_last ? frame : NULL);
  bool is_known = client->fake != NULL && !client->fake->is_closed;
  FUZZ_CHECK(rc == (is_known ? 0 : SSE_ENOENT));
  client->is_left = true;
  sse_frame_unref(frame);
}

/* To one client, or to all of a user; with an id or without. */
void model_direct(model_t *m, unsigned i, unsigned how) {
  static const model_event_t plain = {0, 0, 5};
  model_client_t *client = client_at(m, i);
  bool has_id = how & 1, to_user = how & 2;
  unsigned user = 2 + (how >> 2) % 2;
  if (client == NULL || m->n_events == MODEL_EVENTS) return;
  model_event_t event = has_id ? (model_event_t){m->last + 1, 0, how} : plain;
  sse_key_t key = key_at(user);
  sse_frame_t *frame = frame_of(&event);
  int rc = to_user ? sse_hub_direct_user(m->fake.hub, &key, frame)
                   : sse_hub_direct_client(m->fake.hub, client->handle, frame);
  sse_frame_unref(frame);
  FUZZ_CHECK(rc == 0 || rc == SSE_ENOENT);
  if (rc != 0 && !to_user) client->is_left = true; /* the hub has given it up */
  if (rc != 0 || !has_id) return;
  m->last = event.id;
  m->events[m->n_events++] = event;
  if (to_user) {
    expect_of_all(m, 1u << user, m->n_events - 1);
  } else {
    expect_live(m, client, m->n_events - 1);
  }
}

void model_subscribe(model_t *m, unsigned i, unsigned k) {
  model_client_t *client = client_at(m, i);
  if (client == NULL) return;
  unsigned bit = 1u << k % MODEL_KEYS;
  sse_key_t key = key_at(k % MODEL_KEYS);
  int rc = sse_hub_subscribe(m->fake.hub, client->handle, &key);
  if (rc == 0) {
    FUZZ_CHECK(is_live(client) && !(client->keys & bit));
    client->keys |= bit;
  } else if (rc == SSE_EEXIST) {
    FUZZ_CHECK(client->keys & bit);
  } else {
    FUZZ_CHECK(rc == SSE_ENOENT || (rc == SSE_ENOMEM && m->is_lossy));
    client->is_left = true; /* it ends at the next flush */
  }
}

void model_unsubscribe(model_t *m, unsigned i, unsigned k) {
  model_client_t *client = client_at(m, i);
  if (client == NULL) return;
  unsigned bit = 1u << k % MODEL_KEYS;
  sse_key_t key = key_at(k % MODEL_KEYS);
  int rc = sse_hub_unsubscribe(m->fake.hub, client->handle, &key);
  FUZZ_CHECK(rc == 0 || rc == SSE_ENOENT);
  if (rc == 0) FUZZ_CHECK(client->keys & bit);
  if (is_live(client)) FUZZ_CHECK((rc == 0) == ((client->keys & bit) != 0));
  if (rc == 0) client->keys &= ~bit;
}

/* Everything of the key from a place in the past on, as a log would have it. */
void model_hydrate(model_t *m, unsigned k, unsigned from) {
  sse_frame_t *frames[MODEL_EVENTS];
  size_t n = 0, first = from % (m->n_events + 1);
  unsigned bit = k % MODEL_KEYS;
  sse_key_t key = key_at(bit);
  uint64_t floor = first == 0 ? m->events[0].id - 1 : m->events[first - 1].id;
  for (size_t i = first; i < m->n_events; i++) {
    if (m->events[i].keys >> bit & 1) frames[n++] = frame_of(&m->events[i]);
  }
  if (floor > BIRTH) m->is_lossy = true; /* a floor may rise to it */
  if (is_fine(m, sse_hub_hydrate(m->fake.hub, &key, frames, n, floor)) && m->gaps[bit] > floor) {
    m->gaps[bit] = floor;
  }
  while (n > 0)
    sse_frame_unref(frames[--n]);
}

void model_gap(model_t *m, unsigned back) {
  uint64_t floor = m->events[m->n_events - 1 - back % m->n_events].id;
  if (back >= 240) floor = m->last = m->last + 5;
  m->is_lossy = true;
  for (unsigned k = 0; k < MODEL_KEYS; k++) {
    if (floor > m->gaps[k]) m->gaps[k] = floor;
  }
  is_fine(m, sse_hub_gap(m->fake.hub, floor));
}

/* One step in eight is back: the clock may have been read so, the hub's is not. */
void model_tick(model_t *m, uint64_t us) {
  if (us % 8 == 7) {
    sse_hub_tick(m->fake.hub, m->fake.now - us % m->fake.now);
    return;
  }
  m->fake.now += us / 8;
  sse_hub_tick(m->fake.hub, m->fake.now);
  FUZZ_CHECK(sse_hub_tick_interval(m->fake.hub) > 0);
}

void model_advance(model_t *m, uint64_t us) {
  m->fake.now += us / 8;
  sse_hub_advance(m->fake.hub, m->fake.now);
}

void model_flush(model_t *m) {
  sse_hub_flush(m->fake.hub);
  FUZZ_CHECK(!sse_hub_wants_flush(m->fake.hub));
}

void model_writable(model_t *m, unsigned i) {
  sse_hub_writable(m->fake.hub, i % (MODEL_CLIENTS + 2));
}

void model_hangup(model_t *m, unsigned i) {
  model_client_t *client = client_at(m, i);
  if (client == NULL) return;
  client->is_left = true;
  sse_hub_hangup(m->fake.hub, client->handle, SSE_REASON_CLIENT);
}

static void say_writable(fake_hub_t *fake, fake_client_t *client) {
  sse_hub_writable(fake->hub, client->handle);
}

static void hang_up(fake_hub_t *fake, fake_client_t *client) {
  sse_hub_hangup(fake->hub, client->handle, SSE_REASON_RESET);
}

void model_set_transport(model_t *m, unsigned i, unsigned what, unsigned value) {
  static void (*const hooks[])(fake_hub_t *, fake_client_t *) = {NULL, say_writable, hang_up};
  model_client_t *client = client_at(m, i);
  if (what % 8 == 7) m->fake.refuses_open = true;
  if (client == NULL || client->fake == NULL) return;
  fake_client_t *fake = client->fake;
  switch (what % 8) {
    case 0:
      fake->budget = value * 4;
      break;
    case 1:
      fake->budget = FAKE_UNLIMITED;
      fake->chunk = 1 + value;
      break;
    case 2:
      fake->budget = fake->chunk = FAKE_UNLIMITED;
      break;
    case 3:
      fake->is_broken = value & 1;
      break;
    case 4:
      fake->says_full = value & 1;
      break;
    case 5:
      fake->on_write = hooks[value % 3];
      break;
    case 6:
      fake->on_look = hooks[value % 3];
      fake->pending = value;
      break;
    default:
      break;
  }
}

/* ---- verdicts ---- */

/* The promise of the first event. */
static void check_connected(model_client_t *client) {
  bool recovered = fake_recovered(client->fake);
  uint64_t id = fake_connected_id(client->fake);
  bool is_ours = client->kind == SSE_CURSOR_ID && client->asked <= client->newest;
  FUZZ_CHECK(id == 0 || id == client->newest);
  if (client->kind == SSE_CURSOR_NONE) FUZZ_CHECK(recovered);
  if (client->kind != SSE_CURSOR_NONE && !is_ours) FUZZ_CHECK(!recovered);
  if (is_ours && client->must_recover) FUZZ_CHECK(recovered);
  if (is_ours && recovered) FUZZ_CHECK(client->asked >= client->gap);
  client->is_promised = is_ours && recovered;
}

static void check_event(const model_t *m, model_client_t *client, const spec_event_t *event) {
  char text[1024];
  uint64_t id = spec_text_u64(event->last_event_id);
  /* Of a replay that was not promised whole, some may be missing. */
  while (client->at < client->n_replayable && !client->is_promised &&
         m->events[client->expected[client->at]].id != id)
    client->at++;
  FUZZ_CHECK(client->at < client->n_expected);
  const model_event_t *wanted = &m->events[client->expected[client->at++]];
  FUZZ_CHECK(wanted->id == id);
  size_t len = text_of(wanted, text, sizeof(text));
  FUZZ_CHECK(event->data.len == len && memcmp(event->data.bytes, text, len) == 0);
}

static void check_client(model_t *m, model_client_t *client) {
  const spec_parser_t *parser = &client->fake->parser;
  FUZZ_CHECK(parser->n_ignored == 0);
  for (; client->n_checked < parser->n_events; client->n_checked++) {
    const spec_event_t *event = &parser->events[client->n_checked];
    if (client->n_checked == 0) {
      check_connected(client);
    } else if (event->has_id) {
      check_event(m, client, event);
      m->delivered++;
    }
  }
}

void model_check(model_t *m) {
  size_t n_open = 0;
  for (size_t i = 0; i < m->n_clients; i++) {
    if (m->clients[i].fake == NULL) continue;
    check_client(m, &m->clients[i]);
    n_open += !m->clients[i].fake->is_closed;
  }
  sse_hub_counters_t counters = sse_hub_counters(m->fake.hub);
  FUZZ_CHECK(counters.clients == n_open);
  FUZZ_CHECK(counters.delivered == m->delivered);
  FUZZ_CHECK(counters.rings <= m->config.max_rings && counters.rings <= MODEL_KEYS);
  /* A frame whose sharing could not be noted counts once for each ring. */
  size_t most = m->is_short_of_memory ? 0 : m->config.history_total_bytes;
  FUZZ_CHECK(most == 0 || counters.history_bytes <= most);
}

static sse_hub_config_t read_config(fuzz_input_t *in) {
  static const uint32_t sizes[] = {100, 0, 1, 2, 3, 10}, rings[] = {1000, 1, 2, 3, 6};
  static const uint64_t ttls[] = {0, 1, 500, 20000, 1000000};
  static const size_t queues[] = {1000, 0, 100, 100000}, bytes[] = {0, 300, 1000};
  sse_hub_config_t config = fake_config();
  config.birth = BIRTH;
  config.newest = NEWEST;
  config.history_size = sizes[fuzz_below(in, 6)];
  config.max_rings = rings[fuzz_below(in, 5)];
  config.history_ttl_us = ttls[fuzz_below(in, 5)];
  uint8_t more = fuzz_byte(in);
  config.heartbeat_us = more % 2 * 400000;
  config.history_max_bytes = bytes[more / 2 % 3];
  config.history_total_bytes = bytes[more / 8 % 3] * 4;
  config.max_queued_bytes = queues[fuzz_below(in, 4)];
  return config;
}

void model_init(model_t *m, const fuzz_input_t *in) {
  *m = (model_t){.in = *in, .last = NEWEST};
  failing_mem_in(0);
  m->config = read_config(&m->in);
  for (unsigned i = 0; i < N_BEFORE + N_SINCE; i++) {
    m->events[m->n_events++] =
        (model_event_t){BIRTH + 40 * (i + 1) - 40 * N_BEFORE, (i * 11 + 1) & ALL_KEYS, i};
  }
  fake_init(&m->fake, &m->config);
  for (unsigned k = 0; k < MODEL_KEYS; k++) {
    model_fail_memory(m, fuzz_below(&m->in, 8));
    model_hydrate(m, k, fuzz_byte(&m->in));
  }
  failing_mem_in(0);
}

/* Everybody takes everything: who is left has all of it, who was sent away is gone. */
void model_finish(model_t *m) {
  failing_mem_in(0);
  for (size_t i = 0; i < m->n_clients; i++) {
    fake_client_t *fake = m->clients[i].fake;
    if (fake == NULL) continue;
    fake->budget = fake->chunk = FAKE_UNLIMITED;
    fake->is_broken = fake->says_full = false;
    fake->on_write = fake->on_look = NULL;
    sse_hub_writable(m->fake.hub, m->clients[i].handle);
  }
  sse_hub_flush(m->fake.hub);
  model_check(m);
  for (size_t i = 0; i < m->n_clients; i++) {
    model_client_t *client = &m->clients[i];
    if (client->fake != NULL && client->is_left) FUZZ_CHECK(client->fake->is_closed);
    if (client->fake != NULL && !client->fake->is_closed) {
      size_t at = client->at;
      if (!client->is_promised && at < client->n_replayable) at = client->n_replayable;
      FUZZ_CHECK(at == client->n_expected);
    }
    free(client->expected);
  }
  fake_deinit(&m->fake);
  FUZZ_CHECK(failing_mem_blocks() == 0);
}
