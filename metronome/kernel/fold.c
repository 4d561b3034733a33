/* Folding one sample into one series.  The arithmetic, and its order, is that of cells.py. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SAMPLES 4
#define FIRST_MEMBERS 8
#define BIN_MARGIN 32

void *mt_side_new(int kind)
{
    return calloc(1, kind == GAUGE ? sizeof(gauge) : kind == TIMER ? sizeof(timer) : sizeof(set));
}

void mt_side_free(int kind, void *side)
{
    if (side && kind == TIMER) {
        timer *t = side;
        free(t->samples);
        free(t->weights);
        free(t->bins);
    } else if (side && kind == SET) {
        set *s = side;
        free(s->members);
        free(s->registers);
    }
    free(side);
}

static void timer_reset(timer *t, int used)
{
    free(t->bins);
    t->bins = NULL;
    free(t->weights);
    t->weights = NULL;
    t->weight_cap = t->count = 0;
    t->squares = 0;
    if (!used) {
        free(t->samples);
        t->samples = NULL;
        t->cap = 0;
    }
}

static void set_reset(set *s, int used)
{
    free(s->registers);
    s->registers = NULL;
    if (!used) {
        free(s->members);
        s->members = NULL;
        s->cap = 0;
    } else if (s->members) {
        memset(s->members, 0, s->cap * sizeof *s->members);
    }
    s->count = 0;
    s->has_zero = 0;
}

/* Begin the next period.  What was not used in this one gives its memory back. */
void mt_side_reset(int kind, void *side, int used)
{
    if (side && kind == TIMER)
        timer_reset(side, used);
    else if (side && kind == SET)
        set_reset(side, used);
}

int mt_sketch_bin(const table *t, double value)
{
    double size = fabs(value);
    int index;
    if (size < SKETCH_SMALLEST)
        return 0;
    if (size > SKETCH_LARGEST)
        size = SKETCH_LARGEST;
    index = (int)ceil(log(size) / t->ln_gamma) + SKETCH_OFFSET;
    return value > 0 ? index : -index;
}

static int fold_gauge(const table *t, series *s, const item *i)
{
    gauge *g = s->side;
    if (t->relative && !i->delta && s->d == 0)
        g->low = g->high = i->value; /* the extremes so far were those of changes */
    s->n = i->delta ? mt_within(s->n + i->value) : i->value;
    s->flags |= S_HELD;
    mt_widen(&g->low, &g->high, s->count, s->n);
    if (!t->relative || !i->delta)
        s->d = 1;
    s->count++;
    return 0;
}

/* Add to a timer's bin; -1 without memory. */
int mt_bin_add(timer *m, int bin, double weight)
{
    int first = m->bin_first, last = first + m->bin_count;
    if (!m->bins || bin < first || bin >= last) {
        int from = !m->bins || bin < first ? bin - BIN_MARGIN : first;
        int to = !m->bins || bin >= last ? bin + 1 + BIN_MARGIN : last;
        double *bins = calloc((size_t)(to - from), sizeof *bins);
        if (!bins)
            return -1;
        if (m->bins)
            memcpy(bins + (first - from), m->bins, (size_t)m->bin_count * sizeof *bins);
        free(m->bins);
        m->bins = bins;
        m->bin_first = from;
        m->bin_count = to - from;
    }
    m->bins[bin - m->bin_first] = mt_within(m->bins[bin - m->bin_first] + weight);
    return 0;
}

/* Make room for one more exact sample, and for weights once they are not all 1. */
static int sample_room(timer *m, double weight)
{
    uint32_t i;
    if (m->count == m->cap) {
        uint32_t cap = m->cap ? 2 * m->cap : FIRST_SAMPLES;
        double *samples = realloc(m->samples, cap * sizeof *samples);
        if (!samples)
            return -1;
        m->samples = samples;
        m->cap = cap;
    }
    if ((m->weights || weight != 1) && m->weight_cap < m->cap) {
        double *weights = realloc(m->weights, m->cap * sizeof *weights);
        if (!weights)
            return -1;
        for (i = m->weights ? m->count : 0; i < m->count; i++)
            weights[i] = 1;
        m->weights = weights;
        m->weight_cap = m->cap;
    }
    return 0;
}

/* Turn what samples there are into bins; -1 without memory. */
int mt_timer_to_bins(const table *t, timer *m)
{
    uint32_t i;
    if (m->bins)
        return 0;
    for (i = 0; i < m->count; i++)
        if (mt_bin_add(m, mt_sketch_bin(t, m->samples[i]), m->weights ? m->weights[i] : 1) < 0)
            return -1;
    m->count = 0;
    return 0;
}

/* Keep one value of a timer, exactly while there is room for it; -1 without memory. */
int mt_timer_keep(const table *t, timer *m, double value, double weight)
{
    if (!m->bins && m->count < t->timer_samples) {
        if (sample_room(m, weight) < 0)
            return -1;
        if (m->weights)
            m->weights[m->count] = weight;
        m->samples[m->count++] = value;
        return 0;
    }
    if (mt_timer_to_bins(t, m) < 0)
        return -1;
    return mt_bin_add(m, mt_sketch_bin(t, value), weight);
}

static int fold_timer(const table *t, series *s, double value, double rate)
{
    timer *m = s->side;
    if (mt_timer_keep(t, m, value, 1 / rate) < 0)
        return -1;
    mt_widen(&m->low, &m->high, s->count, value);
    s->n = mt_within(s->n + value / rate);
    s->d = mt_within(s->d + 1 / rate);
    m->squares = mt_within(m->squares + value * value / rate);
    s->count++;
    return 0;
}

static void set_register(set *s, uint64_t hash)
{
    uint64_t rest = hash << 12;
    int rank = 1;
    while (rank < 53 && !(rest >> 63)) {
        rest <<= 1;
        rank++;
    }
    if (s->registers[hash >> 52] < rank)
        s->registers[hash >> 52] = (uint8_t)rank;
}

/* Put a hash where it belongs; 1 when it is new.  The seed keeps senders from choosing places. */
static int set_place(const table *t, uint64_t *members, uint32_t cap, uint64_t hash)
{
    uint32_t at = (uint32_t)((hash * (t->seed | 1)) >> 40) & (cap - 1);
    while (members[at]) {
        if (members[at] == hash)
            return 0;
        at = (at + 1) & (cap - 1);
    }
    members[at] = hash;
    return 1;
}

static int set_grow(const table *t, set *s)
{
    uint32_t cap = s->cap ? 2 * s->cap : FIRST_MEMBERS, i;
    uint64_t *members = calloc(cap, sizeof *members);
    if (!members)
        return -1;
    for (i = 0; i < s->cap; i++)
        if (s->members[i])
            set_place(t, members, cap, s->members[i]);
    free(s->members);
    s->members = members;
    s->cap = cap;
    return 0;
}

/* Turn what members there are into registers; -1 without memory. */
int mt_set_to_registers(set *s)
{
    uint32_t i;
    if (s->registers)
        return 0;
    s->registers = calloc(REGISTERS, 1);
    if (!s->registers)
        return -1;
    if (s->has_zero)
        set_register(s, 0);
    for (i = 0; i < s->cap; i++)
        if (s->members[i])
            set_register(s, s->members[i]);
    free(s->members);
    s->members = NULL;
    s->cap = s->count = 0;
    s->has_zero = 0;
    return 0;
}

/* Take a member's hash into a set; -1 without memory. */
int mt_set_join(const table *t, set *m, uint64_t hash)
{
    if (m->registers) {
        set_register(m, hash);
        return 0;
    }
    if (4 * (m->count + 1) > 3 * m->cap && set_grow(t, m) < 0)
        return -1;
    if (!hash && !m->has_zero)
        m->has_zero = 1;
    else if (hash && set_place(t, m->members, m->cap, hash))
        m->count++;
    return m->count + (uint32_t)m->has_zero > t->set_members ? mt_set_to_registers(m) : 0;
}

static int fold_set(const table *t, series *s, slice member)
{
    if (mt_set_join(t, s->side, mt_hash64(member.p, member.n)) < 0)
        return -1;
    s->d = 1;
    s->count++;
    return 0;
}

/* Say how far a counter is; -1 without memory. */
int mt_set_total(table *t, series *s, double total)
{
    double *last = s->side;
    if (!last && !(last = s->side = malloc(sizeof *last)))
        return -1;
    *last = total;
    s->flags |= S_HELD;
    t->totals = 1;
    return 0;
}

/* Fold one running total of a counter. */
static int grow(table *t, series *s, double total, double rate)
{
    const double *last = s->side;
    double before = s->flags & S_HELD ? *last : 0;
    int counts = s->flags & S_HELD && !(s->flags & S_OTHER);
    if (mt_set_total(t, s, total) < 0)
        return -1;
    if (counts)
        s->n = mt_within(s->n + (total >= before ? total - before : total));
    s->d = mt_within(s->d + 1 / rate);
    s->count++;
    return 0;
}

/* Fold one sample; -1 without memory. */
int mt_fold(table *t, series *s, const item *i, double rate)
{
    switch (s->kind) {
    case GAUGE:
        return fold_gauge(t, s, i);
    case TIMER:
        return fold_timer(t, s, i->value, rate);
    case SET:
        return fold_set(t, s, i->member);
    }
    if (i->total)
        return grow(t, s, i->value / rate, rate);
    s->n = mt_within(s->n + i->value / rate);
    s->d = mt_within(s->d + 1 / rate);
    s->count++;
    return 0;
}

/* The distinct count: exact, or HyperLogLog's estimate from the registers. */
double mt_set_size(const set *s)
{
    double total = 0, raw;
    int i, empty = 0;
    if (!s->registers)
        return s->count + (uint32_t)s->has_zero;
    for (i = 0; i < REGISTERS; i++) {
        total += ldexp(1, -s->registers[i]);
        empty += !s->registers[i];
    }
    raw = 0.7213 / (1 + 1.079 / REGISTERS) * REGISTERS * REGISTERS / total;
    if (raw <= 2.5 * REGISTERS && empty)
        return REGISTERS * log((double)REGISTERS / empty);
    return raw;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Write the exact members, ascending; how many. */
uint32_t mt_set_members(const set *s, uint64_t *out)
{
    uint32_t i, count = 0;
    if (s->has_zero)
        out[count++] = 0;
    for (i = 0; i < s->cap; i++)
        if (s->members[i])
            out[count++] = s->members[i];
    qsort(out, count, sizeof *out, by_value);
    return count;
}
