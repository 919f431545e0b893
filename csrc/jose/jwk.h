/* jwk.h - public keys (RFC 7517, RFC 7518) and sets of them.
 *
 * DESIGN: OpenSSL imports almost anything: exponents of 0 and 1, an empty
 * modulus, the point at infinity. With e = 1 a forged signature verifies. So
 * every property that makes a key worth trusting is checked here, once, when
 * the set is loaded. A set is immutable afterwards: a refresh makes a new one,
 * and a verification under way keeps the one it began with. */
#ifndef SSE_JOSE_JWK_H
#define SSE_JOSE_JWK_H

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

#include "jose/jws.h"
#include "jose/reason.h"
#include "jose/text.h"
#include "jose/thumbprint.h"

#define SSE_JWKS_MAX_BYTES (256 * 1024)
#define SSE_JWKS_MAX_KEYS 100

typedef struct sse_jwk sse_jwk_t;
typedef struct sse_jwks sse_jwks_t;

typedef struct {
  unsigned usable;      /* keys that can verify                            */
  unsigned skipped;     /* all other entries                               */
  unsigned with_secret; /* of the skipped: those that carry a private part */
} sse_jwks_stats_t;

/* [any] Loads `{"keys":[...]}`. An entry that is malformed, of another kind or
 * too weak is skipped and the rest is used (RFC 7517 section 5); a set without
 * a usable key is a set. One reference, the caller's. `stats` may be NULL.
 * NULL with `*reason`: E_TOO_LARGE, one of sse_json_parse's, or E_OOM. */
sse_jwks_t *sse_jwks_load(const char *text, size_t len, sse_jose_reason_t *reason,
                          sse_jwks_stats_t *stats);

/* [any] The same for the text of a single key, which makes a set of one. */
sse_jwks_t *sse_jwks_load_one(const char *text, size_t len, sse_jose_reason_t *reason);

/* [any] Takes a reference; returns its argument. */
sse_jwks_t *sse_jwks_ref(sse_jwks_t *jwks);

/* [any] Drops a reference; the last one frees. NULL is a no-op. */
void sse_jwks_unref(sse_jwks_t *jwks);

/* [any] Finds the one key for `header`: of the type of its alg and with its
 * kid, or the only one of that type when the token names none. Returns OK with
 * `*key` borrowed from the set, E_NOKEY, E_AMBIGUOUS, or E_KEY_WEAK when all
 * that matches was refused for weakness. */
sse_jose_reason_t sse_jwks_select(const sse_jwks_t *jwks, const sse_jws_header_t *header,
                                  const sse_jwk_t **key);

/* [any] The key's algorithm; its OpenSSL object, borrowed, which any number of
 * threads may use at once; the exact length of its signatures. */
sse_jws_alg_t sse_jwk_alg(const sse_jwk_t *key);
EVP_PKEY *sse_jwk_pkey(const sse_jwk_t *key);
size_t sse_jwk_signature_size(const sse_jwk_t *key);

/* [any] The key's thumbprint (thumbprint.h), borrowed: the same key has the
 * same one in every set. */
const uint8_t *sse_jwk_thumbprint(const sse_jwk_t *key);

#endif
