/* encode.c - event to bytes; see encode.h. */
#include "hub/encode.h"

bool sse_encode_check(sse_span_t field) {
  for (size_t i = 0; i < field.len; i++) {
    char c = field.ptr[i];
    if (c == '\r' || c == '\n' || c == '\0') return false;
  }
  return true;
}

size_t sse_encode_u64(uint64_t value, char *out) {
  char reversed[20];
  size_t n = 0;
  do {
    reversed[n++] = (char)('0' + (int)(value % 10));
    value /= 10;
  } while (value != 0);
  for (size_t i = 0; i < n; i++)
    out[i] = reversed[n - 1 - i];
  return n;
}

/* A counting or writing cursor: with `out` NULL it only counts, so that size
 * and encoding cannot disagree. */
typedef struct {
  char *out;
  size_t len;
} writer_t;

static void put(writer_t *w, const char *bytes, size_t len) {
  if (w->out != NULL && len > 0) memcpy(w->out + w->len, bytes, len);
  w->len += len;
}

static void put_u64_field(writer_t *w, const char *name, uint64_t value) {
  char digits[20];
  size_t n = sse_encode_u64(value, digits);
  put(w, name, strlen(name));
  put(w, digits, n);
  put(w, "\n", 1);
}

static void put_data(writer_t *w, sse_span_t data) {
  size_t start = 0;
  for (size_t i = 0; i <= data.len; i++) {
    bool end = i == data.len;
    if (!end && data.ptr[i] != '\r' && data.ptr[i] != '\n') continue;
    put(w, "data: ", 6);
    put(w, data.len == 0 ? "" : data.ptr + start, i - start);
    put(w, "\n", 1);
    if (!end && data.ptr[i] == '\r' && i + 1 < data.len && data.ptr[i + 1] == '\n') i++;
    start = i + 1;
  }
}

static void put_event(writer_t *w, const sse_event_t *event) {
  if (event->retry != SSE_NO_RETRY) put_u64_field(w, "retry: ", event->retry);
  if (event->id != 0) put_u64_field(w, "id: ", event->id);
  if (event->type.len > 0) {
    put(w, "event: ", 7);
    put(w, event->type.ptr, event->type.len);
    put(w, "\n", 1);
  }
  put_data(w, event->data);
  put(w, "\n", 1);
}

size_t sse_encode_size(const sse_event_t *event) {
  writer_t w = {NULL, 0};
  put_event(&w, event);
  return w.len;
}

size_t sse_encode(const sse_event_t *event, char *out) {
  writer_t w = {out, 0};
  put_event(&w, event);
  return w.len;
}
