/* base64url.c - the decoder: a table of 256 entries indexed by unsigned bytes,
 * since a signed char would read in front of it. */
#include "jose/base64url.h"

#include "jose/jose_mem.h"

enum { BAD = 0 };

/* Value + 1 of each character, so that all that is not named is BAD. */
static const uint8_t table[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};

bool sse_base64url_is_char(char c) {
  return table[(unsigned char)c] != BAD;
}

size_t sse_base64url_size(size_t len) {
  size_t rest = len % 4;
  return len / 4 * 3 + (rest > 1 ? rest - 1 : 0);
}

/* Reads `n` <= 4 characters into the top 6 * n bits of 24. */
static bool read_group(const unsigned char *in, size_t n, uint32_t *bits) {
  uint32_t sum = 0;
  for (size_t i = 0; i < 4; i++) {
    uint8_t value = i < n ? table[in[i]] : 1;
    if (value == BAD) return false;
    sum = sum << 6 | (uint32_t)(value - 1);
  }
  *bits = sum;
  return true;
}

sse_jose_reason_t sse_base64url_decode(sse_text_t text, uint8_t *out, size_t *out_len) {
  const unsigned char *in = (const unsigned char *)text.ptr;
  size_t whole = text.len / 4;
  size_t rest = text.len % 4;
  uint32_t bits = 0;
  if (rest == 1) return SSE_JOSE_E_B64;
  for (size_t i = 0; i < whole; i++) {
    if (!read_group(in + 4 * i, 4, &bits)) return SSE_JOSE_E_B64;
    *out++ = (uint8_t)(bits >> 16);
    *out++ = (uint8_t)(bits >> 8 & 0xff);
    *out++ = (uint8_t)(bits & 0xff);
  }
  if (rest > 0) {
    if (!read_group(in + 4 * whole, rest, &bits)) return SSE_JOSE_E_B64;
    /* RFC 4648 section 3.5: pad bits that are not zero are for us to refuse. */
    if ((bits & (rest == 2 ? 0xffffU : 0xffU)) != 0) return SSE_JOSE_E_B64;
    *out++ = (uint8_t)(bits >> 16);
    if (rest == 3) *out++ = (uint8_t)(bits >> 8 & 0xff);
  }
  *out_len = sse_base64url_size(text.len);
  return SSE_JOSE_OK;
}

uint8_t *sse_base64url_decode_new(sse_text_t text, size_t *out_len, sse_jose_reason_t *reason) {
  uint8_t *out = sse_jose_calloc(1, sse_base64url_size(text.len) + 1);
  if (!out) {
    *reason = SSE_JOSE_E_OOM;
    return NULL;
  }
  *reason = sse_base64url_decode(text, out, out_len);
  if (*reason == SSE_JOSE_OK) return out;
  sse_jose_free(out);
  return NULL;
}
