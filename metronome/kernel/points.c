/* Points: gauges' samples with a time of their own, each kept for itself.
 *
 * They wait in the order in which they came.  When they are taken out, those of one series become
 * one row (rows.py has the rules): they are counted by series, laid side by side, and packed.
 */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_POINTS 65536 /* so much memory is kept whatever becomes of it */

/* The points of one series: how many, and where the next of them goes. */
typedef struct {
    uint32_t series, count;
    size_t at;
} bunch;

typedef struct {
    bunch *bunches;
    size_t count;
    moment *moments;
    buffer packed;
    buffer rows; /* of `packed_row` */
} gathering;

typedef struct {
    uint32_t series, count;
    size_t at, end; /* its first moment; where its pack ends */
} packed_row;

static int grow_points(table *t)
{
    size_t cap = t->point_cap ? 2 * t->point_cap : 256;
    point *points = realloc(t->points, cap * sizeof *points);
    if (!points)
        return -1;
    t->points = points;
    t->point_cap = cap;
    return 0;
}

static int grow_odds(table *t)
{
    size_t cap = t->odd_cap ? 2 * t->odd_cap : 256;
    odd_point *odds = realloc(t->odds, cap * sizeof *odds);
    if (!odds)
        return -1;
    t->odds = odds;
    t->odd_cap = cap;
    return 0;
}

/* Keep a sample that has its own time; 0 where there is no room. */
int mt_keep_any_point(table *t, uint32_t index, int64_t time_ms, double n, double d)
{
    int plain = t->series[index].kind == GAUGE && d == 1;
    if (t->point_count + t->odd_count >= POINTS_KEPT) {
        t->lane->tally.shed++;
        return 0;
    }
    if (plain ? t->point_count == t->point_cap && grow_points(t) < 0
              : t->odd_count == t->odd_cap && grow_odds(t) < 0) {
        t->failed = 1;
        return 0;
    }
    if (plain) {
        point p = {time_ms, n, index};
        t->points[t->point_count++] = p;
    } else {
        odd_point p = {time_ms, n, d, index};
        t->odds[t->odd_count++] = p;
    }
    return 1;
}

/* --- taking them out --- */

/* Count the points of each series; in the order in which the series came. */
static int count_by_series(table *t, gathering *g)
{
    size_t most = t->point_count < t->count ? t->point_count : t->count, i;
    if (t->row_cap < t->count) {
        uint32_t *row_of = calloc(t->cap, sizeof *row_of);
        if (!row_of)
            return -1;
        free(t->row_of);
        t->row_of = row_of;
        t->row_cap = t->cap;
    }
    g->bunches = malloc((most + 1) * sizeof *g->bunches);
    if (!g->bunches)
        return -1;
    for (i = 0; i < t->point_count; i++) {
        uint32_t series = t->points[i].series, row = t->row_of[series];
        if (!row) {
            bunch fresh = {series, 0, 0};
            g->bunches[g->count++] = fresh;
            row = t->row_of[series] = (uint32_t)g->count;
        }
        g->bunches[row - 1].count++;
    }
    return 0;
}

/* Lay the points of each series side by side, in the order in which they came. */
static int lay_by_series(table *t, gathering *g)
{
    size_t i, at = 0;
    g->moments = malloc((t->point_count + 1) * sizeof *g->moments);
    if (!g->moments)
        return -1;
    for (i = 0; i < g->count; i++) {
        g->bunches[i].at = at;
        at += g->bunches[i].count;
    }
    for (i = 0; i < t->point_count; i++) {
        const point *p = &t->points[i];
        moment *m = &g->moments[g->bunches[t->row_of[p->series] - 1].at++];
        m->time_ms = p->time_ms;
        m->n = p->n;
    }
    return 0;
}

static int is_ascending(const moment *m, size_t count)
{
    size_t i;
    for (i = 1; i < count; i++)
        if (m[i].time_ms < m[i - 1].time_ms)
            return 0;
    return 1;
}

static void merge_runs(const moment *from, moment *to, size_t left, size_t right, size_t end)
{
    size_t l = left, r = right, i;
    for (i = left; i < end; i++)
        to[i] = l < right && (r >= end || from[l].time_ms <= from[r].time_ms) ? from[l++] : from[r++];
}

/* Sort by time; what came later stays behind what came before at the same time. */
static int sort_moments(moment *m, size_t count)
{
    moment *other, *from = m, *to, *spare;
    size_t width, left;
    if (is_ascending(m, count))
        return 0;
    to = other = malloc(count * sizeof *other);
    if (!other)
        return -1;
    for (width = 1; width < count; width *= 2) {
        for (left = 0; left < count; left += 2 * width) {
            size_t right = left + width < count ? left + width : count;
            size_t end = right + width < count ? right + width : count;
            merge_runs(from, to, left, right, end);
        }
        spare = from;
        from = to;
        to = spare;
    }
    if (from != m)
        memcpy(m, from, count * sizeof *m);
    free(other);
    return 0;
}

/* Make rows of the points of a series, and packs of the rows that have more than one. */
static int pack_bunch(gathering *g, const bunch *b)
{
    size_t at = b->at - b->count;
    while (at < b->at) {
        packed_row row = {b->series, mt_pack_fits(&g->moments[at], b->at - at), at, 0};
        if (mt_reserve(&g->packed, PACK_ROOM(row.count)) < 0 || mt_reserve(&g->rows, sizeof row) < 0)
            return -1;
        if (row.count > 1)
            g->packed.n += mt_pack(&g->moments[at], row.count, g->packed.p + g->packed.n);
        row.end = g->packed.n;
        memcpy(g->rows.p + g->rows.n, &row, sizeof row);
        g->rows.n += sizeof row;
        at += row.count;
    }
    return 0;
}

static int pack_all(gathering *g)
{
    size_t i;
    for (i = 0; i < g->count; i++) {
        const bunch *b = &g->bunches[i];
        if (sort_moments(&g->moments[b->at - b->count], b->count) < 0 || pack_bunch(g, b) < 0)
            return -1;
    }
    return 0;
}

static size_t rows_of(const gathering *g)
{
    return g->rows.n / sizeof(packed_row);
}

static packed_row row_at(const gathering *g, size_t row)
{
    packed_row found;
    memcpy(&found, g->rows.p + row * sizeof found, sizeof found);
    return found;
}

static void put_moments(const flush_arrays *a, size_t row, const moment *m, uint32_t count)
{
    double low = m[0].n, high = m[0].n;
    uint32_t i;
    for (i = 1; i < count; i++) {
        low = m[i].n < low ? m[i].n : low;
        high = m[i].n > high ? m[i].n : high;
    }
    a->times[row] = m[count - 1].time_ms;
    a->n[row] = m[count - 1].n;
    a->low[row] = low;
    a->high[row] = high;
    a->d[row] = 1;
    a->counts[row] = count;
    a->periods[row] = a->squares[row] = 0;
}

static void put_packed(table *t, const harvest *h, size_t row, const gathering *g, row_places *at)
{
    packed_row r = row_at(g, row);
    mt_put_head(t, &t->series[r.series], &h->arrays, row, at);
    t->series[r.series].used = t->flushes + 1;
    put_moments(&h->arrays, row, &g->moments[r.at], r.count);
    if (h->sizes.packs)
        h->arrays.pack_ends[row] = (uint32_t)r.end;
}

static void put_odd(table *t, const harvest *h, size_t row, const odd_point *p, row_places *at)
{
    const flush_arrays *a = &h->arrays;
    mt_put_head(t, &t->series[p->series], a, row, at);
    t->series[p->series].used = t->flushes + 1;
    a->times[row] = p->time_ms;
    a->periods[row] = a->squares[row] = 0;
    a->counts[row] = 1;
    a->n[row] = a->low[row] = a->high[row] = p->n;
    a->d[row] = p->d;
    if (h->sizes.packs)
        a->pack_ends[row] = (uint32_t)h->sizes.packs;
}

static void measure_all(const table *t, const gathering *g, flush_sizes *z)
{
    size_t i;
    memset(z, 0, sizeof *z);
    z->rows = rows_of(g) + t->odd_count + t->late_count;
    z->packs = g->packed.n;
    for (i = 0; i < rows_of(g); i++)
        z->keys += t->series[row_at(g, i).series].key_len;
    for (i = 0; i < t->odd_count; i++)
        z->keys += t->series[t->odds[i].series].key_len;
    for (i = 0; i < t->late_count; i++)
        z->keys += t->series[t->lates[i].series].key_len;
}

static void put_all(table *t, const gathering *g, const harvest *h)
{
    row_places at;
    size_t i, row;
    memset(&at, 0, sizeof at);
    for (row = 0; row < rows_of(g); row++)
        put_packed(t, h, row, g, &at);
    for (i = 0; i < t->odd_count; i++)
        put_odd(t, h, row++, &t->odds[i], &at);
    for (i = 0; i < t->late_count; i++, row++) {
        mt_put_late(t, &h->arrays, row, &t->lates[i], &at);
        if (h->sizes.packs)
            h->arrays.pack_ends[row] = (uint32_t)h->sizes.packs;
    }
    if (h->sizes.packs)
        memcpy(h->arrays.packs, g->packed.p, h->sizes.packs);
}

/* Give memory back that a burst has taken and that was hardly used since. */
static void shrink_points(table *t)
{
    size_t cap = t->point_cap / 2;
    point *points;
    if (t->point_cap <= LEAST_POINTS || t->point_count > t->point_cap / 8)
        return;
    points = realloc(t->points, cap * sizeof *points);
    if (points) {
        t->points = points;
        t->point_cap = cap;
    }
}

/* Write the rows of all points and late parts, and forget these.  -1 without memory: nothing has changed. */
int mt_harvest_points(table *t, harvest *out)
{
    gathering g;
    size_t i;
    int failed;
    memset(&g, 0, sizeof g);
    failed = count_by_series(t, &g) < 0 || lay_by_series(t, &g) < 0 || pack_all(&g) < 0;
    for (i = 0; i < g.count; i++)
        t->row_of[g.bunches[i].series] = 0;
    if (!failed) {
        measure_all(t, &g, &out->sizes);
        failed = mt_lay_out(out) < 0;
    }
    if (!failed) {
        put_all(t, &g, out);
        shrink_points(t);
        t->point_count = t->odd_count = 0;
        t->late_count = 0;
        t->late_samples = 0;
        mt_late_relay(t);
    }
    free(g.bunches);
    free(g.moments);
    free(g.packed.p);
    free(g.rows.p);
    return failed ? -1 : 0;
}
