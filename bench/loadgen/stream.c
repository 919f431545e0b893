/* stream.c: reads a stream of events, and checks that each came once and in order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "loadgen.h"

/* Keeps more of what is not complete, at most `limit` bytes in all. False: it was more. */
static bool keep(struct client *c, const char *data, size_t len, size_t limit) {
  size_t room = limit - c->part_len;
  size_t take = len < room ? len : room;
  if (c->part_len + take > c->part_cap) {
    size_t cap = c->part_cap ? c->part_cap : 256;
    while (cap < c->part_len + take)
      cap *= 2;
    char *grown = realloc(c->part, cap);
    if (!grown) die("realloc");
    c->part = grown;
    c->part_cap = cap;
  }
  if (take) memcpy(c->part + c->part_len, data, take);
  c->part_len += take;
  return take == len;
}

/* ---- events ---- */

/* Reads digits, returns the byte after them, or NULL where there is none. */
static const char *read_number(const char *p, const char *end, uint64_t *value) {
  const char *from = p;
  uint64_t v = 0;
  while (p < end && *p >= '0' && *p <= '9')
    v = v * 10 + (uint64_t)(*p++ - '0');
  *value = v;
  return p == from ? NULL : p;
}

static bool starts(const char *p, const char *end, const char *with, size_t len) {
  return (size_t)(end - p) >= len && memcmp(p, with, len) == 0;
}

/* {"n":12,"t":"345",...} of which `last` is the last byte. */
static bool read_tick(struct client *c, const char *p, const char *end, char last) {
  if (!starts(p, end, "{\"n\":", 5)) return false;
  p = read_number(p + 5, end, &c->n);
  if (!p || !starts(p, end, ",\"t\":\"", 6)) return false;
  p = read_number(p + 6, end, &c->t);
  return p && p < end && *p == '"' && last == '}';
}

static void read_id(struct client *c, const char *p, const char *end) {
  size_t len = (size_t)(end - p);
  if (len == 0 || len >= ID_MAX) return;
  memcpy(c->id_text, p, len);
  c->id_text[len] = '\0';
  c->has_id = config.text_ids || read_number(p, end, &c->id) == end;
}

static void tick(struct client *c, uint64_t now) {
  if (c->bad_data || !c->has_id) {
    total.malformed++;
    return;
  }
  if (c->n < c->next) {
    total.duplicated++;
    return;
  }
  if (!config.text_ids && c->id <= c->last_id) total.bad_ids++;
  c->last_id = c->id;
  memcpy(c->last_id_text, c->id_text, sizeof c->last_id_text);
  if (!phase.active || c->n < phase.first || c->n > phase.last || !client_owns(c, c->n)) {
    total.surplus++;
    return;
  }
  total.missed += client_owned(c, c->next, c->n - 1);
  c->next = c->n + 1;
  phase.received++;
  if (now > phase.last_arrival) phase.last_arrival = now;
  if (phase.replay) return; /* when it was published says nothing */
  uint64_t i = c->n - phase.first;
  phase.published[i] = c->t;
  if (now > phase.arrived[i]) phase.arrived[i] = now;
  if (c->t < phase.first_published) phase.first_published = c->t;
  histogram_add(&phase.latency, now > c->t ? now - c->t : 0);
}

static void dispatch(struct client *c, uint64_t now) {
  if (c->has_data) {
    if (c->type == TYPE_TICK) {
      tick(c, now);
    } else {
      total.others++;
      if (c->type == TYPE_CONNECTED) client_ready(c);
    }
  }
  c->has_id = c->has_data = c->bad_data = false;
  c->type = TYPE_MESSAGE;
}

/* One line, of which more than LINE_KEPT bytes need not be there, but the last one is. */
static void line(struct client *c, const char *p, const char *end, char last, uint64_t now) {
  if (end > p && end[-1] == '\r') end--;
  if (p == end) {
    dispatch(c, now);
    return;
  }
  if (*p == ':') {
    total.comments++;
    return;
  }
  const char *colon = memchr(p, ':', (size_t)(end - p));
  if (!colon) return;
  const char *value = colon + 1;
  if (value < end && *value == ' ') value++;
  size_t name = (size_t)(colon - p), len = (size_t)(end - value);
  if (name == 4 && memcmp(p, "data", 4) == 0) {
    /* The data alone tells what it is: `event:` may come after it. */
    if (c->has_data || !read_tick(c, value, end, last)) c->bad_data = true;
    c->has_data = true;
  } else if (name == 2 && memcmp(p, "id", 2) == 0) {
    read_id(c, value, end);
  } else if (name == 5 && memcmp(p, "event", 5) == 0) {
    if (len == 4 && memcmp(value, "tick", 4) == 0)
      c->type = TYPE_TICK;
    else if (len == 9 && memcmp(value, "connected", 9) == 0)
      c->type = TYPE_CONNECTED;
    else
      c->type = TYPE_OTHER;
  }
}

static bool body(struct client *c, const char *p, const char *end, uint64_t now) {
  while (p < end) {
    const char *nl = memchr(p, '\n', (size_t)(end - p));
    const char *stop = nl ? nl : end;
    if (nl && c->line_len == 0) {
      line(c, p, nl, nl > p ? nl[-1] : '\0', now);
    } else {
      keep(c, p, (size_t)(stop - p), LINE_KEPT);
      c->line_len += (size_t)(stop - p);
      if (c->line_len > LINE_MAX_BYTES) return false;
      if (nl) {
        char last = nl > p ? nl[-1] : c->part[c->part_len - 1];
        line(c, c->part, c->part + c->part_len, last, now);
        c->part_len = c->line_len = 0;
      }
    }
    if (!nl) return true;
    p = nl + 1;
  }
  return true;
}

/* ---- chunks ---- */

static bool hex_digit(char ch, uint64_t *digit) {
  if (ch >= '0' && ch <= '9')
    *digit = (uint64_t)(ch - '0');
  else if (ch >= 'a' && ch <= 'f')
    *digit = (uint64_t)(ch - 'a') + 10;
  else if (ch >= 'A' && ch <= 'F')
    *digit = (uint64_t)(ch - 'A') + 10;
  else
    return false;
  return true;
}

/* A byte that is no data. False: no chunk, or the last one, with which the stream ends. */
static bool chunk_byte(struct client *c, char ch) {
  if (c->chunk == CHUNK_END) { /* CR LF after the data */
    if (ch == '\n') {
      c->chunk = CHUNK_SIZE;
      c->chunk_left = 0;
      return true;
    }
    return ch == '\r';
  }
  if (ch == '\n') {
    if (c->chunk_left == 0) return false;
    c->chunk = CHUNK_DATA;
  } else if (c->chunk == CHUNK_SIZE) {
    uint64_t digit;
    if (ch == '\r' || ch == ';') {
      c->chunk = CHUNK_EXT;
      return true;
    }
    if (!hex_digit(ch, &digit) || c->chunk_left > UINT32_MAX) return false;
    c->chunk_left = c->chunk_left * 16 + digit;
  }
  return true;
}

static bool chunked(struct client *c, const char *p, const char *end, uint64_t now) {
  while (p < end) {
    if (c->chunk != CHUNK_DATA) {
      if (!chunk_byte(c, *p++)) return false;
      continue;
    }
    size_t have = (size_t)(end - p);
    size_t take = c->chunk_left < have ? (size_t)c->chunk_left : have;
    if (!body(c, p, p + take, now)) return false;
    p += take;
    c->chunk_left -= take;
    if (c->chunk_left == 0) c->chunk = CHUNK_END;
  }
  return true;
}

static bool bytes(struct client *c, const char *p, const char *end, uint64_t now) {
  return c->chunk == CHUNK_NONE ? body(c, p, end, now) : chunked(c, p, end, now);
}

/* ---- the head ---- */

/* The head without its last empty line. False: refused or no HTTP. */
static bool read_head(struct client *c, const char *text, size_t len) {
  char head[HEAD_MAX + 1];
  if (len > HEAD_MAX) return false;
  memcpy(head, text, len);
  head[len] = '\0';
  int status = len > 12 && memcmp(head, "HTTP/1.", 7) == 0 ? atoi(head + 9) : 0;
  if (status != 200 || !strcasestr(head, "\r\ncontent-type: text/event-stream")) {
    if (!total.first_bad_status) total.first_bad_status = status ? status : -1;
    total.refused++;
    return false;
  }
  c->chunk = strcasestr(head, "\r\ntransfer-encoding: chunked") ? CHUNK_SIZE : CHUNK_NONE;
  c->state = BODY;
  if (config.ready_on_head) client_ready(c);
  return true;
}

/* Collects the head; what follows it is body. */
static bool head(struct client *c, const char *p, const char *end, uint64_t now) {
  size_t before = c->part_len;
  const char *stop;
  if (before == 0 && (stop = memmem(p, (size_t)(end - p), "\r\n\r\n", 4)) != NULL) {
    return read_head(c, p, (size_t)(stop - p)) && bytes(c, stop + 4, end, now);
  }
  bool fits = keep(c, p, (size_t)(end - p), HEAD_MAX);
  stop = memmem(c->part, c->part_len, "\r\n\r\n", 4);
  if (!stop) return fits;
  size_t len = (size_t)(stop - c->part);
  bool ok = read_head(c, c->part, len);
  c->part_len = 0;
  return ok && bytes(c, p + (len + 4 - before), end, now);
}

void client_readable(struct client *c) {
  ssize_t got = recv(c->fd, read_buffer, READ_SIZE, 0);
  if (got <= 0) {
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    client_lost(c, got < 0 ? errno : 0);
    return;
  }
  uint64_t now = now_ns();
  total.bytes += (uint64_t)got;
  bool ok = c->state == HEAD ? head(c, read_buffer, read_buffer + got, now)
                             : bytes(c, read_buffer, read_buffer + got, now);
  if (!ok) client_lost(c, EPROTO);
}
