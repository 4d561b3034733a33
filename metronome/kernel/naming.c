/* From what a line says to the canonical key of its series: labels, tag styles, names.
 * The rules are those of naming.py.  Runs only for raw names that are new. */
#include "kernel.h"

#include <stdlib.h>
#include <string.h>

static const char KIND_CODES[] = "cgts";
static const slice ORIGINS[] = {{"container_id", 12}, {"external_data", 13}, {"cardinality", 11}};
static const slice TRUE_VALUE = {"true", 4};

/* Begin a series without labels.  Room is made for everything `input` bytes of names and tags
 * can become: three times as long when all of it is replaced, twice more for names made to
 * fit and the value `true`. */
int mt_labels_reset(scratch *s, size_t input)
{
    s->label_count = 0;
    s->text.n = 0;
    return mt_reserve(&s->text, 8 * input + 256) < 0 ? WHY_MEMORY : WHY_OK;
}

void mt_scratch_free(scratch *s)
{
    free(s->groups);
    free(s->items);
    free(s->tags.p);
    free(s->text.p);
    free(s->key.p);
    free(s->raw.p);
    free(s->mapped.text.p);
}

/* Add one label, or replace its value; the reason where it cannot be. */
int mt_add_label(scratch *s, slice name, slice value)
{
    char *text = s->text.p, *to = text + s->text.n;
    size_t name_len = mt_label_name(to, name.p, name.n);
    size_t value_len = mt_clean(to + name_len, value.p, value.n);
    label *l;
    int i;

    if (name_len > NAME_BYTES || value_len > LABEL_VALUE_BYTES)
        return WHY_BAD_LABEL;
    for (i = 0; i < s->label_count; i++) {
        l = &s->labels[i];
        if (l->name_len == name_len && !memcmp(text + l->name, to, name_len))
            break;
    }
    if (i == LABELS_PER_SERIES)
        return WHY_TOO_MANY_LABELS;
    l = &s->labels[i];
    if (i == s->label_count) {
        s->label_count++;
        l->name = (uint32_t)s->text.n;
        l->name_len = (uint32_t)name_len;
    }
    l->value = (uint32_t)(s->text.n + name_len);
    l->value_len = (uint32_t)value_len;
    s->text.n += name_len + value_len;
    return WHY_OK;
}

/* Cut the next item off a section; 0 where none is left. */
static int next_item(slice *rest, char separator, slice *item)
{
    const char *mark;
    if (!rest->p)
        return 0;
    mark = memchr(rest->p, separator, rest->n);
    *item = *rest;
    if (mark) {
        item->n = (size_t)(mark - rest->p);
        rest->n -= item->n + 1;
        rest->p = mark + 1;
    } else {
        rest->p = NULL;
    }
    return 1;
}

static void without_hash(slice *item)
{
    if (item->n && *item->p == '#') {
        item->p++;
        item->n--;
    }
}

/* A name and a value around the first `mark`; 0 where there is none. */
static int halves(slice item, char mark, slice *name, slice *value)
{
    const char *at = item.n ? memchr(item.p, mark, item.n) : NULL;
    *name = item;
    if (!at)
        return 0;
    name->n = (size_t)(at - item.p);
    value->p = at + 1;
    value->n = item.n - name->n - 1;
    return 1;
}

/* The labels of a DogStatsD section. */
static int add_tags(scratch *s, slice section)
{
    slice item, name, value;
    while (next_item(&section, ',', &item)) {
        int reason;
        without_hash(&item);
        if (!halves(item, ':', &name, &value))
            value = TRUE_VALUE;
        if (name.n && (reason = mt_add_label(s, name, value)))
            return reason;
    }
    return WHY_OK;
}

/* The labels of tags in a name. */
int mt_add_pairs(scratch *s, slice section, char separator)
{
    slice item, name, value;
    while (next_item(&section, separator, &item)) {
        int reason;
        if (separator == ',')
            without_hash(&item);
        if (halves(item, '=', &name, &value) && name.n && value.n && (reason = mt_add_label(s, name, value)))
            return reason;
    }
    return WHY_OK;
}

static int is_mark(char c, int dialect)
{
    return (c == ',' && dialect & D_INFLUX) || (c == '#' && dialect & D_LIBRATO) ||
           (c == ';' && dialect & D_GRAPHITE);
}

/* Where tags begin in a name: the first mark with a `=` somewhere behind it; n where none. */
static size_t find_mark(slice name, int dialect)
{
    size_t i, last = name.n;
    while (last && name.p[last - 1] != '=')
        last--;
    for (i = 0; i + 1 < last; i++)
        if (is_mark(name.p[i], dialect))
            return i;
    return name.n;
}

/* Whether a label name and a `=` begin at `p`. */
static int pair_begins(const char *p, const char *end)
{
    if (p == end || !(((unsigned char)((*p | 0x20) - 'a') < 26) || *p == '_'))
        return 0;
    while (p < end && ((unsigned char)((*p | 0x20) - 'a') < 26 || (unsigned char)(*p - '0') < 10 ||
                       *p == '_' || *p == '.' || *p == '-'))
        p++;
    return p < end && *p == '=';
}

/* Whether tags that `mark` opened hold a pair of another style. */
static int second_style(slice section, char mark, int dialect)
{
    const char *p = section.p, *end = p + section.n;
    for (; p < end; p++) {
        if (!is_mark(*p, dialect) || *p == mark)
            continue;
        if (mark == ';' || *p == ';' || (mark == ',' && *p == '#' && p > section.p && p[-1] != ','))
            if (pair_begins(p + 1, end))
                return 1;
    }
    return 0;
}

typedef struct {
    slice name, section;
    char separator;
} split;

/* A name in brackets' style: the pair of them and what is inside is cut out. */
static int split_signalfx(scratch *s, slice raw, int dialect, split *out)
{
    const char *open = memchr(raw.p, '[', raw.n), *close = memchr(raw.p, ']', raw.n);
    size_t before, after;
    if (!open || !close || close < open)
        return WHY_OK;
    before = (size_t)(open - raw.p);
    after = raw.n - (size_t)(close + 1 - raw.p);
    out->name.p = s->text.p + s->text.n;
    out->name.n = before + after;
    memcpy(s->text.p + s->text.n, raw.p, before);
    memcpy(s->text.p + s->text.n + before, close + 1, after);
    s->text.n += before + after;
    out->section.p = open + 1;
    out->section.n = (size_t)(close - open - 1);
    return find_mark(out->name, dialect) < out->name.n ? WHY_MIXED_TAG_STYLES : WHY_OK;
}

static int split_name(scratch *s, slice raw, int dialect, split *out)
{
    size_t at;
    out->name = raw;
    out->section.p = NULL;
    out->section.n = 0;
    out->separator = ',';
    if (dialect & D_SIGNALFX && (memchr(raw.p, '[', raw.n) || memchr(raw.p, ']', raw.n)))
        return split_signalfx(s, raw, dialect, out);
    at = find_mark(raw, dialect);
    if (at == raw.n)
        return WHY_OK;
    out->name.n = at;
    out->section.p = raw.p + at + 1;
    out->section.n = raw.n - at - 1;
    out->separator = raw.p[at] == ';' ? ';' : ',';
    return second_style(out->section, raw.p[at], dialect) ? WHY_MIXED_TAG_STYLES : WHY_OK;
}

/* Write the key of the name in the text and the labels so far. */
int mt_finish_key(scratch *s, size_t name_at, size_t name_len, int kind)
{
    size_t length = 1 + name_len;
    char *to;
    int i, j;

    if (!name_len || name_len > NAME_BYTES)
        return WHY_BAD_NAME;
    for (i = 1; i < s->label_count; i++) {
        label moved = s->labels[i];
        for (j = i; j; j--) {
            label *other = &s->labels[j - 1];
            uint32_t shorter = other->name_len < moved.name_len ? other->name_len : moved.name_len;
            int order = memcmp(s->text.p + other->name, s->text.p + moved.name, shorter);
            if (order < 0 || (!order && other->name_len < moved.name_len))
                break;
            s->labels[j] = *other;
        }
        s->labels[j] = moved;
    }
    for (i = 0; i < s->label_count; i++)
        length += 2 + s->labels[i].name_len + s->labels[i].value_len;
    s->key.n = 0;
    if (mt_reserve(&s->key, length) < 0)
        return WHY_MEMORY;
    to = s->key.p;
    *to++ = KIND_CODES[kind];
    memcpy(to, s->text.p + name_at, name_len);
    to += name_len;
    for (i = 0; i < s->label_count; i++) {
        const label *l = &s->labels[i];
        *to++ = 0;
        memcpy(to, s->text.p + l->name, l->name_len);
        to += l->name_len;
        *to++ = 0;
        memcpy(to, s->text.p + l->value, l->value_len);
        to += l->value_len;
    }
    s->key.n = length;
    return WHY_OK;
}

/* Write `name NUL label NUL value ...` of what is read so far into the key. */
static int write_series(scratch *s, size_t at, size_t length)
{
    size_t need = length;
    char *to;
    int i;
    for (i = 0; i < s->label_count; i++)
        need += 2 + s->labels[i].name_len + s->labels[i].value_len;
    s->key.n = 0;
    if (mt_reserve(&s->key, need) < 0)
        return WHY_MEMORY;
    memcpy(s->key.p, s->text.p + at, length);
    to = s->key.p + length;
    for (i = 0; i < s->label_count; i++) {
        const label *l = &s->labels[i];
        *to++ = 0;
        memcpy(to, s->text.p + l->name, l->name_len);
        to += l->name_len;
        *to++ = 0;
        memcpy(to, s->text.p + l->value, l->value_len);
        to += l->value_len;
    }
    s->key.n = need;
    return WHY_OK;
}

/* Ask the mapper about the name in the text and the labels, and take what it says instead. */
static int map_name(scratch *s, size_t *at, size_t *length, int kind)
{
    slice rest, piece, value;
    int reason;
    if (!s->may_map)
        return WHY_LATER;
    if ((reason = write_series(s, *at, *length)))
        return reason;
    s->mapped.text.n = 0;
    s->mapped.factor = 1;
    if (!s->mapper(s->mapper_context, s->key.p, s->key.n, kind, &s->mapped))
        return WHY_MAPPING_DROP;
    if (s->mapped.ruled == UNRULED)
        return WHY_OK;
    if (mt_reserve(&s->text, 8 * s->mapped.text.n + 256) < 0)
        return WHY_MEMORY;
    s->label_count = 0;
    rest.p = s->mapped.text.p;
    rest.n = s->mapped.text.n;
    next_item(&rest, 0, &piece);
    *at = s->text.n;
    *length = mt_clean(s->text.p + *at, piece.p, piece.n);
    *length = mt_without_control(s->text.p + *at, *length);
    s->text.n += *length;
    while (next_item(&rest, 0, &piece) && next_item(&rest, 0, &value))
        if ((reason = mt_add_label(s, piece, value)))
            return reason;
    return WHY_OK;
}

/* The key of the series of the statsd line that was read, for one of its kinds. */
int mt_statsd_key(scratch *s, int kind, int dialect)
{
    const line *l = &s->line;
    size_t input = l->name.n + l->tags.n + 64, name_at, name_len;
    split parts;
    int i, reason;

    for (i = 0; i < 3; i++)
        input += l->origin[i].n;
    if ((reason = mt_labels_reset(s, input)) || (reason = split_name(s, l->name, dialect, &parts)))
        return reason;
    if (parts.section.p && (reason = mt_add_pairs(s, parts.section, parts.separator)))
        return reason;
    if (l->tags.n) {
        if (s->label_count)
            return WHY_MIXED_TAG_STYLES;
        if ((reason = add_tags(s, l->tags)))
            return reason;
    }
    name_at = s->text.n;
    if (s->label_count) {
        name_len = mt_clean(s->text.p + name_at, parts.name.p, parts.name.n);
        name_len = mt_without_control(s->text.p + name_at, name_len);
    } else {
        name_len = mt_sanitised(s->text.p + name_at, parts.name.p, parts.name.n);
    }
    s->text.n += name_len;
    s->mapped.ruled = NO_RULES;
    s->mapped.factor = 1;
    if (name_len && s->mapper && (reason = map_name(s, &name_at, &name_len, kind)))
        return reason;
    for (i = 0; i < 3; i++)
        if (l->origin[i].n && (reason = mt_add_label(s, ORIGINS[i], l->origin[i])))
            return reason;
    return mt_finish_key(s, name_at, name_len, kind);
}
