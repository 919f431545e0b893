/* replay.c - runs a fuzz target over files without libFuzzer: over those named,
 * or over its whole corpus, as one test of `make test`. */
#include "fuzz.h"

#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#define CORPUS "test/fuzz/corpus"

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);
/* Of the sanitizers, where the program is built with them. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static const char *current; /* the file that is being replayed */

/* The input that ended the process is the one thing to know. */
static void tell_current(void) {
  if (current == NULL) return;
  static const char what[] = "replaying ";
  ssize_t n = write(STDERR_FILENO, what, sizeof(what) - 1);
  n = write(STDERR_FILENO, current, strlen(current));
  n = write(STDERR_FILENO, "\n", 1);
  (void)n;
}

static void on_signal(int number) {
  tell_current();
  signal(number, SIG_DFL);
  raise(number);
}

static uint8_t *read_all(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  *size = (size_t)ftell(file);
  rewind(file);
  uint8_t *bytes = malloc(*size > 0 ? *size : 1);
  if (bytes == NULL || fread(bytes, 1, *size, file) != *size) {
    perror(path);
    exit(1);
  }
  fclose(file);
  return bytes;
}

static void replay(const char *path) {
  size_t size;
  uint8_t *bytes = read_all(path, &size);
  current = path;
  LLVMFuzzerTestOneInput(bytes, size);
  current = NULL;
  free(bytes);
}

static int is_file(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static size_t replay_folder(const char *folder) {
  struct dirent **entries;
  int n = scandir(folder, &entries, is_file, alphasort);
  if (n < 0) {
    perror(folder);
    return 0;
  }
  for (int i = 0; i < n; i++) {
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0) abort();
    replay(path);
    free(path);
    free(entries[i]);
  }
  free(entries);
  return (size_t)n;
}

int main(int argc, char **argv) {
  char folder[PATH_MAX];
  const char *name = basename(argv[0]);
  if (strncmp(name, "fuzz_", 5) == 0) name += 5;
  snprintf(folder, sizeof(folder), CORPUS "/%s", name);
  if (__sanitizer_set_death_callback != NULL) __sanitizer_set_death_callback(tell_current);
  signal(SIGABRT, on_signal);
  if (LLVMFuzzerInitialize != NULL) LLVMFuzzerInitialize(&argc, &argv);
  for (int i = 1; i < argc; i++)
    replay(argv[i]);
  if (argc > 1) return 0;
  printf("1..1\n");
  fflush(stdout);
  size_t n = replay_folder(folder);
  printf("%sok 1 - %zu inputs of %s\n", n > 0 ? "" : "not ", n, folder);
  return n > 0 ? 0 : 1;
}
