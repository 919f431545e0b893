/* mailbox.h - the only way down from the JS thread to a hub.
 *
 * DESIGN: one lock around a list of commands. Whoever posts into an empty
 * mailbox wakes the reader; whoever reads takes the whole list. Wakes coalesce,
 * and each is worth one take: what is posted after it finds the list empty and
 * wakes again. */
#ifndef SSE_IO_MAILBOX_H
#define SSE_IO_MAILBOX_H

#include <stdbool.h>
#include <uv.h>

#include "hub/command.h"

typedef struct {
  uv_mutex_t lock;
  sse_command_t *first, *last; /* under lock */
} sse_mailbox_t;

/* [init] 0 or SSE_ENOMEM. */
int sse_mailbox_init(sse_mailbox_t *mailbox);

/* [init] Frees what nobody took. */
void sse_mailbox_deinit(sse_mailbox_t *mailbox);

/* [any] The commands from `first` to `last`, linked by `next`, are the mailbox's
 * from here. True when it was empty, that is when the reader must be woken. */
bool sse_mailbox_post(sse_mailbox_t *mailbox, sse_command_t *first, sse_command_t *last);

/* [reader] The whole list, oldest first, linked by `next`; NULL when empty. */
sse_command_t *sse_mailbox_take(sse_mailbox_t *mailbox);

#endif
