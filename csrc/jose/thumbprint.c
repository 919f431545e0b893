/* thumbprint.c - the members that make a key, in RFC 7638's form, digested. */
#include "jose/thumbprint.h"

#include <openssl/evp.h>

/* What stands around the values of two members, and what these are called. */
typedef struct {
  const char *before[2];
  const char *name[2];
  const char *after;
} form_t;

/* RFC 7638 section 3.2: the required members alone, in the order of their
 * names, without white space. The values are base64url: nothing to escape. */
static const form_t rsa_form = {{"{\"e\":\"", "\",\"kty\":\"RSA\",\"n\":\""}, {"e", "n"}, "\"}"};
static const form_t ec_form = {
    {"{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"", "\",\"y\":\""}, {"x", "y"}, "\"}"};

static bool update(EVP_MD_CTX *ctx, sse_text_t text) {
  return EVP_DigestUpdate(ctx, text.ptr, text.len) == 1;
}

static bool update_word(EVP_MD_CTX *ctx, const char *word) {
  return update(ctx, sse_text(word, strlen(word)));
}

sse_jose_reason_t sse_thumbprint(const sse_json_t *entry, sse_jws_alg_t alg,
                                 uint8_t out[SSE_THUMBPRINT_SIZE]) {
  const form_t *form = alg == SSE_JWS_ES256 ? &ec_form : &rsa_form;
  sse_jose_reason_t reason = SSE_JOSE_E_OOM;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) goto exit;
  for (size_t i = 0; i < 2; i++) {
    sse_text_t value;
    if (sse_json_get_string(entry, form->name[i], &value) != SSE_JSON_FOUND) {
      reason = SSE_JOSE_E_NOKEY;
      goto exit;
    }
    if (!update_word(ctx, form->before[i]) || !update(ctx, value)) goto exit;
  }
  if (!update_word(ctx, form->after) || EVP_DigestFinal_ex(ctx, out, NULL) != 1) goto exit;
  reason = SSE_JOSE_OK;

exit:
  EVP_MD_CTX_free(ctx);
  return reason;
}
