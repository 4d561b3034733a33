/* Taking columns out: one piece of memory with all arrays in it, so that nobody has to wait
 * for Python's allocations while the table is locked. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *place(char **at, size_t count, size_t width)
{
    void *found = *at;
    *at += (count * width + 7) & ~(size_t)7;
    return found;
}

static char *lay(const flush_sizes *z, flush_arrays *a, char *at)
{
    size_t rows = z->rows;
    a->ids = place(&at, rows, 8);
    a->times = place(&at, rows, 8);
    a->periods = place(&at, rows, 8);
    a->n = place(&at, rows, 8);
    a->d = place(&at, rows, 8);
    a->low = place(&at, rows, 8);
    a->high = place(&at, rows, 8);
    a->squares = place(&at, rows, 8);
    a->samples = place(&at, z->samples, 8);
    a->weights = place(&at, z->weighted ? z->samples : 0, 8);
    a->bin_counts = place(&at, z->bins, 8);
    a->hashes = place(&at, z->hashes, 8);
    a->counts = place(&at, rows, 4);
    a->key_ends = place(&at, rows, 4);
    a->sample_ends = place(&at, z->samples ? rows : 0, 4);
    a->bin_ends = place(&at, z->bins ? rows : 0, 4);
    a->hash_ends = place(&at, z->hashes ? rows : 0, 4);
    a->register_ends = place(&at, z->registers ? rows : 0, 4);
    a->pack_ends = place(&at, z->packs ? rows : 0, 4);
    a->bins = place(&at, z->bins, 2);
    a->kinds = place(&at, rows, 1);
    a->keys = place(&at, z->keys, 1);
    a->registers = place(&at, z->registers, 1);
    a->packs = place(&at, z->packs, 1);
    return at;
}

/* Memory for arrays of the harvest's sizes; -1 where there is none. */
int mt_lay_out(harvest *h)
{
    h->bytes = (size_t)(lay(&h->sizes, &h->arrays, NULL) - (char *)NULL) + 8;
    h->memory = malloc(h->bytes);
    if (!h->memory)
        return -1;
    lay(&h->sizes, &h->arrays, h->memory);
    return 0;
}

/* Say which series the rows are of: what is left to do when the table is not locked any more. */
void mt_put_ids(harvest *h)
{
    mt_hash_texts(h->arrays.keys, h->arrays.key_ends, h->sizes.rows, h->arrays.ids);
}

static int is_asked_for(const series *s, int what)
{
    if (what == GAUGE_VALUES)
        return s->kind == GAUGE && s->flags & S_HELD;
    if (what == TOTAL_VALUES)
        return s->kind == COUNTER && s->flags & S_HELD && !(s->flags & S_OTHER);
    return s->count != 0;
}

/* How many series are to be looked at. */
static uint32_t looked_at(const table *t, int what)
{
    return what == TOTAL_VALUES && !t->totals ? 0 : t->count;
}

static void measure(const table *t, int what, flush_sizes *sizes)
{
    uint32_t i, count = looked_at(t, what);
    memset(sizes, 0, sizeof *sizes);
    for (i = 0; i < count; i++) {
        const series *s = &t->series[i];
        if (!is_asked_for(s, what))
            continue;
        sizes->rows++;
        sizes->keys += s->key_len;
        if (s->kind == TIMER) {
            const timer *m = s->side;
            int bin;
            sizes->samples += m->count;
            sizes->weighted |= !m->bins && m->weights;
            for (bin = 0; m->bins && bin < m->bin_count; bin++)
                sizes->bins += m->bins[bin] != 0;
        } else if (s->kind == SET) {
            const set *m = s->side;
            sizes->hashes += m->count + (uint32_t)m->has_zero;
            sizes->registers += m->registers ? REGISTERS : 0;
        }
    }
}

static void put_timer(const timer *m, const flush_arrays *a, row_places *at, int weighted)
{
    uint32_t i;
    int bin;
    if (m->count)
        memcpy(a->samples + at->samples, m->samples, m->count * sizeof *m->samples);
    for (i = 0; weighted && i < m->count; i++)
        a->weights[at->samples + i] = m->weights ? m->weights[i] : 1;
    at->samples += m->count;
    for (bin = 0; m->bins && bin < m->bin_count; bin++) {
        if (m->bins[bin] != 0) {
            a->bins[at->bins] = (int16_t)(m->bin_first + bin);
            a->bin_counts[at->bins++] = m->bins[bin];
        }
    }
}

static void put_set(const set *m, const flush_arrays *a, row_places *at)
{
    if (m->registers) {
        memcpy(a->registers + at->registers, m->registers, REGISTERS);
        at->registers += REGISTERS;
    } else {
        at->hashes += mt_set_members(m, a->hashes + at->hashes);
    }
}

static void put_ends(const flush_sizes *z, const flush_arrays *a, size_t row, const row_places *at)
{
    if (z->samples)
        a->sample_ends[row] = (uint32_t)at->samples;
    if (z->bins)
        a->bin_ends[row] = (uint32_t)at->bins;
    if (z->hashes)
        a->hash_ends[row] = (uint32_t)at->hashes;
    if (z->registers)
        a->register_ends[row] = (uint32_t)at->registers;
}

static void put_side(const series *s, const flush_arrays *a, size_t row, row_places *at, int weighted)
{
    if (s->kind == GAUGE) {
        const gauge *g = s->side;
        a->low[row] = g->low;
        a->high[row] = g->high;
    } else if (s->kind == TIMER) {
        const timer *m = s->side;
        a->low[row] = m->low;
        a->high[row] = m->high;
        a->squares[row] = m->squares;
        put_timer(m, a, at, weighted);
    } else {
        a->n[row] = a->low[row] = a->high[row] = mt_set_size(s->side);
        put_set(s->side, a, at);
    }
}

/* Write whose row it is. */
void mt_put_head(const table *t, const series *s, const flush_arrays *a, size_t row, row_places *at)
{
    memcpy(a->keys + at->keys, t->keys.p + s->key_at, s->key_len);
    at->keys += s->key_len;
    a->key_ends[row] = (uint32_t)at->keys;
    a->kinds[row] = s->kind;
}

static void put_row(const table *t, const series *s, const harvest *h, size_t row, row_places *at)
{
    const flush_arrays *a = &h->arrays;
    mt_put_head(t, s, a, row, at);
    a->counts[row] = s->count;
    a->n[row] = a->low[row] = a->high[row] = s->n;
    a->d[row] = s->d;
    a->squares[row] = 0;
    if (s->kind != COUNTER)
        put_side(s, a, row, at, h->sizes.weighted);
    put_ends(&h->sizes, a, row, at);
}

/* The value that outlives the period, instead of what the period has. */
static void put_value(const series *s, const flush_arrays *a, size_t row)
{
    a->n[row] = a->low[row] = a->high[row] = s->kind == COUNTER ? *(const double *)s->side : s->n;
    a->d[row] = 1;
    a->counts[row] = 0;
}

static void begin_again(const table *t, series *s)
{
    if (s->side)
        mt_side_reset(s->kind, s->side, s->count != 0);
    s->count = 0;
    s->d = 0;
    if (s->kind != GAUGE || t->relative)
        s->n = 0;
}

/* A gauge that was silent for too long has no value any more. */
static void unset_idle(const table *t, series *s)
{
    if (t->flushes + 1 - s->used >= t->gauge_flushes - 1) {
        s->flags &= (uint8_t)~S_HELD;
        s->n = 0;
    }
}

/* Write a row for each series that is asked for; TAKE_OUT begins the next period.
 * -1 without memory, and then nothing has changed. */
int mt_harvest(table *t, int what, int64_t start_ms, double period, harvest *out)
{
    row_places at = {0, 0, 0, 0, 0};
    size_t row = 0;
    uint32_t i, count = looked_at(t, what);
    measure(t, what, &out->sizes);
    if (mt_lay_out(out) < 0)
        return -1;
    for (i = 0; i < count; i++) {
        series *s = &t->series[i];
        if (is_asked_for(s, what)) {
            put_row(t, s, out, row, &at);
            if (what == GAUGE_VALUES || what == TOTAL_VALUES)
                put_value(s, &out->arrays, row);
            out->arrays.times[row] = start_ms;
            out->arrays.periods[row++] = period;
        }
        if (what == TAKE_OUT)
            begin_again(t, s);
        if (what == TAKE_OUT && s->kind == GAUGE && t->gauge_flushes)
            unset_idle(t, s);
    }
    if (what == TAKE_OUT) {
        t->folded = 0;
        t->flushes++;
        if (!t->relative)
            t->open_ms = start_ms + (int64_t)rint(period * 1000);
    }
    return 0;
}

/* Write the row of a late part. */
void mt_put_late(const table *t, const flush_arrays *a, size_t row, const late_part *p, row_places *at)
{
    mt_put_head(t, &t->series[p->series], a, row, at);
    a->times[row] = p->start_ms;
    a->periods[row] = (double)t->period_ms / 1000;
    a->squares[row] = 0;
    a->counts[row] = p->count;
    a->n[row] = p->n;
    a->d[row] = p->d;
    a->low[row] = p->low;
    a->high[row] = p->high;
}
