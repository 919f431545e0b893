/* jose_values.c - externals, byte strings and the config. */
#include "napi/jose_values.h"

#include "hub/mem.h"
#include "jose/verify.h"
#include "napi/napi_util.h"

/* Random, so that no other addon's objects carry them. Without tags a token
 * passed for a key set would be read as one. */
static const napi_type_tag tags[] = {
    [SSE_JOSE_CONFIG] = {0x6f1d8a37c2b94e05, 0x93b7e60f5d2a481c},
    [SSE_JOSE_JWKS] = {0x2ac95e1b7d804f63, 0xb81f04d9a6733ce2},
    [SSE_JOSE_TOKEN] = {0xd4730b6e91fa2c58, 0x57c2a98e3b0df416},
};

static void drop(sse_jose_kind_t kind, void *ptr) {
  switch (kind) {
    case SSE_JOSE_CONFIG:
      sse_jose_config_free(ptr);
      break;
    case SSE_JOSE_JWKS:
      sse_jwks_unref(ptr);
      break;
    case SSE_JOSE_TOKEN:
      sse_token_unref(ptr);
      break;
  }
}

/* What an external points to. */
typedef struct {
  sse_jose_kind_t kind;
  void *ptr;
  int64_t extra;
} holder_t;

static void finalize(napi_env env, void *data, void *hint) {
  holder_t *holder = data;
  int64_t ignored = 0;
  (void)hint;
  if (holder->extra) (void)napi_adjust_external_memory(env, -holder->extra, &ignored);
  drop(holder->kind, holder->ptr);
  sse_free(holder);
}

bool sse_jose_args(napi_env env, napi_callback_info info, size_t count, napi_value *argv,
                   void **data) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, argv, NULL, data) != napi_ok) {
    sse_napi_throw_last(env, "napi_get_cb_info");
    return false;
  }
  if (given >= count) return true;
  sse_napi_throw(env, "ERR_SSE_INTERNAL", "too few arguments to a native function");
  return false;
}

napi_value sse_jose_wrap(napi_env env, sse_jose_kind_t kind, void *ptr, int64_t extra) {
  napi_value value = NULL;
  int64_t ignored = 0;
  holder_t *holder = sse_calloc(1, sizeof *holder);
  if (!holder) {
    drop(kind, ptr);
    return sse_napi_throw(env, "ERR_SSE_INTERNAL", "out of memory");
  }
  *holder = (holder_t){kind, ptr, 0};
  if (napi_create_external(env, holder, finalize, NULL, &value) != napi_ok) {
    drop(kind, ptr);
    sse_free(holder);
    sse_napi_throw_last(env, "napi_create_external");
    return NULL;
  }
  /* The external owns it from here, also when the tagging fails. */
  NAPI_TRY(env, napi_type_tag_object(env, value, &tags[kind]));
  if (extra && napi_adjust_external_memory(env, extra, &ignored) == napi_ok) holder->extra = extra;
  return value;
}

bool sse_jose_unwrap(napi_env env, napi_value value, sse_jose_kind_t kind, void **out) {
  napi_valuetype type = napi_undefined;
  void *data = NULL;
  bool ours = false;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_external &&
      napi_check_object_type_tag(env, value, &tags[kind], &ours) == napi_ok && ours &&
      napi_get_value_external(env, value, &data) == napi_ok) {
    *out = ((holder_t *)data)->ptr;
    return true;
  }
  sse_napi_throw(env, "ERR_SSE_INTERNAL", "not the kind of native object that was expected");
  return false;
}

napi_value sse_jose_reason_value(napi_env env, sse_jose_reason_t reason) {
  napi_value value = NULL;
  const char *name = sse_jose_reason_name(reason);
  NAPI_TRY(env, napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &value));
  return value;
}

bool sse_jose_bytes(napi_env env, napi_value value, sse_jose_bytes_t *out) {
  napi_typedarray_type type = napi_int8_array;
  napi_valuetype kind = napi_undefined;
  bool is_array = false;
  void *data = NULL;
  *out = (sse_jose_bytes_t){"", 0, NULL};
  if (napi_typeof(env, value, &kind) == napi_ok && kind == napi_string) {
    if (!sse_napi_string(env, value, &out->owned, &out->len)) return false;
    out->ptr = out->owned;
    return true;
  }
  if (napi_is_typedarray(env, value, &is_array) == napi_ok && is_array &&
      napi_get_typedarray_info(env, value, &type, &out->len, &data, NULL, NULL) == napi_ok &&
      type == napi_uint8_array) {
    if (data) out->ptr = data;
    return true;
  }
  sse_napi_throw(env, "ERR_SSE_INTERNAL", "a string or a Buffer was expected");
  return false;
}

void sse_jose_bytes_free(sse_jose_bytes_t *bytes) {
  sse_free(bytes->owned);
}

static void free_texts(sse_text_t *texts, size_t count) {
  for (size_t i = 0; texts && i < count; i++)
    sse_free((void *)(uintptr_t)texts[i].ptr);
  sse_free(texts);
}

void sse_jose_config_free(sse_jose_config_t *config) {
  if (!config) return;
  free_texts(config->issuers, config->claims.issuer_count);
  free_texts(config->audiences, config->claims.audience_count);
  sse_free(config->typ);
  sse_free(config);
}

/* Reads the array of strings `name`; `*count` counts those that were read. */
static bool read_texts(napi_env env, napi_value options, const char *name, sse_text_t **texts,
                       size_t *count) {
  napi_value array = NULL;
  napi_value item = NULL;
  uint32_t length = 0;
  char *text = NULL;
  if (napi_get_named_property(env, options, name, &array) != napi_ok ||
      napi_get_array_length(env, array, &length) != napi_ok) {
    return false;
  }
  *texts = sse_calloc((size_t)length + 1, sizeof **texts);
  if (!*texts) return false;
  for (uint32_t i = 0; i < length; i++) {
    size_t len = 0;
    if (napi_get_element(env, array, i, &item) != napi_ok ||
        !sse_napi_string(env, item, &text, &len)) {
      return false;
    }
    (*texts)[(*count)++] = sse_text(text, len);
  }
  return true;
}

static bool read_number(napi_env env, napi_value options, const char *name, double *out) {
  napi_value value = NULL;
  return napi_get_named_property(env, options, name, &value) == napi_ok &&
         napi_get_value_double(env, value, out) == napi_ok;
}

static bool read_config(napi_env env, napi_value options, sse_jose_config_t *config) {
  sse_claims_config_t *claims = &config->claims;
  napi_value value = NULL;
  sse_text_t *algs = NULL;
  size_t count = 0;
  double max_bytes = 0;
  bool ok = read_texts(env, options, "issuers", &config->issuers, &claims->issuer_count) &&
            read_texts(env, options, "audiences", &config->audiences, &claims->audience_count) &&
            read_texts(env, options, "algorithms", &algs, &count) &&
            read_number(env, options, "clockSkew", &claims->skew) &&
            read_number(env, options, "maxTokenBytes", &max_bytes) &&
            napi_get_named_property(env, options, "typ", &value) == napi_ok &&
            sse_napi_string(env, value, &config->typ, &claims->typ.len);
  for (size_t i = 0; i < count; i++)
    claims->algs |= sse_jws_alg(algs[i]);
  free_texts(algs, count);
  if (!ok) return false;
  claims->issuers = config->issuers;
  claims->audiences = config->audiences;
  claims->typ.ptr = config->typ;
  /* lib has checked these; clamped so that a slip there cannot widen ours. */
  if (!(claims->skew >= 0 && claims->skew <= SSE_CLAIMS_MAX_SKEW)) claims->skew = 0;
  claims->max_bytes =
      max_bytes >= 1 && max_bytes <= SSE_JWS_MAX_BYTES ? (size_t)max_bytes : SSE_JWS_MAX_BYTES;
  return true;
}

sse_jose_config_t *sse_jose_config_read(napi_env env, napi_value options) {
  sse_jose_config_t *config = sse_calloc(1, sizeof *config);
  if (config && read_config(env, options, config)) return config;
  sse_jose_config_free(config);
  sse_napi_throw_last(env, "createConfig");
  return NULL;
}
