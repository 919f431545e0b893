/* fuzz_jwks.c - key sets, as an identity provider or whoever stands in its way might
 * send them: every key that is let through is one worth trusting, judged from what
 * OpenSSL holds.
 *
 * Input: a byte (odd: a single key), then the text. */
#include "fuzz.h"

#include <cjson/cJSON.h>
#include <openssl/core_names.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "fuzz_base64url.h"
#include "jose/jwk.h"

#define MOST_BYTES 16384

static BIGNUM *number_of(const EVP_PKEY *pkey, const char *name) {
  BIGNUM *number = NULL;
  FUZZ_CHECK(EVP_PKEY_get_bn_param(pkey, name, &number) == 1);
  return number;
}

static void check_rsa(EVP_PKEY *pkey, size_t signature_size) {
  FUZZ_CHECK(EVP_PKEY_is_a(pkey, "RSA") == 1);
  BIGNUM *n = number_of(pkey, OSSL_PKEY_PARAM_RSA_N), *e = number_of(pkey, OSSL_PKEY_PARAM_RSA_E);
  FUZZ_CHECK(BN_num_bits(n) >= 2048 && BN_num_bits(n) <= 8192 && BN_is_odd(n));
  FUZZ_CHECK(BN_is_odd(e) && BN_get_word(e) >= 65537 && BN_num_bits(e) <= 32);
  FUZZ_CHECK(signature_size == (size_t)EVP_PKEY_get_size(pkey));
  BN_free(n);
  BN_free(e);
}

static void sha256(const char *text, uint8_t *out) {
  FUZZ_CHECK(EVP_Digest(text, strlen(text), out, NULL, EVP_sha256(), NULL) == 1);
}

/* On the curve, and with the thumbprint of its coordinates (RFC 7638), which have one
 * spelling only. */
static void check_ec(EVP_PKEY *pkey, size_t signature_size, const uint8_t *thumbprint) {
  char group[32], text[256];
  uint8_t bytes[32], digest[32];
  size_t len;
  FUZZ_CHECK(EVP_PKEY_is_a(pkey, "EC") == 1 && signature_size == 64);
  FUZZ_CHECK(EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1);
  FUZZ_CHECK(strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0);
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
  FUZZ_CHECK(EVP_PKEY_public_check(ctx) == 1);
  EVP_PKEY_CTX_free(ctx);
  BIGNUM *x = number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_X);
  BIGNUM *y = number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_Y);
  FUZZ_CHECK(BN_bn2binpad(x, bytes, 32) == 32);
  char *x64 = fuzz_base64url(bytes, 32, &len);
  FUZZ_CHECK(BN_bn2binpad(y, bytes, 32) == 32);
  char *y64 = fuzz_base64url(bytes, 32, &len);
  snprintf(text, sizeof(text), "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x64,
           y64);
  sha256(text, digest);
  FUZZ_CHECK(memcmp(digest, thumbprint, sizeof(digest)) == 0);
  free(x64);
  free(y64);
  BN_free(x);
  BN_free(y);
}

static bool try_select(const sse_jwks_t *set, sse_jws_alg_t alg, const char *kid) {
  sse_jws_header_t header = {.alg = alg, .kid_len = strlen(kid)};
  const sse_jwk_t *key = NULL;
  if (header.kid_len > SSE_JWS_MAX_KID) return false;
  memcpy(header.kid, kid, header.kid_len);
  sse_jose_reason_t reason = sse_jwks_select(set, &header, &key);
  FUZZ_CHECK(reason == SSE_JOSE_OK || reason == SSE_JOSE_E_NOKEY ||
             reason == SSE_JOSE_E_AMBIGUOUS || reason == SSE_JOSE_E_KEY_WEAK);
  if (reason != SSE_JOSE_OK) return reason == SSE_JOSE_E_AMBIGUOUS;
  FUZZ_CHECK(sse_jwk_alg(key) == alg);
  if (alg == SSE_JWS_RS256) {
    check_rsa(sse_jwk_pkey(key), sse_jwk_signature_size(key));
  } else {
    check_ec(sse_jwk_pkey(key), sse_jwk_signature_size(key), sse_jwk_thumbprint(key));
  }
  return true;
}

static bool has_secret(const cJSON *entry) {
  static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
  for (size_t i = 0; cJSON_IsObject(entry) && i < sizeof(names) / sizeof(*names); i++) {
    if (cJSON_GetObjectItemCaseSensitive(entry, names[i]) != NULL) return true;
  }
  return false;
}

/* Every entry is counted once, and a usable one can be had by its kid. */
static void check_set(const sse_jwks_t *set, const sse_jwks_stats_t *stats, const cJSON *keys) {
  unsigned total = 0, secret = 0, found = 0;
  for (const cJSON *entry = keys->child; entry != NULL; entry = entry->next) {
    const char *kid = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "kid"));
    total++;
    secret += has_secret(entry);
    if (kid == NULL) kid = "";
    found += try_select(set, SSE_JWS_RS256, kid) || try_select(set, SSE_JWS_ES256, kid);
  }
  FUZZ_CHECK(stats->usable + stats->skipped == total && stats->with_secret == secret);
  FUZZ_CHECK(found >= (stats->usable > 0) && total - secret >= stats->usable);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0 || size > MOST_BYTES) return 0;
  sse_jose_reason_t reason = SSE_JOSE_E_OOM;
  sse_jwks_stats_t stats = {0, 0, 0};
  char *text = fuzz_copy(bytes + 1, size - 1);
  bool is_single = bytes[0] % 2 == 1;
  sse_jwks_t *set = is_single ? sse_jwks_load_one(text, size - 1, &reason)
                              : sse_jwks_load(text, size - 1, &reason, &stats);
  FUZZ_CHECK((set != NULL) == (reason == SSE_JOSE_OK) && reason != SSE_JOSE_E_OOM);
  if (set != NULL) {
    cJSON *root = cJSON_ParseWithLength(text, size - 1);
    FUZZ_CHECK(root != NULL);
    if (is_single) {
      const char *kid = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "kid"));
      try_select(set, SSE_JWS_RS256, kid != NULL ? kid : "");
      try_select(set, SSE_JWS_ES256, kid != NULL ? kid : "");
    } else {
      check_set(set, &stats, cJSON_GetObjectItemCaseSensitive(root, "keys"));
    }
    cJSON_Delete(root);
  }
  FUZZ_CHECK(ERR_peek_error() == 0);
  sse_jwks_unref(set);
  free(text);
  return 0;
}
