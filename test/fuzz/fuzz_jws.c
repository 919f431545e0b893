/* fuzz_jws.c - whole tokens. A token is believed if, and only if, it was signed here
 * and untouched; what was believed says of itself what its text says.
 *
 * Input: a byte of flags and one that chooses the rules. Then the token; or (MADE) its
 * header and its payload, each up to a LF, and the bytes of a signature, which with
 * SIGNED is a true one. The keys are other ones in each process. */
#include "fuzz.h"

#include <cjson/cJSON.h>
#include <openssl/err.h>

#include "fuzz_base64url.h"
#include "jose/jose_mem.h"
#include "jose/support.h"
#include "jose/verify.h"

#define NOW 1700000000.0

enum { MADE = 1, SIGNED = 2, WITH_RSA = 4, SPOILT = 8 };

static EVP_PKEY *rsa, *ec;
static sse_jwks_t *set; /* both, kid "r" and "e" */

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  setenv("CMOCKA_TEST_ABORT", "1", 1);
  rsa = new_rsa(2048, 65537);
  ec = new_ec();
  char *a = jwk_members(rsa, "r"), *b = jwk_members(ec, "e");
  char *text = format("{\"keys\":[{%s},{%s}]}", a, b);
  sse_jose_reason_t reason;
  set = sse_jwks_load(text, strlen(text), &reason, NULL);
  FUZZ_CHECK(set != NULL);
  free(text);
  free(b);
  free(a);
  return 0;
}

/* The token that the input asks for; the caller frees. */
static char *make_token(uint8_t flags, fuzz_input_t *in) {
  size_t len;
  if (!(flags & MADE)) return format("%.*s", (int)in->len, (const char *)in->ptr);
  fuzz_input_t header = fuzz_until(in, '\n'), payload = fuzz_until(in, '\n');
  char *h = fuzz_base64url(header.ptr, header.len, &len);
  char *p = fuzz_base64url(payload.ptr, payload.len, &len);
  char *input = format("%s.%s", h, p);
  char *sig = flags & SIGNED ? sign(flags & WITH_RSA ? rsa : ec, input)
                             : fuzz_base64url(in->ptr, in->len, &len);
  /* Any character but the last: the bits of that one may be too few to matter. */
  size_t spoil = in->len > 0 ? in->ptr[0] % (strlen(sig) > 1 ? strlen(sig) - 1 : 1) : 0;
  if ((flags & SPOILT) && strlen(sig) > 1) sig[spoil] = sig[spoil] == 'A' ? 'B' : 'A';
  char *token = format("%s.%s", input, sig);
  free(sig);
  free(input);
  free(p);
  free(h);
  return token;
}

/* The segment `i` of a token, decoded and read; NULL when it is no JSON. */
static cJSON *segment(const char *token, int i) {
  while (i-- > 0)
    token = strchr(token, '.') + 1;
  size_t len = strcspn(token, "."), out_len;
  sse_jose_reason_t reason;
  uint8_t *bytes = sse_base64url_decode_new(sse_text(token, len), &out_len, &reason);
  FUZZ_CHECK(bytes != NULL);
  cJSON *json = cJSON_ParseWithLength((const char *)bytes, out_len);
  sse_jose_free(bytes);
  return json;
}

static const char *string_of(const cJSON *object, const char *name) {
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static void check_header(const sse_token_t *token, const char *text, unsigned algs) {
  cJSON *header = segment(text, 0);
  const char *alg = string_of(header, "alg"), *kid = string_of(header, "kid");
  sse_text_t got = sse_token_kid(token);
  FUZZ_CHECK(alg != NULL && (sse_token_alg(token) & algs) != 0);
  FUZZ_CHECK(strcmp(alg, sse_token_alg(token) == SSE_JWS_ES256 ? "ES256" : "RS256") == 0);
  FUZZ_CHECK(!cJSON_HasObjectItem(header, "crit") && !cJSON_HasObjectItem(header, "b64"));
  FUZZ_CHECK(kid == NULL ? got.len == 0 : sse_text_is(got, kid));
  cJSON_Delete(header);
}

static void check_payload(const sse_token_t *token, const char *text) {
  cJSON *payload = segment(text, 1);
  const char *sub = string_of(payload, "sub"), *iss = string_of(payload, "iss");
  double exp = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(payload, "exp"));
  FUZZ_CHECK(sub != NULL && sse_text_is(sse_token_sub(token), sub));
  FUZZ_CHECK(iss != NULL && strcmp(iss, "i") == 0 && sse_token_issuer(token) == 0);
  FUZZ_CHECK(exp == sse_token_exp(token));
  cJSON_Delete(payload);
}

static void check_issuer(const char *text, sse_jose_reason_t parsed) {
  char *issuer = NULL;
  size_t len = 0;
  sse_jose_reason_t reason = sse_token_peek_issuer(text, strlen(text), 8192, &issuer, &len);
  FUZZ_CHECK((reason == SSE_JOSE_OK) == (issuer != NULL));
  if (parsed == SSE_JOSE_OK) FUZZ_CHECK(reason == SSE_JOSE_OK && len == 1 && issuer[0] == 'i');
  sse_jose_free(issuer);
}

static sse_jose_reason_t verify(const sse_token_t *token) {
  const sse_jwk_t *key = NULL;
  sse_text_t kid = sse_token_kid(token);
  bool is_rsa = sse_token_alg(token) == SSE_JWS_RS256;
  sse_jose_reason_t reason = sse_token_select(token, set, &key);
  bool is_known = kid.len == 0 || sse_text_is(kid, is_rsa ? "r" : "e");
  FUZZ_CHECK(reason == (is_known ? SSE_JOSE_OK : SSE_JOSE_E_NOKEY));
  return is_known ? sse_token_verify_signature(token, key) : reason;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static const sse_text_t issuer = {"i", 1}, audience = {"a", 1};
  static const sse_text_t types[] = {{NULL, 0}, {"at+jwt", 6}};
  fuzz_input_t in = {bytes, size};
  uint8_t flags = fuzz_byte(&in), rules = fuzz_byte(&in);
  sse_claims_config_t config = {&issuer,
                                1,
                                &audience,
                                1,
                                rules & 3u,
                                types[rules >> 2 & 1],
                                rules & 8 ? 60 : 0,
                                rules & 16 ? 256 : 8192};
  char *text = make_token(flags, &in);
  char *exact = fuzz_copy(text, strlen(text));
  sse_jose_reason_t reason = SSE_JOSE_E_OOM;
  bool is_genuine = (flags & (MADE | SIGNED | SPOILT)) == (MADE | SIGNED);
  sse_token_t *token = sse_token_parse(exact, strlen(text), &config, NOW, &reason);
  FUZZ_CHECK((token != NULL) == (reason == SSE_JOSE_OK));
  check_issuer(text, reason);
  sse_jose_reason_t plain = sse_jws_verify_token(exact, strlen(text), set);
  FUZZ_CHECK(plain != SSE_JOSE_OK || is_genuine);
  if (token != NULL) {
    check_header(token, text, config.algs);
    check_payload(token, text);
    FUZZ_CHECK(strlen(text) <= config.max_bytes);
    FUZZ_CHECK(sse_token_recheck(token, &config, NOW) == SSE_JOSE_OK);
    FUZZ_CHECK(sse_token_recheck(token, &config, sse_token_exp(token) + 60) == SSE_JOSE_E_EXP);
    bool is_right_key = sse_token_alg(token) == (flags & WITH_RSA ? SSE_JWS_RS256 : SSE_JWS_ES256);
    sse_jose_reason_t verdict = verify(token);
    FUZZ_CHECK(verdict == plain);
    if (verdict != SSE_JOSE_E_NOKEY) {
      FUZZ_CHECK((verdict == SSE_JOSE_OK) == (is_genuine && is_right_key));
    }
  }
  sse_token_unref(token);
  FUZZ_CHECK(ERR_peek_error() == 0); /* Node's queue is as it was */
  free(exact);
  free(text);
  return 0;
}
