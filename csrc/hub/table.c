/* table.c - chained buckets that double; see table.h. */
#include "hub/table.h"

#include "hub/errors.h"
#include "hub/mem.h"

#define FIRST_ROOM 16

void sse_table_init(sse_table_t *table) {
  *table = (sse_table_t){0};
}

void sse_table_deinit(sse_table_t *table) {
  sse_free(table->buckets);
  *table = (sse_table_t){0};
}

static sse_table_node_t **bucket_of(const sse_table_t *table, uint64_t hash) {
  return &table->buckets[hash & (table->room - 1)];
}

static int resize(sse_table_t *table, size_t room) {
  sse_table_node_t **buckets = sse_calloc(room, sizeof(*buckets));
  if (buckets == NULL) return SSE_ENOMEM;
  sse_table_t grown = {buckets, room, table->count};
  for (size_t i = 0; i < table->room; i++) {
    sse_table_node_t *node = table->buckets[i];
    while (node != NULL) {
      sse_table_node_t *next = node->next;
      sse_table_node_t **bucket = bucket_of(&grown, node->hash);
      node->next = *bucket;
      *bucket = node;
      node = next;
    }
  }
  sse_free(table->buckets);
  *table = grown;
  return 0;
}

int sse_table_insert(sse_table_t *table, sse_table_node_t *node, uint64_t hash) {
  if (table->count >= table->room) {
    int rc = resize(table, table->room == 0 ? FIRST_ROOM : table->room * 2);
    if (rc != 0 && table->room == 0) return rc;
  }
  sse_table_node_t **bucket = bucket_of(table, hash);
  node->hash = hash;
  node->next = *bucket;
  *bucket = node;
  table->count++;
  return 0;
}

void sse_table_shrink(sse_table_t *table) {
  size_t room = table->room;
  while (room > FIRST_ROOM && table->count < room / 4)
    room /= 2;
  if (room < table->room / 4) (void)resize(table, room);
}

void sse_table_remove(sse_table_t *table, sse_table_node_t *node) {
  sse_table_node_t **link = bucket_of(table, node->hash);
  while (*link != node)
    link = &(*link)->next;
  *link = node->next;
  node->next = NULL;
  table->count--;
}

static sse_table_node_t *with_hash(sse_table_node_t *node, uint64_t hash) {
  while (node != NULL && node->hash != hash)
    node = node->next;
  return node;
}

sse_table_node_t *sse_table_first(const sse_table_t *table, uint64_t hash) {
  return table->room == 0 ? NULL : with_hash(*bucket_of(table, hash), hash);
}

sse_table_node_t *sse_table_next(const sse_table_node_t *node) {
  return with_hash(node->next, node->hash);
}

sse_table_node_t *sse_table_walk(const sse_table_t *table, size_t *bucket,
                                 const sse_table_node_t *node) {
  if (node != NULL && node->next != NULL) return node->next;
  if (node != NULL) (*bucket)++;
  for (; *bucket < table->room; (*bucket)++) {
    if (table->buckets[*bucket] != NULL) return table->buckets[*bucket];
  }
  return NULL;
}
