/* stream_sink.h - writes to clients through their JS response object: TLS,
 * HTTP/2, wrapped responses, mocks. Lives on the JS thread. */
#ifndef SSE_NAPI_STREAM_SINK_H
#define SSE_NAPI_STREAM_SINK_H

#include <node_api.h>

#include "hub/hub.h"
#include "napi/env.h"

/* What an attach to this sink takes as its endpoint; embed it first. */
typedef struct {
  sse_handle_t client; /* set when attached */
} sse_stream_t;

typedef struct {
  sse_env_t *env;
  napi_env js;         /* valid until env->is_closing */
  napi_ref write;      /* (handle, Buffer) => 1 taken, 0 taken and full, -1 broken */
  napi_ref end;        /* (handle) => void                                         */
  napi_ref pending;    /* (handle) => bytes that the peer has not taken             */
  sse_frame_t *cached; /* the frame whose Buffer is `buffer`; a reference */
  napi_ref buffer;
  void (*closed)(void *tag, sse_handle_t client, sse_reason_t reason);
} sse_stream_sink_t;

/* [js] `closed` is told each end, with the endpoint as its tag. */
void sse_stream_sink_init(sse_stream_sink_t *self, sse_env_t *env,
                          void (*closed)(void *tag, sse_handle_t client, sse_reason_t reason));

/* [js] The three JS functions: write, end, pending. */
napi_status sse_stream_sink_bind(napi_env env, sse_stream_sink_t *self,
                                 const napi_value functions[3]);

/* [js] Releases the functions and the cached frame. Idempotent. */
void sse_stream_sink_unbind(sse_stream_sink_t *self);

sse_sink_t sse_stream_sink(sse_stream_sink_t *self);

#endif
