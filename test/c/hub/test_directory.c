/* test_directory.c - slots, clients and users against arrays. */
#include "hub/directory.h"

#include "testing.h"

static const sse_seed_t SEED = {11, 22};

static sse_key_t user_key(const char *issuer, const char *name) {
  return sse_key(SEED, SSE_SCOPE_USER, sse_span_cstr(issuer), sse_span_cstr(name));
}

static sse_handle_t reserve(sse_directory_t *dir) {
  sse_handle_t handle = 0;
  assert_int_equal(sse_directory_reserve(dir, &handle), 0);
  assert_int_not_equal(handle, 0);
  return handle;
}

static int arrive(sse_directory_t *dir, sse_handle_t handle, const char *id) {
  sse_span_t channels[] = {sse_span_cstr("orders"), sse_span_cstr(""), sse_span_cstr("x\xc3\xa9")};
  sse_arrival_t arrival = {.transport = SSE_TRANSPORT_SOCKET,
                           .shard = 3,
                           .connected_at = 1234.5,
                           .ends_at = 99.0,
                           .end_reason = SSE_REASON_MAX_AGE,
                           .id = sse_span_cstr(id),
                           .channels = channels,
                           .n_channels = 3};
  return sse_directory_arrive(dir, handle, &arrival);
}

static void a_slot_becomes_a_client(void **state) {
  (void)state;
  sse_directory_t dir;
  sse_directory_init(&dir, SEED, 0, 0);
  sse_handle_t handle = reserve(&dir);
  sse_entry_t *entry = sse_directory_find(&dir, handle);
  assert_non_null(entry);
  assert_false(entry->is_client);
  assert_null(sse_directory_next(&dir, NULL));
  assert_null(sse_directory_by_id(&dir, sse_span_cstr("id-1")));
  char id[] = "id-1";
  assert_int_equal(arrive(&dir, handle, id), 0);
  memset(id, 'x', 4); /* it keeps its own copy */
  assert_ptr_equal(sse_directory_by_id(&dir, sse_span_cstr("id-1")), entry);
  assert_true(entry->is_client);
  assert_int_equal(entry->shard, 3);
  assert_true(entry->connected_at == 1234.5 && entry->end.at == 99.0);
  assert_int_equal(entry->n_channels, 3);
  assert_true(sse_span_equal(entry->channels[0], sse_span_cstr("orders")));
  assert_int_equal(entry->channels[1].len, 0);
  assert_true(sse_span_equal(entry->channels[2], sse_span_cstr("x\xc3\xa9")));
  assert_int_equal(dir.n_clients[SSE_TRANSPORT_SOCKET], 1);
  assert_int_equal(dir.n_clients[SSE_TRANSPORT_STREAM], 0);
  assert_int_equal(arrive(&dir, handle, "id-2"), SSE_EEXIST);
  assert_true(sse_directory_release(&dir, handle));
  assert_false(sse_directory_release(&dir, handle));
  assert_int_equal(dir.n_clients[SSE_TRANSPORT_SOCKET], 0);
  assert_null(sse_directory_by_id(&dir, sse_span_cstr("id-1")));
  assert_int_equal(arrive(&dir, handle, "id-1"), SSE_ENOENT);
  sse_directory_deinit(&dir);
}

static void slots_are_limited_and_numbers_are_not_reused(void **state) {
  (void)state;
  sse_directory_t dir;
  sse_directory_init(&dir, SEED, 2, 0);
  sse_handle_t a = reserve(&dir), b = reserve(&dir), c = 77;
  assert_true(b > a);
  assert_int_equal(sse_directory_reserve(&dir, &c), SSE_EFULL);
  assert_int_equal(c, 77);
  assert_int_equal(arrive(&dir, a, "a"), 0); /* a client still counts */
  assert_int_equal(sse_directory_reserve(&dir, &c), SSE_EFULL);
  assert_true(sse_directory_release(&dir, a));
  c = reserve(&dir);
  assert_true(c > b);
  sse_directory_deinit(&dir);
}

static void users_are_limited(void **state) {
  (void)state;
  sse_directory_t dir;
  sse_directory_init(&dir, SEED, 0, 2);
  sse_key_t ann = user_key("iss", "ann"), other = user_key("iss2", "ann");
  sse_handle_t a = reserve(&dir), b = reserve(&dir), c = reserve(&dir);
  assert_int_equal(sse_directory_assign(&dir, a, &ann), 0);
  assert_int_equal(sse_directory_assign(&dir, b, &ann), 0);
  assert_int_equal(sse_directory_assign(&dir, c, &ann), SSE_EFULL);
  assert_null(sse_directory_find(&dir, c)->user);
  assert_int_equal(sse_directory_assign(&dir, c, &other), 0); /* another issuer's ann */
  assert_int_equal(sse_directory_assign(&dir, 999, &ann), SSE_ENOENT);
  assert_int_equal(dir.users.count, 2);
  assert_true(sse_directory_release(&dir, a));
  sse_handle_t d = reserve(&dir);
  assert_int_equal(sse_directory_assign(&dir, d, &ann), 0);
  assert_true(sse_directory_release(&dir, b));
  assert_true(sse_directory_release(&dir, d));
  assert_int_equal(dir.users.count, 1); /* ann is forgotten */
  sse_directory_deinit(&dir);
}

static void a_refused_user_leaves_nothing(void **state) {
  (void)state;
  sse_directory_t dir;
  sse_directory_init(&dir, SEED, 0, 1);
  sse_key_t ann = user_key("", "ann"), bob = user_key("", "bob");
  sse_handle_t a = reserve(&dir), b = reserve(&dir);
  assert_int_equal(sse_directory_assign(&dir, a, &ann), 0);
  assert_int_equal(sse_directory_assign(&dir, b, &ann), SSE_EFULL);
  assert_true(sse_directory_release(&dir, b));
  assert_int_equal(sse_directory_find(&dir, a)->user->count, 1);
  assert_int_equal(sse_directory_assign(&dir, a, &bob), SSE_EEXIST);
  assert_int_equal(dir.users.count, 1);
  sse_directory_deinit(&dir);
}

/* ---- against arrays ---- */

#define MAX_SLOTS 40
#define MAX_PER_USER 4
#define N_USERS 6

typedef struct {
  sse_handle_t handle; /* 0: free */
  int user;            /* -1: unknown */
  bool is_client;
  uint64_t arrived;
  char id[32];
} slot_t;

typedef struct {
  sse_directory_t dir;
  slot_t slots[MAX_SLOTS];
  uint64_t arrivals, last;
  rng_t rng;
} world_t;

static int user_count(const world_t *world, int user) {
  int n = 0;
  for (size_t i = 0; i < MAX_SLOTS; i++)
    n += world->slots[i].handle != 0 && world->slots[i].user == user;
  return n;
}

static void check(world_t *world) {
  uint64_t used = 0, clients = 0, walked = 0, before = 0;
  for (size_t i = 0; i < MAX_SLOTS; i++) {
    slot_t *slot = &world->slots[i];
    if (slot->handle == 0) continue;
    used++;
    clients += slot->is_client;
    sse_entry_t *entry = sse_directory_find(&world->dir, slot->handle);
    assert_non_null(entry);
    assert_int_equal(entry->is_client, slot->is_client);
    sse_entry_t *by_id = sse_directory_by_id(&world->dir, sse_span_cstr(slot->id));
    assert_ptr_equal(by_id, slot->is_client ? entry : NULL);
  }
  assert_int_equal(world->dir.handles.count, used);
  assert_int_equal(world->dir.n_clients[0] + world->dir.n_clients[1], clients);
  for (sse_entry_t *e = NULL; (e = sse_directory_next(&world->dir, e)) != NULL; walked++) {
    assert_true((uint64_t)e->connected_at > before); /* in the order of arrival */
    before = (uint64_t)e->connected_at;
  }
  assert_int_equal(walked, clients);
}

static void step_reserve(world_t *world) {
  slot_t *slot = NULL;
  for (size_t i = 0; i < MAX_SLOTS; i++) {
    if (world->slots[i].handle == 0) slot = &world->slots[i];
  }
  sse_handle_t handle = 0;
  int rc = sse_directory_reserve(&world->dir, &handle);
  assert_int_equal(rc, slot == NULL ? SSE_EFULL : 0);
  if (slot == NULL) return;
  assert_true(handle > world->last);
  world->last = handle;
  *slot = (slot_t){.handle = handle, .user = -1};
  snprintf(slot->id, sizeof(slot->id), "id%llu", (unsigned long long)handle);
}

static void step_assign(world_t *world, slot_t *slot) {
  static const char *const names[N_USERS] = {"a", "b", "c", "d", "e", "f"};
  int user = (int)rng_below(&world->rng, N_USERS);
  sse_key_t key = user_key("", names[user]);
  int rc = sse_directory_assign(&world->dir, slot->handle, &key);
  int expected = slot->handle == 0                         ? SSE_ENOENT
                 : slot->user >= 0                         ? SSE_EEXIST
                 : user_count(world, user) >= MAX_PER_USER ? SSE_EFULL
                                                           : 0;
  assert_int_equal(rc, expected);
  if (rc == 0) slot->user = user;
}

static void step_arrive(world_t *world, slot_t *slot) {
  sse_arrival_t arrival = {
      .transport = rng_chance(&world->rng, 50) ? SSE_TRANSPORT_STREAM : SSE_TRANSPORT_SOCKET,
      .connected_at = (double)++world->arrivals,
      .id = sse_span_cstr(slot->id)};
  int expected = slot->handle == 0 ? SSE_ENOENT : slot->is_client ? SSE_EEXIST : 0;
  assert_int_equal(sse_directory_arrive(&world->dir, slot->handle, &arrival), expected);
  if (expected == 0) slot->is_client = true;
}

static void random_run(uint64_t seed) {
  static world_t world;
  world = (world_t){.rng = {seed}};
  sse_directory_init(&world.dir, SEED, MAX_SLOTS, MAX_PER_USER);
  for (int step = 0; step < 1500; step++) {
    slot_t *slot = &world.slots[rng_below(&world.rng, MAX_SLOTS)];
    switch (rng_below(&world.rng, 6)) {
      case 0:
      case 1:
        step_reserve(&world);
        break;
      case 2:
        step_assign(&world, slot);
        break;
      case 3:
      case 4:
        step_arrive(&world, slot);
        break;
      default:
        assert_int_equal(sse_directory_release(&world.dir, slot->handle), slot->handle != 0);
        *slot = (slot_t){0};
    }
    check(&world);
  }
  sse_directory_deinit(&world.dir);
}

static void against_arrays(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 20; seed++) {
    *running_seed() = seed;
    random_run(seed);
  }
  forget_seed(NULL);
}

static void those_of_a_user_in_order(void **state) {
  (void)state;
  sse_directory_t dir;
  sse_directory_init(&dir, SEED, 0, 0);
  sse_key_t ann = user_key("iss", "ann"), other = user_key("other", "ann");
  assert_null(sse_directory_next_of(&dir, &ann, NULL));
  sse_handle_t handles[] = {reserve(&dir), reserve(&dir), reserve(&dir)};
  assert_int_equal(sse_directory_assign(&dir, handles[0], &ann), 0);
  assert_int_equal(sse_directory_assign(&dir, handles[1], &other), 0);
  assert_int_equal(sse_directory_assign(&dir, handles[2], &ann), 0);
  const sse_entry_t *first = sse_directory_next_of(&dir, &ann, NULL);
  const sse_entry_t *second = sse_directory_next_of(&dir, &ann, first);
  assert_int_equal(first->handle, handles[0]);
  assert_int_equal(second->handle, handles[2]);
  assert_null(sse_directory_next_of(&dir, &ann, second));
  sse_directory_release(&dir, handles[0]);
  assert_ptr_equal(sse_directory_next_of(&dir, &ann, NULL), second);
  sse_directory_release(&dir, handles[2]);
  assert_null(sse_directory_next_of(&dir, &ann, NULL));
  sse_directory_deinit(&dir);
}

static void ends_come_due_once_and_in_order(void **state) {
  (void)state;
  sse_directory_t dir;
  sse_directory_init(&dir, SEED, 0, 0);
  static const double ends[] = {300, 0, 100, 200};
  sse_handle_t handles[4];
  for (size_t i = 0; i < COUNT_OF(ends); i++) {
    char id[] = {'a', (char)('0' + i), '\0'};
    handles[i] = reserve(&dir);
    sse_arrival_t arrival = {
        .ends_at = ends[i], .end_reason = SSE_REASON_MAX_AGE, .id = sse_span_cstr(id)};
    assert_int_equal(sse_directory_arrive(&dir, handles[i], &arrival), 0);
  }
  assert_true(sse_directory_next_end(&dir) == 100);
  assert_null(sse_directory_take_due(&dir, 99));
  sse_entry_t *due = sse_directory_take_due(&dir, 250);
  assert_int_equal(due->handle, handles[2]);
  assert_int_equal(due->end_reason, SSE_REASON_MAX_AGE);
  assert_int_equal(sse_directory_take_due(&dir, 250)->handle, handles[3]);
  assert_null(sse_directory_take_due(&dir, 250));
  sse_directory_release(&dir, handles[0]); /* gone before its time */
  assert_true(sse_directory_next_end(&dir) == 0);
  assert_null(sse_directory_take_due(&dir, 1e15));
  sse_directory_deinit(&dir);
}

/* What a client's channels are, in order, joined by blanks. */
static const char *channels_of(const sse_directory_t *dir, sse_handle_t handle) {
  static char text[256];
  const sse_entry_t *entry = sse_directory_find(dir, handle);
  size_t len = 0;
  for (uint32_t i = 0; i < entry->n_channels; i++) {
    len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", i > 0 ? " " : "",
                            (int)entry->channels[i].len, entry->channels[i].ptr);
  }
  text[len] = 0;
  return text;
}

static void channels_come_and_go(void **state) {
  (void)state;
  sse_directory_t dir;
  sse_directory_init(&dir, SEED, 0, 0);
  sse_handle_t handle = reserve(&dir);
  sse_span_t a = sse_span_cstr("a"), b = sse_span_cstr("b"), long_one = sse_span_cstr("long one");
  assert_int_equal(sse_directory_add_channel(&dir, handle, a), SSE_ENOENT); /* no client yet */
  assert_int_equal(sse_directory_drop_channel(&dir, handle, a), SSE_ENOENT);
  sse_arrival_t arrival = {.id = sse_span_cstr("id-1"), .channels = &a, .n_channels = 1};
  assert_int_equal(sse_directory_arrive(&dir, handle, &arrival), 0);
  assert_int_equal(sse_directory_add_channel(&dir, handle, a), SSE_EEXIST);
  assert_int_equal(sse_directory_add_channel(&dir, handle, b), 0);
  assert_int_equal(sse_directory_add_channel(&dir, handle, long_one), 0);
  assert_string_equal(channels_of(&dir, handle), "a b long one");
  assert_int_equal(sse_directory_drop_channel(&dir, handle, b), 0);
  assert_int_equal(sse_directory_drop_channel(&dir, handle, b), SSE_ENOENT);
  assert_string_equal(channels_of(&dir, handle), "a long one");
  assert_int_equal(sse_directory_drop_channel(&dir, handle, a), 0);
  assert_int_equal(sse_directory_drop_channel(&dir, handle, long_one), 0);
  assert_string_equal(channels_of(&dir, handle), "");
  assert_int_equal(sse_directory_add_channel(&dir, handle, a), 0);
  assert_string_equal(channels_of(&dir, handle), "a");
  assert_int_equal(sse_directory_add_channel(&dir, 999, a), SSE_ENOENT);
  /* Its id is found as before. */
  assert_int_equal(sse_directory_by_id(&dir, sse_span_cstr("id-1"))->handle, handle);
  assert_true(sse_directory_release(&dir, handle));
  assert_null(sse_directory_by_id(&dir, sse_span_cstr("id-1")));
  sse_directory_deinit(&dir);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_slot_becomes_a_client),
      cmocka_unit_test(slots_are_limited_and_numbers_are_not_reused),
      cmocka_unit_test(users_are_limited),
      cmocka_unit_test(a_refused_user_leaves_nothing),
      SEEDED_TEST(against_arrays),
      cmocka_unit_test(those_of_a_user_in_order),
      cmocka_unit_test(ends_come_due_once_and_in_order),
      cmocka_unit_test(channels_come_and_go),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
