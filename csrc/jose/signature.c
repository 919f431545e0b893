/* signature.c - the one place that asks OpenSSL for a verdict. */
#include "jose/signature.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "jose/openssl_errors.h"

/* An ECDSA-Sig-Value of P-256 in DER: 2 bytes of head, twice 2 and at most 33. */
#define DER_MAX 72

static sse_jose_reason_t digest_verify(EVP_PKEY *pkey, sse_text_t message, const uint8_t *sig,
                                       size_t sig_len) {
  sse_jose_reason_t reason = SSE_JOSE_E_OOM;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  if (!ctx) goto exit;
  /* RSA keys get PKCS #1 v1.5 by default, which is what RS256 is. */
  if (EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey) != 1) goto exit;
  /* Nothing is added afterwards: spares OpenSSL a copy of the context, whose
   * failure it would report as a wrong signature. */
  EVP_MD_CTX_set_flags(ctx, EVP_MD_CTX_FLAG_FINALISE);
  reason = SSE_JOSE_E_SIG;
  /* 0 is a wrong signature and a negative number a failure: both are no. */
  if (EVP_DigestVerify(ctx, sig, sig_len, (const uint8_t *)message.ptr, message.len) == 1) {
    reason = SSE_JOSE_OK;
  }

exit:
  EVP_MD_CTX_free(ctx);
  return reason;
}

/* JWS has r and s side by side, 32 bytes each; OpenSSL wants DER. Taking DER
 * from a token would make two spellings of one signature. */
static sse_jose_reason_t verify_es256(const sse_jwk_t *key, sse_text_t message,
                                      const uint8_t *raw) {
  uint8_t der[DER_MAX];
  uint8_t *cur = der;
  int len = 0;
  sse_jose_reason_t reason = SSE_JOSE_E_OOM;
  ECDSA_SIG *sig = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(raw, 32, NULL);
  BIGNUM *s = BN_bin2bn(raw + 32, 32, NULL);
  if (!sig || !r || !s) goto exit;
  if (ECDSA_SIG_set0(sig, r, s) != 1) goto exit;
  r = NULL; /* the signature's from here, but only on success */
  s = NULL;
  len = i2d_ECDSA_SIG(sig, NULL);
  if (len <= 0 || len > DER_MAX) goto exit;
  if (i2d_ECDSA_SIG(sig, &cur) != len) goto exit;
  reason = digest_verify(sse_jwk_pkey(key), message, der, (size_t)len);

exit:
  BN_free(s);
  BN_free(r);
  ECDSA_SIG_free(sig);
  return reason;
}

sse_jose_reason_t sse_signature_verify(const sse_jwk_t *key, sse_text_t message,
                                       sse_text_t signature) {
  const uint8_t *bytes = (const uint8_t *)signature.ptr;
  sse_jose_reason_t reason;
  bool was_empty;
  if (signature.len != sse_jwk_signature_size(key)) return SSE_JOSE_E_SIGLEN;
  was_empty = sse_openssl_enter();
  reason = sse_jwk_alg(key) == SSE_JWS_ES256
               ? verify_es256(key, message, bytes)
               : digest_verify(sse_jwk_pkey(key), message, bytes, signature.len);
  return sse_openssl_leave(was_empty, reason);
}
