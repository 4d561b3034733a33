/* Merging what another table gave out into this one.  The rules and the order are merging.py's. */
#include "kernel.h"

typedef struct {
    size_t from, to;
} range;

/* Where a row of a ragged array begins and ends; nothing where no row has anything. */
static range range_of(const uint32_t *ends, size_t row)
{
    range r = {0, 0};
    if (ends) {
        r.from = row ? ends[row - 1] : 0;
        r.to = ends[row];
    }
    return r;
}

static void merge_gauge(const table *t, series *s, const flush_arrays *a, size_t row)
{
    gauge *g = s->side;
    if (a->d[row] != 0) {
        if (t->relative && s->d == 0)
            g->low = g->high = a->n[row];
        mt_widen(&g->low, &g->high, s->count, a->low[row]);
        mt_widen(&g->low, &g->high, 1, a->high[row]);
        s->n = a->n[row];
    } else {
        mt_widen(&g->low, &g->high, s->count, mt_within(s->n + a->low[row]));
        mt_widen(&g->low, &g->high, 1, mt_within(s->n + a->high[row]));
        s->n = mt_within(s->n + a->n[row]);
    }
    if (!t->relative || a->d[row] != 0)
        s->d = 1;
    s->flags |= S_HELD;
}

static int merge_timer(const table *t, series *s, const flush_arrays *a, size_t row)
{
    timer *m = s->side;
    range samples = range_of(a->sample_ends, row), bins = range_of(a->bin_ends, row);
    size_t i;
    for (i = samples.from; i < samples.to; i++)
        if (mt_timer_keep(t, m, a->samples[i], a->weights ? a->weights[i] : 1) < 0)
            return -1;
    if (bins.from < bins.to && mt_timer_to_bins(t, m) < 0)
        return -1;
    for (i = bins.from; i < bins.to; i++)
        if (mt_bin_add(m, a->bins[i], a->bin_counts[i]) < 0)
            return -1;
    mt_widen(&m->low, &m->high, s->count, a->low[row]);
    mt_widen(&m->low, &m->high, 1, a->high[row]);
    s->n = mt_within(s->n + a->n[row]);
    s->d = mt_within(s->d + a->d[row]);
    m->squares = mt_within(m->squares + a->squares[row]);
    return 0;
}

static int merge_set(const table *t, series *s, const flush_arrays *a, size_t row)
{
    set *m = s->side;
    range hashes = range_of(a->hash_ends, row), registers = range_of(a->register_ends, row);
    size_t i;
    if (registers.from < registers.to) {
        if (mt_set_to_registers(m) < 0)
            return -1;
        for (i = 0; i < REGISTERS; i++)
            if (m->registers[i] < a->registers[registers.from + i])
                m->registers[i] = a->registers[registers.from + i];
    }
    for (i = hashes.from; i < hashes.to; i++)
        if (mt_set_join(t, m, a->hashes[i]) < 0)
            return -1;
    s->d = 1;
    return 0;
}

static int merge_row(const table *t, series *s, const flush_arrays *a, size_t row)
{
    if (s->kind == TIMER)
        return merge_timer(t, s, a, row);
    if (s->kind == SET)
        return merge_set(t, s, a, row);
    if (s->kind == GAUGE) {
        merge_gauge(t, s, a, row);
        return 0;
    }
    s->n = mt_within(s->n + a->n[row]);
    s->d = mt_within(s->d + a->d[row]);
    return 0;
}

/* Refuse a row with all its samples. */
static void refuse(table *t, int reason, const flush_arrays *a, size_t row, range key)
{
    mt_reject(t, reason, a->keys + key.from, key.to - key.from);
    t->lane->tally.rejected[reason] += a->counts[row] - 1;
}

static uint64_t merge_into(table *t, series *s, const flush_arrays *a, size_t row)
{
    if (merge_row(t, s, a, row) < 0) {
        t->failed = 1;
        return 0;
    }
    s->count += a->counts[row];
    s->used = t->flushes + 1;
    t->folded += a->counts[row];
    return a->counts[row];
}

/* Keep a point, or those of a pack; how many found room. */
static uint64_t merge_points(table *t, uint32_t index, const flush_arrays *a, size_t row)
{
    moment moments[POINTS_PER_PACK];
    range packed = range_of(a->pack_ends, row);
    uint32_t count, i;
    uint64_t kept = 0;
    if (packed.from == packed.to)
        return (uint64_t)mt_keep_any_point(t, index, a->times[row], a->n[row], a->d[row]);
    count = mt_unpack(a->packs + packed.from, packed.to - packed.from, moments);
    for (i = 0; i < count; i++)
        kept += (uint64_t)mt_keep_point(t, index, moments[i].time_ms, moments[i].n);
    return kept;
}

/* Take one row in; how many samples. */
static uint64_t merge_one(table *t, const flush_arrays *a, size_t row)
{
    range key = range_of(a->key_ends, row);
    uint32_t index = mt_intern(t, a->keys + key.from, key.to - key.from);
    char kind = a->keys[key.from];
    int is_point, is_late;
    uint64_t taken;
    series *s;
    is_point = a->periods[row] == 0 && (kind == 'c' || kind == 'g');
    if (index != NO_MEMORY && NO_PLACE(index) && !is_point)
        index = mt_intern_other(t, a->keys + key.from, key.to - key.from, index);
    if (index == NO_MEMORY)
        return 0;
    if (NO_PLACE(index)) {
        refuse(t, WHY_TOO_MANY_SERIES, a, row, key);
        return 0;
    }
    s = &t->series[index];
    if (is_point)
        return merge_points(t, index, a, row);
    is_late = a->times[row] && a->times[row] != t->open_ms && (kind == 'c' || kind == 'g');
    if (is_late && !mt_is_timely(t, (double)a->times[row] / 1000)) {
        refuse(t, WHY_BAD_TIME, a, row, key);
        return 0;
    }
    taken = is_late ? mt_merge_late(t, index, a, row) : merge_into(t, s, a, row);
    if (s->flags & S_OTHER)
        t->lane->tally.overflowed += taken;
    return taken;
}

/* Merge rows whose arrays were checked to fit each other; how many samples were taken in. */
uint64_t mt_merge(table *t, const flush_arrays *a, size_t rows)
{
    uint64_t taken = 0;
    size_t row;
    for (row = 0; row < rows; row++)
        taken += merge_one(t, a, row);
    t->lane->tally.samples += taken;
    return taken;
}
