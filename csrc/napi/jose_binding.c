/* jose_binding.c - the trust wing for JS: `exports.jose`.
 *
 * DESIGN: JS holds three kinds of externals: a config (what tokens must be
 * like), a key set and a parsed token. Parsing and claims run on the JS thread,
 * since they decide the answer anyway and take microseconds; the signature goes
 * to libuv's pool. Its verdict comes back through the event port like every
 * other event, so that a storm of logins costs few crossings. */
#include <node_api.h>

#include "hub/mem.h"
#include "jose/jose_mem.h"
#include "jose/verify.h"
#include "napi/env.h"
#include "napi/event_port.h"
#include "napi/jose_values.h"
#include "napi/napi_util.h"

/* One signature check. It is the port's from the post on, which may be over
 * before the async work's own completion: so the work is held elsewhere. */
typedef struct {
  sse_port_event_t event; /* must be first: the port frees by it */
  sse_port_t *port;
  sse_token_t *token;   /* own reference */
  sse_jwks_t *jwks;     /* own reference: keeps `key` alive */
  const sse_jwk_t *key; /* borrowed from `jwks` */
  int64_t request_id;
  sse_jose_reason_t reason;
} check_t;

typedef struct {
  napi_async_work work;
  sse_env_t *self; /* own reference: the port outlives the pool's use of it */
  check_t *check;  /* NULL once posted */
} check_work_t;

static void check_free(sse_port_event_t *event) {
  check_t *check = (check_t *)event;
  sse_token_unref(check->token);
  sse_jwks_unref(check->jwks);
  sse_free(check);
}

static napi_value check_describe(napi_env env, sse_port_event_t *event) {
  check_t *check = (check_t *)event;
  napi_value list = NULL;
  napi_value item = NULL;
  /* Unreferenced first: a failure below must not keep the process alive. */
  sse_port_unref(env, check->port);
  NAPI_TRY(env, napi_create_array_with_length(env, 3, &list));
  NAPI_TRY(env, napi_create_string_utf8(env, "verified", NAPI_AUTO_LENGTH, &item));
  NAPI_TRY(env, napi_set_element(env, list, 0, item));
  NAPI_TRY(env, napi_create_int64(env, check->request_id, &item));
  NAPI_TRY(env, napi_set_element(env, list, 1, item));
  item = sse_jose_reason_value(env, check->reason);
  if (!item) return NULL;
  NAPI_TRY(env, napi_set_element(env, list, 2, item));
  return list;
}

/* [pool] */
static void check_execute(napi_env env, void *data) {
  check_work_t *work = data;
  check_t *check = work->check;
  (void)env; /* not ours on this thread */
  check->reason = sse_token_verify_signature(check->token, check->key);
  work->check = NULL;
  sse_port_post(check->port, &check->event);
}

/* [js] */
static void check_complete(napi_env env, napi_status status, void *data) {
  check_work_t *work = data;
  (void)status;
  if (work->check) { /* cancelled before it ran: nobody will describe it */
    sse_port_unref(env, work->check->port);
    check_free(&work->check->event);
  }
  (void)napi_delete_async_work(env, work->work);
  sse_env_unref(work->self);
  sse_free(work);
}

static bool check_start(napi_env env, sse_env_t *self, check_t *check) {
  napi_value name = NULL;
  check_work_t *work = sse_calloc(1, sizeof *work);
  if (!work) return false;
  work->self = self;
  work->check = check;
  if (napi_create_string_utf8(env, "native-sse:verify", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, NULL, name, check_execute, check_complete, work, &work->work) !=
          napi_ok) {
    sse_free(work);
    return false;
  }
  sse_port_ref(env, check->port);
  self->refs++;
  if (napi_queue_async_work(env, work->work) == napi_ok) return true;
  self->refs--;
  sse_port_unref(env, check->port);
  (void)napi_delete_async_work(env, work->work);
  sse_free(work);
  return false;
}

/* verify(token, set, requestId) -> reason: 'OK' when the check has begun, whose
 * verdict comes as ['verified', requestId, reason]. */
static napi_value js_verify(napi_env env, napi_callback_info info) {
  napi_value argv[3] = {NULL};
  void *data = NULL;
  sse_token_t *token = NULL;
  sse_jwks_t *jwks = NULL;
  const sse_jwk_t *key = NULL;
  check_t *check = NULL;
  int64_t id = 0;
  sse_jose_reason_t reason;
  if (!sse_jose_args(env, info, 3, argv, &data)) return NULL;
  if (!sse_jose_unwrap(env, argv[0], SSE_JOSE_TOKEN, (void **)&token)) return NULL;
  if (!sse_jose_unwrap(env, argv[1], SSE_JOSE_JWKS, (void **)&jwks)) return NULL;
  NAPI_TRY(env, napi_get_value_int64(env, argv[2], &id));
  reason = sse_token_select(token, jwks, &key);
  if (reason != SSE_JOSE_OK) return sse_jose_reason_value(env, reason);

  check = sse_calloc(1, sizeof *check);
  if (!check) return sse_jose_reason_value(env, SSE_JOSE_E_OOM);
  check->event.describe = check_describe;
  check->event.free = check_free;
  check->port = ((sse_env_t *)data)->port;
  check->token = sse_token_ref(token);
  check->jwks = sse_jwks_ref(jwks);
  check->key = key;
  check->request_id = id;
  if (check_start(env, data, check)) return sse_jose_reason_value(env, SSE_JOSE_OK);
  check_free(&check->event);
  return sse_jose_reason_value(env, SSE_JOSE_E_OOM);
}

/* loadJwks(text) -> { set, usable, skipped, private } | { reason } */
static napi_value js_load_jwks(napi_env env, napi_callback_info info) {
  napi_value argv[1] = {NULL};
  napi_value result = NULL;
  napi_value value = NULL;
  sse_jose_bytes_t text = {0};
  sse_jwks_stats_t stats = {0, 0, 0};
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jwks_t *jwks = NULL;
  if (!sse_jose_args(env, info, 1, argv, NULL)) return NULL;
  if (!sse_jose_bytes(env, argv[0], &text)) return NULL;
  jwks = sse_jwks_load(text.ptr, text.len, &reason, &stats);
  sse_jose_bytes_free(&text);
  if (jwks) value = sse_jose_wrap(env, SSE_JOSE_JWKS, jwks, 0);
  if (jwks && !value) return NULL;
  NAPI_TRY(env, napi_create_object(env, &result));
  if (!jwks) {
    value = sse_jose_reason_value(env, reason);
    if (!value) return NULL;
    NAPI_TRY(env, napi_set_named_property(env, result, "reason", value));
    return result;
  }
  NAPI_TRY(env, napi_set_named_property(env, result, "set", value));
  NAPI_TRY(env, napi_create_uint32(env, stats.usable, &value));
  NAPI_TRY(env, napi_set_named_property(env, result, "usable", value));
  NAPI_TRY(env, napi_create_uint32(env, stats.skipped, &value));
  NAPI_TRY(env, napi_set_named_property(env, result, "skipped", value));
  NAPI_TRY(env, napi_create_uint32(env, stats.with_secret, &value));
  NAPI_TRY(env, napi_set_named_property(env, result, "private", value));
  return result;
}

/* createConfig({ issuers, audiences, algorithms, typ, clockSkew, maxTokenBytes })
 * -> config. lib has checked and defaulted every value. */
static napi_value js_create_config(napi_env env, napi_callback_info info) {
  napi_value argv[1] = {NULL};
  sse_jose_config_t *config = NULL;
  if (!sse_jose_args(env, info, 1, argv, NULL)) return NULL;
  config = sse_jose_config_read(env, argv[0]);
  return config ? sse_jose_wrap(env, SSE_JOSE_CONFIG, config, 0) : NULL;
}

/* parseToken(text, config, now) -> token | reason; `now` in seconds. */
static napi_value js_parse_token(napi_env env, napi_callback_info info) {
  napi_value argv[3] = {NULL};
  sse_jose_config_t *config = NULL;
  sse_jose_reason_t reason = SSE_JOSE_E_TOO_LARGE;
  sse_token_t *token = NULL;
  char *text = NULL;
  size_t len = 0;
  double now = 0;
  if (!sse_jose_args(env, info, 3, argv, NULL)) return NULL;
  if (!sse_jose_unwrap(env, argv[1], SSE_JOSE_CONFIG, (void **)&config)) return NULL;
  NAPI_TRY(env, napi_get_value_double(env, argv[2], &now));
  /* Measured before it is copied, so that a huge token costs nothing. */
  NAPI_TRY(env, napi_get_value_string_utf8(env, argv[0], NULL, 0, &len));
  if (len == 0 || len > config->claims.max_bytes) return sse_jose_reason_value(env, reason);
  if (!sse_napi_string(env, argv[0], &text, &len)) return NULL;
  token = sse_token_parse(text, len, &config->claims, now, &reason);
  sse_free(text);
  if (!token) return sse_jose_reason_value(env, reason);
  return sse_jose_wrap(env, SSE_JOSE_TOKEN, token, (int64_t)len * 2);
}

/* recheck(token, config, now) -> reason */
static napi_value js_recheck(napi_env env, napi_callback_info info) {
  napi_value argv[3] = {NULL};
  sse_jose_config_t *config = NULL;
  sse_token_t *token = NULL;
  double now = 0;
  if (!sse_jose_args(env, info, 3, argv, NULL)) return NULL;
  if (!sse_jose_unwrap(env, argv[0], SSE_JOSE_TOKEN, (void **)&token)) return NULL;
  if (!sse_jose_unwrap(env, argv[1], SSE_JOSE_CONFIG, (void **)&config)) return NULL;
  NAPI_TRY(env, napi_get_value_double(env, argv[2], &now));
  return sse_jose_reason_value(env, sse_token_recheck(token, &config->claims, now));
}

/* checkTimes(config, exp, nbf, iat, now) -> reason: of claims that were right
 * before, 0 for one that is absent; seconds since 1970 */
static napi_value js_check_times(napi_env env, napi_callback_info info) {
  napi_value argv[5] = {NULL};
  sse_jose_config_t *config = NULL;
  double times[4] = {0};
  if (!sse_jose_args(env, info, 5, argv, NULL)) return NULL;
  if (!sse_jose_unwrap(env, argv[0], SSE_JOSE_CONFIG, (void **)&config)) return NULL;
  for (size_t i = 0; i < 4; i++)
    NAPI_TRY(env, napi_get_value_double(env, argv[i + 1], &times[i]));
  return sse_jose_reason_value(env, sse_claims_check_times(times[0], times[1], times[2],
                                                           config->claims.skew, times[3]));
}

/* selectKey(token, set) -> reason */
static napi_value js_select_key(napi_env env, napi_callback_info info) {
  napi_value argv[2] = {NULL};
  sse_token_t *token = NULL;
  sse_jwks_t *jwks = NULL;
  const sse_jwk_t *key = NULL;
  if (!sse_jose_args(env, info, 2, argv, NULL)) return NULL;
  if (!sse_jose_unwrap(env, argv[0], SSE_JOSE_TOKEN, (void **)&token)) return NULL;
  if (!sse_jose_unwrap(env, argv[1], SSE_JOSE_JWKS, (void **)&jwks)) return NULL;
  return sse_jose_reason_value(env, sse_token_select(token, jwks, &key));
}

/* claimsText(token) -> the payload's JSON, exactly as it was signed */
static napi_value js_claims_text(napi_env env, napi_callback_info info) {
  napi_value argv[1] = {NULL};
  napi_value result = NULL;
  sse_token_t *token = NULL;
  sse_text_t text;
  if (!sse_jose_args(env, info, 1, argv, NULL)) return NULL;
  if (!sse_jose_unwrap(env, argv[0], SSE_JOSE_TOKEN, (void **)&token)) return NULL;
  text = sse_token_payload(token);
  NAPI_TRY(env, napi_create_string_utf8(env, text.ptr, text.len, &result));
  return result;
}

/* peekIssuer(text, maxBytes) -> the `iss` of a token whose payload can be read,
 * else ''. It has been checked for nothing: it says which config to parse by. */
static napi_value js_peek_issuer(napi_env env, napi_callback_info info) {
  napi_value argv[2] = {NULL};
  napi_value result = NULL;
  char *text = NULL;
  char *issuer = NULL;
  size_t len = 0;
  size_t issuer_len = 0;
  uint32_t max = 0;
  sse_jose_reason_t reason = SSE_JOSE_E_TOO_LARGE;
  napi_status status;
  if (!sse_jose_args(env, info, 2, argv, NULL)) return NULL;
  NAPI_TRY(env, napi_get_value_uint32(env, argv[1], &max));
  NAPI_TRY(env, napi_get_value_string_utf8(env, argv[0], NULL, 0, &len));
  if (len <= max) {
    if (!sse_napi_string(env, argv[0], &text, &len)) return NULL;
    reason = sse_token_peek_issuer(text, len, max, &issuer, &issuer_len);
    sse_free(text);
  }
  /* Says nothing about the token, so it must not become a refusal of it. */
  if (reason == SSE_JOSE_E_OOM) return sse_napi_throw(env, "ERR_SSE_INTERNAL", "out of memory");
  status = napi_create_string_utf8(env, issuer ? issuer : "", issuer_len, &result);
  sse_jose_free(issuer);
  NAPI_TRY(env, status);
  return result;
}

/* thumbprint(token, set) -> of the key for the token, in hex; '' without one */
static napi_value js_thumbprint(napi_env env, napi_callback_info info) {
  static const char digits[] = "0123456789abcdef";
  napi_value argv[2] = {NULL};
  napi_value result = NULL;
  sse_token_t *token = NULL;
  sse_jwks_t *jwks = NULL;
  const sse_jwk_t *key = NULL;
  char hex[2 * SSE_THUMBPRINT_SIZE];
  size_t len = 0;
  if (!sse_jose_args(env, info, 2, argv, NULL)) return NULL;
  if (!sse_jose_unwrap(env, argv[0], SSE_JOSE_TOKEN, (void **)&token)) return NULL;
  if (!sse_jose_unwrap(env, argv[1], SSE_JOSE_JWKS, (void **)&jwks)) return NULL;
  if (sse_token_select(token, jwks, &key) == SSE_JOSE_OK) {
    const uint8_t *bytes = sse_jwk_thumbprint(key);
    for (size_t i = 0; i < SSE_THUMBPRINT_SIZE; i++) {
      hex[len++] = digits[bytes[i] >> 4];
      hex[len++] = digits[bytes[i] & 15];
    }
  }
  NAPI_TRY(env, napi_create_string_utf8(env, hex, len, &result));
  return result;
}

/* The names of all reasons, 'OK' first. */
static napi_value reason_names(napi_env env) {
  napi_value list = NULL;
  napi_value name = NULL;
  NAPI_TRY(env, napi_create_array_with_length(env, SSE_JOSE_REASON_COUNT, &list));
  for (uint32_t i = 0; i < SSE_JOSE_REASON_COUNT; i++) {
    name = sse_jose_reason_value(env, (sse_jose_reason_t)i);
    if (!name) return NULL;
    NAPI_TRY(env, napi_set_element(env, list, i, name));
  }
  return list;
}

napi_status sse_jose_binding_init(napi_env env, napi_value exports, sse_env_t *self) {
  static const sse_napi_method_t methods[] = {
      {"createConfig", js_create_config},
      {"loadJwks", js_load_jwks},
      {"parseToken", js_parse_token},
      {"recheck", js_recheck},
      {"checkTimes", js_check_times},
      {"selectKey", js_select_key},
      {"peekIssuer", js_peek_issuer},
      {"claimsText", js_claims_text},
      {"thumbprint", js_thumbprint},
      {"verify", js_verify},
  };
  napi_value jose = NULL;
  napi_value reasons = reason_names(env);
  napi_status status = reasons ? napi_create_object(env, &jose) : napi_generic_failure;
  if (status == napi_ok) status = napi_set_named_property(env, jose, "reasons", reasons);
  if (status != napi_ok) return status;
  status = sse_napi_define(env, jose, methods, sizeof methods / sizeof *methods, self);
  if (status != napi_ok) return status;
  status = sse_jose_conformance_init(env, jose);
  if (status != napi_ok) return status;
  return napi_set_named_property(env, exports, "jose", jose);
}
