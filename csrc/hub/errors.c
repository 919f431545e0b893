/* errors.c - texts of the error number line. */
#include "hub/errors.h"

const char *sse_strerror(int err) {
  switch (err) {
#define X(name, number, text) \
  case name:                  \
    return text;
    SSE_ERRORS(X)
#undef X
    default:
      return "unknown error";
  }
}
