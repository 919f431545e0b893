/* thumbprint.h - names a public key by what it is (RFC 7638), so that a key can
 * be told to be the same one in two key sets. */
#ifndef SSE_JOSE_THUMBPRINT_H
#define SSE_JOSE_THUMBPRINT_H

#include <stdint.h>

#include "jose/json.h"
#include "jose/jws.h"
#include "jose/reason.h"

#define SSE_THUMBPRINT_SIZE 32 /* SHA-256 */

/* [any] Digests the entry of a set whose numbers were imported for `alg`. The
 * members are taken as they are written: a modulus with a leading zero has
 * another thumbprint than without. OK, E_NOKEY when a member is absent, or
 * E_OOM. The caller brackets it with sse_openssl_enter and _leave. */
sse_jose_reason_t sse_thumbprint(const sse_json_t *entry, sse_jws_alg_t alg,
                                 uint8_t out[SSE_THUMBPRINT_SIZE]);

#endif
