/* hub_binding.c - the streaming wing for JS: functions over a core external.
 * JS has validated every argument (lib/options.js, lib/event.js); here only
 * what memory safety needs is checked again. [js] throughout. */
#include <math.h>

#include "hub/mem.h"
#include "napi/core.h"
#include "napi/key_list.h"
#include "napi/napi_util.h"

#define MAX_ARGS 12

static const napi_type_tag CORE_TAG = {0x6e61746976652d73, 0x73652d636f72652d};

typedef struct {
  napi_env env;
  napi_value argv[MAX_ARGS];
  size_t argc;
  sse_env_t *self;
  sse_core_t *core;
} call_t;

/* Reads the arguments; the first must be a core unless `bare`. */
static bool begin(napi_env env, napi_callback_info info, call_t *call, bool bare) {
  *call = (call_t){.env = env, .argc = MAX_ARGS};
  void *data = NULL, *core = NULL;
  bool is_core = false;
  if (napi_get_cb_info(env, info, &call->argc, call->argv, NULL, &data) != napi_ok) {
    sse_napi_throw_last(env, "napi_get_cb_info");
    return false;
  }
  call->self = data;
  if (bare) return true;
  if (call->argc == 0 ||
      napi_check_object_type_tag(env, call->argv[0], &CORE_TAG, &is_core) != napi_ok || !is_core ||
      napi_get_value_external(env, call->argv[0], &core) != napi_ok) {
    sse_napi_throw(env, "ERR_SSE_INTERNAL", "the first argument is not a core");
    return false;
  }
  call->core = core;
  return true;
}

/* A JS number as an integer: 0 for what is no positive number, at most 2^53. */
static uint64_t to_u64(napi_env env, napi_value from) {
  double value = 0;
  if (napi_get_value_double(env, from, &value) != napi_ok || !(value > 0)) return 0;
  return value >= 9007199254740992.0 ? UINT64_C(1) << 53 : (uint64_t)value;
}

static uint64_t u64_arg(const call_t *call, size_t i) {
  return i < call->argc ? to_u64(call->env, call->argv[i]) : 0;
}

static double double_arg(const call_t *call, size_t i) {
  double value = 0;
  if (i < call->argc) napi_get_value_double(call->env, call->argv[i], &value);
  return value;
}

static napi_value number(napi_env env, double value) {
  napi_value out;
  NAPI_TRY(env, napi_create_double(env, value, &out));
  return out;
}

static napi_value boolean(napi_env env, bool value) {
  napi_value out;
  NAPI_TRY(env, napi_get_boolean(env, value, &out));
  return out;
}

static napi_value out_of_memory(napi_env env) {
  return sse_napi_throw(env, "ERR_SSE_INTERNAL", "out of memory");
}

static uint64_t u64_property(napi_env env, napi_value object, const char *name) {
  napi_value value;
  return napi_get_named_property(env, object, name, &value) == napi_ok ? to_u64(env, value) : 0;
}

static void core_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  sse_core_t *core = data;
  /* Nobody can reach it any more: end it without a word to JS. */
  sse_stream_sink_unbind(&core->stream);
  sse_core_stop(NULL, core);
  sse_core_join(core);
  sse_core_unref(core);
}

/* create({ number, threads, heartbeatMs, historySize, historyTtlMs, maxRings,
 *   maxQueuedBytes, maxClients, maxClientsPerUser }, write, end) -> core; 0 is
 * "none" where a limit or a time may be off. */
static napi_value create(napi_env env, napi_callback_info info) {
  call_t call;
  if (!begin(env, info, &call, true)) return NULL;
  napi_value given = call.argv[0], out;
  sse_core_config_t config = {
      .hub = {.heartbeat_us = u64_property(env, given, "heartbeatMs") * 1000,
              .history_ttl_us = u64_property(env, given, "historyTtlMs") * 1000,
              .max_queued_bytes = (size_t)u64_property(env, given, "maxQueuedBytes"),
              .history_size = (uint32_t)u64_property(env, given, "historySize"),
              .max_rings = (uint32_t)u64_property(env, given, "maxRings")},
      .n_threads = (uint32_t)u64_property(env, given, "threads"),
      .max_slots = u64_property(env, given, "maxClients"),
      .max_per_user = (uint32_t)u64_property(env, given, "maxClientsPerUser"),
      .number = (uint32_t)u64_property(env, given, "number")};
  sse_core_t *core = sse_core_new(call.self, &config);
  if (core == NULL) return out_of_memory(env);
  napi_status status = sse_stream_sink_bind(env, &core->stream, call.argv[1], call.argv[2]);
  if (status == napi_ok) status = napi_create_external(env, core, core_finalize, NULL, &out);
  if (status != napi_ok) {
    sse_core_unref(core);
    sse_napi_throw_last(env, "create");
    return NULL;
  }
  NAPI_TRY(env, napi_type_tag_object(env, out, &CORE_TAG));
  return out;
}

/* reserve(core) -> handle, or 0 when maxClients is reached */
static napi_value reserve(napi_env env, napi_callback_info info) {
  call_t call;
  if (!begin(env, info, &call, false)) return NULL;
  sse_handle_t handle = 0;
  int rc = sse_directory_reserve(&call.core->directory, &handle);
  if (rc == SSE_ENOMEM) return out_of_memory(env);
  return number(env, rc == 0 ? (double)handle : 0);
}

/* assign(core, handle, issuer, userId) -> false when the user has too many */
static napi_value assign(napi_env env, napi_callback_info info) {
  call_t call;
  char *issuer = NULL, *user = NULL;
  size_t issuer_len = 0, user_len = 0;
  if (!begin(env, info, &call, false)) return NULL;
  if (!sse_napi_string(env, call.argv[2], &issuer, &issuer_len)) return NULL;
  if (!sse_napi_string(env, call.argv[3], &user, &user_len)) {
    sse_free(issuer);
    return NULL;
  }
  sse_key_t key = sse_key(call.core->seed, SSE_SCOPE_USER, sse_span(issuer, issuer_len),
                          sse_span(user, user_len));
  int rc = sse_directory_assign(&call.core->directory, u64_arg(&call, 1), &key);
  sse_free(issuer);
  sse_free(user);
  if (rc == SSE_ENOMEM) return out_of_memory(env);
  return boolean(env, rc == 0);
}

/* release(core, handle) -> whether the slot was taken */
static napi_value release(napi_env env, napi_callback_info info) {
  call_t call;
  if (!begin(env, info, &call, false)) return NULL;
  return boolean(env, sse_directory_release(&call.core->directory, u64_arg(&call, 1)));
}

/* The names that `clients` shows: channels and topics, not the user's own. */
static uint32_t shown_channels(const sse_key_list_t *keys, sse_span_t *out) {
  uint32_t n = 0;
  for (size_t i = 0; i < keys->n; i++) {
    sse_scope_t scope = keys->keys[i].scope;
    if (scope == SSE_SCOPE_CHANNEL || scope == SSE_SCOPE_TOPIC) out[n++] = keys->keys[i].name;
  }
  return n;
}

typedef struct {
  char *id, *hello;
  size_t id_len, hello_len;
  sse_key_list_t keys;
  sse_span_t *channels;
} attach_args_t;

static void attach_args_deinit(attach_args_t *args) {
  sse_free(args->channels);
  sse_key_list_deinit(&args->keys);
  sse_free(args->hello);
  sse_free(args->id);
}

static bool attach_args_read(const call_t *call, attach_args_t *args) {
  napi_env env = call->env;
  *args = (attach_args_t){0};
  if (!sse_napi_string(env, call->argv[3], &args->id, &args->id_len)) return false;
  if (!sse_napi_string(env, call->argv[9], &args->hello, &args->hello_len)) goto fail_hello;
  if (!sse_key_list_read(env, call->argv[4], call->core->seed, &args->keys)) goto fail_keys;
  args->channels = sse_malloc((args->keys.n + 1) * sizeof(*args->channels));
  if (args->channels != NULL) return true;
  out_of_memory(env);
  sse_key_list_deinit(&args->keys);
fail_keys:
  sse_free(args->hello);
fail_hello:
  sse_free(args->id);
  return false;
}

/* attach(core, handle, fd | -1, id, keys, connectedAt ms, expiresAt s,
 *   cursorKind 0 none | 1 id | 2 bad, cursor, hello, retry | -1)
 * -> 0, or a negative errno when the fd cannot be duplicated */
static napi_value attach(napi_env env, napi_callback_info info) {
  call_t call;
  attach_args_t args;
  if (!begin(env, info, &call, false) || !attach_args_read(&call, &args)) return NULL;
  double retry = double_arg(&call, 10);
  uint64_t kind = u64_arg(&call, 7);
  sse_attach_t attach = {
      .client = u64_arg(&call, 1),
      .keys = args.keys.keys,
      .n_keys = args.keys.n,
      .kind = kind == 1   ? SSE_CURSOR_ID
              : kind == 2 ? SSE_CURSOR_BAD
                          : SSE_CURSOR_NONE,
      .cursor = u64_arg(&call, 8),
      .hello = sse_span(args.hello, args.hello_len),
      .retry = retry >= 0 && retry < SSE_NO_RETRY ? (uint32_t)retry : SSE_NO_RETRY};
  sse_arrival_t arrival = {.connected_at = double_arg(&call, 5),
                           .expires_at = double_arg(&call, 6),
                           .id = sse_span(args.id, args.id_len),
                           .channels = args.channels,
                           .n_channels = shown_channels(&args.keys, args.channels)};
  int rc = call.core->is_stopped
               ? SSE_ESTOPPED
               : sse_core_attach(env, call.core, &attach, (int)double_arg(&call, 2), &arrival);
  attach_args_deinit(&args);
  return number(env, rc);
}

/* publish(core, type, data, keys) -> id */
static napi_value publish(napi_env env, napi_callback_info info) {
  call_t call;
  char *type = NULL, *data = NULL;
  size_t type_len = 0, data_len = 0;
  sse_key_list_t keys;
  if (!begin(env, info, &call, false)) return NULL;
  if (!sse_napi_string(env, call.argv[1], &type, &type_len)) return NULL;
  if (!sse_napi_string(env, call.argv[2], &data, &data_len)) goto fail_data;
  if (!sse_key_list_read(env, call.argv[3], call.core->seed, &keys)) goto fail_keys;
  sse_event_t event = {sse_core_next_id(call.core), sse_span(type, type_len),
                       sse_span(data, data_len), SSE_NO_RETRY};
  sse_frame_t *frame = sse_frame_from_event(&event);
  int rc = frame == NULL ? SSE_ENOMEM : sse_core_publish(call.core, frame, keys.keys, keys.n);
  sse_frame_unref(frame);
  sse_key_list_deinit(&keys);
  sse_free(data);
  sse_free(type);
  return rc == 0 ? number(env, (double)event.id) : out_of_memory(env);

fail_keys:
  sse_free(data);
fail_data:
  sse_free(type);
  return NULL;
}

/* Posts a command for one client; false when the client is unknown. */
static napi_value post_to_client(call_t *call, sse_command_t *command) {
  if (command == NULL) return out_of_memory(call->env);
  const sse_entry_t *entry = sse_directory_find(&call->core->directory, command->client);
  bool is_known = entry != NULL && entry->is_client && !call->core->is_stopped;
  if (is_known) {
    sse_shard_post(sse_core_shard(call->core, entry), command);
  } else {
    sse_command_free(command);
  }
  return boolean(call->env, is_known);
}

/* write(core, handle, Buffer) -> whether the client is there: raw stream bytes */
static napi_value write_bytes(napi_env env, napi_callback_info info) {
  call_t call;
  void *bytes = NULL;
  size_t len = 0;
  if (!begin(env, info, &call, false)) return NULL;
  NAPI_TRY(env, napi_get_buffer_info(env, call.argv[2], &bytes, &len));
  sse_frame_t *frame = sse_frame_from_bytes(0, sse_span(bytes, len));
  sse_command_t *command =
      frame == NULL ? NULL : sse_command_direct_client(u64_arg(&call, 1), frame);
  sse_frame_unref(frame);
  return post_to_client(&call, command);
}

/* detach(core, handle, reason index, Buffer | null) -> whether it was there */
static napi_value detach(napi_env env, napi_callback_info info) {
  call_t call;
  bool has_last = false;
  void *bytes = NULL;
  size_t len = 0;
  if (!begin(env, info, &call, false)) return NULL;
  NAPI_TRY(env, napi_is_buffer(env, call.argv[3], &has_last));
  if (has_last) NAPI_TRY(env, napi_get_buffer_info(env, call.argv[3], &bytes, &len));
  uint64_t reason = u64_arg(&call, 2);
  if (reason >= SSE_REASON_COUNT) reason = SSE_REASON_ERROR;
  sse_frame_t *last = has_last ? sse_frame_from_bytes(0, sse_span(bytes, len)) : NULL;
  if (has_last && last == NULL) return out_of_memory(env);
  sse_command_t *command = sse_command_detach(u64_arg(&call, 1), (sse_reason_t)reason, last);
  sse_frame_unref(last);
  return post_to_client(&call, command);
}

/* streamClosed(core, handle, reason index): a stream's peer is gone */
static napi_value stream_closed(napi_env env, napi_callback_info info) {
  call_t call;
  if (!begin(env, info, &call, false)) return NULL;
  uint64_t reason = u64_arg(&call, 2);
  if (call.core->local.hub == NULL || reason >= SSE_REASON_COUNT) return NULL;
  sse_hub_hangup(call.core->local.hub, u64_arg(&call, 1), (sse_reason_t)reason);
  sse_shard_drain(&call.core->local);
  return NULL;
}

/* streamDrained(core, handle): a stream takes bytes again */
static napi_value stream_drained(napi_env env, napi_callback_info info) {
  call_t call;
  if (!begin(env, info, &call, false) || call.core->local.hub == NULL) return NULL;
  sse_hub_writable(call.core->local.hub, u64_arg(&call, 1));
  sse_shard_drain(&call.core->local);
  return NULL;
}

/* tick(core) -> ms until the next one: timers of what the JS thread owns */
static napi_value tick(napi_env env, napi_callback_info info) {
  call_t call;
  if (!begin(env, info, &call, false)) return NULL;
  sse_core_t *core = call.core;
  for (uint32_t i = 0; i < core->n_threads; i++) {
    if (core->threads[i].shard.wake == NULL) sse_shard_tick(&core->threads[i].shard);
  }
  sse_shard_tick(&core->local);
  if (core->local.hub == NULL) return number(env, 0);
  return number(env, ceil((double)sse_hub_tick_interval(core->local.hub) / 1000));
}

/* newest(core) -> the highest id given so far (at first the core's birth) */
static napi_value newest(napi_env env, napi_callback_info info) {
  call_t call;
  if (!begin(env, info, &call, false)) return NULL;
  return number(env, (double)call.core->last);
}

/* clients(core) -> handles in the order of arrival */
static napi_value clients(napi_env env, napi_callback_info info) {
  call_t call;
  napi_value out, value;
  if (!begin(env, info, &call, false)) return NULL;
  NAPI_TRY(env, napi_create_array(env, &out));
  const sse_entry_t *entry = sse_directory_next(&call.core->directory, NULL);
  for (uint32_t i = 0; entry != NULL; i++) {
    NAPI_TRY(env, napi_create_int64(env, (int64_t)entry->handle, &value));
    NAPI_TRY(env, napi_set_element(env, out, i, value));
    entry = sse_directory_next(&call.core->directory, entry);
  }
  return out;
}

/* client(core, id | handle) -> description, or undefined */
static napi_value client(napi_env env, napi_callback_info info) {
  call_t call;
  napi_valuetype type;
  if (!begin(env, info, &call, false)) return NULL;
  NAPI_TRY(env, napi_typeof(env, call.argv[1], &type));
  const sse_entry_t *entry;
  if (type == napi_number) {
    entry = sse_directory_find(&call.core->directory, u64_arg(&call, 1));
  } else {
    char *id;
    size_t len = 0;
    if (!sse_napi_string(env, call.argv[1], &id, &len)) return NULL;
    entry = sse_directory_by_id(&call.core->directory, sse_span(id, len));
    sse_free(id);
  }
  if (entry == NULL || !entry->is_client) return NULL;
  return sse_core_describe(env, entry);
}

/* counts(core) -> [socket clients, stream clients, published, delivered] */
static napi_value counts(napi_env env, napi_callback_info info) {
  call_t call;
  napi_value out;
  if (!begin(env, info, &call, false)) return NULL;
  sse_core_t *core = call.core;
  const double values[] = {(double)core->directory.n_clients[SSE_TRANSPORT_SOCKET],
                           (double)core->directory.n_clients[SSE_TRANSPORT_STREAM],
                           (double)core->published, (double)sse_core_delivered(core)};
  NAPI_TRY(env, napi_create_array(env, &out));
  for (uint32_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
    napi_value value = number(env, values[i]);
    if (value == NULL) return NULL;
    NAPI_TRY(env, napi_set_element(env, out, i, value));
  }
  return out;
}

/* stop(core): ['stopped', number] follows through the port */
static napi_value stop(napi_env env, napi_callback_info info) {
  call_t call;
  if (!begin(env, info, &call, false)) return NULL;
  sse_core_stop(env, call.core);
  return NULL;
}

static napi_value reason_names(napi_env env) {
  napi_value out, name;
  NAPI_TRY(env, napi_create_array(env, &out));
  for (uint32_t i = 0; i < SSE_REASON_COUNT; i++) {
    const char *text = sse_reason_name((sse_reason_t)i);
    NAPI_TRY(env, napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &name));
    NAPI_TRY(env, napi_set_element(env, out, i, name));
  }
  return out;
}

napi_status sse_hub_binding_init(napi_env env, napi_value exports, sse_env_t *self) {
  static const sse_napi_method_t methods[] = {{"create", create},
                                              {"reserve", reserve},
                                              {"assign", assign},
                                              {"release", release},
                                              {"attach", attach},
                                              {"publish", publish},
                                              {"write", write_bytes},
                                              {"detach", detach},
                                              {"streamClosed", stream_closed},
                                              {"streamDrained", stream_drained},
                                              {"tick", tick},
                                              {"newest", newest},
                                              {"clients", clients},
                                              {"client", client},
                                              {"counts", counts},
                                              {"stop", stop}};
  napi_value hub, reasons = reason_names(env);
  napi_status status = reasons == NULL ? napi_generic_failure : napi_create_object(env, &hub);
  if (status == napi_ok) status = napi_set_named_property(env, hub, "reasons", reasons);
  if (status == napi_ok) {
    status = sse_napi_define(env, hub, methods, sizeof(methods) / sizeof(*methods), self);
  }
  return status == napi_ok ? napi_set_named_property(env, exports, "hub", hub) : status;
}
