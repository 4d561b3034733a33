/* The guard against too many series; the rules are those of guard.py. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

static const char OTHER[] = "_other_", LABEL[] = "\0_other_\0true";

/* The prefix of a key's name: up to its second dot, without the kind. */
static size_t prefix_length(const char *key, size_t n)
{
    size_t i, dots = 0;
    for (i = 1; i < n && key[i]; i++)
        if (key[i] == '.' && ++dots == 2)
            break;
    return i - 1;
}

static uint64_t *slot_of(const table *t, uint64_t hash)
{
    uint32_t at = (uint32_t)((hash * (t->seed | 1)) >> 32) & t->prefix_mask;
    while (t->prefixes[2 * at] && t->prefixes[2 * at] != hash)
        at = (at + 1) & t->prefix_mask;
    return &t->prefixes[2 * at];
}

static uint64_t hash_of(const char *key, size_t n)
{
    uint64_t hash = mt_hash64(key + 1, prefix_length(key, n));
    return hash ? hash : 1;
}

static int grow(table *t)
{
    uint32_t before = t->prefixes ? t->prefix_mask + 1 : 0, size = before ? 2 * before : 256, i;
    uint64_t *old = t->prefixes, *slots = calloc(2 * (size_t)size, sizeof *slots);
    if (!slots)
        return -1;
    t->prefixes = slots;
    t->prefix_mask = size - 1;
    for (i = 0; i < before; i++)
        if (old[2 * i])
            memcpy(slot_of(t, old[2 * i]), &old[2 * i], 2 * sizeof *old);
    free(old);
    return 0;
}

/* Whether a new series of this key would be one too many of its prefix. */
int mt_is_crowded(const table *t, const char *key, size_t n)
{
    return t->prefix_limit && t->prefixes && slot_of(t, hash_of(key, n))[1] >= t->prefix_limit;
}

/* A series has come; -1 without memory. */
int mt_guard_add(table *t, const char *key, size_t n)
{
    uint64_t *slot;
    if (!t->prefix_limit)
        return 0;
    if (!t->prefixes || 2 * (t->prefix_count + 1) > t->prefix_mask)
        if (grow(t) < 0)
            return -1;
    slot = slot_of(t, hash_of(key, n));
    t->prefix_count += !slot[0];
    slot[0] = hash_of(key, n);
    slot[1]++;
    return 0;
}

/* Count again, after series have gone. */
void mt_guard_recount(table *t)
{
    uint32_t i;
    if (!t->prefixes)
        return;
    memset(t->prefixes, 0, 2 * ((size_t)t->prefix_mask + 1) * sizeof *t->prefixes);
    t->prefix_count = 0;
    for (i = 0; i < t->count; i++) {
        const series *s = &t->series[i];
        if (!(s->flags & S_OTHER))
            mt_guard_add(t, t->keys.p + s->key_at, s->key_len); /* there was room for more */
    }
}

/* Write the key of the series that takes what finds no room; how long it is. */
size_t mt_other_key(const char *key, size_t n, int crowded, char out[OTHER_KEY_BYTES])
{
    size_t length = crowded ? prefix_length(key, n) : sizeof OTHER - 1;
    out[0] = key[0];
    memcpy(out + 1, crowded ? key + 1 : OTHER, length);
    memcpy(out + 1 + length, LABEL, sizeof LABEL - 1);
    return 1 + length + sizeof LABEL - 1;
}
