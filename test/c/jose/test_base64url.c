/* test_base64url.c - the decoder against its truth table. */
#include "support.h"

static sse_jose_reason_t decode(const char *text, size_t len, uint8_t *out, size_t *out_len) {
  sse_guard_t guard = sse_guard_copy(text, len);
  sse_jose_reason_t reason = sse_base64url_decode(sse_text(guard.ptr, len), out, out_len);
  sse_guard_free(&guard);
  return reason;
}

static void test_known(void **state) {
  /* RFC 4648 section 10 without padding, and bytes that use `-` and `_`. */
  static const struct {
    const char *text;
    const char *bytes;
  } cases[] = {
      {"", ""},           {"Zg", "f"},          {"Zm8", "fo"},          {"Zm9v", "foo"},
      {"Zm9vYg", "foob"}, {"Zm9vYmE", "fooba"}, {"Zm9vYmFy", "foobar"}, {"-_-_", "\xfb\xff\xbf"}};
  uint8_t out[16];
  size_t len = 99;
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    expect_reason(cases[i].text, decode(cases[i].text, strlen(cases[i].text), out, &len),
                  SSE_JOSE_OK);
    assert_int_equal(len, strlen(cases[i].bytes));
    assert_memory_equal(out, cases[i].bytes, len);
  }
}

/* RFC 7515 appendix C. */
static void test_rfc7515(void **state) {
  static const uint8_t bytes[] = {3, 236, 255, 224, 193};
  uint8_t out[8];
  size_t len = 0;
  (void)state;
  assert_reason(decode("A-z_4ME", 7, out, &len), OK);
  assert_int_equal(len, sizeof bytes);
  assert_memory_equal(out, bytes, sizeof bytes);
}

static bool is_alphabet(int c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

/* Every byte in every position of every group length. */
static void test_every_byte(void **state) {
  uint8_t out[8];
  size_t out_len = 0;
  (void)state;
  for (int c = 0; c < 256; c++) {
    assert_int_equal(sse_base64url_is_char((char)c), is_alphabet(c));
    for (size_t len = 2; len <= 7; len++) {
      if (len == 5) continue;
      for (size_t at = 0; at < len; at++) {
        char text[] = "AAAAAAA";
        bool last = at == len - 1;
        text[at] = (char)c;
        /* Of the last character of a partial group only some bits are used. */
        bool spare = last && len % 4 == 2   ? !strchr("AQgw", c)
                     : last && len % 4 == 3 ? !strchr("AEIMQUYcgkosw048", c)
                                            : false;
        bool good = is_alphabet(c) && !spare;
        expect_reason(text, decode(text, len, out, &out_len), good ? SSE_JOSE_OK : SSE_JOSE_E_B64);
      }
    }
  }
}

static void test_lengths(void **state) {
  uint8_t out[64];
  size_t len = 0;
  (void)state;
  for (size_t n = 0; n < 64; n++) {
    char text[64];
    memset(text, 'A', sizeof text);
    expect_reason("length", decode(text, n, out, &len), n % 4 == 1 ? SSE_JOSE_E_B64 : SSE_JOSE_OK);
    if (n % 4 != 1) assert_int_equal(len, n * 6 / 8);
    assert_int_equal(sse_base64url_size(n), n * 6 / 8);
  }
  assert_reason(decode("Zg==", 4, out, &len), E_B64);
  assert_reason(decode("Zm8=", 4, out, &len), E_B64);
  assert_reason(decode("Zm9v\n", 5, out, &len), E_B64);
  assert_reason(decode("Zm 9v", 5, out, &len), E_B64);
  assert_reason(decode("Zm+v", 4, out, &len), E_B64);
  assert_reason(decode("Zm/v", 4, out, &len), E_B64);
}

/* decode(encode(x)) == x, and no other text decodes to x. */
static void test_round_trip(void **state) {
  uint32_t seed = 12345;
  (void)state;
  for (int round = 0; round < 2000; round++) {
    uint8_t bytes[40];
    uint8_t out[40];
    size_t n = (size_t)round % sizeof bytes;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
      seed = seed * 1664525U + 1013904223U;
      bytes[i] = (uint8_t)(seed >> 24);
    }
    char *text = b64(bytes, n);
    assert_reason(decode(text, strlen(text), out, &len), OK);
    assert_int_equal(len, n);
    if (n > 0) assert_memory_equal(out, bytes, n);
    if (n > 0) {
      size_t at = seed % strlen(text);
      text[at] = text[at] == 'x' ? 'y' : 'x';
      if (decode(text, strlen(text), out, &len) == SSE_JOSE_OK) {
        assert_memory_not_equal(out, bytes, n);
      }
    }
    free(text);
  }
}

static void test_new(void **state) {
  size_t len = 99;
  sse_jose_reason_t reason = SSE_JOSE_E_SIG;
  uint8_t *out = sse_base64url_decode_new(text_of(""), &len, &reason);
  (void)state;
  assert_non_null(out); /* empty is not the same as failed */
  assert_int_equal(len, 0);
  assert_reason(reason, OK);
  free(out);
  assert_null(sse_base64url_decode_new(text_of("A"), &len, &reason));
  assert_reason(reason, E_B64);
  if (!&sse_test_alloc_left) return;
  sse_test_alloc_left = 0;
  assert_null(sse_base64url_decode_new(text_of("AAAA"), &len, &reason));
  assert_reason(reason, E_OOM);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_known),      cmocka_unit_test(test_rfc7515),
      cmocka_unit_test(test_every_byte), cmocka_unit_test(test_lengths),
      cmocka_unit_test(test_round_trip), cmocka_unit_test(test_new),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
