/* fuzz_hub.c - a hub driven by the bytes of an input: every command, a sink that
 * takes little, is full, breaks or refuses, and an allocator that fails; judged after
 * each step by a store of all that was ever published.
 *
 * Input: 5 bytes of settings, then commands of a byte and what each needs.
 *
 * What is held against the hub:
 * - a client's cursor never goes back: ids ascend in every stream, each at most once,
 *   and each is one that was published to a key the client had then, whole;
 * - after the replay nothing is left out, up to where the stream stands; nor in the
 *   replay, where `recovered: true` was told;
 * - the counters are those of the model;
 * - in the end everybody has everything, and all memory is free. */
#include "hub_store.h"

enum { OP_COUNT = 20 };

static void run_command(model_t *m) {
  fuzz_input_t *in = &m->in;
  switch (fuzz_byte(in) % OP_COUNT) {
    case 0:
    case 1:
    case 2:
      model_publish(m, fuzz_byte(in));
      break;
    case 3:
    case 4:
      model_attach(m, fuzz_byte(in), fuzz_byte(in));
      break;
    case 5:
      model_reconnect(m, fuzz_byte(in));
      break;
    case 6:
      model_detach(m, fuzz_byte(in), fuzz_byte(in) % 2 == 1);
      break;
    case 7:
      model_direct(m, fuzz_byte(in), fuzz_byte(in));
      break;
    case 8:
      model_subscribe(m, fuzz_byte(in), fuzz_byte(in));
      break;
    case 9:
      model_unsubscribe(m, fuzz_byte(in), fuzz_byte(in));
      break;
    case 10:
      model_hydrate(m, fuzz_byte(in), fuzz_byte(in));
      break;
    case 11:
      model_gap(m, fuzz_byte(in));
      break;
    case 12:
      model_tick(m, fuzz_number(in, 3));
      break;
    case 13:
      model_advance(m, fuzz_number(in, 3));
      break;
    case 14:
      model_writable(m, fuzz_byte(in));
      break;
    case 15:
      model_hangup(m, fuzz_byte(in));
      break;
    case 16:
      model_set_transport(m, fuzz_byte(in), fuzz_byte(in), fuzz_byte(in));
      break;
    case 17:
      model_fail_memory(m, fuzz_byte(in));
      break;
    case 18:
      model_republish(m);
      break;
    default:
      model_flush(m);
  }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  setenv("CMOCKA_TEST_ABORT", "1", 1); /* what the fake sink asserts ends the run */
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static model_t m;
  fuzz_input_t in = {bytes, size};
  model_init(&m, &in);
  while (m.in.len > 0) {
    run_command(&m);
    model_check(&m);
  }
  model_finish(&m);
  return 0;
}
