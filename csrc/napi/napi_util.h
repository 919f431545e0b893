/* napi_util.h - the few idioms every binding uses. A failed Node-API call is
 * either a pending exception (the environment may be terminating) or our bug;
 * in both cases the function returns quietly with NULL. */
#ifndef SSE_NAPI_UTIL_H
#define SSE_NAPI_UTIL_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/span.h"

/* Returns NULL from the calling function unless `call` is napi_ok; the source
 * text of the call becomes the message unless an exception is pending. */
#define NAPI_TRY(env, call)              \
  do {                                   \
    if ((call) != napi_ok) {             \
      sse_napi_throw_last((env), #call); \
      return NULL;                       \
    }                                    \
  } while (0)

/* [js] Throws ERR_SSE_INTERNAL for a failed Node-API call, unless an exception
 * is already pending. */
void sse_napi_throw_last(napi_env env, const char *call);

/* [js] Throws `new Error(message)` with `code`. Always returns NULL. */
napi_value sse_napi_throw(napi_env env, const char *code, const char *message);

/* [js] Copies a JS string as UTF-8 into fresh memory (sse_malloc), NUL added
 * behind the length. False with a pending exception on failure. */
bool sse_napi_string(napi_env env, napi_value value, char **out, size_t *len);

/* [js] Defines `n` methods on `target`. */
typedef struct {
  const char *name;
  napi_callback call;
} sse_napi_method_t;
napi_status sse_napi_define(napi_env env, napi_value target, const sse_napi_method_t *methods,
                            size_t n, void *data);

#endif
