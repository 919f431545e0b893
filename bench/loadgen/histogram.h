/* histogram.h: latencies in nanoseconds, 128 steps for each power of two, so within 1 %. */
#ifndef LOADGEN_HISTOGRAM_H
#define LOADGEN_HISTOGRAM_H

#include <stdint.h>

enum {
  HISTOGRAM_SUB_BITS = 7,
  HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS,
  HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB
};

struct histogram {
  uint64_t bucket[HISTOGRAM_BUCKETS];
  uint64_t count, sum, max;
};

void histogram_add(struct histogram *h, uint64_t value);

/* The value that a share `q` of all is not above, for example 0.99. */
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif
