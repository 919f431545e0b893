/* spec_parser.c - the oracle; see spec_parser.h. */
#include "spec_parser.h"

#include "testing.h"

static void clear(spec_text_t *text) {
  free(text->bytes);
  *text = (spec_text_t){0};
}

static void append(spec_text_t *text, const char *bytes, size_t len) {
  must_append(&text->bytes, &text->len, bytes, len);
}

static spec_text_t copy(const char *bytes, size_t len) {
  spec_text_t text = {0};
  append(&text, bytes, len);
  return text;
}

void spec_parser_init(spec_parser_t *parser) {
  *parser = (spec_parser_t){0};
}

void spec_parser_deinit(spec_parser_t *parser) {
  for (size_t i = 0; i < parser->n_events; i++) {
    clear(&parser->events[i].type);
    clear(&parser->events[i].data);
    clear(&parser->events[i].last_event_id);
  }
  free(parser->events);
  clear(&parser->last_event_id);
  clear(&parser->line);
  clear(&parser->data);
  clear(&parser->type);
  clear(&parser->id_buffer);
  spec_parser_init(parser);
}

bool spec_text_is(spec_text_t text, const char *expected) {
  size_t len = strlen(expected);
  return text.len == len && (len == 0 || memcmp(text.bytes, expected, len) == 0);
}

uint64_t spec_text_u64(spec_text_t text) {
  uint64_t value = 0;
  for (size_t i = 0; i < text.len; i++) {
    if (text.bytes[i] < '0' || text.bytes[i] > '9') return UINT64_MAX;
    value = value * 10 + (uint64_t)(text.bytes[i] - '0');
  }
  return value;
}

/* "Dispatch the event", steps 1 to 8. */
static void dispatch(spec_parser_t *p) {
  clear(&p->last_event_id);
  p->last_event_id = copy(p->id_buffer.bytes, p->id_buffer.len);
  bool has_id = p->saw_id;
  p->saw_id = false;
  if (p->data.len == 0) {
    clear(&p->type);
    return;
  }
  if (p->data.bytes[p->data.len - 1] == '\n') p->data.len--;
  p->events = must_realloc(p->events, (p->n_events + 1) * sizeof(*p->events));
  spec_event_t *event = &p->events[p->n_events++];
  event->type = p->type.len > 0 ? p->type : copy("message", 7);
  event->data = p->data;
  event->last_event_id = copy(p->id_buffer.bytes, p->id_buffer.len);
  event->has_id = has_id;
  p->type = (spec_text_t){0};
  p->data = (spec_text_t){0};
}

static void set_retry(spec_parser_t *p, spec_text_t value) {
  uint64_t ms = spec_text_u64(value);
  if (value.len == 0 || ms == UINT64_MAX) return;
  p->has_retry = true;
  p->retry = ms;
}

/* "Process the field"; names are compared literally, with no case folding. */
static void process_field(spec_parser_t *p, spec_text_t name, spec_text_t value) {
  if (spec_text_is(name, "event")) {
    clear(&p->type);
    append(&p->type, value.bytes, value.len);
  } else if (spec_text_is(name, "data")) {
    append(&p->data, value.bytes, value.len);
    append(&p->data, "\n", 1);
  } else if (spec_text_is(name, "id")) {
    if (value.len > 0 && memchr(value.bytes, '\0', value.len) != NULL) return;
    clear(&p->id_buffer);
    append(&p->id_buffer, value.bytes, value.len);
    p->saw_id = true;
  } else if (spec_text_is(name, "retry")) {
    set_retry(p, value);
  } else {
    p->n_ignored++;
  }
}

static void process_line(spec_parser_t *p) {
  spec_text_t line = p->line;
  const char *colon = line.len > 0 ? memchr(line.bytes, ':', line.len) : NULL;
  if (line.len == 0) {
    dispatch(p);
  } else if (colon == line.bytes) {
    p->n_comments++;
  } else if (colon == NULL) {
    process_field(p, line, (spec_text_t){0});
  } else {
    size_t n = (size_t)(colon - line.bytes);
    spec_text_t name = {line.bytes, n};
    spec_text_t value = {line.bytes + n + 1, line.len - n - 1};
    if (value.len > 0 && value.bytes[0] == ' ')
      value = (spec_text_t){value.bytes + 1, value.len - 1};
    process_field(p, name, value);
  }
  p->line.len = 0;
}

/* A line ends with CR LF, LF or CR. */
static void feed_byte(spec_parser_t *p, char c) {
  bool was_cr = p->after_cr;
  p->after_cr = c == '\r';
  if (c == '\n' && was_cr) return;
  if (c == '\r' || c == '\n') {
    process_line(p);
  } else {
    append(&p->line, &c, 1);
  }
}

/* One leading byte order mark is dropped; half of one is text after all. */
static bool is_in_bom(spec_parser_t *p, char c) {
  static const char mark[] = "\xef\xbb\xbf";
  if (p->bom >= 3) return false;
  if (c == mark[p->bom]) {
    p->bom++;
    return true;
  }
  size_t seen = p->bom;
  p->bom = 4;
  for (size_t i = 0; i < seen; i++)
    feed_byte(p, mark[i]);
  return false;
}

void spec_parser_feed(spec_parser_t *parser, const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (!is_in_bom(parser, bytes[i])) feed_byte(parser, bytes[i]);
  }
}
