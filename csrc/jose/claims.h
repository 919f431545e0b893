/* claims.h - the checks on a token's claims that need no key. */
#ifndef SSE_JOSE_CLAIMS_H
#define SSE_JOSE_CLAIMS_H

#include <stddef.h>

#include "jose/json.h"
#include "jose/reason.h"
#include "jose/text.h"

#define SSE_CLAIMS_MAX_SUB 255
#define SSE_CLAIMS_MAX_AUD 64
#define SSE_CLAIMS_MAX_SKEW 60

/* What a token must be like. Borrowed by every call; an empty list of issuers,
 * audiences or algorithms allows no token, never all of them. */
typedef struct {
  const sse_text_t *issuers; /* compared byte by byte                      */
  size_t issuer_count;
  const sse_text_t *audiences; /* one of them must be meant                */
  size_t audience_count;
  unsigned algs;    /* set of sse_jws_alg_t                              */
  sse_text_t typ;   /* empty: JWT, at+jwt or none                        */
  double skew;      /* seconds that clocks may differ by, 0 to 60        */
  size_t max_bytes; /* of the token; SSE_JWS_MAX_BYTES at most           */
} sse_claims_config_t;

/* The checked claims; `sub` is borrowed from the JSON tree. */
typedef struct {
  double exp;    /* seconds since 1970                                  */
  double nbf;    /* 0 when absent: then always in the past              */
  double iat;    /* the same                                            */
  size_t issuer; /* index in the config's list                          */
  sse_text_t sub;
} sse_claims_t;

/* [any] Checks iss, aud, exp, nbf, iat and sub in this order at `now` (seconds
 * since 1970). Returns OK with `*claims` filled, or E_ISS, E_AUD, E_EXP, E_NBF,
 * E_IAT, E_SUB. */
sse_jose_reason_t sse_claims_check(const sse_json_t *payload, const sse_claims_config_t *config,
                                   double now, sse_claims_t *claims);

/* [any] E_EXP, E_NBF or E_IAT when these times are not right at `now`, else OK. */
sse_jose_reason_t sse_claims_check_times(double exp, double nbf, double iat, double skew,
                                         double now);

#endif
