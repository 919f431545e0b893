/* base64url.h - strict base64url (RFC 4648 section 5, as RFC 7515 section 2
 * uses it: no padding). Stateless. */
#ifndef SSE_JOSE_BASE64URL_H
#define SSE_JOSE_BASE64URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jose/reason.h"
#include "jose/text.h"

/* [any] True for A-Z a-z 0-9 - _ and nothing else. */
bool sse_base64url_is_char(char c);

/* [any] Bytes that `len` characters decode to, when they decode at all. */
size_t sse_base64url_size(size_t len);

/* [any] Decodes `text` into `out`, which has room for sse_base64url_size bytes.
 * Returns OK, or E_B64 for a foreign character (`=` and white space included),
 * a length of 1 modulo 4, or unused bits that are not zero: one byte string has
 * one spelling only. `*out_len` is set on OK; the empty text is OK. */
sse_jose_reason_t sse_base64url_decode(sse_text_t text, uint8_t *out, size_t *out_len);

/* [any] The same into fresh memory (sse_jose_free), at least one byte long.
 * NULL with `*reason` E_B64 or E_OOM on failure. */
uint8_t *sse_base64url_decode_new(sse_text_t text, size_t *out_len, sse_jose_reason_t *reason);

#endif
