/* load.h - reads and checks all that a database holds. Private to csrc/store. */
#ifndef SSE_STORE_LOAD_H
#define SSE_STORE_LOAD_H

#include "store/db.h"

/* See sse_store_load. */
int sse_db_load(sse_db_t *db, sse_seed_t seed, sse_store_visit_t visit, void *ctx,
                sse_store_error_t *error);

#endif
