/* A table of open addressing over arrays; probing.py has the words.
 *
 * No search is longer than the table, so that even slots that nobody here has filled end it. */
#include "probe.h"

#define STEP(id) ((id) >> 40 | 1)

void mt_probe_find(const probes *t, const uint64_t *wanted, size_t n, int64_t *found)
{
    size_t mask = t->size - 1, row, tries;
    for (row = 0; row < n; row++) {
        uint64_t id = wanted[row], at = id;
        found[row] = SLOT_EMPTY;
        for (tries = 0; tries < t->size; tries++, at += STEP(id)) {
            int32_t number = t->slots[at & mask];
            if (number == SLOT_EMPTY)
                break;
            if (number >= 0 && (size_t)number < t->known && t->ids[number] == id) {
                found[row] = number;
                break;
            }
        }
    }
}

/* -1 where there is no room. */
int mt_probe_place(const probes *t, const int64_t *numbers, size_t n)
{
    size_t mask = t->size - 1, row, tries;
    for (row = 0; row < n; row++) {
        uint64_t id = t->ids[numbers[row]], at = id;
        for (tries = 0; t->slots[at & mask] >= 0; tries++, at += STEP(id))
            if (tries == t->size)
                return -1;
        t->slots[at & mask] = (int32_t)numbers[row];
    }
    return 0;
}

/* -1 where a number is not there. */
int mt_probe_drop(const probes *t, const int64_t *numbers, size_t n)
{
    size_t mask = t->size - 1, row, tries;
    for (row = 0; row < n; row++) {
        uint64_t id = t->ids[numbers[row]], at = id;
        for (tries = 0; t->slots[at & mask] != numbers[row]; tries++, at += STEP(id))
            if (tries == t->size)
                return -1;
        t->slots[at & mask] = SLOT_GONE;
    }
    return 0;
}
