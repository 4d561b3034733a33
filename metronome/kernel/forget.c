/* Forgetting series: those that are idle, and those that somebody names. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

static int is_idle(const table *t, const series *s, uint32_t idle)
{
    return !s->count && (int64_t)t->flushes - (int64_t)s->used >= (int64_t)idle;
}

/* Take the marked series out of the table, but for those that a point waits for; how many. */
static uint32_t take_out(table *t, uint32_t *marks)
{
    uint32_t i, kept = 0, before = t->count;
    size_t p, end = 0;
    for (p = 0; p < t->point_count; p++)
        marks[t->points[p].series] = 0;
    for (p = 0; p < t->odd_count; p++)
        marks[t->odds[p].series] = 0;
    for (p = 0; p < t->late_count; p++)
        marks[t->lates[p].series] = 0;
    for (i = 0; i < before; i++) {
        series s = t->series[i];
        if (marks[i]) {
            mt_side_free(s.kind, s.side);
            continue;
        }
        memmove(t->keys.p + end, t->keys.p + s.key_at, s.key_len);
        s.key_at = (uint32_t)end;
        end += s.key_len;
        marks[i] = kept;
        t->series[kept++] = s;
    }
    t->count = kept;
    t->keys.n = end;
    for (p = 0; p < t->point_count; p++)
        t->points[p].series = marks[t->points[p].series];
    for (p = 0; p < t->odd_count; p++)
        t->odds[p].series = marks[t->odds[p].series];
    for (p = 0; p < t->late_count; p++)
        t->lates[p].series = marks[t->lates[p].series];
    if (kept < before) {
        mt_late_relay(t);
        mt_guard_recount(t);
        memset(t->slots, 0, ((size_t)t->slot_mask + 1) * sizeof *t->slots);
        mt_reslot(t);
        mt_forget_raw(t);
    }
    return before - kept;
}

/* Forget series that got nothing in the last flushes and have no point waiting; how many. */
uint32_t mt_prune(table *t, uint32_t idle)
{
    uint32_t *marks = calloc((size_t)t->count + 1, sizeof *marks), i, gone;
    if (!marks)
        return 0;
    for (i = 0; i < t->count; i++)
        marks[i] = (uint32_t)is_idle(t, &t->series[i], idle);
    gone = take_out(t, marks);
    free(marks);
    return gone;
}

/* Empty a series: what it had folded counts as forgotten. */
static void empty(table *t, series *s)
{
    t->folded -= s->count;
    t->lane->tally.forgotten += s->count;
    if (s->side)
        mt_side_reset(s->kind, s->side, 0);
    s->flags &= (uint8_t)~S_HELD;
    s->count = 0;
    s->n = s->d = 0;
}

/* Forget series by key (each behind its length); how many were known, -1 without memory. */
long mt_forget(table *t, const char *keys, size_t n)
{
    uint32_t *marks = calloc((size_t)t->count + 1, sizeof *marks);
    const char *end = keys + n;
    long known = 0;
    if (!marks)
        return -1;
    while (keys < end) {
        uint32_t length, index;
        memcpy(&length, keys, sizeof length);
        keys += sizeof length;
        index = mt_find(t, keys, length);
        keys += length;
        if (index == UINT32_MAX || marks[index])
            continue;
        empty(t, &t->series[index]);
        marks[index] = 1;
        known++;
    }
    if (known)
        take_out(t, marks);
    free(marks);
    return known;
}
