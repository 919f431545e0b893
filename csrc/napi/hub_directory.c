/* hub_directory.c - who is connected, for JS: slots, clients, users and when
 * they are to end. Numbers and names only; nothing here posts to a hub. [js] */
#include "hub/mem.h"
#include "napi/hub_call.h"
#include "napi/napi_util.h"

/* reserve(core) -> handle, or 0 when maxClients is reached */
static napi_value reserve(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  sse_handle_t handle = 0;
  int rc = sse_directory_reserve(&call.core->directory, &handle);
  if (rc == SSE_ENOMEM) return sse__call_out_of_memory(env);
  return sse__call_number(env, rc == 0 ? (double)handle : 0);
}

/* What a user's key borrows. */
typedef struct {
  char *issuer, *name;
} user_text_t;

static void free_user(user_text_t *text) {
  sse_free(text->issuer);
  sse_free(text->name);
}

/* Reads (issuer, userId) from argument `i` on. On true, call free_user. */
static bool read_user(const sse_call_t *call, size_t i, user_text_t *text, sse_key_t *key) {
  size_t issuer_len = 0, name_len = 0;
  *text = (user_text_t){0};
  if (!sse_napi_string(call->env, call->argv[i], &text->issuer, &issuer_len) ||
      !sse_napi_string(call->env, call->argv[i + 1], &text->name, &name_len)) {
    free_user(text);
    return false;
  }
  *key = sse_key(call->core->seed, SSE_SCOPE_USER, sse_span(text->issuer, issuer_len),
                 sse_span(text->name, name_len));
  return true;
}

/* assign(core, handle, issuer, userId) -> false when the user has too many */
static napi_value assign(napi_env env, napi_callback_info info) {
  sse_call_t call;
  user_text_t text;
  sse_key_t key;
  if (!sse__call_begin(env, info, &call) || !read_user(&call, 2, &text, &key)) return NULL;
  int rc = sse_directory_assign(&call.core->directory, sse__call_u64(&call, 1), &key);
  free_user(&text);
  if (rc == SSE_ENOMEM) return sse__call_out_of_memory(env);
  return sse__call_boolean(env, rc == 0);
}

/* release(core, handle) -> whether the slot was taken */
static napi_value release(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  return sse__call_boolean(env,
                           sse_directory_release(&call.core->directory, sse__call_u64(&call, 1)));
}

/* clients(core) -> handles in the order of arrival */
static napi_value clients(napi_env env, napi_callback_info info) {
  sse_call_t call;
  napi_value out;
  if (!sse__call_begin(env, info, &call)) return NULL;
  NAPI_TRY(env, napi_create_array(env, &out));
  const sse_entry_t *entry = NULL;
  for (uint32_t n = 0; (entry = sse_directory_next(&call.core->directory, entry)) != NULL; n++) {
    napi_value handle = sse__call_number(env, (double)entry->handle);
    if (handle == NULL) return NULL;
    NAPI_TRY(env, napi_set_element(env, out, n, handle));
  }
  return out;
}

/* clientsOf(core, issuer, userId) -> handles of the user's clients */
static napi_value clients_of(napi_env env, napi_callback_info info) {
  sse_call_t call;
  napi_value out;
  user_text_t text;
  sse_key_t key;
  if (!sse__call_begin(env, info, &call)) return NULL;
  NAPI_TRY(env, napi_create_array(env, &out));
  if (!read_user(&call, 1, &text, &key)) return NULL;
  uint32_t n = 0;
  const sse_entry_t *entry = NULL;
  while ((entry = sse_directory_next_of(&call.core->directory, &key, entry)) != NULL) {
    if (!entry->is_client) continue;
    napi_value handle = sse__call_number(env, (double)entry->handle);
    if (handle == NULL || napi_set_element(env, out, n++, handle) != napi_ok) break;
  }
  free_user(&text);
  return out;
}

/* nextEnd(core) -> when the next client is to end, ms since the epoch; 0: none */
static napi_value next_end(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  return sse__call_number(env, sse_directory_next_end(&call.core->directory));
}

/* takeDue(core, now) -> [handle, reason index] of a client whose time has come
 * by now (ms since the epoch), each once; undefined when there is none */
static napi_value take_due(napi_env env, napi_callback_info info) {
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  const sse_entry_t *entry =
      sse_directory_take_due(&call.core->directory, sse__call_double(&call, 1));
  if (entry == NULL) return NULL;
  const double values[] = {(double)entry->handle, (double)entry->end_reason};
  return sse__call_numbers(env, values, 2);
}

/* client(core, id | handle) -> description, or undefined */
static napi_value client(napi_env env, napi_callback_info info) {
  sse_call_t call;
  napi_valuetype type;
  if (!sse__call_begin(env, info, &call)) return NULL;
  NAPI_TRY(env, napi_typeof(env, call.argv[1], &type));
  const sse_entry_t *entry;
  if (type == napi_number) {
    entry = sse_directory_find(&call.core->directory, sse__call_u64(&call, 1));
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
  sse_call_t call;
  if (!sse__call_begin(env, info, &call)) return NULL;
  const sse_core_t *core = call.core;
  const double values[] = {(double)core->directory.n_clients[SSE_TRANSPORT_SOCKET],
                           (double)core->directory.n_clients[SSE_TRANSPORT_STREAM],
                           (double)core->published, (double)sse_core_delivered(core)};
  return sse__call_numbers(env, values, sizeof(values) / sizeof(*values));
}

napi_status sse__hub_directory_define(napi_env env, napi_value hub, sse_env_t *self) {
  static const sse_napi_method_t methods[] = {
      {"reserve", reserve},  {"assign", assign},        {"release", release},
      {"clients", clients},  {"clientsOf", clients_of}, {"client", client},
      {"nextEnd", next_end}, {"takeDue", take_due},     {"counts", counts},
  };
  return sse_napi_define(env, hub, methods, sizeof(methods) / sizeof(*methods), self);
}
