/* hub_binding.c - the streaming wing for JS: functions over a core external
 * (those over its directory are in hub_directory.c, those that take events in
 * hub_events.c).
 * JS has validated every argument (lib/options.js, lib/event.js); here only
 * what memory safety needs is checked again. [js] throughout. */
#include <math.h>

#include "hub/mem.h"
#include "io/peer.h"
#include "napi/history_file.h"
#include "napi/hub_call.h"
#include "napi/key_list.h"
#include "napi/napi_util.h"
#include "napi/size_list.h"

static uint64_t u64_property(napi_env env, napi_value object, const char *name) {
  napi_value value;
  return napi_get_named_property(env, object, name, &value) == napi_ok
             ? sse__call_to_u64(env, value)
             : 0;
}

/* False with a pending exception; `*out` is the caller's. */
static bool string_property(napi_env env, napi_value object, const char *name, char **out) {
  napi_value value;
  size_t len = 0;
  if (napi_get_named_property(env, object, name, &value) == napi_ok) {
    return sse_napi_string(env, value, out, &len);
  }
  sse_napi_throw_last(env, name);
  return false;
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

/* create({ number, birth, newest, threads, heartbeatMs, historySize, historySizes (flat:
 *   prefix, size, ...), historyTtlMs, historyMaxBytes, historyTotalBytes, historyFile ('':
 *   none), historySyncMs (0: always), maxRings,
 *   maxQueuedBytes, maxClients, maxClientsPerUser, peerTimeoutMs },
 *   write, end, pending) -> core; 0 is "none" where a limit or a time may be off,
 * and "now" for the id `birth` (the floor of every key that has no history yet).
 * The functions are held for as long as the core: they must not hold it. */
static napi_value create(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin_bare(env, info, &call)) return NULL;
  napi_value given = call.argv[0];
  sse_core_config_t config = {
      .hub = {.birth = u64_property(env, given, "birth"),
              .newest = u64_property(env, given, "newest"),
              .heartbeat_us = u64_property(env, given, "heartbeatMs") * 1000,
              .history_ttl_us = u64_property(env, given, "historyTtlMs") * 1000,
              .max_queued_bytes = (size_t)u64_property(env, given, "maxQueuedBytes"),
              .history_size = (uint32_t)u64_property(env, given, "historySize"),
              .history_max_bytes = (size_t)u64_property(env, given, "historyMaxBytes"),
              .history_total_bytes = (size_t)u64_property(env, given, "historyTotalBytes"),
              .max_rings = (uint32_t)u64_property(env, given, "maxRings")},
      .n_threads = (uint32_t)u64_property(env, given, "threads"),
      .peer_timeout_ms = (uint32_t)u64_property(env, given, "peerTimeoutMs"),
      .max_slots = u64_property(env, given, "maxClients"),
      .max_per_user = (uint32_t)u64_property(env, given, "maxClientsPerUser"),
      .history_sync_ms = (uint32_t)u64_property(env, given, "historySyncMs"),
      .number = (uint32_t)u64_property(env, given, "number")};
  sse_store_error_t error = {0};
  config.error = &error;
  char *file = NULL;
  if (!string_property(env, given, "historyFile", &file)) return NULL;
  if (!sse_size_list_read(env, given, "historySizes", &config.sizes)) {
    sse_free(file);
    return NULL;
  }
  if (file[0] != '\0') config.history_file = file;
  sse_core_t *core = sse_core_new(call.self, &config);
  if (error.status != SSE_STORE_OK) sse_history_throw(env, file, &error);
  sse_free(file);
  if (core == NULL) return error.status != SSE_STORE_OK ? NULL : sse__call_out_of_memory(env);
  if (sse_stream_sink_bind(env, &core->stream, call.argv + 1) == napi_ok) {
    return sse__call_wrap_core(env, core, core_finalize);
  }
  sse_core_stop(NULL, core);
  sse_core_join(core);
  sse_core_unref(core);
  sse_napi_throw_last(env, "create");
  return NULL;
}

static sse_reason_t reason_arg(const sse_call_t *call, size_t i) {
  uint64_t reason = sse__call_u64(call, i);
  return reason < SSE_REASON_COUNT ? (sse_reason_t)reason : SSE_REASON_ERROR;
}

/* wake(core): the threads go to work on what was attached */
static napi_value wake(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  sse_core_wake(call.core);
  return NULL;
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
  char *id, *hello, *opening;
  size_t id_len, hello_len, opening_len;
  sse_key_list_t keys;
  sse_span_t *channels;
} attach_args_t;

static void attach_args_deinit(attach_args_t *args) {
  sse_free(args->channels);
  sse_key_list_deinit(&args->keys);
  sse_free(args->opening);
  sse_free(args->hello);
  sse_free(args->id);
}

/* False with a pending exception; the caller frees what was read. */
static bool attach_args_read(const sse_call_t *call, attach_args_t *args) {
  napi_env env = call->env;
  *args = (attach_args_t){0};
  if (!sse_napi_string(env, call->argv[3], &args->id, &args->id_len)) return false;
  if (!sse_napi_string(env, call->argv[10], &args->hello, &args->hello_len)) return false;
  if (!sse_napi_string(env, call->argv[12], &args->opening, &args->opening_len)) return false;
  if (!sse_key_list_read(env, call->argv[4], call->core->seed, &args->keys)) return false;
  args->channels = sse_malloc((args->keys.n + 1) * sizeof(*args->channels));
  if (args->channels != NULL) return true;
  sse__call_out_of_memory(env);
  return false;
}

/* attach(core, handle, fd | -1, id, keys, connectedAt ms, endsAt ms | 0,
 *   reason index of that end, cursorKind 0 none | 1 id | 2 bad, cursor, hello,
 *   retry | -1, opening)
 * -> 0, or an error: the fd cannot be duplicated, its thread cannot start,
 *   memory is out, the core has stopped */
static napi_value attach(napi_env env, napi_callback_info info) {
  sse_call_t call;
  attach_args_t args;
  if (!sse__call_begin(env, info, &call)) return NULL;
  if (!attach_args_read(&call, &args)) {
    attach_args_deinit(&args);
    return NULL;
  }
  double retry = sse__call_double(&call, 11);
  uint64_t kind = sse__call_u64(&call, 8);
  sse_attach_t attach = {
      .client = sse__call_u64(&call, 1),
      .keys = args.keys.keys,
      .n_keys = args.keys.n,
      .kind = kind == 1   ? SSE_CURSOR_ID
              : kind == 2 ? SSE_CURSOR_BAD
                          : SSE_CURSOR_NONE,
      .cursor = sse__call_u64(&call, 9),
      .hello = sse_span(args.hello, args.hello_len),
      .opening = sse_span(args.opening, args.opening_len),
      .retry = retry >= 0 && retry < SSE_NO_RETRY ? (uint32_t)retry : SSE_NO_RETRY};
  sse_arrival_t arrival = {.connected_at = sse__call_double(&call, 5),
                           .ends_at = sse__call_double(&call, 6),
                           .end_reason = reason_arg(&call, 7),
                           .id = sse_span(args.id, args.id_len),
                           .channels = args.channels,
                           .n_channels = shown_channels(&args.keys, args.channels)};
  int rc = call.core->is_stopped ? SSE_ESTOPPED
                                 : sse_core_attach(env, call.core, &attach,
                                                   (int)sse__call_double(&call, 2), &arrival);
  attach_args_deinit(&args);
  return sse__call_number(env, rc);
}

/* write(core, handle, Buffer) -> whether the client is there: raw stream bytes */
static napi_value write_bytes(napi_env env, napi_callback_info info) {
  sse_call_t call;
  void *bytes = NULL;
  size_t len = 0;
  if (!sse__call_begin(env, info, &call)) return NULL;
  NAPI_TRY(env, napi_get_buffer_info(env, call.argv[2], &bytes, &len));
  sse_frame_t *frame = sse_frame_from_bytes(0, sse_span(bytes, len));
  sse_command_t *command =
      frame == NULL ? NULL : sse_command_direct_client(sse__call_u64(&call, 1), frame);
  sse_frame_unref(frame);
  return sse__call_post_to_client(&call, command);
}

/* detach(core, handle, reason index, Buffer | null) -> whether it was there */
static napi_value detach(napi_env env, napi_callback_info info) {
  sse_call_t call;
  bool has_last = false;
  void *bytes = NULL;
  size_t len = 0;
  if (!sse__call_begin(env, info, &call)) return NULL;
  NAPI_TRY(env, napi_is_buffer(env, call.argv[3], &has_last));
  if (has_last) NAPI_TRY(env, napi_get_buffer_info(env, call.argv[3], &bytes, &len));
  sse_reason_t reason = reason_arg(&call, 2);
  sse_frame_t *last = has_last ? sse_frame_from_bytes(0, sse_span(bytes, len)) : NULL;
  if (has_last && last == NULL) return sse__call_out_of_memory(env);
  sse_command_t *command = sse_command_detach(sse__call_u64(&call, 1), reason, last);
  sse_frame_unref(last);
  return sse__call_post_to_client(&call, command);
}

/* Subscribes a client to one key, or ends that; `clients` shows it. Answers
 * whether anything has changed. */
static napi_value change_subscription(napi_env env, napi_callback_info info, bool on) {
  sse_call_t call;
  sse_key_list_t keys;
  if (!sse__call_begin(env, info, &call)) return NULL;
  if (!sse_key_list_read(env, call.argv[2], call.core->seed, &keys)) return NULL;
  sse_handle_t handle = sse__call_u64(&call, 1);
  sse_directory_t *directory = &call.core->directory;
  sse_command_t *command = keys.n == 1 ? sse_command_subscribe(handle, keys.keys, on) : NULL;
  int rc = command == NULL ? SSE_ENOMEM : 0;
  if (rc == 0) {
    rc = on ? sse_directory_add_channel(directory, handle, keys.keys[0].name)
            : sse_directory_drop_channel(directory, handle, keys.keys[0].name);
  }
  sse_key_list_deinit(&keys);
  if (rc == 0) return sse__call_post_to_client(&call, command);
  sse_command_free(command);
  return rc == SSE_ENOMEM ? sse__call_out_of_memory(env) : sse__call_boolean(env, false);
}

/* subscribe(core, handle, keys), unsubscribe(core, handle, keys): of one channel
 * -> false when the client is unknown, or is subscribed already, or was not */
static napi_value subscribe(napi_env env, napi_callback_info info) {
  return change_subscription(env, info, true);
}

static napi_value unsubscribe(napi_env env, napi_callback_info info) {
  return change_subscription(env, info, false);
}

/* streamClosed(core, handle, reason index): a stream's peer is gone */
static napi_value stream_closed(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  if (call.core->local.hub == NULL) return NULL;
  sse_hub_hangup(call.core->local.hub, sse__call_u64(&call, 1), reason_arg(&call, 2));
  sse_shard_drain(&call.core->local);
  return NULL;
}

/* streamDrained(core, handle): a stream takes bytes again */
static napi_value stream_drained(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call) || call.core->local.hub == NULL) return NULL;
  sse_hub_writable(call.core->local.hub, sse__call_u64(&call, 1));
  sse_shard_drain(&call.core->local);
  return NULL;
}

/* tick(core) -> ms until the next one: timers of what the JS thread owns */
static napi_value tick(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  sse_core_t *core = call.core;
  for (uint32_t i = 0; i < core->n_threads; i++) {
    if (core->threads[i].shard.wake == NULL) sse_shard_tick(&core->threads[i].shard);
  }
  sse_shard_tick(&core->local);
  if (core->local.hub == NULL) return sse__call_number(env, 0);
  return sse__call_number(env, ceil((double)sse_hub_tick_interval(core->local.hub) / 1000));
}

/* newest(core) -> the highest id given so far (at first the core's birth) */
static napi_value newest(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  return sse__call_number(env, (double)call.core->last);
}

/* setPeerTimeout(fd, ms): of the connection below a stream */
static napi_value set_peer_timeout(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin_bare(env, info, &call)) return NULL;
  sse_peer_set_timeout((int)sse__call_double(&call, 0), (uint32_t)sse__call_u64(&call, 1));
  return NULL;
}

/* unacked(fd) -> bytes of the connection that the peer has not taken */
static napi_value unacked(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin_bare(env, info, &call)) return NULL;
  return sse__call_number(env, (double)sse_peer_unacked((int)sse__call_double(&call, 0)));
}

/* stop(core): ['stopped', number] follows through the port */
static napi_value stop(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
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
  static const sse_napi_method_t methods[] = {
      {"create", create},
      {"attach", attach},
      {"wake", wake},
      {"subscribe", subscribe},
      {"unsubscribe", unsubscribe},
      {"write", write_bytes},
      {"detach", detach},
      {"streamClosed", stream_closed},
      {"streamDrained", stream_drained},
      {"tick", tick},
      {"newest", newest},
      {"setPeerTimeout", set_peer_timeout},
      {"unacked", unacked},
      {"stop", stop},
  };
  napi_value hub, reasons = reason_names(env);
  napi_status status = reasons == NULL ? napi_generic_failure : napi_create_object(env, &hub);
  if (status == napi_ok) status = napi_set_named_property(env, hub, "reasons", reasons);
  if (status == napi_ok) {
    status = sse_napi_define(env, hub, methods, sizeof(methods) / sizeof(*methods), self);
  }
  if (status == napi_ok) status = sse__hub_directory_define(env, hub, self);
  if (status == napi_ok) status = sse__hub_events_define(env, hub, self);
  return status == napi_ok ? napi_set_named_property(env, exports, "hub", hub) : status;
}
