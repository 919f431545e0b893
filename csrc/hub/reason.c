/* reason.c - public names of the close reasons. */
#include "hub/reason.h"

const char *sse_reason_name(sse_reason_t reason) {
  switch (reason) {
#define X(name, text) \
  case name:          \
    return text;
    SSE_REASONS(X)
#undef X
    case SSE_REASON_COUNT:
      break;
  }
  return "error";
}
