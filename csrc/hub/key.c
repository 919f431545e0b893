/* key.c - keys and their seeded hash; see key.h. */
#include "hub/key.h"

static uint64_t rotl(uint64_t x, int b) {
  return (x << b) | (x >> (64 - b));
}

typedef struct {
  uint64_t v0, v1, v2, v3;
} sip_t;

static void sip_round(sip_t *s) {
  s->v0 += s->v1;
  s->v2 += s->v3;
  s->v1 = rotl(s->v1, 13) ^ s->v0;
  s->v3 = rotl(s->v3, 16) ^ s->v2;
  s->v0 = rotl(s->v0, 32);
  s->v2 += s->v1;
  s->v0 += s->v3;
  s->v1 = rotl(s->v1, 17) ^ s->v2;
  s->v3 = rotl(s->v3, 21) ^ s->v0;
  s->v2 = rotl(s->v2, 32);
}

static void sip_block(sip_t *s, uint64_t word) {
  s->v3 ^= word;
  sip_round(s);
  sip_round(s);
  s->v0 ^= word;
}

static uint64_t load_le(const char *bytes, size_t n) {
  uint64_t word = 0;
  for (size_t i = 0; i < n; i++)
    word |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
  return word;
}

uint64_t sse_siphash(sse_seed_t seed, sse_span_t bytes) {
  /* The four constants are the ASCII of "somepseudorandomlygeneratedbytes". */
  sip_t s = {seed.k0 ^ UINT64_C(0x736f6d6570736575), seed.k1 ^ UINT64_C(0x646f72616e646f6d),
             seed.k0 ^ UINT64_C(0x6c7967656e657261), seed.k1 ^ UINT64_C(0x7465646279746573)};
  size_t whole = bytes.len & ~(size_t)7;
  for (size_t i = 0; i < whole; i += 8)
    sip_block(&s, load_le(bytes.ptr + i, 8));
  uint64_t last = (uint64_t)bytes.len << 56;
  if (bytes.len > whole) last |= load_le(bytes.ptr + whole, bytes.len - whole);
  sip_block(&s, last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; i++)
    sip_round(&s);
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

sse_key_t sse_key(sse_seed_t seed, sse_scope_t scope, sse_span_t owner, sse_span_t name) {
  /* Owner and scope go in by way of the seed: three parts cannot be confused,
   * and the common empty owner costs nothing. */
  sse_seed_t part = seed;
  if (owner.len > 0) part.k0 ^= sse_siphash(seed, owner);
  part.k1 ^= (uint64_t)scope;
  return (sse_key_t){sse_siphash(part, name), owner, name, scope};
}

bool sse_key_equal(const sse_key_t *a, const sse_key_t *b) {
  return a->hash == b->hash && a->scope == b->scope && sse_span_equal(a->name, b->name) &&
         sse_span_equal(a->owner, b->owner);
}

size_t sse_key_storage(const sse_key_t *key) {
  return key->owner.len + key->name.len;
}

sse_key_t sse_key_copy(const sse_key_t *key, char *storage) {
  sse_key_t copy = *key;
  if (key->owner.len > 0) memcpy(storage, key->owner.ptr, key->owner.len);
  copy.owner.ptr = storage;
  storage += key->owner.len;
  if (key->name.len > 0) memcpy(storage, key->name.ptr, key->name.len);
  copy.name.ptr = storage;
  return copy;
}
