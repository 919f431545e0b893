/* test_claims.c - the rules of iss, aud, exp, nbf, iat and sub. */
#include "support.h"

#include <math.h>

#include "jose/claims.h"

#define NOW 1700000000.0

static const sse_text_t issuers[] = {{"https://idp", 11}, {"https://two/", 12}};
static const sse_text_t audiences[] = {{"api", 3}, {"web", 3}};

static sse_claims_config_t config_of(double skew) {
  return (sse_claims_config_t){issuers, 2, audiences, 2, 3, {NULL, 0}, skew, 8192};
}

static sse_jose_reason_t check_at(const char *json, double skew, double now, sse_claims_t *claims) {
  sse_claims_config_t config = config_of(skew);
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_json_t *root = sse_json_parse(text_of(json), &sse_json_token_limits, &reason);
  if (!root) fail_msg("%s: %s", json, sse_jose_reason_name(reason));
  reason = sse_claims_check(root, &config, now, claims);
  sse_json_free(root);
  return reason;
}

/* A payload that is right but for the members in `members`. */
static sse_jose_reason_t check(const char *iss, const char *aud, const char *times,
                               const char *sub) {
  sse_claims_t claims;
  char *json = format("{%s%s%s%s\"end\":0}", iss, aud, times, sub);
  sse_jose_reason_t reason = check_at(json, 60, NOW, &claims);
  free(json);
  return reason;
}

#define ISS "\"iss\":\"https://idp\","
#define AUD "\"aud\":\"api\","
#define EXP "\"exp\":1700000100,"
#define SUB "\"sub\":\"alice\","

typedef struct {
  const char *member;
  sse_jose_reason_t reason;
} case_t;

static void test_all_right(void **state) {
  sse_claims_t claims;
  (void)state;
  assert_reason(check(ISS, AUD, EXP, SUB), OK);
  static const char json[] =
      "{\"iss\":\"https://two/\",\"aud\":[\"x\",\"web\"],\"exp\":1700000001.5,"
      "\"nbf\":5,\"iat\":6,\"sub\":\"b\"}";
  sse_claims_config_t config = config_of(0);
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_json_t *root = sse_json_parse(text_of(json), &sse_json_token_limits, &reason);
  assert_reason(sse_claims_check(root, &config, NOW, &claims), OK);
  assert_int_equal(claims.issuer, 1);
  assert_true(sse_text_is(claims.sub, "b"));
  assert_true(claims.exp > 1700000001.4 && claims.exp < 1700000001.6);
  assert_true(claims.nbf > 4.9 && claims.nbf < 5.1);
  sse_json_free(root);
}

static void test_issuer(void **state) {
  static const case_t cases[] = {{"\"iss\":\"https://idp\",", SSE_JOSE_OK},
                                 {"\"iss\":\"https://two/\",", SSE_JOSE_OK},
                                 {"", SSE_JOSE_E_ISS},
                                 {"\"ISS\":\"https://idp\",", SSE_JOSE_E_ISS},
                                 {"\"iss\":\"https://idp/\",", SSE_JOSE_E_ISS},
                                 {"\"iss\":\"https://two\",", SSE_JOSE_E_ISS},
                                 {"\"iss\":\"HTTPS://idp\",", SSE_JOSE_E_ISS},
                                 {"\"iss\":\"https://id\",", SSE_JOSE_E_ISS},
                                 {"\"iss\":\"\",", SSE_JOSE_E_ISS},
                                 {"\"iss\":null,", SSE_JOSE_E_ISS},
                                 {"\"iss\":[\"https://idp\"],", SSE_JOSE_E_ISS},
                                 {"\"iss\":1,", SSE_JOSE_E_ISS}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_reason(cases[i].member, check(cases[i].member, AUD, EXP, SUB), cases[i].reason);
  }
}

static void test_audience(void **state) {
  static const case_t cases[] = {{"\"aud\":\"api\",", SSE_JOSE_OK},
                                 {"\"aud\":\"web\",", SSE_JOSE_OK},
                                 {"\"aud\":[\"api\"],", SSE_JOSE_OK},
                                 {"\"aud\":[\"x\",\"web\"],", SSE_JOSE_OK},
                                 {"", SSE_JOSE_E_AUD},
                                 {"\"Aud\":\"api\",", SSE_JOSE_E_AUD},
                                 {"\"aud\":\"ap\",", SSE_JOSE_E_AUD},
                                 {"\"aud\":\"apis\",", SSE_JOSE_E_AUD},
                                 {"\"aud\":\"API\",", SSE_JOSE_E_AUD},
                                 {"\"aud\":\"\",", SSE_JOSE_E_AUD},
                                 {"\"aud\":[],", SSE_JOSE_E_AUD},
                                 {"\"aud\":[\"x\"],", SSE_JOSE_E_AUD},
                                 {"\"aud\":[\"api\",1],", SSE_JOSE_E_AUD},
                                 {"\"aud\":[null,\"api\"],", SSE_JOSE_E_AUD},
                                 {"\"aud\":[[\"api\"]],", SSE_JOSE_E_AUD},
                                 {"\"aud\":{\"0\":\"api\"},", SSE_JOSE_E_AUD},
                                 {"\"aud\":null,", SSE_JOSE_E_AUD},
                                 {"\"aud\":true,", SSE_JOSE_E_AUD}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_reason(cases[i].member, check(ISS, cases[i].member, EXP, SUB), cases[i].reason);
  }
  for (int n = 64; n <= 65; n++) {
    char member[1024] = "\"aud\":[";
    for (int i = 1; i < n; i++)
      strcat(member, "\"x\",");
    strcat(member, "\"api\"],");
    assert_int_equal(check(ISS, member, EXP, SUB), n == 64 ? SSE_JOSE_OK : SSE_JOSE_E_AUD);
  }
}

/* NOW is 1700000000, the skew 60. */
static void test_times(void **state) {
  static const case_t cases[] = {{"\"exp\":1699999941,", SSE_JOSE_OK},
                                 {"\"exp\":1699999940,", SSE_JOSE_E_EXP}, /* equality is too late */
                                 {"\"exp\":1699999940.001,", SSE_JOSE_OK},
                                 {"\"exp\":1699999939,", SSE_JOSE_E_EXP},
                                 {"\"exp\":0,", SSE_JOSE_E_EXP},
                                 {"\"exp\":253402300799,", SSE_JOSE_OK},
                                 {"\"exp\":253402300800,", SSE_JOSE_E_EXP},
                                 {"\"exp\":1700000100000,", SSE_JOSE_E_EXP}, /* milliseconds */
                                 {"\"exp\":1e300,", SSE_JOSE_E_EXP},
                                 {"\"exp\":-1,", SSE_JOSE_E_EXP},
                                 {"\"exp\":\"1700000100\",", SSE_JOSE_E_EXP},
                                 {"\"exp\":null,", SSE_JOSE_E_EXP},
                                 {"\"exp\":true,", SSE_JOSE_E_EXP},
                                 {"\"exp\":[1700000100],", SSE_JOSE_E_EXP},
                                 {"\"EXP\":1700000100,", SSE_JOSE_E_EXP},
                                 {"", SSE_JOSE_E_EXP},
                                 {EXP "\"nbf\":1700000060,", SSE_JOSE_OK},
                                 {EXP "\"nbf\":1700000060.5,", SSE_JOSE_E_NBF},
                                 {EXP "\"nbf\":1700000061,", SSE_JOSE_E_NBF},
                                 {EXP "\"nbf\":0,", SSE_JOSE_OK},
                                 {EXP "\"nbf\":-1,", SSE_JOSE_E_NBF},
                                 {EXP "\"nbf\":\"0\",", SSE_JOSE_E_NBF},
                                 {EXP "\"nbf\":null,", SSE_JOSE_E_NBF},
                                 {EXP "\"nbf\":1e300,", SSE_JOSE_E_NBF},
                                 {EXP "\"iat\":1700000060,", SSE_JOSE_OK},
                                 {EXP "\"iat\":1700000061,", SSE_JOSE_E_IAT},
                                 {EXP "\"iat\":\"x\",", SSE_JOSE_E_IAT},
                                 {EXP "\"iat\":null,", SSE_JOSE_E_IAT},
                                 {EXP "\"iat\":-5,", SSE_JOSE_E_IAT},
                                 {EXP "\"iat\":0,\"nbf\":0,", SSE_JOSE_OK}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_reason(cases[i].member, check(ISS, AUD, cases[i].member, SUB), cases[i].reason);
  }
}

static void test_clock(void **state) {
  (void)state;
  assert_reason(sse_claims_check_times(100, 0, 0, 0, 99.999), OK);
  assert_reason(sse_claims_check_times(100, 0, 0, 0, 100), E_EXP);
  assert_reason(sse_claims_check_times(100, 0, 0, 60, 159.5), OK);
  assert_reason(sse_claims_check_times(100, 0, 0, 60, 160), E_EXP);
  assert_reason(sse_claims_check_times(100, 50, 0, 0, 50), OK);
  assert_reason(sse_claims_check_times(100, 50, 0, 0, 49.9), E_NBF);
  assert_reason(sse_claims_check_times(100, 50, 0, 10, 40), OK);
  assert_reason(sse_claims_check_times(100, 0, 60, 10, 50), OK);
  assert_reason(sse_claims_check_times(100, 0, 60, 10, 49.9), E_IAT);
  assert_reason(sse_claims_check_times(100, 60, 60, 10, 49), E_NBF);
  /* A clock that is no number lets nothing pass. */
  assert_reason(sse_claims_check_times(100, 0, 0, 0, (double)NAN), E_EXP);
  assert_reason(sse_claims_check_times((double)NAN, 0, 0, 0, 1), E_EXP);
  assert_reason(sse_claims_check_times(100, (double)NAN, 0, 0, 1), E_NBF);
  assert_reason(sse_claims_check_times(100, 0, (double)NAN, 0, 1), E_IAT);
}

static void test_subject(void **state) {
  static const case_t cases[] = {{"\"sub\":\"alice\",", SSE_JOSE_OK},
                                 {"\"sub\":\"\xc3\xa9 \\\"'<\",", SSE_JOSE_OK},
                                 {"\"sub\":\"__proto__\",", SSE_JOSE_OK},
                                 {"", SSE_JOSE_E_SUB},
                                 {"\"Sub\":\"alice\",", SSE_JOSE_E_SUB},
                                 {"\"sub\":\"\",", SSE_JOSE_E_SUB},
                                 {"\"sub\":1,", SSE_JOSE_E_SUB},
                                 {"\"sub\":null,", SSE_JOSE_E_SUB},
                                 {"\"sub\":[\"alice\"],", SSE_JOSE_E_SUB},
                                 {"\"sub\":\"a\\nb\",", SSE_JOSE_E_SUB},
                                 {"\"sub\":\"\\u001f\",", SSE_JOSE_E_SUB},
                                 {"\"sub\":\"a\\u007f\",", SSE_JOSE_E_SUB},
                                 {"\"sub\":\"\\u2028\",", SSE_JOSE_E_SUB},
                                 {"\"sub\":\"a\\u2029b\",", SSE_JOSE_E_SUB},
                                 {"\"sub\":\"\\u2027\\u202a\",", SSE_JOSE_OK},
                                 {"\"sub\":\"\\u00e2\",", SSE_JOSE_OK}};
  char sub[300];
  char *member;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_reason(cases[i].member, check(ISS, AUD, EXP, cases[i].member), cases[i].reason);
  }
  memset(sub, 's', sizeof sub);
  sub[255] = '\0';
  member = format("\"sub\":\"%s\",", sub);
  assert_reason(check(ISS, AUD, EXP, member), OK);
  free(member);
  member = format("\"sub\":\"%ss\",", sub);
  assert_reason(check(ISS, AUD, EXP, member), E_SUB);
  free(member);
}

/* The order of section 1.6: the first rule broken gives the reason. */
static void test_order(void **state) {
  (void)state;
  assert_reason(check("", "", "", ""), E_ISS);
  assert_reason(check(ISS, "", "", ""), E_AUD);
  assert_reason(check(ISS, AUD, "", ""), E_EXP);
  assert_reason(check(ISS, AUD, EXP "\"nbf\":9e9,\"iat\":9e9,", ""), E_NBF);
  assert_reason(check(ISS, AUD, EXP "\"iat\":9e9,", ""), E_IAT);
  assert_reason(check(ISS, AUD, EXP, ""), E_SUB);
}

static void test_empty_lists(void **state) {
  sse_claims_config_t config = config_of(0);
  sse_claims_t claims;
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_json_t *root =
      sse_json_parse(text_of("{" ISS AUD EXP SUB "\"x\":0}"), &sse_json_token_limits, &reason);
  (void)state;
  assert_reason(sse_claims_check(root, &config, NOW, &claims), OK);
  config.audience_count = 0;
  assert_reason(sse_claims_check(root, &config, NOW, &claims), E_AUD);
  config.issuer_count = 0;
  assert_reason(sse_claims_check(root, &config, NOW, &claims), E_ISS);
  sse_json_free(root);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_all_right), cmocka_unit_test(test_issuer),
      cmocka_unit_test(test_audience),  cmocka_unit_test(test_times),
      cmocka_unit_test(test_clock),     cmocka_unit_test(test_subject),
      cmocka_unit_test(test_order),     cmocka_unit_test(test_empty_lists),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
