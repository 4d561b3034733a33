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

/* Read `0x` and digits, which the caller has found to be no decimal and not too long. */
int mt_hexadecimal(const char *p, size_t n, double *out)
{
    size_t i;
    if (n < 3 || p[0] != '0' || (p[1] | 0x20) != 'x')
        return WHY_BAD_VALUE;
    for (i = 2; i < n; i++)
        if ((unsigned char)(p[i] - '0') >= 10 && (unsigned char)((p[i] | 0x20) - 'a') >= 6)
            return WHY_BAD_VALUE;
    return by_library(p, n, out);
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
