/* verify.c - the order of the checks, and the token that passed them. */
#include "jose/verify.h"

#include <stdatomic.h>

#include "jose/base64url.h"
#include "jose/jose_mem.h"
#include "jose/signature.h"

struct sse_token {
  _Atomic unsigned refs; /* holders: JS's external (1) + a pending verification */
  sse_jws_header_t header;
  double exp;
  double nbf;
  double iat;
  size_t issuer;
  size_t sub_len;
  char sub[SSE_CLAIMS_MAX_SUB];
  uint8_t *payload; /* decoded */
  size_t payload_len;
  uint8_t *signature; /* decoded */
  size_t signature_len;
  size_t signed_len;
  char signed_bytes[]; /* header "." payload, as received */
};

/* Steps 10 to 12: the payload as JSON, then the claims. */
static sse_jose_reason_t read_claims(sse_token_t *token, const sse_claims_config_t *config,
                                     double now) {
  sse_claims_t claims = {0, 0, 0, 0, {NULL, 0}};
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_json_t *json = sse_json_parse(sse_token_payload(token), &sse_json_token_limits, &reason);
  if (!json) return reason;
  reason = sse_claims_check(json, config, now, &claims);
  if (reason == SSE_JOSE_OK) {
    token->exp = claims.exp;
    token->nbf = claims.nbf;
    token->iat = claims.iat;
    token->issuer = claims.issuer;
    token->sub_len = claims.sub.len;
    memcpy(token->sub, claims.sub.ptr, claims.sub.len);
  }
  sse_json_free(json);
  return reason;
}

static sse_jose_reason_t fill(sse_token_t *token, const sse_jws_t *jws,
                              const sse_claims_config_t *config, double now) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  token->payload = sse_base64url_decode_new(jws->payload, &token->payload_len, &reason);
  if (!token->payload) return reason;
  reason = read_claims(token, config, now);
  if (reason != SSE_JOSE_OK) return reason;
  token->signature = sse_base64url_decode_new(jws->signature, &token->signature_len, &reason);
  return reason;
}

sse_token_t *sse_token_parse(const char *text, size_t len, const sse_claims_config_t *config,
                             double now, sse_jose_reason_t *reason) {
  size_t max = config->max_bytes < SSE_JWS_MAX_BYTES ? config->max_bytes : SSE_JWS_MAX_BYTES;
  sse_jws_t jws;
  sse_jws_header_t header;
  sse_token_t *token = NULL;
  *reason = sse_jws_split(sse_text(text, len), max, false, &jws);
  if (*reason != SSE_JOSE_OK) return NULL;
  *reason = sse_jws_check_length(&jws, config->algs);
  if (*reason != SSE_JOSE_OK) return NULL;
  *reason = sse_jws_read_header(&jws, config->algs, config->typ, &header);
  if (*reason != SSE_JOSE_OK) return NULL;
  *reason = sse_jws_check_length(&jws, header.alg);
  if (*reason != SSE_JOSE_OK) return NULL;

  *reason = SSE_JOSE_E_OOM;
  token = sse_jose_calloc(1, sizeof *token + jws.signed_bytes.len);
  if (!token) return NULL;
  atomic_init(&token->refs, 1);
  token->header = header;
  token->signed_len = jws.signed_bytes.len;
  memcpy(token->signed_bytes, jws.signed_bytes.ptr, jws.signed_bytes.len);
  *reason = fill(token, &jws, config, now);
  if (*reason == SSE_JOSE_OK) return token;
  sse_token_unref(token);
  return NULL;
}

/* A copy of the claim, or E_ISS. */
static sse_jose_reason_t copy_issuer(const sse_json_t *payload, char **issuer, size_t *len) {
  sse_text_t iss;
  if (sse_json_get_string(payload, "iss", &iss) != SSE_JSON_FOUND) return SSE_JOSE_E_ISS;
  *issuer = sse_jose_calloc(iss.len + 1, 1);
  if (!*issuer) return SSE_JOSE_E_OOM;
  memcpy(*issuer, iss.ptr, iss.len);
  *len = iss.len;
  return SSE_JOSE_OK;
}

sse_jose_reason_t sse_token_peek_issuer(const char *text, size_t len, size_t max, char **issuer,
                                        size_t *issuer_len) {
  sse_jws_t jws;
  sse_json_t *json = NULL;
  uint8_t *payload = NULL;
  size_t payload_len = 0;
  sse_jose_reason_t reason = sse_jws_split(sse_text(text, len), max, false, &jws);
  if (reason != SSE_JOSE_OK) return reason;
  payload = sse_base64url_decode_new(jws.payload, &payload_len, &reason);
  if (!payload) return reason;
  json =
      sse_json_parse(sse_text((const char *)payload, payload_len), &sse_json_token_limits, &reason);
  if (json) reason = copy_issuer(json, issuer, issuer_len);
  sse_json_free(json);
  sse_jose_free(payload);
  return reason;
}

sse_token_t *sse_token_ref(sse_token_t *token) {
  atomic_fetch_add_explicit(&token->refs, 1, memory_order_relaxed);
  return token;
}

void sse_token_unref(sse_token_t *token) {
  if (!token) return;
  /* Release what this holder did, acquire what the others did, then free. */
  if (atomic_fetch_sub_explicit(&token->refs, 1, memory_order_acq_rel) != 1) return;
  sse_jose_free(token->payload);
  sse_jose_free(token->signature);
  sse_jose_free(token);
}

sse_jose_reason_t sse_token_recheck(const sse_token_t *token, const sse_claims_config_t *config,
                                    double now) {
  return sse_claims_check_times(token->exp, token->nbf, token->iat, config->skew, now);
}

sse_jose_reason_t sse_token_select(const sse_token_t *token, const sse_jwks_t *jwks,
                                   const sse_jwk_t **key) {
  return sse_jwks_select(jwks, &token->header, key);
}

sse_jose_reason_t sse_token_verify_signature(const sse_token_t *token, const sse_jwk_t *key) {
  if (sse_jwk_alg(key) != token->header.alg) return SSE_JOSE_E_NOKEY;
  return sse_signature_verify(key, sse_text(token->signed_bytes, token->signed_len),
                              sse_text((const char *)token->signature, token->signature_len));
}

sse_text_t sse_token_payload(const sse_token_t *token) {
  return sse_text((const char *)token->payload, token->payload_len);
}

sse_text_t sse_token_sub(const sse_token_t *token) {
  return sse_text(token->sub, token->sub_len);
}

sse_text_t sse_token_kid(const sse_token_t *token) {
  return sse_text(token->header.kid, token->header.kid_len);
}

double sse_token_exp(const sse_token_t *token) {
  return token->exp;
}

sse_jws_alg_t sse_token_alg(const sse_token_t *token) {
  return token->header.alg;
}

size_t sse_token_issuer(const sse_token_t *token) {
  return token->issuer;
}

sse_jose_reason_t sse_jws_verify_token(const char *text, size_t len, const sse_jwks_t *jwks) {
  const sse_text_t any_type = {NULL, 0};
  sse_jose_reason_t reason;
  const sse_jwk_t *key = NULL;
  uint8_t *payload = NULL;
  uint8_t *signature = NULL;
  size_t payload_len = 0;
  size_t signature_len = 0;
  sse_jws_header_t header;
  sse_jws_t jws;
  reason = sse_jws_split(sse_text(text, len), SSE_JWS_MAX_BYTES, true, &jws);
  if (reason != SSE_JOSE_OK) return reason;
  reason = sse_jws_read_header(&jws, SSE_JWS_ALL_ALGS, any_type, &header);
  if (reason != SSE_JOSE_OK) return reason;
  payload = sse_base64url_decode_new(jws.payload, &payload_len, &reason);
  if (!payload) goto exit;
  reason = sse_jwks_select(jwks, &header, &key);
  if (reason != SSE_JOSE_OK) goto exit;
  signature = sse_base64url_decode_new(jws.signature, &signature_len, &reason);
  if (!signature) goto exit;
  reason =
      sse_signature_verify(key, jws.signed_bytes, sse_text((const char *)signature, signature_len));

exit:
  sse_jose_free(signature);
  sse_jose_free(payload);
  return reason;
}

sse_jose_reason_t sse_jws_verify_raw(sse_text_t alg, sse_text_t jwk, sse_text_t message,
                                     sse_text_t signature) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jws_header_t header;
  const sse_jwk_t *key = NULL;
  sse_jwks_t *jwks = NULL;
  unsigned bit = sse_jws_alg(alg);
  if (bit == 0) return SSE_JOSE_E_ALG;
  jwks = sse_jwks_load_one(jwk.ptr, jwk.len, &reason);
  if (!jwks) return reason;
  memset(&header, 0, sizeof header);
  header.alg = (sse_jws_alg_t)bit;
  reason = sse_jwks_select(jwks, &header, &key);
  if (reason == SSE_JOSE_OK) reason = sse_signature_verify(key, message, signature);
  sse_jwks_unref(jwks);
  return reason;
}
