/* test_reasons.c - every reason of reason.h has a token, key set or text that is
 * refused for it: a reason that nothing gives any more is seen here. */
#include "support.h"

#include "jose/verify.h"

#define NOW 1700000000.0
#define HEADER "{\"alg\":\"ES256\",\"kid\":\"k\"}"
#define CLAIMS(iss, aud, times, sub) \
  "{\"iss\":\"" iss "\",\"aud\":\"" aud "\"," times "\"sub\":\"" sub "\"}"
#define TIMES "\"exp\":1700000100,"
#define PAYLOAD CLAIMS("i", "a", TIMES, "s")

static EVP_PKEY *key;
static char *key_text;

static sse_jose_reason_t verify_text(const char *text, const char *entries) {
  static const sse_text_t issuer = {"i", 1};
  static const sse_text_t audience = {"a", 1};
  static const sse_claims_config_t config = {&issuer,          1,         &audience, 1,
                                             SSE_JWS_ALL_ALGS, {NULL, 0}, 60,        8192};
  sse_jose_reason_t reason = SSE_JOSE_OK;
  const sse_jwk_t *found = NULL;
  sse_token_t *token = NULL;
  char *set_text = format("{\"keys\":[%s]}", entries);
  sse_jwks_t *jwks = sse_jwks_load(set_text, strlen(set_text), &reason, NULL);
  if (jwks) token = sse_token_parse(text, strlen(text), &config, NOW, &reason);
  if (token) reason = sse_token_select(token, jwks, &found);
  if (reason == SSE_JOSE_OK) reason = sse_token_verify_signature(token, found);
  sse_token_unref(token);
  sse_jwks_unref(jwks);
  free(set_text);
  return reason;
}

/* A token of these parts, signed by the key. */
static sse_jose_reason_t verify(const char *header, const char *payload, const char *entries) {
  char *text = mint(key, header, payload);
  sse_jose_reason_t reason = verify_text(text, entries);
  free(text);
  return reason;
}

/* A good header and payload under a signature of this many bytes. */
static sse_jose_reason_t verify_signed_with(const char *alg, size_t len) {
  uint8_t sig[256] = {0};
  char *header = format("{\"alg\":\"%s\",\"kid\":\"k\"}", alg);
  char *parts[] = {b64(header, strlen(header)), b64(PAYLOAD, strlen(PAYLOAD)), b64(sig, len)};
  char *text = format("%s.%s.%s", parts[0], parts[1], parts[2]);
  sse_jose_reason_t reason = verify_text(text, key_text);
  for (size_t i = 0; i < 3; i++)
    free(parts[i]);
  free(text);
  free(header);
  return reason;
}

static sse_jose_reason_t without_memory(void) {
  sse_jose_reason_t reason;
  char *text = mint(key, HEADER, PAYLOAD);
  sse_test_alloc_left = 0;
  reason = verify_text(text, key_text);
  sse_test_alloc_left = -1;
  free(text);
  return reason;
}

static sse_jose_reason_t produce(sse_jose_reason_t reason) {
  switch (reason) {
    case SSE_JOSE_OK:
      return verify(HEADER, PAYLOAD, key_text);
    case SSE_JOSE_E_TOO_LARGE:
      return verify_text("", key_text);
    case SSE_JOSE_E_SEGMENTS:
      return verify_text("aa.bb", key_text);
    case SSE_JOSE_E_B64:
      return verify_text("aa.bb.c=", key_text);
    case SSE_JOSE_E_UTF8:
      return verify(HEADER, "{\"a\":\"\xff\"}", key_text);
    case SSE_JOSE_E_JSON:
      return verify(HEADER, "[]", key_text);
    case SSE_JOSE_E_DUP:
      return verify(HEADER, "{\"a\":1,\"a\":1}", key_text);
    case SSE_JOSE_E_NUL:
      return verify(HEADER, "{\"a\":\"\\u0000\"}", key_text);
    case SSE_JOSE_E_DEPTH:
      return verify(HEADER, "{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", key_text);
    case SSE_JOSE_E_ALG:
      return verify("{\"alg\":\"none\"}", PAYLOAD, key_text);
    case SSE_JOSE_E_CRIT:
      return verify("{\"alg\":\"ES256\",\"crit\":[]}", PAYLOAD, key_text);
    case SSE_JOSE_E_TYP:
      return verify("{\"alg\":\"ES256\",\"typ\":\"logout+jwt\"}", PAYLOAD, key_text);
    case SSE_JOSE_E_KID:
      return verify("{\"alg\":\"ES256\",\"kid\":\"\"}", PAYLOAD, key_text);
    case SSE_JOSE_E_ISS:
      return verify(HEADER, CLAIMS("I", "a", TIMES, "s"), key_text);
    case SSE_JOSE_E_AUD:
      return verify(HEADER, CLAIMS("i", "A", TIMES, "s"), key_text);
    case SSE_JOSE_E_EXP:
      return verify(HEADER, CLAIMS("i", "a", "\"exp\":1,", "s"), key_text);
    case SSE_JOSE_E_NBF:
      return verify(HEADER, CLAIMS("i", "a", TIMES "\"nbf\":1700000061,", "s"), key_text);
    case SSE_JOSE_E_IAT:
      return verify(HEADER, CLAIMS("i", "a", TIMES "\"iat\":1700000061,", "s"), key_text);
    case SSE_JOSE_E_SUB:
      return verify(HEADER, CLAIMS("i", "a", TIMES, ""), key_text);
    case SSE_JOSE_E_NOKEY:
      return verify(HEADER, PAYLOAD, "");
    case SSE_JOSE_E_AMBIGUOUS: {
      char *two = format("%s,%s", key_text, key_text);
      reason = verify(HEADER, PAYLOAD, two);
      free(two);
      return reason;
    }
    case SSE_JOSE_E_KEY_WEAK:
      return verify(HEADER, PAYLOAD,
                    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\",\"x\":\"\",\"y\":\"\"}");
    case SSE_JOSE_E_SIGLEN:
      return verify_signed_with("ES256", 256);
    case SSE_JOSE_E_SIG:
      return verify_signed_with("ES256", 64);
    case SSE_JOSE_E_OOM:
      return without_memory();
    case SSE_JOSE_REASON_COUNT:
      break;
  }
  return SSE_JOSE_REASON_COUNT;
}

static void test_every_reason(void **state) {
  (void)state;
  for (int i = 0; i < SSE_JOSE_REASON_COUNT; i++) {
    sse_jose_reason_t reason = (sse_jose_reason_t)i;
    expect_reason(sse_jose_reason_name(reason), produce(reason), reason);
  }
}

static void test_names(void **state) {
  (void)state;
  for (int i = 0; i < SSE_JOSE_REASON_COUNT; i++) {
    const char *name = sse_jose_reason_name((sse_jose_reason_t)i);
    assert_true(i == 0 ? strcmp(name, "OK") == 0 : strncmp(name, "E_", 2) == 0);
    for (int j = 0; j < i; j++)
      assert_string_not_equal(name, sse_jose_reason_name((sse_jose_reason_t)j));
  }
}

static int set_up(void **state) {
  char *members;
  (void)state;
  key = new_ec();
  members = jwk_members(key, "k");
  key_text = format("{%s}", members);
  free(members);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  free(key_text);
  EVP_PKEY_free(key);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_reason),
      cmocka_unit_test(test_names),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
