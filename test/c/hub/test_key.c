/* test_key.c - SipHash-2-4 against its paper, and keys that never meet. */
#include "hub/key.h"

#include "guard.h"
#include "testing.h"

static const sse_seed_t PAPER_SEED = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

/* The authors' reference vectors (vectors_sip64): key 00..0f, message i is the
 * bytes 00..i-1; each output as a little-endian number. */
static const uint64_t VECTORS[64] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
    0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
    0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
    0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
    0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
    0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad,
    0xde4daaaca71dc9a5, 0xa6a2506687956571, 0xad87a3535c49ef28, 0x32d892fad841c342,
    0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
    0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
    0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95,
    0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
    0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a,
    0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea, 0x245731c13ca42499,
    0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572};

static void reference_vectors(void **state) {
  (void)state;
  for (size_t len = 0; len < COUNT_OF(VECTORS); len++) {
    char message[64];
    for (size_t i = 0; i < len; i++)
      message[i] = (char)i;
    sse_guard_t guard = sse_guard_copy(message, len);
    assert_true(sse_siphash(PAPER_SEED, sse_span(guard.ptr, len)) == VECTORS[len]);
    sse_guard_free(&guard);
  }
  assert_true(sse_siphash(PAPER_SEED, sse_span(NULL, 0)) == VECTORS[0]);
}

static sse_key_t key(sse_scope_t scope, const char *owner, const char *name) {
  return sse_key(PAPER_SEED, scope, sse_span_cstr(owner), sse_span_cstr(name));
}

static void equality(void **state) {
  (void)state;
  char name[] = "orders", owner[] = "acme";
  sse_key_t a = key(SSE_SCOPE_TENANT_TOPIC, "acme", "orders");
  sse_key_t b = sse_key(PAPER_SEED, SSE_SCOPE_TENANT_TOPIC, sse_span(owner, 4), sse_span(name, 6));
  assert_true(a.hash == b.hash);
  assert_true(sse_key_equal(&a, &b));
  sse_key_t empty = key(SSE_SCOPE_CHANNEL, "", "");
  sse_key_t null = sse_key(PAPER_SEED, SSE_SCOPE_CHANNEL, sse_span(NULL, 0), sse_span(NULL, 0));
  assert_true(sse_key_equal(&empty, &null));
}

/* Every pair of keys that differ in any part, or only in where a part ends. */
static void scopes_and_owners_never_meet(void **state) {
  (void)state;
  static const char *const texts[] = {"", "a", "b", "ab", "aa", "a:b", "a/b", "channel"};
  sse_key_t keys[SSE_SCOPE_COUNT * 64];
  size_t n = 0;
  for (int scope = 0; scope < SSE_SCOPE_COUNT; scope++) {
    for (size_t o = 0; o < COUNT_OF(texts); o++) {
      for (size_t i = 0; i < COUNT_OF(texts); i++) {
        keys[n++] = key((sse_scope_t)scope, texts[o], texts[i]);
      }
    }
  }
  for (size_t i = 0; i < n; i++) {
    for (size_t j = 0; j < n; j++) {
      assert_int_equal(sse_key_equal(&keys[i], &keys[j]), i == j);
      if (i != j) assert_true(keys[i].hash != keys[j].hash);
    }
  }
}

/* Equality looks at the parts even when the hashes are the same. */
static void equality_survives_a_collision(void **state) {
  (void)state;
  sse_key_t a = key(SSE_SCOPE_CHANNEL, "", "a"), b = a;
  b.scope = SSE_SCOPE_TOPIC;
  assert_false(sse_key_equal(&a, &b));
  b = a;
  b.name = sse_span_cstr("b");
  assert_false(sse_key_equal(&a, &b));
  b = a;
  b.owner = sse_span_cstr("o");
  assert_false(sse_key_equal(&a, &b));
}

static void seeds_change_the_hash(void **state) {
  (void)state;
  sse_seed_t other = {PAPER_SEED.k0 + 1, PAPER_SEED.k1};
  sse_key_t a = key(SSE_SCOPE_USER, "iss", "u");
  sse_key_t b = sse_key(other, SSE_SCOPE_USER, sse_span_cstr("iss"), sse_span_cstr("u"));
  assert_true(a.hash != b.hash);
}

static void copies_own_their_text(void **state) {
  (void)state;
  static const char *const owners[] = {"", "issuer"};
  for (size_t i = 0; i < COUNT_OF(owners); i++) {
    char name[] = "u\0v";
    sse_key_t from =
        sse_key(PAPER_SEED, SSE_SCOPE_USER, sse_span_cstr(owners[i]), sse_span(name, 3));
    assert_int_equal(sse_key_storage(&from), strlen(owners[i]) + 3);
    char *storage = must_realloc(NULL, sse_key_storage(&from));
    sse_key_t to = sse_key_copy(&from, storage);
    assert_true(sse_key_equal(&from, &to));
    memset(name, 'x', sizeof(name));
    assert_memory_equal(to.name.ptr, "u\0v", 3);
    assert_false(sse_key_equal(&from, &to));
    free(storage);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reference_vectors),
      cmocka_unit_test(equality),
      cmocka_unit_test(scopes_and_owners_never_meet),
      cmocka_unit_test(equality_survives_a_collision),
      cmocka_unit_test(seeds_change_the_hash),
      cmocka_unit_test(copies_own_their_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
