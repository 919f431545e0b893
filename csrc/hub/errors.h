/* errors.h - the one error number line of the C core. Functions that can fail
 * return 0 or one of these negative numbers; JOSE reasons are a separate enum
 * in csrc/jose, because they never leave the 401 they explain. */
#ifndef SSE_HUB_ERRORS_H
#define SSE_HUB_ERRORS_H

#define SSE_ERRORS(X)                        \
  X(SSE_ENOMEM, -1, "out of memory")         \
  X(SSE_EINVAL, -2, "invalid argument")      \
  X(SSE_ENOENT, -3, "no such client or key") \
  X(SSE_EEXIST, -4, "already there")         \
  X(SSE_EFULL, -5, "a limit is reached")     \
  X(SSE_EIO, -6, "the transport failed")     \
  X(SSE_ESTOPPED, -7, "stopped")

enum {
#define X(name, number, text) name = number,
  SSE_ERRORS(X)
#undef X
};

/* Returns the constant text of an error number. [any] */
const char *sse_strerror(int err);

#endif
