/* verify.h - from the text of a token to a verdict.
 *
 * DESIGN: everything that needs no key comes first (sse_token_parse), so that
 * no token that is wrong by itself makes us look up or fetch a key. Then the
 * key (sse_token_select), then the signature (sse_token_verify_signature), which
 * is the one step that costs and the one that may run on any thread. A parsed
 * token is immutable and proves nothing before its signature has. */
#ifndef SSE_JOSE_VERIFY_H
#define SSE_JOSE_VERIFY_H

#include <stddef.h>

#include "jose/claims.h"
#include "jose/jwk.h"
#include "jose/jws.h"
#include "jose/reason.h"
#include "jose/text.h"

typedef struct sse_token sse_token_t;

/* [any] Parses `text` and checks its form, header and claims at `now` (seconds
 * since 1970). The text is copied. One reference, the caller's. NULL with
 * `*reason` on failure; no key has been asked for then. */
sse_token_t *sse_token_parse(const char *text, size_t len, const sse_claims_config_t *config,
                             double now, sse_jose_reason_t *reason);

/* [any] The `iss` of a token of at most `max` bytes whose payload can be read,
 * copied to fresh memory (sse_jose_free): a hint at whose rules to parse it by,
 * which must check the issuer again. Returns OK, one of the failures of
 * sse_token_parse, or E_ISS when there is no such string. */
sse_jose_reason_t sse_token_peek_issuer(const char *text, size_t len, size_t max, char **issuer,
                                        size_t *issuer_len);

/* [any] Takes a reference; returns its argument. */
sse_token_t *sse_token_ref(sse_token_t *token);

/* [any] Drops a reference; the last one frees. NULL is a no-op. */
void sse_token_unref(sse_token_t *token);

/* [any] The times again: a fetch of keys takes longer than some tokens have left.
 * OK, E_EXP, E_NBF or E_IAT. */
sse_jose_reason_t sse_token_recheck(const sse_token_t *token, const sse_claims_config_t *config,
                                    double now);

/* [any] The key for this token; see sse_jwks_select. */
sse_jose_reason_t sse_token_select(const sse_token_t *token, const sse_jwks_t *jwks,
                                   const sse_jwk_t **key);

/* [any] Verifies the signature over the original bytes with `key`, which must
 * stay alive meanwhile. Safe on any thread, several at once. OK, E_NOKEY (a key
 * of another algorithm), E_SIGLEN, E_SIG or E_OOM. */
sse_jose_reason_t sse_token_verify_signature(const sse_token_t *token, const sse_jwk_t *key);

/* [any] The payload: the exact JSON text that is signed; borrowed. */
sse_text_t sse_token_payload(const sse_token_t *token);

/* [any] The claim, NUL-free, and the header's kid (empty: none); borrowed. */
sse_text_t sse_token_sub(const sse_token_t *token);
sse_text_t sse_token_kid(const sse_token_t *token);

/* [any] Seconds since 1970; the algorithm; the index of iss in the config. */
double sse_token_exp(const sse_token_t *token);
sse_jws_alg_t sse_token_alg(const sse_token_t *token);
size_t sse_token_issuer(const sse_token_t *token);

/* [any] For conformance runs: header, key and signature of a compact JWS whose
 * payload may be empty or anything; no claims. */
sse_jose_reason_t sse_jws_verify_token(const char *text, size_t len, const sse_jwks_t *jwks);

/* [any] For conformance runs: `signature` (raw bytes) over `message` by the
 * algorithm named `alg` and a single key in JSON. */
sse_jose_reason_t sse_jws_verify_raw(sse_text_t alg, sse_text_t jwk, sse_text_t message,
                                     sse_text_t signature);

#endif
