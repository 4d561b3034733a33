/* Lines of the page of metrics from arrays; samples.py has the words. */
#include "exposed.h"
#include "write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const types[] = {"counter", "gauge", "summary", "histogram"};
static const char *const kinds[] = {"counter", "gauge", "timer", "set"};
static const char *const units[] = {"seconds", "milliseconds", "bytes",  "ratio", "celsius", "meters",
                                    "volts",   "amperes",      "joules", "grams", "percent"};

static void put(buffer *b, const char *p, size_t n)
{
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void put_text(buffer *b, const char *text)
{
    put(b, text, strlen(text));
}

static size_t number(double value, char *to)
{
    const char *word = isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
    if (isfinite(value))
        return mt_decimal(value, to);
    memcpy(to, word, strlen(word));
    return strlen(word);
}

/* The name of the family; how much of it is the name itself is in `family`. */
static int put_family(page_writer *w, slice *family)
{
    page_series *s = &w->series;
    buffer *b = &w->out;
    size_t begin = b->n, quoted;
    if (!s->counter || (w->open_metrics && (w->escaping == E_UTF8 || w->escaping == E_UNDERSCORES))) {
        if (mt_page_name(s, b, S_NONE, w->escaping) < 0)
            return -1;
    } else {
        if (mt_page_name(s, b, S_TOTAL, w->escaping) < 0)
            return -1;
        if (w->open_metrics)
            b->n -= mt_suffixes[S_TOTAL].n;
    }
    quoted = b->p[begin] == '"';
    *family = (slice){b->p + begin + quoted, b->n - begin - 2 * quoted};
    return 0;
}

/* The unit that a family's name ends in, or NULL. */
const char *mt_page_unit(slice family)
{
    size_t i;
    for (i = 0; i < sizeof units / sizeof *units; i++) {
        size_t n = strlen(units[i]), begin = family.n - n;
        if (family.n > n && family.p[begin - 1] == '_' && !memcmp(family.p + begin, units[i], n))
            return units[i];
    }
    return NULL;
}

/* The word for a kind, by the first byte of a key. */
const char *mt_page_kind(char code)
{
    const char *place = strchr("cgts", code);
    return kinds[place && code ? place - "cgts" : 0];
}

static int put_head(page_writer *w, int type, int64_t help, char kind)
{
    buffer *b = &w->out;
    size_t name, length;
    slice family;
    const char *unit;
    if (mt_reserve(b, 16) < 0)
        return -1;
    put_text(b, "# HELP ");
    name = b->n;
    if (put_family(w, &family) < 0)
        return -1;
    unit = mt_page_unit(family);
    length = b->n - name;
    if (mt_reserve(b, 2 * length + 128) < 0)
        return -1;
    b->p[b->n++] = ' ';
    if (mt_page_quote(b, help < 0 ? w->series.name : w->words[help], w->open_metrics) < 0 ||
        mt_reserve(b, 2 * length + 128) < 0)
        return -1;
    if (help < 0) {
        put_text(b, " (");
        put_text(b, mt_page_kind(kind));
        put_text(b, ")");
    }
    put_text(b, "\n# TYPE ");
    put(b, b->p + name, length);
    b->p[b->n++] = ' ';
    put_text(b, types[type - 1]);
    if (w->open_metrics && unit) {
        put_text(b, "\n# UNIT ");
        put(b, b->p + name, length);
        b->p[b->n++] = ' ';
        put_text(b, unit);
    }
    b->p[b->n++] = '\n';
    return 0;
}

/* Name and labels of a line, in braces where there are any. */
static int put_begin(page_writer *w, int suffix, int64_t label)
{
    buffer *b = &w->out;
    size_t begin = b->n, more = label < 0 ? 0 : w->words[label].n, inside;
    if (mt_reserve(b, 1) < 0)
        return -1;
    b->n++; /* where a brace may have to stand */
    if (mt_page_name(&w->series, b, suffix, w->escaping) < 0 || mt_reserve(b, w->text.n + more + 8) < 0)
        return -1;
    inside = b->p[begin + 1] == '"';
    if (inside) {
        b->p[begin] = '{';
    } else {
        memmove(b->p + begin, b->p + begin + 1, b->n - begin - 1);
        b->n--;
    }
    if (!w->text.n && !more && !inside)
        return 0;
    if (inside && (w->text.n || more))
        b->p[b->n++] = ',';
    else if (!inside)
        b->p[b->n++] = '{';
    if (w->text.n)
        put(b, w->text.p, w->text.n);
    if (w->text.n && more)
        b->p[b->n++] = ',';
    if (more)
        put(b, w->words[label].p, more);
    b->p[b->n++] = '}';
    return 0;
}

static int put_line(page_writer *w, size_t line)
{
    buffer *b = &w->out;
    size_t behind = w->tails[line] < 0 ? 0 : w->words[w->tails[line]].n;
    if (put_begin(w, w->suffixes[line], w->labels[line]) < 0 || mt_reserve(b, behind + DECIMAL_ROOM + 2) < 0)
        return -1;
    b->p[b->n++] = ' ';
    b->n += number(w->values[line], b->p + b->n);
    if (behind)
        put(b, w->words[w->tails[line]].p, behind);
    b->p[b->n++] = '\n';
    return 0;
}

/* Write all lines to `out`, which is the caller's to free; -1 without memory. */
int mt_page_write(page_writer *w)
{
    size_t line;
    int64_t row = -1;
    int failed = 0;
    for (line = 0; line < w->lines && !failed; line++) {
        const char *key = w->keys + w->begins[w->rows[line]];
        if (w->rows[line] != row) {
            size_t n = (size_t)(w->ends[w->rows[line]] - w->begins[w->rows[line]]);
            row = w->rows[line];
            w->text.n = 0;
            failed = mt_page_read(&w->series, key, n, w->counters[row]) ||
                     mt_page_labels(&w->series, &w->text, w->escaping);
        }
        if (!failed && w->heads[line])
            failed = put_head(w, w->heads[line], w->helps[line], *key);
        if (!failed)
            failed = put_line(w, line);
    }
    mt_page_free(&w->series);
    free(w->text.p);
    return failed ? -1 : 0;
}
