/* core.c - one server's native half; see core.h. Everything here is [js] but
 * notice_closed and thread_stopped, which any hub's thread calls. */
#include "napi/core.h"

#include <uv.h>

#include "hub/mem.h"
#include "napi/history_file.h"
#include "napi/napi_util.h"

/* Posted when a client has ended (handle != 0), or when the core has. */
struct sse_notice {
  sse_stream_t stream; /* first: a notice is a stream's endpoint */
  sse_port_event_t event;
  sse_core_t *core;
  sse_handle_t client;
  sse_reason_t reason;
  bool holds_port; /* an sse_port_ref is given back when JS is told */
};

static sse_notice_t *notice_of(sse_port_event_t *event) {
  return SSE_CONTAINER_OF(event, sse_notice_t, event);
}

static void notice_free(sse_port_event_t *event) {
  sse_notice_discard(notice_of(event));
}

static napi_value describe_channels(napi_env env, const sse_entry_t *entry) {
  napi_value list = NULL, name = NULL;
  if (napi_create_array_with_length(env, entry->n_channels, &list) != napi_ok) return NULL;
  for (uint32_t i = 0; i < entry->n_channels; i++) {
    sse_span_t channel = entry->channels[i];
    if (napi_create_string_utf8(env, channel.ptr, channel.len, &name) != napi_ok ||
        napi_set_element(env, list, i, name) != napi_ok) {
      return NULL;
    }
  }
  return list;
}

napi_value sse_core_describe(napi_env env, const sse_entry_t *entry) {
  napi_value out, value;
  NAPI_TRY(env, napi_create_object(env, &out));
  NAPI_TRY(env, napi_create_int64(env, (int64_t)entry->handle, &value));
  NAPI_TRY(env, napi_set_named_property(env, out, "handle", value));
  NAPI_TRY(env, napi_create_string_utf8(env, entry->id.ptr, entry->id.len, &value));
  NAPI_TRY(env, napi_set_named_property(env, out, "id", value));
  sse_span_t user = entry->user == NULL ? sse_span("", 0) : entry->user->key.name;
  NAPI_TRY(env, napi_create_string_utf8(env, user.ptr, user.len, &value));
  NAPI_TRY(env, napi_set_named_property(env, out, "userId", value));
  value = describe_channels(env, entry);
  if (value == NULL) return NULL;
  NAPI_TRY(env, napi_set_named_property(env, out, "channels", value));
  NAPI_TRY(env, napi_create_date(env, entry->connected_at, &value));
  NAPI_TRY(env, napi_set_named_property(env, out, "connectedAt", value));
  NAPI_TRY(env, napi_get_boolean(env, entry->transport == SSE_TRANSPORT_SOCKET, &value));
  NAPI_TRY(env, napi_set_named_property(env, out, "isSocket", value));
  return out;
}

/* ['disconnected', core, client, reason]; the directory forgets here. */
static napi_value describe_disconnected(napi_env env, sse_notice_t *notice, napi_value out) {
  napi_value value;
  sse_core_t *core = notice->core;
  const sse_entry_t *entry = sse_directory_find(&core->directory, notice->client);
  napi_value client = entry == NULL ? NULL : sse_core_describe(env, entry);
  sse_directory_release(&core->directory, notice->client);
  if (client == NULL) return NULL;
  NAPI_TRY(env, napi_create_string_utf8(env, "disconnected", NAPI_AUTO_LENGTH, &value));
  NAPI_TRY(env, napi_set_element(env, out, 0, value));
  NAPI_TRY(env, napi_set_element(env, out, 2, client));
  const char *reason = sse_reason_name(notice->reason);
  NAPI_TRY(env, napi_create_string_utf8(env, reason, NAPI_AUTO_LENGTH, &value));
  NAPI_TRY(env, napi_set_element(env, out, 3, value));
  return out;
}

static napi_value describe_notice(napi_env env, sse_port_event_t *event) {
  sse_notice_t *notice = notice_of(event);
  if (notice->holds_port) sse_port_unref(env, notice->core->env->port);
  if (notice->client == 0 && --notice->core->n_live > 0) return NULL;
  napi_value out, value;
  NAPI_TRY(env, napi_create_array(env, &out));
  NAPI_TRY(env, napi_create_uint32(env, notice->core->number, &value));
  NAPI_TRY(env, napi_set_element(env, out, 1, value));
  if (notice->client != 0) return describe_disconnected(env, notice, out);
  sse_core_join(notice->core);
  NAPI_TRY(env, napi_create_string_utf8(env, "stopped", NAPI_AUTO_LENGTH, &value));
  NAPI_TRY(env, napi_set_element(env, out, 0, value));
  return out;
}

sse_notice_t *sse_notice_new(sse_core_t *core) {
  sse_notice_t *notice = sse_calloc(1, sizeof(*notice));
  if (notice == NULL) return NULL;
  notice->event.describe = describe_notice;
  notice->event.free = notice_free;
  notice->core = core;
  core->refs++;
  return notice;
}

void sse_notice_discard(sse_notice_t *notice) {
  sse_core_t *core = notice->core;
  sse_free(notice);
  sse_core_unref(core);
}

/* [io] The up-call of the socket sinks. */
static void notice_closed(void *tag, sse_handle_t client, sse_reason_t reason) {
  sse_notice_t *notice = tag;
  notice->client = client;
  notice->reason = reason;
  sse_port_post(notice->core->env->port, &notice->event);
}

/* [js] The stream sink's. The port is held only from here: while it is open a
 * stream's own socket keeps the process alive, and a mock in a user's unit test
 * must not. */
static void notice_stream_closed(void *tag, sse_handle_t client, sse_reason_t reason) {
  sse_notice_t *notice = tag;
  sse_env_t *env = notice->core->env;
  if (!env->is_closing) {
    sse_port_ref(notice->core->stream.js, env->port);
    notice->holds_port = true;
  }
  notice_closed(tag, client, reason);
}

/* Every thread has a notice of its own; only the last is delivered. */
void sse_notice_stopped(sse_notice_t *notice) {
  sse_port_post(notice->core->env->port, &notice->event);
}

/* [io] */
static void thread_stopped(void *ctx) {
  sse_notice_stopped(ctx);
}

static int init_threads(sse_core_t *core, const sse_core_config_t *config) {
  core->threads = sse_calloc(config->n_threads, sizeof(*core->threads));
  if (core->threads == NULL) return SSE_ENOMEM;
  sse_upcalls_t upcalls = {notice_closed};
  for (; core->n_threads < config->n_threads; core->n_threads++) {
    sse_thread_t *thread = &core->threads[core->n_threads];
    int rc = sse_thread_init(thread, &config->hub, &upcalls, &core->clock, config->peer_timeout_ms);
    if (rc != 0) return rc;
  }
  return 0;
}

static void deinit_threads(sse_core_t *core) {
  for (uint32_t i = 0; i < core->n_threads; i++) {
    sse_shard_end(&core->threads[i].shard);
    sse_thread_deinit(&core->threads[i]);
  }
  sse_free(core->threads);
}

sse_core_t *sse_core_new(sse_env_t *env, const sse_core_config_t *given) {
  sse_core_config_t config = *given;
  sse_core_t *core = sse_calloc(1, sizeof(*core));
  if (core == NULL) {
    sse_sizes_free(config.sizes);
    return NULL;
  }
  core->env = env;
  core->sizes = config.sizes;
  core->refs = 1;
  core->number = config.number;
  core->clock = sse_clock_start();
  if (uv_random(NULL, NULL, &core->seed, sizeof(core->seed), 0, NULL) != 0) goto fail_seed;
  config.hub.seed = core->seed;
  config.hub.sizes = core->sizes;
  if (config.history_file != NULL && sse_history_open(core, &config, &config.hub) != 0) {
    goto fail_store;
  }
  config.hub.now = sse_clock_now(&core->clock);
  if (config.hub.birth == 0) config.hub.birth = config.hub.now;
  core->last = config.hub.newest > config.hub.birth ? config.hub.newest : config.hub.birth;
  sse_directory_init(&core->directory, core->seed, config.max_slots, config.max_per_user);
  sse_stream_sink_init(&core->stream, env, notice_stream_closed);
  sse_sink_t sink = sse_stream_sink(&core->stream);
  if (sse_shard_init(&core->local, &config.hub, &sink, &core->clock) != 0) goto fail_local;
  if (init_threads(core, &config) != 0) goto fail_threads;
  if (core->store != NULL && sse_history_start(core, &config) != 0) goto fail_threads;
  sse_list_init(&core->env_item);
  sse_list_append(&env->cores, &core->env_item);
  env->refs++;
  return core;

fail_threads:
  deinit_threads(core);
  sse_shard_end(&core->local);
  sse_shard_deinit(&core->local);
fail_local:
  sse_directory_deinit(&core->directory);
fail_store:
  sse_history_free(core);
fail_seed:
  sse_sizes_free(core->sizes);
  sse_free(core);
  return NULL;
}

void sse_core_unref(sse_core_t *core) {
  if (--core->refs > 0) return;
  sse_env_t *env = core->env;
  deinit_threads(core);
  sse_shard_end(&core->local);
  sse_shard_deinit(&core->local);
  sse_stream_sink_unbind(&core->stream);
  sse_directory_deinit(&core->directory);
  sse_history_free(core);
  sse_sizes_free(core->sizes);
  sse_list_remove(&core->env_item);
  sse_free(core);
  sse_env_unref(env);
}

uint64_t sse_core_next_id(sse_core_t *core) {
  uint64_t now = sse_clock_now(&core->clock);
  core->last = now > core->last ? now : core->last + 1;
  return core->last;
}

void sse_core_saw(sse_core_t *core, uint64_t id) {
  if (id > core->last) core->last = id;
}

sse_shard_t *sse_core_shard(sse_core_t *core, const sse_entry_t *entry) {
  bool is_socket = entry->transport == SSE_TRANSPORT_SOCKET;
  return is_socket ? &core->threads[entry->shard].shard : &core->local;
}

static int attach_socket(napi_env env, sse_core_t *core, sse_attach_t *attach, int fd,
                         sse_arrival_t *arrival, sse_notice_t *notice) {
  int rc = 0;
  sse_socket_t *socket = sse_socket_new(fd, notice, &rc);
  if (socket == NULL) return rc;
  arrival->shard = core->next_thread;
  sse_thread_t *thread = &core->threads[arrival->shard];
  attach->endpoint = socket;
  sse_command_t *command = sse_command_attach(attach);
  rc = command == NULL ? SSE_ENOMEM : sse_thread_start(thread);
  if (rc == 0) rc = sse_directory_arrive(&core->directory, attach->client, arrival);
  if (rc != 0) {
    sse_command_free(command);
    sse_socket_discard(socket);
    return rc;
  }
  core->next_thread = (core->next_thread + 1) % core->n_threads;
  sse_port_ref(env, core->env->port);
  notice->holds_port = true;
  sse_shard_post_later(&thread->shard, command);
  return 0;
}

static int attach_stream(sse_core_t *core, sse_attach_t *attach, sse_arrival_t *arrival,
                         sse_notice_t *notice) {
  attach->endpoint = notice;
  sse_command_t *command = sse_command_attach(attach);
  if (command == NULL) return SSE_ENOMEM;
  int rc = sse_directory_arrive(&core->directory, attach->client, arrival);
  if (rc != 0) {
    sse_command_free(command);
    return rc;
  }
  sse_shard_post(&core->local, command);
  return 0;
}

int sse_core_attach(napi_env env, sse_core_t *core, sse_attach_t *attach, int fd,
                    sse_arrival_t *arrival) {
  sse_notice_t *notice = sse_notice_new(core);
  if (notice == NULL) return SSE_ENOMEM;
  arrival->transport = fd >= 0 ? SSE_TRANSPORT_SOCKET : SSE_TRANSPORT_STREAM;
  int rc = fd >= 0 ? attach_socket(env, core, attach, fd, arrival, notice)
                   : attach_stream(core, attach, arrival, notice);
  if (rc != 0) sse_notice_discard(notice);
  return rc;
}

/* For one part of the core that is about to end. NULL: nobody is to be told. */
static sse_notice_t *stop_notice(napi_env env, sse_core_t *core) {
  sse_notice_t *notice = env == NULL ? NULL : sse_notice_new(core);
  if (notice == NULL) return NULL;
  sse_port_ref(env, core->env->port);
  notice->holds_port = true;
  core->n_live++;
  return notice;
}

void sse_core_stop(napi_env env, sse_core_t *core) {
  if (core->is_stopped) return;
  core->is_stopped = true;
  core->n_live = 0;
  sse_shard_end(&core->local);
  if (core->store != NULL) sse_history_stop(core, stop_notice(env, core));
  for (uint32_t i = 0; i < core->n_threads; i++) {
    sse_thread_t *thread = &core->threads[i];
    sse_notice_t *notice = stop_notice(env, core);
    if (notice != NULL) {
      thread->stopped = thread_stopped;
      thread->stopped_ctx = notice;
    }
    sse_thread_stop(thread);
  }
}

uint64_t sse_core_delivered(const sse_core_t *core) {
  const sse_shard_t *local = &core->local;
  uint64_t sum = local->hub == NULL ? local->delivered : sse_hub_counters(local->hub).delivered;
  for (uint32_t i = 0; i < core->n_threads; i++) {
    const sse_thread_t *thread = &core->threads[i];
    /* A thread that is ending frees its hub: wait for its last count. */
    bool has_ended = atomic_load_explicit(&thread->is_stopping, memory_order_relaxed);
    sum += has_ended ? atomic_load_explicit(&thread->delivered, memory_order_relaxed)
                     : sse_hub_counters(thread->shard.hub).delivered;
  }
  return sum;
}

void sse_core_wake(sse_core_t *core) {
  if (core->is_stopped) return; /* the threads drain, and close what could be woken */
  for (uint32_t i = 0; i < core->n_threads; i++)
    sse_shard_wake(&core->threads[i].shard);
}

void sse_core_join(sse_core_t *core) {
  for (uint32_t i = 0; i < core->n_threads; i++)
    sse_thread_join(&core->threads[i]);
  if (core->store != NULL) sse_store_join(core->store);
}
