/* none.c - the store of a build without SQLite: refuses; see store.h. */
#include "store/store.h"

sse_store_t *sse_store_open(const sse_store_config_t *config, sse_store_error_t *error) {
  (void)config;
  *error = (sse_store_error_t){.status = SSE_STORE_UNSUPPORTED,
                               .text = "native-sse was built without SQLite"};
  return NULL;
}

sse_store_start_t sse_store_start_ids(const sse_store_t *store) {
  (void)store;
  return (sse_store_start_t){0};
}

int sse_store_load(sse_store_t *store, sse_seed_t seed, sse_store_visit_t visit, void *ctx,
                   sse_store_error_t *error) {
  (void)store;
  (void)seed;
  (void)visit;
  (void)ctx;
  (void)error;
  return -1;
}

int sse_store_run(sse_store_t *store, sse_store_error_t *error) {
  (void)store;
  (void)error;
  return -1;
}

void sse_store_append(sse_store_t *store, sse_frame_t *frame, const sse_key_t *keys,
                      size_t n_keys) {
  (void)store;
  (void)frame;
  (void)keys;
  (void)n_keys;
}

void sse_store_news(sse_store_t *store, sse_store_news_t *news) {
  (void)store;
  *news = (sse_store_news_t){0};
}

void sse_store_stop(sse_store_t *store, uint64_t newest) {
  (void)store;
  (void)newest;
}

void sse_store_join(sse_store_t *store) {
  (void)store;
}

void sse_store_free(sse_store_t *store) {
  (void)store;
}
