/* One line of Graphite's plaintext; the rules are those of graphite_grammar.py. */
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
