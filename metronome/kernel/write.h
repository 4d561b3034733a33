/* Graphite's lines and pickles from arrays: path.c, decimal.c and write.c.  The rules stand in
 * paths.py and writing.py. */
#ifndef METRONOME_WRITE_H
#define METRONOME_WRITE_H

#include "kernel.h"

#pragma GCC visibility push(hidden)

enum spelling { READY, STATSD, STATSD_TAGS_KEPT, CARBON };

#define PATH_ROOM(n) (2 * (n) + 2) /* what a key of n bytes becomes at most */
#define DECIMAL_ROOM 32
#define POINTS_PER_FRAME 500
#define POWER_LEAST (-292)
#define POWER_MOST 324
#define POWERS (POWER_MOST - POWER_LEAST + 1)

typedef struct {
    slice name, tags;
} path;

/* Rows to be written, and where. */
typedef struct {
    const char *keys;
    const int64_t *begins, *ends;
    size_t rows;
    int spelling, pickled;
    const slice *heads, *tails; /* of each column */
    size_t columns;
    const double *values;
    const int64_t *seconds;
    int one_time; /* `seconds` has one element, for all */

    buffer out;
    uint64_t lines, not_finite;

    buffer text; /* of the path just now */
    size_t frame; /* where the frame begins whose points are counted */
    uint32_t points;
    char time[DECIMAL_ROOM];
    size_t time_length;
} writer;

void mt_path_start(void);
path mt_path(int spelling, const char *key, size_t n, char *to);
void mt_decimal_start(int power, uint64_t high, uint64_t low);
size_t mt_decimal(double value, char *to);
size_t mt_whole(int64_t value, char *to);
int mt_write(writer *w);

#pragma GCC visibility pop

#endif
