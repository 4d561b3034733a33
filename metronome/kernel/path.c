/* A series' key as a Graphite path; paths.py has the words. */
#include "write.h"

#include <string.h>

enum { PLAIN = 1, MAY_BE_BLANK = 2, CONTROL = 4, SEMICOLON = 8, MARK = 16 };

static unsigned char class_of[256];

/* Called once when the module is loaded. */
void mt_path_start(void)
{
    int c;
    const char *mark;
    memset(class_of, 0, sizeof class_of);
    for (c = 0; c < 26; c++)
        class_of['a' + c] = class_of['A' + c] = PLAIN;
    for (c = '0'; c <= '9'; c++)
        class_of[c] = PLAIN;
    for (mark = "_-.="; *mark; mark++)
        class_of[(unsigned char)*mark] = PLAIN;
    for (mark = "!^="; *mark; mark++)
        class_of[(unsigned char)*mark] |= MARK;
    for (c = 0; c < 0x20; c++)
        class_of[c] = CONTROL | MAY_BE_BLANK;
    class_of[' '] = class_of[0xc2] = class_of[0xe1] = class_of[0xe2] = class_of[0xe3] = MAY_BE_BLANK;
    class_of[0x7f] = CONTROL;
    class_of[';'] = SEMICOLON;
}

/* How many bytes the blank at `p` has; 0 where there is none.  Unicode's, as Python sees them. */
static size_t blank(const unsigned char *p, const unsigned char *end)
{
    if (!(class_of[*p] & MAY_BE_BLANK))
        return 0;
    if (*p < 0x80)
        return *p == ' ' || (*p >= '\t' && *p <= '\r') || (*p >= 0x1c && *p <= 0x1f);
    if (*p == 0xc2)
        return end - p > 1 && (p[1] == 0x85 || p[1] == 0xa0) ? 2 : 0;
    if (end - p < 3)
        return 0;
    if (*p == 0xe1)
        return p[1] == 0x9a && p[2] == 0x80 ? 3 : 0;
    if (*p == 0xe3)
        return p[1] == 0x80 && p[2] == 0x80 ? 3 : 0;
    if (p[1] == 0x81)
        return p[2] == 0x9f ? 3 : 0;
    return p[1] == 0x80 && ((p[2] >= 0x80 && p[2] <= 0x8a) || p[2] == 0xa8 || p[2] == 0xa9 || p[2] == 0xaf)
        ? 3 : 0;
}

/* Copy a text as statsd cleans it; a run of semicolons becomes one `_` in a tag and nothing elsewhere. */
static char *sanitised(char *to, const unsigned char *p, const unsigned char *end, int in_tag)
{
    int in_blanks = 0, in_semicolons = 0;
    while (p < end) {
        size_t length;
        if (class_of[*p] & PLAIN) {
            *to++ = (char)*p++;
            in_blanks = in_semicolons = 0;
        } else if ((length = blank(p, end)) != 0) {
            if (!in_blanks)
                *to++ = '_';
            in_blanks = 1;
            in_semicolons = 0;
            p += length;
        } else {
            if (*p == '/') {
                *to++ = '-';
                in_semicolons = 0;
            } else if (*p == ';') {
                if (in_tag && !in_semicolons)
                    *to++ = '_';
                in_semicolons = 1;
            }
            in_blanks = 0;
            p++;
        }
    }
    return to;
}

/* Copy a text, each run of blanks and of bytes of these classes as one `_`. */
static char *without(char *to, const unsigned char *p, const unsigned char *end, int classes)
{
    int in_run = 0;
    while (p < end) {
        size_t length = class_of[*p] & classes ? 1 : blank(p, end);
        if (length) {
            if (!in_run)
                *to++ = '_';
            in_run = 1;
            p += length;
        } else {
            *to++ = (char)*p++;
            in_run = 0;
        }
    }
    return to;
}

static char *tag_name(char *to, int spelling, const unsigned char *p, const unsigned char *end)
{
    if (spelling == STATSD)
        return sanitised(to, p, end, 1);
    return without(to, p, end, spelling == CARBON ? CONTROL | SEMICOLON | MARK : SEMICOLON);
}

static char *tag_value(char *to, int spelling, const unsigned char *p, const unsigned char *end)
{
    char *begin = to;
    if (spelling == STATSD)
        to = sanitised(to, p, end, 1);
    else
        to = without(to, p, end, spelling == CARBON ? CONTROL | SEMICOLON : SEMICOLON);
    if (to == begin)
        *to++ = '_';
    else if (spelling == CARBON && *begin == '~')
        *begin = '_';
    return to;
}

static const unsigned char *to_nul(const unsigned char *p, const unsigned char *end)
{
    const unsigned char *found = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;
    return found ? found : end;
}

/* The two halves of a key's path; `to` has room for `PATH_ROOM(n)` bytes. */
path mt_path(int spelling, const char *key, size_t n, char *to)
{
    const unsigned char *p = (const unsigned char *)key, *end = p + n, *next;
    path found = {{to, 0}, {to, 0}};
    char *at = to;
    if (!n)
        return found;
    if (spelling == READY) {
        next = to_nul(p, end);
        found.name = (slice){key, (size_t)(next - p)};
        if (next < end)
            found.tags = (slice){(const char *)next + 1, (size_t)(end - next) - 1};
        return found;
    }
    next = to_nul(++p, end);
    at = spelling == CARBON ? without(at, p, next, CONTROL | SEMICOLON) : sanitised(at, p, next, 0);
    found.name.n = (size_t)(at - to);
    found.tags.p = at;
    while (next < end) {
        const unsigned char *name = next + 1, *between = to_nul(name, end);
        if (between == end)
            break;
        next = to_nul(between + 1, end);
        *at++ = ';';
        at = tag_name(at, spelling, name, between);
        *at++ = '=';
        at = tag_value(at, spelling, between + 1, next);
    }
    found.tags.n = (size_t)(at - found.tags.p);
    return found;
}
