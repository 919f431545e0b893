/* key_list.c - JS arrays of keys; see key_list.h. */
#include "napi/key_list.h"

#include "hub/mem.h"
#include "napi/napi_util.h"

void sse_key_list_deinit(sse_key_list_t *keys) {
  for (size_t i = 0; i < keys->n_text; i++)
    sse_free(keys->text[i]);
  if (keys->keys != keys->inline_keys) sse_free(keys->keys);
  if (keys->text != keys->inline_text) sse_free(keys->text);
  keys->keys = NULL;
  keys->text = NULL;
  keys->n_text = 0;
}

static bool sse_key_list_text(napi_env env, napi_value list, uint32_t at, sse_key_list_t *keys,
                              sse_span_t *out) {
  napi_value value;
  char *text;
  size_t len = 0;
  if (napi_get_element(env, list, at, &value) != napi_ok ||
      !sse_napi_string(env, value, &text, &len)) {
    return false;
  }
  keys->text[keys->n_text++] = text;
  *out = sse_span(text, len);
  return true;
}

static bool read_one(napi_env env, napi_value list, uint32_t i, sse_seed_t seed,
                     sse_key_list_t *keys) {
  napi_value value;
  uint32_t scope = 0;
  sse_span_t owner, name;
  if (napi_get_element(env, list, 3 * i, &value) != napi_ok ||
      napi_get_value_uint32(env, value, &scope) != napi_ok || scope >= SSE_SCOPE_COUNT ||
      !sse_key_list_text(env, list, 3 * i + 1, keys, &owner) ||
      !sse_key_list_text(env, list, 3 * i + 2, keys, &name)) {
    sse_napi_throw_last(env, "reading keys");
    return false;
  }
  keys->keys[keys->n++] = sse_key(seed, (sse_scope_t)scope, owner, name);
  return true;
}

bool sse_key_list_read(napi_env env, napi_value list, sse_seed_t seed, sse_key_list_t *keys) {
  uint32_t len = 0;
  *keys = (sse_key_list_t){0};
  keys->keys = keys->inline_keys;
  keys->text = keys->inline_text;
  if (napi_get_array_length(env, list, &len) != napi_ok) {
    sse_napi_throw_last(env, "napi_get_array_length");
    return false;
  }
  uint32_t n = len / 3;
  if (n > SSE_FIRST_KEYS) {
    keys->keys = sse_malloc(n * sizeof(*keys->keys));
    keys->text = sse_malloc(2 * n * sizeof(*keys->text));
  }
  bool ok = keys->keys != NULL && keys->text != NULL;
  if (!ok) sse_napi_throw(env, "ERR_SSE_INTERNAL", "out of memory");
  for (uint32_t i = 0; ok && i < n; i++)
    ok = read_one(env, list, i, seed, keys);
  if (!ok) sse_key_list_deinit(keys);
  return ok;
}
