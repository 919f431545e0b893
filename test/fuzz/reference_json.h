/* reference_json.h - what the strict scanner ought to say, decided another way:
 * RFC 8259's grammar by hand for the form, cJSON's tree for the rest. */
#ifndef SSE_TEST_FUZZ_REFERENCE_JSON_H
#define SSE_TEST_FUZZ_REFERENCE_JSON_H

#include <cjson/cJSON.h>

#include "fuzz.h"
#include "jose/json_scan.h"

/* True when `text` follows RFC 8259 to the letter, is UTF-8 (RFC 3629), and has
 * neither U+0000 nor half a surrogate pair nor a number longer than `max_number`
 * characters, raw or escaped. Says nothing about limits and names. */
bool reference_json_is_wellformed(const char *text, size_t len, size_t max_number);

/* True when the tree of a well-formed text keeps the limits: depth, nodes, members
 * of an object, no name twice, none that is __proto__, and every number finite. */
bool reference_json_is_allowed(const cJSON *root, const sse_json_limits_t *limits);

/* True when a number of the tree is so near to DBL_MAX that refusing it is as right
 * as taking it. */
bool reference_json_is_borderline(const cJSON *root);

#endif
