/* history_file.c - between a core and its store; see history_file.h.
 *
 * DESIGN: the writer tells news through one event, which is posted again only when
 * it was taken: what happens in between is told with it. The event is not the
 * core's: it may be in the port's list when the core goes. */
#include "napi/history_file.h"

#include <stdio.h>

#include "hub/mem.h"
#include "napi/fanout.h"
#include "napi/napi_util.h"

/* Of a disk that does not keep up, events wait in memory up to here. */
#define MAX_QUEUED_BYTES ((size_t)64 << 20)

struct sse_history_link {
  sse_port_event_t event; /* first */
  _Atomic int refs;       /* the core (1) and the port while it is posted (1) */
  atomic_bool is_posted;
  sse_port_t *port;
  sse_core_t *core;        /* [js] NULL once it has gone                              */
  bool holds_port;         /* [js] somebody waits for events from `first` to `awaited` */
  uint64_t first, awaited; /* [js]                                              */
};

static sse_history_link_t *link_of(sse_port_event_t *event) {
  return SSE_CONTAINER_OF(event, sse_history_link_t, event);
}

static void link_unref(sse_history_link_t *link) {
  if (atomic_fetch_sub(&link->refs, 1) == 1) sse_free(link);
}

static void link_event_free(sse_port_event_t *event) {
  link_unref(link_of(event));
}

static const char *code_of(sse_store_status_t status) {
  switch (status) {
    case SSE_STORE_UNSUPPORTED:
      return "ERR_SSE_UNSUPPORTED_RUNTIME";
    case SSE_STORE_LOCKED:
      return "ERR_SSE_HISTORY_LOCKED";
    case SSE_STORE_VERSION:
      return "ERR_SSE_HISTORY_VERSION";
    case SSE_STORE_CORRUPT:
      return "ERR_SSE_HISTORY_CORRUPT";
    case SSE_STORE_NOMEM:
      return "ERR_SSE_INTERNAL";
    case SSE_STORE_OK:
    case SSE_STORE_IO:
      break;
  }
  return "ERR_SSE_HISTORY_IO";
}

static const char *advice_of(sse_store_status_t status) {
  switch (status) {
    case SSE_STORE_UNSUPPORTED:
      return ". Install its headers (Debian, Ubuntu: libsqlite3-dev; Alpine: sqlite-dev; macOS: "
             "sqlite) and run `npm rebuild native-sse`.";
    case SSE_STORE_LOCKED:
      return ". Another process or another server has it open; each needs a file of its own.";
    case SSE_STORE_VERSION:
      return ". Name another file, or move this one away.";
    case SSE_STORE_CORRUPT:
      return ". Move it away with its -wal and -mark, or restore all three from a copy; without "
             "them the history starts empty.";
    default:
      return ".";
  }
}

napi_value sse_history_throw(napi_env env, const char *path, const sse_store_error_t *error) {
  char text[768];
  snprintf(text, sizeof(text), "history.file %.300s cannot be used: %s%s", path, error->text,
           advice_of(error->status));
  return sse_napi_throw(env, code_of(error->status), text);
}

/* ---- news ---- */

static napi_status set_number(napi_env env, napi_value list, uint32_t i, uint64_t number) {
  napi_value value;
  napi_status status = napi_create_int64(env, (int64_t)number, &value);
  return status == napi_ok ? napi_set_element(env, list, i, value) : status;
}

static napi_status set_text(napi_env env, napi_value list, uint32_t i, const char *text) {
  napi_value value;
  napi_status status = napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return status == napi_ok ? napi_set_element(env, list, i, value) : status;
}

/* Whether each event that somebody waits for is safe, or has failed. One that found
 * no place in the queue fails before those that are still in it. */
static bool settles_all(sse_history_link_t *link, const sse_store_news_t *news) {
  if (news->synced >= link->first) link->first = news->synced + 1;
  if (link->first > link->awaited) return true;
  return news->failed_from <= link->first && news->failed_to >= link->awaited;
}

/* ['stored', core, synced, failedFrom, failedTo, code, text]; an empty code: no error */
static napi_value describe_news(napi_env env, sse_port_event_t *event) {
  sse_history_link_t *link = link_of(event);
  sse_store_news_t news;
  napi_value out;
  /* Before the news are read: what comes after is posted again. */
  atomic_store(&link->is_posted, false);
  bool is_gone = link->core == NULL;
  if (!is_gone) sse_store_news(link->core->store, &news);
  if (link->holds_port && (is_gone || settles_all(link, &news))) {
    link->holds_port = false;
    sse_port_unref(env, link->port);
  }
  if (is_gone) return NULL;
  NAPI_TRY(env, napi_create_array(env, &out));
  NAPI_TRY(env, set_text(env, out, 0, "stored"));
  NAPI_TRY(env, set_number(env, out, 1, link->core->number));
  NAPI_TRY(env, set_number(env, out, 2, news.synced));
  NAPI_TRY(env, set_number(env, out, 3, news.failed_from));
  NAPI_TRY(env, set_number(env, out, 4, news.failed_to));
  NAPI_TRY(env, set_text(env, out, 5, news.has_error ? code_of(news.error.status) : ""));
  NAPI_TRY(env, set_text(env, out, 6, news.has_error ? news.error.text : ""));
  return out;
}

/* [writer] */
static void on_news(void *ctx) {
  sse_core_t *core = ctx;
  sse_history_link_t *link = core->link;
  if (atomic_exchange(&link->is_posted, true)) return;
  atomic_fetch_add(&link->refs, 1);
  sse_port_post(link->port, &link->event);
}

/* [writer] */
static void on_stopped(void *ctx) {
  sse_core_t *core = ctx;
  if (core->store_notice != NULL) sse_notice_stopped(core->store_notice);
}

/* [any] */
static uint64_t now_of(void *ctx) {
  const sse_core_t *core = ctx;
  return sse_clock_now(&core->clock);
}

/* ---- the start ---- */

static int make_link(sse_core_t *core, sse_store_error_t *error) {
  core->link = sse_calloc(1, sizeof(*core->link));
  if (core->link == NULL) {
    *error = (sse_store_error_t){SSE_STORE_NOMEM, "out of memory"};
    return -1;
  }
  core->link->event = (sse_port_event_t){.describe = describe_news, .free = link_event_free};
  atomic_init(&core->link->refs, 1);
  core->link->port = core->env->port;
  core->link->core = core;
  return 0;
}

int sse_history_open(sse_core_t *core, const sse_core_config_t *config, sse_hub_config_t *hub) {
  sse_store_config_t store = {.path = config->history_file,
                              .sync_ms = config->history_sync_ms,
                              .history_size = hub->history_size,
                              .sizes = core->sizes,
                              .max_bytes = hub->history_max_bytes,
                              .total_bytes = hub->history_total_bytes,
                              .ttl_us = hub->history_ttl_us,
                              .max_keys = hub->max_rings > 0 ? hub->max_rings : 1,
                              .max_queued_bytes = MAX_QUEUED_BYTES,
                              .now = now_of,
                              .news = on_news,
                              .stopped = on_stopped,
                              .ctx = core};
  core->syncs_always = config->history_sync_ms == 0;
  if (make_link(core, config->error) != 0) return -1;
  core->store = sse_store_open(&store, config->error);
  if (core->store == NULL) return -1;
  sse_store_start_t start = sse_store_start_ids(core->store);
  hub->birth = start.birth;
  hub->newest = start.newest;
  /* The clock may have been set back since: ids and the hubs' time go on from the
   * newest id, so that events age as they did. */
  uint64_t now = sse_clock_now(&core->clock);
  if (start.newest > now) core->clock.wall_us += start.newest - now;
  return 0;
}

static int hydrate(void *ctx, const sse_key_t *key, sse_frame_t *const *frames, size_t n,
                   uint64_t floor) {
  sse_fanout_t fanout;
  sse_fanout_begin(&fanout, ctx);
  int rc = sse_fanout_hydrate(&fanout, key, frames, n, floor);
  if (rc == 0) {
    sse_fanout_post(&fanout);
  } else {
    sse_fanout_discard(&fanout);
  }
  return rc;
}

static int raise_floors(sse_core_t *core, uint64_t gap) {
  sse_fanout_t fanout;
  sse_fanout_begin(&fanout, core);
  int rc = sse_fanout_gap(&fanout, gap);
  if (rc == 0) {
    sse_fanout_post(&fanout);
  } else {
    sse_fanout_discard(&fanout);
  }
  return rc;
}

int sse_history_start(sse_core_t *core, const sse_core_config_t *config) {
  int rc = sse_store_load(core->store, core->seed, hydrate, core, config->error);
  if (rc != 0) return rc;
  uint64_t gap = sse_store_start_ids(core->store).gap;
  if (gap > 0 && raise_floors(core, gap) != 0) {
    *config->error = (sse_store_error_t){SSE_STORE_NOMEM, "out of memory"};
    return -1;
  }
  return sse_store_run(core->store, config->error);
}

/* ---- events, and the end ---- */

void sse_history_append(napi_env env, sse_core_t *core, sse_frame_t *frame, const sse_key_t *keys,
                        size_t n_keys) {
  sse_history_link_t *link = core->link;
  sse_store_append(core->store, frame, keys, n_keys);
  if (!core->syncs_always) return;
  link->awaited = frame->id;
  if (link->holds_port) return;
  link->first = frame->id;
  link->holds_port = true;
  sse_port_ref(env, link->port);
}

void sse_history_stop(sse_core_t *core, sse_notice_t *notice) {
  core->store_notice = notice;
  sse_store_stop(core->store, core->last);
}

void sse_history_free(sse_core_t *core) {
  sse_store_free(core->store);
  core->store = NULL;
  if (core->link == NULL) return;
  core->link->core = NULL;
  link_unref(core->link);
  core->link = NULL;
}
