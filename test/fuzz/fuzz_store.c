/* fuzz_store.c - the files of a history, damaged: opened they are refused with a reason,
 * or what they give is true. No event that was never appended, none changed, none out of
 * order; and none is missing above the floors that the start tells.
 *
 * Input: a byte that chooses how the store had ended, then up to 4 damages of 6 bytes:
 * which file, what, where (3), and a value. So few that no checksum is forged: whoever can
 * write these files can write any history. */
#include "fuzz.h"

#include <unistd.h>

#include "store/store_fixture.h"

#define N_ENDS 3 /* closed; killed with all of it synced; killed in the middle */
#define N_FILES 3
#define MOST_DAMAGES 4
#define PAGE 4096

typedef struct {
  uint8_t *bytes; /* NULL: there is none */
  size_t len;
} content_t;

static const char *const suffixes[N_FILES] = {"", "-wal", "-mark"};
static store_fixture_t fixture;
static content_t templates[N_ENDS][N_FILES];
static uint64_t last; /* id appended */
static size_t n_appended[N_ENDS];
static store_log_t log_before;

static void path_of(unsigned file, char *out, size_t size) {
  snprintf(out, size, "%s%s", fixture.path, suffixes[file]);
}

static void keep(unsigned end) {
  for (unsigned file = 0; file < N_FILES; file++) {
    char path[128];
    path_of(file, path, sizeof(path));
    FILE *in = fopen(path, "rb");
    content_t *content = &templates[end][file];
    if (in == NULL) continue;
    content->bytes = must_realloc(NULL, 1 << 20);
    content->len = fread(content->bytes, 1, 1 << 20, in);
    fclose(in);
  }
  n_appended[end] = atomic_load(&fixture.log->n);
}

static void append_some(unsigned n, uint32_t len) {
  for (uint32_t i = 0; i < n; i++)
    last = store_append(&fixture, 1u << i % STORE_KEYS | 1u << i % 4, len + i);
}

static void tear_down(void) {
  fixture.store = NULL;
  store_teardown(&fixture);
  for (unsigned i = 0; i < N_ENDS * N_FILES; i++)
    free(templates[i / N_FILES][i % N_FILES].bytes);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  setenv("CMOCKA_TEST_ABORT", "1", 1);
  store_setup(&fixture);
  atexit(tear_down);
  fixture.config.history_size = 8;
  FUZZ_CHECK(store_open(&fixture));
  append_some(20, 30);
  store_close(&fixture);
  keep(0);
  FUZZ_CHECK(store_open(&fixture));
  append_some(20, 300);
  store_wait_synced(&fixture, last);
  keep(1);
  append_some(6, 2000);
  keep(2); /* the writer may be at any of them */
  store_close(&fixture);
  memcpy(&log_before, fixture.log, sizeof(log_before));
  return 0;
}

static void damage(content_t *content, fuzz_input_t *in) {
  unsigned what = fuzz_below(in, 6);
  size_t at = (size_t)fuzz_number(in, 3);
  uint8_t value = fuzz_byte(in);
  if (content->len == 0) return;
  at %= content->len;
  size_t rest = content->len - at;
  switch (what) {
    case 0:
      content->bytes[at] ^= value != 0 ? value : 1;
      break;
    case 1: /* a sector that was never written */
      memset(content->bytes + at, 0, rest < 512 ? rest : 512);
      break;
    case 2:
      content->len = at;
      break;
    case 3: /* a page in the place of another */
      if (content->len < 2 * PAGE) break;
      at = at / PAGE % (content->len / PAGE) * PAGE;
      memcpy(content->bytes + at, content->bytes + value % (content->len / PAGE) * PAGE, PAGE);
      break;
    case 4:
      memset(content->bytes + at, value, rest < 16 ? rest : 16);
      break;
    default: /* something behind its end */
      memset(content->bytes + content->len, value, 200);
      content->len += 200;
  }
}

static void lay_files(unsigned end, fuzz_input_t *in) {
  content_t files[N_FILES];
  for (unsigned i = 0; i < N_FILES; i++) {
    files[i] = (content_t){must_realloc(NULL, (1 << 20) + MOST_DAMAGES * 200), 0};
    if (templates[end][i].len == 0) continue;
    files[i].len = templates[end][i].len;
    memcpy(files[i].bytes, templates[end][i].bytes, files[i].len);
  }
  for (unsigned n = 0; n < MOST_DAMAGES && in->len > 0; n++)
    damage(&files[fuzz_below(in, N_FILES)], in);
  for (unsigned i = 0; i < N_FILES; i++) {
    char path[128];
    path_of(i, path, sizeof(path));
    FILE *out = templates[end][i].bytes == NULL ? NULL : fopen(path, "wb");
    if (out == NULL) unlink(path);
    if (out != NULL) fwrite(files[i].bytes, 1, files[i].len, out);
    if (out != NULL) fclose(out);
    free(files[i].bytes);
  }
  char shm[128];
  snprintf(shm, sizeof(shm), "%s-shm", fixture.path);
  unlink(shm);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  fuzz_input_t in = {bytes, size};
  unsigned end = fuzz_below(&in, N_ENDS);
  /* What is in the log by now is what this store was given; ids go on from there. */
  memcpy(fixture.log->events, log_before.events, sizeof(log_before.events[0]) * n_appended[end]);
  atomic_store(&fixture.log->n, n_appended[end]);
  atomic_store(&fixture.log->done, n_appended[end]);
  fixture.last = last;
  lay_files(end, &in);
  if (!store_open(&fixture)) {
    FUZZ_CHECK(fixture.error.text[0] != '\0');
    return 0;
  }
  store_check(&fixture);
  append_some(3, 50);
  store_close(&fixture);
  /* Damage that a load does not touch, such as in a list of free pages, may come out when
   * something is written: it is a reason to refuse the file then. */
  if (!store_peek(&fixture)) FUZZ_CHECK(fixture.error.text[0] != '\0');
  return 0;
}
