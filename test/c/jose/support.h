/* support.h - what the tests of csrc/jose share: cmocka, an encoder, fresh keys
 * and tokens made with them. */
#ifndef SSE_TEST_JOSE_SUPPORT_H
#define SSE_TEST_JOSE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "guard.h"
#include "jose/base64url.h"
#include "jose/reason.h"
#include "jose/text.h"

/* Compares reasons by name, so that a failure can be read. */
#define assert_reason(actual, expected) \
  assert_string_equal(sse_jose_reason_name(actual), sse_jose_reason_name(SSE_JOSE_##expected))

/* A wrong literal in a table names itself. */
#define expect_reason(what, actual, expected)                             \
  do {                                                                    \
    sse_jose_reason_t got_ = (actual);                                    \
    if (got_ != (expected)) {                                             \
      fail_msg("%s: %s, expected %s", (what), sse_jose_reason_name(got_), \
               sse_jose_reason_name(expected));                           \
    }                                                                     \
  } while (0)

static inline sse_text_t text_of(const char *text) {
  return sse_text(text, strlen(text));
}

/* base64url of `len` bytes; the caller frees. */
static inline char *b64(const void *bytes, size_t len) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const unsigned char *in = bytes;
  char *out = malloc(len / 3 * 4 + 5);
  char *cur = out;
  assert_non_null(out);
  for (size_t i = 0; i < len; i += 3) {
    size_t left = len - i;
    uint32_t bits = (uint32_t)in[i] << 16;
    if (left > 1) bits |= (uint32_t)in[i + 1] << 8;
    if (left > 2) bits |= in[i + 2];
    *cur++ = digits[bits >> 18];
    *cur++ = digits[bits >> 12 & 63];
    if (left > 1) *cur++ = digits[bits >> 6 & 63];
    if (left > 2) *cur++ = digits[bits & 63];
  }
  *cur = '\0';
  return out;
}

/* printf into fresh memory; the caller frees. */
static inline char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));
static inline char *format(const char *pattern, ...) {
  va_list args;
  char *out = NULL;
  va_start(args, pattern);
  if (vasprintf(&out, pattern, args) < 0) abort();
  va_end(args);
  return out;
}

static inline EVP_PKEY *new_rsa(unsigned bits, unsigned long exponent) {
  EVP_PKEY *key = NULL;
  BIGNUM *e = BN_new();
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
  assert_int_equal(BN_set_word(e, exponent), 1);
  assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
  assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits), 1);
  assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e), 1);
  assert_int_equal(EVP_PKEY_generate(ctx, &key), 1);
  EVP_PKEY_CTX_free(ctx);
  BN_free(e);
  return key;
}

static inline EVP_PKEY *new_ec(void) {
  return EVP_EC_gen("P-256");
}

/* base64url of a key's number, in `size` bytes (0: as few as it takes). */
static inline char *number_of(EVP_PKEY *key, const char *name, int size) {
  unsigned char bytes[2048];
  BIGNUM *number = NULL;
  assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
  if (size == 0) size = BN_num_bytes(number);
  assert_int_equal(BN_bn2binpad(number, bytes, size), size);
  BN_free(number);
  return b64(bytes, (size_t)size);
}

/* The public JWK without its braces; the caller frees. */
static inline char *jwk_members(EVP_PKEY *key, const char *kid) {
  char *out;
  bool rsa = EVP_PKEY_is_a(key, "RSA") == 1;
  char *a =
      rsa ? number_of(key, OSSL_PKEY_PARAM_RSA_N, 0) : number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
  char *b =
      rsa ? number_of(key, OSSL_PKEY_PARAM_RSA_E, 0) : number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
  out = rsa ? format("\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"", kid, a, b)
            : format("\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"",
                     kid, a, b);
  free(a);
  free(b);
  return out;
}

/* The raw signature of a JWS over `input`; the caller frees its base64url. */
static inline char *sign(EVP_PKEY *key, const char *input) {
  unsigned char sig[2048];
  unsigned char raw[64];
  size_t len = sizeof sig;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
  assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const unsigned char *)input, strlen(input)), 1);
  EVP_MD_CTX_free(ctx);
  if (EVP_PKEY_is_a(key, "RSA") == 1) return b64(sig, len);
  const unsigned char *cur = sig;
  ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &cur, (long)len);
  assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, 32), 32);
  assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + 32, 32), 32);
  ECDSA_SIG_free(pair);
  return b64(raw, sizeof raw);
}

/* A compact JWS with `key`; the caller frees. */
static inline char *mint(EVP_PKEY *key, const char *header, const char *payload) {
  char *h = b64(header, strlen(header));
  char *p = b64(payload, strlen(payload));
  char *input = format("%s.%s", h, p);
  char *sig = sign(key, input);
  char *token = format("%s.%s", input, sig);
  free(h);
  free(p);
  free(input);
  free(sig);
  return token;
}

/* The allocation counter of jose_mem_failing.c; absent where the production
 * allocator was linked, and the tests that need it skip then. */
extern long sse_test_alloc_left __attribute__((weak));
extern bool sse_test_alloc_fails(void) __attribute__((weak));

#endif
