/* openssl_oom.h - tells "OpenSSL has no memory" from "OpenSSL says no". */
#ifndef SSE_JOSE_OPENSSL_OOM_H
#define SSE_JOSE_OPENSSL_OOM_H

#include <openssl/err.h>
#include <stdbool.h>

/* [any] True when the last failure on this thread since ERR_set_mark was an
 * allocation. Memory being out must not read as a verdict on a token. */
static inline bool sse_openssl_is_oom(void) {
  return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
}

#endif
