/* jwk_import.h - the numbers of one public key, checked and given to OpenSSL.
 * For jwk.c alone. */
#ifndef SSE_JOSE_JWK_IMPORT_H
#define SSE_JOSE_JWK_IMPORT_H

#include <openssl/types.h>
#include <stddef.h>

#include "jose/json.h"
#include "jose/reason.h"

/* [any] Imports `n` and `e` of an RSA entry. The modulus has 2048 to 8192 bits,
 * is odd and is not one of the broken ROCA generator; the exponent is odd and
 * 65537 <= e < 2^32. Returns OK with a key that the caller owns and the length
 * of its signatures, E_NOKEY when a member is absent or not base64url,
 * E_KEY_WEAK when the numbers are not acceptable, or E_OOM. The caller brackets
 * it with sse_openssl_enter and _leave. */
sse_jose_reason_t sse_jwk_import_rsa(const sse_json_t *entry, EVP_PKEY **pkey, size_t *size);

/* [any] The same for `crv`, `x` and `y` of an EC entry: P-256 only, coordinates
 * of exactly 32 bytes (RFC 7518 section 6.2.1.2), a point on the curve. */
sse_jose_reason_t sse_jwk_import_ec(const sse_json_t *entry, EVP_PKEY **pkey, size_t *size);

#endif
