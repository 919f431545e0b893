/* signature.h - RS256 and ES256 (RFC 7518 sections 3.3 and 3.4), verification
 * only. */
#ifndef SSE_JOSE_SIGNATURE_H
#define SSE_JOSE_SIGNATURE_H

#include "jose/jwk.h"
#include "jose/reason.h"
#include "jose/text.h"

/* [any] Verifies `signature` (raw bytes) over `message`. The algorithm is the
 * key's; nothing of the token chooses a hash or a padding. OK, E_SIGLEN, E_SIG
 * or E_OOM. Leaves the thread's OpenSSL error queue as it was. */
sse_jose_reason_t sse_signature_verify(const sse_jwk_t *key, sse_text_t message,
                                       sse_text_t signature);

#endif
