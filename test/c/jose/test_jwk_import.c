/* test_jwk_import.c - which numbers make a key. */
#include "jwk_fixture.h"

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

/* Coordinates are 32 bytes, zeros included: neither less nor more will do. */
static void test_ec_lengths(void **state) {
  EVP_PKEY *key = NULL;
  BIGNUM *number = NULL;
  uint8_t longer[34] = {0};
  (void)state;
  while (!number) { /* until x begins with a zero: one key in 256 */
    key = new_ec();
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &number), 1);
    if (BN_num_bytes(number) <= 31) break;
    BN_free(number);
    EVP_PKEY_free(key);
    number = NULL;
  }
  char *x = number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, 32);
  char *x31 = number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, 31);
  char *y = number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
  assert_reason(ec_point("P-256", x, y), OK);
  assert_reason(ec_point("P-256", x31, y), E_KEY_WEAK);
  assert_int_equal(BN_bn2binpad(number, longer, 32), 32);
  for (size_t len = 33; len <= 34; len++) { /* zeros behind */
    char *wide = b64(longer, len);
    assert_reason(ec_point("P-256", wide, y), E_KEY_WEAK);
    free(wide);
  }
  longer[0] = 2; /* a compressed point in place of x */
  assert_int_equal(BN_bn2binpad(number, longer + 1, 32), 32);
  char *compressed = b64(longer, 33);
  assert_reason(ec_point("P-256", compressed, y), E_KEY_WEAK);
  assert_reason(ec_point("P-256", compressed, ""), E_KEY_WEAK);
  free(compressed);
  free(x);
  free(x31);
  free(y);
  BN_free(number);
  EVP_PKEY_free(key);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_rsa_exponent), cmocka_unit_test(test_rsa_modulus),
      cmocka_unit_test(test_rsa_roca),     cmocka_unit_test(test_ec),
      cmocka_unit_test(test_ec_lengths),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
