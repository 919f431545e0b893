/* env.c - the life of an environment's native state; see env.h. */
#include "napi/env.h"

#include "hub/mem.h"
#include "hub/table.h"
#include "napi/core.h"
#include "napi/napi_util.h"

void sse_env_unref(sse_env_t *self) {
  if (--self->refs > 0) return;
  sse_port_free(self->port);
  sse_free(self);
}

/* Runs at a natural end and when a worker ends, before the threadsafe function
 * and the externals are finalised (hooks run last-added first, finalisers after
 * them). Not on process.exit() of the main thread, where the process takes
 * every thread with it. */
static void on_env_end(void *arg) {
  sse_env_t *self = arg;
  self->is_closing = true;
  for (sse_list_t *item = self->cores.next; item != &self->cores; item = item->next) {
    sse_core_t *core = SSE_CONTAINER_OF(item, sse_core_t, env_item);
    sse_core_stop(NULL, core);
  }
  for (sse_list_t *item = self->cores.next; item != &self->cores; item = item->next) {
    sse_core_join(SSE_CONTAINER_OF(item, sse_core_t, env_item));
  }
  /* Frees the notices that were under way, and with them maybe cores. */
  sse_port_close(self->port);
  sse_env_unref(self);
}

sse_env_t *sse_env_new(napi_env env) {
  sse_env_t *self = sse_calloc(1, sizeof(*self));
  if (self == NULL) {
    sse_napi_throw(env, "ERR_SSE_INTERNAL", "out of memory");
    return NULL;
  }
  sse_list_init(&self->cores);
  self->refs = 1;
  self->port = sse_port_new(env);
  if (self->port == NULL) {
    sse_free(self);
    return NULL;
  }
  if (napi_add_env_cleanup_hook(env, on_env_end, self) == napi_ok) return self;
  sse_napi_throw_last(env, "napi_add_env_cleanup_hook");
  sse_port_close(self->port);
  sse_env_unref(self);
  return NULL;
}
