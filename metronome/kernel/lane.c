/* A way in with its own books: what it brought, what of it was refused, its events. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

lane *mt_lane_make(void)
{
    return calloc(1, sizeof(lane));
}

void mt_lane_free(lane *l)
{
    if (l) {
        free(l->rejects);
        free(l->reject_hashes);
        free(l->events.p);
        free(l->event_ends);
    }
    free(l);
}

static int is_kept(const lane *l, uint64_t hash, const reject *wanted)
{
    uint32_t i;
    for (i = 0; i < l->reject_count; i++) {
        const reject *r = &l->rejects[i];
        if (l->reject_hashes[i] == hash && r->reason == wanted->reason && r->length == wanted->length &&
            !memcmp(r->text, wanted->text, r->length))
            return 1;
    }
    return 0;
}

static int reject_room(lane *l)
{
    if (!l->rejects)
        l->rejects = malloc(REJECTS_KEPT * sizeof *l->rejects);
    if (!l->reject_hashes)
        l->reject_hashes = malloc(REJECTS_KEPT * sizeof *l->reject_hashes);
    return l->rejects && l->reject_hashes;
}

/* Count a refused line, and keep it unless an equal one is kept; the oldest gives way. */
void mt_reject(table *t, int reason, const char *p, size_t n)
{
    lane *l = t->lane;
    reject r;
    uint64_t hash;
    uint32_t at;
    if (reason == WHY_MEMORY) {
        t->failed = 1;
        return;
    }
    l->tally.rejected[reason]++;
    if (!reject_room(l))
        return;
    r.sender = t->sender;
    r.reason = (uint8_t)reason;
    r.length = (uint8_t)(n < EXCERPT_BYTES ? n : EXCERPT_BYTES);
    memcpy(r.text, p, r.length);
    hash = mt_hash64(r.text, r.length) + (uint64_t)reason;
    if (is_kept(l, hash, &r))
        return;
    if (l->reject_count == REJECTS_KEPT) {
        at = l->reject_first;
        l->reject_first = (at + 1) % REJECTS_KEPT;
    } else {
        at = l->reject_count++;
    }
    l->rejects[at] = r;
    l->reject_hashes[at] = hash;
}

/* Keep a good event's line; 0 where there is no room. */
int mt_keep_event(table *t, const char *p, size_t n)
{
    lane *l = t->lane;
    if (l->event_count == EVENTS_WAITING || l->events.n + n > EVENT_BYTES_WAITING) {
        l->tally.shed++;
        return 0;
    }
    if (!l->event_ends)
        l->event_ends = malloc(EVENTS_WAITING * sizeof *l->event_ends);
    if (!l->event_ends || mt_reserve(&l->events, n) < 0) {
        t->failed = 1;
        return 0;
    }
    memcpy(l->events.p + l->events.n, p, n);
    l->events.n += n;
    l->event_ends[l->event_count++] = (uint32_t)l->events.n;
    l->tally.events++;
    return 1;
}

/* Move the rejects (or the events) into an empty lane, from which they can be read unlocked. */
void mt_lane_take_rejects(lane *from, lane *out)
{
    out->rejects = from->rejects;
    out->reject_hashes = from->reject_hashes;
    out->reject_first = from->reject_first;
    out->reject_count = from->reject_count;
    from->rejects = NULL;
    from->reject_hashes = NULL;
    from->reject_first = from->reject_count = 0;
}

void mt_lane_take_events(lane *from, lane *out)
{
    out->events = from->events;
    out->event_ends = from->event_ends;
    out->event_count = from->event_count;
    memset(&from->events, 0, sizeof from->events);
    from->event_ends = NULL;
    from->event_count = 0;
}
