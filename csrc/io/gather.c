/* gather.c - one copy of a burst; see gather.h. */
#include "io/gather.h"

#include <string.h>

#include "hub/mem.h"

void sse_gather_init(sse_gather_t *gather) {
  gather->bytes = NULL;
  gather->n = 0;
  gather->is_made = false;
}

void sse_gather_deinit(sse_gather_t *gather) {
  sse_free(gather->bytes);
  sse_gather_init(gather);
}

static bool is_same(const sse_gather_t *gather, sse_frame_t *const *frames, size_t n) {
  if (n != gather->n) return false;
  for (size_t i = 0; i < n; i++) {
    if (frames[i] != gather->frames[i] || frames[i]->id != gather->ids[i]) return false;
  }
  return true;
}

/* Frames that cannot be told from others, or are too much, are none. */
static void note(sse_gather_t *gather, sse_frame_t *const *frames, size_t n) {
  size_t len = 0;
  gather->n = 0;
  gather->is_made = false;
  if (n > SSE_GATHER_MAX_FRAMES) return;
  for (size_t i = 0; i < n; i++) {
    len += frames[i]->len;
    if (frames[i]->id == 0 || len > SSE_GATHER_MAX_BYTES) return;
    gather->frames[i] = frames[i];
    gather->ids[i] = frames[i]->id;
  }
  gather->n = n;
  gather->len = len;
}

const char *sse_gather(sse_gather_t *gather, sse_frame_t *const *frames, size_t n, size_t *len) {
  if (!is_same(gather, frames, n)) {
    note(gather, frames, n);
    return NULL;
  }
  if (n == 0) return NULL;
  if (!gather->is_made) {
    if (gather->bytes == NULL) gather->bytes = sse_malloc(SSE_GATHER_MAX_BYTES);
    if (gather->bytes == NULL) return NULL;
    char *out = gather->bytes;
    for (size_t i = 0; i < n; i++) {
      memcpy(out, frames[i]->bytes, frames[i]->len);
      out += frames[i]->len;
    }
    gather->is_made = true;
  }
  *len = gather->len;
  return gather->bytes;
}
