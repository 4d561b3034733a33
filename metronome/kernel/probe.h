/* A table of open addressing over arrays; probing.py has the words. */
#ifndef METRONOME_PROBE_H
#define METRONOME_PROBE_H

#include "kernel.h"

#pragma GCC visibility push(hidden)

#define SLOT_EMPTY (-1)
#define SLOT_GONE (-2)

/* A table; `known` is how many numbers have ids. */
typedef struct {
    int32_t *slots;
    size_t size, known;
    const uint64_t *ids;
} probes;

void mt_probe_find(const probes *t, const uint64_t *wanted, size_t n, int64_t *found);
int mt_probe_place(const probes *t, const int64_t *numbers, size_t n);
int mt_probe_drop(const probes *t, const int64_t *numbers, size_t n);

#pragma GCC visibility pop

#endif
