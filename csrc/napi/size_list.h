/* size_list.h - reads the flat JS array [prefix, size, ...] into history sizes. */
#ifndef SSE_NAPI_SIZE_LIST_H
#define SSE_NAPI_SIZE_LIST_H

#include <node_api.h>
#include <stdbool.h>

#include "hub/sizes.h"

/* [js] The property `name` of `object`. `*out` is the caller's; NULL when the
 * array is empty. False with a pending exception. */
bool sse_size_list_read(napi_env env, napi_value object, const char *name, sse_sizes_t **out);

#endif
