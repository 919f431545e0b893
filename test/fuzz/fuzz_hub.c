/* fuzz_hub.c - a hub driven by the bytes of an input: every command, a sink that
 * takes little, is full, breaks or refuses, and an allocator that fails; judged after
 * each step by a store of all that was ever published.
 *
 * Input: 5 bytes of settings, 2 for the first history of each key, then commands of a
 * byte and what each needs.
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

/* What each command takes, after its own byte. */
static const unsigned char n_bytes_of[OP_COUNT] = {1, 1, 1, 2, 2, 1, 2, 2, 2, 2,
                                                   2, 1, 3, 3, 1, 1, 3, 1, 0, 0};

static void run_command(model_t *m) {
  fuzz_input_t *in = &m->in;
  /* Not as arguments: compilers take those in an order of their own. */
  unsigned op = fuzz_byte(in) % OP_COUNT;
  unsigned n_bytes = n_bytes_of[op];
  unsigned a = n_bytes > 0 ? fuzz_byte(in) : 0;
  unsigned b = n_bytes > 1 ? fuzz_byte(in) : 0;
  unsigned c = n_bytes > 2 ? fuzz_byte(in) : 0;
  switch (op) {
    case 0:
    case 1:
    case 2:
      model_publish(m, a);
      break;
    case 3:
    case 4:
      model_attach(m, a, b);
      break;
    case 5:
      model_reconnect(m, a);
      break;
    case 6:
      model_detach(m, a, b % 2 == 1);
      break;
    case 7:
      model_direct(m, a, b);
      break;
    case 8:
      model_subscribe(m, a, b);
      break;
    case 9:
      model_unsubscribe(m, a, b);
      break;
    case 10:
      model_hydrate(m, a, b);
      break;
    case 11:
      model_gap(m, a);
      break;
    case 12:
      model_tick(m, (a << 16) + (b << 8) + c);
      break;
    case 13:
      model_advance(m, (a << 16) + (b << 8) + c);
      break;
    case 14:
      model_writable(m, a);
      break;
    case 15:
      model_hangup(m, a);
      break;
    case 16:
      model_set_transport(m, a, b, c);
      break;
    case 17:
      model_fail_memory(m, a);
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
