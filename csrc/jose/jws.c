/* jws.c - takes a compact token apart and judges its header. */
#include "jose/jws.h"

#include "jose/base64url.h"
#include "jose/jose_mem.h"
#include "jose/json.h"

unsigned sse_jws_alg(sse_text_t name) {
  if (sse_text_is(name, "RS256")) return SSE_JWS_RS256;
  if (sse_text_is(name, "ES256")) return SSE_JWS_ES256;
  return 0;
}

sse_jose_reason_t sse_jws_split(sse_text_t text, size_t max, bool allow_empty_payload,
                                sse_jws_t *jws) {
  sse_text_t parts[3];
  size_t dots = 0;
  size_t from = 0;
  if (text.len == 0 || text.len > max) return SSE_JOSE_E_TOO_LARGE;
  for (size_t i = 0; i <= text.len; i++) {
    if (i < text.len && text.ptr[i] != '.') {
      if (!sse_base64url_is_char(text.ptr[i])) return SSE_JOSE_E_B64;
      continue;
    }
    if (dots == 3) return SSE_JOSE_E_SEGMENTS; /* five segments are a JWE */
    parts[dots++] = sse_text(text.ptr + from, i - from);
    from = i + 1;
  }
  if (dots != 3) return SSE_JOSE_E_SEGMENTS;
  for (size_t i = 0; i < 3; i++) {
    if (parts[i].len == 0 && !(i == 1 && allow_empty_payload)) return SSE_JOSE_E_SEGMENTS;
    if (parts[i].len % 4 == 1) return SSE_JOSE_E_B64;
  }
  jws->header = parts[0];
  jws->payload = parts[1];
  jws->signature = parts[2];
  jws->signed_bytes = sse_text(text.ptr, parts[0].len + 1 + parts[1].len);
  return SSE_JOSE_OK;
}

sse_jose_reason_t sse_jws_check_length(const sse_jws_t *jws, unsigned algs) {
  size_t len = jws->signature.len;
  /* r and s of 32 bytes (RFC 7518 section 3.4); a modulus of 256 to 1024. */
  if ((algs & SSE_JWS_ES256) && len == 86) return SSE_JOSE_OK;
  if ((algs & SSE_JWS_RS256) && len >= 342 && len <= 1366) return SSE_JOSE_OK;
  return SSE_JOSE_E_SIGLEN;
}

/* RFC 7515 section 4.1.9: `application/` may be left out. */
static sse_text_t media_type(sse_text_t typ) {
  static const char prefix[] = "application/";
  size_t len = sizeof prefix - 1;
  if (typ.len > len && sse_text_is_nocase(sse_text(typ.ptr, len), sse_text(prefix, len))) {
    return sse_text(typ.ptr + len, typ.len - len);
  }
  return typ;
}

static bool is_type(sse_text_t typ, const char *word) {
  return sse_text_is_nocase(media_type(typ), sse_text(word, strlen(word)));
}

/* RFC 8725 section 3.11: a token made for something else (a logout, a proof of
 * possession) must not pass as an access token. */
static sse_jose_reason_t check_type(const sse_json_t *header, sse_text_t wanted) {
  sse_text_t typ;
  sse_text_t cty;
  switch (sse_json_get_string(header, "typ", &typ)) {
    case SSE_JSON_WRONG_TYPE:
      return SSE_JOSE_E_TYP;
    case SSE_JSON_ABSENT:
      if (wanted.len > 0) return SSE_JOSE_E_TYP;
      break;
    case SSE_JSON_FOUND:
      if (wanted.len > 0) {
        if (!sse_text_is_nocase(media_type(typ), media_type(wanted))) return SSE_JOSE_E_TYP;
      } else if (!is_type(typ, "JWT") && !is_type(typ, "at+jwt")) {
        return SSE_JOSE_E_TYP;
      }
      break;
  }
  /* RFC 7519 section 5.2: `JWT` announces a nested token, which we do not read. */
  if (sse_json_get_string(header, "cty", &cty) == SSE_JSON_FOUND && is_type(cty, "JWT")) {
    return SSE_JOSE_E_TYP;
  }
  return SSE_JOSE_OK;
}

static sse_jose_reason_t read_kid(const sse_json_t *json, sse_jws_header_t *header) {
  sse_text_t kid;
  header->kid_len = 0;
  switch (sse_json_get_string(json, "kid", &kid)) {
    case SSE_JSON_ABSENT:
      return SSE_JOSE_OK;
    case SSE_JSON_WRONG_TYPE:
      return SSE_JOSE_E_KID;
    case SSE_JSON_FOUND:
      break;
  }
  if (kid.len == 0 || kid.len > SSE_JWS_MAX_KID) return SSE_JOSE_E_KID;
  for (size_t i = 0; i < kid.len; i++) {
    unsigned char c = (unsigned char)kid.ptr[i];
    if (c < 0x20 || c == 0x7f) return SSE_JOSE_E_KID;
  }
  memcpy(header->kid, kid.ptr, kid.len);
  header->kid_len = kid.len;
  return SSE_JOSE_OK;
}

static sse_jose_reason_t judge(const sse_json_t *json, unsigned algs, sse_text_t typ,
                               sse_jws_header_t *header) {
  sse_text_t name;
  sse_jose_reason_t reason;
  unsigned alg;
  if (sse_json_get_string(json, "alg", &name) != SSE_JSON_FOUND) return SSE_JOSE_E_ALG;
  alg = sse_jws_alg(name) & algs;
  if (alg == 0) return SSE_JOSE_E_ALG;
  header->alg = (sse_jws_alg_t)alg;
  /* We implement no extension, so that any `crit` names one that we must not
   * ignore (RFC 7515 section 4.1.11); a JWT has no `b64` (RFC 7797 section 7). */
  if (sse_json_has(json, "crit") || sse_json_has(json, "b64")) return SSE_JOSE_E_CRIT;
  reason = check_type(json, typ);
  if (reason != SSE_JOSE_OK) return reason;
  return read_kid(json, header);
}

sse_jose_reason_t sse_jws_read_header(const sse_jws_t *jws, unsigned algs, sse_text_t typ,
                                      sse_jws_header_t *header) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_json_t *json = NULL;
  size_t len = 0;
  uint8_t *bytes = sse_base64url_decode_new(jws->header, &len, &reason);
  if (!bytes) return reason;
  json = sse_json_parse(sse_text((const char *)bytes, len), &sse_json_token_limits, &reason);
  if (json) reason = judge(json, algs, typ, header);
  sse_json_free(json);
  sse_jose_free(bytes);
  return reason;
}
