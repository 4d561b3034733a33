/* Packs: points of one series in few bytes.  The form and its rules are those of packs.py. */
#include "kernel.h"

#include <math.h>
#include <string.h>

#define LARGEST_WHOLE 2251799813685248.0 /* 2^51 */
#define ROUNDER 6755399441055744.0       /* 2^52 + 2^51: added and taken off, it leaves a whole number */
#define MOST_PLACES 12
#define AS_SENT 255
#define SECONDS 1
#define EVEN 2

typedef struct {
    uint8_t time_width, value_width, places, flags;
    uint32_t count;
    int64_t first, base;
} head;

static const double POWERS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

static inline uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    return bits;
}

/* The whole number that stands for a value with so many places; 0 where there is none. */
static inline int whole_of(double value, int places, int64_t *whole)
{
    double scaled = value * POWERS[places], rounded;
    if (!(scaled >= -LARGEST_WHOLE && scaled <= LARGEST_WHOLE))
        return 0;
    rounded = scaled + ROUNDER - ROUNDER;
    *whole = (int64_t)rounded;
    return bits_of(rounded / POWERS[places]) == bits_of(value);
}

/* The fewest places with which a value is a whole number; -1 where there are none. */
static int places_of(double value)
{
    int64_t whole;
    int places;
    for (places = 0; places <= MOST_PLACES; places++)
        if (whole_of(value, places, &whole))
            return places;
    return -1;
}

/* All values as whole numbers with the same places; AS_SENT where they have none in common. */
static int wholes_of(const moment *m, uint32_t count, int64_t *wholes)
{
    int places = 0;
    uint32_t i = 0;
    while (i < count) {
        int found;
        if (whole_of(m[i].n, places, &wholes[i])) {
            i++;
            continue;
        }
        found = places_of(m[i].n);
        if (found <= places)
            return AS_SENT;
        places = found;
        i = 0;
    }
    return count ? places : AS_SENT;
}

static inline int width_of(uint64_t most)
{
    int width = 0;
    while (most) {
        width++;
        most >>= 8;
    }
    return width;
}

/* Eight bytes are written wherever a number goes, so there must be room behind the last. */
static char *put_times(head *h, const moment *m, uint32_t count, char *at)
{
    uint64_t most = 0, step = count > 1 ? (uint64_t)(m[1].time_ms - m[0].time_ms) : 0, unit;
    int even = count > 1, whole = m[0].time_ms % 1000 == 0;
    uint32_t i;
    for (i = 1; i < count; i++) {
        uint64_t delta = (uint64_t)(m[i].time_ms - m[i - 1].time_ms);
        even &= delta == step;
        whole &= delta % 1000 == 0;
        most = delta > most ? delta : most;
    }
    unit = whole ? 1000 : 1;
    h->flags = (uint8_t)((whole ? SECONDS : 0) | (even ? EVEN : 0));
    h->time_width = (uint8_t)width_of(most / unit);
    for (i = 1; i < (even ? 2 : count); i++) {
        uint64_t delta = (uint64_t)(m[i].time_ms - m[i - 1].time_ms) / unit;
        memcpy(at, &delta, 8);
        at += h->time_width;
    }
    return at;
}

static char *put_values(head *h, const moment *m, uint32_t count, char *at)
{
    int64_t wholes[POINTS_PER_PACK], most;
    uint32_t i;
    h->places = (uint8_t)wholes_of(m, count, wholes);
    h->base = 0;
    h->value_width = 8;
    if (h->places == AS_SENT) {
        for (i = 0; i < count; i++, at += 8)
            memcpy(at, &m[i].n, 8);
        return at;
    }
    h->base = most = wholes[0];
    for (i = 1; i < count; i++) {
        h->base = wholes[i] < h->base ? wholes[i] : h->base;
        most = wholes[i] > most ? wholes[i] : most;
    }
    h->value_width = (uint8_t)width_of((uint64_t)(most - h->base));
    for (i = 0; i < count; i++, at += h->value_width) {
        uint64_t above = (uint64_t)(wholes[i] - h->base);
        memcpy(at, &above, 8);
    }
    return at;
}

/* Pack 1 to POINTS_PER_PACK moments, ascending in time; how many bytes.  `out` has room for PACK_ROOM. */
size_t mt_pack(const moment *m, uint32_t count, char *out)
{
    head h;
    char *at = out + PACK_HEAD;
    memset(&h, 0, sizeof h);
    h.count = count;
    h.first = m[0].time_ms;
    at = put_times(&h, m, count, at);
    at = put_values(&h, m, count, at);
    memcpy(out, &h, PACK_HEAD);
    return (size_t)(at - out);
}

/* Read a number of so many bytes; `end` is where the pack ends. */
static inline uint64_t number_at(const char *p, const char *end, int width)
{
    uint64_t number = 0;
    if (end - p < 8) {
        memcpy(&number, p, (size_t)width);
        return number;
    }
    memcpy(&number, p, 8);
    return width < 8 ? number & (((uint64_t)1 << 8 * width) - 1) : number;
}

static int is_sound(const head *h, size_t n)
{
    size_t times, values;
    if (h->flags & EVEN && h->count < 2)
        return 0;
    if (!h->count || h->count > POINTS_PER_PACK || h->time_width > 8 || h->value_width > 8 ||
        h->flags > (SECONDS | EVEN) || h->first < 0)
        return 0;
    if (h->places == AS_SENT ? h->value_width != 8 || h->base : h->places > MOST_PLACES)
        return 0;
    times = (size_t)(h->flags & EVEN ? 1 : h->count - 1) * h->time_width;
    values = (size_t)h->count * h->value_width;
    return PACK_HEAD + times + values == n;
}

/* Of a pack of n bytes how many points it has, the first time and the last; 0 where it is none. */
uint32_t mt_pack_span(const char *p, size_t n, int64_t *first, int64_t *last)
{
    head h;
    const char *at = p + PACK_HEAD, *end = p + n;
    uint64_t time, unit, most, step;
    uint32_t i, steps;
    if (n < PACK_HEAD)
        return 0;
    memcpy(&h, p, PACK_HEAD);
    if (!is_sound(&h, n))
        return 0;
    time = (uint64_t)h.first;
    unit = h.flags & SECONDS ? 1000 : 1;
    most = (uint64_t)LATEST_MS / unit; /* of one step, so that no product is too large */
    steps = h.flags & EVEN ? 1 : h.count - 1;
    for (i = 0; i < steps; i++, at += h.time_width) {
        step = number_at(at, end, h.time_width);
        if (step > most)
            return 0;
        time += step * unit * (h.flags & EVEN ? h.count - 1 : 1);
    }
    if (time > (uint64_t)LATEST_MS)
        return 0;
    *first = h.first;
    *last = (int64_t)time;
    return h.count;
}

/* How many of these moments, ascending in time, one pack may have; at least 1. */
uint32_t mt_pack_fits(const moment *m, size_t count)
{
    uint32_t fits = count < POINTS_PER_PACK ? (uint32_t)count : POINTS_PER_PACK;
    while (m[fits - 1].time_ms - m[0].time_ms > PACK_SPAN_MS)
        fits--;
    return fits;
}

/* Read a pack of n bytes; how many points, 0 where it is none.  `out` has room for POINTS_PER_PACK. */
uint32_t mt_unpack(const char *p, size_t n, moment *out)
{
    head h;
    const char *times = p + PACK_HEAD, *values, *end = p + n;
    uint64_t time, unit, step;
    uint32_t i;
    if (n < PACK_HEAD)
        return 0;
    memcpy(&h, p, PACK_HEAD);
    if (!is_sound(&h, n))
        return 0;
    time = (uint64_t)h.first;
    unit = h.flags & SECONDS ? 1000 : 1;
    step = h.flags & EVEN ? number_at(times, end, h.time_width) : 0;
    values = times + (size_t)(h.flags & EVEN ? 1 : h.count - 1) * h.time_width;
    for (i = 0; i < h.count; i++) {
        if (i) {
            if (!(h.flags & EVEN))
                step = number_at(times + (size_t)(i - 1) * h.time_width, end, h.time_width);
            time = step > (uint64_t)LATEST_MS ? UINT64_MAX : time + step * unit;
        }
        if (time > (uint64_t)LATEST_MS)
            return 0;
        out[i].time_ms = (int64_t)time;
        if (h.places == AS_SENT) {
            memcpy(&out[i].n, values + (size_t)i * 8, 8);
        } else {
            const char *at = values + (size_t)i * h.value_width;
            uint64_t whole = (uint64_t)h.base + number_at(at, end, h.value_width);
            out[i].n = (double)(int64_t)whole / POWERS[h.places];
        }
    }
    return h.count;
}
