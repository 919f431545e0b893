/* fuzz_json.c - the strict scanner against another reading of RFC 8259 and against
 * cJSON: it takes what both take and what keeps the limits, and nothing else.
 *
 * Input: a byte that chooses the limits, then the text. */
#include "fuzz.h"

#include "jose/json.h"
#include "reference_json.h"

/* cJSON recurses up to CJSON_NESTING_LIMIT; the reference would without an end. */
#define MOST_BYTES 8192

static const sse_json_limits_t small = {2, 6, 4};

static bool expected(const char *text, size_t len, const sse_json_limits_t *limits, bool *is_open) {
  *is_open = false;
  if (!reference_json_is_wellformed(text, len, limits->max_number)) return false;
  cJSON *root = cJSON_ParseWithLength(text, len);
  /* Deeper than cJSON goes is deeper than any limit of ours. */
  bool is_fine = root != NULL && reference_json_is_allowed(root, limits);
  if (root != NULL) *is_open = reference_json_is_borderline(root);
  cJSON_Delete(root);
  return is_fine;
}

/* What was accepted is read by cJSON to the end, and written anew it is accepted. */
static void check_accepted(const char *text, size_t len, const sse_json_limits_t *limits) {
  sse_jose_reason_t reason;
  sse_json_t *root = sse_json_parse(sse_text(text, len), limits, &reason);
  FUZZ_CHECK((root != NULL) == (reason == SSE_JOSE_OK));
  FUZZ_CHECK(reason == SSE_JOSE_OK || reason == SSE_JOSE_E_JSON);
  sse_json_free(root);
  const char *end = NULL;
  char *copy = malloc(len + 1);
  FUZZ_CHECK(copy != NULL);
  memcpy(copy, text, len);
  copy[len] = '\0';
  cJSON *tree = cJSON_ParseWithLengthOpts(copy, len + 1, &end, 1);
  FUZZ_CHECK(tree != NULL && end == copy + len);
  FUZZ_CHECK((reason == SSE_JOSE_OK) == (bool)cJSON_IsObject(tree));
  bool is_open = reference_json_is_borderline(tree);
  char *again = cJSON_PrintUnformatted(tree);
  FUZZ_CHECK(again != NULL);
  FUZZ_CHECK(is_open || sse_json_strict_scan(again, strlen(again)) == SSE_JOSE_OK ||
             limits == &sse_json_jwks_limits); /* more nodes than a token may have */
  cJSON_free(again);
  cJSON_Delete(tree);
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const sse_json_limits_t *const limits[] = {&sse_json_token_limits, &sse_json_jwks_limits,
                                                    &small};
  if (size == 0 || size > MOST_BYTES) return 0;
  const sse_json_limits_t *chosen = limits[bytes[0] % 3];
  char *text = fuzz_copy(bytes + 1, size - 1);
  sse_jose_reason_t reason = sse_json_scan(sse_text(text, size - 1), chosen);
  bool is_open;
  bool is_fine = expected(text, size - 1, chosen, &is_open);
  FUZZ_CHECK(is_open || (reason == SSE_JOSE_OK) == is_fine);
  if (reason == SSE_JOSE_OK) {
    check_accepted(text, size - 1, chosen);
  } else {
    FUZZ_CHECK(reason == SSE_JOSE_E_JSON || reason == SSE_JOSE_E_UTF8 || reason == SSE_JOSE_E_NUL ||
               reason == SSE_JOSE_E_DUP || reason == SSE_JOSE_E_DEPTH);
  }
  free(text);
  return 0;
}
