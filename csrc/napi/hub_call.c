/* hub_call.c - arguments and answers; see hub_call.h. */
#include "napi/hub_call.h"

#include "napi/napi_util.h"

static const napi_type_tag CORE_TAG = {0x6e61746976652d73, 0x73652d636f72652d};

bool sse__call_begin_bare(napi_env env, napi_callback_info info, sse_call_t *call) {
  *call = (sse_call_t){.env = env, .argc = SSE_CALL_MAX_ARGS};
  void *data = NULL;
  if (napi_get_cb_info(env, info, &call->argc, call->argv, NULL, &data) != napi_ok) {
    sse_napi_throw_last(env, "napi_get_cb_info");
    return false;
  }
  call->self = data;
  return true;
}

bool sse__call_begin(napi_env env, napi_callback_info info, sse_call_t *call) {
  void *core = NULL;
  bool is_core = false;
  if (!sse__call_begin_bare(env, info, call)) return false;
  if (call->argc == 0 ||
      napi_check_object_type_tag(env, call->argv[0], &CORE_TAG, &is_core) != napi_ok || !is_core ||
      napi_get_value_external(env, call->argv[0], &core) != napi_ok) {
    sse_napi_throw(env, "ERR_SSE_INTERNAL", "the first argument is not a core");
    return false;
  }
  call->core = core;
  return true;
}

napi_value sse__call_wrap_core(napi_env env, sse_core_t *core, napi_finalize finalize) {
  napi_value out;
  if (napi_create_external(env, core, finalize, NULL, &out) != napi_ok) {
    sse_core_unref(core);
    sse_napi_throw_last(env, "napi_create_external");
    return NULL;
  }
  NAPI_TRY(env, napi_type_tag_object(env, out, &CORE_TAG));
  return out;
}

uint64_t sse__call_to_u64(napi_env env, napi_value from) {
  double value = 0;
  if (napi_get_value_double(env, from, &value) != napi_ok || !(value > 0)) return 0;
  return value >= 9007199254740992.0 ? UINT64_C(1) << 53 : (uint64_t)value;
}

uint64_t sse__call_u64(const sse_call_t *call, size_t i) {
  return i < call->argc ? sse__call_to_u64(call->env, call->argv[i]) : 0;
}

double sse__call_double(const sse_call_t *call, size_t i) {
  double value = 0;
  if (i < call->argc) napi_get_value_double(call->env, call->argv[i], &value);
  return value;
}

napi_value sse__call_number(napi_env env, double value) {
  napi_value out;
  NAPI_TRY(env, napi_create_double(env, value, &out));
  return out;
}

napi_value sse__call_boolean(napi_env env, bool value) {
  napi_value out;
  NAPI_TRY(env, napi_get_boolean(env, value, &out));
  return out;
}

napi_value sse__call_numbers(napi_env env, const double *values, uint32_t n) {
  napi_value out, value;
  NAPI_TRY(env, napi_create_array_with_length(env, n, &out));
  for (uint32_t i = 0; i < n; i++) {
    NAPI_TRY(env, napi_create_double(env, values[i], &value));
    NAPI_TRY(env, napi_set_element(env, out, i, value));
  }
  return out;
}

napi_value sse__call_out_of_memory(napi_env env) {
  return sse_napi_throw(env, "ERR_SSE_INTERNAL", "out of memory");
}

napi_value sse__call_post_to_client(const sse_call_t *call, sse_command_t *command) {
  if (command == NULL) return sse__call_out_of_memory(call->env);
  const sse_entry_t *entry = sse_directory_find(&call->core->directory, command->client);
  bool is_known = entry != NULL && entry->is_client && !call->core->is_stopped;
  if (is_known) {
    sse_shard_post(sse_core_shard(call->core, entry), command);
  } else {
    sse_command_free(command);
  }
  return sse__call_boolean(call->env, is_known);
}
