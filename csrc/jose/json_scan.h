/* json_scan.h - decides whether a text is JSON that we are willing to read.
 *
 * DESIGN: cJSON alone is too lenient for a security decision (RFC 7515 section
 * 10.12): it takes control characters, leading zeros, broken escapes and
 * invalid UTF-8, ends a string at U+0000 and keeps the first of two members
 * with one name where JSON.parse keeps the last. This pass takes the grammar of
 * RFC 8259 to the letter and refuses what two parsers could read differently,
 * so that whatever passes means the same to cJSON and to JSON.parse. */
#ifndef SSE_JOSE_JSON_SCAN_H
#define SSE_JOSE_JSON_SCAN_H

#include "jose/reason.h"
#include "jose/text.h"

/* Most members of one object: bounds the search for duplicates. */
#define SSE_JSON_MAX_MEMBERS 64
/* Deepest limit that may be asked for: bounds our recursion. */
#define SSE_JSON_MAX_DEPTH 16

typedef struct {
  unsigned max_depth; /* arrays and objects around a value, itself included */
  unsigned max_nodes; /* values in all                                      */
  size_t max_number;  /* characters of one number                           */
} sse_json_limits_t;

/* The limits of a token's header and payload, and of a JWKS. cJSON before
 * 1.7.16 reads 63 characters of a number at most, hence max_number. */
extern const sse_json_limits_t sse_json_token_limits;
extern const sse_json_limits_t sse_json_jwks_limits;

/* [any] Scans one JSON text with any root value; allocates nothing and reads
 * exactly `text`. Returns OK, or
 * E_JSON: not RFC 8259, a number beyond a double, a member named __proto__;
 * E_UTF8: invalid UTF-8, a byte order mark, a lone surrogate escape;
 * E_NUL: U+0000; E_DUP: a name twice in one object, compared after unescaping;
 * E_DEPTH: over max_depth, max_nodes or SSE_JSON_MAX_MEMBERS. */
sse_jose_reason_t sse_json_scan(sse_text_t text, const sse_json_limits_t *limits);

/* [any] The scan of conformance runs: token limits, numbers of any length. */
sse_jose_reason_t sse_json_strict_scan(const char *ptr, size_t len);

#endif
