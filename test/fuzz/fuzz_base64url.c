/* fuzz_base64url.c - the input as text: decoded if, and only if, it is what the
 * bytes would be written as; and as bytes: written, they are read back. */
#include "fuzz.h"

#include "fuzz_base64url.h"
#include "jose/base64url.h"
#include "jose/jose_mem.h"

/* The one spelling there is: encoding the decoded bytes gives the text again. A
 * text that is refused has no bytes that would be written so. */
static void check_text(const char *text, size_t len) {
  size_t room = sse_base64url_size(len), out_len = SIZE_MAX;
  uint8_t *out = (uint8_t *)fuzz_copy("", 0);
  if (room > 0) out = realloc(out, room);
  FUZZ_CHECK(out != NULL);
  sse_jose_reason_t reason = sse_base64url_decode(sse_text(text, len), out, &out_len);
  FUZZ_CHECK(reason == SSE_JOSE_OK || reason == SSE_JOSE_E_B64);
  FUZZ_CHECK((reason == SSE_JOSE_OK) == fuzz_base64url_is_canonical(text, len));
  if (reason == SSE_JOSE_OK) {
    size_t again_len;
    FUZZ_CHECK(out_len == room);
    char *again = fuzz_base64url(out, out_len, &again_len);
    FUZZ_CHECK(again_len == len && memcmp(again, text, len) == 0);
    free(again);
  }
  free(out);
}

static void check_bytes(const uint8_t *bytes, size_t size) {
  size_t len, out_len = SIZE_MAX;
  sse_jose_reason_t reason = SSE_JOSE_E_OOM;
  char *text = fuzz_base64url(bytes, size, &len);
  char *exact = fuzz_copy(text, len);
  uint8_t *out = sse_base64url_decode_new(sse_text(exact, len), &out_len, &reason);
  FUZZ_CHECK(out != NULL && reason == SSE_JOSE_OK);
  FUZZ_CHECK(out_len == size && (size == 0 || memcmp(out, bytes, size) == 0));
  sse_jose_free(out);
  free(exact);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  check_text((const char *)bytes, size);
  check_bytes(bytes, size);
  return 0;
}
