/* fuzz.h - what every fuzz target starts with: the entry, a check that ends the
 * run, and a reader that makes choices of the bytes of an input. */
#ifndef SSE_TEST_FUZZ_FUZZ_H
#define SSE_TEST_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The target. Called by libFuzzer, or by replay.c with a file of the corpus;
 * `data` is a block of exactly `size` bytes. Always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called once before the first input; optional. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* An invariant of the target: ends the process, which keeps the input. */
#define FUZZ_CHECK(condition)                                                        \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                       \
    }                                                                                \
  } while (0)

/* What is left of an input. Reading past its end gives zeros. */
typedef struct {
  const uint8_t *ptr;
  size_t len;
} fuzz_input_t;

static inline uint8_t fuzz_byte(fuzz_input_t *in) {
  if (in->len == 0) return 0;
  in->len--;
  return *in->ptr++;
}

/* 0 to n - 1, for n up to 256. */
static inline unsigned fuzz_below(fuzz_input_t *in, unsigned n) {
  return fuzz_byte(in) % n;
}

static inline uint64_t fuzz_number(fuzz_input_t *in, unsigned bytes) {
  uint64_t value = 0;
  while (bytes-- > 0)
    value = value << 8 | fuzz_byte(in);
  return value;
}

/* What stands before the next `end`, which is taken too; all of it without one. */
static inline fuzz_input_t fuzz_until(fuzz_input_t *in, uint8_t end) {
  const uint8_t *at = in->len > 0 ? memchr(in->ptr, end, in->len) : NULL;
  fuzz_input_t part = {in->ptr, at != NULL ? (size_t)(at - in->ptr) : in->len};
  size_t taken = part.len + (at != NULL);
  if (taken > 0) in->ptr += taken;
  in->len -= taken;
  return part;
}

/* A copy in a block of exactly this size, so that a byte too far is noticed; never
 * NULL. The caller frees. */
static inline char *fuzz_copy(const void *bytes, size_t len) {
  char *copy = malloc(len > 0 ? len : 1);
  if (copy == NULL) abort();
  if (len > 0) memcpy(copy, bytes, len);
  return copy;
}

#endif
