/* json.h - typed reading of a JSON text that passed the strict scan. The tree
 * behind it (cJSON's) is json.c's secret. A member of the wrong type is never
 * the same as an absent one: taking it for absent is how `exp` checks have been
 * skipped elsewhere. */
#ifndef SSE_JOSE_JSON_H
#define SSE_JOSE_JSON_H

#include "jose/json_scan.h"
#include "jose/reason.h"
#include "jose/text.h"

/* A value inside a tree; borrowed from it. */
typedef struct sse_json sse_json_t;

typedef enum {
  SSE_JSON_ABSENT,
  SSE_JSON_WRONG_TYPE, /* there, but not what was asked for (null included) */
  SSE_JSON_FOUND
} sse_json_find_t;

/* [any] Scans `text` under `limits`, then reads it into a tree whose root must
 * be an object. The caller owns the tree (sse_json_free). NULL with `*reason`:
 * one of sse_json_scan's, E_JSON for another root, or E_OOM. */
sse_json_t *sse_json_parse(sse_text_t text, const sse_json_limits_t *limits,
                           sse_jose_reason_t *reason);

/* [any] Frees a tree by its root. NULL is a no-op. */
void sse_json_free(sse_json_t *root);

/* [any] True when `object` has a member `name`, of whatever type, null too. */
bool sse_json_has(const sse_json_t *object, const char *name);

/* [any] Each looks `name` up byte by byte (case matters) and sets `*out` only
 * when it returns FOUND. A string is without its terminator, and holds no NUL;
 * a number is finite. All are borrowed from the tree. */
sse_json_find_t sse_json_get_string(const sse_json_t *object, const char *name, sse_text_t *out);
sse_json_find_t sse_json_get_number(const sse_json_t *object, const char *name, double *out);
sse_json_find_t sse_json_get_array(const sse_json_t *object, const char *name,
                                   const sse_json_t **out);

/* [any] The first element of an array and the one after `item`; NULL: none. */
const sse_json_t *sse_json_first(const sse_json_t *array);
const sse_json_t *sse_json_next(const sse_json_t *item);

/* [any] What an element is. `*out` is set only on true. */
bool sse_json_is_object(const sse_json_t *item);
bool sse_json_is_string(const sse_json_t *item, sse_text_t *out);

#endif
