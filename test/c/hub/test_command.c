/* test_command.c - commands as messages: they own what they carry, and do what
 * the hub's functions do. */
#include "hub/command.h"

#include "fake_hub.h"

static int apply(fake_hub_t *fake, sse_command_t *command) {
  assert_non_null(command);
  int rc = sse_command_apply(fake->hub, command);
  sse_command_free(command);
  sse_hub_flush(fake->hub);
  return rc;
}

/* An attach whose every borrowed byte is gone before it is applied. */
static int attach(fake_hub_t *fake, sse_handle_t handle) {
  char name[] = "a", owner[] = "iss", user[] = "ann", hello[] = "{\"clientId\":\"c\"";
  char opening[] = ": ok\n";
  sse_key_t keys[] = {fake_key(SSE_SCOPE_CHANNEL, "", name), fake_key(SSE_SCOPE_USER, owner, user)};
  sse_attach_t at = {.client = handle,
                     .endpoint = fake,
                     .keys = keys,
                     .n_keys = 2,
                     .kind = SSE_CURSOR_NONE,
                     .cursor = 1000,
                     .hello = sse_span_cstr(hello),
                     .retry = 250,
                     .opening = sse_span_cstr(opening)};
  sse_command_t *command = sse_command_attach(&at);
  assert_non_null(command);
  memset(name, 'x', sizeof(name) - 1);
  memset(owner, 'x', sizeof(owner) - 1);
  memset(user, 'x', sizeof(user) - 1);
  memset(hello, 'x', sizeof(hello) - 1);
  memset(opening, 'x', sizeof(opening) - 1);
  memset(keys, 0xee, sizeof(keys));
  memset(&at, 0xee, sizeof(at));
  return apply(fake, command);
}

static sse_command_t *publish(uint64_t id, const char *name) {
  char text[16];
  snprintf(text, sizeof(text), "%s", name);
  sse_key_t key = fake_channel(text);
  sse_frame_t *frame = fake_frame(id, "x");
  sse_command_t *command = sse_command_publish(frame, &key, 1);
  sse_frame_unref(frame);
  memset(text, 'z', sizeof(text));
  return command;
}

static void attach_and_publish(void **state) {
  (void)state;
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  fake_init(&fake, &config);
  assert_int_equal(attach(&fake, 1), 0);
  fake_client_t *client = fake_client(&fake, 1);
  assert_true(spec_text_is(fake_connected(client)->data,
                           "{\"clientId\":\"c\",\"recovered\":true,\"lastEventId\":null}"));
  assert_true(client->parser.has_retry && client->parser.retry == 250);
  assert_memory_equal(client->bytes, ": ok\n", 5);
  assert_int_equal(apply(&fake, publish(2000, "a")), 0);
  assert_int_equal(apply(&fake, publish(2001, "b")), 0);
  assert_string_equal(fake_ids(client), "2000");
  fake_deinit(&fake);
}

static void direct_and_detach(void **state) {
  (void)state;
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  fake_init(&fake, &config);
  attach(&fake, 1);
  fake_client_t *client = fake_client(&fake, 1);
  sse_key_t user = fake_key(SSE_SCOPE_USER, "iss", "ann");
  sse_key_t stranger = fake_key(SSE_SCOPE_USER, "iss2", "ann");
  sse_frame_t *frame = fake_frame(0, "x");
  assert_int_equal(apply(&fake, sse_command_direct_client(1, frame)), 0);
  assert_int_equal(apply(&fake, sse_command_direct_client(2, frame)), SSE_ENOENT);
  assert_int_equal(apply(&fake, sse_command_direct_user(&user, frame)), 0);
  assert_int_equal(apply(&fake, sse_command_direct_user(&stranger, frame)), SSE_ENOENT);
  assert_int_equal(fake_count(client, "t"), 2);
  assert_int_equal(apply(&fake, sse_command_detach(1, SSE_REASON_SERVER, frame)), 0);
  assert_int_equal(fake_count(client, "t"), 3);
  assert_true(client->is_closed && client->reason == SSE_REASON_SERVER);
  assert_int_equal(apply(&fake, sse_command_detach(1, SSE_REASON_SERVER, NULL)), SSE_ENOENT);
  assert_int_equal(atomic_load(&frame->refs), 1);
  sse_frame_unref(frame);
  fake_deinit(&fake);
}

static void subscribe_and_unsubscribe(void **state) {
  (void)state;
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  fake_init(&fake, &config);
  attach(&fake, 1);
  sse_key_t key = fake_channel("b");
  assert_int_equal(apply(&fake, sse_command_subscribe(1, &key, true)), 0);
  assert_int_equal(apply(&fake, sse_command_subscribe(1, &key, true)), SSE_EEXIST);
  apply(&fake, publish(2000, "b"));
  assert_int_equal(apply(&fake, sse_command_subscribe(1, &key, false)), 0);
  assert_int_equal(apply(&fake, sse_command_subscribe(1, &key, false)), SSE_ENOENT);
  apply(&fake, publish(2001, "b"));
  assert_string_equal(fake_ids(fake_client(&fake, 1)), "2000");
  fake_deinit(&fake);
}

static void hydrate_and_gap(void **state) {
  (void)state;
  fake_hub_t fake;
  sse_hub_config_t config = fake_config();
  fake_init(&fake, &config);
  sse_key_t key = fake_channel("a");
  sse_frame_t *frames[] = {fake_frame(800, "x"), fake_frame(900, "x")};
  assert_int_equal(apply(&fake, sse_command_hydrate(&key, frames, 2, 700)), 0);
  assert_int_equal(atomic_load(&frames[0]->refs), 2);
  fake_client_t *client = fake_attach(&fake, 1, SSE_CURSOR_ID, 850, "a");
  assert_true(fake_recovered(client));
  assert_string_equal(fake_ids(client), "900");
  assert_int_equal(apply(&fake, sse_command_gap(5000)), 0);
  assert_int_equal(fake_count(client, "gap"), 1);
  assert_false(fake_recovered(fake_attach(&fake, 2, SSE_CURSOR_ID, 900, "a")));
  sse_frame_unref(frames[0]);
  sse_frame_unref(frames[1]);
  fake_deinit(&fake);
}

/* A mailbox that is thrown away frees what was never applied. */
static void unapplied_commands_drop_their_references(void **state) {
  (void)state;
  sse_frame_t *frames[] = {fake_frame(1, "x"), fake_frame(2, "x")};
  sse_key_t keys[] = {fake_channel("a"), fake_key(SSE_SCOPE_TENANT_TOPIC, "tenant", "topic")};
  sse_command_t *commands[] = {
      sse_command_detach(1, SSE_REASON_SERVER, frames[0]),
      sse_command_detach(1, SSE_REASON_SERVER, NULL),
      sse_command_publish(frames[0], keys, 2),
      sse_command_direct_client(1, frames[0]),
      sse_command_direct_user(&keys[0], frames[0]),
      sse_command_hydrate(&keys[0], frames, 2, 0),
      sse_command_hydrate(&keys[0], NULL, 0, 0),
      sse_command_gap(9),
  };
  assert_int_equal(atomic_load(&frames[0]->refs), 6);
  for (size_t i = 0; i < COUNT_OF(commands); i++)
    sse_command_free(commands[i]);
  sse_command_free(NULL);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(atomic_load(&frames[i]->refs), 1);
    sse_frame_unref(frames[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(attach_and_publish),
      cmocka_unit_test(direct_and_detach),
      cmocka_unit_test(subscribe_and_unsubscribe),
      cmocka_unit_test(hydrate_and_gap),
      cmocka_unit_test(unapplied_commands_drop_their_references),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
