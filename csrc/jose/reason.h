/* reason.h - why a token, a key set or a JSON text was refused. A reason is for
 * the operator alone: the peer gets the same 401 for every one of them, so that
 * the answer is no oracle for the expected issuer or audience. */
#ifndef SSE_JOSE_REASON_H
#define SSE_JOSE_REASON_H

#define SSE_JOSE_REASONS(X)                                              \
  X(OK)                                                                  \
  X(E_TOO_LARGE) /* longer than allowed, or empty; too many keys      */ \
  X(E_SEGMENTS)  /* not three non-empty segments                      */ \
  X(E_B64)       /* not strict base64url                              */ \
  X(E_UTF8)      /* not UTF-8, a byte order mark, a lone surrogate    */ \
  X(E_JSON)      /* not RFC 8259, wrong root, __proto__               */ \
  X(E_DUP)       /* a member name occurs twice in one object          */ \
  X(E_NUL)       /* U+0000, raw or escaped                            */ \
  X(E_DEPTH)     /* too deep, too many values or too many members     */ \
  X(E_ALG)       /* alg absent, of a wrong type, or not allowed       */ \
  X(E_CRIT)      /* crit or b64 present                               */ \
  X(E_TYP)       /* typ or cty name another kind of token             */ \
  X(E_KID)       /* kid of a wrong type, empty, too long, or control  */ \
  X(E_ISS)                                                               \
  X(E_AUD)                                                               \
  X(E_EXP)                                                               \
  X(E_NBF)                                                               \
  X(E_IAT)                                                               \
  X(E_SUB)                                                               \
  X(E_NOKEY)     /* no usable key has this kid and type               */ \
  X(E_AMBIGUOUS) /* more than one has                                 */ \
  X(E_KEY_WEAK)  /* the key that has them is one that we never use    */ \
  X(E_SIGLEN)    /* a signature of this length cannot be right        */ \
  X(E_SIG)       /* the signature is wrong                            */ \
  X(E_OOM)       /* memory is out; says nothing about the token       */

typedef enum {
#define X(name) SSE_JOSE_##name,
  SSE_JOSE_REASONS(X)
#undef X
      SSE_JOSE_REASON_COUNT
} sse_jose_reason_t;

/* [any] The name as listed above ("OK", "E_ALG", ...), a constant; "E_JSON" for
 * a number that is no reason. */
const char *sse_jose_reason_name(sse_jose_reason_t reason);

#endif
