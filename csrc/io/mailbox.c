/* mailbox.c - a locked list of commands; see mailbox.h. */
#include "io/mailbox.h"

int sse_mailbox_init(sse_mailbox_t *mailbox) {
  mailbox->first = mailbox->last = NULL;
  return uv_mutex_init(&mailbox->lock) == 0 ? 0 : SSE_ENOMEM;
}

void sse_mailbox_deinit(sse_mailbox_t *mailbox) {
  for (sse_command_t *command = mailbox->first; command != NULL;) {
    sse_command_t *next = command->next;
    sse_command_free(command);
    command = next;
  }
  uv_mutex_destroy(&mailbox->lock);
}

bool sse_mailbox_post(sse_mailbox_t *mailbox, sse_command_t *first, sse_command_t *last) {
  last->next = NULL;
  uv_mutex_lock(&mailbox->lock);
  bool was_empty = mailbox->first == NULL;
  if (was_empty) {
    mailbox->first = first;
  } else {
    mailbox->last->next = first;
  }
  mailbox->last = last;
  uv_mutex_unlock(&mailbox->lock);
  return was_empty;
}

sse_command_t *sse_mailbox_take(sse_mailbox_t *mailbox) {
  uv_mutex_lock(&mailbox->lock);
  sse_command_t *first = mailbox->first;
  mailbox->first = mailbox->last = NULL;
  uv_mutex_unlock(&mailbox->lock);
  return first;
}
