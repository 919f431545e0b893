/* test_verify.c - whole tokens: the examples of RFC 7515, forgeries and the order
 * of the checks. */
#include "support.h"

#include <openssl/err.h>
#include <pthread.h>

#include "jose/jose_mem.h"
#include "jose/verify.h"

#define NOW 1700000000.0
#define PAYLOAD         \
  "{\"iss\":\"https://" \
  "idp\",\"aud\":\"api\",\"exp\":1700000100,\"nbf\":1699999990,\"sub\":\"alice\"}"
#define RS_HEADER "{\"alg\":\"RS256\",\"kid\":\"r\"}"
#define ES_HEADER "{\"alg\":\"ES256\",\"kid\":\"e\"}"

static EVP_PKEY *rsa, *ec;
static char *set_text; /* both, kid "r" and "e" */
static sse_jwks_t *set;

static const sse_text_t issuers[] = {{"https://idp", 11}};
static const sse_text_t audiences[] = {{"api", 3}};
static const sse_claims_config_t config = {issuers,          1,         audiences, 1,
                                           SSE_JWS_ALL_ALGS, {NULL, 0}, 60,        8192};

/* All steps, as the addon goes through them. */
static sse_jose_reason_t verify(const char *text) {
  sse_jose_reason_t reason = SSE_JOSE_E_SIG;
  const sse_jwk_t *key = NULL;
  sse_guard_t guard = sse_guard_copy(text, strlen(text));
  sse_token_t *token = sse_token_parse(guard.ptr, guard.len, &config, NOW, &reason);
  sse_guard_free(&guard);
  if (!token) return reason;
  assert_reason(reason, OK);
  reason = sse_token_select(token, set, &key);
  if (reason == SSE_JOSE_OK) reason = sse_token_verify_signature(token, key);
  sse_token_unref(token);
  assert_int_equal(ERR_peek_error(), 0);
  return reason;
}

static sse_jose_reason_t verify_minted(EVP_PKEY *key, const char *header, const char *payload) {
  char *token = mint(key, header, payload);
  sse_jose_reason_t reason = verify(token);
  free(token);
  return reason;
}

static sse_jose_reason_t verify_jws(const char *token, const char *jwks_text) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jwks_t *jwks = sse_jwks_load(jwks_text, strlen(jwks_text), &reason, NULL);
  sse_guard_t guard = sse_guard_copy(token, strlen(token));
  assert_non_null(jwks);
  reason = sse_jws_verify_token(guard.ptr, guard.len, jwks);
  sse_guard_free(&guard);
  sse_jwks_unref(jwks);
  return reason;
}

/* RFC 7515 appendices A.2 and A.3. */
static void test_rfc7515(void **state) {
  static const char a2_keys[] =
      "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
      "wWJcyQoTbji9k0l8W26mPddxHmf"
      "HQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"
      "YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb"
      "_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
      "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3q"
      "Co5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
      "h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp"
      "oQ\",\"e\":\"AQAB\"}]}";
  static const char a2[] =
      "eyJhbGciOiJSUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
      "bS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__"
      "dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm"
      "4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
      "nZLgrnbyTyWzO75vRK5h6"
      "xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
      "eOkHWEsqtFZESc6BfI7noOPqv"
      "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
  static const char a3_keys[] =
      "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
      "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
  static const char a3[] =
      "eyJhbGciOiJFUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv"
      "bS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-"
      "F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
      "KTUJqPP3-Kg6NU1Q";
  char copy[sizeof a2];
  (void)state;
  assert_reason(verify_jws(a2, a2_keys), OK);
  assert_reason(verify_jws(a3, a3_keys), OK);
  assert_reason(verify_jws(a2, a3_keys), E_NOKEY);
  assert_reason(verify(a2), E_ISS); /* and so nobody is asked for a key */
  /* Each character of the token is signed for. */
  for (size_t i = 0; i < sizeof a2 - 1; i++) {
    memcpy(copy, a2, sizeof a2);
    copy[i] = copy[i] == 'A' ? 'B' : 'A';
    assert_int_not_equal(verify_jws(copy, a2_keys), SSE_JOSE_OK);
  }
  for (size_t i = 0; i < sizeof a3 - 1; i++) {
    memcpy(copy, a3, sizeof a3);
    copy[i] = copy[i] == 'A' ? 'B' : 'A';
    assert_int_not_equal(verify_jws(copy, a3_keys), SSE_JOSE_OK);
  }
  for (size_t i = 0; i < sizeof a3 - 1; i++) {
    memcpy(copy, a3, sizeof a3);
    copy[i] = '\0';
    assert_int_not_equal(verify_jws(copy, a3_keys), SSE_JOSE_OK);
  }
}

static void test_good_tokens(void **state) {
  (void)state;
  assert_reason(verify_minted(rsa, RS_HEADER, PAYLOAD), OK);
  assert_reason(verify_minted(ec, ES_HEADER, PAYLOAD), OK);
  assert_reason(verify_minted(rsa, "{\"alg\":\"RS256\"}", PAYLOAD), OK);
}

static void test_accessors(void **state) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  char *text = mint(rsa, RS_HEADER, PAYLOAD);
  sse_token_t *token = sse_token_parse(text, strlen(text), &config, NOW, &reason);
  const sse_jwk_t *key = NULL;
  (void)state;
  free(text); /* the token has its own copy */
  assert_non_null(token);
  assert_true(sse_text_is(sse_token_payload(token), PAYLOAD));
  assert_true(sse_text_is(sse_token_sub(token), "alice"));
  assert_true(sse_text_is(sse_token_kid(token), "r"));
  assert_true(sse_token_exp(token) > 1700000099 && sse_token_exp(token) < 1700000101);
  assert_int_equal(sse_token_alg(token), SSE_JWS_RS256);
  assert_int_equal(sse_token_issuer(token), 0);
  assert_reason(sse_token_recheck(token, &config, NOW), OK);
  assert_reason(sse_token_recheck(token, &config, NOW + 159), OK);
  assert_reason(sse_token_recheck(token, &config, NOW + 160), E_EXP);
  assert_reason(sse_token_recheck(token, &config, NOW - 71), E_NBF);
  char *young_text =
      mint(rsa, RS_HEADER,
           "{\"iss\":\"https://idp\",\"aud\":\"api\",\"exp\":1700000100,\"iat\":1700000000,"
           "\"sub\":\"s\"}");
  sse_token_t *young = sse_token_parse(young_text, strlen(young_text), &config, NOW, &reason);
  free(young_text);
  assert_non_null(young);
  assert_reason(sse_token_recheck(young, &config, NOW - 60), OK);
  assert_reason(sse_token_recheck(young, &config, NOW - 61), E_IAT);
  sse_token_unref(young);
  assert_ptr_equal(sse_token_ref(token), token);
  sse_token_unref(token);
  /* A key of the other algorithm, should anyone pass one. */
  sse_jws_header_t header = {.alg = SSE_JWS_ES256, .kid = "e", .kid_len = 1};
  assert_reason(sse_jwks_select(set, &header, &key), OK);
  assert_reason(sse_token_verify_signature(token, key), E_NOKEY);
  sse_token_unref(token);
  sse_token_unref(NULL);
}

static void test_keys(void **state) {
  EVP_PKEY *other_rsa = new_rsa(2048, 65537);
  EVP_PKEY *longer_rsa = new_rsa(3072, 65537);
  EVP_PKEY *other_ec = new_ec();
  (void)state;
  assert_reason(verify_minted(other_rsa, RS_HEADER, PAYLOAD), E_SIG);
  assert_reason(verify_minted(longer_rsa, RS_HEADER, PAYLOAD), E_SIGLEN);
  assert_reason(verify_minted(other_ec, ES_HEADER, PAYLOAD), E_SIG);
  assert_reason(verify_minted(rsa, "{\"alg\":\"RS256\",\"kid\":\"x\"}", PAYLOAD), E_NOKEY);
  assert_reason(verify_minted(rsa, "{\"alg\":\"RS256\",\"kid\":\"e\"}", PAYLOAD), E_NOKEY);
  assert_reason(verify_minted(ec, "{\"alg\":\"RS256\",\"kid\":\"r\"}", PAYLOAD), E_SIGLEN);
  assert_reason(verify_minted(rsa, "{\"alg\":\"ES256\",\"kid\":\"e\"}", PAYLOAD), E_SIGLEN);
  EVP_PKEY_free(other_rsa);
  EVP_PKEY_free(longer_rsa);
  EVP_PKEY_free(other_ec);
}

/* A token made of parts; the signature is given in bytes. */
static sse_jose_reason_t verify_parts(const char *header, const char *payload, const void *sig,
                                      size_t len) {
  char *h = b64(header, strlen(header));
  char *p = b64(payload, strlen(payload));
  char *s = b64(sig, len);
  char *token = format("%s.%s.%s", h, p, s);
  sse_jose_reason_t reason = verify(token);
  free(h);
  free(p);
  free(s);
  free(token);
  return reason;
}

static void test_forged_signatures(void **state) {
  uint8_t sig[2048];
  (void)state;
  /* r = s = 0 (CVE-2022-21449), all ones, and lengths that no key has. */
  memset(sig, 0, sizeof sig);
  assert_reason(verify_parts(ES_HEADER, PAYLOAD, sig, 64), E_SIG);
  assert_reason(verify_parts(RS_HEADER, PAYLOAD, sig, 256), E_SIG);
  assert_reason(verify_parts(RS_HEADER, PAYLOAD, sig, 257), E_SIGLEN);
  assert_reason(verify_parts(ES_HEADER, PAYLOAD, sig, 63), E_SIGLEN);
  assert_reason(verify_parts(ES_HEADER, PAYLOAD, sig, 96), E_SIGLEN);
  assert_reason(verify_parts(ES_HEADER, PAYLOAD, sig, 0), E_SEGMENTS);
  memset(sig, 0xff, sizeof sig);
  assert_reason(verify_parts(ES_HEADER, PAYLOAD, sig, 64), E_SIG);
  assert_reason(verify_parts(RS_HEADER, PAYLOAD, sig, 256), E_SIG);
  assert_reason(verify_parts(RS_HEADER, PAYLOAD, sig, 1024), E_SIGLEN);
  assert_reason(verify_parts(RS_HEADER, PAYLOAD, sig, 1025), E_SIGLEN);
  /* HS256 is 32 bytes: too short before anyone looks at alg. */
  assert_reason(verify_parts("{\"alg\":\"HS256\"}", PAYLOAD, sig, 32), E_SIGLEN);
  assert_reason(verify_parts("{\"alg\":\"HS256\"}", PAYLOAD, sig, 64), E_ALG);
  assert_reason(verify_parts("{\"alg\":\"none\"}", PAYLOAD, sig, 64), E_ALG);
}

/* DER in place of r and s side by side must not pass, whatever its length. */
static void test_der_signature(void **state) {
  char *jwk = jwk_members(ec, "e");
  char *text = format("{%s}", jwk);
  uint8_t der[80];
  (void)state;
  for (int i = 0; i < 20; i++) {
    size_t len = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, ec), 1);
    assert_int_equal(EVP_DigestSign(ctx, der, &len, (const uint8_t *)"m", 1), 1);
    EVP_MD_CTX_free(ctx);
    assert_int_not_equal(sse_jws_verify_raw(text_of("ES256"), text_of(text), text_of("m"),
                                            sse_text((char *)der, len)),
                         SSE_JOSE_OK);
  }
  free(text);
  free(jwk);
}

/* With e = 1 the padded digest is its own signature; OpenSSL says "valid". */
static void test_exponent_of_one(void **state) {
  static const uint8_t prefix[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                   0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
  uint8_t block[256];
  unsigned digest_len = 0;
  char *n = number_of(rsa, OSSL_PKEY_PARAM_RSA_N, 0);
  char *jwk = format("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQ\"}", n);
  (void)state;
  memset(block, 0xff, sizeof block);
  block[0] = 0;
  block[1] = 1;
  block[sizeof block - 32 - sizeof prefix - 1] = 0;
  memcpy(block + sizeof block - 32 - sizeof prefix, prefix, sizeof prefix);
  assert_int_equal(EVP_Digest("m", 1, block + sizeof block - 32, &digest_len, EVP_sha256(), NULL),
                   1);
  assert_reason(sse_jws_verify_raw(text_of("RS256"), text_of(jwk), text_of("m"),
                                   sse_text((char *)block, sizeof block)),
                E_KEY_WEAK);
  free(jwk);
  free(n);
}

static void test_raw(void **state) {
  char *jwk = jwk_members(rsa, "r");
  char *text = format("{%s}", jwk);
  (void)state;
  assert_reason(sse_jws_verify_raw(text_of("HS256"), text_of(text), text_of("m"), text_of("s")),
                E_ALG);
  assert_reason(sse_jws_verify_raw(text_of("RS256"), text_of("{"), text_of("m"), text_of("s")),
                E_JSON);
  assert_reason(sse_jws_verify_raw(text_of("ES256"), text_of(text), text_of("m"), text_of("s")),
                E_NOKEY);
  assert_reason(sse_jws_verify_raw(text_of("RS256"), text_of(text), text_of(""), text_of("s")),
                E_SIGLEN);
  free(text);
  free(jwk);
}

/* Payloads of a JWS may be anything; those of a token may not. */
static void test_payloads(void **state) {
  static const struct {
    const char *payload;
    sse_jose_reason_t reason;
  } cases[] = {{"", SSE_JOSE_E_SEGMENTS},
               {"[]", SSE_JOSE_E_JSON},
               {"\"x\"", SSE_JOSE_E_JSON},
               {"null", SSE_JOSE_E_JSON},
               {"foo", SSE_JOSE_E_JSON},
               {"{}", SSE_JOSE_E_ISS},
               {"{\"a\":\"\xff\"}", SSE_JOSE_E_UTF8},
               {"{\"iss\":\"https://idp\\u0000.evil\"}", SSE_JOSE_E_NUL},
               {"{\"iss\\u0000x\":\"https://idp\"}", SSE_JOSE_E_NUL},
               {"{\"iss\":\"a\",\"iss\":\"https://idp\"}", SSE_JOSE_E_DUP},
               {"{\"sub\":\"a\",\"\\u0073ub\":\"b\"}", SSE_JOSE_E_DUP},
               {"{\"__proto__\":{\"isAdmin\":true}}", SSE_JOSE_E_JSON},
               {"{\"exp\":1e999}", SSE_JOSE_E_JSON},
               {"{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", SSE_JOSE_E_DEPTH}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *token = mint(rsa, RS_HEADER, cases[i].payload);
    expect_reason(cases[i].payload, verify(token), cases[i].reason);
    expect_reason(cases[i].payload, verify_jws(token, set_text), SSE_JOSE_OK);
    free(token);
  }
}

static void test_sizes(void **state) {
  char pad[20000];
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_claims_config_t small = config;
  sse_token_t *token;
  char *text = mint(ec, ES_HEADER, PAYLOAD);
  (void)state;
  small.max_bytes = strlen(text);
  token = sse_token_parse(text, strlen(text), &small, NOW, &reason);
  assert_non_null(token);
  sse_token_unref(token);
  small.max_bytes--;
  assert_null(sse_token_parse(text, strlen(text), &small, NOW, &reason));
  assert_reason(reason, E_TOO_LARGE);
  free(text);
  assert_reason(verify(""), E_TOO_LARGE);
  memset(pad, 'A', sizeof pad);
  small.max_bytes = SIZE_MAX; /* no setting lifts the hard limit */
  assert_null(sse_token_parse(pad, SSE_JWS_MAX_BYTES + 1, &small, NOW, &reason));
  assert_reason(reason, E_TOO_LARGE);
  assert_null(sse_token_parse(pad, SSE_JWS_MAX_BYTES, &small, NOW, &reason));
  assert_reason(reason, E_SEGMENTS);
}

static void test_order(void **state) {
  sse_claims_config_t only_es = config;
  sse_jose_reason_t reason = SSE_JOSE_OK;
  char *text = mint(rsa, RS_HEADER, PAYLOAD);
  (void)state;
  only_es.algs = SSE_JWS_ES256;
  assert_null(sse_token_parse(text, strlen(text), &only_es, NOW, &reason));
  assert_reason(reason, E_SIGLEN);
  free(text);
  text = mint(ec, RS_HEADER, PAYLOAD);
  assert_null(sse_token_parse(text, strlen(text), &only_es, NOW, &reason));
  assert_reason(reason, E_ALG);
  free(text);
  /* No key of the token's alg signs at this length: nobody asks for one. */
  text = mint(ec, RS_HEADER, PAYLOAD);
  assert_null(sse_token_parse(text, strlen(text), &config, NOW, &reason));
  assert_reason(reason, E_SIGLEN);
  free(text);
  assert_reason(verify_minted(rsa, "{\"alg\":\"RS256\",\"crit\":[]}", "x"), E_CRIT);
  assert_reason(verify_minted(rsa, "{\"alg\":\"RS256\",\"typ\":1,\"kid\":1}", "x"), E_TYP);
  assert_reason(verify_minted(rsa, "{\"alg\":\"RS256\",\"kid\":1}", "x"), E_KID);
}

static void test_type(void **state) {
  static const struct {
    const char *header;
    bool is_good;
  } cases[] = {{"{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"at+jwt\"}", true},
               {"{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"JWT\"}", false},
               {ES_HEADER, false}};
  sse_claims_config_t strict = config;
  (void)state;
  strict.typ = text_of("at+jwt");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sse_jose_reason_t reason = SSE_JOSE_OK;
    char *text = mint(ec, cases[i].header, PAYLOAD);
    sse_token_t *token = sse_token_parse(text, strlen(text), &strict, NOW, &reason);
    expect_reason(cases[i].header, reason, cases[i].is_good ? SSE_JOSE_OK : SSE_JOSE_E_TYP);
    sse_token_unref(token);
    free(text);
  }
}

static void *verify_often(void *arg) {
  sse_token_t *token = arg;
  const sse_jwk_t *key = NULL;
  size_t good = 0;
  for (int i = 0; i < 200; i++) {
    sse_jwks_t *own = sse_jwks_ref(set);
    sse_token_ref(token);
    if (sse_token_select(token, own, &key) == SSE_JOSE_OK &&
        sse_token_verify_signature(token, key) == SSE_JOSE_OK) {
      good++;
    }
    sse_token_unref(token);
    sse_jwks_unref(own);
  }
  return (void *)good;
}

/* One token and one key on many threads at once. */
static void test_threads(void **state) {
  pthread_t threads[4];
  sse_jose_reason_t reason = SSE_JOSE_OK;
  char *text = mint(ec, ES_HEADER, PAYLOAD);
  sse_token_t *token = sse_token_parse(text, strlen(text), &config, NOW, &reason);
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, verify_often, token), 0);
  }
  for (size_t i = 0; i < 4; i++) {
    void *good = NULL;
    pthread_join(threads[i], &good);
    assert_int_equal((size_t)good, 200);
  }
  sse_token_unref(token);
  free(text);
}

/* The issuer that `text` names; NULL with `*reason` when none can be read. */
static char *peek(const char *text, size_t max, sse_jose_reason_t *reason) {
  char *issuer = NULL;
  size_t len = 0;
  sse_guard_t guard = sse_guard_copy(text, strlen(text));
  *reason = sse_token_peek_issuer(guard.ptr, guard.len, max, &issuer, &len);
  sse_guard_free(&guard);
  if (*reason == SSE_JOSE_OK) assert_int_equal(strlen(issuer), len);
  if (*reason != SSE_JOSE_OK) assert_null(issuer);
  return issuer;
}

static void test_peek(void **state) {
  static const struct {
    const char *payload, *issuer; /* NULL: the reason */
    sse_jose_reason_t reason;
  } cases[] = {{PAYLOAD, "https://idp", SSE_JOSE_OK},
               {"{\"iss\":\"\"}", "", SSE_JOSE_OK},
               {"{\"exp\":0,\"iss\":\"https://\\u0069dp/\"}", "https://idp/", SSE_JOSE_OK},
               {"{\"ISS\":\"https://idp\"}", NULL, SSE_JOSE_E_ISS},
               {"{\"iss\":[\"https://idp\"]}", NULL, SSE_JOSE_E_ISS},
               {"{\"iss\":\"a\",\"iss\":\"https://idp\"}", NULL, SSE_JOSE_E_DUP},
               {"{\"iss\":\"https://idp\\u0000\"}", NULL, SSE_JOSE_E_NUL},
               {"[]", NULL, SSE_JOSE_E_JSON},
               {"{", NULL, SSE_JOSE_E_JSON}};
  sse_jose_reason_t reason = SSE_JOSE_OK;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    /* Neither the header nor the signature are looked at. */
    char *token = mint(ec, "x", cases[i].payload);
    char *issuer = peek(token, 8192, &reason);
    expect_reason(cases[i].payload, reason, cases[i].reason);
    if (issuer) assert_string_equal(issuer, cases[i].issuer);
    sse_jose_free(issuer);
    assert_null(peek(token, strlen(token) - 1, &reason));
    assert_reason(reason, E_TOO_LARGE);
    free(token);
  }
  assert_null(peek("a.!.c", 8192, &reason));
  assert_reason(reason, E_B64);
  assert_null(peek("a.b", 8192, &reason));
  assert_reason(reason, E_SEGMENTS);
}

static int set_up(void **state) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  char *a, *b;
  (void)state;
  rsa = new_rsa(2048, 65537);
  ec = new_ec();
  a = jwk_members(rsa, "r");
  b = jwk_members(ec, "e");
  set_text = format("{\"keys\":[{%s},{%s}]}", a, b);
  free(a);
  free(b);
  set = sse_jwks_load(set_text, strlen(set_text), &reason, NULL);
  return set ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  sse_jwks_unref(set);
  free(set_text);
  EVP_PKEY_free(rsa);
  EVP_PKEY_free(ec);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rfc7515),
      cmocka_unit_test(test_good_tokens),
      cmocka_unit_test(test_accessors),
      cmocka_unit_test(test_keys),
      cmocka_unit_test(test_forged_signatures),
      cmocka_unit_test(test_der_signature),
      cmocka_unit_test(test_exponent_of_one),
      cmocka_unit_test(test_raw),
      cmocka_unit_test(test_payloads),
      cmocka_unit_test(test_sizes),
      cmocka_unit_test(test_order),
      cmocka_unit_test(test_type),
      cmocka_unit_test(test_peek),
      cmocka_unit_test(test_threads),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
