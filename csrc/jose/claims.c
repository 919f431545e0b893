/* claims.c - issuer, audience, times and subject. */
#include "jose/claims.h"

/* The last second of the year 9999. Later ones are mistakes, such as
 * milliseconds, or attempts at a token that never ends. */
static const double last_second = 253402300799.0;

static bool is_listed(sse_text_t value, const sse_text_t *list, size_t count, size_t *index) {
  for (size_t i = 0; i < count; i++) {
    if (!sse_text_equal(value, list[i])) continue;
    *index = i;
    return true;
  }
  return false;
}

/* RFC 7519 section 4.1.3: a string, or an array of strings. Every element is
 * looked at even when one has matched, so that a malformed list never passes. */
static bool audience_matches(const sse_json_t *payload, const sse_claims_config_t *config) {
  const sse_json_t *array;
  sse_text_t aud;
  size_t count = 0;
  size_t ignored;
  bool found = false;
  if (sse_json_get_string(payload, "aud", &aud) == SSE_JSON_FOUND) {
    return is_listed(aud, config->audiences, config->audience_count, &ignored);
  }
  if (sse_json_get_array(payload, "aud", &array) != SSE_JSON_FOUND) return false;
  for (const sse_json_t *item = sse_json_first(array); item; item = sse_json_next(item)) {
    if (++count > SSE_CLAIMS_MAX_AUD || !sse_json_is_string(item, &aud)) return false;
    if (is_listed(aud, config->audiences, config->audience_count, &ignored)) found = true;
  }
  return found;
}

static sse_json_find_t get_time(const sse_json_t *payload, const char *name, double *seconds) {
  sse_json_find_t found = sse_json_get_number(payload, name, seconds);
  if (found == SSE_JSON_FOUND && !(*seconds >= 0 && *seconds <= last_second)) {
    return SSE_JSON_WRONG_TYPE;
  }
  return found;
}

sse_jose_reason_t sse_claims_check_times(double exp, double nbf, double iat, double skew,
                                         double now) {
  /* RFC 7519 section 4.1.4: now "MUST be before" exp, so equality is too late.
   * Written so that a `now` that is no number fails both. */
  if (!(now < exp + skew)) return SSE_JOSE_E_EXP;
  if (!(nbf <= now + skew)) return SSE_JOSE_E_NBF;
  return iat <= now + skew ? SSE_JOSE_OK : SSE_JOSE_E_IAT;
}

static sse_jose_reason_t check_times(const sse_json_t *payload, double skew, double now,
                                     sse_claims_t *claims) {
  sse_jose_reason_t reason;
  claims->nbf = claims->iat = 0;
  /* RFC 7519 lets exp be absent; RFC 9068 section 2.2 does not, nor do we: a
   * stream that never has to end is not to be had from a forgotten claim. */
  if (get_time(payload, "exp", &claims->exp) != SSE_JSON_FOUND) return SSE_JOSE_E_EXP;
  reason = sse_claims_check_times(claims->exp, 0, 0, skew, now);
  if (reason != SSE_JOSE_OK) return reason;
  if (get_time(payload, "nbf", &claims->nbf) == SSE_JSON_WRONG_TYPE) return SSE_JOSE_E_NBF;
  reason = sse_claims_check_times(claims->exp, claims->nbf, 0, skew, now);
  if (reason != SSE_JOSE_OK) return reason;
  if (get_time(payload, "iat", &claims->iat) == SSE_JSON_WRONG_TYPE) return SSE_JOSE_E_IAT;
  return sse_claims_check_times(claims->exp, claims->nbf, claims->iat, skew, now);
}

/* The subject becomes a user id: a key of tables and a word in logs. */
static bool is_subject(sse_text_t sub) {
  if (sub.len == 0 || sub.len > SSE_CLAIMS_MAX_SUB) return false;
  for (size_t i = 0; i < sub.len; i++) {
    unsigned char c = (unsigned char)sub.ptr[i];
    if (c < 0x20 || c == 0x7f) return false;
    /* U+2028 and U+2029 end a line for some readers: e2 80 a8, e2 80 a9. */
    if (c == 0xe2 && sub.len - i >= 3 && (unsigned char)sub.ptr[i + 1] == 0x80 &&
        ((unsigned char)sub.ptr[i + 2] | 1) == 0xa9) {
      return false;
    }
  }
  return true;
}

sse_jose_reason_t sse_claims_check(const sse_json_t *payload, const sse_claims_config_t *config,
                                   double now, sse_claims_t *claims) {
  sse_text_t iss;
  sse_jose_reason_t reason;
  if (sse_json_get_string(payload, "iss", &iss) != SSE_JSON_FOUND ||
      !is_listed(iss, config->issuers, config->issuer_count, &claims->issuer)) {
    return SSE_JOSE_E_ISS;
  }
  if (!audience_matches(payload, config)) return SSE_JOSE_E_AUD;
  reason = check_times(payload, config->skew, now, claims);
  if (reason != SSE_JOSE_OK) return reason;
  if (sse_json_get_string(payload, "sub", &claims->sub) != SSE_JSON_FOUND ||
      !is_subject(claims->sub)) {
    return SSE_JOSE_E_SUB;
  }
  return SSE_JOSE_OK;
}
