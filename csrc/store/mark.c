/* mark.c - the record beside the database; see mark.h. */
#include "store/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hub/key.h"

#define RECORD_BYTES 64
#define MAGIC UINT64_C(0x31306b72616d7373) /* "ssmark01" */

static const sse_seed_t SEED = {UINT64_C(0x6d61726b), UINT64_C(0x6e737365)};

typedef struct {
  uint64_t magic, state, file, boot[2], seq, reserved, sum;
} bytes_t; /* as in the file; of the machine's byte order, which the magic tells */

static uint64_t sum_of(const bytes_t *bytes) {
  return sse_siphash(SEED, sse_span((const char *)bytes, offsetof(bytes_t, sum)));
}

static bool read_record(int fd, sse_mark_record_t *found) {
  bytes_t bytes;
  if (pread(fd, &bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) return false;
  if (bytes.magic != MAGIC || bytes.sum != sum_of(&bytes)) return false;
  if (bytes.state < SSE_MARK_QUIET || bytes.state > SSE_MARK_CLOSED) return false;
  *found = (sse_mark_record_t){.state = (sse_mark_state_t)bytes.state,
                               .file = bytes.file,
                               .boot = {bytes.boot[0], bytes.boot[1]},
                               .seq = bytes.seq,
                               .reserved = bytes.reserved};
  return true;
}

int sse_mark_open(sse_mark_t *mark, const char *path, sse_mark_record_t *found, bool *is_found) {
  _Static_assert(sizeof(bytes_t) == RECORD_BYTES, "the record has no holes");
  *mark = (sse_mark_t){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR)};
  if (mark->fd < 0) return -1;
  *found = (sse_mark_record_t){0};
  *is_found = read_record(mark->fd, found);
  return 0;
}

int sse_mark_write(sse_mark_t *mark) {
  const sse_mark_record_t *r = &mark->record;
  bytes_t bytes = {.magic = MAGIC,
                   .state = (uint64_t)r->state,
                   .file = r->file,
                   .boot = {r->boot[0], r->boot[1]},
                   .seq = r->seq,
                   .reserved = r->reserved};
  bytes.sum = sum_of(&bytes);
  ssize_t n;
  do {
    n = pwrite(mark->fd, &bytes, sizeof(bytes), 0);
  } while (n < 0 && errno == EINTR);
  if (n == (ssize_t)sizeof(bytes)) return 0;
  if (n >= 0) errno = ENOSPC;
  return -1;
}

int sse_mark_sync(sse_mark_t *mark) {
  return fsync(mark->fd);
}

int sse_mark_clear(sse_mark_t *mark) {
  return ftruncate(mark->fd, 0);
}

void sse_mark_close(sse_mark_t *mark) {
  if (mark->fd >= 0) close(mark->fd);
  mark->fd = -1;
}

void sse_mark_boot(uint64_t boot[2]) {
  char text[64];
  boot[0] = boot[1] = 0;
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t n = read(fd, text, sizeof(text));
  close(fd);
  if (n < 32) return;
  sse_seed_t other = {SEED.k1, SEED.k0};
  boot[0] = sse_siphash(SEED, sse_span(text, (size_t)n));
  boot[1] = sse_siphash(other, sse_span(text, (size_t)n));
}

bool sse_mark_shows_all(const sse_mark_record_t *found, uint64_t file, uint64_t seq,
                        const uint64_t boot[2]) {
  if (found->file != file) return false;
  if (found->state == SSE_MARK_CLOSED) return found->seq == seq;
  bool is_this_boot =
      (boot[0] | boot[1]) != 0 && memcmp(found->boot, boot, sizeof(found->boot)) == 0;
  return found->state == SSE_MARK_QUIET && is_this_boot && found->seq <= seq;
}
