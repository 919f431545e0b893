/* napi_util.c - shared idioms of the bindings; see napi_util.h. */
#include "napi/napi_util.h"

#include <stdio.h>

#include "hub/mem.h"

void sse_napi_throw_last(napi_env env, const char *call) {
  bool is_pending = false;
  const napi_extended_error_info *info = NULL;
  napi_get_last_error_info(env, &info);
  if (napi_is_exception_pending(env, &is_pending) != napi_ok || is_pending) return;
  char message[256];
  const char *why = info != NULL && info->error_message != NULL ? info->error_message : "failed";
  snprintf(message, sizeof(message), "%.160s: %.80s", call, why);
  napi_throw_error(env, "ERR_SSE_INTERNAL", message);
}

napi_value sse_napi_throw(napi_env env, const char *code, const char *message) {
  napi_throw_error(env, code, message);
  return NULL;
}

bool sse_napi_string(napi_env env, napi_value value, char **out, size_t *len) {
  size_t size = 0;
  *out = NULL;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &size) != napi_ok) {
    sse_napi_throw_last(env, "napi_get_value_string_utf8");
    return false;
  }
  char *text = sse_malloc(size + 1);
  if (text == NULL) {
    sse_napi_throw(env, "ERR_SSE_INTERNAL", "out of memory");
    return false;
  }
  if (napi_get_value_string_utf8(env, value, text, size + 1, len) != napi_ok) {
    sse_free(text);
    sse_napi_throw_last(env, "napi_get_value_string_utf8");
    return false;
  }
  *out = text;
  return true;
}

napi_status sse_napi_define(napi_env env, napi_value target, const sse_napi_method_t *methods,
                            size_t n, void *data) {
  for (size_t i = 0; i < n; i++) {
    napi_property_descriptor property = {.utf8name = methods[i].name,
                                         .method = methods[i].call,
                                         .attributes = napi_enumerable,
                                         .data = data};
    napi_status status = napi_define_properties(env, target, 1, &property);
    if (status != napi_ok) return status;
  }
  return napi_ok;
}
