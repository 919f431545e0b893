/* thread.c - the I/O thread's life; see thread.h. */
#include "io/thread.h"

#include <pthread.h>
#include <signal.h>

#include "hub/mem.h"

static sse_thread_t *thread_of(sse_shard_t *shard) {
  return (sse_thread_t *)(void *)shard;
}

int sse_thread_init(sse_thread_t *thread, const sse_hub_config_t *config,
                    const sse_upcalls_t *upcalls, const sse_clock_t *clock,
                    uint32_t peer_timeout_ms) {
  *thread = (sse_thread_t){
      .sink = {.shard = &thread->shard, .upcalls = *upcalls, .peer_timeout_ms = peer_timeout_ms}};
  sse_gather_init(&thread->sink.gather);
  atomic_init(&thread->is_stopping, false);
  sse_sink_t sink = sse_socket_sink(&thread->sink);
  return sse_shard_init(&thread->shard, config, &sink, clock);
}

static void wake(sse_shard_t *shard) {
  uv_async_send(&thread_of(shard)->async);
}

static void on_tick(uv_timer_t *timer);

static void schedule_tick(sse_thread_t *thread) {
  uint64_t ms = (sse_hub_tick_interval(thread->shard.hub) + 999) / 1000;
  uv_timer_start(&thread->timer, on_tick, ms, 0);
}

static void on_tick(uv_timer_t *timer) {
  sse_thread_t *thread = timer->data;
  sse_shard_tick(&thread->shard);
  schedule_tick(thread);
}

static void end(sse_thread_t *thread) {
  atomic_store_explicit(&thread->delivered, sse_hub_counters(thread->shard.hub).delivered,
                        memory_order_relaxed);
  sse_shard_end(&thread->shard);
  sse_socket_sink_close(&thread->sink);
  uv_close((uv_handle_t *)&thread->timer, NULL);
  uv_close((uv_handle_t *)&thread->async, NULL);
}

static void on_wake(uv_async_t *async) {
  sse_thread_t *thread = async->data;
  /* Read before the drain: everything posted before the stop is then drained. */
  bool is_stopping = atomic_load_explicit(&thread->is_stopping, memory_order_acquire);
  sse_shard_drain(&thread->shard);
  if (is_stopping) {
    if (!uv_is_closing((uv_handle_t *)async)) end(thread);
    return;
  }
  /* A client that has just blocked wants to be judged sooner than the timer
   * would; the timer is only moved when it is far away. */
  if (uv_timer_get_due_in(&thread->timer) * 1000 > sse_hub_tick_interval(thread->shard.hub)) {
    schedule_tick(thread);
  }
}

static void run(void *arg) {
  sse_thread_t *thread = arg;
  uv_run(&thread->loop, UV_RUN_DEFAULT);
  uv_loop_close(&thread->loop);
  if (thread->stopped != NULL) thread->stopped(thread->stopped_ctx);
}

/* Signals belong to the JS thread: this one is made with all of them blocked. */
static int create(sse_thread_t *thread) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = uv_thread_create(&thread->id, run, thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

static void forget(uv_handle_t *handle) {
  (void)handle;
}

int sse_thread_start(sse_thread_t *thread) {
  if (thread->is_started) return 0;
  int rc = uv_loop_init(&thread->loop);
  if (rc != 0) return rc;
  if ((rc = uv_async_init(&thread->loop, &thread->async, on_wake)) != 0) goto fail_async;
  if ((rc = uv_timer_init(&thread->loop, &thread->timer)) != 0) goto fail_timer;
  if ((rc = sse_socket_sink_open(&thread->sink, &thread->loop)) != 0) goto fail_sink;
  thread->async.data = thread;
  thread->timer.data = thread;
  schedule_tick(thread);
  thread->shard.wake = wake;
  if ((rc = create(thread)) != 0) goto fail_create;
  thread->is_started = true;
  return 0;

fail_create:
  thread->shard.wake = NULL;
  sse_socket_sink_close(&thread->sink);
fail_sink:
  uv_close((uv_handle_t *)&thread->timer, forget);
fail_timer:
  uv_close((uv_handle_t *)&thread->async, forget);
  uv_run(&thread->loop, UV_RUN_DEFAULT);
fail_async:
  uv_loop_close(&thread->loop);
  return rc;
}

void sse_thread_stop(sse_thread_t *thread) {
  if (atomic_load_explicit(&thread->is_stopping, memory_order_relaxed)) return;
  /* The count so far, for whoever asks before the thread has told the last one. */
  atomic_store_explicit(&thread->delivered, sse_hub_counters(thread->shard.hub).delivered,
                        memory_order_relaxed);
  atomic_store_explicit(&thread->is_stopping, true, memory_order_release);
  if (thread->is_started) {
    uv_async_send(&thread->async);
    return;
  }
  sse_shard_end(&thread->shard);
  if (thread->stopped != NULL) thread->stopped(thread->stopped_ctx);
}

void sse_thread_join(sse_thread_t *thread) {
  if (!thread->is_started || thread->is_joined) return;
  uv_thread_join(&thread->id);
  thread->is_joined = true;
}

void sse_thread_deinit(sse_thread_t *thread) {
  sse_shard_deinit(&thread->shard);
  sse_gather_deinit(&thread->sink.gather);
}
