/* size_list.c - history sizes from JS; see size_list.h. */
#include "napi/size_list.h"

#include "hub/mem.h"
#include "napi/napi_util.h"

/* Fills `rules`, whose prefixes are the caller's to free, and counts them. */
static bool read_rules(napi_env env, napi_value list, uint32_t n, sse_size_t *rules,
                       uint32_t *n_read) {
  for (uint32_t i = 0; i < n; i++) {
    napi_value value;
    char *prefix = NULL;
    size_t len = 0;
    uint32_t size = 0;
    if (napi_get_element(env, list, 2 * i + 1, &value) != napi_ok ||
        napi_get_value_uint32(env, value, &size) != napi_ok ||
        napi_get_element(env, list, 2 * i, &value) != napi_ok ||
        !sse_napi_string(env, value, &prefix, &len)) {
      sse_napi_throw_last(env, "reading history sizes");
      return false;
    }
    rules[(*n_read)++] = (sse_size_t){sse_span(prefix, len), size};
  }
  return true;
}

bool sse_size_list_read(napi_env env, napi_value object, const char *name, sse_sizes_t **out) {
  napi_value list;
  uint32_t len = 0, n_read = 0;
  *out = NULL;
  if (napi_get_named_property(env, object, name, &list) != napi_ok ||
      napi_get_array_length(env, list, &len) != napi_ok) {
    sse_napi_throw_last(env, name);
    return false;
  }
  if (len < 2) return true;
  sse_size_t *rules = sse_malloc(len / 2 * sizeof(*rules));
  bool ok = rules != NULL && read_rules(env, list, len / 2, rules, &n_read);
  if (ok) *out = sse_sizes_new(rules, n_read);
  for (uint32_t i = 0; i < n_read; i++)
    sse_free((char *)rules[i].prefix.ptr);
  sse_free(rules);
  if (rules == NULL || (ok && *out == NULL)) {
    sse_napi_throw(env, "ERR_SSE_INTERNAL", "out of memory");
    return false;
  }
  return ok;
}
