/* reason.c - the names of the reasons. */
#include "jose/reason.h"

const char *sse_jose_reason_name(sse_jose_reason_t reason) {
  static const char *const names[] = {
#define X(name) #name,
      SSE_JOSE_REASONS(X)
#undef X
  };
  /* A number from elsewhere must never read as "OK". */
  if ((unsigned)reason >= SSE_JOSE_REASON_COUNT) return "E_JSON";
  return names[reason];
}
