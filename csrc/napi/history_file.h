/* history_file.h - a core with a store: its events come from the file at the start,
 * and go there. */
#ifndef SSE_NAPI_HISTORY_FILE_H
#define SSE_NAPI_HISTORY_FILE_H

#include "napi/core.h"

/* [js] Opens the store of a core whose hubs are not made yet, and sets the ids that
 * they are made with. 0 or -1 with config->error set. */
int sse_history_open(sse_core_t *core, const sse_core_config_t *config, sse_hub_config_t *hub);

/* [js] Fills the hubs, before anything else is posted to them, and starts the
 * writer. 0 or -1 with config->error set. */
int sse_history_start(sse_core_t *core, const sse_core_config_t *config);

/* [js] Queues an event for the file. In `always` the process stays until JS has
 * been told what became of it. */
void sse_history_append(napi_env env, sse_core_t *core, sse_frame_t *frame, const sse_key_t *keys,
                        size_t n_keys);

/* [js] Asks the writer to end; `notice` (may be NULL) is posted when it has. */
void sse_history_stop(sse_core_t *core, sse_notice_t *notice);

/* [js] Closes what is open; after sse_store_join where the writer ran. */
void sse_history_free(sse_core_t *core);

/* [js] Throws what `error` says, with its code; always NULL. */
napi_value sse_history_throw(napi_env env, const char *path, const sse_store_error_t *error);

#endif
