/* key.h - what an event is addressed to. A key is (scope, owner, name),
 * compared as a struct, so no name of one scope or owner reaches another. */
#ifndef SSE_HUB_KEY_H
#define SSE_HUB_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "hub/span.h"

typedef enum {
  SSE_SCOPE_CHANNEL,      /* owner empty                         */
  SSE_SCOPE_USER,         /* owner: issuer (empty with only one) */
  SSE_SCOPE_TOPIC,        /* owner empty                         */
  SSE_SCOPE_TENANT,       /* owner empty                         */
  SSE_SCOPE_TENANT_TOPIC, /* owner: tenant                       */
  SSE_SCOPE_COUNT
} sse_scope_t;

/* Random per server, so that peers cannot pick colliding names. */
typedef struct {
  uint64_t k0, k1;
} sse_seed_t;

typedef struct {
  uint64_t hash; /* of scope, owner and name under the server's seed */
  sse_span_t owner;
  sse_span_t name;
  sse_scope_t scope;
} sse_key_t;

/* SipHash-2-4 (Aumasson and Bernstein, 2012) of `bytes` under `seed`. [any] */
uint64_t sse_siphash(sse_seed_t seed, sse_span_t bytes);

/* A key that borrows owner and name. [any] */
sse_key_t sse_key(sse_seed_t seed, sse_scope_t scope, sse_span_t owner, sse_span_t name);

bool sse_key_equal(const sse_key_t *a, const sse_key_t *b);

/* Bytes of storage that sse_key_copy needs for `key`. [any] */
size_t sse_key_storage(const sse_key_t *key);

/* A copy of `key` whose owner and name live in `storage`. [any] */
sse_key_t sse_key_copy(const sse_key_t *key, char *storage);

#endif
