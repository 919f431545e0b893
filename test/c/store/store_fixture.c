/* store_fixture.c - see store_fixture.h. */
#include "store_fixture.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t fixture_now(void *ctx) {
  return atomic_load(&((store_fixture_t *)ctx)->now);
}

static void on_news(void *ctx) {
  atomic_fetch_add(&((store_fixture_t *)ctx)->n_news, 1);
}

static void on_stopped(void *ctx) {
  atomic_fetch_add(&((store_fixture_t *)ctx)->n_stopped, 1);
}

void store_setup(store_fixture_t *f) {
  memset(f, 0, sizeof(*f));
  /* In memory, where there is such a place: a sync of it takes no time. */
  const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  snprintf(f->dir, sizeof(f->dir), "%s/native-sse-store-XXXXXX", parent);
  assert_non_null(mkdtemp(f->dir));
  snprintf(f->path, sizeof(f->path), "%s/history", f->dir);
  f->log = mmap(NULL, sizeof(*f->log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(f->log != MAP_FAILED);
  atomic_store(&f->now, STORE_FIRST_NOW);
  f->config = (sse_store_config_t){.path = f->path,
                                   .history_size = 100,
                                   .max_keys = 1000,
                                   .max_queued_bytes = (size_t)64 << 20,
                                   .now = fixture_now,
                                   .news = on_news,
                                   .stopped = on_stopped,
                                   .ctx = f};
}

void store_teardown(store_fixture_t *f) {
  assert_null(f->store);
  DIR *dir = opendir(f->dir);
  struct dirent *entry;
  while (dir != NULL && (entry = readdir(dir)) != NULL) {
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", f->dir, entry->d_name);
    if (entry->d_name[0] != '.') unlink(path);
  }
  if (dir != NULL) closedir(dir);
  rmdir(f->dir);
  munmap(f->log, sizeof(*f->log));
}

/* Names repeat over scopes and owners on purpose. */
sse_key_t store_key(sse_seed_t seed, uint32_t i) {
  static const struct {
    sse_scope_t scope;
    const char *owner, *name;
  } keys[STORE_KEYS] = {{SSE_SCOPE_CHANNEL, "", "chat:1"}, {SSE_SCOPE_CHANNEL, "", "price:1"},
                        {SSE_SCOPE_USER, "", "chat:1"},    {SSE_SCOPE_USER, "t", "chat:1"},
                        {SSE_SCOPE_TENANT, "", "t"},       {SSE_SCOPE_TENANT_TOPIC, "t", "chat:1"}};
  return sse_key(seed, keys[i].scope, sse_span_cstr(keys[i].owner), sse_span_cstr(keys[i].name));
}

/* The bytes of an event follow from its id. */
static void fill(char *bytes, size_t len, uint64_t id) {
  rng_t rng = {id};
  for (size_t i = 0; i < len; i += 8) {
    uint64_t word = rng_next(&rng);
    memcpy(bytes + i, &word, len - i < 8 ? len - i : 8);
  }
}

static int visit(void *ctx, const sse_key_t *key, sse_frame_t *const *frames, size_t n,
                 uint64_t floor) {
  store_fixture_t *f = ctx;
  sse_seed_t seed = {5, 6};
  uint32_t k = 0;
  sse_key_t expected = store_key(seed, k);
  while (!sse_key_equal(&expected, key)) {
    assert_true(++k < STORE_KEYS);
    expected = store_key(seed, k);
  }
  assert_false(f->loaded[k].has_row);
  f->loaded[k].has_row = true;
  f->loaded[k].floor = floor;
  for (size_t i = 0; i < n; i++) {
    char *bytes = must_realloc(NULL, frames[i]->len);
    fill(bytes, frames[i]->len, frames[i]->id);
    assert_memory_equal(frames[i]->bytes, bytes, frames[i]->len);
    free(bytes);
    f->loaded[k].ids[f->loaded[k].n++] = frames[i]->id;
  }
  return 0;
}

static bool open_and_load(store_fixture_t *f) {
  for (uint32_t k = 0; k < STORE_KEYS; k++) {
    f->loaded[k].n = 0;
    f->loaded[k].has_row = false;
  }
  f->store = sse_store_open(&f->config, &f->error);
  if (f->store == NULL) {
    assert_true(f->error.status != SSE_STORE_OK);
    return false;
  }
  f->start = sse_store_start_ids(f->store);
  sse_seed_t seed = {5, 6};
  if (sse_store_load(f->store, seed, visit, f, &f->error) == 0) {
    if (f->start.newest > f->last) f->last = f->start.newest;
    return true;
  }
  assert_true(f->error.status != SSE_STORE_OK);
  store_drop(f);
  return false;
}

bool store_open(store_fixture_t *f) {
  if (!open_and_load(f)) return false;
  if (sse_store_run(f->store, &f->error) == 0) return true;
  store_drop(f);
  return false;
}

void store_drop(store_fixture_t *f) {
  sse_store_free(f->store);
  f->store = NULL;
}

void store_close(store_fixture_t *f) {
  int before = atomic_load(&f->n_stopped);
  sse_store_stop(f->store, f->last);
  sse_store_join(f->store);
  assert_int_equal(atomic_load(&f->n_stopped), before + 1);
  store_drop(f);
}

bool store_peek(store_fixture_t *f) {
  if (!open_and_load(f)) return false;
  store_check(f);
  store_drop(f);
  return true;
}

uint64_t store_append(store_fixture_t *f, uint32_t keys, uint32_t len) {
  sse_seed_t seed = {7, 8}; /* another server's than at the load */
  sse_key_t list[STORE_KEYS];
  size_t n = 0;
  for (uint32_t k = 0; k < STORE_KEYS; k++) {
    if (keys >> k & 1) list[n++] = store_key(seed, k);
  }
  uint64_t now = atomic_fetch_add(&f->now, 1);
  f->last = now > f->last ? now : f->last + 1;
  size_t at = atomic_load(&f->log->n);
  assert_true(at < STORE_MAX_EVENTS);
  f->log->events[at].id = f->last;
  f->log->events[at].keys = keys;
  f->log->events[at].len = len;
  atomic_store(&f->log->n, at + 1);
  sse_frame_t *frame = NULL;
  while (frame == NULL)
    frame = sse_frame_new(f->last, len);
  fill(frame->bytes, len, f->last);
  sse_store_append(f->store, frame, list, n);
  sse_frame_unref(frame);
  atomic_store(&f->log->done, at + 1);
  return f->last;
}

static void pause_a_little(void) {
  struct timespec time = {0, 500000};
  nanosleep(&time, NULL);
}

void store_wait_synced(store_fixture_t *f, uint64_t id) {
  for (;;) {
    sse_store_news_t news;
    sse_store_news(f->store, &news);
    assert_false(news.has_error);
    assert_int_equal(news.failed_to, 0);
    if (news.synced >= id) return;
    pause_a_little();
  }
}

static bool has(const store_fixture_t *f, uint32_t k, uint64_t id) {
  size_t low = 0, high = f->loaded[k].n;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (f->loaded[k].ids[mid] == id) return true;
    if (f->loaded[k].ids[mid] < id) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return false;
}

static bool was_appended(const store_fixture_t *f, uint32_t k, uint64_t id) {
  for (size_t i = 0; i < atomic_load(&f->log->n); i++) {
    if (f->log->events[i].id == id) return f->log->events[i].keys >> k & 1;
  }
  return false;
}

void store_check(const store_fixture_t *f) {
  for (uint32_t k = 0; k < STORE_KEYS; k++) {
    uint64_t floor = f->loaded[k].has_row ? f->loaded[k].floor : f->start.birth;
    if (f->start.gap > floor) floor = f->start.gap;
    for (size_t i = 0; i < f->loaded[k].n; i++) {
      uint64_t id = f->loaded[k].ids[i];
      assert_true(i == 0 || id > f->loaded[k].ids[i - 1]);
      assert_true(was_appended(f, k, id));
    }
    for (size_t i = 0; i < atomic_load(&f->log->done); i++) {
      uint64_t id = f->log->events[i].id;
      if (f->log->events[i].keys >> k & 1 && id > floor && !has(f, k, id)) {
        fail_msg("event %llu of key %u is missing above the floor %llu", (unsigned long long)id, k,
                 (unsigned long long)floor);
      }
      /* No id that was ever given is given again. */
      assert_true(id <= f->start.newest);
    }
  }
}

void store_killed(store_fixture_t *f, void (*body)(store_fixture_t *f)) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    body(f);
    kill(getpid(), SIGKILL);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

bool store_copy(const char *from, const char *to) {
  FILE *in = fopen(from, "rb");
  if (in == NULL) {
    unlink(to);
    return false;
  }
  FILE *out = fopen(to, "wb");
  assert_non_null(out);
  char bytes[65536];
  size_t n;
  while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
    assert_int_equal(fwrite(bytes, 1, n, out), n);
  fclose(in);
  assert_int_equal(fclose(out), 0);
  return true;
}
