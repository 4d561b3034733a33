/* The number grammar; number.py has the words.
 *
 * Up to 19 digits whose integer is below 2^53 with a power of ten up to 22 are exact in one
 * multiplication or division (Clinger, PLDI 1990).  Everything else goes to the C library's
 * correctly rounding strtod, in the C locale, so that a decimal comma elsewhere in the
 * process changes nothing.
 */
#define _GNU_SOURCE
#include "kernel.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

static locale_t c_locale;

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Called once when the module is loaded; -1 when there is no memory. */
int mt_number_start(void)
{
    if (!c_locale)
        c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return c_locale ? 0 : -1;
}

static int same_word(const char *p, size_t n, const char *word)
{
    size_t i;
    if (n != strlen(word))
        return 0;
    for (i = 0; i < n; i++)
        if ((p[i] | 0x20) != word[i])
            return 0;
    return 1;
}

static int not_a_decimal(const char *p, size_t n)
{
    if (n && (*p == '+' || *p == '-')) {
        p++;
        n--;
    }
    if (same_word(p, n, "nan") || same_word(p, n, "inf") || same_word(p, n, "infinity"))
        return WHY_NOT_FINITE;
    return WHY_BAD_VALUE;
}

static int by_library(const char *p, size_t n, double *out)
{
    char copy[NUMBER_BYTES + 1];
    memcpy(copy, p, n);
    copy[n] = 0;
    *out = strtod_l(copy, NULL, c_locale);
    return isfinite(*out) ? WHY_OK : WHY_NOT_FINITE;
}

typedef struct {
    uint64_t mantissa;
    int digits;      /* all of them */
    int significant; /* without leading zeros */
    int after_point;
} decimal;

static const char *read_digits(decimal *d, const char *at, const char *end)
{
    const char *begin = at;
    while (at < end && (unsigned char)(*at - '0') < 10) {
        if (d->significant || *at != '0')
            d->significant++;
        if (d->significant <= 19)
            d->mantissa = d->mantissa * 10 + (uint64_t)(*at - '0');
        at++;
    }
    d->digits += (int)(at - begin);
    return at;
}

/* The exponent behind an `e`; NULL where there is none.  Large ones are cut to 9999. */
static const char *read_exponent(const char *at, const char *end, int *exponent)
{
    int negative = 0, value = 0;
    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    if (at == end)
        return NULL;
    for (; at < end && (unsigned char)(*at - '0') < 10; at++)
        value = value < 1000 ? value * 10 + (*at - '0') : 9999;
    *exponent = negative ? -value : value;
    return at;
}

/* Read a number; WHY_OK, WHY_BAD_VALUE or WHY_NOT_FINITE. */
int mt_number(const char *p, size_t n, double *out)
{
    const char *at = p, *end = p + n, *point;
    decimal d = {0, 0, 0, 0};
    int negative = 0, exponent = 0;
    double value;

    if (n > NUMBER_BYTES)
        return WHY_BAD_VALUE;
    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    at = read_digits(&d, at, end);
    if (at < end && *at == '.') {
        point = ++at;
        at = read_digits(&d, at, end);
        d.after_point = (int)(at - point);
    }
    if (!d.digits)
        return not_a_decimal(p, n);
    if (at < end && (*at | 0x20) == 'e') {
        at = read_exponent(at + 1, end, &exponent);
        if (!at)
            return WHY_BAD_VALUE;
    }
    if (at != end)
        return not_a_decimal(p, n);
    exponent -= d.after_point;
    if (d.significant > 19 || d.mantissa > (1ULL << 53) || exponent > 22 || exponent < -22)
        return by_library(p, n, out);
    value = (double)d.mantissa;
    value = exponent < 0 ? value / POWERS[-exponent] : value * POWERS[exponent];
    *out = negative ? -value : value;
    return WHY_OK;
}

static int digit_of(char c)
{
    if ((unsigned char)(c - '0') < 10)
        return c - '0';
    return (unsigned char)((c | 0x20) - 'a') < 6 ? (c | 0x20) - 'a' + 10 : 16;
}

/* Digits of so many bits each, of which there is at least one: rounded as a decimal would be. */
static int whole(const char *p, size_t n, int bits, double *out)
{
    uint64_t top = 0;
    int beyond = 0, sticky = 0, i;
    size_t at;
    for (at = 0; at < n; at++) {
        int digit = digit_of(p[at]);
        if (digit >> bits)
            return WHY_BAD_VALUE;
        for (i = bits; i--;) {
            int bit = digit >> i & 1;
            if (top >> 63) {
                beyond++;
                sticky |= bit;
            } else {
                top = top << 1 | (uint64_t)bit;
            }
        }
    }
    *out = ldexp((double)(top | (uint64_t)sticky), beyond);
    return n && isfinite(*out) ? WHY_OK : n ? WHY_NOT_FINITE : WHY_BAD_VALUE;
}

/* Copy a number without the `_` between its digits; its length, or 0 where one stands elsewhere. */
static size_t without_spaces(const char *p, size_t n, int hex, char *copy)
{
    size_t i, length = 0;
    int most = hex ? 16 : 10;
    for (i = 0; i < n; i++) {
        if ((p[i] | 0x20) == 'p')
            most = 10;
        if (p[i] != '_') {
            copy[length++] = p[i];
            continue;
        }
        if (!i || i + 1 == n || digit_of(p[i + 1]) >= most)
            return 0;
        if (digit_of(p[i - 1]) >= most && !(hex && (p[i - 1] | 0x20) == 'x'))
            return 0;
    }
    copy[length] = 0;
    return length;
}

/* Whether the text behind `0x` is a mantissa and an exponent of two. */
static int is_hex_float(const char *at, const char *end)
{
    int digits = 0;
    for (; at < end && digit_of(*at) < 16; at++)
        digits++;
    if (at < end && *at == '.')
        for (at++; at < end && digit_of(*at) < 16; at++)
            digits++;
    if (!digits || at == end || (*at | 0x20) != 'p')
        return 0;
    at++;
    if (at < end && (*at == '+' || *at == '-'))
        at++;
    if (at == end)
        return 0;
    for (; at < end; at++)
        if (digit_of(*at) >= 10)
            return 0;
    return 1;
}

/* Read a number as any of the servers that we follow would; what they are is said in number.py. */
int mt_literal(const char *p, size_t n, double *out)
{
    char copy[NUMBER_BYTES + 1];
    int reason = mt_number(p, n, out), sign = n && (*p == '+' || *p == '-'), hex, found;
    size_t length;
    if (reason != WHY_BAD_VALUE || n > NUMBER_BYTES || n < 3)
        return reason;
    if (p[0] == '0' && ((p[1] | 0x20) == 'o' || (p[1] | 0x20) == 'b'))
        return whole(p + 2, n - 2, (p[1] | 0x20) == 'o' ? 3 : 1, out);
    if (p[0] == '0' && (p[1] | 0x20) == 'x' && (found = whole(p + 2, n - 2, 4, out)) != WHY_BAD_VALUE)
        return found;
    hex = p[sign] == '0' && (p[sign + 1] | 0x20) == 'x';
    if (!(length = without_spaces(p, n, hex, copy)))
        return WHY_BAD_VALUE;
    if (hex)
        return is_hex_float(copy + sign + 2, copy + length) ? by_library(copy, length, out) : WHY_BAD_VALUE;
    return length < n ? mt_number(copy, length, out) : WHY_BAD_VALUE;
}
