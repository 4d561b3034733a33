/* Blocks of lines into the table.  This is the hot path.
 *
 * Which series a raw name belongs to is remembered under the bytes as sent: one open-addressing
 * look-up by name, tags, kind and dialect, and canonicalising happens only for what is new.  Most
 * names are the key of their series as they are.  Then the slot, which holds half the hash, says which
 * series that is, and in which dialect and kind (a flavour) the name is it; its bytes stand in the
 * series' key.  Every other name has a record in one arena (header and bytes together, so that a
 * hit costs one slot and one record), and the slot says where that is.  A record says which series it
 * is, or, where mapping rules have more to say of the name, which of the table's places.
 */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DROPPED UINT32_MAX /* the mapper does not want the name */
#define PLACED (1u << 31)  /* the number of a place, not of a series */
#define FIRST_RAW_SLOTS 2048
#define RAW_LENGTH 65534
/* The low half of a slot: where a record is, in eights, + 1; or this bit, a flavour's number, a series. */
#define IN_KEY (1u << 31)
#define SERIES_BITS 27
#define SERIES_MASK ((1u << SERIES_BITS) - 1)

typedef struct {
    uint32_t series;
    uint16_t name_len, tags_len, flavour;
} record; /* the name's and the tags' bytes follow */

#define RECORD_HEAD 10
#define FLAVOURS (sizeof ((table *)0)->flavours / sizeof(uint16_t))

static inline uint64_t load64(const char *p)
{
    uint64_t value;
    memcpy(&value, p, 8);
    return value;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    a = (a ^ (a >> 32)) * (b | 1);
    return a ^ (a >> 29);
#endif
}

static inline uint64_t hash_raw(uint64_t h, const char *p, size_t n)
{
    uint64_t tail = 0;
    h ^= n * 0x9e3779b97f4a7c15ULL;
    if (n >= 8) {
        const char *last = p + n - 8;
        for (; p < last; p += 8)
            h = mix(h ^ load64(p), 0xd6e8feb86659fd93ULL);
        tail = load64(last);
    } else if (n >= 4) {
        uint32_t low, high;
        memcpy(&low, p, 4);
        memcpy(&high, p + n - 4, 4);
        tail = (uint64_t)high << 32 | low;
    } else if (n) {
        tail = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[n >> 1] << 8 |
               (unsigned char)p[n - 1];
    }
    return mix(h ^ tail, 0xa0761d6478bd642fULL);
}

static inline int same_bytes(const char *a, const char *b, size_t n)
{
    if (n < 8)
        return !memcmp(a, b, n);
    while (n > 8) {
        if (load64(a) != load64(b))
            return 0;
        n -= 8;
        a += n < 8 ? n : 8; /* the last eight overlap those before */
        b += n < 8 ? n : 8;
        n = n < 8 ? 8 : n;
    }
    return load64(a) == load64(b);
}

/* Whether a series' key is its kind and this name. */
static inline int is_key(const table *t, uint32_t index, slice name)
{
    const series *s = &t->series[index];
    return s->key_len == name.n + 1 && same_bytes(t->keys.p + s->key_at + 1, name.p, name.n);
}

static inline const char *record_at(const table *t, uint32_t low)
{
    return t->raw.p + (size_t)(low - 1) * 8;
}

static inline int is_of(const record *r, const char *bytes, slice name, slice tags)
{
    return r->name_len == name.n && r->tags_len == tags.n && same_bytes(bytes, name.p, name.n) &&
           (!tags.n || same_bytes(bytes + name.n, tags.p, tags.n));
}

/* The series of a raw name; 0 where it is not known. */
static inline int find_raw(const table *t, uint64_t hash, slice name, slice tags, uint16_t flavour,
                           uint32_t *found)
{
    uint32_t half = (uint32_t)(hash >> 32), at = half & t->raw_mask;
    uint64_t slot;
    if (!t->raw_slots)
        return 0;
    while ((slot = t->raw_slots[at])) {
        uint32_t low = (uint32_t)slot;
        if ((uint32_t)(slot >> 32) == half && low & IN_KEY) {
            *found = low & SERIES_MASK;
            if (t->flavours[(low & ~IN_KEY) >> SERIES_BITS] == flavour && !tags.n && is_key(t, *found, name))
                return 1;
        } else if ((uint32_t)(slot >> 32) == half) {
            const char *p = record_at(t, low);
            record r;
            memcpy(&r, p, RECORD_HEAD);
            if (r.flavour == flavour && is_of(&r, p + RECORD_HEAD, name, tags)) {
                *found = r.series;
                return 1;
            }
        }
        at = (at + 1) & t->raw_mask;
    }
    return 0;
}

static int grow_raw(table *t)
{
    uint32_t count = t->raw_slots ? 2 * (t->raw_mask + 1) : FIRST_RAW_SLOTS, i;
    uint64_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return -1;
    for (i = 0; t->raw_slots && i <= t->raw_mask; i++) {
        uint32_t at = (uint32_t)(t->raw_slots[i] >> 32) & (count - 1);
        if (!t->raw_slots[i])
            continue;
        while (slots[at])
            at = (at + 1) & (count - 1);
        slots[at] = t->raw_slots[i];
    }
    free(t->raw_slots);
    t->raw_slots = slots;
    t->raw_mask = count - 1;
    return 0;
}

/* The number of a place that says more than the series; PLACED where there is no memory. */
static uint32_t keep_spot(table *t, const spot *p)
{
    if (t->spot_count == t->spot_cap) {
        uint32_t cap = t->spot_cap ? 2 * t->spot_cap : 256;
        spot *spots = cap < PLACED ? realloc(t->spots, cap * sizeof *spots) : NULL;
        if (!spots)
            return DROPPED;
        t->spots = spots;
        t->spot_cap = cap;
    }
    t->spots[t->spot_count] = *p;
    return PLACED | t->spot_count++;
}

/* Whether mapping rules say more of a raw name than which series it is. */
static int is_special(const spot *p, int kind)
{
    return p->ruled == UNRULED || (p->ruled == RULED && (p->factor != 1 || kind == TIMER));
}

/* The number of a flavour; FLAVOURS where there are more than can be told apart. */
static uint32_t flavour_number(table *t, uint16_t flavour)
{
    uint32_t number = 0;
    while (number < t->flavour_count && t->flavours[number] != flavour)
        number++;
    if (number == t->flavour_count && number < FLAVOURS)
        t->flavours[t->flavour_count++] = flavour;
    return number;
}

/* What a slot says of a name that is its series' key as it is; 0 where it cannot. */
static uint32_t said_in_slot(table *t, slice name, slice tags, uint16_t flavour, uint32_t index)
{
    uint32_t number;
    if (tags.n || index > SERIES_MASK || !is_key(t, index, name))
        return 0;
    number = flavour_number(t, flavour);
    return number == FLAVOURS ? 0 : IN_KEY | number << SERIES_BITS | index;
}

/* The same of a record, which is made; 0 without memory. */
static uint32_t said_in_record(table *t, slice name, slice tags, uint16_t flavour, uint32_t index)
{
    size_t length = (RECORD_HEAD + name.n + tags.n + 7) & ~(size_t)7;
    record r = {index, (uint16_t)name.n, (uint16_t)tags.n, flavour};
    char *p;
    if (name.n > RAW_LENGTH || tags.n > RAW_LENGTH || t->raw.n / 8 >= IN_KEY - 2)
        return 0;
    if (mt_reserve(&t->raw, length) < 0)
        return 0;
    p = t->raw.p + t->raw.n;
    memcpy(p, &r, RECORD_HEAD);
    memcpy(p + RECORD_HEAD, name.p, name.n);
    if (tags.n)
        memcpy(p + RECORD_HEAD + name.n, tags.p, tags.n);
    t->raw.n += length;
    return (uint32_t)((t->raw.n - length) / 8 + 1);
}

/* Remember the series of a raw name.  Without memory it is simply worked out again. */
static void remember(table *t, uint64_t hash, slice name, slice tags, uint16_t flavour, uint32_t index)
{
    uint32_t half = (uint32_t)(hash >> 32), said, at;
    if ((!t->raw_slots || 5 * (uint64_t)(t->raw_count + 1) > 4 * (uint64_t)t->raw_mask) && grow_raw(t) < 0)
        return;
    if (!(said = said_in_slot(t, name, tags, flavour, index)) &&
        !(said = said_in_record(t, name, tags, flavour, index)))
        return;
    at = half & t->raw_mask;
    while (t->raw_slots[at])
        at = (at + 1) & t->raw_mask;
    t->raw_slots[at] = (uint64_t)half << 32 | said;
    t->raw_count++;
}

static void remember_spot(table *t, uint64_t hash, slice name, slice tags, uint16_t flavour, const spot *p)
{
    uint32_t index = is_special(p, flavour & 3) ? keep_spot(t, p) : p->series;
    if (index != DROPPED)
        remember(t, hash, name, tags, flavour, index);
}

static int intern_key(table *t, uint32_t *index)
{
    *index = mt_intern(t, t->scratch.key.p, t->scratch.key.n);
    return *index == NO_MEMORY ? WHY_MEMORY : NO_PLACE(*index) ? WHY_TOO_MANY_SERIES : WHY_OK;
}

/* What beside the name decides: tags and, where wanted, the origin's labels. */
static int raw_section(scratch *s, slice *section)
{
    const line *l = &s->line;
    size_t need = l->tags.n + 3;
    int i;
    *section = l->tags;
    if (!l->origin[0].n && !l->origin[1].n && !l->origin[2].n)
        return WHY_OK;
    for (i = 0; i < 3; i++)
        need += l->origin[i].n;
    s->raw.n = 0;
    if (mt_reserve(&s->raw, need) < 0)
        return WHY_MEMORY;
    if (l->tags.n)
        memcpy(s->raw.p, l->tags.p, l->tags.n);
    s->raw.n = l->tags.n;
    for (i = 0; i < 3; i++) {
        s->raw.p[s->raw.n++] = '\n'; /* is in no tag, so nothing can look like this */
        if (l->origin[i].n)
            memcpy(s->raw.p + s->raw.n, l->origin[i].p, l->origin[i].n);
        s->raw.n += l->origin[i].n;
    }
    section->p = s->raw.p;
    section->n = s->raw.n;
    return WHY_OK;
}

static inline uint16_t flavour_of(int dialect, int kind)
{
    return (uint16_t)((dialect & ~D_GAUGE_DELTA) << 2 | kind);
}

/* What a record of a raw name says. */
static int found_spot(const table *t, uint32_t index, spot *out)
{
    if (index == DROPPED)
        return WHY_MAPPING_DROP;
    if (index & PLACED) {
        *out = t->spots[index & ~PLACED];
    } else {
        memset(out, 0, sizeof *out);
        out->series = index;
        out->factor = 1;
    }
    return WHY_OK;
}

/* Where the samples of the line that was read go, for one of its kinds. */
static int resolve(table *t, int kind, int dialect, spot *out)
{
    scratch *s = &t->scratch;
    uint16_t flavour = flavour_of(dialect, kind);
    slice section;
    uint32_t index;
    uint64_t hash;
    int reason = raw_section(s, &section);
    if (reason)
        return reason;
    hash = hash_raw(t->seed + flavour, s->line.name.p, s->line.name.n);
    if (section.n)
        hash = hash_raw(hash, section.p, section.n);
    if (find_raw(t, hash, s->line.name, section, flavour, &index))
        return found_spot(t, index, out);
    reason = mt_statsd_key(s, kind, dialect);
    if (reason == WHY_MAPPING_DROP)
        remember(t, hash, s->line.name, section, flavour, DROPPED);
    if (reason)
        return reason;
    memset(out, 0, sizeof *out);
    out->factor = s->mapped.factor;
    out->ruled = s->mapped.ruled;
    if ((reason = intern_key(t, &out->series)) == WHY_TOO_MANY_SERIES) {
        out->series = mt_intern_other(t, s->key.p, s->key.n, out->series);
        reason = out->series == NO_MEMORY ? WHY_MEMORY : WHY_OK;
        if (t->raw_count > 2 * (t->count + FIRST_RAW_SLOTS))
            return reason; /* names without end: remembering them would help nobody */
    }
    if (!reason)
        remember_spot(t, hash, s->line.name, section, flavour, out);
    return reason;
}

/* A value in the unit and scale of the rule that named its series; 0 where that is no number. */
static inline int convert(const spot *p, int type, double rate, double *value)
{
    if (type == T_MILLISECONDS)
        *value /= 1000;
    *value *= p->factor;
    return fabs(*value / rate) <= LARGEST;
}

static int convert_group(table *t, const group *g)
{
    size_t i;
    if (g->spot.ruled != RULED || g->kind == SET)
        return WHY_OK;
    for (i = g->first; i < g->first + g->count; i++)
        if (!convert(&g->spot, g->type, g->kind == GAUGE ? 1 : g->rate, &t->scratch.items[i].value))
            return WHY_NOT_FINITE;
    return WHY_OK;
}

static uint64_t fold_item(table *t, const group *g, const item *i)
{
    const line *l = &t->scratch.line;
    series *s = &t->series[g->spot.series];
    if (l->timed && mt_has_time(g)) {
        double rate = g->kind == GAUGE ? 1 : g->rate;
        int64_t time_ms = (int64_t)rint(l->time * 1000);
        if (!mt_fold_late(t, g->spot.series, time_ms, i->value / rate, 1 / rate))
            return 0;
        t->lane->tally.overflowed += (s->flags & S_OTHER) != 0;
        return 1;
    }
    if (mt_fold(t, s, i, g->rate) < 0) {
        t->failed = 1;
        return 0;
    }
    s->used = t->flushes + 1;
    t->folded++;
    t->lane->tally.overflowed += (s->flags & S_OTHER) != 0;
    return 1;
}

static void take_event(table *t, const char *p, size_t n)
{
    if (!mt_event_is_good(p, n)) {
        mt_reject(t, WHY_BAD_EVENT, p, n);
        return;
    }
    mt_keep_event(t, p, n);
}

/* A line whose name only the mapper knows waits for a thread that may ask it. */
typedef struct {
    address sender;
    uint32_t length, lane;
    int dialect;
} late;

static void keep_for_later(table *t, const char *p, size_t n, int dialect)
{
    late head;
    if (t->later.n + sizeof head + n > BACKLOG_BYTES || mt_reserve(&t->later, sizeof head + n) < 0) {
        t->lane->tally.shed++;
        return;
    }
    memset(&head, 0, sizeof head);
    head.sender = t->sender;
    head.length = (uint32_t)n;
    head.dialect = dialect;
    while (t->lanes[head.lane] != t->lane)
        head.lane++;
    memcpy(t->later.p + t->later.n, &head, sizeof head);
    memcpy(t->later.p + t->later.n + sizeof head, p, n);
    t->later.n += sizeof head + n;
}

/* Any line: read it whole, find all its series, then fold. */
static uint64_t feed_line(table *t, const char *p, size_t n, int dialect)
{
    scratch *s = &t->scratch;
    uint64_t folded = 0;
    size_t g, i;
    spot *unmapped = NULL;
    int reason;
    if (mt_is_event(p, n)) {
        take_event(t, p, n);
        return 0;
    }
    reason = mt_statsd_line(s, p, n, dialect);
    if (!reason && s->line.timed && !mt_is_timely(t, s->line.time))
        reason = WHY_BAD_TIME;
    for (g = 0; !reason && g < s->line.groups; g++)
        if (s->groups[g].count && !(reason = resolve(t, s->groups[g].kind, dialect, &s->groups[g].spot)))
            reason = convert_group(t, &s->groups[g]);
    if (reason == WHY_LATER) {
        keep_for_later(t, p, n, dialect);
        return 0;
    }
    if (reason) {
        mt_reject(t, reason, p, n);
        return 0;
    }
    for (g = 0; g < s->line.groups; g++) {
        if (s->groups[g].count && s->groups[g].spot.ruled == UNRULED)
            unmapped = &s->groups[g].spot;
        for (i = 0; i < s->groups[g].count; i++)
            folded += fold_item(t, &s->groups[g], &s->items[s->groups[g].first + i]);
    }
    if (unmapped)
        mt_note_unmapped(t, p, n, unmapped);
    return folded;
}

/* The line that most lines are: a known name, one number, `|c`, `|g` or `|ms` and nothing else.  0 where
 * it is something else, or not yet known. */
static inline int feed_plain(table *t, const char *p, size_t n, int dialect)
{
    const char *end = p + n, *colon = memchr(p, ':', n), *bar;
    slice name, none = {NULL, 0};
    uint16_t flavour;
    uint32_t index;
    series *s;
    item i;
    spot *unmapped = NULL;
    int kind;
    if (!colon || n < 5)
        return 0;
    if (end[-2] == '|' && (end[-1] == 'c' || end[-1] == 'g')) {
        kind = end[-1] == 'c' ? COUNTER : GAUGE;
        bar = end - 2;
    } else if (end[-3] == '|' && end[-2] == 'm' && end[-1] == 's') {
        kind = TIMER;
        bar = end - 3;
    } else {
        return 0;
    }
    if (bar <= colon + 1)
        return 0;
    name.p = p;
    name.n = (size_t)(colon - p);
    flavour = flavour_of(dialect, kind);
    if (!find_raw(t, hash_raw(t->seed + flavour, p, name.n), name, none, flavour, &index) || index == DROPPED)
        return 0;
    i.total = 0;
    i.delta = kind == GAUGE && dialect & D_GAUGE_DELTA && (colon[1] == '+' || colon[1] == '-');
    if (mt_number(colon + 1, (size_t)(bar - colon - 1), &i.value))
        return 0;
    if (index & PLACED) {
        spot *where = &t->spots[index & ~PLACED];
        if (where->ruled == UNRULED)
            unmapped = where;
        else if (!convert(where, kind == TIMER ? T_MILLISECONDS : T_PLAIN, 1, &i.value))
            return 0;
        index = where->series;
    }
    s = &t->series[index];
    if (mt_fold(t, s, &i, 1) < 0)
        return 0;
    s->used = t->flushes + 1;
    t->folded++;
    t->lane->tally.overflowed += (s->flags & S_OTHER) != 0;
    if (unmapped)
        mt_note_unmapped(t, p, n, unmapped);
    return 1;
}

/* The next line that is not empty; 0 at the end of the block. */
int mt_next_line(const char **at, const char *end, slice *out)
{
    while (*at && *at < end) {
        const char *stop = memchr(*at, '\n', (size_t)(end - *at));
        out->p = *at;
        out->n = (size_t)((stop ? stop : end) - *at);
        *at = stop ? stop + 1 : NULL;
        if (out->n && out->p[out->n - 1] == '\r')
            out->n--;
        if (out->n)
            return 1;
    }
    return 0;
}

/* Forget raw names where names without end have made too much of them. */
void mt_bound_raw(table *t)
{
    if (t->raw_count / 4 > t->series_limit)
        mt_forget_raw(t);
}

/* Parse and fold whole lines; the number of samples folded. */
uint64_t mt_feed_statsd(table *t, const char *block, size_t n, int dialect)
{
    const char *at = block;
    uint64_t folded = 0, lines = 0;
    slice l;
    mt_bound_raw(t);
    while (mt_next_line(&at, block + n, &l)) {
        lines++;
        if (feed_plain(t, l.p, l.n, dialect))
            folded++;
        else
            folded += feed_line(t, l.p, l.n, dialect);
    }
    t->lane->tally.bytes += n;
    t->lane->tally.lines += lines;
    t->lane->tally.samples += folded;
    return folded;
}

/* Read the lines that waited for the mapper, and give their memory back.  The caller may ask it. */
void mt_feed_later(table *t)
{
    lane *before = t->lane;
    buffer lines = t->later;
    const char *at = lines.p, *end = at + lines.n;
    memset(&t->later, 0, sizeof t->later);
    while (at < end) {
        late head;
        memcpy(&head, at, sizeof head);
        mt_use_lane(t, head.lane);
        t->sender = head.sender;
        t->lane->tally.samples += feed_line(t, at + sizeof head, head.length, head.dialect);
        at += sizeof head + head.length;
    }
    free(lines.p);
    t->sender.family = 0;
    t->lane = before;
}

static inline uint16_t path_flavour(int dialect)
{
    return flavour_of(dialect | D_PATH, GAUGE);
}

/* The hash under which a Graphite path is remembered; where it leads is being fetched from now on. */
uint64_t mt_hash_path(const table *t, slice path, int dialect)
{
    uint64_t hash = hash_raw(t->seed + path_flavour(dialect), path.p, path.n);
    if (t->raw_slots)
        __builtin_prefetch(&t->raw_slots[(uint32_t)(hash >> 32) & t->raw_mask]);
    return hash;
}

/* Fetch what is remembered under a hash, before somebody asks for it. */
void mt_fetch_path(const table *t, uint64_t hash)
{
    uint32_t low = t->raw_slots ? (uint32_t)t->raw_slots[(uint32_t)(hash >> 32) & t->raw_mask] : 0;
    if (low & IN_KEY)
        __builtin_prefetch(&t->series[low & SERIES_MASK]);
    else if (low)
        __builtin_prefetch(record_at(t, low));
}

/* The series of a path; the reason where it has none. */
int mt_resolve_path(table *t, slice path, uint64_t hash, int dialect, uint32_t *index)
{
    slice none = {NULL, 0};
    int reason;
    if (find_raw(t, hash, path, none, path_flavour(dialect), index))
        return WHY_OK;
    if ((reason = mt_graphite_key(&t->scratch, path, dialect)) || (reason = intern_key(t, index)))
        return reason;
    remember(t, hash, path, none, path_flavour(dialect), *index);
    return WHY_OK;
}
