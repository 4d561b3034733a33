/* Graphite's lines and pickles from arrays; writing.py has the words. */
#include "write.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_HEAD "\0\0\0\0\x80\x02]("
#define FRAME_HEAD_BYTES 8
#define AROUND 64 /* at most: blanks, number and time, or a pickle's opcodes */

static void put(buffer *b, const char *p, size_t n)
{
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void put_path(buffer *b, const slice *head, const path *of, const slice *tail)
{
    put(b, head->p, head->n);
    put(b, of->name.p, of->name.n);
    put(b, tail->p, tail->n);
    put(b, of->tags.p, of->tags.n);
}

static void put_line(writer *w, const slice *head, const path *of, const slice *tail, double value)
{
    buffer *b = &w->out;
    put_path(b, head, of, tail);
    b->p[b->n++] = ' ';
    b->n += mt_decimal(value, b->p + b->n);
    put(b, w->time, w->time_length);
}

static void put_number(buffer *b, uint64_t number, int bytes, int big)
{
    int i;
    for (i = 0; i < bytes; i++)
        b->p[b->n + (size_t)(big ? bytes - 1 - i : i)] = (char)(number >> 8 * i);
    b->n += (size_t)bytes;
}

static void end_frame(writer *w)
{
    size_t end;
    if (!w->points)
        return;
    put(&w->out, "e.", 2);
    end = w->out.n;
    w->out.n = w->frame;
    put_number(&w->out, end - w->frame - 4, 4, 1);
    w->out.n = end;
    w->points = 0;
}

static void put_point(writer *w, const slice *head, const path *of, const slice *tail, double value)
{
    buffer *b = &w->out;
    uint64_t bits;
    if (!w->points++) {
        w->frame = b->n;
        put(b, FRAME_HEAD, FRAME_HEAD_BYTES);
    }
    b->p[b->n++] = 'X';
    put_number(b, head->n + of->name.n + tail->n + of->tags.n, 4, 0);
    put_path(b, head, of, tail);
    put(b, w->time, w->time_length);
    b->p[b->n++] = 'G';
    memcpy(&bits, &value, sizeof bits);
    put_number(b, bits, 8, 1);
    put(b, "\x86\x86", 2);
    if (w->points == POINTS_PER_FRAME)
        end_frame(w);
}

/* Write down how a time is written. */
static void set_time(writer *w, int64_t seconds)
{
    if (!w->pickled) {
        w->time[0] = ' ';
        w->time_length = 1 + mt_whole(seconds, w->time + 1);
        w->time[w->time_length++] = '\n';
    } else {
        buffer b = {w->time, 0, sizeof w->time};
        int is_short = seconds >= INT32_MIN && seconds <= INT32_MAX;
        if (is_short)
            put(&b, "J", 1);
        else
            put(&b, "\x8a\x08", 2);
        put_number(&b, (uint64_t)seconds, is_short ? 4 : 8, 0);
        w->time_length = b.n;
    }
}

static int write_row(writer *w, size_t row, size_t around)
{
    size_t n = (size_t)(w->ends[row] - w->begins[row]), column;
    path of;
    w->text.n = 0;
    if (mt_reserve(&w->text, PATH_ROOM(n)) < 0)
        return -1;
    of = mt_path(w->spelling, w->keys + w->begins[row], n, w->text.p);
    if (mt_reserve(&w->out, around + w->columns * (of.name.n + of.tags.n)) < 0)
        return -1;
    if (!w->one_time && (!row || w->seconds[row] != w->seconds[row - 1]))
        set_time(w, w->seconds[row]);
    for (column = 0; column < w->columns; column++) {
        double value = w->values[row * w->columns + column];
        if (!isfinite(value)) {
            w->not_finite++;
        } else if (of.name.n) {
            w->lines++;
            if (w->pickled)
                put_point(w, &w->heads[column], &of, &w->tails[column], value);
            else
                put_line(w, &w->heads[column], &of, &w->tails[column], value);
        }
    }
    return 0;
}

/* Write all rows to `out`, which is the caller's to free; -1 without memory. */
int mt_write(writer *w)
{
    size_t row, column, around = FRAME_HEAD_BYTES + 2;
    int failed = 0;
    for (column = 0; column < w->columns; column++)
        around += w->heads[column].n + w->tails[column].n + AROUND + FRAME_HEAD_BYTES + 2;
    if (w->one_time)
        set_time(w, w->seconds[0]);
    for (row = 0; row < w->rows && !failed; row++)
        failed = write_row(w, row, around);
    if (!failed)
        end_frame(w);
    free(w->text.p);
    return failed;
}
