/* Taking columns out, and forgetting idle series. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

/* How long the arrays of a flush are. */
void mt_flush_sizes(const table *t, flush_sizes *sizes)
{
    uint32_t i;
    memset(sizes, 0, sizeof *sizes);
    for (i = 0; i < t->count; i++) {
        const series *s = &t->series[i];
        if (!s->count)
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

typedef struct {
    size_t keys, samples, bins, hashes, registers;
} places;

static void put_timer(const timer *m, const flush_arrays *a, places *at, int weighted)
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

static void put_set(const set *m, const flush_arrays *a, places *at)
{
    if (m->registers) {
        memcpy(a->registers + at->registers, m->registers, REGISTERS);
        at->registers += REGISTERS;
    } else {
        at->hashes += mt_set_members(m, a->hashes + at->hashes);
    }
}

static void put_ends(const flush_arrays *a, size_t row, const places *at)
{
    a->key_ends[row] = (uint32_t)at->keys;
    if (a->sample_ends)
        a->sample_ends[row] = (uint32_t)at->samples;
    if (a->bin_ends)
        a->bin_ends[row] = (uint32_t)at->bins;
    if (a->hash_ends)
        a->hash_ends[row] = (uint32_t)at->hashes;
    if (a->register_ends)
        a->register_ends[row] = (uint32_t)at->registers;
}

static void put_side(const series *s, const flush_arrays *a, size_t row, places *at, int weighted)
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

static void put_head(const table *t, const series *s, const flush_arrays *a, size_t row, places *at)
{
    memcpy(a->keys + at->keys, t->keys.p + s->key_at, s->key_len);
    at->keys += s->key_len;
    a->ids[row] = s->id;
    a->kinds[row] = s->kind;
}

/* Write a row for each series that got samples, and begin the next period. */
void mt_flush(table *t, const flush_arrays *a, int64_t start_ms, double period, int weighted)
{
    places at = {0, 0, 0, 0, 0};
    size_t row = 0;
    uint32_t i;
    for (i = 0; i < t->count; i++) {
        series *s = &t->series[i];
        if (s->count) {
            put_head(t, s, a, row, &at);
            a->times[row] = start_ms;
            a->periods[row] = period;
            a->counts[row] = s->count;
            a->n[row] = a->low[row] = a->high[row] = s->n;
            a->d[row] = s->d;
            a->squares[row] = 0;
            if (s->side)
                put_side(s, a, row, &at, weighted);
            put_ends(a, row, &at);
            row++;
        }
        if (s->side)
            mt_side_reset(s->kind, s->side, s->count != 0);
        s->count = 0;
        s->d = 0;
        if (s->kind != GAUGE || t->relative)
            s->n = 0;
    }
    t->folded = 0;
    t->flushes++;
}

size_t mt_points_key_bytes(const table *t)
{
    size_t total = 0, i;
    for (i = 0; i < t->point_count; i++)
        total += t->series[t->points[i].series].key_len;
    return total;
}

/* Write a row for each point, in the order in which they came. */
void mt_flush_points(table *t, const flush_arrays *a)
{
    places at = {0, 0, 0, 0, 0};
    size_t row;
    for (row = 0; row < t->point_count; row++) {
        const point *p = &t->points[row];
        put_head(t, &t->series[p->series], a, row, &at);
        a->key_ends[row] = (uint32_t)at.keys;
        a->times[row] = p->time_ms;
        a->counts[row] = 1;
        a->n[row] = p->n;
        a->d[row] = p->d;
    }
    t->point_count = 0;
}

static int is_idle(const table *t, const series *s, uint32_t idle)
{
    return !s->count && (int64_t)t->flushes - (int64_t)s->used >= (int64_t)idle;
}

/* Forget series that got nothing in the last flushes and have no point waiting; how many. */
uint32_t mt_prune(table *t, uint32_t idle)
{
    uint32_t *places_now = calloc((size_t)t->count + 1, sizeof *places_now), i, kept = 0, before = t->count;
    size_t p, end = 0;
    if (!places_now)
        return 0;
    for (p = 0; p < t->point_count; p++)
        places_now[t->points[p].series] = 1;
    for (i = 0; i < before; i++) {
        series s = t->series[i];
        if (is_idle(t, &s, idle) && !places_now[i]) {
            mt_side_free(s.kind, s.side);
            continue;
        }
        memmove(t->keys.p + end, t->keys.p + s.key_at, s.key_len);
        s.key_at = end;
        end += s.key_len;
        places_now[i] = kept;
        t->series[kept++] = s;
    }
    t->count = kept;
    t->keys.n = end;
    for (p = 0; p < t->point_count; p++)
        t->points[p].series = places_now[t->points[p].series];
    free(places_now);
    if (kept < before) {
        memset(t->slots, 0, ((size_t)t->slot_mask + 1) * sizeof *t->slots);
        mt_reslot(t);
        mt_forget_raw(t);
    }
    return before - kept;
}
