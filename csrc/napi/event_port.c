/* event_port.c - batches of native events into one JS call; see event_port.h. */
#include "napi/event_port.h"

#include <stdbool.h>
#include <uv.h>

#include "hub/mem.h"
#include "napi/napi_util.h"

struct sse_port {
  uv_mutex_t lock;
  sse_port_event_t *first, *last; /* under lock */
  napi_threadsafe_function wake;  /* [any] while open */
  napi_ref handler;               /* [js] */
  uint32_t refs;                  /* [js] */
  bool is_closed;                 /* under lock */
};

static sse_port_event_t *take(sse_port_t *port) {
  uv_mutex_lock(&port->lock);
  sse_port_event_t *first = port->first;
  port->first = port->last = NULL;
  uv_mutex_unlock(&port->lock);
  return first;
}

static void free_all(sse_port_event_t *event) {
  while (event != NULL) {
    sse_port_event_t *next = event->next;
    event->free(event);
    event = next;
  }
}

/* The array of what the events describe. Every event is freed, come what may. */
static napi_value describe_all(napi_env env, sse_port_event_t *event) {
  napi_value batch = NULL;
  uint32_t n = 0;
  if (napi_create_array(env, &batch) != napi_ok) batch = NULL;
  while (event != NULL) {
    sse_port_event_t *next = event->next;
    napi_handle_scope scope = NULL;
    if (napi_open_handle_scope(env, &scope) == napi_ok) {
      napi_value value = event->describe(env, event);
      if (value != NULL && batch != NULL && napi_set_element(env, batch, n, value) == napi_ok) n++;
      napi_close_handle_scope(env, scope);
    }
    event->free(event);
    event = next;
  }
  return n > 0 ? batch : NULL;
}

static void on_wake(napi_env env, napi_value unused, void *context, void *data) {
  (void)unused;
  (void)data;
  sse_port_t *port = context;
  sse_port_event_t *events = take(port);
  if (env == NULL || port->handler == NULL) {
    free_all(events);
    return;
  }
  napi_value batch = describe_all(env, events);
  napi_value handler = NULL, global = NULL;
  if (batch == NULL || napi_get_reference_value(env, port->handler, &handler) != napi_ok ||
      handler == NULL || napi_get_global(env, &global) != napi_ok) {
    return;
  }
  /* An exception here is the handler's bug (it catches what hooks throw); Node
   * makes it an uncaught exception. */
  napi_call_function(env, global, handler, 1, &batch, NULL);
}

static napi_status make_wake(napi_env env, sse_port_t *port) {
  napi_value name;
  napi_status status =
      napi_create_string_utf8(env, "native-sse event port", NAPI_AUTO_LENGTH, &name);
  if (status != napi_ok) return status;
  status = napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, port, on_wake,
                                           &port->wake);
  if (status != napi_ok) return status;
  return napi_unref_threadsafe_function(env, port->wake);
}

sse_port_t *sse_port_new(napi_env env) {
  sse_port_t *port = sse_calloc(1, sizeof(*port));
  if (port == NULL || uv_mutex_init(&port->lock) != 0) {
    sse_free(port);
    sse_napi_throw(env, "ERR_SSE_INTERNAL", "out of memory");
    return NULL;
  }
  if (make_wake(env, port) == napi_ok) return port;
  sse_napi_throw_last(env, "napi_create_threadsafe_function");
  uv_mutex_destroy(&port->lock);
  sse_free(port);
  return NULL;
}

napi_status sse_port_set_handler(napi_env env, sse_port_t *port, napi_value handler) {
  if (port->handler != NULL) napi_delete_reference(env, port->handler);
  port->handler = NULL;
  return napi_create_reference(env, handler, 1, &port->handler);
}

void sse_port_post(sse_port_t *port, sse_port_event_t *event) {
  event->next = NULL;
  uv_mutex_lock(&port->lock);
  bool is_closed = port->is_closed;
  bool was_empty = port->first == NULL;
  if (!is_closed) {
    if (was_empty) {
      port->first = event;
    } else {
      port->last->next = event;
    }
    port->last = event;
    /* Under the lock, so that the port cannot be closed in between. The queue
     * has no limit: the only failure is an environment that is going away,
     * whose port is closed soon and frees the list. */
    if (was_empty) napi_call_threadsafe_function(port->wake, NULL, napi_tsfn_nonblocking);
  }
  uv_mutex_unlock(&port->lock);
  if (is_closed) event->free(event);
}

void sse_port_ref(napi_env env, sse_port_t *port) {
  if (port->refs++ == 0 && !port->is_closed) napi_ref_threadsafe_function(env, port->wake);
}

void sse_port_unref(napi_env env, sse_port_t *port) {
  if (--port->refs == 0 && !port->is_closed) napi_unref_threadsafe_function(env, port->wake);
}

void sse_port_close(sse_port_t *port) {
  uv_mutex_lock(&port->lock);
  bool was_closed = port->is_closed;
  port->is_closed = true;
  uv_mutex_unlock(&port->lock);
  if (was_closed) return;
  free_all(take(port));
  napi_release_threadsafe_function(port->wake, napi_tsfn_abort);
}

void sse_port_free(sse_port_t *port) {
  uv_mutex_destroy(&port->lock);
  sse_free(port);
}
