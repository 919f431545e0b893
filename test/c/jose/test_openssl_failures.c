/* test_openssl_failures.c - every call of OpenSSL failing in turn. This program
 * has functions of OpenSSL's names, which the loader prefers to the library's:
 * each passes on to the real one until it is told to fail. */
#include "support.h"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "jose/verify.h"

#define NOW 1700000000.0
#define PAYLOAD "{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1700000100,\"sub\":\"s\"}"

/* How a call fails: what it returns, and which error it leaves. */
typedef struct {
  int value;  /* 0 or negative; NULL where a pointer is returned */
  int reason; /* of ERR_raise; 0: it leaves none                 */
} failure_t;

static long calls_left = -1; /* calls that succeed before one fails; -1: all */
static int depth;            /* calls under way: OpenSSL calls itself, too    */
static failure_t failure;

static bool fails(void) {
  if (depth > 0 || calls_left < 0 || calls_left-- > 0) return false;
  if (failure.reason != 0) ERR_raise(ERR_LIB_EVP, failure.reason);
  return true;
}

static void *real(const char *name) {
  void *symbol = dlsym(RTLD_NEXT, name);
  if (!symbol) abort();
  return symbol;
}

#define FAILING(type, name, parameters, arguments, failed) \
  type name parameters {                                   \
    union {                                                \
      void *symbol;                                        \
      type(*call) parameters;                              \
    } next = {NULL};                                       \
    type result = failed;                                  \
    if (fails()) return result;                            \
    next.symbol = real(#name);                             \
    depth++;                                               \
    result = next.call arguments;                          \
    depth--;                                               \
    return result;                                         \
  }
#define FAILING_POINTER(type, name, parameters, arguments) \
  FAILING(type *, name, parameters, arguments, NULL)
#define FAILING_INT(name, parameters, arguments) \
  FAILING(int, name, parameters, arguments, failure.value)

FAILING_POINTER(BIGNUM, BN_bin2bn, (const unsigned char *bytes, int len, BIGNUM *to),
                (bytes, len, to))
FAILING_POINTER(OSSL_PARAM_BLD, OSSL_PARAM_BLD_new, (void), ())
FAILING_POINTER(OSSL_PARAM, OSSL_PARAM_BLD_to_param, (OSSL_PARAM_BLD * build), (build))
FAILING_POINTER(EVP_PKEY_CTX, EVP_PKEY_CTX_new_from_name,
                (OSSL_LIB_CTX * library, const char *name, const char *query),
                (library, name, query))
FAILING_POINTER(EVP_PKEY_CTX, EVP_PKEY_CTX_new_from_pkey,
                (OSSL_LIB_CTX * library, EVP_PKEY *pkey, const char *query), (library, pkey, query))
FAILING_POINTER(EVP_MD_CTX, EVP_MD_CTX_new, (void), ())
FAILING_POINTER(ECDSA_SIG, ECDSA_SIG_new, (void), ())
FAILING_INT(OSSL_PARAM_BLD_push_BN, (OSSL_PARAM_BLD * build, const char *key, const BIGNUM *number),
            (build, key, number))
FAILING_INT(OSSL_PARAM_BLD_push_utf8_string,
            (OSSL_PARAM_BLD * build, const char *key, const char *text, size_t len),
            (build, key, text, len))
FAILING_INT(OSSL_PARAM_BLD_push_octet_string,
            (OSSL_PARAM_BLD * build, const char *key, const void *bytes, size_t len),
            (build, key, bytes, len))
FAILING_INT(EVP_PKEY_fromdata_init, (EVP_PKEY_CTX * ctx), (ctx))
FAILING_INT(EVP_DigestInit_ex, (EVP_MD_CTX * ctx, const EVP_MD *type, ENGINE *engine),
            (ctx, type, engine))
FAILING_INT(EVP_DigestUpdate, (EVP_MD_CTX * ctx, const void *bytes, size_t len), (ctx, bytes, len))
FAILING_INT(EVP_DigestFinal_ex, (EVP_MD_CTX * ctx, unsigned char *out, unsigned *len),
            (ctx, out, len))
FAILING_INT(EVP_PKEY_public_check, (EVP_PKEY_CTX * ctx), (ctx))
FAILING_INT(ECDSA_SIG_set0, (ECDSA_SIG * sig, BIGNUM *r, BIGNUM *s), (sig, r, s))
FAILING_INT(i2d_ECDSA_SIG, (const ECDSA_SIG *sig, unsigned char **to), (sig, to))
FAILING_INT(EVP_DigestVerifyInit,
            (EVP_MD_CTX * ctx, EVP_PKEY_CTX **pctx, const EVP_MD *type, ENGINE *engine,
             EVP_PKEY *pkey),
            (ctx, pctx, type, engine, pkey))
FAILING_INT(EVP_DigestVerify,
            (EVP_MD_CTX * ctx, const unsigned char *sig, size_t sig_len, const unsigned char *text,
             size_t text_len),
            (ctx, sig, sig_len, text, text_len))

/* This one fails late, with a key that is the caller's to free. */
int EVP_PKEY_fromdata(EVP_PKEY_CTX *ctx, EVP_PKEY **pkey, int selection, OSSL_PARAM params[]) {
  union {
    void *symbol;
    int (*call)(EVP_PKEY_CTX *, EVP_PKEY **, int, OSSL_PARAM[]);
  } next = {real("EVP_PKEY_fromdata")};
  int result;
  depth++;
  result = next.call(ctx, pkey, selection, params);
  depth--;
  return fails() ? failure.value : result;
}

/* Loads the set and verifies the token, as the addon does. */
static sse_jose_reason_t verify_token(const char *set_text, const char *text) {
  static const sse_text_t issuer = {"i", 1};
  static const sse_text_t audience = {"a", 1};
  static const sse_claims_config_t config = {&issuer,          1,         &audience, 1,
                                             SSE_JWS_ALL_ALGS, {NULL, 0}, 60,        8192};
  sse_jose_reason_t reason = SSE_JOSE_OK;
  const sse_jwk_t *key = NULL;
  sse_token_t *token = NULL;
  sse_jwks_t *jwks = sse_jwks_load(set_text, strlen(set_text), &reason, NULL);
  if (!jwks) return reason;
  token = sse_token_parse(text, strlen(text), &config, NOW, &reason);
  if (token) reason = sse_token_select(token, jwks, &key);
  if (reason == SSE_JOSE_OK) reason = sse_token_verify_signature(token, key);
  sse_token_unref(token);
  sse_jwks_unref(jwks);
  return reason;
}

/* The queue is as it was: empty, or with the one error of somebody else. */
static void expect_queue(unsigned long foreign) {
  assert_int_equal(ERR_peek_last_error(), foreign);
  assert_int_equal(ERR_get_error(), foreign);
  assert_int_equal(ERR_get_error(), 0);
}

/* Fails the n-th call for every n; returns how many there were. */
static long torture(const char *set_text, const char *token, bool with_foreign) {
  for (long n = 0;; n++) {
    unsigned long foreign = 0;
    sse_jose_reason_t reason;
    bool failed;
    ERR_clear_error();
    if (with_foreign) {
      ERR_raise(ERR_LIB_USER, 42);
      foreign = ERR_peek_error();
    }
    calls_left = n;
    reason = verify_token(set_text, token);
    failed = calls_left < 0;
    calls_left = -1;
    expect_queue(foreign);
    if (!failed) {
      assert_reason(reason, OK);
      return n;
    }
    if (reason == SSE_JOSE_OK) fail_msg("call %ld of OpenSSL failed, and the token is good", n);
    if (failure.reason == ERR_R_MALLOC_FAILURE) assert_reason(reason, E_OOM);
  }
}

static void torture_every_way(EVP_PKEY *key, const char *header, long least) {
  static const failure_t ways[] = {{0, 0},
                                   {-1, 0},
                                   {0, EVP_R_INVALID_KEY},
                                   {-1, EVP_R_INVALID_KEY},
                                   {0, ERR_R_MALLOC_FAILURE},
                                   {-2, ERR_R_MALLOC_FAILURE}};
  char *members = jwk_members(key, "k");
  char *set_text = format("{\"keys\":[{%s}]}", members);
  char *token = mint(key, header, PAYLOAD);
  assert_reason(verify_token(set_text, token), OK);
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    failure = ways[i];
    assert_true(torture(set_text, token, false) >= least);
    assert_true(torture(set_text, token, true) >= least);
  }
  free(token);
  free(set_text);
  free(members);
  EVP_PKEY_free(key);
}

/* Each calls what it calls at least: a call that the loader did not hand to us
 * would go untested without a word. */
static void test_rsa(void **state) {
  (void)state;
  torture_every_way(new_rsa(2048, 65537), "{\"alg\":\"RS256\",\"kid\":\"k\"}", 20);
}

static void test_ec(void **state) {
  (void)state;
  torture_every_way(new_ec(), "{\"alg\":\"ES256\",\"kid\":\"k\"}", 26);
}

/* What is no key or no signature leaves nothing in the queue either. */
static void test_refusals(void **state) {
  static const char point[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  EVP_PKEY *keys[] = {new_rsa(2048, 65537), new_ec()};
  static const char *const algs[] = {"RS256", "ES256"};
  char *bad = format("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", point, point);
  uint8_t sig[256];
  (void)state;
  memset(sig, 0xff, sizeof sig);
  for (int foreign = 0; foreign <= 1; foreign++) {
    for (size_t i = 0; i < 2; i++) {
      char *members = jwk_members(keys[i], "k");
      char *jwk = format("{%s}", members);
      ERR_clear_error();
      if (foreign) ERR_raise(ERR_LIB_USER, 42);
      unsigned long before = ERR_peek_error();
      assert_reason(sse_jws_verify_raw(text_of(algs[i]), text_of(jwk), text_of("m"),
                                       sse_text((char *)sig, i == 0 ? 256 : 64)),
                    E_SIG);
      assert_reason(sse_jws_verify_raw(text_of("ES256"), text_of(bad), text_of("m"), text_of("s")),
                    E_KEY_WEAK);
      expect_queue(before);
      free(members);
      free(jwk);
    }
  }
  free(bad);
  EVP_PKEY_free(keys[0]);
  EVP_PKEY_free(keys[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rsa),
      cmocka_unit_test(test_ec),
      cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
