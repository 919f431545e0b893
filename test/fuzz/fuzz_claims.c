/* fuzz_claims.c - the checks on claims against the same rules written down once
 * more, over cJSON's tree: the same verdict, for the same reason.
 *
 * Input: a byte for the skew, 4 for the clock, then the payload. */
#include "fuzz.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "jose/claims.h"
#include "jose/jws.h"

#define EPOCH 1700000000.0

static const char *const issuers[] = {"https://idp", "i2"};
static const char *const audiences[] = {"api", "b"};

static const cJSON *get(const cJSON *payload, const char *name) {
  return cJSON_GetObjectItemCaseSensitive(payload, name);
}

static bool is_one_of(const cJSON *item, const char *const *list, size_t n) {
  if (!cJSON_IsString(item)) return false;
  for (size_t i = 0; i < n; i++) {
    if (strcmp(item->valuestring, list[i]) == 0) return true;
  }
  return false;
}

static bool is_for_us(const cJSON *aud) {
  if (!cJSON_IsArray(aud)) return is_one_of(aud, audiences, 2);
  bool found = false;
  if (cJSON_GetArraySize(aud) > SSE_CLAIMS_MAX_AUD) return false;
  for (const cJSON *item = aud->child; item != NULL; item = item->next) {
    if (!cJSON_IsString(item)) return false;
    if (is_one_of(item, audiences, 2)) found = true;
  }
  return found;
}

/* 1970 to 9999. */
static bool is_time(const cJSON *item) {
  return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= 253402300799.0;
}

static bool is_user(const cJSON *sub) {
  if (!cJSON_IsString(sub)) return false;
  const char *text = sub->valuestring;
  if (text[0] == '\0' || strlen(text) > 255 || strchr(text, 0x7f) != NULL) return false;
  for (const char *c = text; *c != '\0'; c++) {
    if ((unsigned char)*c < 0x20) return false;
  }
  return strstr(text, "\xe2\x80\xa8") == NULL && strstr(text, "\xe2\x80\xa9") == NULL;
}

static sse_jose_reason_t expected(const cJSON *payload, double skew, double now) {
  const cJSON *exp = get(payload, "exp"), *nbf = get(payload, "nbf"), *iat = get(payload, "iat");
  if (!is_one_of(get(payload, "iss"), issuers, 2)) return SSE_JOSE_E_ISS;
  if (!is_for_us(get(payload, "aud"))) return SSE_JOSE_E_AUD;
  if (!is_time(exp) || now >= exp->valuedouble + skew) return SSE_JOSE_E_EXP;
  if (nbf != NULL && (!is_time(nbf) || nbf->valuedouble > now + skew)) return SSE_JOSE_E_NBF;
  if (iat != NULL && (!is_time(iat) || iat->valuedouble > now + skew)) return SSE_JOSE_E_IAT;
  return is_user(get(payload, "sub")) ? SSE_JOSE_OK : SSE_JOSE_E_SUB;
}

static void check_claims(const sse_claims_t *claims, const cJSON *payload, double skew,
                         double now) {
  const cJSON *sub = get(payload, "sub"), *nbf = get(payload, "nbf"), *iat = get(payload, "iat");
  FUZZ_CHECK(claims->sub.len == strlen(sub->valuestring));
  FUZZ_CHECK(memcmp(claims->sub.ptr, sub->valuestring, claims->sub.len) == 0);
  FUZZ_CHECK(claims->exp == get(payload, "exp")->valuedouble);
  FUZZ_CHECK(claims->nbf == (nbf != NULL ? nbf->valuedouble : 0));
  FUZZ_CHECK(claims->iat == (iat != NULL ? iat->valuedouble : 0));
  FUZZ_CHECK(strcmp(issuers[claims->issuer], get(payload, "iss")->valuestring) == 0);
  /* The rules hold at this moment and never after the end. */
  FUZZ_CHECK(sse_claims_check_times(claims->exp, claims->nbf, claims->iat, skew, now) ==
             SSE_JOSE_OK);
  double end = claims->exp + skew;
  FUZZ_CHECK(sse_claims_check_times(claims->exp, claims->nbf, claims->iat, skew, end) ==
             SSE_JOSE_E_EXP);
  FUZZ_CHECK(sse_claims_check_times(claims->exp, claims->nbf, claims->iat, skew, NAN) ==
             SSE_JOSE_E_EXP);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const sse_text_t issuer_list[] = {{"https://idp", 11}, {"i2", 2}};
  static const sse_text_t audience_list[] = {{"api", 3}, {"b", 1}};
  fuzz_input_t in = {bytes, size};
  double skew = fuzz_below(&in, SSE_CLAIMS_MAX_SKEW + 1);
  double now = EPOCH + (double)(int32_t)fuzz_number(&in, 4) / 16;
  sse_claims_config_t config = {issuer_list,      2,         audience_list, 2,
                                SSE_JWS_ALL_ALGS, {NULL, 0}, skew,          8192};
  sse_jose_reason_t reason;
  char *text = fuzz_copy(in.ptr, in.len);
  sse_json_t *root = sse_json_parse(sse_text(text, in.len), &sse_json_token_limits, &reason);
  if (root != NULL) {
    sse_claims_t claims = {0};
    cJSON *payload = cJSON_ParseWithLength(text, in.len);
    FUZZ_CHECK(payload != NULL);
    reason = sse_claims_check(root, &config, now, &claims);
    FUZZ_CHECK(reason == expected(payload, skew, now));
    if (reason == SSE_JOSE_OK) check_claims(&claims, payload, skew, now);
    cJSON_Delete(payload);
    sse_json_free(root);
  }
  free(text);
  return 0;
}
