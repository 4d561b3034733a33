/* Lines of Graphite's plaintext, read and kept as points; the rules are those of graphite_grammar.py. */
#include "kernel.h"

#include <math.h>
#include <string.h>

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static slice stripped(slice text)
{
    while (text.n && is_blank(*text.p)) {
        text.p++;
        text.n--;
    }
    while (text.n && is_blank(text.p[text.n - 1]))
        text.n--;
    return text;
}

/* Cut the last word off stripped text; 0 where nothing is in front of it. */
static int last_word(slice *text, slice *word)
{
    size_t at = text->n;
    while (at && !is_blank(text->p[at - 1]))
        at--;
    word->p = text->p + at;
    word->n = text->n - at;
    if (!at)
        return 0;
    text->n = at;
    *text = stripped(*text);
    return 1;
}

/* Text behind a closing brace as one or two words; 0 where there are more. */
static int one_or_two(slice tail, slice words[2], int *count)
{
    slice rest = tail;
    *count = 1;
    if (!last_word(&rest, &words[0]))
        return 1;
    words[1] = words[0];
    *count = 2;
    return !last_word(&rest, &words[0]);
}

/* Path, value and perhaps timestamp; how many words came behind the path. */
static int cut(slice text, slice *path, slice words[2])
{
    size_t close = text.n;
    int count;
    slice word;
    while (close > 1 && !(text.p[close - 2] == '}' && is_blank(text.p[close - 1])))
        close--;
    if (close > 1 && memchr(text.p, '{', close - 2)) {
        slice tail = {text.p + close, text.n - close};
        if (one_or_two(stripped(tail), words, &count)) {
            path->p = text.p;
            path->n = close - 1;
            return count;
        }
    }
    *path = text;
    if (!last_word(path, &words[0]))
        return 0;
    if (!memchr(path->p, ' ', path->n) && !memchr(path->p, '\t', path->n))
        return 1;
    word = words[0];
    last_word(path, &words[0]);
    words[1] = word;
    return 2;
}

/* Read a line; the reason where it is refused. */
int mt_graphite_line(graphite_line *out, const char *p, size_t n)
{
    slice text = {p, n}, words[2];
    int count = cut(stripped(text), &out->path, words), reason;
    double seconds;

    if (!count)
        return WHY_MALFORMED_LINE;
    if ((reason = mt_number(words[0].p, words[0].n, &out->value)))
        return reason;
    out->timed = 0;
    if (count == 1 || (words[1].n == 1 && (*words[1].p | 0x20) == 'n'))
        return WHY_OK;
    if (mt_number(words[1].p, words[1].n, &seconds))
        return WHY_BAD_TIME;
    if (seconds == -1)
        return WHY_OK;
    if (!(seconds * 1000 >= 0 && seconds * 1000 <= LATEST_MS))
        return WHY_BAD_TIME;
    out->timed = 1;
    out->time_ms = (int64_t)rint(seconds * 1000);
    return WHY_OK;
}

/* A quoted value from behind its quote: unescaped into `raw`; where it ends, NULL if never. */
static const char *unquote(buffer *raw, const char *at, const char *end)
{
    raw->n = 0;
    while (at < end && *at != '"') {
        if (*at == '\\') {
            if (++at == end)
                return NULL;
            if (*at == 'n') {
                raw->p[raw->n++] = '\n';
                at++;
                continue;
            }
            if (*at != '"' && *at != '\\')
                raw->p[raw->n++] = '\\';
        }
        raw->p[raw->n++] = *at++;
    }
    return at < end ? at + 1 : NULL;
}

static int only_commas(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == ','))
        at++;
    return at == end;
}

/* OpenMetrics' labels, without the braces. */
static int add_quoted(scratch *s, slice section)
{
    const char *at = section.p, *end = at + section.n;
    s->raw.n = 0;
    if (mt_reserve(&s->raw, section.n + 1) < 0)
        return WHY_MEMORY;
    while (at < end) {
        const char *begin = at;
        slice name, value;
        int reason;
        while (at < end && (*at == ' ' || *at == ','))
            at++;
        name.p = at;
        while (at < end && !memchr("=\",{}", *at, 5))
            at++;
        name.n = (size_t)(at - name.p);
        while (name.n && name.p[name.n - 1] == ' ')
            name.n--;
        if (end - at < 2 || at[0] != '=' || at[1] != '"' || !(at = unquote(&s->raw, at + 2, end)))
            return only_commas(begin, end) ? WHY_OK : WHY_BAD_LABEL;
        while (at < end && *at == ' ')
            at++;
        if (at < end && *at != ',')
            return WHY_BAD_LABEL;
        value.p = s->raw.p;
        value.n = s->raw.n;
        if (name.n && value.n && (reason = mt_add_label(s, name, value)))
            return reason;
    }
    return WHY_OK;
}

/* The key of the series of a path. */
int mt_graphite_key(scratch *s, slice path, int dialect)
{
    slice name = path, section;
    const char *mark;
    size_t i, name_at;
    int reason = mt_labels_reset(s, path.n);

    if (!reason && dialect & D_GRAPHITE && path.n) {
        int braces = path.p[path.n - 1] == '}';
        mark = braces ? memchr(path.p, '{', path.n) : NULL;
        if (!mark) {
            braces = 0;
            mark = memchr(path.p, ';', path.n);
        }
        if (mark) {
            name.n = (size_t)(mark - path.p);
            section.p = mark + 1;
            section.n = path.n - name.n - 1 - (size_t)braces;
            reason = braces ? add_quoted(s, section) : mt_add_pairs(s, section, ';');
        }
    }
    if (reason)
        return reason;
    for (i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
            return WHY_BAD_NAME;
    name_at = s->text.n;
    s->text.n += mt_clean(s->text.p + name_at, name.p, name.n);
    return mt_finish_key(s, name_at, s->text.n - name_at, GAUGE);
}

/* --- blocks of them --- */

#define GROUP 16 /* lines that are looked at together, so that one need not wait for the other's memory */
#define ONES 0x0101010101010101ULL

static inline uint64_t load64(const char *p)
{
    uint64_t value;
    memcpy(&value, p, 8);
    return value;
}

/* Bytes that are 0 become 0x80, all others 0. */
static inline uint64_t zero_bytes(uint64_t x)
{
    return ~(((x & 0x7f * ONES) + 0x7f * ONES) | x | 0x7f * ONES);
}

static inline int are_digits(uint64_t x)
{
    return (x & 0xf0 * ONES) == 0x30 * ONES && ((x + 0x06 * ONES) & 0xf0 * ONES) == 0x30 * ONES;
}

/* The number that eight digits are, the first in the lowest byte. */
static inline uint32_t eight_digits(uint64_t x)
{
    x -= 0x30 * ONES;
    x = x * 10 + (x >> 8);
    x = ((x & 0x000000ff000000ffULL) * 0x000f424000000064ULL +
         (x >> 16 & 0x000000ff000000ffULL) * 0x0000271000000001ULL) >> 32;
    return (uint32_t)x;
}

/* A value of at most seven digits with or without a point, in the highest bytes of what stands before
 * `end`; where it begins, NULL where it is something else. */
static inline const char *short_value(const char *end, double *value)
{
    static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
    uint64_t x = load64(end - 8), blanks = zero_bytes(x ^ 0x20 * ONES), points, below;
    int blank, point, behind = 0;
    if (!blanks)
        return NULL;
    blank = (63 - __builtin_clzll(blanks)) / 8;
    if (blank == 7)
        return NULL;
    below = ((uint64_t)1 << 8 * (blank + 1)) - 1;
    x = (x & ~below) | (0x30 * ONES & below);
    points = zero_bytes(x ^ 0x2e * ONES);
    if (points) {
        point = __builtin_ctzll(points) / 8;
        behind = 7 - point;
        if (blank == 6)
            return NULL;
        below = ((uint64_t)1 << 8 * point) - 1;
        x = (behind ? x & ~(below << 8 | 0xff) : 0) | (x & below) << 8 | 0x30;
    }
    if (!are_digits(x))
        return NULL;
    *value = (double)eight_digits(x) / powers[behind];
    return end - (7 - blank);
}

/* Any other value in front of `end`; where it begins, NULL where there is none or it is refused. */
static const char *long_value(const char *begin, const char *end, double *value)
{
    const char *at = end;
    while (at > begin && at[-1] != ' ')
        at--;
    return at == begin || mt_number(at, (size_t)(end - at), value) ? NULL : at;
}

/* The line that most lines are: path, value and a time of ten digits, with one blank between them.  0 where
 * it is something else; what is read is what mt_graphite_line would have read. */
static inline int read_plain(const char *p, size_t n, graphite_line *out)
{
    const char *end = p + n, *value;
    uint64_t digits;
    if (n < 20 || end[-11] != ' ' || *p == ' ' || *p == '\t')
        return 0;
    digits = load64(end - 8);
    if (!are_digits(digits) || (unsigned char)(end[-10] - '0') > 9 || (unsigned char)(end[-9] - '0') > 9)
        return 0;
    out->time_ms = ((end[-10] - '0') * 10 + (end[-9] - '0')) * 100000000000LL + eight_digits(digits) * 1000LL;
    value = short_value(end - 11, &out->value);
    if (!value && !(value = long_value(p, end - 11, &out->value)))
        return 0;
    out->path.p = p;
    out->path.n = (size_t)(value - 1 - p);
    out->timed = 1;
    return value - 1 > p && value[-2] != ' ' && value[-2] != '\t';
}

typedef struct {
    slice text;
    graphite_line read;
    uint64_t hash;
    int reason;
} path_line;

/* Read the next lines and fetch what will be looked at; how many there are. */
static int read_group(const table *t, const char **at, const char *end, int dialect, path_line *lines)
{
    int count = 0, i;
    while (count < GROUP && mt_next_line(at, end, &lines[count].text)) {
        path_line *l = &lines[count++];
        l->reason = WHY_OK;
        if (!read_plain(l->text.p, l->text.n, &l->read))
            l->reason = mt_graphite_line(&l->read, l->text.p, l->text.n);
        if (!l->reason)
            l->hash = mt_hash_path(t, l->read.path, dialect);
    }
    for (i = 0; i < count; i++)
        if (!lines[i].reason)
            mt_fetch_path(t, lines[i].hash);
    return count;
}

static inline uint64_t keep(table *t, uint32_t index, const graphite_line *read, int64_t now_ms)
{
    return (uint64_t)mt_keep_point(t, index, read->timed ? read->time_ms : now_ms, read->value);
}

/* Parse whole Graphite lines and keep their points; how many. */
uint64_t mt_feed_graphite(table *t, const char *block, size_t n, int64_t now_ms, int dialect)
{
    const char *at = block;
    path_line lines[GROUP];
    uint64_t kept = 0, number = 0;
    int count, i;
    mt_bound_raw(t);
    while ((count = read_group(t, &at, block + n, dialect, lines))) {
        number += (uint64_t)count;
        for (i = 0; i < count; i++) {
            path_line *l = &lines[i];
            uint32_t index;
            if (!l->reason)
                l->reason = mt_resolve_path(t, l->read.path, l->hash, dialect, &index);
            if (l->reason)
                mt_reject(t, l->reason, l->text.p, l->text.n);
            else
                kept += keep(t, index, &l->read, now_ms);
        }
    }
    t->lane->tally.lines += number;
    t->lane->tally.bytes += n;
    t->lane->tally.samples += kept;
    return kept;
}
