/* env.h - what one environment (the main thread or a worker) owns natively.
 * No statics anywhere in csrc/napi: this struct is the only per-copy state, so
 * that the addon can be loaded by workers and twice in one process. */
#ifndef SSE_NAPI_ENV_H
#define SSE_NAPI_ENV_H

#include <node_api.h>
#include <stdbool.h>

#include "hub/list.h"
#include "napi/event_port.h"

typedef struct {
  sse_port_t *port;
  sse_list_t cores; /* every sse_core_t that is not freed, by its `env_item` */
  bool is_closing;  /* the environment ends: no JS may be called            */
  int refs;         /* holders: the environment (1) + each core (n)         */
} sse_env_t;

/* [js] NULL with a pending exception. One reference, the environment's: it is
 * dropped by the cleanup hook that this adds, after every core has ended. */
sse_env_t *sse_env_new(napi_env env);
void sse_env_unref(sse_env_t *self);

/* [js] One binding a wing; each adds its functions to `exports`. */
napi_status sse_hub_binding_init(napi_env env, napi_value exports, sse_env_t *self);
napi_status sse_jose_binding_init(napi_env env, napi_value exports, sse_env_t *self);

#endif
