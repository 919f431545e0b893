/* test_encode.c - the encoder: golden bytes, and against the parser of the
 * standard for every mix of line ends. */
#include "hub/encode.h"

#include "guard.h"
#include "spec_parser.h"
#include "testing.h"

static const char UTF8[][5] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xbb\xbf"};

/* Encodes into a block of exactly the announced size, so that the sanitizer
 * sees one byte too many. */
static char *encode(const sse_event_t *event, size_t *len) {
  size_t size = sse_encode_size(event);
  char *out = must_realloc(NULL, size);
  *len = sse_encode(event, out);
  assert_int_equal(*len, size);
  return out;
}

static void assert_bytes(const sse_event_t *event, const char *expected) {
  size_t len;
  char *out = encode(event, &len);
  assert_int_equal(len, strlen(expected));
  assert_memory_equal(out, expected, len);
  free(out);
}

static sse_event_t event_of(uint64_t id, const char *type, const char *data) {
  return (sse_event_t){id, sse_span_cstr(type), sse_span_cstr(data), SSE_NO_RETRY};
}

static void golden_bytes(void **state) {
  (void)state;
  sse_event_t event = event_of(42, "order", "{\"a\":1}");
  assert_bytes(&event, "id: 42\nevent: order\ndata: {\"a\":1}\n\n");
  event.retry = 1500;
  assert_bytes(&event, "retry: 1500\nid: 42\nevent: order\ndata: {\"a\":1}\n\n");
  event = event_of(0, "", "x");
  assert_bytes(&event, "data: x\n\n");
  event.retry = 0;
  assert_bytes(&event, "retry: 0\ndata: x\n\n");
  event = event_of(UINT64_MAX, "", "");
  assert_bytes(&event, "id: 18446744073709551615\ndata: \n\n");
  event.data = sse_span(NULL, 0);
  assert_bytes(&event, "id: 18446744073709551615\ndata: \n\n");
}

static void golden_lines(void **state) {
  (void)state;
  sse_event_t event = event_of(0, "", "a\nb");
  assert_bytes(&event, "data: a\ndata: b\n\n");
  event = event_of(0, "", "a\rb");
  assert_bytes(&event, "data: a\ndata: b\n\n");
  event = event_of(0, "", "a\r\nb");
  assert_bytes(&event, "data: a\ndata: b\n\n");
  event = event_of(0, "", "a\n\rb");
  assert_bytes(&event, "data: a\ndata: \ndata: b\n\n");
  event = event_of(0, "", "\r\n");
  assert_bytes(&event, "data: \ndata: \n\n");
  event = event_of(0, "", "a\r");
  assert_bytes(&event, "data: a\ndata: \n\n");
  event = event_of(0, "", "\r\r\n\n");
  assert_bytes(&event, "data: \ndata: \ndata: \ndata: \n\n");
  event = event_of(0, "", " a\n: b\ndata: c");
  assert_bytes(&event, "data:  a\ndata: : b\ndata: data: c\n\n");
}

static void numbers(void **state) {
  (void)state;
  static const uint64_t values[] = {0,
                                    1,
                                    9,
                                    10,
                                    99,
                                    100,
                                    12345678901234567ULL,
                                    UINT64_MAX,
                                    UINT64_MAX - 1,
                                    1ULL << 63,
                                    10000000000000000000ULL};
  for (size_t i = 0; i < COUNT_OF(values); i++) {
    char out[20], expected[32];
    int n = snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[i]);
    assert_int_equal(sse_encode_u64(values[i], out), n);
    assert_memory_equal(out, expected, (size_t)n);
  }
}

static void fields_are_checked(void **state) {
  (void)state;
  assert_true(sse_encode_check(sse_span(NULL, 0)));
  assert_true(sse_encode_check(sse_span_cstr("order.created:\tv1 \xe2\x82\xac")));
  assert_false(sse_encode_check(sse_span_cstr("a\nb")));
  assert_false(sse_encode_check(sse_span_cstr("a\rb")));
  assert_false(sse_encode_check(sse_span("a\0b", 3)));
  assert_false(sse_encode_check(sse_span_cstr("\n")));
  assert_false(sse_encode_check(sse_span_cstr("end\r")));
  assert_false(sse_encode_check(sse_span("end\0", 4)));
  sse_guard_t guard = sse_guard_copy("type", 4);
  assert_true(sse_encode_check(sse_span(guard.ptr, 4)));
  sse_guard_free(&guard);
  /* Every other byte may stand in a field. */
  for (int c = 0; c < 256; c++) {
    char byte = (char)c;
    bool bad = c == '\r' || c == '\n' || c == 0;
    assert_int_equal(sse_encode_check(sse_span(&byte, 1)), !bad);
  }
}

/* What a browser makes of the data: each line end becomes one LF. */
static size_t normalise(const char *in, size_t len, char *out) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    out[n++] = in[i] == '\r' ? '\n' : in[i];
    if (in[i] == '\r' && i + 1 < len && in[i + 1] == '\n') i++;
  }
  return n;
}

static size_t random_data(rng_t *rng, char *out, size_t most) {
  size_t len = 0, pieces = rng_below(rng, 12);
  while (pieces-- > 0 && len + 8 < most) {
    switch (rng_below(rng, 8)) {
      case 0:
        out[len++] = '\r';
        break;
      case 1:
        out[len++] = '\n';
        break;
      case 2:
        out[len++] = '\r';
        out[len++] = '\n';
        break;
      case 3:
        out[len++] = ' ';
        break;
      case 4:
        out[len++] = ':';
        break;
      case 5: {
        const char *text = UTF8[rng_below(rng, COUNT_OF(UTF8))];
        memcpy(out + len, text, strlen(text));
        len += strlen(text);
        break;
      }
      case 6:
        out[len++] = '\0';
        break;
      default:
        out[len++] = (char)('a' + rng_below(rng, 26));
    }
  }
  return len;
}

static size_t random_type(rng_t *rng, char *out) {
  size_t len = rng_below(rng, 6);
  for (size_t i = 0; i < len; i++) {
    out[i] = (char)(1 + rng_below(rng, 127));
    if (out[i] == '\r' || out[i] == '\n') out[i] = ' ';
  }
  return len;
}

typedef struct {
  char type[8], data[256];
  sse_event_t event;
} sample_t;

static void random_sample(rng_t *rng, sample_t *sample) {
  size_t type_len = random_type(rng, sample->type);
  size_t data_len = random_data(rng, sample->data, sizeof(sample->data));
  sample->event = (sse_event_t){rng_chance(rng, 70) ? rng_next(rng) >> rng_below(rng, 64) : 0,
                                sse_span(sample->type, type_len), sse_span(sample->data, data_len),
                                rng_chance(rng, 20) ? rng_below(rng, 100000) : SSE_NO_RETRY};
}

static bool is_text(spec_text_t text, const char *bytes, size_t len) {
  return text.len == len && (len == 0 || memcmp(text.bytes, bytes, len) == 0);
}

static bool is_decoded(const sample_t *sample, const spec_parser_t *parser) {
  char expected[256];
  size_t len = normalise(sample->data, sample->event.data.len, expected);
  if (parser->n_events == 0) return false;
  const spec_event_t *got = &parser->events[parser->n_events - 1];
  bool type_ok = sample->event.type.len == 0
                     ? spec_text_is(got->type, "message")
                     : is_text(got->type, sample->type, sample->event.type.len);
  bool id_ok = got->has_id == (sample->event.id != 0) &&
               (!got->has_id || spec_text_u64(got->last_event_id) == sample->event.id);
  bool retry_ok = sample->event.retry == SSE_NO_RETRY ||
                  (parser->has_retry && parser->retry == sample->event.retry);
  return type_ok && id_ok && retry_ok && is_text(got->data, expected, len);
}

/* One stream of many events, fed in pieces of random size. */
static void round_trip(uint64_t seed) {
  rng_t rng = {seed};
  spec_parser_t parser;
  spec_parser_init(&parser);
  for (size_t i = 1; i <= 400; i++) {
    sample_t sample;
    random_sample(&rng, &sample);
    size_t len, fed = 0;
    char *bytes = encode(&sample.event, &len);
    while (fed < len) {
      size_t n = 1 + rng_below(&rng, (uint32_t)(len - fed));
      spec_parser_feed(&parser, bytes + fed, n);
      fed += n;
    }
    free(bytes);
    assert_int_equal(parser.n_events, i);
    assert_int_equal(parser.n_ignored, 0);
    assert_true(is_decoded(&sample, &parser));
  }
  spec_parser_deinit(&parser);
}

static void random_events_survive_the_parser(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 100; seed++) {
    *running_seed() = seed;
    round_trip(seed);
  }
  forget_seed(NULL);
}

/* All strings of up to five characters over the ones that matter. */
static void all_short_data_survives(void **state) {
  (void)state;
  static const char letters[] = {'\r', '\n', ' ', 'a'};
  for (uint32_t len = 0, most = 1; len <= 5; len++, most *= 4) {
    for (uint32_t code = 0; code < most; code++) {
      sample_t sample = {.event = {.retry = SSE_NO_RETRY}};
      for (uint32_t i = 0; i < len; i++)
        sample.data[i] = letters[(code >> (2 * i)) & 3];
      sse_guard_t guard = sse_guard_copy(sample.data, len);
      sample.event.data = sse_span(guard.ptr, len);
      spec_parser_t parser;
      spec_parser_init(&parser);
      size_t size;
      char *bytes = encode(&sample.event, &size);
      spec_parser_feed(&parser, bytes, size);
      free(bytes);
      assert_true(parser.n_events == 1 && is_decoded(&sample, &parser));
      spec_parser_deinit(&parser);
      sse_guard_free(&guard);
    }
  }
}

/* The oracle itself, against the examples in the standard. */
static void oracle_follows_the_standard(void **state) {
  (void)state;
  spec_parser_t p;
  spec_parser_init(&p);
  static const char stream[] =
      "\xef\xbb\xbf: comment\r\rdata\r\ndata\r\n\r\ndata:test\n\ndata: test\n\nid: 1\n\n"
      "data:\n\nevent: add\ndata: 7\nid\n\nid: a\0b\ndata: x\n\nretry: 10x\nretry: 20\nfoo: b\n\n"
      "data: lost";
  for (size_t i = 0; i < sizeof(stream) - 1; i++)
    spec_parser_feed(&p, stream + i, 1);
  assert_int_equal(p.n_comments, 1);
  assert_int_equal(p.n_events, 6);
  assert_true(spec_text_is(p.events[0].data, "\n"));
  assert_true(spec_text_is(p.events[1].data, "test"));
  assert_true(spec_text_is(p.events[2].data, "test"));
  assert_true(spec_text_is(p.events[3].data, ""));
  assert_true(spec_text_is(p.events[3].last_event_id, "1"));
  assert_true(spec_text_is(p.events[4].type, "add"));
  assert_true(spec_text_is(p.events[4].last_event_id, ""));
  assert_true(spec_text_is(p.events[5].type, "message"));
  assert_false(p.events[5].has_id);
  assert_true(p.has_retry && p.retry == 20);
  assert_int_equal(p.n_ignored, 1);
  spec_parser_deinit(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(oracle_follows_the_standard),
      cmocka_unit_test(golden_bytes),
      cmocka_unit_test(golden_lines),
      cmocka_unit_test(numbers),
      cmocka_unit_test(fields_are_checked),
      SEEDED_TEST(random_events_survive_the_parser),
      cmocka_unit_test(all_short_data_survives),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
