/* openssl_errors.h - brackets every use of OpenSSL. Its errors wait in a queue
 * per thread which Node's own crypto shares: what we left there would come out
 * as the error of some unrelated call. */
#ifndef SSE_JOSE_OPENSSL_ERRORS_H
#define SSE_JOSE_OPENSSL_ERRORS_H

#include <openssl/err.h>
#include <stdbool.h>

#include "jose/reason.h"

/* [any] Begins a bracket. Returns true when the queue was empty. */
static inline bool sse_openssl_enter(void) {
  bool was_empty = ERR_peek_error() == 0;
  ERR_set_mark();
  return was_empty;
}

/* [any] Ends it: the queue is as it was. Returns `reason`, or E_OOM in place of
 * a failure that OpenSSL had for want of memory: that is no verdict. */
static inline sse_jose_reason_t sse_openssl_leave(bool was_empty, sse_jose_reason_t reason) {
  bool oom = ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
  unsigned long code = 0;
  /* The cause may lie below the consequences. The queue can only be read from
   * its other end, where what is not ours would be. */
  while (was_empty && (code = ERR_get_error()) != 0) {
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) oom = true;
  }
  ERR_pop_to_mark();
  return reason != SSE_JOSE_OK && oom ? SSE_JOSE_E_OOM : reason;
}

#endif
