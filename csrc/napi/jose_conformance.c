/* jose_conformance.c - single steps of the verification for lib/conformance.js,
 * so that third-party vectors can be run against exactly this code. */
#include <node_api.h>

#include "jose/verify.h"
#include "napi/jose_values.h"
#include "napi/napi_util.h"

/* verifyJws(token, jwksText) -> reason */
static napi_value js_verify_jws(napi_env env, napi_callback_info info) {
  napi_value argv[2] = {NULL};
  sse_jose_bytes_t token = {0};
  sse_jose_bytes_t text = {0};
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jwks_t *jwks = NULL;
  bool ok = sse_jose_args(env, info, 2, argv, NULL) && sse_jose_bytes(env, argv[0], &token) &&
            sse_jose_bytes(env, argv[1], &text);
  if (ok) jwks = sse_jwks_load(text.ptr, text.len, &reason, NULL);
  if (jwks) reason = sse_jws_verify_token(token.ptr, token.len, jwks);
  sse_jwks_unref(jwks);
  sse_jose_bytes_free(&text);
  sse_jose_bytes_free(&token);
  return ok ? sse_jose_reason_value(env, reason) : NULL;
}

/* verifySignature(alg, jwk, message, signature) -> reason */
static napi_value js_verify_signature(napi_env env, napi_callback_info info) {
  napi_value argv[4] = {NULL};
  sse_jose_bytes_t part[4] = {{0}};
  sse_text_t text[4] = {{0}};
  sse_jose_reason_t reason = SSE_JOSE_OK;
  bool ok = sse_jose_args(env, info, 4, argv, NULL);
  for (size_t i = 0; ok && i < 4; i++) {
    ok = sse_jose_bytes(env, argv[i], &part[i]);
    text[i] = sse_text(part[i].ptr, part[i].len);
  }
  if (ok) reason = sse_jws_verify_raw(text[0], text[1], text[2], text[3]);
  for (size_t i = 0; i < 4; i++)
    sse_jose_bytes_free(&part[i]);
  return ok ? sse_jose_reason_value(env, reason) : NULL;
}

/* scanJson(bytes) -> reason */
static napi_value js_scan_json(napi_env env, napi_callback_info info) {
  napi_value argv[1] = {NULL};
  sse_jose_bytes_t bytes = {0};
  sse_jose_reason_t reason;
  if (!sse_jose_args(env, info, 1, argv, NULL)) return NULL;
  if (!sse_jose_bytes(env, argv[0], &bytes)) return NULL;
  reason = sse_json_strict_scan(bytes.ptr, bytes.len);
  sse_jose_bytes_free(&bytes);
  return sse_jose_reason_value(env, reason);
}

napi_status sse_jose_conformance_init(napi_env env, napi_value target) {
  static const sse_napi_method_t methods[] = {
      {"verifyJws", js_verify_jws},
      {"verifySignature", js_verify_signature},
      {"scanJson", js_scan_json},
  };
  return sse_napi_define(env, target, methods, sizeof methods / sizeof *methods, NULL);
}
