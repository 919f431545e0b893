/* hub_events.c - the functions of the streaming wing that take events: published
 * here, or elsewhere (a backplane's log, a stored history). JS has validated
 * every argument. [js] throughout. */
#include "hub/mem.h"
#include "napi/fanout.h"
#include "napi/history_file.h"
#include "napi/hub_call.h"
#include "napi/key_list.h"
#include "napi/napi_util.h"

/* How an event is written: `event:` its type, without that line, or once each
 * (the one for addEventListener, the other for onmessage). */
enum { FORM_NAMED, FORM_UNNAMED, FORM_BOTH };

static sse_frame_t *encode(sse_event_t event, uint64_t form) {
  sse_event_t forms[] = {event, event};
  forms[1].type = sse_span("", 0);
  if (form == FORM_BOTH) return sse_frame_from_events(forms, 2);
  return sse_frame_from_event(&forms[form == FORM_UNNAMED ? 1 : 0]);
}

/* A frame of the JS strings `type` and `data`; NULL with a pending exception. */
static sse_frame_t *read_frame(napi_env env, uint64_t id, napi_value type, napi_value data,
                               uint64_t form) {
  char *type_text = NULL, *data_text = NULL;
  size_t type_len = 0, data_len = 0;
  sse_frame_t *frame = NULL;
  if (!sse_napi_string(env, type, &type_text, &type_len)) return NULL;
  if (sse_napi_string(env, data, &data_text, &data_len)) {
    sse_event_t event = {id, sse_span(type_text, type_len), sse_span(data_text, data_len),
                         SSE_NO_RETRY};
    frame = encode(event, form);
    if (frame == NULL) sse__call_out_of_memory(env);
  }
  sse_free(data_text);
  sse_free(type_text);
  return frame;
}

/* publish(core, type, data, keys, form) -> id */
static napi_value publish(napi_env env, napi_callback_info info) {
  sse_call_t call;
  sse_key_list_t keys;
  sse_fanout_t fanout;
  if (!sse__call_begin(env, info, &call)) return NULL;
  if (!sse_key_list_read(env, call.argv[3], call.core->seed, &keys)) return NULL;
  uint64_t id = sse_core_next_id(call.core);
  sse_frame_t *frame = read_frame(env, id, call.argv[1], call.argv[2], sse__call_u64(&call, 4));
  bool is_read = frame != NULL;
  sse_fanout_begin(&fanout, call.core);
  int rc = is_read ? sse_fanout_publish(&fanout, frame, keys.keys, keys.n) : SSE_EINVAL;
  /* Before anybody gets it: what a crash could lose must be known to be under way. */
  if (rc == 0 && call.core->store != NULL) {
    sse_history_append(env, call.core, frame, keys.keys, keys.n);
  }
  sse_frame_unref(frame);
  sse_key_list_deinit(&keys);
  if (rc == 0) {
    call.core->published++;
    sse_fanout_post(&fanout);
    return sse__call_number(env, (double)id);
  }
  sse_fanout_discard(&fanout);
  return is_read ? sse__call_out_of_memory(env) : NULL;
}

/* A record of an event that has its id: [id, type, data, form, keys?]. */
enum { RECORD_ID, RECORD_TYPE, RECORD_DATA, RECORD_FORM, RECORD_KEYS, RECORD_SIZE };

typedef struct {
  napi_value member[RECORD_SIZE];
  uint64_t id;
} record_t;

static bool read_record(napi_env env, napi_value list, uint32_t i, uint32_t size, record_t *out) {
  napi_value record = NULL;
  napi_status status = napi_get_element(env, list, i, &record);
  for (uint32_t m = 0; status == napi_ok && m < size; m++)
    status = napi_get_element(env, record, m, &out->member[m]);
  if (status != napi_ok) {
    sse_napi_throw_last(env, "reading records");
    return false;
  }
  out->id = sse__call_to_u64(env, out->member[RECORD_ID]);
  return true;
}

static sse_frame_t *frame_of_record(napi_env env, const record_t *record) {
  uint64_t form = sse__call_to_u64(env, record->member[RECORD_FORM]);
  return read_frame(env, record->id, record->member[RECORD_TYPE], record->member[RECORD_DATA],
                    form);
}

/* Adds record `i`; false with a pending exception. */
static bool ingest_one(const sse_call_t *call, uint32_t i, sse_fanout_t *fanout, uint64_t *id) {
  napi_env env = call->env;
  record_t record;
  sse_key_list_t keys;
  if (!read_record(env, call->argv[1], i, RECORD_SIZE, &record)) return false;
  sse_frame_t *frame = frame_of_record(env, &record);
  if (frame == NULL) return false;
  if (!sse_key_list_read(env, record.member[RECORD_KEYS], call->core->seed, &keys)) {
    sse_frame_unref(frame);
    return false;
  }
  int rc = sse_fanout_publish(fanout, frame, keys.keys, keys.n);
  sse_frame_unref(frame);
  sse_key_list_deinit(&keys);
  if (rc != 0) sse__call_out_of_memory(env);
  *id = record.id;
  return rc == 0;
}

/* ingest(core, [[id, type, data, form, keys], …]): events that were given their
 * ids elsewhere, ascending. All of them, or none with an exception. */
static napi_value ingest(napi_env env, napi_callback_info info) {
  sse_call_t call;
  uint32_t n = 0;
  uint64_t id = 0;
  if (!sse__call_begin(env, info, &call)) return NULL;
  NAPI_TRY(env, napi_get_array_length(env, call.argv[1], &n));
  sse_fanout_t fanout;
  sse_fanout_begin(&fanout, call.core);
  for (uint32_t i = 0; i < n; i++) {
    napi_handle_scope scope;
    bool ok = napi_open_handle_scope(env, &scope) == napi_ok;
    if (ok) {
      ok = ingest_one(&call, i, &fanout, &id);
      napi_close_handle_scope(env, scope);
    }
    if (!ok) {
      sse_fanout_discard(&fanout);
      return NULL;
    }
  }
  sse_core_saw(call.core, id);
  sse_fanout_post(&fanout);
  return NULL;
}

/* Reads records into `frames`, which has room for `n`. Returns how many were
 * read; fewer than `n` with a pending exception. */
static uint32_t read_frames(const sse_call_t *call, napi_value list, uint32_t n,
                            sse_frame_t **frames) {
  uint32_t i = 0;
  for (; i < n; i++) {
    napi_handle_scope scope;
    record_t record;
    if (napi_open_handle_scope(call->env, &scope) != napi_ok) break;
    bool ok = read_record(call->env, list, i, RECORD_KEYS, &record);
    frames[i] = ok ? frame_of_record(call->env, &record) : NULL;
    napi_close_handle_scope(call->env, scope);
    if (frames[i] == NULL) break;
    sse_core_saw(call->core, record.id);
  }
  return i;
}

/* hydrate(core, keys, [[id, type, data, form], …], floor): older events of one
 * key, ascending, complete above `floor`. All of them, or none with an exception. */
static napi_value hydrate(napi_env env, napi_callback_info info) {
  sse_call_t call;
  sse_key_list_t keys;
  uint32_t n = 0;
  if (!sse__call_begin(env, info, &call)) return NULL;
  NAPI_TRY(env, napi_get_array_length(env, call.argv[2], &n));
  if (!sse_key_list_read(env, call.argv[1], call.core->seed, &keys)) return NULL;
  sse_frame_t **frames = sse_malloc((n + (size_t)1) * sizeof(*frames));
  uint32_t n_read = frames == NULL ? 0 : read_frames(&call, call.argv[2], n, frames);
  bool is_read = frames != NULL && n_read == n;
  sse_fanout_t fanout;
  sse_fanout_begin(&fanout, call.core);
  int rc = is_read && keys.n == 1
               ? sse_fanout_hydrate(&fanout, keys.keys, frames, n, sse__call_u64(&call, 3))
               : SSE_EINVAL;
  for (uint32_t i = 0; i < n_read; i++)
    sse_frame_unref(frames[i]);
  sse_free(frames);
  sse_key_list_deinit(&keys);
  if (rc == 0) {
    sse_fanout_post(&fanout);
    return NULL;
  }
  sse_fanout_discard(&fanout);
  return frames == NULL || is_read ? sse__call_out_of_memory(env) : NULL;
}

/* gap(core, floor): events up to `floor` may have been missed; clients are told */
static napi_value gap(napi_env env, napi_callback_info info) {
  sse_call_t call;
  sse_fanout_t fanout;
  if (!sse__call_begin(env, info, &call)) return NULL;
  uint64_t floor = sse__call_u64(&call, 1);
  sse_fanout_begin(&fanout, call.core);
  if (sse_fanout_gap(&fanout, floor) != 0) {
    sse_fanout_discard(&fanout);
    return sse__call_out_of_memory(env);
  }
  sse_core_saw(call.core, floor);
  sse_fanout_post(&fanout);
  return NULL;
}

/* send(core, handle, type, data) -> whether the client is there: an event without
 * an id, in no history */
static napi_value send_to_client(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  sse_frame_t *frame = read_frame(env, 0, call.argv[2], call.argv[3], FORM_NAMED);
  if (frame == NULL) return NULL;
  sse_command_t *command = sse_command_direct_client(sse__call_u64(&call, 1), frame);
  sse_frame_unref(frame);
  return sse__call_post_to_client(&call, command);
}

napi_status sse__hub_events_define(napi_env env, napi_value hub, sse_env_t *self) {
  static const sse_napi_method_t methods[] = {{"publish", publish},
                                              {"ingest", ingest},
                                              {"hydrate", hydrate},
                                              {"gap", gap},
                                              {"send", send_to_client}};
  return sse_napi_define(env, hub, methods, sizeof(methods) / sizeof(*methods), self);
}
