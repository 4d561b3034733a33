/* Bytes and text: hashes, UTF-8, the characters that names may have. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

#define FNV_BASIS 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL
#define ABREAST 4

/* The rest of a hash that has come as far as `h`. */
static uint64_t finished(uint64_t h, const unsigned char *p, const unsigned char *end)
{
    while (p < end)
        h = (h ^ *p++) * FNV_PRIME;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return h ^ (h >> 33);
}

/* FNV-1a, then MurmurHash3's finaliser; hash64.py. */
uint64_t mt_hash64(const void *data, size_t n)
{
    const unsigned char *p = data;
    return finished(FNV_BASIS, p, p + n);
}

/* The hashes of texts that stand one behind the other.  Some go abreast: each step of one has to wait
 * for the multiplication before it. */
void mt_hash_texts(const char *flat, const uint32_t *ends, size_t count, uint64_t *out)
{
    const unsigned char *texts[ABREAST + 1], *end = (const unsigned char *)flat;
    size_t row, k, least;
    int i;
    for (row = 0; row + ABREAST <= count; row += ABREAST) {
        uint64_t h[ABREAST];
        least = SIZE_MAX;
        for (i = 0; i < ABREAST; i++) {
            size_t length;
            texts[i] = end;
            end = (const unsigned char *)flat + ends[row + (size_t)i];
            length = (size_t)(end - texts[i]);
            least = length < least ? length : least;
            h[i] = FNV_BASIS;
        }
        texts[ABREAST] = end;
        for (k = 0; k < least; k++)
            for (i = 0; i < ABREAST; i++)
                h[i] = (h[i] ^ texts[i][k]) * FNV_PRIME;
        for (i = 0; i < ABREAST; i++)
            out[row + (size_t)i] = finished(h[i], texts[i] + least, texts[i + 1]);
    }
    for (; row < count; row++) {
        const unsigned char *begin = end;
        end = (const unsigned char *)flat + ends[row];
        out[row] = finished(FNV_BASIS, begin, end);
    }
}

/* Make room for `more` bytes behind what the buffer holds; -1 without memory. */
int mt_reserve(buffer *b, size_t more)
{
    size_t cap = b->cap ? b->cap : 256;
    char *p;
    if (b->n + more <= b->cap)
        return 0;
    while (cap < b->n + more)
        cap *= 2;
    p = realloc(b->p, cap);
    if (!p)
        return -1;
    b->p = p;
    b->cap = cap;
    return 0;
}

/* How long the UTF-8 sequence at `p` is.  Where it is none, `*good` is 0 and the answer is
 * the maximal part of one that begins there (Unicode 3.9, table 3-7), at least 1. */
static size_t sequence(const unsigned char *p, size_t n, int *good)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t need, i;
    *good = 0;
    if (*p < 0xc2 || *p > 0xf4)
        return 1;
    need = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    if (*p == 0xe0)
        low = 0xa0;
    else if (*p == 0xed)
        high = 0x9f;
    else if (*p == 0xf0)
        low = 0x90;
    else if (*p == 0xf4)
        high = 0x8f;
    for (i = 1; i < need; i++) {
        if (i == n || p[i] < low || p[i] > high)
            return i;
        low = 0x80;
        high = 0xbf;
    }
    *good = 1;
    return need;
}

/* Copy text, NUL and what is not UTF-8 replaced by U+FFFD: at most 3 n bytes. */
size_t mt_clean(char *to, const char *p, size_t n)
{
    const unsigned char *at = (const unsigned char *)p, *end = at + n;
    char *begin = to;
    while (at < end) {
        size_t length;
        int good;
        if (*at && *at < 0x80) {
            *to++ = (char)*at++;
            continue;
        }
        length = sequence(at, (size_t)(end - at), &good);
        if (good) {
            memcpy(to, at, length);
            to += length;
        } else {
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        }
        at += length;
    }
    return (size_t)(to - begin);
}

static int is_alpha(unsigned char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static int is_digit(unsigned char c)
{
    return (unsigned char)(c - '0') < 10;
}

/* Copy a name as statsd would store it: at most n bytes. */
size_t mt_sanitised(char *to, const char *p, size_t n)
{
    char *begin = to;
    size_t i;
    for (i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            if (!i || !(p[i - 1] == ' ' || (p[i - 1] >= '\t' && p[i - 1] <= '\r')))
                *to++ = '_';
        } else if (c == '/') {
            *to++ = '-';
        } else if (is_alpha(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == ';' || c == '=') {
            *to++ = (char)c;
        }
    }
    return (size_t)(to - begin);
}

/* Take control characters out of clean text, in place. */
size_t mt_without_control(char *text, size_t n)
{
    size_t i, kept = 0;
    for (i = 0; i < n; i++)
        if ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f)
            text[kept++] = text[i];
    return kept;
}

/* Copy a label name made to fit the model: at most 3 n + 1 bytes are touched. */
size_t mt_label_name(char *to, const char *p, size_t n)
{
    size_t length = mt_clean(to + 1, p, n), i, kept = 1;
    for (i = 1; i <= length; i++) {
        unsigned char c = (unsigned char)to[i];
        if (is_alpha(c) || is_digit(c) || c == '_' || c == '.' || c == '-')
            to[kept++] = (char)c;
        else if (c < 0x80 || c >= 0xc0)
            to[kept++] = '_';
    }
    if (kept > 1 && (is_alpha((unsigned char)to[1]) || to[1] == '_')) {
        memmove(to, to + 1, kept - 1);
        return kept - 1;
    }
    to[0] = '_';
    return kept;
}
