/* One statsd line; the rules are those of statsd_grammar.py. */
#include "kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int kind_of(slice word, int *type)
{
    *type = T_PLAIN;
    if (word.n == 2 && word.p[0] == 'm' && word.p[1] == 's') {
        *type = T_MILLISECONDS;
        return TIMER;
    }
    if (word.n == 2 && word.p[0] == 'k' && word.p[1] == 'v') {
        *type = T_VALUE;
        return GAUGE;
    }
    if (word.n != 1)
        return -1;
    switch (*word.p) {
    case 'C':
        *type = T_TOTAL;
        return COUNTER;
    case 'c':
    case 'm':
        return COUNTER;
    case 'h':
    case 'd':
        return TIMER;
    case 'g':
        return GAUGE;
    case 's':
        return SET;
    }
    return -1;
}

typedef struct {
    const char *at, *end; /* at is NULL behind the last */
} cursor;

/* The next text between bars; 0 where there is none. */
static int next_field(cursor *c, slice *field)
{
    const char *bar;
    if (!c->at)
        return 0;
    bar = memchr(c->at, '|', (size_t)(c->end - c->at));
    field->p = c->at;
    field->n = (size_t)((bar ? bar : c->end) - c->at);
    c->at = bar ? bar + 1 : NULL;
    return 1;
}

/* Cut the field at its first colon; 0 where there is none. */
static int cut(slice *field, slice *after)
{
    const char *colon = field->n ? memchr(field->p, ':', field->n) : NULL;
    if (!colon)
        return 0;
    after->p = colon + 1;
    after->n = field->n - (size_t)(colon + 1 - field->p);
    field->n = (size_t)(colon - field->p);
    return 1;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static slice without_blanks(slice text)
{
    for (; text.n && is_blank(*text.p); text.n--)
        text.p++;
    while (text.n && is_blank(text.p[text.n - 1]))
        text.n--;
    return text;
}

/* A sample rate; 0 where it is not in (0, 1]. */
static double read_rate(slice text)
{
    double rate;
    text = without_blanks(text);
    if (mt_literal(text.p, text.n, &rate) || !(rate > 0 && rate <= 1) || 1 / rate > LARGEST)
        return 0;
    return rate;
}

static int begins(slice field, const char *mark, size_t n)
{
    return field.n >= n && !memcmp(field.p, mark, n);
}

/* A section of tags.  The first is read where it is; more are put behind it. */
static int take_tags(scratch *s, slice section)
{
    slice *tags = &s->line.tags;
    if (!tags->p) {
        *tags = section;
        return WHY_OK;
    }
    if (tags->p != s->tags.p) {
        s->tags.n = 0;
        if (mt_reserve(&s->tags, tags->n + 1) < 0)
            return WHY_MEMORY;
        memcpy(s->tags.p, tags->p, tags->n);
        s->tags.n = tags->n;
    }
    if (mt_reserve(&s->tags, section.n + 1) < 0)
        return WHY_MEMORY;
    s->tags.p[s->tags.n++] = ',';
    memcpy(s->tags.p + s->tags.n, section.p, section.n);
    s->tags.n += section.n;
    tags->p = s->tags.p;
    tags->n = s->tags.n;
    return WHY_OK;
}

static int take_field(scratch *s, slice field, int dialect)
{
    static const slice MARKS[] = {{"c:", 2}, {"e:", 2}, {"card:", 5}};
    line *l = &s->line;
    int i;
    if (!field.n)
        return WHY_OK;
    if (*field.p == '#' && dialect & D_DOGSTATSD) {
        slice section = {field.p + 1, field.n - 1};
        return take_tags(s, section);
    } else if (*field.p == 'T') {
        l->time_text.p = field.p + 1;
        l->time_text.n = field.n - 1;
    } else if (dialect & D_CONTAINER) {
        for (i = 0; i < 3; i++) {
            if (begins(field, MARKS[i].p, MARKS[i].n)) {
                l->origin[i].p = field.p + MARKS[i].n;
                l->origin[i].n = field.n - MARKS[i].n;
            }
        }
    }
    return WHY_OK;
}

static int add_group(scratch *s, slice values, int kind, int type, double rate)
{
    group *g;
    if (s->line.groups == s->group_cap) {
        size_t cap = s->group_cap ? 2 * s->group_cap : 4;
        g = realloc(s->groups, cap * sizeof *g);
        if (!g)
            return WHY_MEMORY;
        s->groups = g;
        s->group_cap = cap;
    }
    g = &s->groups[s->line.groups++];
    g->values = values;
    g->kind = kind;
    g->type = type;
    g->rate = rate;
    return WHY_OK;
}

/* The groups, values unread; the other fields go to the line. */
static int read_groups(scratch *s, cursor *c, int dialect)
{
    slice values, field, after = {NULL, 0};
    int tagged = 0;
    next_field(c, &values);
    for (;;) {
        double rate = 1;
        int more, kind, type;
        if (!next_field(c, &field))
            return WHY_MALFORMED_LINE;
        more = cut(&field, &after);
        field = without_blanks(field);
        if (!field.n)
            return WHY_MALFORMED_LINE;
        if ((kind = kind_of(field, &type)) < 0)
            return WHY_BAD_TYPE;
        while (!more && next_field(c, &field)) {
            char first = field.n ? *field.p : 0;
            if (first == '@') {
                more = !tagged && cut(&field, &after);
                field.p++;
                field.n--;
                if (!(rate = read_rate(field)))
                    return WHY_BAD_RATE;
            } else if (first == ':' && !tagged && field.n > 1) {
                more = 1;
                after.p = field.p + 1;
                after.n = field.n - 1;
            } else {
                if (take_field(s, field, dialect))
                    return WHY_MEMORY;
                tagged |= first == '#';
            }
        }
        if (add_group(s, values, kind, type, rate))
            return WHY_MEMORY;
        if (!more)
            return WHY_OK;
        values = after;
    }
}

static item *new_item(scratch *s)
{
    if (s->line.items == s->item_cap) {
        size_t cap = s->item_cap ? 2 * s->item_cap : 16;
        item *items = realloc(s->items, cap * sizeof *items);
        if (!items)
            return NULL;
        s->items = items;
        s->item_cap = cap;
    }
    return &s->items[s->line.items++];
}

static int read_number_item(scratch *s, const group *g, slice text, int deltas)
{
    int reason, signs;
    item *i = new_item(s);
    if (!i)
        return WHY_MEMORY;
    text = without_blanks(text);
    signs = g->kind == GAUGE && text.n;
    i->delta = signs && deltas && g->type != T_VALUE && (*text.p == '+' || *text.p == '-');
    i->total = g->type == T_TOTAL;
    if (signs && *text.p == '=') {
        text.p++;
        text.n--;
    }
    if ((reason = mt_literal(text.p, text.n, &i->value)))
        return reason;
    if (g->kind != GAUGE && fabs(i->value / g->rate) > LARGEST)
        return WHY_NOT_FINITE;
    return WHY_OK;
}

static int read_items(scratch *s, group *g, int deltas)
{
    slice rest = g->values;
    int more = 1;
    g->first = s->line.items;
    if (g->kind == SET) {
        if (rest.n) {
            item *i = new_item(s);
            if (!i)
                return WHY_MEMORY;
            i->member = rest;
            i->delta = i->total = 0;
        }
        more = 0;
    }
    while (more) {
        slice text = rest;
        int reason;
        more = cut(&text, &rest);
        if (text.n && (reason = read_number_item(s, g, text, deltas)))
            return reason;
    }
    g->count = s->line.items - g->first;
    return WHY_OK;
}

static int read_time(scratch *s)
{
    line *l = &s->line;
    slice text;
    size_t i;
    l->timed = 0;
    for (i = 0; l->time_text.p && i < l->groups; i++) {
        if (mt_has_time(&s->groups[i])) {
            l->timed = 1;
            text = without_blanks(l->time_text);
            if (mt_number(text.p, text.n, &l->time) ||
                !(l->time * 1000 > 0 && l->time * 1000 <= LATEST_MS))
                return WHY_BAD_TIME;
            break;
        }
    }
    return WHY_OK;
}

/* Read a line that is no event into the scratch; the reason where it is refused. */
int mt_statsd_line(scratch *s, const char *p, size_t n, int dialect)
{
    line *l = &s->line;
    const char *colon;
    cursor c;
    size_t i;
    int reason;

    while (n && is_blank(p[n - 1]))
        n--;
    colon = memchr(p, ':', n);
    if (!colon || memchr(p, '|', (size_t)(colon - p)))
        return WHY_MALFORMED_LINE;
    if (colon == p)
        return WHY_BAD_NAME;
    memset(l, 0, sizeof *l);
    l->name.p = p;
    l->name.n = (size_t)(colon - p);
    c.at = colon + 1;
    c.end = p + n;
    if ((reason = read_groups(s, &c, dialect)) || (reason = read_time(s)))
        return reason;
    for (i = 0; i < l->groups; i++)
        if ((reason = read_items(s, &s->groups[i], dialect & D_GAUGE_DELTA && !l->timed)))
            return reason;
    return WHY_OK;
}

int mt_is_event(const char *p, size_t n)
{
    return n >= 3 && p[0] == '_' && (!memcmp(p, "_e{", 3) || (n >= 4 && !memcmp(p, "_sc|", 4)));
}

/* One to five digits and the character behind them; NULL where they are not there. */
static const char *read_length(const char *at, const char *end, char behind, size_t *length)
{
    const char *begin = at;
    *length = 0;
    while (at < end && at - begin < 5 && (unsigned char)(*at - '0') < 10)
        *length = *length * 10 + (size_t)(*at++ - '0');
    return at > begin && at < end && *at == behind ? at + 1 : NULL;
}

static int check_is_good(const char *at, const char *end)
{
    const char *bar = memchr(at, '|', (size_t)(end - at));
    if (!bar || bar == at || end - bar < 2 || bar[1] < '0' || bar[1] > '3')
        return 0;
    return end - bar == 2 || bar[2] == '|';
}

/* Whether an event's lengths fit its text, or a check has a name and a status. */
int mt_event_is_good(const char *p, size_t n)
{
    const char *end = p + n, *at;
    size_t title, text;
    if (p[1] == 's')
        return check_is_good(p + 4, end);
    at = read_length(p + 3, end, ',', &title);
    at = at ? read_length(at, end, '}', &text) : NULL;
    if (!at || at == end || *at++ != ':' || !title || (size_t)(end - at) < title + 1 + text)
        return 0;
    if (at[title] != '|')
        return 0;
    at += title + 1 + text;
    return at == end || *at == '|';
}
