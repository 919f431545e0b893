/* json.c - cJSON behind the strict scan. The only file that knows cJSON.
 *
 * Every parse of cJSON writes a static `global_error`, which we never read. All
 * of csrc/jose parses on JS threads only; with worker threads that is a data
 * race which a thread sanitizer reports and which decides nothing. */
#include "jose/json.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "jose/jose_mem.h"

static const cJSON *tree(const sse_json_t *item) {
  return (const cJSON *)item;
}

static const cJSON *member(const sse_json_t *object, const char *name) {
  return cJSON_GetObjectItemCaseSensitive(tree(object), name);
}

sse_json_t *sse_json_parse(sse_text_t text, const sse_json_limits_t *limits,
                           sse_jose_reason_t *reason) {
  const char *end = NULL;
  cJSON *root = NULL;
  char *copy = NULL;
  *reason = sse_json_scan(text, limits);
  if (*reason != SSE_JOSE_OK) return NULL;

  *reason = SSE_JOSE_E_OOM;
  copy = sse_jose_calloc(1, text.len + 1);
  if (!copy) goto exit;
  memcpy(copy, text.ptr, text.len); /* the scan refused the empty text */
  /* To notice trailing bytes cJSON wants the terminator inside the length. */
  root = cJSON_ParseWithLengthOpts(copy, text.len + 1, &end, 1);
  /* What passed the scan has no error left for cJSON to find but memory. */
  if (!root) goto exit;
  *reason = SSE_JOSE_OK;
  if (!cJSON_IsObject(root) || (size_t)(end - copy) != text.len) *reason = SSE_JOSE_E_JSON;

exit:
  sse_jose_free(copy);
  if (*reason == SSE_JOSE_OK) return (sse_json_t *)root;
  cJSON_Delete(root);
  return NULL;
}

void sse_json_free(sse_json_t *root) {
  cJSON_Delete((cJSON *)root);
}

bool sse_json_has(const sse_json_t *object, const char *name) {
  return member(object, name) != NULL;
}

sse_json_find_t sse_json_get_string(const sse_json_t *object, const char *name, sse_text_t *out) {
  const cJSON *item = member(object, name);
  if (!item) return SSE_JSON_ABSENT;
  return sse_json_is_string((const sse_json_t *)item, out) ? SSE_JSON_FOUND : SSE_JSON_WRONG_TYPE;
}

sse_json_find_t sse_json_get_number(const sse_json_t *object, const char *name, double *out) {
  const cJSON *item = member(object, name);
  if (!item) return SSE_JSON_ABSENT;
  /* The double, not the saturated int, which ends in 2038. */
  if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble)) return SSE_JSON_WRONG_TYPE;
  *out = item->valuedouble;
  return SSE_JSON_FOUND;
}

sse_json_find_t sse_json_get_array(const sse_json_t *object, const char *name,
                                   const sse_json_t **out) {
  const cJSON *item = member(object, name);
  if (!item) return SSE_JSON_ABSENT;
  if (!cJSON_IsArray(item)) return SSE_JSON_WRONG_TYPE;
  *out = (const sse_json_t *)item;
  return SSE_JSON_FOUND;
}

const sse_json_t *sse_json_first(const sse_json_t *array) {
  return (const sse_json_t *)tree(array)->child;
}

const sse_json_t *sse_json_next(const sse_json_t *item) {
  return (const sse_json_t *)tree(item)->next;
}

bool sse_json_is_object(const sse_json_t *item) {
  return cJSON_IsObject(tree(item));
}

bool sse_json_is_string(const sse_json_t *item, sse_text_t *out) {
  const cJSON *node = tree(item);
  if (!cJSON_IsString(node) || !node->valuestring) return false;
  *out = sse_text(node->valuestring, strlen(node->valuestring));
  return true;
}
