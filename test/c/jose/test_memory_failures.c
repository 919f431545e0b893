/* test_memory_failures.c - every allocation failing in turn: ours, cJSON's and
 * OpenSSL's. */
#include "support.h"

#include <cjson/cJSON.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "jose/jose_mem.h"
#include "jose/verify.h"

#define NOW 1700000000.0
#define MESSAGE "message"

/* What one run needs: a key of one algorithm, and what it has signed. */
typedef struct {
  const char *alg;
  char *set_text;
  char *key_text;
  char *token;
  uint8_t *signature; /* over MESSAGE */
  size_t signature_len;
} subject_t;

/* Loads the keys and verifies the token, as the addon does. */
static sse_jose_reason_t verify_token(const subject_t *subject) {
  static const sse_text_t issuer = {"i", 1};
  static const sse_text_t audience = {"a", 1};
  static const sse_claims_config_t config = {&issuer,          1,         &audience, 1,
                                             SSE_JWS_ALL_ALGS, {NULL, 0}, 60,        8192};
  sse_jose_reason_t reason = SSE_JOSE_OK;
  const sse_jwk_t *key = NULL;
  sse_token_t *token = NULL;
  char *name = NULL;
  size_t name_len = 0;
  sse_jwks_stats_t stats = {0, 0, 0};
  sse_jwks_t *jwks = sse_jwks_load(subject->set_text, strlen(subject->set_text), &reason, &stats);
  if (!jwks) return reason;
  /* Less keys than were published would turn good tokens away. (Above errors of
   * others, the cause may be out of sight, and the key is taken for a weak one.) */
  if (ERR_peek_error() == 0) assert_int_equal(stats.usable, 2);
  reason = sse_token_peek_issuer(subject->token, strlen(subject->token), 8192, &name, &name_len);
  if (reason == SSE_JOSE_OK) {
    token = sse_token_parse(subject->token, strlen(subject->token), &config, NOW, &reason);
  }
  if (token) reason = sse_token_select(token, jwks, &key);
  if (reason == SSE_JOSE_OK) reason = sse_token_verify_signature(token, key);
  sse_jose_free(name);
  sse_token_unref(token);
  sse_jwks_unref(jwks);
  return reason;
}

static sse_jose_reason_t verify_jws(const subject_t *subject) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jwks_t *jwks = sse_jwks_load(subject->set_text, strlen(subject->set_text), &reason, NULL);
  if (jwks) reason = sse_jws_verify_token(subject->token, strlen(subject->token), jwks);
  sse_jwks_unref(jwks);
  return reason;
}

static sse_jose_reason_t verify_raw(const subject_t *subject) {
  return sse_jws_verify_raw(text_of(subject->alg), text_of(subject->key_text), text_of(MESSAGE),
                            sse_text((char *)subject->signature, subject->signature_len));
}

/* Fails the n-th allocation for every n. Memory that is out is E_OOM, never a
 * verdict and never a pass, and leaves OpenSSL's queue of errors as it was. */
static void torture(sse_jose_reason_t (*run)(const subject_t *), const subject_t *subject,
                    bool with_foreign) {
  long n = 0;
  assert_reason(run(subject), OK); /* what OpenSSL makes once is made */
  for (;; n++) {
    unsigned long foreign = 0;
    ERR_clear_error();
    if (with_foreign) {
      ERR_raise(ERR_LIB_USER, 42);
      foreign = ERR_peek_error();
    }
    sse_test_alloc_left = n;
    sse_jose_reason_t reason = run(subject);
    bool failed = sse_test_alloc_left < 0;
    sse_test_alloc_left = -1;
    assert_int_equal(ERR_get_error(), foreign);
    assert_int_equal(ERR_get_error(), 0);
    if (!failed) {
      assert_reason(reason, OK);
      break;
    }
    /* Some of OpenSSL's allocations are optional. Below an error of somebody
     * else, the cause is not always found: then it is some refusal. */
    if (reason != SSE_JOSE_OK && !with_foreign) assert_reason(reason, E_OOM);
  }
  assert_true(n > 30);
}

static void torture_all(EVP_PKEY *key, EVP_PKEY *other, const char *alg) {
  char *members[] = {jwk_members(key, "k"), jwk_members(other, "o")};
  char *header = format("{\"alg\":\"%s\",\"kid\":\"k\"}", alg);
  char *signature = sign(key, MESSAGE);
  sse_jose_reason_t reason = SSE_JOSE_OK;
  subject_t subject = {.alg = alg};
  subject.set_text = format("{\"keys\":[{%s},{%s}]}", members[0], members[1]);
  subject.key_text = format("{%s}", members[0]);
  subject.token =
      mint(key, header, "{\"iss\":\"i\",\"aud\":[\"a\"],\"exp\":1700000100,\"sub\":\"s\"}");
  subject.signature = sse_base64url_decode_new(text_of(signature), &subject.signature_len, &reason);
  for (int foreign = 0; foreign <= 1; foreign++) {
    torture(verify_token, &subject, foreign);
    torture(verify_jws, &subject, foreign);
    torture(verify_raw, &subject, foreign);
  }
  free(subject.signature);
  free(subject.token);
  free(subject.key_text);
  free(subject.set_text);
  free(signature);
  free(header);
  free(members[0]);
  free(members[1]);
}

static void test_rsa(void **state) {
  EVP_PKEY **keys = *state;
  torture_all(keys[0], keys[1], "RS256");
}

static void test_ec(void **state) {
  EVP_PKEY **keys = *state;
  torture_all(keys[1], keys[0], "ES256");
}

static void *plain_malloc(size_t size) {
  return sse_test_alloc_fails() ? NULL : malloc(size);
}

static void *openssl_malloc(size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  return plain_malloc(size);
}

static void *openssl_realloc(void *ptr, size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  return sse_test_alloc_fails() ? NULL : realloc(ptr, size);
}

static void openssl_free(void *ptr, const char *file, int line) {
  (void)file;
  (void)line;
  free(ptr);
}

static EVP_PKEY *keys[2];

static int set_up(void **state) {
  keys[0] = new_rsa(2048, 65537);
  keys[1] = new_ec();
  *state = keys;
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  EVP_PKEY_free(keys[0]);
  EVP_PKEY_free(keys[1]);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rsa),
      cmocka_unit_test(test_ec),
  };
  cJSON_Hooks hooks = {plain_malloc, free};
  /* Before OpenSSL's first allocation, or it refuses. */
  if (!CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free)) return 1;
  cJSON_InitHooks(&hooks);
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
