/* shard.h - a hub and its mailbox, driven by whichever thread owns them.
 *
 * DESIGN: commands are always posted, never applied by the poster directly. If
 * the shard has a `wake`, its own thread is told; without one the posting
 * thread is the owner and drains at once. A drain that is already under way
 * (a sink call that ran user code that published) is left to finish the job:
 * that is what keeps hub commands out of sink calls. */
#ifndef SSE_IO_SHARD_H
#define SSE_IO_SHARD_H

#include "hub/hub.h"
#include "io/clock.h"
#include "io/mailbox.h"

typedef struct sse_shard {
  sse_hub_t *hub; /* [owner] NULL once it has ended */
  sse_mailbox_t mailbox;
  const sse_clock_t *clock;
  uint64_t delivered;                   /* [owner] the count of a hub that has ended */
  uint64_t trimmed;                     /* [owner] sse_hub_freed at the last trim    */
  bool is_draining;                     /* [owner]                                   */
  bool wants_end;                       /* [owner] end once the drain is over        */
  bool owes_wake;                       /* [js] something was posted without a wake  */
  void (*wake)(struct sse_shard *self); /* [js] NULL: the posting thread is the owner */
} sse_shard_t;

/* [init] The hub is made with `sink`. 0 or SSE_ENOMEM. */
int sse_shard_init(sse_shard_t *shard, const sse_hub_config_t *config, const sse_sink_t *sink,
                   const sse_clock_t *clock);

/* [owner] Frees the hub (clients close with SSE_REASON_SHUTDOWN), once the drain
 * that may be under way is over. Idempotent. */
void sse_shard_end(sse_shard_t *shard);

/* [init] After sse_shard_end. */
void sse_shard_deinit(sse_shard_t *shard);

/* [js] Posts a command; without a thread it has been carried out on return,
 * unless this is called from inside a drain. */
void sse_shard_post(sse_shard_t *shard, sse_command_t *command);

/* [js] The same for a list, linked by `next`, which is applied in one drain. */
void sse_shard_post_all(sse_shard_t *shard, sse_command_t *first, sse_command_t *last);

/* [js] Posts a command that may wait: its thread is told by the next post, or by
 * sse_shard_wake. Without a thread it is like sse_shard_post. */
void sse_shard_post_later(sse_shard_t *shard, sse_command_t *command);

/* [js] Wakes the thread if something waits for that. */
void sse_shard_wake(sse_shard_t *shard);

/* [owner] Applies what was posted and flushes. What is posted from inside is
 * carried out too where no wake announces it; a thread goes back to its loop
 * first, so that no stream of commands keeps it from its sockets and timers. */
void sse_shard_drain(sse_shard_t *shard);

/* [owner] Lets the hub's timers run, then drains. */
void sse_shard_tick(sse_shard_t *shard);

#endif
