/* jws.h - the compact serialisation of a JWS (RFC 7515 section 7.1) and its
 * JOSE header. Nothing here allocates what outlives the call. */
#ifndef SSE_JOSE_JWS_H
#define SSE_JOSE_JWS_H

#include <stdbool.h>
#include <stddef.h>

#include "jose/reason.h"
#include "jose/text.h"

/* Longest token that any setting allows. */
#define SSE_JWS_MAX_BYTES 16384
#define SSE_JWS_MAX_KID 256

/* The algorithms we verify, as bits of a set. */
typedef enum { SSE_JWS_RS256 = 1, SSE_JWS_ES256 = 2 } sse_jws_alg_t;
#define SSE_JWS_ALL_ALGS (SSE_JWS_RS256 | SSE_JWS_ES256)

/* A compact token taken apart; borrows the token's text. All are base64url. */
typedef struct {
  sse_text_t header;
  sse_text_t payload;
  sse_text_t signature;
  sse_text_t signed_bytes; /* `header.payload`, what the signature is over */
} sse_jws_t;

/* What of the header is used. `jwk`, `jku` and `x5*` never are: a token does
 * not get to say by which key it is to be believed (RFC 8725 section 3.10). */
typedef struct {
  sse_jws_alg_t alg;
  size_t kid_len; /* 0: no kid */
  char kid[SSE_JWS_MAX_KID];
} sse_jws_header_t;

/* [any] The algorithm of this name: exact and case-sensitive. 0: none of ours. */
unsigned sse_jws_alg(sse_text_t name);

/* [any] Takes `text` apart. Returns OK, E_TOO_LARGE (empty, or longer than
 * `max`), E_SEGMENTS or E_B64 (a foreign character or an impossible length). */
sse_jose_reason_t sse_jws_split(sse_text_t text, size_t max, bool allow_empty_payload,
                                sse_jws_t *jws);

/* [any] OK, or E_SIGLEN when no key of `algs` (a set) makes a signature of this
 * length: 86 characters for ES256, 342 to 1366 for RS256. */
sse_jose_reason_t sse_jws_check_length(const sse_jws_t *jws, unsigned algs);

/* [any] Reads the header segment. `algs`: the set allowed. `typ`: when not
 * empty, the one type that is allowed and then needed. Returns OK or the
 * failure of the first rule broken, in this order: E_B64, those of
 * sse_json_parse, E_ALG, E_CRIT, E_TYP, E_KID. */
sse_jose_reason_t sse_jws_read_header(const sse_jws_t *jws, unsigned algs, sse_text_t typ,
                                      sse_jws_header_t *header);

#endif
