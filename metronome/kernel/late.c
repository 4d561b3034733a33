/* Samples with a time of their own: further parts of the periods they belong to.  late.py has the rules. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* When the period of a time began. */
static int64_t start_of(const table *t, int64_t time_ms)
{
    int64_t into = time_ms % t->period_ms;
    return time_ms - (into < 0 ? into + t->period_ms : into);
}

/* Whether a time is near enough to the open period to be taken in. */
int mt_is_timely(const table *t, double seconds)
{
    int64_t start = start_of(t, (int64_t)rint(seconds * 1000));
    return !t->open_ms || (start >= t->open_ms - t->late_ms && start <= t->open_ms + t->early_ms);
}

static uint32_t *slot_of(const table *t, uint32_t series, int64_t start_ms)
{
    uint64_t mixed = ((uint64_t)start_ms * 0x9e3779b97f4a7c15ULL ^ series) * 0xd6e8feb86659fd93ULL;
    uint32_t at = (uint32_t)(mixed >> 32) & t->late_mask;
    while (t->late_slots[at]) {
        const late_part *p = &t->lates[t->late_slots[at] - 1];
        if (p->series == series && p->start_ms == start_ms)
            break;
        at = (at + 1) & t->late_mask;
    }
    return &t->late_slots[at];
}

/* Lay all parts into the slots again, after their series were numbered anew or the slots have grown. */
void mt_late_relay(table *t)
{
    uint32_t i;
    if (!t->late_slots)
        return;
    memset(t->late_slots, 0, ((size_t)t->late_mask + 1) * sizeof *t->late_slots);
    for (i = 0; i < t->late_count; i++)
        *slot_of(t, t->lates[i].series, t->lates[i].start_ms) = i + 1;
}

static int grow(table *t)
{
    uint32_t cap = t->late_cap ? 2 * t->late_cap : 256;
    late_part *lates = realloc(t->lates, cap * sizeof *lates);
    uint32_t *slots;
    if (!lates)
        return -1;
    t->lates = lates;
    slots = realloc(t->late_slots, 2 * (size_t)cap * sizeof *slots);
    if (!slots)
        return -1;
    t->late_slots = slots;
    t->late_mask = 2 * cap - 1;
    t->late_cap = cap;
    mt_late_relay(t);
    return 0;
}

static late_part *part_of(table *t, uint32_t series, int64_t start_ms)
{
    uint32_t *slot;
    late_part *p;
    if (t->late_slots && *(slot = slot_of(t, series, start_ms)))
        return &t->lates[*slot - 1];
    if (t->late_count == LATE_PARTS) {
        t->lane->tally.shed++;
        return NULL;
    }
    if (t->late_count == t->late_cap && grow(t) < 0) {
        t->failed = 1;
        return NULL;
    }
    p = &t->lates[t->late_count++];
    memset(p, 0, sizeof *p);
    p->series = series;
    p->start_ms = start_ms;
    *slot_of(t, series, start_ms) = t->late_count;
    return p;
}

/* Fold a sample of a counter (n, d) or gauge (n) into the period of its time; 0: no room. */
int mt_fold_late(table *t, uint32_t index, int64_t time_ms, double n, double d)
{
    late_part *p = part_of(t, index, start_of(t, time_ms));
    if (!p)
        return 0;
    if (t->series[index].kind == GAUGE) {
        if (!p->count || time_ms >= p->latest) {
            p->n = n;
            p->latest = time_ms;
        }
        mt_widen(&p->low, &p->high, p->count, n);
        p->d = 1;
    } else {
        p->n = mt_within(p->n + n);
        p->d = mt_within(p->d + d);
        p->low = p->high = p->n;
    }
    p->count++;
    t->late_samples++;
    t->series[index].used = t->flushes + 1;
    return 1;
}

/* Fold another table's part of a period that is not the open one; the number of samples taken in. */
uint64_t mt_merge_late(table *t, uint32_t index, const flush_arrays *a, size_t row)
{
    late_part *p = part_of(t, index, start_of(t, a->times[row]));
    if (!p)
        return 0;
    if (t->series[index].kind == GAUGE) {
        mt_widen(&p->low, &p->high, p->count, a->low[row]);
        mt_widen(&p->low, &p->high, 1, a->high[row]);
        if (!p->count || a->times[row] >= p->latest) {
            p->n = a->n[row];
            p->latest = a->times[row];
        }
        p->d = 1;
    } else {
        p->n = mt_within(p->n + a->n[row]);
        p->d = mt_within(p->d + a->d[row]);
        p->low = p->high = p->n;
    }
    p->count += a->counts[row];
    t->late_samples += a->counts[row];
    t->series[index].used = t->flushes + 1;
    return a->counts[row];
}
