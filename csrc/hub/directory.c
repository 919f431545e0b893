/* directory.c - slots, clients and users of a server; see directory.h. */
#include "hub/directory.h"

#include "hub/mem.h"

void sse_directory_init(sse_directory_t *dir, sse_seed_t seed, uint64_t max_slots,
                        uint32_t max_per_user) {
  *dir = (sse_directory_t){.seed = seed, .max_slots = max_slots, .max_per_user = max_per_user};
  sse_list_init(&dir->clients);
}

static sse_entry_t *entry_of(sse_table_node_t *node) {
  return node == NULL ? NULL : SSE_CONTAINER_OF(node, sse_entry_t, by_handle);
}

static void leave_user(sse_directory_t *dir, sse_entry_t *entry) {
  sse_user_t *user = entry->user;
  sse_list_remove(&entry->of_user);
  if (user == NULL || --user->count > 0) return;
  sse_table_remove(&dir->users, &user->node);
  sse_free(user);
}

static void entry_free(sse_directory_t *dir, sse_entry_t *entry) {
  if (entry->is_client) {
    sse_table_remove(&dir->ids, &entry->by_id);
    sse_list_remove(&entry->order);
    sse_deadlines_remove(&dir->ends, &entry->end);
    dir->n_clients[entry->transport]--;
  }
  sse_table_remove(&dir->handles, &entry->by_handle);
  leave_user(dir, entry);
  sse_free(entry->text);
  sse_free(entry);
}

void sse_directory_deinit(sse_directory_t *dir) {
  size_t bucket = 0;
  sse_table_node_t *node;
  while ((node = sse_table_walk(&dir->handles, &bucket, NULL)) != NULL) {
    entry_free(dir, entry_of(node));
  }
  sse_table_deinit(&dir->handles);
  sse_table_deinit(&dir->ids);
  sse_table_deinit(&dir->users);
  sse_deadlines_deinit(&dir->ends);
}

int sse_directory_reserve(sse_directory_t *dir, sse_handle_t *handle) {
  if (dir->max_slots > 0 && dir->handles.count >= dir->max_slots) return SSE_EFULL;
  sse_entry_t *entry = sse_calloc(1, sizeof(*entry));
  if (entry == NULL) return SSE_ENOMEM;
  entry->handle = dir->last_handle + 1;
  sse_list_init(&entry->order);
  sse_list_init(&entry->of_user);
  if (sse_table_insert(&dir->handles, &entry->by_handle, entry->handle) != 0) {
    sse_free(entry);
    return SSE_ENOMEM;
  }
  *handle = dir->last_handle = entry->handle;
  return 0;
}

static sse_user_t *find_user(const sse_directory_t *dir, const sse_key_t *key) {
  sse_table_node_t *node = sse_table_first(&dir->users, key->hash);
  for (; node != NULL; node = sse_table_next(node)) {
    sse_user_t *user = SSE_CONTAINER_OF(node, sse_user_t, node);
    if (sse_key_equal(&user->key, key)) return user;
  }
  return NULL;
}

static sse_user_t *obtain_user(sse_directory_t *dir, const sse_key_t *key) {
  sse_user_t *user = find_user(dir, key);
  if (user != NULL) return user;
  user = sse_calloc(1, sizeof(*user) + sse_key_storage(key));
  if (user == NULL) return NULL;
  user->key = sse_key_copy(key, user->storage);
  sse_list_init(&user->entries);
  if (sse_table_insert(&dir->users, &user->node, key->hash) == 0) return user;
  sse_free(user);
  return NULL;
}

int sse_directory_assign(sse_directory_t *dir, sse_handle_t handle, const sse_key_t *key) {
  sse_entry_t *entry = sse_directory_find(dir, handle);
  if (entry == NULL) return SSE_ENOENT;
  if (entry->user != NULL) return SSE_EEXIST;
  const sse_user_t *known = find_user(dir, key);
  if (dir->max_per_user > 0 && known != NULL && known->count >= dir->max_per_user) {
    return SSE_EFULL;
  }
  sse_user_t *user = obtain_user(dir, key);
  if (user == NULL) return SSE_ENOMEM;
  user->count++;
  entry->user = user;
  sse_list_append(&user->entries, &entry->of_user);
  return 0;
}

/* One block for the spans and all the text they show. */
static int copy_text(sse_entry_t *entry, const sse_arrival_t *arrival) {
  size_t size = arrival->n_channels * sizeof(sse_span_t) + arrival->id.len;
  for (uint32_t i = 0; i < arrival->n_channels; i++)
    size += arrival->channels[i].len;
  sse_span_t *spans = sse_malloc(size > 0 ? size : 1);
  if (spans == NULL) return SSE_ENOMEM;
  char *text = (char *)(spans + arrival->n_channels);
  for (uint32_t i = 0; i < arrival->n_channels; i++) {
    sse_span_t from = arrival->channels[i];
    if (from.len > 0) memcpy(text, from.ptr, from.len);
    spans[i] = sse_span(text, from.len);
    text += from.len;
  }
  if (arrival->id.len > 0) memcpy(text, arrival->id.ptr, arrival->id.len);
  entry->id = sse_span(text, arrival->id.len);
  entry->channels = spans;
  entry->n_channels = arrival->n_channels;
  entry->text = spans;
  return 0;
}

int sse_directory_arrive(sse_directory_t *dir, sse_handle_t handle, const sse_arrival_t *arrival) {
  sse_entry_t *entry = sse_directory_find(dir, handle);
  if (entry == NULL) return SSE_ENOENT;
  if (entry->is_client) return SSE_EEXIST;
  if (copy_text(entry, arrival) != 0) return SSE_ENOMEM;
  if (arrival->ends_at > 0 && sse_deadlines_add(&dir->ends, &entry->end, arrival->ends_at) != 0) {
    goto fail_end;
  }
  if (sse_table_insert(&dir->ids, &entry->by_id, sse_siphash(dir->seed, entry->id)) != 0) {
    goto fail_insert;
  }
  entry->transport = arrival->transport;
  entry->shard = arrival->shard;
  entry->connected_at = arrival->connected_at;
  entry->end_reason = arrival->end_reason;
  entry->is_client = true;
  dir->n_clients[entry->transport]++;
  sse_list_append(&dir->clients, &entry->order);
  return 0;

fail_insert:
  sse_deadlines_remove(&dir->ends, &entry->end);
fail_end:
  sse_free(entry->text);
  entry->text = NULL;
  return SSE_ENOMEM;
}

static uint32_t find_channel(const sse_entry_t *entry, sse_span_t channel) {
  uint32_t i = 0;
  while (i < entry->n_channels && !sse_span_equal(entry->channels[i], channel))
    i++;
  return i;
}

/* Gives the entry these channels; its id keeps its bytes, which the table of ids
 * compares. */
static int set_channels(sse_entry_t *entry, const sse_span_t *channels, uint32_t n) {
  void *before = entry->text;
  sse_arrival_t with = {.id = entry->id, .channels = channels, .n_channels = n};
  if (copy_text(entry, &with) != 0) return SSE_ENOMEM;
  sse_free(before);
  return 0;
}

int sse_directory_add_channel(sse_directory_t *dir, sse_handle_t handle, sse_span_t channel) {
  sse_entry_t *entry = sse_directory_find(dir, handle);
  if (entry == NULL || !entry->is_client) return SSE_ENOENT;
  uint32_t n = entry->n_channels;
  if (find_channel(entry, channel) < n) return SSE_EEXIST;
  sse_span_t *channels = sse_malloc((n + (size_t)1) * sizeof(*channels));
  if (channels == NULL) return SSE_ENOMEM;
  if (n > 0) memcpy(channels, entry->channels, n * sizeof(*channels));
  channels[n] = channel;
  int rc = set_channels(entry, channels, n + 1);
  sse_free(channels);
  return rc;
}

int sse_directory_drop_channel(sse_directory_t *dir, sse_handle_t handle, sse_span_t channel) {
  sse_entry_t *entry = sse_directory_find(dir, handle);
  if (entry == NULL || !entry->is_client) return SSE_ENOENT;
  uint32_t at = find_channel(entry, channel);
  if (at == entry->n_channels) return SSE_ENOENT;
  /* Only the list of spans shrinks; the text goes with the entry. */
  sse_span_t *channels = entry->text;
  entry->n_channels--;
  memmove(channels + at, channels + at + 1, (entry->n_channels - at) * sizeof(*channels));
  return 0;
}

bool sse_directory_release(sse_directory_t *dir, sse_handle_t handle) {
  sse_entry_t *entry = sse_directory_find(dir, handle);
  if (entry != NULL) entry_free(dir, entry);
  return entry != NULL;
}

sse_entry_t *sse_directory_find(const sse_directory_t *dir, sse_handle_t handle) {
  return entry_of(sse_table_first(&dir->handles, handle));
}

sse_entry_t *sse_directory_by_id(const sse_directory_t *dir, sse_span_t id) {
  sse_table_node_t *node = sse_table_first(&dir->ids, sse_siphash(dir->seed, id));
  for (; node != NULL; node = sse_table_next(node)) {
    sse_entry_t *entry = SSE_CONTAINER_OF(node, sse_entry_t, by_id);
    if (sse_span_equal(entry->id, id)) return entry;
  }
  return NULL;
}

sse_entry_t *sse_directory_next(const sse_directory_t *dir, const sse_entry_t *entry) {
  const sse_list_t *item = entry == NULL ? &dir->clients : &entry->order;
  if (item->next == &dir->clients) return NULL;
  return SSE_CONTAINER_OF(item->next, sse_entry_t, order);
}

sse_entry_t *sse_directory_next_of(const sse_directory_t *dir, const sse_key_t *key,
                                   const sse_entry_t *entry) {
  const sse_user_t *user = entry == NULL ? find_user(dir, key) : entry->user;
  if (user == NULL) return NULL;
  const sse_list_t *item = entry == NULL ? &user->entries : &entry->of_user;
  if (item->next == &user->entries) return NULL;
  return SSE_CONTAINER_OF(item->next, sse_entry_t, of_user);
}

double sse_directory_next_end(const sse_directory_t *dir) {
  const sse_deadline_t *first = sse_deadlines_first(&dir->ends);
  return first == NULL ? 0 : first->at;
}

sse_entry_t *sse_directory_take_due(sse_directory_t *dir, double now) {
  sse_deadline_t *first = sse_deadlines_first(&dir->ends);
  if (first == NULL || first->at > now) return NULL;
  sse_deadlines_remove(&dir->ends, first);
  return SSE_CONTAINER_OF(first, sse_entry_t, end);
}
