/* hub_call.h - how the functions of the streaming wing read their arguments and
 * make their answers. Private to csrc/napi; [js] throughout. */
#ifndef SSE_NAPI_HUB_CALL_H
#define SSE_NAPI_HUB_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "napi/core.h"

#define SSE_CALL_MAX_ARGS 13

typedef struct {
  napi_env env;
  napi_value argv[SSE_CALL_MAX_ARGS];
  size_t argc;
  sse_env_t *self;
  sse_core_t *core;
} sse_call_t;

/* Reads the arguments of a function without a core. False with a pending
 * exception. */
bool sse__call_begin_bare(napi_env env, napi_callback_info info, sse_call_t *call);

/* The same where the first argument must be a core. */
bool sse__call_begin(napi_env env, napi_callback_info info, sse_call_t *call);

/* Wraps a core for JS; `finalize` gets it when JS has let it go. NULL with a
 * pending exception. */
napi_value sse__call_wrap_core(napi_env env, sse_core_t *core, napi_finalize finalize);

/* A JS number as an integer: 0 for what is no positive number, at most 2^53. */
uint64_t sse__call_to_u64(napi_env env, napi_value from);

/* Argument `i` as a number; 0 where it is absent or none. */
uint64_t sse__call_u64(const sse_call_t *call, size_t i);
double sse__call_double(const sse_call_t *call, size_t i);

/* Posts a command for the one client that it names; its answer is false, and the
 * command freed, when there is no such client. NULL: memory is out. */
napi_value sse__call_post_to_client(const sse_call_t *call, sse_command_t *command);

/* Answers; NULL with a pending exception. */
napi_value sse__call_number(napi_env env, double value);
napi_value sse__call_boolean(napi_env env, bool value);
napi_value sse__call_numbers(napi_env env, const double *values, uint32_t n);

/* Throws; always NULL. */
napi_value sse__call_out_of_memory(napi_env env);

/* The functions over the directory, defined on the same JS object. */
napi_status sse__hub_directory_define(napi_env env, napi_value hub, sse_env_t *self);

/* The same for the functions that take events. */
napi_status sse__hub_events_define(napi_env env, napi_value hub, sse_env_t *self);

#endif
