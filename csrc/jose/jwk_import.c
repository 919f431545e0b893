/* jwk_import.c - from JSON members to an EVP_PKEY. */
#include "jose/jwk_import.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "jose/base64url.h"
#include "jose/jose_mem.h"

#define COORDINATE 32 /* bytes of a coordinate of P-256 */

/* Decodes the member `name` into fresh memory. OK, E_NOKEY or E_OOM. */
static sse_jose_reason_t get_bytes(const sse_json_t *entry, const char *name, uint8_t **out,
                                   size_t *len) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_text_t text;
  if (sse_json_get_string(entry, name, &text) != SSE_JSON_FOUND) return SSE_JOSE_E_NOKEY;
  *out = sse_base64url_decode_new(text, len, &reason);
  return reason == SSE_JOSE_E_B64 ? SSE_JOSE_E_NOKEY : reason;
}

/* Reads a positive integer. RFC 7518 section 6.3.1.1 wants no leading zero, but
 * one, a sign bit of some encoder, is common and harmless. */
static sse_jose_reason_t get_number(const sse_json_t *entry, const char *name, size_t max,
                                    BIGNUM **out) {
  uint8_t *bytes = NULL;
  size_t len = 0;
  size_t zeros = 0;
  sse_jose_reason_t reason = get_bytes(entry, name, &bytes, &len);
  if (reason != SSE_JOSE_OK) return reason;
  while (zeros < len && bytes[zeros] == 0)
    zeros++;
  reason = SSE_JOSE_E_KEY_WEAK;
  if (zeros <= 1 && len > zeros && len - zeros <= max) {
    *out = BN_bin2bn(bytes, (int)len, NULL);
    reason = *out ? SSE_JOSE_OK : SSE_JOSE_E_OOM;
  }
  sse_jose_free(bytes);
  return reason;
}

/* ROCA (CVE-2017-15361): the primes of that generator are powers of 65537
 * modulo every small prime, and so are their products. A random modulus passes
 * for one with a probability below 2^-27. */
static bool is_roca(const BIGNUM *n) {
  static const unsigned primes[] = {3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                                    47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                                    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
  for (size_t i = 0; i < sizeof primes / sizeof *primes; i++) {
    unsigned prime = primes[i];
    unsigned rest = (unsigned)BN_mod_word(n, prime);
    unsigned power = 1;
    do {
      if (power == rest) break;
      power = power * (65537U % prime) % prime;
    } while (power != 1);
    if (power != rest) return false;
  }
  return true;
}

static bool is_strong(const BIGNUM *n, const BIGNUM *e) {
  int bits = BN_num_bits(n);
  BN_ULONG exponent = BN_get_word(e);
  /* No EVP_PKEY_public_check here: on a large prime in place of the modulus it
   * takes minutes (CVE-2023-6237). A large exponent makes every check dear. */
  return bits >= 2048 && bits <= 8192 && BN_is_odd(n) && BN_is_odd(e) && exponent >= 65537 &&
         exponent <= 0xffffffffU && !is_roca(n);
}

/* Makes a public key of `type` from what was pushed to `build`. NULL when
 * OpenSSL has no memory or no liking for it. */
static EVP_PKEY *make_pkey(const char *type, OSSL_PARAM_BLD *build) {
  EVP_PKEY *pkey = NULL;
  EVP_PKEY_CTX *ctx = NULL;
  OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
  if (!params) goto exit;
  ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
  if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1) goto exit;
  if (EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1) goto exit;
  EVP_PKEY_free(pkey);
  pkey = NULL;

exit:
  EVP_PKEY_CTX_free(ctx);
  OSSL_PARAM_free(params);
  return pkey;
}

sse_jose_reason_t sse_jwk_import_rsa(const sse_json_t *entry, EVP_PKEY **pkey, size_t *size) {
  BIGNUM *n = NULL;
  BIGNUM *e = NULL;
  OSSL_PARAM_BLD *build = NULL;
  sse_jose_reason_t reason = get_number(entry, "n", 1024, &n);
  if (reason != SSE_JOSE_OK) goto exit;
  reason = get_number(entry, "e", 4, &e);
  if (reason != SSE_JOSE_OK) goto exit;
  reason = SSE_JOSE_E_KEY_WEAK;
  if (!is_strong(n, e)) goto exit;

  /* Numbers like these are refused for want of memory only. */
  reason = SSE_JOSE_E_OOM;
  build = OSSL_PARAM_BLD_new();
  if (!build || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
      OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) != 1) {
    goto exit;
  }
  *pkey = make_pkey("RSA", build);
  *size = (size_t)BN_num_bytes(n);
  if (*pkey) reason = SSE_JOSE_OK;

exit:
  OSSL_PARAM_BLD_free(build);
  BN_free(e);
  BN_free(n);
  return reason;
}

/* Reads a coordinate of exactly 32 bytes to `out`. */
static sse_jose_reason_t get_coordinate(const sse_json_t *entry, const char *name, uint8_t *out) {
  uint8_t *bytes = NULL;
  size_t len = 0;
  sse_jose_reason_t reason = get_bytes(entry, name, &bytes, &len);
  if (reason != SSE_JOSE_OK) return reason;
  if (len == COORDINATE) {
    memcpy(out, bytes, COORDINATE);
  } else {
    reason = SSE_JOSE_E_KEY_WEAK;
  }
  sse_jose_free(bytes);
  return reason;
}

/* True when `pkey` is a point of the curve other than the one at infinity. */
static bool is_on_curve(EVP_PKEY *pkey) {
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
  bool ok = ctx && EVP_PKEY_public_check(ctx) == 1;
  EVP_PKEY_CTX_free(ctx);
  return ok;
}

sse_jose_reason_t sse_jwk_import_ec(const sse_json_t *entry, EVP_PKEY **pkey, size_t *size) {
  uint8_t point[1 + 2 * COORDINATE] = {4}; /* SEC 1 section 2.3.3: uncompressed */
  OSSL_PARAM_BLD *build = NULL;
  unsigned long code = 0;
  sse_text_t crv;
  sse_jose_reason_t reason;
  if (sse_json_get_string(entry, "crv", &crv) != SSE_JSON_FOUND) return SSE_JOSE_E_NOKEY;
  if (!sse_text_is(crv, "P-256")) return SSE_JOSE_E_NOKEY;
  reason = get_coordinate(entry, "x", point + 1);
  if (reason != SSE_JOSE_OK) return reason;
  reason = get_coordinate(entry, "y", point + 1 + COORDINATE);
  if (reason != SSE_JOSE_OK) return reason;

  reason = SSE_JOSE_E_OOM;
  build = OSSL_PARAM_BLD_new();
  if (!build ||
      OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) != 1) {
    goto exit;
  }
  *pkey = make_pkey("EC", build);
  if (*pkey && is_on_curve(*pkey)) {
    *size = 2 * COORDINATE;
    reason = SSE_JOSE_OK;
    goto exit;
  }
  /* A bad point always leaves an error that says so; a failed allocation leaves
   * one of its own, "internal error", or none. */
  code = ERR_peek_last_error();
  if (code != 0 && ERR_GET_REASON(code) != ERR_R_INTERNAL_ERROR) reason = SSE_JOSE_E_KEY_WEAK;
  EVP_PKEY_free(*pkey);
  *pkey = NULL;

exit:
  OSSL_PARAM_BLD_free(build);
  return reason;
}
