/* test_jwk.c - which entries of a set are keys, and which key a token gets. */
#include "jwk_fixture.h"

#include "jose/json.h"
#include "jose/thumbprint.h"

/* What a good key plus `extra` members is good for. */
static sse_jose_reason_t rsa_with(const char *extra) {
  char *entry = format("{%s%s}", rsa_jwk, extra);
  sse_jose_reason_t reason = select_from(entry, SSE_JWS_RS256, "r");
  free(entry);
  return reason;
}

static void test_sets(void **state) {
  static const struct {
    const char *text;
    sse_jose_reason_t reason;
  } bad[] = {
      {"", SSE_JOSE_E_TOO_LARGE},
      {"<html>", SSE_JOSE_E_JSON},
      {"[]", SSE_JOSE_E_JSON},
      {"{}", SSE_JOSE_E_JSON},
      {"{\"keys\":{}}", SSE_JOSE_E_JSON},
      {"{\"keys\":null}", SSE_JOSE_E_JSON},
      {"{\"Keys\":[]}", SSE_JOSE_E_JSON},
      {"{\"keys\":[]} x", SSE_JOSE_E_JSON},
      {"{\"keys\":[],\"keys\":[]}", SSE_JOSE_E_DUP},
      {"{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}", SSE_JOSE_E_DUP},
      {"{\"keys\":[\"\\u0000\"]}", SSE_JOSE_E_NUL},
      {"\xef\xbb\xbf{\"keys\":[]}", SSE_JOSE_E_UTF8},
      {"{\"keys\":[[[[[[[[]]]]]]]]}", SSE_JOSE_E_DEPTH},
  };
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jwks_stats_t stats;
  sse_jwks_t *jwks;
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_null(load(bad[i].text, &reason, &stats));
    expect_reason(bad[i].text, reason, bad[i].reason);
  }
  jwks = load("{\"keys\":[]}", &reason, &stats); /* authoritative: nobody may in */
  assert_non_null(jwks);
  assert_int_equal(stats.usable, 0);
  sse_jwks_unref(jwks);
  sse_jwks_unref(NULL);
}

static void test_sizes(void **state) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jwks_stats_t stats;
  (void)state;
  for (int n = 100; n <= 101; n++) {
    char text[512] = "{\"keys\":[0";
    for (int i = 1; i < n; i++)
      strcat(text, ",0");
    strcat(text, "]}");
    sse_jwks_t *jwks = load(text, &reason, &stats);
    assert_int_equal(reason, n == 100 ? SSE_JOSE_OK : SSE_JOSE_E_TOO_LARGE);
    if (jwks) assert_int_equal(stats.skipped, 100);
    sse_jwks_unref(jwks);
  }
  char *large = malloc(SSE_JWKS_MAX_BYTES + 1);
  memset(large, ' ', SSE_JWKS_MAX_BYTES + 1);
  memcpy(large, "{\"keys\":[]}", 11);
  sse_jwks_t *jwks = sse_jwks_load(large, SSE_JWKS_MAX_BYTES, &reason, NULL);
  assert_non_null(jwks);
  sse_jwks_unref(jwks);
  assert_null(sse_jwks_load(large, SSE_JWKS_MAX_BYTES + 1, &reason, NULL));
  assert_reason(reason, E_TOO_LARGE);
  free(large);
}

static void test_mixed_set(void **state) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jwks_stats_t stats;
  char *text = format(
      "{\"keys\":[null,1,{},{\"kty\":1},{%s},{\"kty\":\"oct\",\"k\":\"AAAA\"},{\"kty\":\"OKP\","
      "\"crv\":\"Ed25519\",\"x\":\"AAAA\"},{%s},{%s,\"d\":\"AQAB\"},{%s,\"use\":\"enc\"}],\"x\":1}",
      rsa_jwk, ec_jwk, rsa_jwk, ec_jwk);
  sse_jwks_t *jwks = load(text, &reason, &stats);
  (void)state;
  assert_non_null(jwks);
  assert_int_equal(stats.usable, 2);
  assert_int_equal(stats.skipped, 8);
  assert_int_equal(stats.with_secret, 2);
  assert_ptr_equal(sse_jwks_ref(jwks), jwks);
  sse_jwks_unref(jwks);
  sse_jwks_unref(jwks);
  free(text);
}

static void test_members(void **state) {
  static const struct {
    const char *extra;
    sse_jose_reason_t reason;
  } cases[] = {
      {"", SSE_JOSE_OK},
      {",\"use\":\"sig\"", SSE_JOSE_OK},
      {",\"use\":\"enc\"", SSE_JOSE_E_NOKEY},
      {",\"use\":\"SIG\"", SSE_JOSE_E_NOKEY},
      {",\"use\":null", SSE_JOSE_E_NOKEY},
      {",\"use\":[\"sig\"]", SSE_JOSE_E_NOKEY},
      {",\"key_ops\":[\"verify\"]", SSE_JOSE_OK},
      {",\"key_ops\":[\"sign\",\"verify\"]", SSE_JOSE_OK},
      {",\"key_ops\":[]", SSE_JOSE_E_NOKEY},
      {",\"key_ops\":[\"encrypt\"]", SSE_JOSE_E_NOKEY},
      {",\"key_ops\":[\"verify\",\"verify\"]", SSE_JOSE_E_NOKEY},
      {",\"key_ops\":[\"verify\",1]", SSE_JOSE_E_NOKEY},
      {",\"key_ops\":\"verify\"", SSE_JOSE_E_NOKEY},
      {",\"key_ops\":null", SSE_JOSE_E_NOKEY},
      {",\"use\":\"sig\",\"key_ops\":[\"encrypt\"]", SSE_JOSE_E_NOKEY},
      {",\"alg\":\"RS256\"", SSE_JOSE_OK},
      {",\"alg\":\"RS512\"", SSE_JOSE_E_NOKEY},
      {",\"alg\":\"ES256\"", SSE_JOSE_E_NOKEY},
      {",\"alg\":\"rs256\"", SSE_JOSE_E_NOKEY},
      {",\"alg\":null", SSE_JOSE_E_NOKEY},
      {",\"d\":\"AQAB\"", SSE_JOSE_E_NOKEY},
      {",\"p\":\"AQAB\"", SSE_JOSE_E_NOKEY},
      {",\"q\":null", SSE_JOSE_E_NOKEY},
      {",\"dp\":\"\"", SSE_JOSE_E_NOKEY},
      {",\"dq\":1", SSE_JOSE_E_NOKEY},
      {",\"qi\":\"AQAB\"", SSE_JOSE_E_NOKEY},
      {",\"oth\":[]", SSE_JOSE_E_NOKEY},
      {",\"k\":\"AAAA\"", SSE_JOSE_E_NOKEY},
      {",\"x5c\":[\"MIIB\"],\"x5t\":\"AA\",\"ext\":true", SSE_JOSE_OK},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_reason(cases[i].extra, rsa_with(cases[i].extra), cases[i].reason);
  }
}

static void test_kid(void **state) {
  char *two = format("{%s},{%s}", rsa_jwk, rsa_jwk);
  char *pair = format("{%s},{%s}", rsa_jwk, ec_jwk);
  char *n = number_of(rsa, OSSL_PKEY_PARAM_RSA_N, 0);
  char *bare = format("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}", n);
  char *numeric = format("{\"kty\":\"RSA\",\"kid\":1,\"n\":\"%s\",\"e\":\"AQAB\"}", n);
  char *shared =
      format("{\"kty\":\"RSA\",\"kid\":\"e\",\"n\":\"%s\",\"e\":\"AQAB\"},{%s}", n, ec_jwk);
  char *both = format("{%s},%s", rsa_jwk, bare);
  (void)state;
  assert_reason(select_from(pair, SSE_JWS_RS256, "r"), OK);
  assert_reason(select_from(pair, SSE_JWS_ES256, "e"), OK);
  assert_reason(select_from(pair, SSE_JWS_ES256, "r"), E_NOKEY);
  assert_reason(select_from(pair, SSE_JWS_RS256, "R"), E_NOKEY);
  assert_reason(select_from(pair, SSE_JWS_RS256, "rr"), E_NOKEY);
  assert_reason(select_from(pair, SSE_JWS_RS256, ""), OK); /* the only one of its type */
  assert_reason(select_from(two, SSE_JWS_RS256, "r"), E_AMBIGUOUS);
  assert_reason(select_from(two, SSE_JWS_RS256, ""), E_AMBIGUOUS);
  assert_reason(select_from(two, SSE_JWS_RS256, "x"), E_NOKEY);
  assert_reason(select_from(bare, SSE_JWS_RS256, ""), OK);
  assert_reason(select_from(bare, SSE_JWS_RS256, "r"), E_NOKEY);
  assert_reason(select_from(both, SSE_JWS_RS256, "r"), OK);
  assert_reason(select_from(both, SSE_JWS_RS256, ""), E_AMBIGUOUS);
  assert_reason(select_from(numeric, SSE_JWS_RS256, ""), E_NOKEY);
  assert_reason(select_from(shared, SSE_JWS_RS256, "e"), OK);
  assert_reason(select_from(shared, SSE_JWS_ES256, "e"), OK);
  assert_reason(select_from("", SSE_JWS_RS256, "r"), E_NOKEY);
  free(two);
  free(pair);
  free(n);
  free(bare);
  free(numeric);
  free(shared);
  free(both);
}

/* kty decides what a key is, and alg may only agree. */
static void test_kty(void **state) {
  static const char *const types[] = {"\"rsa\"", "\"Rsa\"", "\"RSA \"", "\"RS\"",
                                      "\"EC\"",  "\"oct\"", "\"OKP\"",  "\"\"",
                                      "null",    "1",       "[\"RSA\"]"};
  char *n = number_of(rsa, OSSL_PKEY_PARAM_RSA_N, 0);
  (void)state;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    char *entry = format("{\"kty\":%s,\"alg\":\"RS256\",\"kid\":\"r\",\"n\":\"%s\",\"e\":\"AQAB\"}",
                         types[i], n);
    expect_reason(types[i], select_from(entry, SSE_JWS_RS256, "r"), SSE_JOSE_E_NOKEY);
    free(entry);
  }
  free(n);
}

/* A kid that no token can carry takes its key out of the set. */
static void test_kid_length(void **state) {
  char *n = number_of(rsa, OSSL_PKEY_PARAM_RSA_N, 0);
  (void)state;
  for (size_t len = 256; len <= 257; len++) {
    char kid[258] = "";
    memset(kid, 'k', len);
    char *entry = format("{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"AQAB\"}", kid, n);
    sse_jose_reason_t expected = len == 256 ? SSE_JOSE_OK : SSE_JOSE_E_NOKEY;
    expect_reason("no kid", select_from(entry, SSE_JWS_RS256, ""), expected);
    kid[256] = '\0'; /* the longest that a token may name */
    expect_reason("long kid", select_from(entry, SSE_JWS_RS256, kid), expected);
    free(entry);
  }
  free(n);
}

/* An entry that is skipped leaves nothing to the one behind it. */
static void test_skipped_before(void **state) {
  char *n = number_of(rsa, OSSL_PKEY_PARAM_RSA_N, 0);
  char *entries = format(
      "{\"kty\":\"RSA\",\"kid\":\"old\",\"e\":\"AQAB\"},"
      "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"AQAB\"}",
      n);
  (void)state;
  assert_reason(select_from(entries, SSE_JWS_RS256, ""), OK);
  assert_reason(select_from(entries, SSE_JWS_RS256, "old"), E_NOKEY);
  free(entries);
  free(n);
}

/* A weak key never hides a good one, nor makes it ambiguous. */
static void test_weak_and_good(void **state) {
  char *entries = format("{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"AQ\",\"e\":\"AQ\"},{%s}", rsa_jwk);
  (void)state;
  assert_reason(select_from(entries, SSE_JWS_RS256, "r"), OK);
  assert_reason(select_from(entries, SSE_JWS_RS256, ""), OK);
  free(entries);
}

static void test_one(void **state) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  char *text = format("{%s}", ec_jwk);
  sse_jws_header_t header = {.alg = SSE_JWS_ES256};
  const sse_jwk_t *key = NULL;
  sse_jwks_t *jwks = sse_jwks_load_one(text, strlen(text), &reason);
  (void)state;
  assert_non_null(jwks);
  assert_reason(sse_jwks_select(jwks, &header, &key), OK);
  assert_int_equal(sse_jwk_signature_size(key), 64);
  assert_non_null(sse_jwk_pkey(key));
  sse_jwks_unref(jwks);
  free(text);
  assert_null(sse_jwks_load_one("[]", 2, &reason));
  assert_reason(reason, E_JSON);
}

/* The thumbprint, in base64url, of the one key of `alg` in `entries`; the caller frees. */
static char *thumbprint_in(const char *entries, sse_jws_alg_t alg) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jws_header_t header = {.alg = alg};
  const sse_jwk_t *key = NULL;
  char *text = format("{\"keys\":[%s]}", entries);
  sse_jwks_t *jwks = load(text, &reason, NULL);
  assert_non_null(jwks);
  assert_reason(sse_jwks_select(jwks, &header, &key), OK);
  char *out = b64(sse_jwk_thumbprint(key), SSE_THUMBPRINT_SIZE);
  sse_jwks_unref(jwks);
  free(text);
  return out;
}

/* RFC 7638 section 3.1, and what makes a key another one. */
static void test_thumbprint(void **state) {
  static const char rfc[] =
      "{\"kty\":\"RSA\",\"n\":"
      "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK"
      "7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_"
      "RN5w6Cf0h4Qy"
      "Q5v-65YGjQR0_"
      "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt"
      "-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\","
      "\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}";
  EVP_PKEY *other_rsa = new_rsa(2048, 65537);
  EVP_PKEY *other_ec = new_ec();
  const struct {
    EVP_PKEY *key, *other;
    sse_jws_alg_t alg;
  } kinds[] = {{rsa, other_rsa, SSE_JWS_RS256}, {ec, other_ec, SSE_JWS_ES256}};
  char *found = thumbprint_in(rfc, SSE_JWS_RS256);
  (void)state;
  assert_string_equal(found, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  free(found);
  for (size_t i = 0; i < 2; i++) {
    char *one = jwk_members(kinds[i].key, "one");
    char *two = jwk_members(kinds[i].key, "two");
    char *three = jwk_members(kinds[i].other, "one");
    char *entries[] = {format("{%s}", one), format("null,{%s,\"use\":\"sig\"}", two),
                       format("{%s}", three)};
    char *prints[3];
    for (size_t j = 0; j < 3; j++)
      prints[j] = thumbprint_in(entries[j], kinds[i].alg);
    assert_string_equal(prints[0], prints[1]);
    assert_string_not_equal(prints[0], prints[2]);
    for (size_t j = 0; j < 3; j++) {
      free(prints[j]);
      free(entries[j]);
    }
    free(one);
    free(two);
    free(three);
  }
  EVP_PKEY_free(other_rsa);
  EVP_PKEY_free(other_ec);
}

/* RFC 7638 section 3.2: for EC these members, in this order. */
/* What cannot be digested whole has no thumbprint: two keys must never share one. */
static void test_no_thumbprint_without_a_member(void **state) {
  static const char *const texts[] = {"{\"e\":\"AQAB\"}", "{\"n\":\"AQAB\",\"e\":1}", "{}"};
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    uint8_t out[SSE_THUMBPRINT_SIZE];
    sse_jose_reason_t reason = SSE_JOSE_OK;
    sse_json_t *entry = sse_json_parse(text_of(texts[i]), &sse_json_jwks_limits, &reason);
    assert_non_null(entry);
    assert_reason(sse_thumbprint(entry, SSE_JWS_RS256, out), E_NOKEY);
    assert_reason(sse_thumbprint(entry, SSE_JWS_ES256, out), E_NOKEY);
    sse_json_free(entry);
  }
}

static void test_thumbprint_of_ec(void **state) {
  unsigned char digest[SSE_THUMBPRINT_SIZE];
  unsigned len = 0;
  char *x = number_of(ec, OSSL_PKEY_PARAM_EC_PUB_X, 32);
  char *y = number_of(ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
  char *json = format("{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
  char *entry = format("{%s}", ec_jwk);
  (void)state;
  assert_int_equal(EVP_Digest(json, strlen(json), digest, &len, EVP_sha256(), NULL), 1);
  char *expected = b64(digest, len);
  char *found = thumbprint_in(entry, SSE_JWS_ES256);
  assert_string_equal(found, expected);
  free(found);
  free(expected);
  free(entry);
  free(json);
  free(x);
  free(y);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sets),
      cmocka_unit_test(test_sizes),
      cmocka_unit_test(test_mixed_set),
      cmocka_unit_test(test_members),
      cmocka_unit_test(test_kid),
      cmocka_unit_test(test_kty),
      cmocka_unit_test(test_kid_length),
      cmocka_unit_test(test_skipped_before),
      cmocka_unit_test(test_weak_and_good),
      cmocka_unit_test(test_one),
      cmocka_unit_test(test_thumbprint),
      cmocka_unit_test(test_thumbprint_of_ec),
      cmocka_unit_test(test_no_thumbprint_without_a_member),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
