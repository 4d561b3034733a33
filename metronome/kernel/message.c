/* Messages of the page of metrics from arrays; messages.py has the words. */
#include "exposed.h"

#include <stdlib.h>
#include <string.h>

#define VARINT_ROOM 10

static const uint8_t types[] = {0, 1, 2, 4}; /* of counters, gauges, summaries, histograms */

static size_t varint_bytes(uint64_t value)
{
    size_t n = 1;
    while (value >>= 7)
        n++;
    return n;
}

static void put_varint(buffer *b, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        b->p[b->n++] = (char)(value | 0x80);
    b->p[b->n++] = (char)value;
}

static void put(buffer *b, const char *p, size_t n)
{
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

/* A field of bytes with a tag of one byte; -1 without memory. */
static int put_field(buffer *b, int tag, const char *p, size_t n)
{
    if (mt_reserve(b, n + VARINT_ROOM + 1) < 0)
        return -1;
    b->p[b->n++] = (char)tag;
    put_varint(b, n);
    put(b, p, n);
    return 0;
}

static int put_labels(message_writer *w)
{
    page_series *s = &w->series;
    size_t i;
    w->text.n = 0;
    for (i = 0; i < s->count; i++) {
        const page_label *l = &s->labels[i];
        size_t length;
        w->name.n = 0;
        if (mt_page_label_name(s, l, &w->name, w->escaping) < 0)
            return -1;
        length = 2 + varint_bytes(w->name.n) + w->name.n + varint_bytes(l->value.n) + l->value.n;
        if (mt_reserve(&w->text, VARINT_ROOM + 1) < 0)
            return -1;
        w->text.p[w->text.n++] = 0x0a;
        put_varint(&w->text, length);
        if (put_field(&w->text, 0x0a, w->name.p, w->name.n) < 0 ||
            put_field(&w->text, 0x12, l->value.p, l->value.n) < 0)
            return -1;
    }
    return 0;
}

/* Name, help, type and unit of the family that begins with the series just read. */
static int put_head(message_writer *w, int type, int64_t help, char kind)
{
    page_series *s = &w->series;
    const char *unit;
    slice family;
    w->name.n = 0;
    if (mt_page_name(s, &w->name, s->counter ? S_TOTAL : S_NONE, w->escaping) < 0 ||
        put_field(&w->out, 0x0a, w->name.p, w->name.n) < 0)
        return -1;
    family = (slice){w->name.p, w->name.n - (s->counter ? mt_suffixes[S_TOTAL].n : 0)};
    unit = mt_page_unit(family);
    if (help >= 0) {
        if (put_field(&w->out, 0x12, w->words[help].p, w->words[help].n) < 0)
            return -1;
    } else {
        const char *word = mt_page_kind(kind);
        size_t n = s->name.n + strlen(word) + 3;
        if (mt_reserve(&w->out, n + VARINT_ROOM + 1) < 0)
            return -1;
        w->out.p[w->out.n++] = 0x12;
        put_varint(&w->out, n);
        put(&w->out, s->name.p, s->name.n);
        put(&w->out, " (", 2);
        put(&w->out, word, strlen(word));
        put(&w->out, ")", 1);
    }
    if (mt_reserve(&w->out, 2) < 0)
        return -1;
    w->out.p[w->out.n++] = 0x18;
    w->out.p[w->out.n++] = (char)types[type - 1];
    return unit ? put_field(&w->out, 0x2a, unit, strlen(unit)) : 0;
}

static int put_row(message_writer *w, size_t row)
{
    const char *key = w->keys + w->begins[row], *body = w->flat + w->body_begins[row];
    size_t n = (size_t)(w->ends[row] - w->begins[row]);
    size_t body_length = (size_t)(w->body_ends[row] - w->body_begins[row]), length;
    slice word = {"", 0};
    if (mt_page_read(&w->series, key, n, w->counters[row]) < 0 || put_labels(w) < 0)
        return -1;
    if (w->heads[row] && put_head(w, w->heads[row], w->helps[row], *key) < 0)
        return -1;
    if (w->labels[row] >= 0)
        word = w->words[w->labels[row]];
    length = w->text.n + word.n + body_length;
    if (mt_reserve(&w->out, length + VARINT_ROOM + 1) < 0)
        return -1;
    w->out.p[w->out.n++] = 0x22;
    put_varint(&w->out, length);
    if (w->text.n)
        put(&w->out, w->text.p, w->text.n);
    put(&w->out, word.p, word.n);
    if (body_length)
        put(&w->out, body, body_length);
    w->stops[row] = (int64_t)w->out.n;
    return 0;
}

/* Write all rows to `out`, which is the caller's to free; -1 without memory. */
int mt_page_messages(message_writer *w)
{
    size_t row;
    int failed = 0;
    for (row = 0; row < w->rows && !failed; row++)
        failed = put_row(w, row);
    mt_page_free(&w->series);
    free(w->text.p);
    free(w->name.p);
    return failed;
}
