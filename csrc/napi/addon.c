/* addon.c - the entry of the addon: per-environment state and the two wings. */
#include <node_api.h>

#include "napi/env.h"
#include "napi/napi_util.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

/* onEvents(handler): handler receives each batch of native events. */
static napi_value on_events(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value handler;
  void *data;
  NAPI_TRY(env, napi_get_cb_info(env, info, &argc, &handler, NULL, &data));
  NAPI_TRY(env, sse_port_set_handler(env, ((sse_env_t *)data)->port, handler));
  return NULL;
}

NAPI_MODULE_INIT() {
  sse_env_t *self = sse_env_new(env);
  if (self == NULL) return NULL;
  static const sse_napi_method_t methods[] = {{"onEvents", on_events}};
  NAPI_TRY(env, sse_napi_define(env, exports, methods, 1, self));
  napi_value sanitized;
  NAPI_TRY(env, napi_get_boolean(env, IS_SANITIZED, &sanitized));
  NAPI_TRY(env, napi_set_named_property(env, exports, "isSanitized", sanitized));
  NAPI_TRY(env, sse_hub_binding_init(env, exports, self));
  NAPI_TRY(env, sse_jose_binding_init(env, exports, self));
  return exports;
}
