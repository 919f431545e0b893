/* reference_json.c - the other opinion on JSON; see reference_json.h. It recurses
 * as deep as the text does: targets keep their inputs short. */
#include "reference_json.h"

#include <float.h>
#include <math.h>

typedef struct {
  const unsigned char *at, *end;
  size_t max_number;
} cursor_t;

static bool value(cursor_t *c);

static void space(cursor_t *c) {
  while (c->at < c->end && strchr(" \t\r\n", *c->at) != NULL && *c->at != 0)
    c->at++;
}

static bool take(cursor_t *c, const char *word) {
  size_t len = strlen(word);
  if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0) return false;
  c->at += len;
  return true;
}

static bool digits(cursor_t *c) {
  const unsigned char *from = c->at;
  while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
    c->at++;
  return c->at > from;
}

static bool number(cursor_t *c) {
  const unsigned char *from = c->at;
  take(c, "-");
  if (!take(c, "0") && !digits(c)) return false;
  if (take(c, ".") && !digits(c)) return false;
  if (take(c, "e") || take(c, "E")) {
    if (!take(c, "+")) take(c, "-");
    if (!digits(c)) return false;
  }
  return (size_t)(c->at - from) <= c->max_number;
}

/* Decodes by arithmetic and then asks whether that was the shortest way. */
static bool utf8(cursor_t *c) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  unsigned char first = *c->at;
  size_t len = first < 0x80       ? 1
               : first >> 5 == 6  ? 2
               : first >> 4 == 14 ? 3
               : first >> 3 == 30 ? 4
                                  : 0;
  if (len == 0 || (size_t)(c->end - c->at) < len) return false;
  uint32_t point = len == 1 ? first : first & (0x7fu >> len);
  for (size_t i = 1; i < len; i++) {
    if (c->at[i] >> 6 != 2) return false;
    point = point * 64 + (c->at[i] & 63u);
  }
  c->at += len;
  bool is_surrogate = point >= 0xd800 && point < 0xe000;
  return point >= least[len] && point <= 0x10ffff && !is_surrogate;
}

static bool unit(cursor_t *c, unsigned *out) {
  char hex[5] = "";
  if (c->end - c->at < 6 || c->at[0] != '\\' || c->at[1] != 'u') return false;
  memcpy(hex, c->at + 2, 4);
  if (strspn(hex, "0123456789abcdefABCDEF") != 4) return false;
  *out = (unsigned)strtoul(hex, NULL, 16);
  c->at += 6;
  return true;
}

static bool escape(cursor_t *c) {
  unsigned high, low;
  if (c->end - c->at >= 2 && c->at[1] != 0 && strchr("\"\\/bfnrt", c->at[1]) != NULL) {
    c->at += 2;
    return true;
  }
  if (!unit(c, &high) || high == 0) return false;
  if (high >> 10 == 0x37) return false;
  return high >> 10 != 0x36 || (unit(c, &low) && low >> 10 == 0x37);
}

static bool string(cursor_t *c) {
  if (!take(c, "\"")) return false;
  while (c->at < c->end && *c->at != '"') {
    if (*c->at < 0x20) return false;
    if (*c->at == '\\' ? !escape(c) : !utf8(c)) return false;
  }
  return take(c, "\"");
}

static bool list(cursor_t *c, const char *end, bool has_names) {
  space(c);
  if (take(c, end)) return true;
  do {
    space(c);
    if (has_names && !string(c)) return false;
    if (has_names) space(c);
    if (has_names && !take(c, ":")) return false;
    if (!value(c)) return false;
  } while (take(c, ","));
  return take(c, end);
}

static bool value(cursor_t *c) {
  bool ok;
  space(c);
  if (take(c, "{")) {
    ok = list(c, "}", true);
  } else if (take(c, "[")) {
    ok = list(c, "]", false);
  } else if (c->at < c->end && *c->at == '"') {
    ok = string(c);
  } else {
    ok = take(c, "true") || take(c, "false") || take(c, "null") || number(c);
  }
  space(c);
  return ok;
}

bool reference_json_is_wellformed(const char *text, size_t len, size_t max_number) {
  const unsigned char *at = (const unsigned char *)text;
  cursor_t c = {at, at + len, max_number};
  return value(&c) && c.at == c.end;
}

static unsigned count(const cJSON *item) {
  unsigned n = 1;
  for (const cJSON *child = item->child; child != NULL; child = child->next)
    n += count(child);
  return n;
}

static bool has_good_names(const cJSON *object) {
  size_t n = 0;
  for (const cJSON *a = object->child; a != NULL; a = a->next, n++) {
    if (strcmp(a->string, "__proto__") == 0) return false;
    for (const cJSON *b = object->child; b != a; b = b->next) {
      if (strcmp(a->string, b->string) == 0) return false;
    }
  }
  return n <= SSE_JSON_MAX_MEMBERS;
}

static bool is_allowed(const cJSON *item, unsigned depth) {
  if (cJSON_IsNumber(item) && !isfinite(item->valuedouble)) return false;
  if (!cJSON_IsArray(item) && !cJSON_IsObject(item)) return true;
  if (depth == 0 || (cJSON_IsObject(item) && !has_good_names(item))) return false;
  for (const cJSON *child = item->child; child != NULL; child = child->next) {
    if (!is_allowed(child, depth - 1)) return false;
  }
  return true;
}

bool reference_json_is_allowed(const cJSON *root, const sse_json_limits_t *limits) {
  return count(root) <= limits->max_nodes && is_allowed(root, limits->max_depth);
}

bool reference_json_is_borderline(const cJSON *root) {
  if (cJSON_IsNumber(root) && isfinite(root->valuedouble)) {
    return fabs(root->valuedouble) >= DBL_MAX * (1 - 1e-15);
  }
  for (const cJSON *child = root->child; child != NULL; child = child->next) {
    if (reference_json_is_borderline(child)) return true;
  }
  return false;
}
