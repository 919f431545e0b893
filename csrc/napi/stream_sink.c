/* stream_sink.c - frames into Buffers into `res.write`; see stream_sink.h. */
#include "napi/stream_sink.h"

#include <stdbool.h>

/* Frames are gathered up to this much: what Node holds for a client is a copy of
 * its own, and no longer counted as its queue. */
#define MAX_GATHERED ((size_t)64 * 1024)

void sse_stream_sink_init(sse_stream_sink_t *self, sse_env_t *env,
                          void (*closed)(void *tag, sse_handle_t client, sse_reason_t reason)) {
  *self = (sse_stream_sink_t){.env = env, .closed = closed};
}

napi_status sse_stream_sink_bind(napi_env env, sse_stream_sink_t *self,
                                 const napi_value functions[3]) {
  self->js = env;
  napi_ref *refs[] = {&self->write, &self->end, &self->pending};
  napi_status status = napi_ok;
  for (size_t i = 0; i < 3 && status == napi_ok; i++)
    status = napi_create_reference(env, functions[i], 1, refs[i]);
  return status;
}

static void drop_reference(sse_stream_sink_t *self, napi_ref *ref) {
  /* References of an environment that is closing are its own to free. */
  if (*ref != NULL && !self->env->is_closing) napi_delete_reference(self->js, *ref);
  *ref = NULL;
}

void sse_stream_sink_unbind(sse_stream_sink_t *self) {
  drop_reference(self, &self->buffer);
  drop_reference(self, &self->write);
  drop_reference(self, &self->end);
  drop_reference(self, &self->pending);
  sse_frame_unref(self->cached);
  self->cached = NULL;
}

static void *open_stream(void *ctx, sse_handle_t client, void *endpoint) {
  (void)ctx;
  ((sse_stream_t *)endpoint)->client = client;
  return endpoint;
}

/* One Buffer serves every client of a broadcast: the last whole frame's is
 * kept. */
static napi_value buffer_of_frame(sse_stream_sink_t *self, sse_frame_t *frame) {
  napi_value value = NULL;
  if (frame == self->cached) {
    return napi_get_reference_value(self->js, self->buffer, &value) == napi_ok ? value : NULL;
  }
  if (napi_create_buffer_copy(self->js, frame->len, frame->bytes, NULL, &value) != napi_ok) {
    return NULL;
  }
  drop_reference(self, &self->buffer);
  sse_frame_unref(self->cached);
  self->cached = NULL;
  if (napi_create_reference(self->js, value, 1, &self->buffer) == napi_ok) {
    self->cached = sse_frame_ref(frame);
  }
  return value;
}

static napi_value buffer_of_all(sse_stream_sink_t *self, sse_frame_t *const *frames, size_t n,
                                size_t offset, size_t total) {
  napi_value value = NULL;
  void *bytes = NULL;
  if (napi_create_buffer(self->js, total, &bytes, &value) != napi_ok) return NULL;
  char *out = bytes;
  for (size_t i = 0; i < n; i++) {
    memcpy(out, frames[i]->bytes + offset, frames[i]->len - offset);
    out += frames[i]->len - offset;
    offset = 0;
  }
  return value;
}

/* Calls one of the two functions; NULL when JS cannot run or it threw (it
 * catches what user code throws, so that is a terminating environment). */
static napi_value call(sse_stream_sink_t *self, napi_ref function, sse_handle_t client,
                       napi_value buffer) {
  napi_value args[2] = {NULL, buffer}, callee = NULL, undefined = NULL, result = NULL;
  if (function == NULL || napi_get_reference_value(self->js, function, &callee) != napi_ok ||
      napi_get_undefined(self->js, &undefined) != napi_ok ||
      napi_create_int64(self->js, (int64_t)client, &args[0]) != napi_ok) {
    return NULL;
  }
  size_t argc = buffer == NULL ? 1 : 2;
  if (napi_call_function(self->js, undefined, callee, argc, args, &result) == napi_ok)
    return result;
  /* A response of the app's threw: that is its own end, not that of the others. */
  bool is_pending = false;
  if (napi_is_exception_pending(self->js, &is_pending) == napi_ok && is_pending) {
    napi_get_and_clear_last_exception(self->js, &result);
  }
  return NULL;
}

/* How many of the frames go at once, and how many bytes that is. */
static size_t gather(sse_frame_t *const *frames, size_t n, size_t offset, size_t *total) {
  size_t gathered = 1;
  *total = frames[0]->len - offset;
  while (gathered < n && *total + frames[gathered]->len <= MAX_GATHERED) {
    *total += frames[gathered++]->len;
  }
  return gathered;
}

static sse_sink_status_t write_stream(void *ctx, void *transport, sse_frame_t *const *frames,
                                      size_t n, size_t offset, size_t *taken) {
  sse_stream_sink_t *self = ctx;
  sse_sink_status_t status = SSE_SINK_BROKEN;
  napi_handle_scope scope;
  if (self->env->is_closing || napi_open_handle_scope(self->js, &scope) != napi_ok) return status;
  size_t total;
  n = gather(frames, n, offset, &total);
  napi_value buffer = n == 1 && offset == 0 ? buffer_of_frame(self, frames[0])
                                            : buffer_of_all(self, frames, n, offset, total);
  napi_value result =
      buffer == NULL ? NULL : call(self, self->write, ((sse_stream_t *)transport)->client, buffer);
  int32_t answer = -1;
  if (result != NULL && napi_get_value_int32(self->js, result, &answer) == napi_ok && answer >= 0) {
    *taken = total;
    status = answer == 0 ? SSE_SINK_BLOCKED : SSE_SINK_DONE;
  }
  napi_close_handle_scope(self->js, scope);
  return status;
}

static size_t pending_of_stream(void *ctx, void *transport) {
  sse_stream_sink_t *self = ctx;
  double bytes = 0;
  napi_handle_scope scope;
  if (self->env->is_closing || napi_open_handle_scope(self->js, &scope) != napi_ok) return 0;
  napi_value answer = call(self, self->pending, ((sse_stream_t *)transport)->client, NULL);
  bool is_number = answer != NULL && napi_get_value_double(self->js, answer, &bytes) == napi_ok;
  napi_close_handle_scope(self->js, scope);
  return is_number && bytes > 0 && bytes < (double)(SIZE_MAX / 2) ? (size_t)bytes : 0;
}

static void close_stream(void *ctx, void *transport, sse_handle_t client, sse_reason_t reason) {
  sse_stream_sink_t *self = ctx;
  napi_handle_scope scope;
  if (!self->env->is_closing && napi_open_handle_scope(self->js, &scope) == napi_ok) {
    call(self, self->end, client, NULL);
    napi_close_handle_scope(self->js, scope);
  }
  self->closed(transport, client, reason);
}

sse_sink_t sse_stream_sink(sse_stream_sink_t *self) {
  return (sse_sink_t){open_stream, write_stream, pending_of_stream, close_stream, self};
}
