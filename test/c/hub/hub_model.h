/* hub_model.h - random operations on a hub with a fake sink, checked against a
 * naive store of everything that was ever published. */
#ifndef SSE_TEST_HUB_HUB_MODEL_H
#define SSE_TEST_HUB_HUB_MODEL_H

#include "fake_hub.h"

/* What a run may do, beside publishing, attaching and leaving. */
typedef struct {
  sse_hub_config_t hub;
  int steps;
  bool has_gaps;    /* gap commands                                           */
  bool is_lossless; /* no ring is ever evicted or expired: then a verdict of
                       `recovered: false` has to have a reason as well        */
  bool may_fail;    /* commands may return SSE_ENOMEM                         */
} hub_model_config_t;

/* One run; fails the test when a promise of the hub is broken:
 * - ids ascend in every stream, each at most once, of the client's keys alone;
 * - a client that was told `recovered: true` has, up to where its stream
 *   stands, every event of its keys above its cursor; all of them at the end;
 * - a client that was told `recovered: false` has every event since then;
 * - `recovered: true` is not said across a gap. */
void hub_model_run(uint64_t seed, const hub_model_config_t *config);

#endif
