/* The table: series by canonical key, what could not be folded, points, events. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024
#define RESLOT_ROWS 64

table *mt_table_new(uint32_t series_limit, uint32_t timer_samples, uint32_t set_members, double ln_gamma)
{
    table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->series_limit = series_limit;
    t->timer_samples = timer_samples;
    t->set_members = set_members;
    t->ln_gamma = ln_gamma;
    /* Where the loader put us is secret enough: it only keeps senders from choosing slots. */
    t->seed = ((uint64_t)(uintptr_t)t ^ (uint64_t)(uintptr_t)&mt_table_new << 16) * 0x9e3779b97f4a7c15ULL;
    pthread_mutex_init(&t->mutex, NULL);
    if (mt_rehash(t, FIRST_SLOTS) < 0 || mt_lane_new(t) < 0) {
        mt_table_free(t);
        return NULL;
    }
    mt_use_lane(t, 0);
    mt_forget_raw(t);
    t->scratch.may_map = 1;
    return t;
}

void mt_table_free(table *t)
{
    uint32_t i;
    if (!t)
        return;
    for (i = 0; i < t->count; i++)
        mt_side_free(t->series[i].kind, t->series[i].side);
    free(t->series);
    free(t->keys.p);
    free(t->slots);
    free(t->raw_slots);
    free(t->raw.p);
    free(t->spots);
    free(t->points);
    free(t->odds);
    free(t->row_of);
    free(t->lates);
    free(t->late_slots);
    free(t->prefixes);
    for (i = 0; i < t->lane_count; i++)
        mt_lane_free(t->lanes[i]);
    free(t->lanes);
    free(t->senders);
    free(t->later.p);
    pthread_mutex_destroy(&t->mutex);
    mt_scratch_free(&t->scratch);
    mt_receiver_free(t->receiver);
    free(t);
}

static uint32_t slot_of(const table *t, uint64_t id)
{
    return (uint32_t)((id * (t->seed | 1)) >> 32) & t->slot_mask;
}

static void put_in_slot(table *t, uint32_t index, uint64_t id)
{
    uint32_t at = slot_of(t, id);
    while (t->slots[at])
        at = (at + 1) & t->slot_mask;
    t->slots[at] = index + 1;
}

/* Lay all series into the slots, which are empty. */
void mt_reslot(table *t)
{
    uint32_t ends[RESLOT_ROWS], first, i;
    uint64_t ids[RESLOT_ROWS];
    for (first = 0; first < t->count; first += RESLOT_ROWS) {
        const series *s = &t->series[first];
        uint32_t rows = t->count - first < RESLOT_ROWS ? t->count - first : RESLOT_ROWS;
        for (i = 0; i < rows; i++)
            ends[i] = s[i].key_at - s->key_at + s[i].key_len;
        mt_hash_texts(t->keys.p + s->key_at, ends, rows, ids);
        for (i = 0; i < rows; i++)
            put_in_slot(t, first + i, ids[i]);
    }
}

/* Lay all series into this many slots (a power of two); -1 without memory. */
int mt_rehash(table *t, uint32_t count)
{
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return -1;
    free(t->slots);
    t->slots = slots;
    t->slot_mask = count - 1;
    mt_reslot(t);
    return 0;
}

/* Forget which raw names belong to which series.  The memory stays, for what comes next. */
void mt_forget_raw(table *t)
{
    if (t->raw_slots)
        memset(t->raw_slots, 0, ((size_t)t->raw_mask + 1) * sizeof *t->raw_slots);
    t->raw_count = 0;
    t->raw.n = 0;
    t->spot_count = 0;
}

static int kind_of_key(char code)
{
    return code == 'c' ? COUNTER : code == 'g' ? GAUGE : code == 't' ? TIMER : SET;
}

static int add_series(table *t, const char *key, size_t n)
{
    series *s;
    void *side = NULL;
    int kind = kind_of_key(*key);
    if (t->keys.n + n > UINT32_MAX)
        return -1;
    if (t->count == t->cap) {
        uint32_t cap = t->cap ? 2 * t->cap : 256;
        s = realloc(t->series, cap * sizeof *s);
        if (!s)
            return -1;
        t->series = s;
        t->cap = cap;
    }
    if (2 * (t->count + 1) > t->slot_mask && mt_rehash(t, 2 * (t->slot_mask + 1)) < 0)
        return -1;
    if (mt_reserve(&t->keys, n) < 0 || (kind != COUNTER && !(side = mt_side_new(kind))))
        return -1;
    s = &t->series[t->count++];
    memset(s, 0, sizeof *s);
    s->side = side;
    s->kind = (uint8_t)kind;
    s->key_at = (uint32_t)t->keys.n;
    s->key_len = (uint16_t)n;
    s->used = t->flushes;
    memcpy(t->keys.p + t->keys.n, key, n);
    t->keys.n += n;
    return 0;
}

/* Wait for the table.  A receiving thread lets those who wait go first (serve.c). */
void mt_lock(table *t)
{
    __atomic_add_fetch(&t->wanted, 1, __ATOMIC_RELAXED);
    pthread_mutex_lock(&t->mutex);
    __atomic_sub_fetch(&t->wanted, 1, __ATOMIC_RELAXED);
}

int mt_try_lock(table *t)
{
    return !pthread_mutex_trylock(&t->mutex);
}

void mt_unlock(table *t)
{
    pthread_mutex_unlock(&t->mutex);
}

/* A way in with its own books; its number, or -1 without memory. */
int mt_lane_new(table *t)
{
    lane **lanes = realloc(t->lanes, (t->lane_count + 1) * sizeof *lanes);
    if (!lanes)
        return -1;
    t->lanes = lanes;
    if (!(lanes[t->lane_count] = mt_lane_make()))
        return -1;
    return (int)t->lane_count++;
}

/* Keep this lane's books from now on. */
void mt_use_lane(table *t, uint32_t number)
{
    t->lane = t->lanes[number];
    t->lane->changed = 1;
    t->sender.family = 0;
}

static uint32_t find(const table *t, const char *key, size_t n, uint64_t id)
{
    uint32_t at = slot_of(t, id);
    while (t->slots[at]) {
        const series *s = &t->series[t->slots[at] - 1];
        if (s->key_len == n && !memcmp(t->keys.p + s->key_at, key, n))
            return t->slots[at] - 1;
        at = (at + 1) & t->slot_mask;
    }
    return UINT32_MAX;
}

/* The series of a canonical key; UINT32_MAX where it is not known. */
uint32_t mt_find(const table *t, const char *key, size_t n)
{
    return find(t, key, n, mt_hash64(key, n));
}

/* Give a gauge that has no value one; 0 where it has one or there is no room. */
int mt_restore_gauge(table *t, const char *key, size_t n, double value)
{
    uint32_t index = n && *key == 'g' ? mt_intern(t, key, n) : NO_ROOM;
    series *s;
    if (NO_PLACE(index) || t->series[index].flags & S_HELD)
        return 0;
    s = &t->series[index];
    s->n = value;
    s->flags |= S_HELD;
    return 1;
}

/* Say how far a counter is that nobody has said it of; 0 where somebody has or there is no room. */
int mt_restore_total(table *t, const char *key, size_t n, double value)
{
    uint32_t index = n && *key == 'c' ? mt_intern(t, key, n) : NO_ROOM;
    if (NO_PLACE(index) || t->series[index].flags & S_HELD)
        return 0;
    if (mt_set_total(t, &t->series[index], value) < 0) {
        t->failed = 1;
        return 0;
    }
    return 1;
}

static uint32_t make(table *t, const char *key, size_t n, uint64_t id)
{
    if (add_series(t, key, n) < 0) {
        t->failed = 1;
        return NO_MEMORY;
    }
    put_in_slot(t, t->count - 1, id);
    return t->count - 1;
}

/* Whether there is room for a series with a key of so many bytes. */
static int has_room(const table *t, size_t n)
{
    return t->count < t->series_limit && t->keys.n + n <= (size_t)KEYS_BYTES;
}

/* The series of a canonical key, made if there is room: else NO_ROOM, CROWDED or NO_MEMORY. */
uint32_t mt_intern(table *t, const char *key, size_t n)
{
    uint64_t id = mt_hash64(key, n);
    uint32_t at = find(t, key, n, id);
    if (at != UINT32_MAX)
        return at;
    if (!has_room(t, n))
        return NO_ROOM;
    if (mt_is_crowded(t, key, n))
        return CROWDED;
    if (mt_guard_add(t, key, n) < 0) {
        t->failed = 1;
        return NO_MEMORY;
    }
    return make(t, key, n, id);
}

/* The series that takes what is meant for one for which there was no room, or NO_MEMORY. */
uint32_t mt_intern_other(table *t, const char *key, size_t n, uint32_t why)
{
    char other[OTHER_KEY_BYTES];
    size_t length = mt_other_key(key, n, why == CROWDED, other);
    uint64_t id = mt_hash64(other, length);
    uint32_t at = find(t, other, length, id);
    if (at == UINT32_MAX && why == CROWDED && !has_room(t, length))
        return mt_intern_other(t, key, n, NO_ROOM);
    if (at == UINT32_MAX)
        at = make(t, other, length, id);
    if (!NO_PLACE(at))
        t->series[at].flags |= S_OTHER;
    return at;
}
