/* jose_values.h - how the trust wing's objects cross to JS and back. For the
 * two jose bindings alone. */
#ifndef SSE_NAPI_JOSE_VALUES_H
#define SSE_NAPI_JOSE_VALUES_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jose/claims.h"
#include "jose/reason.h"

typedef enum { SSE_JOSE_CONFIG, SSE_JOSE_JWKS, SSE_JOSE_TOKEN } sse_jose_kind_t;

/* What createConfig made; owns the texts that `claims` points to. */
typedef struct {
  sse_claims_config_t claims;
  sse_text_t *issuers;
  sse_text_t *audiences;
  char *typ;
} sse_jose_config_t;

/* Bytes of a string or a Uint8Array. */
typedef struct {
  const char *ptr;
  size_t len;
  char *owned; /* NULL: borrowed from the array for the length of the call */
} sse_jose_bytes_t;

/* [js] Reads exactly `count` arguments, and the method's data unless `data` is
 * NULL. False with a pending exception. */
bool sse_jose_args(napi_env env, napi_callback_info info, size_t count, napi_value *argv,
                   void **data);

/* [js] An external that owns `ptr` (its finalizer drops it), tagged with its
 * kind. `extra`: bytes that V8 should know of. NULL with a pending exception;
 * `ptr` has been dropped then. */
napi_value sse_jose_wrap(napi_env env, sse_jose_kind_t kind, void *ptr, int64_t extra);

/* [js] What an external of this kind holds, borrowed. False with a pending
 * exception for anything else. */
bool sse_jose_unwrap(napi_env env, napi_value value, sse_jose_kind_t kind, void **out);

/* [js] The reason's name. NULL with a pending exception. */
napi_value sse_jose_reason_value(napi_env env, sse_jose_reason_t reason);

/* [js] False with a pending exception; free with sse_jose_bytes_free. */
bool sse_jose_bytes(napi_env env, napi_value value, sse_jose_bytes_t *out);
void sse_jose_bytes_free(sse_jose_bytes_t *bytes);

/* [js] Reads createConfig's argument. NULL with a pending exception. */
sse_jose_config_t *sse_jose_config_read(napi_env env, napi_value options);
void sse_jose_config_free(sse_jose_config_t *config);

/* [js] Adds the functions of lib/conformance.js to `target`. */
napi_status sse_jose_conformance_init(napi_env env, napi_value target);

#endif
