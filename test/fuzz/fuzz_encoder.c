/* fuzz_encoder.c - events through the encoder and back through the parser that
 * was written from the standard: what comes out is what went in.
 *
 * Input: for each event 9 bytes of flags and numbers, its type up to a 0xff, its
 * data up to a 0xff. */
#include "fuzz.h"

#include "hub/encode.h"
#include "hub/frame.h"
#include "hub/spec_parser.h"

#define MOST_EVENTS 8

/* The data as the standard gives it back: every line end is a LF. */
static fuzz_input_t normalised(const fuzz_input_t *data, char *out) {
  size_t len = 0;
  for (size_t i = 0; i < data->len; i++) {
    char c = (char)data->ptr[i];
    if (c == '\r' && i + 1 < data->len && data->ptr[i + 1] == '\n') i++;
    out[len++] = c == '\r' ? '\n' : c;
  }
  return (fuzz_input_t){(const uint8_t *)out, len};
}

static bool is_same(spec_text_t text, const void *bytes, size_t len) {
  return text.len == len && (len == 0 || memcmp(text.bytes, bytes, len) == 0);
}

static bool stands_alone(const fuzz_input_t *field) {
  for (size_t i = 0; i < field->len; i++) {
    /* memchr over the terminator too: NUL. */
    if (memchr("\r\n", field->ptr[i], 3) != NULL) return false;
  }
  return true;
}

static sse_event_t read_event(fuzz_input_t *in, fuzz_input_t *type, fuzz_input_t *data) {
  uint8_t flags = fuzz_byte(in);
  uint64_t number = fuzz_number(in, 8);
  *type = fuzz_until(in, 0xff);
  *data = fuzz_until(in, 0xff);
  bool may_stand = sse_encode_check(sse_span((const char *)type->ptr, type->len));
  FUZZ_CHECK(may_stand == stands_alone(type));
  if (!may_stand) type->len = 0;
  return (sse_event_t){.id = flags & 1 ? number : 0,
                       .type = sse_span((const char *)type->ptr, type->len),
                       .data = sse_span((const char *)data->ptr, data->len),
                       .retry = flags & 2 ? (uint32_t)(number >> 7) : SSE_NO_RETRY};
}

static void check_event(const spec_parser_t *parser, const spec_event_t *got,
                        const sse_event_t *event, const fuzz_input_t *data) {
  char *text = fuzz_copy(data->ptr, data->len);
  fuzz_input_t wanted = normalised(data, text);
  FUZZ_CHECK(is_same(got->data, wanted.ptr, wanted.len));
  free(text);
  if (event->type.len > 0) {
    FUZZ_CHECK(is_same(got->type, event->type.ptr, event->type.len));
  } else {
    FUZZ_CHECK(spec_text_is(got->type, "message"));
  }
  FUZZ_CHECK(got->has_id == (event->id != 0));
  if (event->id != 0) {
    char digits[24];
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)event->id);
    FUZZ_CHECK(spec_text_is(got->last_event_id, digits));
  }
  FUZZ_CHECK(parser->n_ignored == 0 && parser->n_comments == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  fuzz_input_t in = {bytes, size};
  sse_event_t events[MOST_EVENTS];
  fuzz_input_t types[MOST_EVENTS], data[MOST_EVENTS];
  size_t n = 0, split = size % 7 + 1;
  spec_parser_t parser;
  spec_parser_init(&parser);
  do {
    events[n] = read_event(&in, &types[n], &data[n]);
    size_t expected = sse_encode_size(&events[n]);
    char *out = malloc(expected);
    FUZZ_CHECK(out != NULL && sse_encode(&events[n], out) == expected);
    free(out);
    n++;
  } while (in.len > 0 && n < MOST_EVENTS);
  sse_frame_t *frame = sse_frame_from_events(events, n);
  FUZZ_CHECK(frame != NULL && frame->id == events[0].id);
  for (size_t at = 0; at < frame->len; at += split) {
    size_t len = frame->len - at < split ? frame->len - at : split;
    spec_parser_feed(&parser, frame->bytes + at, len);
  }
  FUZZ_CHECK(parser.n_events == n);
  for (size_t i = 0; i < n; i++)
    check_event(&parser, &parser.events[i], &events[i], &data[i]);
  for (size_t i = n; i-- > 0;) {
    if (events[i].retry == SSE_NO_RETRY) continue;
    FUZZ_CHECK(parser.has_retry && parser.retry == events[i].retry);
    break;
  }
  sse_frame_unref(frame);
  spec_parser_deinit(&parser);
  return 0;
}
