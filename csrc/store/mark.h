/* mark.h - what a store was doing when its process ended: a record of 64 bytes in
 * a file of its own, PATH-mark.
 *
 * DESIGN: BUSY is written before an event that is only in memory goes to anybody,
 * QUIET once all of them are in the database. Neither is synced: a process that is
 * killed leaves what it wrote with the system, and a system that has gone down is
 * told by its boot id. So only a record that says CLOSED, or QUIET in this very
 * boot, shows that nothing was lost; and the database must not be older than the
 * record (a WAL whose end is damaged is cut off silently). */
#ifndef SSE_STORE_MARK_H
#define SSE_STORE_MARK_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { SSE_MARK_QUIET = 1, SSE_MARK_BUSY = 2, SSE_MARK_CLOSED = 3 } sse_mark_state_t;

typedef struct {
  sse_mark_state_t state;
  uint64_t file;     /* the id of the database that it belongs to              */
  uint64_t boot[2];  /* of the system; 0: unknown                              */
  uint64_t seq;      /* commits of the database when the record was written    */
  uint64_t reserved; /* no id above it was given when the record was written   */
} sse_mark_record_t;

typedef struct {
  int fd; /* -1: not open */
  sse_mark_record_t record;
} sse_mark_t;

/* Opens or makes the file. `*found` is what it says; false when it is not there,
 * or damaged. Returns 0 or -1 with errno set. */
int sse_mark_open(sse_mark_t *mark, const char *path, sse_mark_record_t *found, bool *is_found);

/* Writes mark->record. 0 or -1 with errno set. */
int sse_mark_write(sse_mark_t *mark);

/* Syncs what was written. 0 or -1 with errno set. */
int sse_mark_sync(sse_mark_t *mark);

/* Empties the file, where it cannot be written: it then shows nothing. */
int sse_mark_clear(sse_mark_t *mark);

void sse_mark_close(sse_mark_t *mark);

/* Fills `boot` with the id of this boot of the system; zeros where there is none. */
void sse_mark_boot(uint64_t boot[2]);

/* True when nothing can have been lost: `found` is of the database `file`, which
 * has `seq` commits, and the system runs in `boot`. */
bool sse_mark_shows_all(const sse_mark_record_t *found, uint64_t file, uint64_t seq,
                        const uint64_t boot[2]);

#endif
