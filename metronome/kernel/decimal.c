/* Numbers as text; writing.py has the words.
 *
 * The shortest digits that read back as the same double are found as in R. Giulietti, "The
 * Schubfach way to render doubles" (2020): a double c 2^q stands for all reals between its two
 * neighbours' halves; a power of ten 10^k is chosen such that one or two multiples of it, and at
 * most one of 10^(k+1), lie in there.  Products with a power of ten are made with the 128 leading bits
 * of it, rounded up, and kept with one sticky bit, which the paper proves to be enough. */
#include "write.h"

#include <string.h>

typedef struct {
    uint64_t high, low;
} wide;

static wide powers[POWERS];

/* Called for each power when the module is loaded: 10^power as high 2^64 + low times a power of two. */
void mt_decimal_start(int power, uint64_t high, uint64_t low)
{
    powers[power - POWER_LEAST] = (wide){high, low};
}

static wide product(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    unsigned __int128 p = (unsigned __int128)a * b;
    return (wide){(uint64_t)(p >> 64), (uint64_t)p};
#else
    uint64_t low = (uint64_t)(uint32_t)a * (uint32_t)b, middle = (a >> 32) * (uint32_t)b;
    uint64_t other = (uint64_t)(uint32_t)a * (b >> 32) + (middle & 0xffffffff) + (low >> 32);
    return (wide){(a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32), other << 32 | (low & 0xffffffff)};
#endif
}

/* The upper 64 bits of a power times a number, the last of them set when anything is below. */
static uint64_t scaled(wide power, uint64_t number)
{
    wide lower = product(power.low, number), upper = product(power.high, number);
    uint64_t sum = upper.low + lower.high;
    return (upper.high + (sum < upper.low)) | (sum > 1);
}

typedef struct {
    uint64_t digits;
    int exponent; /* the number is digits 10^exponent */
} decimal;

/* floor(x log10(2)), floor(log10(3/4 2^x)) and floor(x log2(10)) of what a double may have. */
static int log10_of_power(int x)
{
    return (x * 1262611) >> 22;
}

static int log10_of_less(int x)
{
    return (x * 1262611 - 524031) >> 22;
}

static int log2_of_power(int x)
{
    return (x * 1741647) >> 19;
}

static decimal shortest(uint64_t bits)
{
    uint64_t fraction = bits & 0xfffffffffffff, biased = bits >> 52 & 0x7ff;
    uint64_t c = biased ? fraction | 1ULL << 52 : fraction;
    int q = (biased ? (int)biased : 1) - 1075;
    int closer = !fraction && biased > 1; /* the neighbour below is at half the distance */
    int k = closer ? log10_of_less(q) : log10_of_power(q);
    int shift = q + log2_of_power(-k) + 1;
    wide power = powers[-k - POWER_LEAST];
    uint64_t odd = c & 1, four = scaled(power, (4 * c) << shift), s = four / 4;
    uint64_t low = scaled(power, (4 * c - 2 + (uint64_t)closer) << shift) + odd;
    uint64_t high = scaled(power, (4 * c + 2) << shift) - odd;
    int below, above;
    if (s >= 10) {
        uint64_t ten = s / 10 * 40; /* in quarters of 10^k, as everything here */
        below = low <= ten;
        above = ten + 40 <= high;
        if (below != above)
            return (decimal){s / 10 + (uint64_t)above, k + 1};
    }
    below = low <= 4 * s;
    above = 4 * s + 4 <= high;
    if (below != above)
        return (decimal){s + (uint64_t)above, k};
    /* Both or none: the nearer one, of equally near ones the even. */
    return (decimal){s + (four > 4 * s + 2 || (four == 4 * s + 2 && s & 1)), k};
}

static size_t digits_of(uint64_t value, char *to)
{
    char text[24];
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    memcpy(to, text + at, sizeof text - at);
    return sizeof text - at;
}

/* Write a whole number; how many bytes. */
size_t mt_whole(int64_t value, char *to)
{
    if (value >= 0)
        return digits_of((uint64_t)value, to);
    *to = '-';
    return 1 + digits_of(-(uint64_t)value, to + 1);
}

static size_t with_exponent(char *to, const char *digits, size_t n, int exponent)
{
    char *at = to;
    *at++ = digits[0];
    if (n > 1) {
        *at++ = '.';
        memcpy(at, digits + 1, n - 1);
        at += n - 1;
    }
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    exponent = exponent < 0 ? -exponent : exponent;
    if (exponent < 10)
        *at++ = '0';
    return (size_t)(at - to) + digits_of((uint64_t)exponent, at);
}

/* `point` digits stand before the decimal point. */
static size_t with_point(char *to, const char *digits, size_t n, int point)
{
    char *at = to;
    size_t before = point > 0 ? (size_t)point : 0;
    if (!before) {
        memcpy(at, "0.", 2);
        memset(at + 2, '0', (size_t)-point);
        memcpy(at + 2 - point, digits, n);
        return 2 + (size_t)-point + n;
    }
    if (before >= n) {
        memcpy(at, digits, n);
        memset(at + n, '0', before - n);
        memcpy(at + before, ".0", 2);
        return before + 2;
    }
    memcpy(at, digits, before);
    at[before] = '.';
    memcpy(at + before + 1, digits + before, n - before);
    return n + 1;
}

/* Write a finite number; how many of the `DECIMAL_ROOM` bytes. */
size_t mt_decimal(double value, char *to)
{
    uint64_t bits;
    char digits[24], *at = to;
    size_t n;
    int point;
    decimal d;
    if (value > -1e15 && value < 1e15 && value == (double)(int64_t)value)
        return mt_whole((int64_t)value, to);
    memcpy(&bits, &value, sizeof bits);
    if (bits >> 63)
        *at++ = '-';
    d = shortest(bits & ~(1ULL << 63));
    n = digits_of(d.digits, digits);
    point = (int)n + d.exponent;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (point > 16 || point < -3)
        return (size_t)(at - to) + with_exponent(at, digits, n, point - 1);
    return (size_t)(at - to) + with_point(at, digits, n, point);
}
