/* key_list.h - reads the flat JS array [scope, owner, name, ...] into hub keys. */
#ifndef SSE_NAPI_KEY_LIST_H
#define SSE_NAPI_KEY_LIST_H

#include <node_api.h>
#include <stdbool.h>

#include "hub/key.h"

#define SSE_FIRST_KEYS 4 /* keys that need no array of their own */

typedef struct {
  sse_key_t inline_keys[SSE_FIRST_KEYS];
  char *inline_text[2 * SSE_FIRST_KEYS];
  sse_key_t *keys;
  char **text; /* what the keys borrow */
  size_t n, n_text;
} sse_key_list_t;

/* [js] False with a pending exception. On true, call sse_key_list_deinit. The
 * list must not be moved: its keys may be its own inline ones. */
bool sse_key_list_read(napi_env env, napi_value array, sse_seed_t seed, sse_key_list_t *keys);

/* A second time, and after a read that failed, it does nothing. */
void sse_key_list_deinit(sse_key_list_t *keys);

#endif
