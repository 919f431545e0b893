/* test_jws.c - taking compact tokens apart, and the rules of the header. */
#include "support.h"

#include "jose/jws.h"

static sse_jose_reason_t split(const char *text, bool empty_payload, sse_jws_t *jws) {
  sse_guard_t guard = sse_guard_copy(text, strlen(text));
  sse_jose_reason_t reason = sse_jws_split(sse_text(guard.ptr, guard.len), 64, empty_payload, jws);
  sse_guard_free(&guard);
  return reason;
}

static void test_split(void **state) {
  static const struct {
    const char *text;
    sse_jose_reason_t reason;
  } cases[] = {{"", SSE_JOSE_E_TOO_LARGE},         {"aa.bb.cc", SSE_JOSE_OK},
               {"aa.bb", SSE_JOSE_E_SEGMENTS},     {"aa", SSE_JOSE_E_SEGMENTS},
               {"aa.bb.", SSE_JOSE_E_SEGMENTS},    {".bb.cc", SSE_JOSE_E_SEGMENTS},
               {"aa..cc", SSE_JOSE_E_SEGMENTS},    {"..", SSE_JOSE_E_SEGMENTS},
               {"aa.bb.cc.", SSE_JOSE_E_SEGMENTS}, {"aa.bb.cc.dd.ee", SSE_JOSE_E_SEGMENTS},
               {"aa.bb.cc=", SSE_JOSE_E_B64},      {"aa.bb. cc", SSE_JOSE_E_B64},
               {"aa.bb.cc\n", SSE_JOSE_E_B64},     {"{\"payload\":1}", SSE_JOSE_E_B64},
               {"a.bb.cc", SSE_JOSE_E_B64},        {"aa.bbbbb.cc", SSE_JOSE_E_B64},
               {"aa.bb.c", SSE_JOSE_E_B64},        {"aa.b\xc3\xa9.cc", SSE_JOSE_E_B64},
               {"Bearer aa.bb.cc", SSE_JOSE_E_B64}};
  sse_jws_t jws;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_reason(cases[i].text, split(cases[i].text, false, &jws), cases[i].reason);
  }
  assert_reason(split("aa..cc", true, &jws), OK);
  assert_reason(split(".bb.cc", true, &jws), E_SEGMENTS);
  assert_reason(split("aa.bb.", true, &jws), E_SEGMENTS);
}

static void test_split_parts(void **state) {
  sse_jws_t jws;
  (void)state;
  assert_reason(sse_jws_split(text_of("aa.bbbb.ccc"), 11, false, &jws), OK);
  assert_true(sse_text_is(jws.header, "aa"));
  assert_true(sse_text_is(jws.payload, "bbbb"));
  assert_true(sse_text_is(jws.signature, "ccc"));
  assert_true(sse_text_is(jws.signed_bytes, "aa.bbbb"));
  assert_reason(sse_jws_split(text_of("aa.bbbb.ccc"), 10, false, &jws), E_TOO_LARGE);
}

static void test_length(void **state) {
  static const struct {
    size_t len;
    bool rsa, ec;
  } cases[] = {{1, false, false},   {43, false, false},  {85, false, false},  {86, false, true},
               {87, false, false},  {96, false, false},  {341, false, false}, {342, true, false},
               {1366, true, false}, {1367, false, false}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    sse_jws_t jws = {.signature = {NULL, cases[i].len}};
    bool rsa = sse_jws_check_length(&jws, SSE_JWS_RS256) == SSE_JOSE_OK;
    bool ec = sse_jws_check_length(&jws, SSE_JWS_ES256) == SSE_JOSE_OK;
    bool any = sse_jws_check_length(&jws, SSE_JWS_ALL_ALGS) == SSE_JOSE_OK;
    assert_int_equal(rsa, cases[i].rsa);
    assert_int_equal(ec, cases[i].ec);
    assert_int_equal(any, rsa || ec);
    assert_reason(sse_jws_check_length(&jws, 0), E_SIGLEN);
  }
}

static sse_jose_reason_t read_header(const char *json, unsigned algs, const char *typ,
                                     sse_jws_header_t *header) {
  char *text = b64(json, strlen(json));
  sse_guard_t guard = sse_guard_copy(text, strlen(text));
  sse_jws_t jws = {.header = {guard.ptr, guard.len}};
  sse_jose_reason_t reason = sse_jws_read_header(&jws, algs, text_of(typ), header);
  sse_guard_free(&guard);
  free(text);
  return reason;
}

static void test_header(void **state) {
  static const struct {
    const char *json;
    sse_jose_reason_t reason;
  } cases[] = {
      {"{\"alg\":\"RS256\"}", SSE_JOSE_OK},
      {"{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"k\"}", SSE_JOSE_OK},
      /* RFC 7515 section 4: what is not understood is ignored. */
      {"{\"alg\":\"RS256\",\"jwk\":{\"kty\":\"RSA\"},\"jku\":\"https://evil\",\"x5c\":[],\"x\":1}",
       SSE_JOSE_OK},
      {"{\"alg\":\"none\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"NONE\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"\"}", SSE_JOSE_E_ALG},
      {"{}", SSE_JOSE_E_ALG},
      {"{\"ALG\":\"RS256\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"rs256\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"RS256 \"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"RS2567\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"RS25\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"HS256\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"RS384\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"PS256\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"ES384\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"ES256K\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"EdDSA\"}", SSE_JOSE_E_ALG},
      {"{\"alg\":[\"RS256\"]}", SSE_JOSE_E_ALG},
      {"{\"alg\":null}", SSE_JOSE_E_ALG},
      {"{\"alg\":256}", SSE_JOSE_E_ALG},
      {"{\"alg\":\"RS256\",\"alg\":\"none\"}", SSE_JOSE_E_DUP},
      {"{\"alg\":\"none\",\"alg\":\"RS256\"}", SSE_JOSE_E_DUP},
      {"{\"alg\":\"RS256\",\"crit\":[]}", SSE_JOSE_E_CRIT},
      {"{\"alg\":\"RS256\",\"crit\":null}", SSE_JOSE_E_CRIT},
      {"{\"alg\":\"RS256\",\"crit\":[\"exp\"],\"exp\":1}", SSE_JOSE_E_CRIT},
      {"{\"alg\":\"RS256\",\"b64\":true}", SSE_JOSE_E_CRIT},
      {"{\"alg\":\"RS256\",\"b64\":false}", SSE_JOSE_E_CRIT},
      {"{\"alg\":\"RS256\",\"typ\":\"jwt\"}", SSE_JOSE_OK},
      {"{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", SSE_JOSE_OK},
      {"{\"alg\":\"RS256\",\"typ\":\"Application/AT+JWT\"}", SSE_JOSE_OK},
      {"{\"alg\":\"RS256\",\"typ\":\"application/\"}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"typ\":\"JWTs\"}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"typ\":\"at+jw\"}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"typ\":\"\"}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"typ\":null}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"typ\":[\"JWT\"]}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"typ\":\"dpop+jwt\"}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"typ\":\"secevent+jwt\"}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"cty\":\"JWT\"}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"cty\":\"jwt\"}", SSE_JOSE_E_TYP},
      {"{\"alg\":\"RS256\",\"cty\":\"application/json\"}", SSE_JOSE_OK},
      {"{\"alg\":\"RS256\",\"kid\":null}", SSE_JOSE_E_KID},
      {"{\"alg\":\"RS256\",\"kid\":1}", SSE_JOSE_E_KID},
      {"{\"alg\":\"RS256\",\"kid\":\"\"}", SSE_JOSE_E_KID},
      {"{\"alg\":\"RS256\",\"kid\":\"a\\nb\"}", SSE_JOSE_E_KID},
      {"{\"alg\":\"RS256\",\"kid\":\"\\u007f\"}", SSE_JOSE_E_KID},
      {"{\"alg\":\"RS256\",\"kid\":\"a\\u0000\"}", SSE_JOSE_E_NUL},
      {"{\"alg\":\"RS256\",\"kid\":\"\xff\"}", SSE_JOSE_E_UTF8},
      {"\xef\xbb\xbf{\"alg\":\"RS256\"}", SSE_JOSE_E_UTF8},
      {"{\"alg\":\"RS256\",}", SSE_JOSE_E_JSON},
      {"[\"RS256\"]", SSE_JOSE_E_JSON},
      {"\"RS256\"", SSE_JOSE_E_JSON},
      {"{\"alg\":\"RS256\",\"__proto__\":{}}", SSE_JOSE_E_JSON},
      {"{\"alg\":\"RS256\",\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", SSE_JOSE_E_DEPTH},
  };
  sse_jws_header_t header;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_reason(cases[i].json, read_header(cases[i].json, SSE_JWS_ALL_ALGS, "", &header),
                  cases[i].reason);
  }
}

static void test_header_values(void **state) {
  sse_jws_header_t header;
  char *json;
  char kid[300];
  (void)state;
  assert_reason(
      read_header("{\"alg\":\"ES256\",\"kid\":\"k\\u00e9\"}", SSE_JWS_ALL_ALGS, "", &header), OK);
  assert_int_equal(header.alg, SSE_JWS_ES256);
  assert_true(sse_text_is(sse_text(header.kid, header.kid_len), "k\xc3\xa9"));
  assert_reason(read_header("{\"alg\":\"RS256\"}", SSE_JWS_ALL_ALGS, "", &header), OK);
  assert_int_equal(header.kid_len, 0);

  memset(kid, 'k', sizeof kid);
  kid[256] = '\0';
  json = format("{\"alg\":\"RS256\",\"kid\":\"%s\"}", kid);
  assert_reason(read_header(json, SSE_JWS_ALL_ALGS, "", &header), OK);
  assert_int_equal(header.kid_len, 256);
  free(json);
  json = format("{\"alg\":\"RS256\",\"kid\":\"%sk\"}", kid);
  assert_reason(read_header(json, SSE_JWS_ALL_ALGS, "", &header), E_KID);
  free(json);
}

static void test_allowed(void **state) {
  static const char rs[] = "{\"alg\":\"RS256\"}";
  static const char at[] = "{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}";
  sse_jws_header_t header;
  (void)state;
  assert_reason(read_header(rs, SSE_JWS_RS256, "", &header), OK);
  assert_reason(read_header(rs, SSE_JWS_ES256, "", &header), E_ALG);
  assert_reason(read_header(rs, 0, "", &header), E_ALG);
  assert_reason(read_header(rs, SSE_JWS_RS256, "at+jwt", &header), E_TYP);
  assert_reason(read_header(at, SSE_JWS_RS256, "at+jwt", &header), OK);
  assert_reason(read_header(at, SSE_JWS_RS256, "application/at+jwt", &header), OK);
  assert_reason(read_header(at, SSE_JWS_RS256, "JWT", &header), E_TYP);
  assert_reason(read_header("{\"alg\":\"RS256\",\"typ\":1}", SSE_JWS_RS256, "JWT", &header), E_TYP);
}

static void test_header_base64(void **state) {
  sse_jws_t jws = {.header = {"eyJhbGciOiJSUzI1NiJ9", 20}};
  sse_jws_header_t header;
  sse_text_t none = {NULL, 0};
  (void)state;
  assert_reason(sse_jws_read_header(&jws, SSE_JWS_ALL_ALGS, none, &header), OK);
  jws.header = text_of("eyJhbGciOiJSUzI1NiIgfR"); /* stray bits in the last character */
  assert_reason(sse_jws_read_header(&jws, SSE_JWS_ALL_ALGS, none, &header), E_B64);
  if (!&sse_test_alloc_left) return;
  jws.header = text_of("eyJhbGciOiJSUzI1NiJ9");
  for (long n = 0; n < 2; n++) {
    sse_test_alloc_left = n;
    assert_reason(sse_jws_read_header(&jws, SSE_JWS_ALL_ALGS, none, &header), E_OOM);
  }
  sse_test_alloc_left = -1;
}

static void test_names(void **state) {
  (void)state;
  assert_string_equal(sse_jose_reason_name(SSE_JOSE_OK), "OK");
  assert_string_equal(sse_jose_reason_name(SSE_JOSE_E_TOO_LARGE), "E_TOO_LARGE");
  assert_string_equal(sse_jose_reason_name(SSE_JOSE_E_OOM), "E_OOM");
  assert_string_not_equal(sse_jose_reason_name(SSE_JOSE_REASON_COUNT), "OK");
  assert_int_equal(sse_jws_alg(text_of("RS256")), SSE_JWS_RS256);
  assert_int_equal(sse_jws_alg(text_of("ES256")), SSE_JWS_ES256);
  assert_int_equal(sse_jws_alg(text_of("es256")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_split),         cmocka_unit_test(test_split_parts),
      cmocka_unit_test(test_length),        cmocka_unit_test(test_header),
      cmocka_unit_test(test_header_values), cmocka_unit_test(test_allowed),
      cmocka_unit_test(test_header_base64), cmocka_unit_test(test_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
