/* test_jwk.c - which entries of a set are keys, and which key a token gets. */
#include "support.h"

#include <openssl/err.h>

#include "jose/jwk.h"

static EVP_PKEY *rsa, *ec;
static char *rsa_jwk, *ec_jwk; /* members, kid "r" and "e" */

static sse_jwks_t *load(const char *text, sse_jose_reason_t *reason, sse_jwks_stats_t *stats) {
  sse_guard_t guard = sse_guard_copy(text, strlen(text));
  sse_jwks_t *jwks = sse_jwks_load(guard.ptr, guard.len, reason, stats);
  sse_guard_free(&guard);
  return jwks;
}

/* Loads a set of one entry, given by its members, and selects from it. */
static sse_jose_reason_t select_from(const char *entries, sse_jws_alg_t alg, const char *kid) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jws_header_t header = {.alg = alg, .kid_len = strlen(kid)};
  const sse_jwk_t *key = NULL;
  char *text = format("{\"keys\":[%s]}", entries);
  sse_jwks_t *jwks = load(text, &reason, NULL);
  if (!jwks) fail_msg("%s: %s", text, sse_jose_reason_name(reason));
  memcpy(header.kid, kid, strlen(kid));
  reason = sse_jwks_select(jwks, &header, &key);
  if (reason == SSE_JOSE_OK) assert_int_equal(sse_jwk_alg(key), alg);
  sse_jwks_unref(jwks);
  free(text);
  assert_int_equal(ERR_peek_error(), 0); /* Node's queue is as it was */
  return reason;
}

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

static sse_jose_reason_t rsa_numbers(const char *n, const char *e) {
  char *entry = format("{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"%s\",\"e\":\"%s\"}", n, e);
  sse_jose_reason_t reason = select_from(entry, SSE_JWS_RS256, "r");
  free(entry);
  return reason;
}

static void test_rsa_exponent(void **state) {
  static const struct {
    const char *e;
    sse_jose_reason_t reason;
  } cases[] = {{"AQAB", SSE_JOSE_OK},
               {"AAEAAQ", SSE_JOSE_OK}, /* one leading zero */
               {"AAABAAE", SSE_JOSE_E_KEY_WEAK},
               {"", SSE_JOSE_E_KEY_WEAK}, /* two; none at all */
               {"AA", SSE_JOSE_E_KEY_WEAK},
               {"AQ", SSE_JOSE_E_KEY_WEAK}, /* 0, 1 */
               {"Ag", SSE_JOSE_E_KEY_WEAK},
               {"Aw", SSE_JOSE_E_KEY_WEAK}, /* 2, 3 */
               {"__8", SSE_JOSE_E_KEY_WEAK},
               {"AQAA", SSE_JOSE_E_KEY_WEAK}, /* 65535, 65536 */
               {"AQAC", SSE_JOSE_E_KEY_WEAK},
               {"AQAD", SSE_JOSE_OK}, /* even; 65539 */
               {"_____w", SSE_JOSE_OK},
               {"AQAAAAE", SSE_JOSE_E_KEY_WEAK}, /* 2^32-1, 2^32+1 */
               {"AQAB=", SSE_JOSE_E_NOKEY},
               {"AQ AB", SSE_JOSE_E_NOKEY},
               {"AQA", SSE_JOSE_E_KEY_WEAK},
               {"AQAA\\n", SSE_JOSE_E_NOKEY}};
  char *n = number_of(rsa, OSSL_PKEY_PARAM_RSA_N, 0);
  char *entry;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_reason(cases[i].e, rsa_numbers(n, cases[i].e), cases[i].reason);
  }
  entry = format("{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"%s\"}", n);
  assert_reason(select_from(entry, SSE_JWS_RS256, "r"), E_NOKEY);
  free(entry);
  entry = format("{\"kty\":\"RSA\",\"kid\":\"r\",\"n\":\"%s\",\"e\":65537}", n);
  assert_reason(select_from(entry, SSE_JWS_RS256, "r"), E_NOKEY);
  free(entry);
  assert_reason(select_from("{\"kty\":\"RSA\",\"kid\":\"r\",\"e\":\"AQAB\"}", SSE_JWS_RS256, "r"),
                E_NOKEY);
  free(n);
}

/* A number of `bits` bits that is odd or not; not a real modulus, which the
 * import does not ask for. */
static sse_jose_reason_t modulus(size_t bits, bool odd, size_t zeros) {
  uint8_t bytes[2100];
  size_t len = (bits + 7) / 8;
  char *n;
  sse_jose_reason_t reason;
  memset(bytes, 0, zeros);
  memset(bytes + zeros, 0xa7, len);
  bytes[zeros] = (uint8_t)(1U << ((bits - 1) % 8));
  bytes[zeros + len - 1] = odd ? 0x0d : 0x0c;
  n = b64(bytes, zeros + len);
  reason = rsa_numbers(n, "AQAB");
  free(n);
  return reason;
}

static void test_rsa_modulus(void **state) {
  (void)state;
  assert_reason(modulus(2048, true, 0), OK);
  assert_reason(modulus(2048, true, 1), OK);
  assert_reason(modulus(2048, true, 2), E_KEY_WEAK);
  assert_reason(modulus(2048, false, 0), E_KEY_WEAK);
  assert_reason(modulus(2047, true, 0), E_KEY_WEAK);
  assert_reason(modulus(2049, true, 0), OK);
  assert_reason(modulus(1024, true, 0), E_KEY_WEAK);
  assert_reason(modulus(512, true, 0), E_KEY_WEAK);
  assert_reason(modulus(8192, true, 0), OK);
  assert_reason(modulus(8192, true, 1), OK);
  assert_reason(modulus(8193, true, 0), E_KEY_WEAK);
  assert_reason(modulus(16385, true, 0), E_KEY_WEAK);
  assert_reason(rsa_numbers("", "AQAB"), E_KEY_WEAK);
  assert_reason(rsa_numbers("AA", "AQAB"), E_KEY_WEAK);
}

/* CVE-2017-15361: a modulus that is a power of 65537 (here the 0th) modulo
 * every small prime. */
static void test_rsa_roca(void **state) {
  BIGNUM *n = BN_new();
  unsigned char bytes[256];
  char *text;
  (void)state;
  BN_one(n);
  for (unsigned p = 3; p <= 167; p += 2) {
    bool prime = true;
    for (unsigned d = 3; d * d <= p; d += 2)
      prime = prime && p % d != 0;
    if (prime) BN_mul_word(n, p);
  }
  BN_lshift(n, n, 2048 - BN_num_bits(n));
  BN_add_word(n, 1);
  assert_int_equal(BN_bn2binpad(n, bytes, 256), 256);
  text = b64(bytes, 256);
  assert_reason(rsa_numbers(text, "AQAB"), E_KEY_WEAK);
  free(text);
  BN_add_word(n, 2); /* 3: the same size, and not of that form */
  assert_int_equal(BN_bn2binpad(n, bytes, 256), 256);
  text = b64(bytes, 256);
  assert_reason(rsa_numbers(text, "AQAB"), OK);
  free(text);
  BN_free(n);
}

static sse_jose_reason_t ec_point(const char *crv, const char *x, const char *y) {
  char *entry =
      format("{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}", crv, x, y);
  sse_jose_reason_t reason = select_from(entry, SSE_JWS_ES256, "e");
  free(entry);
  return reason;
}

static void test_ec(void **state) {
  static const char zero[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  static const char ones[] = "__________________________________________8";
  char *x = number_of(ec, OSSL_PKEY_PARAM_EC_PUB_X, 32);
  char *y = number_of(ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
  char *x33 = number_of(ec, OSSL_PKEY_PARAM_EC_PUB_X, 33);
  (void)state;
  assert_reason(ec_point("P-256", x, y), OK);
  assert_reason(ec_point("P-256", y, x), E_KEY_WEAK);
  assert_reason(ec_point("P-256", x, x), E_KEY_WEAK);
  assert_reason(ec_point("P-256", zero, zero), E_KEY_WEAK);
  assert_reason(ec_point("P-256", ones, ones), E_KEY_WEAK);
  assert_reason(ec_point("P-256", x33, y), E_KEY_WEAK);
  assert_reason(ec_point("P-256", "", ""), E_KEY_WEAK);
  assert_reason(ec_point("P-256", "AA", "AA"), E_KEY_WEAK);
  assert_reason(ec_point("P-256", x, ""), E_KEY_WEAK);
  assert_reason(ec_point("P-256", x, "*"), E_NOKEY);
  assert_reason(ec_point("P-384", x, y), E_NOKEY);
  assert_reason(ec_point("p-256", x, y), E_NOKEY);
  assert_reason(ec_point("prime256v1", x, y), E_NOKEY);
  char *entry = format("{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\",\"x\":\"%s\"}", x);
  assert_reason(select_from(entry, SSE_JWS_ES256, "e"), E_NOKEY);
  free(entry);
  entry = format("{\"kty\":\"EC\",\"kid\":\"e\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
  assert_reason(select_from(entry, SSE_JWS_ES256, "e"), E_NOKEY);
  free(entry);
  free(x);
  free(y);
  free(x33);
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

static int set_up(void **state) {
  (void)state;
  rsa = new_rsa(2048, 65537);
  ec = new_ec();
  rsa_jwk = jwk_members(rsa, "r");
  ec_jwk = jwk_members(ec, "e");
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  free(rsa_jwk);
  free(ec_jwk);
  EVP_PKEY_free(rsa);
  EVP_PKEY_free(ec);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sets),        cmocka_unit_test(test_sizes),
      cmocka_unit_test(test_mixed_set),   cmocka_unit_test(test_members),
      cmocka_unit_test(test_kid),         cmocka_unit_test(test_rsa_exponent),
      cmocka_unit_test(test_rsa_modulus), cmocka_unit_test(test_rsa_roca),
      cmocka_unit_test(test_ec),          cmocka_unit_test(test_weak_and_good),
      cmocka_unit_test(test_one),         cmocka_unit_test(test_thumbprint),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
