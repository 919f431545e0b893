/* table.h - an intrusive hash table: nodes live inside the things they find,
 * so that inserting never allocates once the buckets are there. The caller
 * brings the hash and decides equality. */
#ifndef SSE_HUB_TABLE_H
#define SSE_HUB_TABLE_H

#include <stddef.h>
#include <stdint.h>

typedef struct sse_table_node {
  struct sse_table_node *next; /* the table's */
  uint64_t hash;
} sse_table_node_t;

typedef struct {
  sse_table_node_t **buckets; /* a power of two of them; NULL while empty */
  size_t room;
  size_t count;
} sse_table_t;

/* The struct that embeds `node` as `member`. */
#define SSE_CONTAINER_OF(node, type, member) \
  ((type *)(void *)((char *)(node)-offsetof(type, member)))

void sse_table_init(sse_table_t *table);

/* Frees the buckets; the nodes are the caller's. */
void sse_table_deinit(sse_table_t *table);

/* Returns 0, or SSE_ENOMEM when there are no buckets yet and none can be had.
 * A table that cannot grow keeps working with longer chains. */
int sse_table_insert(sse_table_t *table, sse_table_node_t *node, uint64_t hash);

/* Gives buckets back when most are empty; a shrink that finds no memory is left
 * for another time. */
void sse_table_shrink(sse_table_t *table);

/* Removes a node that is in the table. */
void sse_table_remove(sse_table_t *table, sse_table_node_t *node);

/* First node with this hash, and the next one behind `node`; NULL at the end. */
sse_table_node_t *sse_table_first(const sse_table_t *table, uint64_t hash);
sse_table_node_t *sse_table_next(const sse_table_node_t *node);

/* Walks every node: start with a zeroed `*bucket` and NULL, pass the last node
 * on; NULL at the end. The table must not change in between, except that the
 * node last returned may be removed when its successor was fetched before. */
sse_table_node_t *sse_table_walk(const sse_table_t *table, size_t *bucket,
                                 const sse_table_node_t *node);

#endif
