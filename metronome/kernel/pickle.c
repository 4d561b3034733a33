/* Whether a pickle may be read: pickles.py has the rules, and says why. */
#include "kernel.h"

#include <string.h>

/* So many bytes, if they are there; else NULL. */
static inline const char *skip(const char *at, const char *end, size_t bytes)
{
    return (size_t)(end - at) >= bytes ? at + bytes : NULL;
}

/* A text behind its length of so many bytes. */
static const char *skip_text(const char *at, const char *end, size_t width)
{
    uint32_t length = 0;
    if (!skip(at, end, width))
        return NULL;
    memcpy(&length, at, width);
    return skip(at + width, end, length);
}

/* So many decimal digits, up to what is none of them; NULL where there are none or too many. */
static const char *skip_digits(const char *at, const char *end, int most)
{
    const char *begin = at;
    while (at < end && at - begin < most && (unsigned char)(*at - '0') <= 9)
        at++;
    return at > begin ? at : NULL;
}

static const char *skip_newline(const char *at, const char *end)
{
    return at && at < end && *at == '\n' ? at + 1 : NULL;
}

/* An integer as text. */
static const char *skip_integer(const char *at, const char *end)
{
    if (at < end && *at == '-')
        at++;
    at = skip_digits(at, end, 40);
    if (at && at < end && *at == 'L')
        at++;
    return skip_newline(at, end);
}

/* The rest of a line that has so many bytes at least, and at most. */
static const char *skip_line(const char *at, const char *end, size_t least, size_t most)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    size_t length = stop ? (size_t)(stop - at) : 0;
    return stop && length >= least && length <= most ? stop + 1 : NULL;
}

/* What follows an instruction; NULL where it is none of those that are wanted, or the pickle ends. */
static const char *skip_argument(unsigned char instruction, const char *at, const char *end)
{
    switch (instruction) {
    case '(': case 0x85: case 0x86: case 0x87: case 't': case 'e': case ']': case 'a': case 'l': case ')':
    case 'N': case 0x88: case 0x89: case 0x94:
        return at;
    case 'q': case 'h': case 'K': case 0x80:
        return skip(at, end, 1);
    case 'M':
        return skip(at, end, 2);
    case 'J': case 'j':
        return skip(at, end, 4);
    case 'G':
        return skip(at, end, 8);
    case 'r':
        return skip(at, end, 4) && (unsigned char)at[2] <= 7 && !at[3] ? at + 4 : NULL;
    case 0x95:
        return skip(at, end, 8) && !memcmp(at + 3, "\0\0\0\0\0", 5) ? at + 8 : NULL;
    case 0x8a:
        return at < end && (unsigned char)*at <= 16 ? skip(at + 1, end, (unsigned char)*at) : NULL;
    case 0x8c: case 'C': case 'U':
        return skip_text(at, end, 1);
    case 'X': case 'T': case 'B':
        return skip_text(at, end, 4);
    case 'p': case 'g':
        return skip_newline(skip_digits(at, end, 6), end);
    case 'I': case 'L':
        return skip_integer(at, end);
    case 'F':
        return skip_line(at, end, 1, 512);
    case 'S': case 'V':
        return skip_line(at, end, 0, SIZE_MAX);
    default:
        return NULL;
    }
}

int mt_pickle_is_harmless(const char *p, size_t n)
{
    const char *at = p, *end = p + n;
    while (at && at < end) {
        unsigned char instruction = (unsigned char)*at;
        if (instruction == '.')
            return 1;
        at = skip_argument(instruction, at + 1, end);
    }
    return 0;
}
