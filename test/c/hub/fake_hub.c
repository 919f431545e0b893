/* fake_hub.c - a hub with a fake sink; see fake_hub.h. */
#include "fake_hub.h"

#include "hub/limits.h"

#define MAX_KEYS 8

static void *sink_open(void *ctx, sse_handle_t handle, void *endpoint) {
  fake_hub_t *fake = ctx;
  fake->n_open_calls++;
  assert_ptr_equal(endpoint, fake);
  if (fake->refuses_open) return NULL;
  fake_client_t *client = must_realloc(NULL, sizeof(*client));
  *client = (fake_client_t){
      .handle = handle, .is_open = true, .budget = FAKE_UNLIMITED, .chunk = FAKE_UNLIMITED};
  spec_parser_init(&client->parser);
  fake->clients = must_realloc(fake->clients, (fake->n_clients + 1) * sizeof(client));
  fake->clients[fake->n_clients++] = client;
  return client;
}

static size_t take(fake_client_t *client, sse_frame_t *const *frames, size_t n, size_t offset,
                   size_t most) {
  size_t taken = 0;
  for (size_t i = 0; i < n && taken < most; i++) {
    size_t len = frames[i]->len - offset;
    if (len > most - taken) len = most - taken;
    must_append(&client->bytes, &client->len, frames[i]->bytes + offset, len);
    spec_parser_feed(&client->parser, frames[i]->bytes + offset, len);
    taken += len;
    offset = 0;
  }
  return taken;
}

static sse_sink_status_t sink_write(void *ctx, void *transport, sse_frame_t *const *frames,
                                    size_t n, size_t offset, size_t *taken) {
  fake_client_t *client = transport;
  assert_true(client->is_open && !client->is_closed);
  assert_true(n > 0);
  assert_true(offset == 0 || offset < frames[0]->len);
  client->n_writes++;
  if (n > client->most_frames) client->most_frames = n;
  if (client->on_write != NULL) client->on_write(ctx, client);
  if (client->is_broken) return SSE_SINK_BROKEN;
  size_t total = 0;
  for (size_t i = 0; i < n; i++)
    total += frames[i]->len;
  total -= offset;
  bool is_full = total > client->budget || client->budget == 0 || client->says_full;
  size_t most = total < client->budget ? total : client->budget;
  if (client->chunk < most) {
    most = client->chunk;
    is_full = false;
  }
  *taken = take(client, frames, n, offset, most);
  if (client->budget != FAKE_UNLIMITED) client->budget -= *taken;
  client->n_idle_writes = *taken == 0 && !is_full ? client->n_idle_writes + 1 : 0;
  assert_true(client->n_idle_writes < 3); /* else the hub spins */
  return is_full ? SSE_SINK_BLOCKED : SSE_SINK_DONE;
}

static size_t sink_pending(void *ctx, void *transport) {
  fake_client_t *client = transport;
  assert_true(client->is_open && !client->is_closed);
  if (client->on_look != NULL) client->on_look(ctx, client);
  return client->pending;
}

static void sink_close(void *ctx, void *transport, sse_handle_t handle, sse_reason_t reason) {
  fake_hub_t *fake = ctx;
  fake_client_t *client = transport;
  assert_true(client->is_open && !client->is_closed);
  assert_int_equal(client->handle, handle);
  client->is_closed = true;
  client->reason = reason;
  fake->n_closed++;
}

sse_hub_config_t fake_config(void) {
  return (sse_hub_config_t){.seed = FAKE_SEED,
                            .birth = 1000,
                            .newest = 1000,
                            .max_queued_bytes = 1000,
                            .history_size = 100,
                            .max_rings = 1000000};
}

void fake_init(fake_hub_t *fake, const sse_hub_config_t *config) {
  *fake = (fake_hub_t){.now = config->birth};
  sse_sink_t sink = {sink_open, sink_write, sink_pending, sink_close, fake};
  while (fake->hub == NULL)
    fake->hub = sse_hub_new(config, &sink);
}

void fake_deinit(fake_hub_t *fake) {
  if (fake->hub != NULL) sse_hub_free(fake->hub);
  for (size_t i = 0; i < fake->n_clients; i++) {
    assert_true(fake->clients[i]->is_closed);
    spec_parser_deinit(&fake->clients[i]->parser);
    free(fake->clients[i]->bytes);
    free(fake->clients[i]);
  }
  free(fake->clients);
}

fake_client_t *fake_client(fake_hub_t *fake, sse_handle_t handle) {
  for (size_t i = fake->n_clients; i-- > 0;) {
    if (fake->clients[i]->handle == handle) return fake->clients[i];
  }
  return NULL;
}

sse_key_t fake_key(sse_scope_t scope, const char *owner, const char *name) {
  return sse_key(FAKE_SEED, scope, sse_span_cstr(owner), sse_span_cstr(name));
}

sse_key_t fake_channel(const char *name) {
  return fake_key(SSE_SCOPE_CHANNEL, "", name);
}

sse_frame_t *fake_frame(uint64_t id, const char *text) {
  char data[256];
  int n =
      snprintf(data, sizeof(data), "{\"id\":%llu,\"text\":\"%s\"}", (unsigned long long)id, text);
  assert_true(n > 0 && (size_t)n < sizeof(data));
  sse_event_t event = {id, sse_span_cstr("t"), sse_span(data, (size_t)n), SSE_NO_RETRY};
  sse_frame_t *frame = NULL;
  while (frame == NULL)
    frame = sse_frame_from_event(&event);
  return frame;
}

sse_frame_t *fake_frame_sized(uint64_t id, size_t len) {
  sse_event_t event = {id, sse_span_cstr("t"), {NULL, 0}, SSE_NO_RETRY};
  size_t bare = sse_encode_size(&event);
  assert_true(len >= bare);
  char *data = must_realloc(NULL, len);
  memset(data, 'x', len);
  event.data = sse_span(data, len - bare);
  sse_frame_t *frame = NULL;
  while (frame == NULL)
    frame = sse_frame_from_event(&event);
  free(data);
  assert_int_equal(frame->len, len);
  return frame;
}

static size_t keys_of(const char *names, sse_key_t *keys) {
  size_t n = 0;
  for (const char *at = names; *at != '\0';) {
    size_t len = strcspn(at, ",");
    assert_true(n < MAX_KEYS);
    keys[n++] = sse_key(FAKE_SEED, SSE_SCOPE_CHANNEL, sse_span(NULL, 0), sse_span(at, len));
    at += len;
    if (*at == ',') at++;
  }
  return n;
}

static void publish(fake_hub_t *fake, sse_frame_t *frame, const char *names) {
  sse_key_t keys[MAX_KEYS];
  size_t n = keys_of(names, keys);
  assert_int_equal(sse_hub_publish(fake->hub, frame, keys, n), 0);
  sse_frame_unref(frame);
}

void fake_publish(fake_hub_t *fake, uint64_t id, const char *names) {
  publish(fake, fake_frame(id, names), names);
}

void fake_publish_sized(fake_hub_t *fake, uint64_t id, const char *names, size_t len) {
  publish(fake, fake_frame_sized(id, len), names);
}

fake_client_t *fake_attach(fake_hub_t *fake, sse_handle_t handle, sse_cursor_kind_t kind,
                           uint64_t cursor, const char *names) {
  sse_key_t keys[MAX_KEYS];
  sse_attach_t attach = {.client = handle,
                         .endpoint = fake,
                         .keys = keys,
                         .n_keys = keys_of(names, keys),
                         .kind = kind,
                         .cursor = cursor,
                         .hello = sse_span_cstr("{\"clientId\":\"c\""),
                         .retry = SSE_NO_RETRY};
  assert_int_equal(sse_hub_attach(fake->hub, &attach), 0);
  sse_hub_flush(fake->hub);
  fake_client_t *client = fake_client(fake, handle);
  assert_non_null(client);
  fake_connected(client);
  return client;
}

void fake_pass(fake_hub_t *fake, uint64_t us) {
  fake->now += us;
  sse_hub_tick(fake->hub, fake->now);
  sse_hub_flush(fake->hub);
}

void fake_stall(fake_hub_t *fake, uint64_t us) {
  fake_pass(fake, 0);
  while (us > 0) {
    uint64_t step = us < SSE_LOOK_US ? us : SSE_LOOK_US;
    fake_pass(fake, step);
    us -= step;
  }
}

void fake_unblock(fake_hub_t *fake, fake_client_t *client, size_t budget) {
  client->budget = budget;
  sse_hub_writable(fake->hub, client->handle);
  sse_hub_flush(fake->hub);
}

const char *fake_ids(const fake_client_t *client) {
  static char text[65536];
  size_t len = 0;
  text[0] = '\0';
  for (size_t i = 0; i < client->parser.n_events; i++) {
    const spec_event_t *event = &client->parser.events[i];
    if (!event->has_id || spec_text_is(event->type, "connected")) continue;
    len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu", len > 0 ? "," : "",
                            (unsigned long long)spec_text_u64(event->last_event_id));
    assert_true(len < sizeof(text));
  }
  return text;
}

size_t fake_count(const fake_client_t *client, const char *type) {
  size_t n = 0;
  for (size_t i = 0; i < client->parser.n_events; i++) {
    if (spec_text_is(client->parser.events[i].type, type)) n++;
  }
  return n;
}

bool fake_text_contains(spec_text_t text, const char *needle) {
  return text.len > 0 && memmem(text.bytes, text.len, needle, strlen(needle)) != NULL;
}

const spec_event_t *fake_connected(const fake_client_t *client) {
  assert_true(client->parser.n_events > 0);
  const spec_event_t *event = &client->parser.events[0];
  assert_true(spec_text_is(event->type, "connected"));
  bool yes = fake_text_contains(event->data, "\"recovered\":true,\"lastEventId\":");
  bool no = fake_text_contains(event->data, "\"recovered\":false,\"lastEventId\":");
  assert_true(yes != no);
  assert_true(event->data.bytes[event->data.len - 1] == '}');
  return event;
}

bool fake_recovered(const fake_client_t *client) {
  return fake_text_contains(fake_connected(client)->data, "\"recovered\":true");
}

uint64_t fake_connected_id(const fake_client_t *client) {
  const spec_event_t *event = fake_connected(client);
  return event->has_id ? spec_text_u64(event->last_event_id) : 0;
}
