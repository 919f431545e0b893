/* event_port.h - the only way up from native threads to JS: one threadsafe
 * function per environment.
 *
 * DESIGN: any thread posts an event into a locked list and, when the list was
 * empty, wakes the threadsafe function once. The wake carries no data; the JS
 * thread takes the whole list and calls the port's JS function with one array,
 * so a storm of events costs one crossing. Posting allocates nothing (the
 * event is made by its owner beforehand), so it cannot fail. The function
 * keeps the process alive while sse_port_ref is held: once for each pending
 * verification, each client that is attaching or handed over, and each
 * disconnect that JS has not been told. After sse_port_close events are freed
 * instead of delivered. */
#ifndef SSE_NAPI_EVENT_PORT_H
#define SSE_NAPI_EVENT_PORT_H

#include <node_api.h>

typedef struct sse_port sse_port_t;
typedef struct sse_port_event sse_port_event_t;

/* Embed as the first member of what is posted. */
struct sse_port_event {
  sse_port_event_t *next; /* the port's while posted */
  /* [js] Called once, in a batch: returns the JS value that describes the
   * event (NULL: none, nothing is delivered), and releases the event's own
   * sse_port_ref if it has one. The event is freed after it. */
  napi_value (*describe)(napi_env env, sse_port_event_t *event);
  /* [js, or init/teardown without env] Frees the event; called exactly once,
   * also when it could not be delivered. */
  void (*free)(sse_port_event_t *event);
};

/* [js] One per environment. Returns NULL with a pending exception. */
sse_port_t *sse_port_new(napi_env env);

/* [js] Sets the JS function that receives each batch: (events: any[]) => void. */
napi_status sse_port_set_handler(napi_env env, sse_port_t *port, napi_value handler);

/* [any] Posts an event; the port owns it from here. */
void sse_port_post(sse_port_t *port, sse_port_event_t *event);

/* [js] Counted: while above 0 the port keeps the event loop alive. */
void sse_port_ref(napi_env env, sse_port_t *port);
void sse_port_unref(napi_env env, sse_port_t *port);

/* [js] Ends delivery; every posted event is freed. Threads that post must have
 * been joined or must only post through a port that is still allocated. */
void sse_port_close(sse_port_t *port);
void sse_port_free(sse_port_t *port);

#endif
