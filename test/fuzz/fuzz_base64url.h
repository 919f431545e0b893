/* fuzz_base64url.h - base64url by the book, apart from the decoder under test:
 * what targets of the trust wing write their tokens with. */
#ifndef SSE_TEST_FUZZ_BASE64URL_H
#define SSE_TEST_FUZZ_BASE64URL_H

#include "fuzz.h"

static const char FUZZ_BASE64URL_DIGITS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* RFC 4648 section 5 without padding, terminated; the caller frees. */
static inline char *fuzz_base64url(const void *bytes, size_t len, size_t *out_len) {
  const uint8_t *in = bytes;
  char *out = malloc(len / 3 * 4 + 5);
  if (out == NULL) abort();
  *out_len = 0;
  for (size_t bit = 0; bit < len * 8; bit += 6) {
    unsigned pair = (unsigned)in[bit / 8] << 8;
    if (bit / 8 + 1 < len) pair |= in[bit / 8 + 1];
    out[(*out_len)++] = FUZZ_BASE64URL_DIGITS[pair >> (10 - bit % 8) & 63];
  }
  out[*out_len] = '\0';
  return out;
}

/* True when there are bytes of which this is the text. */
static inline bool fuzz_base64url_is_canonical(const char *text, size_t len) {
  if (len % 4 == 1) return false;
  size_t last = 0;
  for (size_t i = 0; i < len; i++) {
    const char *digit = memchr(FUZZ_BASE64URL_DIGITS, text[i], 64);
    if (digit == NULL) return false;
    last = (size_t)(digit - FUZZ_BASE64URL_DIGITS);
  }
  if (len % 4 == 2) return last % 16 == 0;
  if (len % 4 == 3) return last % 4 == 0;
  return true;
}

#endif
