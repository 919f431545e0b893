/* gather.h - small frames as one run of bytes, copied together once for all
 * clients that wait for the same ones. After a burst that is everybody, and the
 * kernel takes one buffer several times faster than a list of a hundred. */
#ifndef SSE_IO_GATHER_H
#define SSE_IO_GATHER_H

#include <stdbool.h>

#include "hub/frame.h"

#define SSE_GATHER_MAX_FRAMES 256
#define SSE_GATHER_MAX_BYTES ((size_t)64 * 1024)

typedef struct {
  char *bytes; /* NULL until first needed                                     */
  size_t len;
  /* What was asked for last. Not references: a frame that is gone may have left
   * its address to another, which then has another id. */
  const sse_frame_t *frames[SSE_GATHER_MAX_FRAMES];
  uint64_t ids[SSE_GATHER_MAX_FRAMES];
  size_t n;
  bool is_made;
} sse_gather_t;

/* [init] Allocates nothing. */
void sse_gather_init(sse_gather_t *gather);
void sse_gather_deinit(sse_gather_t *gather);

/* [io] The bytes of `n` frames, `*len` of them, where the call before was for the
 * very same frames, else NULL: who is alone with what it waits for would copy for
 * nothing. NULL too for frames without an id, for more than the limits, and when
 * memory is out. Borrowed until the next call. */
const char *sse_gather(sse_gather_t *gather, sse_frame_t *const *frames, size_t n, size_t *len);

#endif
