/* histogram.c: see histogram.h. */
#include "histogram.h"

#include <stddef.h>

enum { SUB_BITS = HISTOGRAM_SUB_BITS, SUB = HISTOGRAM_SUB };

void histogram_add(struct histogram *h, uint64_t value) {
  size_t index;
  if (value < SUB) {
    index = (size_t)value;
  } else {
    unsigned shift = (unsigned)(63 - __builtin_clzll(value)) - SUB_BITS;
    index = ((size_t)(shift + 1) << SUB_BITS) + (size_t)((value >> shift) & (SUB - 1));
  }
  h->bucket[index]++;
  h->count++;
  h->sum += value;
  if (value > h->max) h->max = value;
}

uint64_t histogram_quantile(const struct histogram *h, double q) {
  uint64_t want = (uint64_t)(q * (double)h->count), seen = 0;
  for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += h->bucket[i];
    if (seen <= want) continue;
    if (i < SUB) return i;
    unsigned shift = (unsigned)(i >> SUB_BITS) - 1;
    uint64_t low = ((uint64_t)SUB + (i & (SUB - 1))) << shift;
    uint64_t high = low + ((uint64_t)1 << shift) - 1;
    return high < h->max ? high : h->max;
  }
  return h->max;
}
