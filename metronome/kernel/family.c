/* How a series is called on the page of metrics; families.py has the words. */
#include "exposed.h"

#include <stdlib.h>
#include <string.h>

const slice mt_suffixes[SUFFIXES] = {
    {"", 0}, {"_total", 6}, {"_created", 8}, {"_sum", 4}, {"_count", 6}, {"_bucket", 7},
};

static int is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static int is_letter(unsigned char c)
{
    return (unsigned)((c | 0x20) - 'a') < 26;
}

static int is_word(unsigned char c)
{
    return is_letter(c) || is_digit(c);
}

/* The character that begins here, and how many bytes it takes; a byte that begins none is one
 * by itself, 0xdc00 and up, as Python has it. */
static size_t character(const unsigned char *p, size_t n, uint32_t *letter)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4, i;
    uint32_t c = p[0];
    if (length > 1) {
        c &= 0x7fU >> length;
        for (i = 1; i < length && i < n && (p[i] & 0xc0) == 0x80; i++)
            c = c << 6 | (p[i] & 0x3f);
        if (i < length || p[0] < 0xc0 || p[0] > 0xf7 || c < least[length] || c > 0x10ffff ||
            c >> 11 == 0x1b) {
            *letter = 0xdc00 + p[0];
            return 1;
        }
    }
    *letter = c;
    return length;
}

/* With underscores; there is room for one byte more than the text has, and for one at least. */
static size_t with_underscores(const char *p, size_t n, char *to)
{
    char *at = to;
    size_t i = 0;
    uint32_t letter;
    if (!n || is_digit((unsigned char)*p))
        *at++ = '_';
    while (i < n) {
        unsigned char c = (unsigned char)p[i];
        if (c < 0x80) {
            *at++ = is_word(c) ? (char)c : '_';
            i++;
        } else {
            i += character((const unsigned char *)p + i, n - i, &letter);
            *at++ = '_';
        }
    }
    return (size_t)(at - to);
}

static char *hexadecimal(uint32_t value, char *to)
{
    int shift = 28;
    while (shift && !(value >> shift))
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = "0123456789abcdef"[value >> shift & 15];
    return to;
}

static int is_old(const char *p, size_t n, int colon)
{
    size_t i;
    for (i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (!is_letter(c) && c != '_' && !(i && is_digit(c)) && !(colon && c == ':'))
            return 0;
    }
    return n > 0;
}

static char *by_value(const char *p, size_t n, int label, char *to)
{
    size_t i = 0;
    memcpy(to, "U__", 3);
    to += 3;
    while (i < n) {
        uint32_t letter;
        size_t length = character((const unsigned char *)p + i, n - i, &letter);
        if (letter == '_') {
            *to++ = '_';
            *to++ = '_';
        } else if (letter < 0x80 && (is_letter((unsigned char)letter) || (letter == ':' && !label) ||
                                     (i && is_digit((unsigned char)letter)))) {
            *to++ = (char)letter;
        } else {
            *to++ = '_';
            to = hexadecimal(letter, to);
            *to++ = '_';
        }
        i += length;
    }
    return to;
}

static char *with_dots(const char *p, size_t n, int label, char *to)
{
    size_t i = 0;
    if (!n || is_digit((unsigned char)*p)) {
        *to++ = '_';
        *to++ = '_';
    }
    while (i < n) {
        uint32_t letter;
        i += character((const unsigned char *)p + i, n - i, &letter);
        if (letter == '.') {
            memcpy(to, "_dot_", 5);
            to += 5;
        } else if (letter < 0x80 && (is_word((unsigned char)letter) || (letter == ':' && !label))) {
            *to++ = (char)letter;
        } else {
            *to++ = '_';
            *to++ = '_';
        }
    }
    return to;
}

/* Write a text as it stands between quotes, or in a HELP. */
int mt_page_quote(buffer *out, slice text, int quotes)
{
    size_t i;
    if (mt_reserve(out, 2 * text.n) < 0)
        return -1;
    for (i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\\' || c == '\n' || (c == '"' && quotes))
            out->p[out->n++] = '\\';
        out->p[out->n++] = c == '\n' ? 'n' : c;
    }
    return 0;
}

/* Write a name, in quotes where it has to; -1 without memory. */
int mt_page_escape(buffer *out, const char *p, size_t n, int escaping, int label)
{
    char *at;
    if (mt_reserve(out, ESCAPED_ROOM(n)) < 0)
        return -1;
    at = out->p + out->n;
    if (!n && escaping != E_DOTS)
        *at++ = '_';
    else if (escaping == E_RAW) {
        memcpy(at, p, n);
        at += n;
    }
    else if (escaping == E_UNDERSCORES)
        at += with_underscores(p, n, at);
    else if (escaping == E_DOTS)
        at = with_dots(p, n, label, at);
    else if (is_old(p, n, !label) && (escaping == E_UTF8 || n < 3 || memcmp(p, "U__", 3))) {
        memcpy(at, p, n);
        at += n;
    } else if (escaping == E_VALUES)
        at = by_value(p, n, label, at);
    else {
        slice text = {p, n};
        out->p[out->n++] = '"';
        if (mt_page_quote(out, text, 1) < 0)
            return -1;
        out->p[out->n++] = '"';
        return 0;
    }
    out->n = (size_t)(at - out->p);
    return 0;
}

static int append(buffer *b, const char *p, size_t n)
{
    if (!n)
        return 0;
    if (mt_reserve(b, n) < 0)
        return -1;
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return 0;
}

/* Write the name of a sample, in quotes where it has to; -1 without memory. */
int mt_page_name(page_series *s, buffer *out, int suffix, int escaping)
{
    const slice *end = &mt_suffixes[suffix];
    if (escaping == E_UNDERSCORES || !suffix || (!s->counter && escaping < E_UTF8)) {
        if (mt_page_escape(out, s->base.p, s->base.n, escaping, 0) < 0)
            return -1;
        return append(out, end->p, end->n);
    }
    s->whole.n = 0;
    if (append(&s->whole, s->base.p, s->base.n) < 0 || append(&s->whole, end->p, end->n) < 0)
        return -1;
    return mt_page_escape(out, s->whole.p, s->whole.n, escaping, 0);
}

/* --- a key, read --- */

static int is_text(const char *p, size_t n, const char *text)
{
    return n == strlen(text) && !memcmp(p, text, n);
}

static int is_reserved(const char *p, size_t n)
{
    return (n > 1 && p[0] == '_' && p[1] == '_') || is_text(p, n, "le") || is_text(p, n, "quantile") ||
           is_text(p, n, "stream");
}

/* Put together the name that a label has on the page, not escaped. */
static int whole_label(page_series *s, const page_label *l)
{
    s->whole.n = 0;
    if (l->exported && append(&s->whole, "exported_", 9) < 0)
        return -1;
    return append(&s->whole, l->name.p, l->name.n);
}

static int compare(const page_series *s, const page_label *a, const page_label *b)
{
    size_t n = a->plain_length < b->plain_length ? a->plain_length : b->plain_length;
    int order = memcmp(s->plain.p + a->plain, s->plain.p + b->plain, n);
    return order ? order : (a->plain_length > b->plain_length) - (a->plain_length < b->plain_length);
}

/* Put a label where it belongs, unless there is one of its name. */
static int add_label(page_series *s, slice name, slice value)
{
    page_label l = {name, value, s->plain.n, 0, 0};
    size_t at;
    if (mt_reserve(&s->plain, name.n + 16) < 0)
        return -1;
    l.plain_length = with_underscores(name.p, name.n, s->plain.p + l.plain);
    l.exported = is_reserved(s->plain.p + l.plain, l.plain_length);
    if (l.exported) {
        memmove(s->plain.p + l.plain + 9, s->plain.p + l.plain, l.plain_length);
        memcpy(s->plain.p + l.plain, "exported_", 9);
        l.plain_length += 9;
    }
    if (s->count == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 32;
        page_label *labels = realloc(s->labels, cap * sizeof(*labels));
        if (!labels)
            return -1;
        s->labels = labels;
        s->cap = cap;
    }
    for (at = s->count; at && compare(s, &s->labels[at - 1], &l) > 0; at--)
        ;
    if (at && !compare(s, &s->labels[at - 1], &l))
        return 0;
    memmove(&s->labels[at + 1], &s->labels[at], (s->count - at) * sizeof(l));
    s->labels[at] = l;
    s->count++;
    s->plain.n += l.plain_length;
    return 0;
}

static slice next_text(const char **at, const char *end)
{
    const char *stop = memchr(*at, 0, (size_t)(end - *at));
    slice text = {*at, (size_t)((stop ? stop : end) - *at)};
    *at = stop ? stop + 1 : NULL;
    return text;
}

/* Where the last characters of a name begin that stand for `_total`; its end where none do. */
static size_t total_of(slice name)
{
    const slice *total = &mt_suffixes[S_TOTAL];
    size_t at = name.n - (total->n - 1), i;
    uint32_t letter;
    if (name.n <= total->n || memcmp(name.p + at, total->p + 1, total->n - 1))
        return name.n;
    for (i = 4; i; i--)
        if (i <= at && character((const unsigned char *)name.p + at - i, i, &letter) == i)
            return i == at || (letter < 0x80 && is_word((unsigned char)letter)) ? name.n : at - i;
    return name.n;
}

/* Read a key of at least one byte; -1 without memory. */
int mt_page_read(page_series *s, const char *key, size_t n, int counter)
{
    const char *at = key + 1, *end = key + n;
    s->name = next_text(&at, end);
    s->base = s->name;
    s->counter = counter;
    s->count = s->plain.n = 0;
    if (counter)
        s->base.n = total_of(s->name);
    if (!s->base.n)
        s->base = (slice){"_", 1};
    while (at) {
        slice name = next_text(&at, end);
        if (at && add_label(s, name, next_text(&at, end)) < 0)
            return -1;
    }
    return 0;
}

void mt_page_free(page_series *s)
{
    free(s->labels);
    free(s->plain.p);
    free(s->whole.p);
}

/* --- ids --- */

/* hash64.py, piece by piece. */
static uint64_t hashed(uint64_t h, const char *p, size_t n)
{
    const unsigned char *at = (const unsigned char *)p, *end = at + n;
    while (at < end)
        h = (h ^ *at++) * 0x100000001b3ULL;
    return h;
}

static uint64_t finished(uint64_t h)
{
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
}

/* The hashes of the series just read, and the suffix that its family's name ends in. */
int mt_page_ids(page_series *s, uint64_t *ids, uint8_t *ending)
{
    const uint64_t nothing = 0xcbf29ce484222325ULL;
    const char *name;
    size_t n, i;
    uint64_t h;
    s->whole.n = 0;
    if (mt_page_escape(&s->whole, s->base.p, s->base.n, E_UNDERSCORES, 0) < 0)
        return -1;
    name = s->whole.p;
    n = s->whole.n;
    h = hashed(nothing, name, n);
    *ending = 0;
    for (i = 0; i < SUFFIXES; i++) {
        const slice *end = &mt_suffixes[i];
        ids[i] = finished(hashed(h, end->p, end->n));
        if (end->n && n >= end->n && !memcmp(name + n - end->n, end->p, end->n))
            *ending = (uint8_t)i;
    }
    ids[SUFFIXES] = finished(hashed(nothing, name, n - mt_suffixes[*ending].n));
    h = hashed(h, "{", 1);
    for (i = 0; i < s->count; i++) {
        const page_label *l = &s->labels[i];
        if (!l->value.n)
            continue;
        s->whole.n = 0;
        if (mt_page_quote(&s->whole, l->value, 1) < 0)
            return -1;
        h = hashed(hashed(h, s->plain.p + l->plain, l->plain_length), "=\"", 2);
        h = hashed(hashed(h, s->whole.p, s->whole.n), "\",", 2);
    }
    ids[SUFFIXES + 1] = finished(h);
    ids[SUFFIXES + 2] = finished(hashed(nothing, s->base.p, s->base.n));
    return 0;
}

/* Write the name of a label of the series just read; -1 without memory. */
int mt_page_label_name(page_series *s, const page_label *l, buffer *out, int escaping)
{
    if (whole_label(s, l) < 0)
        return -1;
    return mt_page_escape(out, s->whole.p, s->whole.n, escaping, 1);
}

/* The labels of the series just read, as they stand between braces; -1 without memory. */
int mt_page_labels(page_series *s, buffer *out, int escaping)
{
    size_t i;
    for (i = 0; i < s->count; i++) {
        const page_label *l = &s->labels[i];
        if ((i && append(out, ",", 1) < 0) || mt_page_label_name(s, l, out, escaping) < 0 ||
            append(out, "=\"", 2) < 0 || mt_page_quote(out, l->value, 1) < 0 || append(out, "\"", 1) < 0)
            return -1;
    }
    return 0;
}
