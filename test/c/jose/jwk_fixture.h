/* jwk_fixture.h - a key of each type, and key sets made of their members: what
 * the tests of jwk.c and jwk_import.c share. */
#ifndef SSE_TEST_JOSE_JWK_FIXTURE_H
#define SSE_TEST_JOSE_JWK_FIXTURE_H

#include "support.h"

#include <openssl/err.h>

#include "jose/jwk.h"

static EVP_PKEY *rsa, *ec;
static char *rsa_jwk, *ec_jwk; /* members, kid "r" and "e" */

static inline sse_jwks_t *load(const char *text, sse_jose_reason_t *reason,
                               sse_jwks_stats_t *stats) {
  sse_guard_t guard = sse_guard_copy(text, strlen(text));
  sse_jwks_t *jwks = sse_jwks_load(guard.ptr, guard.len, reason, stats);
  sse_guard_free(&guard);
  return jwks;
}

/* Loads a set of one entry, given by its members, and selects from it. */
static inline sse_jose_reason_t select_from(const char *entries, sse_jws_alg_t alg,
                                            const char *kid) {
  sse_jose_reason_t reason = SSE_JOSE_OK;
  sse_jws_header_t header = {.alg = alg, .kid_len = strlen(kid)};
  const sse_jwk_t *key = NULL;
  char *text = format("{\"keys\":[%s]}", entries);
  sse_jwks_t *jwks = load(text, &reason, NULL);
  if (!jwks) fail_msg("%s: %s", text, sse_jose_reason_name(reason));
  memcpy(header.kid, kid, strlen(kid));
  reason = sse_jwks_select(jwks, &header, &key);
  if (reason == SSE_JOSE_OK) assert_int_equal(sse_jwk_alg(key), alg);
  sse_jwks_unref(jwks);
  free(text);
  assert_int_equal(ERR_peek_error(), 0); /* Node's queue is as it was */
  return reason;
}

static inline int set_up(void **state) {
  (void)state;
  rsa = new_rsa(2048, 65537);
  ec = new_ec();
  rsa_jwk = jwk_members(rsa, "r");
  ec_jwk = jwk_members(ec, "e");
  return 0;
}

static inline int tear_down(void **state) {
  (void)state;
  free(rsa_jwk);
  free(ec_jwk);
  EVP_PKEY_free(rsa);
  EVP_PKEY_free(ec);
  return 0;
}

#endif
