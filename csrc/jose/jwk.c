/* jwk.c - which entries of a set are keys, and which key a token gets. */
#include "jose/jwk.h"

#include <openssl/evp.h>
#include <stdatomic.h>

#include "jose/base64url.h"
#include "jose/jose_mem.h"
#include "jose/json.h"
#include "jose/jwk_import.h"
#include "jose/openssl_errors.h"

struct sse_jwk {
  EVP_PKEY *pkey; /* NULL: weak; kept so that the refusal can say so */
  sse_jws_alg_t alg;
  size_t signature_size;
  uint8_t thumbprint[SSE_THUMBPRINT_SIZE];
  size_t kid_len; /* 0: none that a token can name */
  char kid[SSE_JWS_MAX_KID];
};

struct sse_jwks {
  _Atomic unsigned refs; /* holders: JS's set (1) + each pending verification */
  size_t count;
  sse_jwk_t keys[];
};

/* RFC 7517 section 4.3: an array of unique strings. */
static bool allows_verify(const sse_json_t *key_ops) {
  bool found = false;
  sse_text_t op;
  sse_text_t other;
  for (const sse_json_t *a = sse_json_first(key_ops); a; a = sse_json_next(a)) {
    if (!sse_json_is_string(a, &op)) return false;
    if (sse_text_is(op, "verify")) found = true;
    for (const sse_json_t *b = sse_json_first(key_ops); b != a; b = sse_json_next(b)) {
      if (sse_json_is_string(b, &other) && sse_text_equal(op, other)) return false;
    }
  }
  return found;
}

static bool is_for_signatures(const sse_json_t *entry) {
  sse_text_t use;
  const sse_json_t *key_ops;
  sse_json_find_t found = sse_json_get_string(entry, "use", &use);
  if (found == SSE_JSON_WRONG_TYPE) return false;
  if (found == SSE_JSON_FOUND && !sse_text_is(use, "sig")) return false;
  found = sse_json_get_array(entry, "key_ops", &key_ops);
  return found == SSE_JSON_ABSENT || (found == SSE_JSON_FOUND && allows_verify(key_ops));
}

static bool has_secret(const sse_json_t *entry) {
  static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (sse_json_has(entry, names[i])) return true;
  }
  return false;
}

/* The algorithm that this entry's type and `alg` leave; 0: none of ours. */
static unsigned entry_alg(const sse_json_t *entry) {
  sse_text_t kty;
  sse_text_t name;
  unsigned alg = 0;
  if (sse_json_get_string(entry, "kty", &kty) != SSE_JSON_FOUND) return 0;
  if (sse_text_is(kty, "RSA")) alg = SSE_JWS_RS256;
  if (sse_text_is(kty, "EC")) alg = SSE_JWS_ES256;
  switch (sse_json_get_string(entry, "alg", &name)) {
    case SSE_JSON_ABSENT:
      return alg;
    case SSE_JSON_FOUND:
      return sse_jws_alg(name) & alg;
    case SSE_JSON_WRONG_TYPE:
      break;
  }
  return 0;
}

/* False when no token can name this key. */
static bool read_kid(const sse_json_t *entry, sse_jwk_t *key) {
  sse_text_t kid = {NULL, 0};
  switch (sse_json_get_string(entry, "kid", &kid)) {
    case SSE_JSON_ABSENT:
      return true;
    case SSE_JSON_WRONG_TYPE:
      return false;
    case SSE_JSON_FOUND:
      break;
  }
  if (kid.len > SSE_JWS_MAX_KID) return false;
  memcpy(key->kid, kid.ptr, kid.len);
  key->kid_len = kid.len;
  return true;
}

/* Fills `key`. OK, E_KEY_WEAK (filled, without a pkey), E_NOKEY (skip) or
 * E_OOM. A published private key is a compromised one, so that it is skipped
 * before its public half is even looked at. */
static sse_jose_reason_t load_entry(const sse_json_t *entry, sse_jwk_t *key,
                                    sse_jwks_stats_t *stats) {
  sse_jose_reason_t reason = SSE_JOSE_E_NOKEY;
  unsigned alg;
  bool was_empty;
  if (!sse_json_is_object(entry)) return reason;
  if (has_secret(entry)) {
    stats->with_secret++;
    return reason;
  }
  alg = entry_alg(entry);
  if (alg == 0 || !is_for_signatures(entry) || !read_kid(entry, key)) return reason;
  key->alg = (sse_jws_alg_t)alg;
  was_empty = sse_openssl_enter();
  reason = key->alg == SSE_JWS_RS256 ? sse_jwk_import_rsa(entry, &key->pkey, &key->signature_size)
                                     : sse_jwk_import_ec(entry, &key->pkey, &key->signature_size);
  if (reason == SSE_JOSE_OK) reason = sse_thumbprint(entry, key->alg, key->thumbprint);
  if (reason != SSE_JOSE_OK) {
    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;
  }
  return sse_openssl_leave(was_empty, reason);
}

/* Loads the list that starts at `entry` and has `total` items. */
static sse_jwks_t *load_entries(const sse_json_t *entry, size_t total, sse_jose_reason_t *reason,
                                sse_jwks_stats_t *stats) {
  sse_jwks_t *jwks = sse_jose_calloc(1, sizeof *jwks + total * sizeof jwks->keys[0]);
  *reason = SSE_JOSE_E_OOM;
  if (!jwks) return NULL;
  atomic_init(&jwks->refs, 1);
  for (; entry; entry = sse_json_next(entry)) {
    sse_jwk_t *key = &jwks->keys[jwks->count];
    sse_jose_reason_t result = load_entry(entry, key, stats);
    if (result == SSE_JOSE_E_OOM) {
      /* Less keys than published would turn good tokens away: no set at all. */
      sse_jwks_unref(jwks);
      return NULL;
    }
    if (result == SSE_JOSE_OK) {
      stats->usable++;
    } else {
      stats->skipped++;
    }
    if (result == SSE_JOSE_E_NOKEY) {
      memset(key, 0, sizeof *key);
    } else {
      jwks->count++;
    }
  }
  *reason = SSE_JOSE_OK;
  return jwks;
}

static sse_json_t *parse(const char *text, size_t len, sse_jose_reason_t *reason) {
  *reason = SSE_JOSE_E_TOO_LARGE;
  if (len == 0 || len > SSE_JWKS_MAX_BYTES) return NULL;
  return sse_json_parse(sse_text(text, len), &sse_json_jwks_limits, reason);
}

sse_jwks_t *sse_jwks_load(const char *text, size_t len, sse_jose_reason_t *reason,
                          sse_jwks_stats_t *stats) {
  sse_jwks_stats_t counts = {0, 0, 0};
  sse_jwks_t *jwks = NULL;
  const sse_json_t *array;
  size_t total = 0;
  sse_json_t *root = parse(text, len, reason);
  if (!root) return NULL;
  *reason = SSE_JOSE_E_JSON;
  if (sse_json_get_array(root, "keys", &array) != SSE_JSON_FOUND) goto exit;
  for (const sse_json_t *item = sse_json_first(array); item; item = sse_json_next(item))
    total++;
  *reason = SSE_JOSE_E_TOO_LARGE;
  if (total > SSE_JWKS_MAX_KEYS) goto exit;
  jwks = load_entries(sse_json_first(array), total, reason, &counts);
  if (jwks && stats) *stats = counts;

exit:
  sse_json_free(root);
  return jwks;
}

sse_jwks_t *sse_jwks_load_one(const char *text, size_t len, sse_jose_reason_t *reason) {
  sse_jwks_stats_t counts = {0, 0, 0};
  sse_jwks_t *jwks = NULL;
  sse_json_t *root = parse(text, len, reason);
  /* A root has no sibling, so that it is a list of one. */
  if (root) jwks = load_entries(root, 1, reason, &counts);
  sse_json_free(root);
  return jwks;
}

sse_jwks_t *sse_jwks_ref(sse_jwks_t *jwks) {
  atomic_fetch_add_explicit(&jwks->refs, 1, memory_order_relaxed);
  return jwks;
}

void sse_jwks_unref(sse_jwks_t *jwks) {
  if (!jwks) return;
  /* Release what this holder did, acquire what the others did, then free. */
  if (atomic_fetch_sub_explicit(&jwks->refs, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < jwks->count; i++)
    EVP_PKEY_free(jwks->keys[i].pkey);
  sse_jose_free(jwks);
}

static bool matches(const sse_jwk_t *key, const sse_jws_header_t *header) {
  /* RFC 7517 section 4.5: keys of different types may share a kid. */
  if (key->alg != header->alg) return false;
  if (header->kid_len == 0) return true;
  return sse_text_equal(sse_text(key->kid, key->kid_len), sse_text(header->kid, header->kid_len));
}

sse_jose_reason_t sse_jwks_select(const sse_jwks_t *jwks, const sse_jws_header_t *header,
                                  const sse_jwk_t **key) {
  const sse_jwk_t *found = NULL;
  bool weak = false;
  for (size_t i = 0; i < jwks->count; i++) {
    const sse_jwk_t *candidate = &jwks->keys[i];
    if (!matches(candidate, header)) continue;
    if (!candidate->pkey) {
      weak = true;
    } else if (found) {
      return SSE_JOSE_E_AMBIGUOUS;
    } else {
      found = candidate;
    }
  }
  if (!found) return weak ? SSE_JOSE_E_KEY_WEAK : SSE_JOSE_E_NOKEY;
  *key = found;
  return SSE_JOSE_OK;
}

sse_jws_alg_t sse_jwk_alg(const sse_jwk_t *key) {
  return key->alg;
}

EVP_PKEY *sse_jwk_pkey(const sse_jwk_t *key) {
  return key->pkey;
}

size_t sse_jwk_signature_size(const sse_jwk_t *key) {
  return key->signature_size;
}

const uint8_t *sse_jwk_thumbprint(const sse_jwk_t *key) {
  return key->thumbprint;
}
