/* json_scan.c - the strict scanner: recursive descent, one pass, no memory. */
#include "jose/json_scan.h"

#include <stdint.h>

const sse_json_limits_t sse_json_token_limits = {16, 1024, 63};
const sse_json_limits_t sse_json_jwks_limits = {8, 8192, 63};

typedef struct {
  const unsigned char *cur;
  const unsigned char *end;
  const sse_json_limits_t *limits;
  unsigned nodes;
  sse_jose_reason_t reason; /* set once, by the first failure */
} scan_t;

/* A member name as it stands between its quotes. The hash is of its code
 * points; it only saves comparisons, so that nobody gains by colliding. */
typedef struct {
  const unsigned char *ptr;
  size_t len;
  uint32_t hash;
} name_t;

static bool scan_value(scan_t *s, unsigned depth);

static bool fail(scan_t *s, sse_jose_reason_t reason) {
  s->reason = reason;
  return false;
}

static bool at(const scan_t *s, char c) {
  return s->cur < s->end && *s->cur == (unsigned char)c;
}

static bool is_digit(const scan_t *s) {
  return s->cur < s->end && *s->cur >= '0' && *s->cur <= '9';
}

static void skip_space(scan_t *s) {
  while (at(s, ' ') || at(s, '\n') || at(s, '\r') || at(s, '\t'))
    s->cur++;
}

/* Reads one UTF-8 sequence by the table of RFC 3629 section 4: shortest form
 * only, no surrogates, nothing above U+10FFFF. */
static bool read_utf8(scan_t *s, uint32_t *point) {
  const unsigned char *p = s->cur;
  size_t more;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (*p < 0x80) {
    more = 0;
  } else if (*p >= 0xc2 && *p <= 0xdf) {
    more = 1;
  } else if (*p >= 0xe0 && *p <= 0xef) {
    more = 2;
    if (*p == 0xe0) low = 0xa0;
    if (*p == 0xed) high = 0x9f;
  } else if (*p >= 0xf0 && *p <= 0xf4) {
    more = 3;
    if (*p == 0xf0) low = 0x90;
    if (*p == 0xf4) high = 0x8f;
  } else {
    return fail(s, SSE_JOSE_E_UTF8);
  }
  if ((size_t)(s->end - p) <= more) return fail(s, SSE_JOSE_E_UTF8);
  *point = more == 0 ? *p : *p & (0x3fU >> more);
  for (size_t i = 1; i <= more; i++) {
    if (p[i] < low || p[i] > high) return fail(s, SSE_JOSE_E_UTF8);
    *point = *point << 6 | (p[i] & 0x3fU);
    low = 0x80;
    high = 0xbf;
  }
  s->cur += more + 1;
  return true;
}

/* Why a byte that the grammar has no place for is refused. */
static bool fail_here(scan_t *s) {
  uint32_t point;
  if (s->cur < s->end && *s->cur == 0) return fail(s, SSE_JOSE_E_NUL);
  if (s->cur < s->end && !read_utf8(s, &point)) return false;
  return fail(s, SSE_JOSE_E_JSON);
}

static bool read_hex4(scan_t *s, uint32_t *unit) {
  *unit = 0;
  for (int i = 0; i < 4; i++, s->cur++) {
    if (s->cur == s->end) return fail(s, SSE_JOSE_E_JSON);
    unsigned c = *s->cur;
    if (c >= '0' && c <= '9') {
      c -= '0';
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
      c = (c | 0x20) - 'a' + 10;
    } else {
      return fail(s, SSE_JOSE_E_JSON);
    }
    *unit = *unit << 4 | c;
  }
  return true;
}

/* Reads what follows `\u`. A surrogate without its other half has no UTF-8
 * form, and parsers replace, drop or keep it as they please. */
static bool read_unicode_escape(scan_t *s, uint32_t *point) {
  uint32_t low;
  if (!read_hex4(s, point)) return false;
  if (*point == 0) return fail(s, SSE_JOSE_E_NUL);
  if (*point < 0xd800 || *point > 0xdfff) return true;
  if (*point >= 0xdc00) return fail(s, SSE_JOSE_E_UTF8);
  if (s->end - s->cur < 2 || s->cur[0] != '\\' || s->cur[1] != 'u') {
    return fail(s, SSE_JOSE_E_UTF8);
  }
  s->cur += 2;
  if (!read_hex4(s, &low)) return false;
  if (low < 0xdc00 || low > 0xdfff) return fail(s, SSE_JOSE_E_UTF8);
  *point = 0x10000 + ((*point - 0xd800) << 10) + (low - 0xdc00);
  return true;
}

/* Reads one character of a string, escaped or not, as a code point. */
static bool read_point(scan_t *s, uint32_t *point) {
  static const char from[] = "\"\\/bfnrt";
  static const char to[] = "\"\\/\b\f\n\r\t";
  if (*s->cur == 0) return fail(s, SSE_JOSE_E_NUL);
  if (*s->cur < 0x20) return fail(s, SSE_JOSE_E_JSON);
  if (*s->cur != '\\') return read_utf8(s, point);
  s->cur++;
  if (s->cur == s->end) return fail(s, SSE_JOSE_E_JSON);
  if (*s->cur == 'u') {
    s->cur++;
    return read_unicode_escape(s, point);
  }
  for (size_t i = 0; i < sizeof from - 1; i++) {
    if (*s->cur != (unsigned char)from[i]) continue;
    *point = (unsigned char)to[i];
    s->cur++;
    return true;
  }
  return fail_here(s);
}

/* Scans a string whose opening quote is at `cur`; describes it in `name`. */
static bool scan_string(scan_t *s, name_t *name) {
  uint32_t point = 0;
  uint32_t hash = 2166136261U; /* FNV-1a over code points */
  s->cur++;
  name->ptr = s->cur;
  while (!at(s, '"')) {
    if (s->cur == s->end) return fail(s, SSE_JOSE_E_JSON);
    if (!read_point(s, &point)) return false;
    hash = (hash ^ point) * 16777619U;
  }
  name->len = (size_t)(s->cur - name->ptr);
  name->hash = hash;
  s->cur++;
  return true;
}

static bool same_name(const name_t *a, const name_t *b) {
  scan_t left = {a->ptr, a->ptr + a->len, NULL, 0, SSE_JOSE_OK};
  scan_t right = {b->ptr, b->ptr + b->len, NULL, 0, SSE_JOSE_OK};
  uint32_t p = 0;
  uint32_t q = 0;
  if (a->hash != b->hash) return false;
  while (left.cur < left.end && right.cur < right.end) {
    if (!read_point(&left, &p) || !read_point(&right, &q) || p != q) return false;
  }
  return left.cur == left.end && right.cur == right.end;
}

/* A member of this name replaces the prototype of an object that is filled by
 * assignment. No honest document has one. */
static bool is_proto(const name_t *name) {
  static const char word[] = "__proto__";
  name_t proto = {(const unsigned char *)word, sizeof word - 1, name->hash};
  return same_name(name, &proto);
}

static size_t skip_digits(scan_t *s) {
  const unsigned char *from = s->cur;
  while (is_digit(s))
    s->cur++;
  return (size_t)(s->cur - from);
}

/* True when the number's magnitude may be above DBL_MAX. Decided from its first
 * 17 significant digits and its decimal exponent: strtod would need a
 * terminated copy, and depends on the locale. What is refused too much lies
 * within one part in 10^16 of DBL_MAX. */
static bool overflows(const unsigned char *p, const unsigned char *end) {
  static const char max[] = "17976931348623157"; /* DBL_MAX is 1.797…157e308 */
  char digits[sizeof max] = "00000000000000000";
  size_t kept = 0;
  long magnitude = -1; /* of the first significant digit, as a power of ten */
  long exponent = 0;
  bool fraction = false;
  bool negative = false;
  for (; p < end && *p != 'e' && *p != 'E'; p++) {
    if (*p == '.') fraction = true;
    if (*p < '0' || *p > '9') continue;
    if (kept > 0 || *p != '0') {
      if (kept < sizeof max - 1) digits[kept] = (char)*p;
      kept++;
      if (!fraction) magnitude++;
    } else if (fraction) {
      magnitude--;
    }
  }
  if (kept == 0) return false;
  if (p < end) p++;
  for (; p < end; p++) {
    if (*p == '-') negative = true;
    if (*p >= '0' && *p <= '9' && exponent < 100000000) exponent = exponent * 10 + (*p - '0');
  }
  magnitude += negative ? -exponent : exponent;
  return magnitude > 308 || (magnitude == 308 && memcmp(digits, max, sizeof max - 1) > 0);
}

/* RFC 8259 section 6. */
static bool scan_number(scan_t *s) {
  const unsigned char *from = s->cur;
  if (at(s, '-')) s->cur++;
  if (at(s, '0')) {
    s->cur++;
  } else if (skip_digits(s) == 0) {
    return fail_here(s);
  }
  if (at(s, '.')) {
    s->cur++;
    if (skip_digits(s) == 0) return fail_here(s);
  }
  if (at(s, 'e') || at(s, 'E')) {
    s->cur++;
    if (at(s, '+') || at(s, '-')) s->cur++;
    if (skip_digits(s) == 0) return fail_here(s);
  }
  if ((size_t)(s->cur - from) > s->limits->max_number) return fail(s, SSE_JOSE_E_JSON);
  return !overflows(from, s->cur) || fail(s, SSE_JOSE_E_JSON);
}

static bool scan_word(scan_t *s, const char *word) {
  for (; *word; word++, s->cur++) {
    if (!at(s, *word)) return fail_here(s);
  }
  return true;
}

static bool scan_array(scan_t *s, unsigned depth) {
  s->cur++;
  skip_space(s);
  if (at(s, ']')) {
    s->cur++;
    return true;
  }
  for (;;) {
    if (!scan_value(s, depth)) return false;
    if (at(s, ']')) break;
    if (!at(s, ',')) return fail_here(s);
    s->cur++;
  }
  s->cur++;
  return true;
}

static bool scan_name(scan_t *s, name_t *names, size_t count) {
  name_t *name = &names[count];
  if (!at(s, '"')) return fail_here(s);
  if (!scan_string(s, name)) return false;
  if (is_proto(name)) return fail(s, SSE_JOSE_E_JSON);
  for (size_t i = 0; i < count; i++) {
    if (same_name(&names[i], name)) return fail(s, SSE_JOSE_E_DUP);
  }
  skip_space(s);
  if (!at(s, ':')) return fail_here(s);
  s->cur++;
  return true;
}

static bool scan_object(scan_t *s, unsigned depth) {
  name_t names[SSE_JSON_MAX_MEMBERS];
  size_t count = 0;
  s->cur++;
  skip_space(s);
  if (at(s, '}')) {
    s->cur++;
    return true;
  }
  for (;;) {
    if (count == SSE_JSON_MAX_MEMBERS) return fail(s, SSE_JOSE_E_DEPTH);
    if (!scan_name(s, names, count++)) return false;
    if (!scan_value(s, depth)) return false;
    if (at(s, '}')) break;
    if (!at(s, ',')) return fail_here(s);
    s->cur++;
    skip_space(s);
  }
  s->cur++;
  return true;
}

/* Scans a value with the white space around it. `depth` counts the arrays and
 * objects around it. */
static bool scan_value(scan_t *s, unsigned depth) {
  name_t ignored;
  bool ok;
  skip_space(s);
  if (++s->nodes > s->limits->max_nodes) return fail(s, SSE_JOSE_E_DEPTH);
  if (at(s, '{') || at(s, '[')) {
    if (depth == s->limits->max_depth) return fail(s, SSE_JOSE_E_DEPTH);
    ok = at(s, '{') ? scan_object(s, depth + 1) : scan_array(s, depth + 1);
  } else if (at(s, '"')) {
    ok = scan_string(s, &ignored);
  } else if (at(s, 't')) {
    ok = scan_word(s, "true");
  } else if (at(s, 'f')) {
    ok = scan_word(s, "false");
  } else if (at(s, 'n')) {
    ok = scan_word(s, "null");
  } else {
    ok = scan_number(s);
  }
  if (ok) skip_space(s);
  return ok;
}

sse_jose_reason_t sse_json_scan(sse_text_t text, const sse_json_limits_t *limits) {
  const unsigned char *ptr = (const unsigned char *)text.ptr;
  scan_t s = {ptr, ptr, limits, 0, SSE_JOSE_OK};
  if (text.len == 0) return SSE_JOSE_E_JSON;
  s.end = ptr + text.len;
  /* A byte order mark is invisible: RFC 8259 section 8.1 forbids to send it and
   * lets a parser skip it, so that two of them may see two texts. */
  if (text.len >= 3 && memcmp(ptr, "\xef\xbb\xbf", 3) == 0) return SSE_JOSE_E_UTF8;
  if (!scan_value(&s, 0)) return s.reason;
  if (s.cur < s.end) (void)fail_here(&s);
  return s.reason;
}

sse_jose_reason_t sse_json_strict_scan(const char *ptr, size_t len) {
  sse_json_limits_t limits = sse_json_token_limits;
  limits.max_number = SIZE_MAX;
  return sse_json_scan(sse_text(ptr, len), &limits);
}
