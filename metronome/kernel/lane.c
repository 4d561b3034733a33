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
        free(l->reject_chains);
        free(l->events.p);
        free(l->event_ends);
    }
    free(l);
}

static uint16_t *chain_of(const lane *l, uint64_t hash)
{
    return &l->reject_chains[hash & (REJECT_CHAINS - 1)];
}

static reject *find_kept(const lane *l, const reject *wanted)
{
    uint16_t at = *chain_of(l, wanted->hash);
    while (at) {
        reject *r = &l->rejects[at - 1];
        if (r->hash == wanted->hash && r->reason == wanted->reason && r->key_length == wanted->key_length &&
            !memcmp(r->text, wanted->text, r->key_length) && mt_same_address(&r->sender, &wanted->sender))
            return r;
        at = r->next;
    }
    return NULL;
}

/* The oldest gives way: take it out of its chain. */
static uint32_t make_way(lane *l)
{
    uint32_t at = l->reject_first;
    uint16_t *link = chain_of(l, l->rejects[at].hash);
    while (*link != at + 1)
        link = &l->rejects[*link - 1].next;
    *link = l->rejects[at].next;
    l->reject_first = (at + 1) % REJECTS_KEPT;
    return at;
}

static int reject_room(lane *l)
{
    if (!l->rejects)
        l->rejects = malloc(REJECTS_KEPT * sizeof *l->rejects);
    if (!l->reject_chains)
        l->reject_chains = calloc(REJECT_CHAINS, sizeof *l->reject_chains);
    return l->rejects && l->reject_chains;
}

static size_t cut(size_t n)
{
    return n < EXCERPT_BYTES ? n : EXCERPT_BYTES;
}

/* Keep a line, or count it where one that begins with the same `key` bytes is kept; which it is, or
 * NULL without memory. */
static reject *keep(table *t, int reason, const char *p, size_t n, size_t key)
{
    lane *l = t->lane;
    uint32_t at;
    reject r, *known;
    uint16_t *chain;
    if (!reject_room(l))
        return NULL;
    if (!l->round)
        l->round = ++t->rounds;
    memset(&r, 0, sizeof r);
    r.sender = t->sender;
    r.reason = (uint8_t)reason;
    r.number = 1;
    r.length = (uint8_t)cut(n);
    r.key_length = (uint8_t)cut(key);
    memcpy(r.text, p, r.length);
    r.hash = mt_hash64(r.text, r.key_length) + (uint64_t)reason;
    if ((known = find_kept(l, &r))) {
        known->number += known->number != UINT32_MAX;
        return known;
    }
    at = l->reject_count == REJECTS_KEPT ? make_way(l) : l->reject_count++;
    chain = chain_of(l, r.hash);
    r.next = *chain;
    *chain = (uint16_t)(at + 1);
    l->rejects[at] = r;
    return &l->rejects[at];
}

/* Count a refused line, and keep it unless an equal one is kept; the oldest gives way. */
void mt_reject(table *t, int reason, const char *p, size_t n)
{
    if (reason == WHY_MEMORY) {
        t->failed = 1;
        return;
    }
    t->lane->tally.rejected[reason]++;
    keep(t, reason, p, n, n);
}

/* Whether the line that was kept for a spot is there still, and its sender's. */
static int is_noted(const table *t, const spot *where)
{
    const lane *l = t->lane;
    const reject *r;
    if (!where->round || where->round != l->round)
        return 0;
    r = &l->rejects[where->note];
    return r->hash == where->note_hash && r->reason == WHY_UNMAPPED &&
           mt_same_address(&r->sender, &t->sender);
}

/* Count a line whose name no mapping rule takes, and keep the first with this name.  What is kept is
 * remembered with the name's spot, so that it need not be looked for. */
void mt_note_unmapped(table *t, const char *p, size_t n, spot *where)
{
    const char *colon;
    reject *kept;
    t->lane->tally.unmapped++;
    if (is_noted(t, where)) {
        kept = &t->lane->rejects[where->note];
        kept->number += kept->number != UINT32_MAX;
        return;
    }
    colon = memchr(p, ':', n);
    if (!(kept = keep(t, WHY_UNMAPPED, p, n, colon ? (size_t)(colon - p) : n)))
        return;
    where->note = (uint32_t)(kept - t->lane->rejects);
    where->note_hash = kept->hash;
    where->round = t->lane->round;
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
    out->reject_chains = from->reject_chains;
    out->reject_first = from->reject_first;
    out->reject_count = from->reject_count;
    from->rejects = NULL;
    from->reject_chains = NULL;
    from->reject_first = from->reject_count = 0;
    from->round = 0;
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
