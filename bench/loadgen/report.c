/* report.c: the answers of the load generator, one JSON object a line. */
#include <inttypes.h>
#include <stdio.h>

#include "loadgen.h"

bool failed_so_far(void) {
  return total.failed || total.refused || total.lost || total.missed || total.duplicated ||
         total.surplus || total.bad_ids || total.malformed;
}

void report_counters(void) {
  printf(",\"clients\":%u,\"failed\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"lost\":%" PRIu64
         ",\"missed\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"surplus\":%" PRIu64
         ",\"badIds\":%" PRIu64 ",\"malformed\":%" PRIu64 ",\"comments\":%" PRIu64
         ",\"others\":%" PRIu64 ",\"ok\":%s",
         alive, total.failed, total.refused, total.lost, total.missed, total.duplicated,
         total.surplus, total.bad_ids, total.malformed, total.comments, total.others,
         failed_so_far() ? "false" : "true");
  if (total.first_bad_status) printf(",\"status\":%d", total.first_bad_status);
  if (total.first_errno) printf(",\"errno\":%d", total.first_errno);
}

void report_histogram(const char *name, const struct histogram *h) {
  if (h->count == 0) return;
  printf(",\"%s\":{\"mean\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f}", name,
         (double)h->sum / (double)h->count / 1e3, (double)histogram_quantile(h, 0.5) / 1e3,
         (double)histogram_quantile(h, 0.99) / 1e3, (double)h->max / 1e3);
}

void report_end(void) {
  printf("}\n");
  fflush(stdout);
}
