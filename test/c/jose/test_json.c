/* test_json.c - the strict scan against a table of texts, and the typed
 * accessors over the tree. */
#include "support.h"

#include "jose/json.h"

static sse_jose_reason_t scan(const char *text, size_t len) {
  sse_guard_t guard = sse_guard_copy(text, len);
  sse_jose_reason_t reason = sse_json_strict_scan(guard.ptr, len);
  sse_guard_free(&guard);
  return reason;
}

static void expect_all(const char *const *texts, size_t count, sse_jose_reason_t expected) {
  for (size_t i = 0; i < count; i++) {
    expect_reason(texts[i], scan(texts[i], strlen(texts[i])), expected);
  }
}

#define EXPECT_ALL(texts, reason) expect_all(texts, sizeof texts / sizeof *texts, reason)

static void test_accepts(void **state) {
  static const char *const texts[] = {
      "{}", "[]", "0", "-0", "1", "-1.5", "1e5", "1E+5", "1.25e-3", "0e0", "0.0", "\"\"", "true",
      "false", "null", " \t\r\n[ 1 ,\n2 ]\r ", "{\"a\":{\"b\":[{},[],\"\",null]}}", "[[],[[]]]",
      "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0001\\u00e9\\uD834\\uDd1e\"", "\"\x7f\"",
      "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\"", "\"\xed\x9f\xbf\xee\x80\x80\"",
      "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"", "\"\xe2\x80\xa8\"",
      "{\"a\":1,\"A\":2,\"\":3,\"a \":4}", "{\"a\":{\"x\":1},\"b\":{\"x\":1}}",
      "{\"__proto\":1,\"_proto__\":2,\"constructor\":3}",
      /* Two names of one hash. */
      "{\"costarring\":1,\"liquid\":2}", "\"__proto__\"", "\"\xef\xbb\xbf\"",
      "1.7976931348623157e308", "-1.7976931348623157e308", "1e-400", "0e999999999999",
      "0.00000000000000000000000000000000000000000000000000000000000000000000000000001e5",
      "123456789012345678901234567890", "17976931348623157e292", "0.00017976931348623157e312",
      /* RFC 7515 appendix A.1: payloads have CRLF in them. */
      "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"};
  (void)state;
  EXPECT_ALL(texts, SSE_JOSE_OK);
}

static void test_refuses_grammar(void **state) {
  static const char *const texts[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[",
                                      "]",
                                      "[1",
                                      "[1,",
                                      "[1,]",
                                      "[,1]",
                                      "[1 2]",
                                      "[1,,2]",
                                      "{,}",
                                      "{\"a\"",
                                      "{\"a\":",
                                      "{\"a\":1",
                                      "{\"a\":1,",
                                      "{\"a\":1,}",
                                      "{\"a\" 1}",
                                      "{a:1}",
                                      "{1:1}",
                                      "{\"a\":1 \"b\":2}",
                                      "{\"a\"::1}",
                                      "{[]:1}",
                                      "{null:1}",
                                      "1 2",
                                      "{}{}",
                                      "{} x",
                                      "[]]",
                                      "\"",
                                      "\"a",
                                      "\"\\",
                                      "\"\\\"",
                                      "\"\\x41\"",
                                      "\"\\'\"",
                                      "\"\\u\"",
                                      "\"\\u12\"",
                                      "\"\\u123\"",
                                      "\"\\u123g\"",
                                      "\"\\uZZZZ\"",
                                      "\"\\U0041\"",
                                      "\"\\u 123\"",
                                      "\"\\u+123\"",
                                      "\"a\nb\"",
                                      "\"a\tb\"",
                                      "\"a\rb\"",
                                      "\"\x1f\"",
                                      "\"\x01\"",
                                      "'a'",
                                      "a",
                                      "tru",
                                      "True",
                                      "TRUE",
                                      "nul",
                                      "nullx",
                                      "falsey",
                                      "undefined",
                                      "NaN",
                                      "Infinity",
                                      "-Infinity",
                                      "+1",
                                      "-",
                                      "--1",
                                      "01",
                                      "-01",
                                      "00",
                                      "1.",
                                      ".5",
                                      "-.5",
                                      "1.e5",
                                      "1e",
                                      "1e+",
                                      "1e-",
                                      "1.5e",
                                      "0x1",
                                      "1_000",
                                      "1,",
                                      "- 1",
                                      "1e1.5",
                                      "1e5e5",
                                      "0.1.2",
                                      "\f1",
                                      "\v1",
                                      "1\f",
                                      "// c\n1",
                                      "/**/1",
                                      "[1]/**/",
                                      "#\n1",
                                      "1e400",
                                      "-1e400",
                                      "1e309",
                                      "1.8e308",
                                      "1.7976931348623159e308",
                                      "0.1e310",
                                      "100e307",
                                      "1e99999999999999999999",
                                      "{\"__proto__\":1}",
                                      "{\"a\":[{\"__proto__\":{}}]}",
                                      "{\"\\u005f_proto__\":1}",
                                      "\\u0041",
                                      "\"a\"b",
                                      "\xc3\xa9",
                                      "[\xe2\x80\xa8]"};
  (void)state;
  EXPECT_ALL(texts, SSE_JOSE_E_JSON);
}

static void test_refuses_utf8(void **state) {
  static const char *const texts[] = {"\xef\xbb\xbf{}",
                                      "\xef\xbb\xbf",
                                      "\"\x80\"",
                                      "\"\xbf\"",
                                      "\"\xc0\x80\"",
                                      "\"\xc1\xbf\"",
                                      "\"\xc2\"",
                                      "\"\xc2",
                                      "\"\xc2\xc2\"",
                                      "\"\xe0\x80\x80\"",
                                      "\"\xe0\x9f\xbf\"",
                                      "\"\xe2\x80\"",
                                      "\"\xe2\x80",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xed\xbf\xbf\"",
                                      "\"\xf0\x80\x80\x80\"",
                                      "\"\xf0\x8f\xbf\xbf\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\"\xf5\x80\x80\x80\"",
                                      "\"\xf8\x88\x80\x80\x80\"",
                                      "\"\xfe\"",
                                      "\"\xff\"",
                                      "\"\xf0\x9f\x98\"",
                                      "\"\xf0\x9f\x98",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\n\"",
                                      "\"\\ud800x\"",
                                      "\"\\ud800\\ud800\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"\\udbff\\ue000\"",
                                      "\"\\udfff\\ud800\"",
                                      "\"\\ud834",
                                      "\"\\ud834\\",
                                      "[\xff]",
                                      "{\"a\":\x80}",
                                      "{\"\xff\":1}",
                                      "\"\\\xff\""};
  (void)state;
  EXPECT_ALL(texts, SSE_JOSE_E_UTF8);
}

static void test_refuses_nul(void **state) {
  static const char *const texts[] = {"\"\\u0000\"", "\"a\\u0000b\"", "{\"iss\\u0000x\":1}",
                                      "[{\"a\":[\"\\u0000\"]}]"};
  (void)state;
  EXPECT_ALL(texts, SSE_JOSE_E_NUL);
  assert_reason(scan("\0", 1), E_NUL);
  assert_reason(scan("{}\0", 3), E_NUL);
  assert_reason(scan("[1,\0]", 5), E_NUL);
  assert_reason(scan("\"a\0b\"", 5), E_NUL);
  assert_reason(scan("1\0", 2), E_NUL);
  assert_reason(scan("{\"a\"\0:1}", 8), E_NUL);
}

static void test_refuses_duplicates(void **state) {
  static const char *const texts[] = {"{\"a\":1,\"a\":2}",
                                      "{\"a\":1,\"b\":2,\"a\":1}",
                                      "{\"\":1,\"\":1}",
                                      "{\"sub\":1,\"\\u0073ub\":2}",
                                      "{\"\\u0073\\u0075b\":1,\"sub\":2}",
                                      "[{\"x\":{\"k\":1,\"k\":1}}]",
                                      "{\"\xc3\xa9\":1,\"\\u00E9\":2}",
                                      "{\"\xf0\x9d\x84\x9e\":1,\"\\ud834\\udd1e\":2}",
                                      "{\"/\":1,\"\\/\":2}",
                                      "{\"\\n\":1,\"\\u000a\":2}"};
  (void)state;
  EXPECT_ALL(texts, SSE_JOSE_E_DUP);
}

static char *repeat(const char *part, size_t times, const char *tail) {
  size_t len = strlen(part);
  char *out = calloc(1, len * times + strlen(tail) + 1);
  for (size_t i = 0; i < times; i++)
    memcpy(out + i * len, part, len);
  memcpy(out + len * times, tail, strlen(tail));
  return out;
}

static void expect_nested(size_t depth, const sse_json_limits_t *limits, sse_jose_reason_t reason) {
  char *open = repeat("[", depth, "");
  char *text = repeat("", 0, open);
  char *close = repeat("]", depth, "");
  char *all = format("%s%s", text, close);
  expect_reason(all, sse_json_scan(text_of(all), limits), reason);
  free(open);
  free(text);
  free(close);
  free(all);
}

static void test_limits(void **state) {
  char *text;
  (void)state;
  expect_nested(16, &sse_json_token_limits, SSE_JOSE_OK);
  expect_nested(17, &sse_json_token_limits, SSE_JOSE_E_DEPTH);
  expect_nested(8, &sse_json_jwks_limits, SSE_JOSE_OK);
  expect_nested(9, &sse_json_jwks_limits, SSE_JOSE_E_DEPTH);

  text = repeat("[", 100000, "");
  assert_reason(scan(text, strlen(text)), E_DEPTH);
  free(text);
  text = repeat("{\"a\":", 100000, "");
  assert_reason(scan(text, strlen(text)), E_DEPTH);
  free(text);

  /* 1024 values: the array and 1023 elements. */
  char *list = repeat("0,", 1022, "0]");
  text = format("[%s", list);
  assert_reason(scan(text, strlen(text)), OK);
  free(list);
  free(text);
  list = repeat("0,", 1023, "0]");
  text = format("[%s", list);
  assert_reason(scan(text, strlen(text)), E_DEPTH);
  assert_reason(sse_json_scan(text_of(text), &sse_json_jwks_limits), OK);
  free(list);
  free(text);
  for (size_t n = 8192; n <= 8193; n++) { /* the array is one of them */
    list = repeat("0,", n - 2, "0]");
    text = format("[%s", list);
    expect_reason("values of a key set", sse_json_scan(text_of(text), &sse_json_jwks_limits),
                  n == 8192 ? SSE_JOSE_OK : SSE_JOSE_E_DEPTH);
    free(list);
    free(text);
  }
}

static void test_members(void **state) {
  (void)state;
  for (int n = 63; n <= 65; n++) {
    char text[2048] = "{";
    size_t len = 1;
    for (int i = 0; i < n; i++) {
      len += (size_t)snprintf(text + len, sizeof text - len, "%s\"m%d\":0", i ? "," : "", i);
    }
    len += (size_t)snprintf(text + len, sizeof text - len, "}");
    assert_int_equal(scan(text, len), n <= 64 ? SSE_JOSE_OK : SSE_JOSE_E_DEPTH);
  }
}

/* Every prefix of a good text is refused, and every flipped byte survives the
 * sanitizers. */
static void test_mutations(void **state) {
  static const char good[] =
      "{\"a\":[1,-2.5e+3,true,false,null,\"x\\u00e9\\ud834\\udd1e\\n\"],\"\xc3\xa9\":{\"b\":\"\"}}";
  size_t len = sizeof good - 1;
  (void)state;
  for (size_t n = 0; n < len; n++)
    assert_int_not_equal(scan(good, n), SSE_JOSE_OK);
  for (size_t at = 0; at < len; at++) {
    for (int c = 0; c < 256; c++) {
      char copy[sizeof good];
      sse_jose_reason_t reason;
      memcpy(copy, good, sizeof good);
      copy[at] = (char)c;
      sse_json_t *root = sse_json_parse(sse_text(copy, len), &sse_json_token_limits, &reason);
      /* What the scan lets pass, cJSON reads to the end. */
      if (sse_json_strict_scan(copy, len) == SSE_JOSE_OK) assert_non_null(root);
      sse_json_free(root);
    }
  }
}

static void test_accessors(void **state) {
  static const char text[] =
      "{\"s\":\"a\\n\\u00e9\",\"n\":1e3,\"big\":4102444800,\"z\":null,\"t\":true,\"o\":{},"
      "\"l\":[\"x\",1,{}],\"e\":[]}";
  sse_guard_t guard = sse_guard_copy(text, sizeof text - 1);
  sse_jose_reason_t reason = SSE_JOSE_E_SIG;
  sse_json_t *root =
      sse_json_parse(sse_text(guard.ptr, guard.len), &sse_json_token_limits, &reason);
  const sse_json_t *list = NULL;
  sse_text_t s = {NULL, 0};
  double n = 0;
  (void)state;
  sse_guard_free(&guard); /* the tree has its own copy */
  assert_non_null(root);
  assert_reason(reason, OK);
  assert_int_equal(sse_json_get_string(root, "s", &s), SSE_JSON_FOUND);
  assert_true(sse_text_is(s, "a\n\xc3\xa9"));
  assert_int_equal(sse_json_get_string(root, "S", &s), SSE_JSON_ABSENT);
  assert_int_equal(sse_json_get_string(root, "n", &s), SSE_JSON_WRONG_TYPE);
  assert_int_equal(sse_json_get_string(root, "z", &s), SSE_JSON_WRONG_TYPE);
  assert_int_equal(sse_json_get_number(root, "n", &n), SSE_JSON_FOUND);
  assert_true(n > 999.5 && n < 1000.5);
  assert_int_equal(sse_json_get_number(root, "big", &n), SSE_JSON_FOUND);
  assert_true(n > 4102444799.5); /* beyond 2038 */
  assert_int_equal(sse_json_get_number(root, "s", &n), SSE_JSON_WRONG_TYPE);
  assert_int_equal(sse_json_get_number(root, "t", &n), SSE_JSON_WRONG_TYPE);
  assert_int_equal(sse_json_get_number(root, "x", &n), SSE_JSON_ABSENT);
  assert_int_equal(sse_json_get_array(root, "o", &list), SSE_JSON_WRONG_TYPE);
  assert_int_equal(sse_json_get_array(root, "x", &list), SSE_JSON_ABSENT);
  assert_int_equal(sse_json_get_array(root, "e", &list), SSE_JSON_FOUND);
  assert_null(sse_json_first(list));
  assert_int_equal(sse_json_get_array(root, "l", &list), SSE_JSON_FOUND);
  const sse_json_t *item = sse_json_first(list);
  assert_true(sse_json_is_string(item, &s) && sse_text_is(s, "x"));
  item = sse_json_next(item);
  assert_false(sse_json_is_string(item, &s));
  assert_false(sse_json_is_object(item));
  item = sse_json_next(item);
  assert_true(sse_json_is_object(item));
  assert_null(sse_json_next(item));
  assert_true(sse_json_has(root, "z"));
  assert_false(sse_json_has(root, "Z"));
  sse_json_free(root);
  sse_json_free(NULL);
}

static void test_roots(void **state) {
  static const char *const roots[] = {"[]", "\"x\"", "null", "1", "true", "[{}]"};
  sse_jose_reason_t reason = SSE_JOSE_OK;
  char *text;
  (void)state;
  for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
    assert_null(sse_json_parse(text_of(roots[i]), &sse_json_token_limits, &reason));
    expect_reason(roots[i], reason, SSE_JOSE_E_JSON);
  }
  assert_null(sse_json_parse(text_of("{\"a\":1,\"a\":1}"), &sse_json_token_limits, &reason));
  assert_reason(reason, E_DUP);
  /* cJSON 1.7.15 would stop at the 63rd character of a number. */
  char *digits = repeat("1", 63, "");
  text = format("{\"n\":%s}", digits);
  sse_json_t *root = sse_json_parse(text_of(text), &sse_json_token_limits, &reason);
  assert_non_null(root);
  sse_json_free(root);
  free(text);
  text = format("{\"n\":%s1}", digits);
  assert_null(sse_json_parse(text_of(text), &sse_json_token_limits, &reason));
  assert_reason(reason, E_JSON);
  free(text);
  free(digits);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_accepts),
      cmocka_unit_test(test_refuses_grammar),
      cmocka_unit_test(test_refuses_utf8),
      cmocka_unit_test(test_refuses_nul),
      cmocka_unit_test(test_refuses_duplicates),
      cmocka_unit_test(test_limits),
      cmocka_unit_test(test_members),
      cmocka_unit_test(test_mutations),
      cmocka_unit_test(test_accessors),
      cmocka_unit_test(test_roots),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
