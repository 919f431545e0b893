/* spec_parser.h - an event stream parser written from WHATWG HTML section 9.2
 * ("Server-sent events", parsing and interpreting), sharing nothing with the
 * encoder: the oracle for every byte that the core sends. Input is UTF-8
 * already; the replacement of malformed sequences is left out. */
#ifndef SSE_TEST_HUB_SPEC_PARSER_H
#define SSE_TEST_HUB_SPEC_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hub/span.h"

typedef struct {
  char *bytes;
  size_t len;
} spec_text_t;

typedef struct {
  spec_text_t type; /* "message" when the stream named none                 */
  spec_text_t data;
  spec_text_t last_event_id; /* sticky, as in a MessageEvent                */
  bool has_id;               /* an `id` field stood in this very block      */
} spec_event_t;

typedef struct {
  spec_event_t *events; /* in the order of dispatch */
  size_t n_events;
  size_t n_comments;
  size_t n_ignored; /* lines with a field that the standard does not know */
  bool has_retry;
  uint64_t retry;
  spec_text_t last_event_id; /* what a reconnect would send           */

  /* Private: the state between two bytes. */
  spec_text_t line, data, type, id_buffer;
  bool saw_id, after_cr;
  size_t bom; /* bytes of a leading byte order mark seen; 4: past the start */
} spec_parser_t;

void spec_parser_init(spec_parser_t *parser);
void spec_parser_deinit(spec_parser_t *parser);

/* Takes the next bytes, at whatever split. */
void spec_parser_feed(spec_parser_t *parser, const char *bytes, size_t len);

bool spec_text_is(spec_text_t text, const char *expected);

/* The text as a decimal number; 0 when it is empty, UINT64_MAX when it is none. */
uint64_t spec_text_u64(spec_text_t text);

#endif
