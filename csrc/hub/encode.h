/* encode.h - turns an event into the bytes of a `text/event-stream`
 * (WHATWG HTML, section 9.2.5 "Parsing an event stream"). Stateless. [any] */
#ifndef SSE_HUB_ENCODE_H
#define SSE_HUB_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/span.h"

#define SSE_NO_RETRY UINT32_MAX

typedef struct {
  uint64_t id;     /* 0: no `id:` line                                      */
  sse_span_t type; /* empty: no `event:` line; else passes sse_encode_check */
  sse_span_t data; /* UTF-8; CR, LF and CRLF each start a new `data:` line  */
  uint32_t retry;  /* ms; SSE_NO_RETRY: no `retry:` line                    */
} sse_event_t;

/* True when `field` may stand on a line of its own: no CR, LF or NUL. */
bool sse_encode_check(sse_span_t field);

/* Bytes that sse_encode will write for `event`. */
size_t sse_encode_size(const sse_event_t *event);

/* Writes the frame, blank line included, to `out`, which has room for
 * sse_encode_size bytes. Returns the number of bytes written. */
size_t sse_encode(const sse_event_t *event, char *out);

/* Writes `value` in decimal to `out` (room for 20 bytes, not terminated) and
 * returns the number of digits. */
size_t sse_encode_u64(uint64_t value, char *out);

#endif
