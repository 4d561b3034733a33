/* The page of metrics from arrays: family.c and sample.c.  The rules stand in families.py and
 * samples.py. */
#ifndef METRONOME_EXPOSED_H
#define METRONOME_EXPOSED_H

#include "kernel.h"

#pragma GCC visibility push(hidden)

enum escaping { E_UNDERSCORES, E_DOTS, E_VALUES, E_UTF8, E_RAW /* as UTF-8, never in quotes */ };
enum suffix { S_NONE, S_TOTAL, S_CREATED, S_SUM, S_COUNT, S_BUCKET, SUFFIXES };

#define PAGE_IDS (SUFFIXES + 3) /* of a series; see families.py */
#define ESCAPED_ROOM(n) (6 * (n) + 16)

typedef struct {
    slice name, value;
    size_t plain, plain_length; /* its name with underscores, in `plain` of the series */
    int exported;
} page_label;

/* A series as it is called on the page; its parts lie in the key that was read. */
typedef struct {
    slice name, base;
    int counter;
    page_label *labels;
    size_t count, cap;
    buffer plain, whole; /* `whole` is where a name is put together before it is escaped */
} page_series;

/* Lines to be written, and where; see samples.py. */
typedef struct {
    const char *keys;
    const int64_t *begins, *ends;
    const uint8_t *counters;
    size_t lines;
    const int64_t *rows, *labels, *tails, *helps;
    const uint8_t *suffixes, *heads;
    const double *values;
    const slice *words;
    int escaping, open_metrics;
    buffer out;

    page_series series;
    buffer text; /* of its labels */
} page_writer;

/* Messages to be written, and where; see messages.py. */
typedef struct {
    const char *keys, *flat;
    const int64_t *begins, *ends, *body_begins, *body_ends;
    const uint8_t *counters, *heads;
    size_t rows;
    const int64_t *labels, *helps;
    const slice *words;
    int escaping;
    buffer out;
    int64_t *stops; /* of each row, in `out` */

    page_series series;
    buffer text, name;
} message_writer;

int mt_page_read(page_series *s, const char *key, size_t n, int counter);
int mt_page_ids(page_series *s, uint64_t *ids, uint8_t *ending);
int mt_page_escape(buffer *out, const char *p, size_t n, int escaping, int label);
int mt_page_name(page_series *s, buffer *out, int suffix, int escaping);
int mt_page_label_name(page_series *s, const page_label *l, buffer *out, int escaping);
const char *mt_page_unit(slice family);
const char *mt_page_kind(char code);
int mt_page_labels(page_series *s, buffer *out, int escaping);
int mt_page_quote(buffer *out, slice text, int quotes);
int mt_page_write(page_writer *w);
int mt_page_messages(message_writer *w);
void mt_page_free(page_series *s);

extern const slice mt_suffixes[SUFFIXES];

#pragma GCC visibility pop

#endif
